"""What did a calibration show: what was agreed, who differed from whom, and what is there to talk about? Pure.

`agreement.py` has the statistics; here answers become what they count.

    answer     coefficient                     same answer is
    yes/no     alpha nominal                   the same word; not applicable is an answer like any other
    choice     alpha ordinal, by points;       the same option
               nominal where two options earn the same
    scale      alpha ordinal                   the same number
    number     alpha interval, of the number   the same band
    text       none                            (not scored, so not compared)

On the ordinal and interval levels "not applicable" has no place, so alpha leaves it out; raw agreement and prevalence
count it. An answer to a criterion that was hidden from its auditor counts nowhere. The expert is the standard that
auditors are compared with, and is not among those whose agreement is counted.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple
from uuid import UUID

from services.qa.domain.agreement import Coefficient, Level, Mean, alpha, drift, icc, pairs, severity
from services.qa.domain.audits import Audit
from services.qa.domain.scorecards import NOT_APPLICABLE, Bands, Choice, Criterion, Scale, Scorecard
from services.qa.domain.scoring import shown

Why = Literal["fatal", "failed", "answer"]
"""Some failed a fatal criterion, or another one, and others did not; or they answered differently all the same."""
_WHY: tuple[Why, ...] = ("fatal", "failed", "answer")
_VERDICTS = ("failed", "passed", NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Session:
    """Several auditors, and an expert or none, who judge one interaction blind. `seed` is that of all intervals."""

    id: UUID
    recording_id: UUID
    scorecard_id: UUID
    auditors: Sequence[str]
    expert: str | None
    seed: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class HandIn:
    """A submitted calibration audit, with the version of the scorecard that it was made by."""

    audit: Audit
    card: Scorecard

    @cached_property
    def answered(self) -> frozenset[str]:
        return frozenset(shown(self.card, self.audit.answers))

    def value(self, criterion: Criterion) -> str | float | None:
        """What was answered; None where the criterion was hidden."""
        if criterion.key not in self.answered:
            return None
        value = self.audit.answers[criterion.key].value
        return value if isinstance(value, str) else float(value)

    def verdict(self, criterion: Criterion) -> str | None:
        if criterion.key not in self.answered:
            return None
        if criterion.key not in self.audit.marks:
            return NOT_APPLICABLE
        return "failed" if criterion.key in self.audit.failed else "passed"


@dataclass(frozen=True, slots=True)
class Interaction:
    """What was handed in on one interaction."""

    at: datetime
    auditors: Sequence[HandIn]
    expert: HandIn | None

    @property
    def all(self) -> Sequence[HandIn]:
        return self.auditors if self.expert is None else [*self.auditors, self.expert]


class Measure(NamedTuple):
    """How an answer is compared: at which level, under which name, and as which number (None: it has no place)."""

    level: Level
    name: Callable[[str | float], str]
    number: Callable[[str | float], float | None]


def measure_of(criterion: Criterion) -> Measure:
    """Of a scored criterion; the module says how."""
    answer = criterion.answer
    if isinstance(answer, Bands):
        bounds = [float(band.below) for band in answer.bands if band.below is not None]
        names = [*(f"< {bound:g}" for bound in bounds), f">= {bounds[-1]:g}"]
        return Measure(
            "interval", lambda v: v if isinstance(v, str) else names[bisect_right(bounds, v)], _number_or_none
        )
    if isinstance(answer, Scale):
        return Measure("ordinal", lambda v: v if isinstance(v, str) else f"{v:g}", _number_or_none)
    if isinstance(answer, Choice):
        points = {option.key: float(option.points) for option in answer.options}
        if len(set(points.values())) == len(points):
            return Measure("ordinal", str, lambda v: points.get(str(v)))
        return Measure("nominal", str, lambda v: [*points, NOT_APPLICABLE].index(str(v)))
    return Measure("nominal", str, ("no", "yes", NOT_APPLICABLE).index)


def _number_or_none(value: str | float) -> float | None:
    return None if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of auditors on one thing, over the interactions that two at least answered it for.

    `same` of `pairs` of answers to the same interaction are the same. `prevalence`: each answer's share of all answers,
    the most frequent first. Both None, or empty, where nobody can be compared with anybody.
    """

    level: Level
    interactions: int
    answers: int
    pairs: int
    same: int
    prevalence: dict[str, float]
    alpha: Coefficient

    @property
    def raw(self) -> float | None:
        return self.same / self.pairs if self.pairs else None


