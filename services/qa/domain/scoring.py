"""What do the answers to a scorecard come to?

One pure function, `score`, of a scorecard and answers. Each answer earns a part, from 0 to all, of its criterion's
weight. With e and p for what was earned and possible among the criteria that were answered and not "not applicable":

    question          100 · Σ e / Σ p           over all criteria; their weights add up to 100
    points            100 · Σ e / Σ p           p without bonus sections, e with them; at most the cap
    group_multiplier  100 · Σ w·e / Σ w·p       over sections of weight w
    section           100 · Σ w·(e/p) / Σ w     over sections of weight w, which add up to 100

So by the policy `redistributed` the weight of what was not applicable falls to the others in proportion; by
`full_marks` it counts as earned, outside bonus sections. By either, a section in which nothing was applicable drops
out, and where nothing was applicable at all there is no score. Criteria whose condition does not hold are hidden, and
an answer to them does not count: they are in neither sum, by either policy.

All sums are of integers and so exact. The score is rounded in `_hundredths`, half-even to two places, and nowhere else;
the result follows from the rounded score, so that what people see is consistent.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Annotated, Literal, NamedTuple

from pydantic import StringConstraints

from services.qa.domain.scorecards import (
    NOT_APPLICABLE,
    Bands,
    Choice,
    Criterion,
    Draft,
    Prose,
    Scale,
    Scorecard,
    Value,
    YesNo,
    in_order,
    possible,
)
from shared.contracts.qa import ErrorClass
from shared.errors import Invalid
from shared.events import Seconds
from shared.numbers import rounded

Result = Literal["passed", "failed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an auditor found on one criterion, and where in the recording. The comment never leaves QA."""

    value: Value
    comment: Annotated[str, StringConstraints(max_length=5000, pattern=r"^[^\x00]*$")] | None = None
    at_seconds: Seconds | None = None


Answers = Mapping[str, Answer]


class Accuracy(NamedTuple):
    """How many criteria of one error class were judged, and how many of them failed."""

    judged: int
    failed: int


class Outcome(NamedTuple):
    """What answers come to.

    `raw_score` is what was earned, `score` what it counts after fatal criteria, from 0 to 100 or the cap; both and
    `result` are None where nothing was applicable. `marks`: what each judged criterion earned, in parts of 100.
    `critical_errors` are the failed fatal criteria that by themselves fail the audit; `fatal_hit` says that a fatal
    criterion failed at all. `possible_points`: how much of a weight of 100 was applicable, where weights add up to it.
    """

    raw_score: Decimal | None
    score: Decimal | None
    result: Result | None
    failed: tuple[Criterion, ...]
    critical_errors: tuple[str, ...]
    fatal_hit: bool
    marks: Mapping[str, Decimal]
    accuracy: Mapping[ErrorClass, Accuracy]
    possible_points: Decimal | None


NOTHING = Outcome(None, None, None, (), (), False, {}, {}, None)
"""Where there was nothing to judge."""


class _Judged(NamedTuple):
    """What one answer comes to; `earned` in units of the scorer."""

    earned: int
    mark: Decimal
    failed: bool


class _Step(NamedTuple):
    """A criterion as the scorer goes through it: behind the one that its condition names.

    `judge` answers None for what is not applicable, and for texts; `possible` is the weight, nothing in bonus sections.
    """

    key: str
    judge: Callable[[str | Decimal], _Judged | None]
    possible: int
    section: int
    decides: bool
    """Conditions of others name it."""
    parent: str | None
    shown: frozenset[str | Decimal]
    criterion: Criterion
    error_class: ErrorClass


@dataclass(frozen=True, slots=True)
class Scorer:
    """A scorecard made ready: weights as integers, `unit` of them to the point, and a table of every answer."""

    card: Draft
    unit: int
    steps: tuple[_Step, ...]
    weights: tuple[int, ...]
    places: Mapping[str, int]


def scorer_of(card: Draft) -> Scorer:
    """The scorecard made ready to score, compiled once in its life."""
    if card._scorer is None:
        card._scorer = _compile(card)
    scorer: Scorer = card._scorer
    return scorer