@dataclass(frozen=True, slots=True)
class CriterionSeen:
    """One criterion in this interaction, and over all with this scorecard so far.

    `said`: who said what, the most frequent answer first. `differ`: those who did not say what the expert said; without
    one, what most said; nobody where there is no such answer. `why` it should be talked about, None where all agree.
    """

    criterion: Criterion
    said: dict[str, list[str]]
    expert: str | None
    differ: list[str]
    why: Why | None
    here: Agreement
    so_far: Agreement


@dataclass(frozen=True, slots=True)
class Report:
    """What a calibration showed.

    `verdicts`: agreement on what failed, passed and was not applicable, over all criteria of this one interaction.
    `result`: on passed and failed as a whole. `icc`: of the scores that the auditors of this session, all of them, gave
    in `icc_interactions` sessions so far.
    """

    criteria: list[CriterionSeen]
    talk_about: list[CriterionSeen]
    verdicts: Agreement
    result_here: Agreement
    result_so_far: Agreement
    icc: Coefficient
    icc_interactions: int


def report(here: Interaction, so_far: Sequence[Interaction], card: Scorecard, seed: int) -> Report:
    """`so_far`: the finished sessions with this scorecard, in any version, this one among them."""
    criteria = [_seen(c, here, so_far, seed) for c in card.criteria if c.scored]
    about = [seen for seen in criteria if seen.why]
    about.sort(key=lambda seen: (_WHY.index(seen.why or "answer"), -seen.criterion.weight))
    verdicts = [[v for one in here.auditors if (v := one.verdict(s.criterion))] for s in criteria]
    panel = sorted(one.audit.auditor_id for one in here.auditors if one.audit.score is not None)
    scores = [
        [given[auditor] for auditor in panel]
        for one in so_far
        if panel and (given := _scores(one.auditors)).keys() >= set(panel)
    ]
    return Report(
        criteria=criteria,
        talk_about=about,
        verdicts=_on(verdicts, _VERDICTS, seed),
        result_here=_on([_results(here)], _VERDICTS, seed),
        result_so_far=_on([_results(one) for one in so_far], _VERDICTS, seed),
        icc=icc(scores, seed),
        icc_interactions=len(scores),
    )


def _seen(criterion: Criterion, here: Interaction, so_far: Sequence[Interaction], seed: int) -> CriterionSeen:
    measure = measure_of(criterion)

    def on(interactions: Iterable[Interaction]) -> Agreement:
        return _agreement(measure, [_values(one, criterion) for one in interactions], seed)

    names = {
        one.audit.auditor_id: measure.name(value)
        for one in here.auditors
        if (value := one.value(criterion)) is not None
    }
    said = {
        name: [who for who, what in names.items() if what == name] for name, _ in Counter(names.values()).most_common()
    }
    value = here.expert.value(criterion) if here.expert else None
    expert = None if value is None else measure.name(value)
    standard = expert or _most(said)
    return CriterionSeen(
        criterion=criterion,
        said=said,
        expert=expert,
        differ=[] if standard is None else sorted(who for who, what in names.items() if what != standard),
        why=_why(criterion, here, {*said, *([expert] if expert else [])}),
        here=on([here]),
        so_far=on(so_far),
    )