def _compile(card: Draft) -> Scorer:
    names = (None, *(section.key for section in card.sections))
    bonus = {section.key for section in card.sections if section.bonus}
    parts = {c.key: _parts(c) for c in card.criteria if c.scored}
    # So many units to the point that whatever can be earned is a whole number of them.
    unit = 100 * lcm(*(part.denominator for some in parts.values() for part in some.values()))
    parents = {criterion.shown_if.criterion for criterion in card.criteria if criterion.shown_if}
    steps = []
    for criterion in in_order(card.criteria):
        condition = criterion.shown_if
        steps.append(
            _Step(
                key=criterion.key,
                section=names.index(criterion.section),
                possible=0 if criterion.section in bonus else int(criterion.weight * unit),
                decides=criterion.key in parents,
                parent=condition.criterion if condition else None,
                shown=frozenset(condition.values if condition else ()),
                judge=_judge(criterion, parts[criterion.key], unit) if criterion.scored else _ignore,
                criterion=criterion,
                error_class=criterion.error_class,
            )
        )
    weights = (1, *(int((section.weight or 1) * 100) for section in card.sections))
    places = {criterion.key: n for n, criterion in enumerate(card.criteria)}
    return Scorer(card, unit, tuple(steps), weights, places)


def _parts(criterion: Criterion) -> dict[str | Decimal | int, Fraction]:
    """Each answer, for bands the number of the band, → the part of the weight that it earns."""
    match criterion.answer:
        case YesNo():
            return {"yes": Fraction(1), "no": Fraction(0)}
        case Scale(lowest=lowest, highest=highest):
            return {Decimal(n): Fraction(n - lowest, highest - lowest) for n in range(lowest, highest + 1)}
        case Choice(options=options):
            most = max(option.points for option in options)
            return {option.key: Fraction(option.points) / Fraction(most) for option in options}
        case Bands(bands=bands):
            most = max(band.points for band in bands)
            return {n: Fraction(band.points) / Fraction(most) for n, band in enumerate(bands)}
        case Prose():
            return {}


def _ignore(_: str | Decimal) -> None:
    """Of texts."""


def _judge(
    criterion: Criterion, parts: dict[str | Decimal | int, Fraction], unit: int
) -> Callable[[str | Decimal], _Judged | None]:
    least = None if criterion.fails_below is None else Fraction(criterion.fails_below) / 100
    table: dict[str | Decimal | int, _Judged | None] = {
        answer: _Judged(
            earned=int(part * int(criterion.weight * unit)),
            mark=rounded(Decimal(part.numerator * 100) / part.denominator),
            failed=part == 0 if least is None else part < least,
        )
        for answer, part in parts.items()
    }
    if not isinstance(criterion.answer, Bands):
        table[NOT_APPLICABLE] = None
        return table.__getitem__
    bounds = [band.below for band in criterion.answer.bands if band.below is not None]
    in_order = list(table.values())
    # By its type, for to find out that a Decimal equals no text takes as long as five criteria.
    return lambda value: None if isinstance(value, str) else in_order[bisect_right(bounds, value)]


def check_known(card: Scorecard, answers: Answers, field: str) -> None:
    """Raise `Invalid` naming the answers to what is no criterion, or that its criterion does not allow."""
    check_keys(card, answers, field)
    by_key = {criterion.key: criterion for criterion in card.criteria}
    if wrong := [key for key, answer in answers.items() if not possible(by_key[key], answer.value)]:
        raise Invalid(
            "These criteria cannot be answered so: {keys}. Answer yes, no, the key of an option, a whole number on the "
            "scale, a number or a text, as the criterion asks, or not_applicable.",
            keys=", ".join(wrong), errors=[{"field": f"{field}.{key}.value", "message": key} for key in wrong],
        )  # fmt: skip


def check_keys(card: Scorecard, keys: Collection[str], field: str) -> None:
    """Raise `Invalid` naming those of the keys that are no criteria of this scorecard."""
    if unknown := sorted(set(keys) - {criterion.key for criterion in card.criteria}):
        raise Invalid(
            "The scorecard {scorecard} has no such criteria: {keys}.",
            scorecard=card.label, keys=", ".join(unknown),
            errors=[{"field": f"{field}.{key}", "message": key} for key in unknown],
        )  # fmt: skip


def check_complete(card: Scorecard, answers: Answers) -> None:
    """Raise `Invalid` naming the criteria that show and have no answer, or lack the comment they ask for."""
    steps = {step.key: step for step in scorer_of(card).steps}
    keys = shown(card, answers)
    if missing := [key for key in keys if key not in answers]:
        raise Invalid(
            "Every criterion needs an answer; these have none: {keys}.",
            keys=", ".join(missing),
            errors=[{"field": f"answers.{key}", "message": key} for key in missing],
        )
    if silent := [key for key in keys if not answers[key].comment and _asks_for_comment(steps[key], answers[key])]:
        raise Invalid(
            "These criteria need a comment: {keys}.",
            keys=", ".join(silent),
            errors=[{"field": f"answers.{key}.comment", "message": key} for key in silent],
        )


def shown(card: Scorecard, answers: Answers) -> list[str]:
    """The criteria that these answers let show, in the order of the scorecard."""
    steps = {step.key: step for step in scorer_of(card).steps}
    return [criterion.key for criterion in card.criteria if _shows(steps, answers, steps[criterion.key])]


def _shows(steps: Mapping[str, _Step], answers: Answers, step: _Step) -> bool:
    if step.parent is None:
        return True
    answer = answers.get(step.parent)
    return answer is not None and answer.value in step.shown and _shows(steps, answers, steps[step.parent])


def _asks_for_comment(step: _Step, answer: Answer) -> bool:
    if step.criterion.comment != "on_fail":
        return step.criterion.comment == "required"
    judged = step.judge(answer.value)
    return judged is not None and judged.failed


def score(card: Draft, answers: Answers) -> Outcome:
    """What complete answers come to; the module says how."""
    scorer = scorer_of(card)
    sections = len(scorer.weights)
    earned, possible, given = [0] * sections, [0] * sections, [0] * sections
    judged = [False] * sections
    counted: dict[str, str | Decimal] = {}  # what conditions look at
    marks: dict[str, Decimal] = {}
    classes: list[ErrorClass] = []
    failures: list[Criterion] = []
    hit: set[int] = set()
    for key, judge, points, section, decides, parent, shown, criterion, error_class in scorer.steps:
        if parent is not None and counted.get(parent) not in shown:
            continue
        value = answers[key].value
        if decides:
            counted[key] = value
        found = judge(value)
        if found is None:
            given[section] += points
            continue
        got, marks[key], fails = found
        judged[section] = True
        earned[section] += got
        possible[section] += points
        classes.append(error_class)
        if fails:
            failures.append(criterion)
            if criterion.fatal:
                hit.add(section)
    if card.not_applicable == "full_marks":
        for section, some in enumerate(judged):
            if some:
                earned[section] += given[section]
                possible[section] += given[section]
    if not any(possible):
        return NOTHING
    raw = counts = _hundredths(scorer, earned, possible)
    fails_all = bool(hit) and card.fatal != "section_zero"
    if hit and card.fatal == "score_zero":
        counts = Decimal("0.00")
    elif hit and card.fatal == "section_zero":
        counts = _hundredths(scorer, [0 if n in hit else e for n, e in enumerate(earned)], possible)
    failures.sort(key=lambda criterion: scorer.places[criterion.key])
    failed_classes = [criterion.error_class for criterion in failures]
    return Outcome(
        raw_score=raw,
        score=counts,
        result="passed" if not fails_all and counts >= card.passing_score else "failed",
        failed=tuple(failures),
        critical_errors=tuple(criterion.key for criterion in failures if criterion.fatal) if fails_all else (),
        fatal_hit=bool(hit),
        marks=marks,
        accuracy={name: Accuracy(classes.count(name), failed_classes.count(name)) for name in set(classes)},
        possible_points=_points(scorer, possible),
    )


def _hundredths(scorer: Scorer, earned: list[int], possible: list[int]) -> Decimal:
    """The score, rounded half-even to two places: the one place where that happens."""
    mode = scorer.card.weighting
    top, bottom = 0, 1
    if mode == "section":
        total = 0
        for e, p, weight in zip(earned, possible, scorer.weights, strict=True):
            if p:  # e/p of this section, brought to one denominator with those before
                top, bottom, total = top * p + weight * e * bottom, bottom * p, total + weight
        bottom *= total
    elif mode == "group_multiplier":
        top = sum(e * weight for e, weight in zip(earned, scorer.weights, strict=True))
        bottom = sum(p * weight for p, weight in zip(possible, scorer.weights, strict=True))
    else:
        top, bottom = sum(earned), sum(possible)
    whole, rest = divmod(top * 10_000, bottom)
    if rest * 2 > bottom or (rest * 2 == bottom and whole % 2):
        whole += 1
    if mode == "points":
        whole = min(whole, int((scorer.card.cap or 100) * 100))
    return Decimal(whole).scaleb(-2)


def _points(scorer: Scorer, possible: list[int]) -> Decimal | None:
    if scorer.card.weighting == "question":
        return Decimal(sum(possible) * 100 // scorer.unit).scaleb(-2)
    if scorer.card.weighting == "section":
        return Decimal(sum(weight for p, weight in zip(possible, scorer.weights, strict=True) if p)).scaleb(-2)
    return None