def _values(one: Interaction, criterion: Criterion) -> list[str | float]:
    """What auditors answered to this criterion, where it was there and asked the same."""
    return [
        value
        for hand_in in one.auditors
        if any(c.key == criterion.key and c.answer == criterion.answer for c in hand_in.card.criteria)
        and (value := hand_in.value(criterion)) is not None
    ]


def _most(said: dict[str, list[str]]) -> str | None:
    """What more said than anything else."""
    counts = [(len(who), name) for name, who in said.items()]
    return counts[0][1] if counts and (len(counts) == 1 or counts[0][0] > counts[1][0]) else None


def _why(criterion: Criterion, here: Interaction, said: set[str]) -> Why | None:
    if len(said) < 2:
        return None
    verdicts = {one.verdict(criterion) for one in here.all}
    if "failed" in verdicts and len(verdicts - {None}) > 1:
        return "fatal" if criterion.fatal else "failed"
    return "answer"


def _results(one: Interaction) -> list[str]:
    return [hand_in.audit.result for hand_in in one.auditors if hand_in.audit.result is not None]


def _scores(hand_ins: Iterable[HandIn]) -> dict[str, float]:
    return {one.audit.auditor_id: float(one.audit.score) for one in hand_ins if one.audit.score is not None}


def _on(units: Sequence[Sequence[str]], names: Sequence[str], seed: int) -> Agreement:
    return _agreement(Measure("nominal", str, names.index), units, seed)


def _agreement(measure: Measure, units: Sequence[Sequence[str | float]], seed: int) -> Agreement:
    units = [unit for unit in units if len(unit) > 1]
    named = [[measure.name(value) for value in unit] for unit in units]
    same, total = pairs(named)
    counts = Counter(name for unit in named for name in unit)
    placed = [[place for value in unit if (place := measure.number(value)) is not None] for unit in units]
    return Agreement(
        level=measure.level,
        interactions=len(units),
        answers=counts.total(),
        pairs=total,
        same=same,
        prevalence={name: n / counts.total() for name, n in counts.most_common()},
        alpha=alpha(placed, measure.level, seed),
    )


@dataclass(frozen=True, slots=True)
class Given:
    """The score that somebody gave in a session."""

    session: UUID
    at: datetime
    auditor: str
    expert: bool
    score: float


@dataclass(frozen=True, slots=True)
class AuditorSeen:
    """How strict one auditor is, over `n` sessions, in points; `by_expert` of them had an expert to compare with.

    `severity`: by how much the auditor scores below the expert or, without one, below the mean of the other auditors;
    below 0 the auditor is milder. `drift`: by how much that grows in 30 days.
    """

    auditor: str
    n: int
    by_expert: int
    severity: Mean
    drift: Mean


def auditors_seen(given: Iterable[Given]) -> list[AuditorSeen]:
    """One for each auditor who could be compared, the strictest first."""
    sessions: dict[UUID, list[Given]] = {}
    for one in given:
        sessions.setdefault(one.session, []).append(one)
    found: dict[str, list[tuple[datetime, bool, float]]] = {}
    for session in sessions.values():
        expert = [one.score for one in session if one.expert]
        for one in session:
            others = expert or [other.score for other in session if other is not one]
            if others and not one.expert:
                difference = sum(others) / len(others) - one.score
                found.setdefault(one.auditor, []).append((one.at, bool(expert), difference))
    seen = [_auditor(auditor, points) for auditor, points in found.items()]
    return sorted(seen, key=lambda one: (-(one.severity.value or 0.0), one.auditor))


def _auditor(auditor: str, points: list[tuple[datetime, bool, float]]) -> AuditorSeen:
    first = min(at for at, _, _ in points)
    differences = [difference for _, _, difference in points]
    return AuditorSeen(
        auditor=auditor,
        n=len(points),
        by_expert=sum(by_expert for _, by_expert, _ in points),
        severity=severity(differences),
        drift=drift([(at - first).total_seconds() / 86400 for at, _, _ in points], differences),
    )
