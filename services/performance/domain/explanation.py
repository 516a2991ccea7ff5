"""Why is this total what it is, and what would change the grade?

The total is taken apart from the top. Without adjustments it is split among the dimensions in proportion to weight ×
score; a dimension's score, and its part of the total, among its indicators alike, and each indicator's part among its
entries in proportion to their points. Parts are cut to six places; the millionths left over go one each to the parts
that lost most by the cut (the largest-remainder method), on equal loss to the earlier one. Adjustments have the points
that they moved the total by; where 0 or 100 cut them, the cut is shared out the same way. So the parts add up to the
whole exactly.

What there are hundreds of are plain dataclasses: they are made twenty times as fast as models.

`moved` is another question: by how much score and total would differ had this entry never been.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import lcm
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from services.performance.domain.ledger import Basis, standings, tallied, weight_of
from services.performance.domain.templates import (
    ADJUSTMENT,
    FULL,
    ZERO,
    Result,
    Standing,
    Template,
    limited,
    result,
    weighted,
)
from shared.numbers import Number, rounded

_MILLIONTH = Decimal("0.000001")


class Line(NamedTuple):
    """An entry of the ledger, and its reversal where there is one."""

    id: UUID
    dimension: str
    indicator: str
    audit_id: UUID | None
    revision: int | None
    event_id: str | None
    call_id: str | None
    scorecard: str | None
    value: Decimal
    at: datetime
    reversal: "Reversal | None"
    basis: Basis = "audit"
    points: Decimal = ZERO
    n: int = 1
    weight: Decimal = FULL
    low: Decimal | None = None
    high: Decimal | None = None
    actor: str = "system"
    indicator_version: int | None = None
    refers_to: UUID | None = None


@dataclass(slots=True)
class Reversal:
    """What took an entry back."""

    id: UUID
    revision: int | None
    event_id: str | None
    at: datetime
    by: str = "system"


@dataclass(slots=True)
class Entry:
    """One line of the ledger and the evidence behind it."""

    id: UUID
    dimension: str
    indicator: str
    basis: Basis
    audit_id: UUID | None
    revision: int | None
    event_id: str | None
    call_id: str | None
    scorecard: str | None
    value: Number
    score: Number
    """What the value earns, 0 to 100; of an adjustment, by how much the total moves."""
    n: int
    indicator_version: int | None
    refers_to: UUID | None
    by: str
    at: datetime


@dataclass(slots=True)
class Moved:
    """Points by which an entry moved the score of its dimension and the total; null where without it there is none."""

    score: Number | None
    total: Number | None


@dataclass(slots=True)
class StandingEntry(Entry):
    """An entry that counts."""

    contribution: Number
    """Its part of the dimension's score."""
    points: Number
    """Its part of the total."""
    moved: Moved
    sole: bool
    """Without it the dimension would have no score."""


@dataclass(slots=True)
class ReversedEntry(Entry):
    """An entry that counts no more."""

    reversed_by: Reversal


class ExplainedIndicator(BaseModel):
    """An indicator's part in the total."""

    score: Number
    n: int
    weight: Number
    """Percent of the dimension, as the template says."""
    points: Number | None


class ExplainedDimension(BaseModel):
    """A dimension's part in the total."""

    score: Number | None
    n: int
    weight: Number
    effective_weight: Number | None
    """Percent of the total after the weights of dimensions without a score are shared out; to four places."""
    points: Number | None
    """Its part of the total."""
    indicators: dict[str, ExplainedIndicator] = {}
    """Those that have a score."""


class Change(BaseModel):
    """What would change the grade: the next band in one direction, and how one dimension alone gets there."""

    grade: str
    at_least: Number
    total: Number
    """By how much the total would have to move."""
    dimensions: dict[str, Number | None]
    """The score each dimension would need, all others staying; null where it cannot do it alone."""


class Explanation(BaseModel):
    """The total, taken apart down to the entries that stand, and the entries that were taken back."""

    dimensions: dict[str, ExplainedDimension]
    entries: list[StandingEntry]
    reversed: list[ReversedEntry]
    total: Number | None
    low: Number | None
    high: Number | None
    """Ends of the 95 % interval of the total."""
    grade: str | None
    better: Change | None
    """Null in the best band, and without a total."""
    worse: Change | None


def outcome(template: Template, lines: Sequence[Line]) -> Result:
    """What these lines come to; the same that is stored with the appraisal."""
    found, adjusted = _standing(template, lines)
    return result(template, found, adjusted)


def _standing(template: Template, lines: Sequence[Line]) -> tuple[dict[str, dict[str, Standing]], Decimal]:
    return standings(tallied((line for line in lines if line.reversal is None), pooled=template.pooled))


def explain(template: Template, lines: Sequence[Line]) -> Explanation:
    """Rebuild total and grade from the ledger, and say what each entry gave."""
    standing: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.reversal is None:
            standing.setdefault((line.dimension, line.indicator), []).append(line)
    found, adjusted = _standing(template, lines)
    whole = result(template, found, adjusted)
    scores = {name: d.score for name, d in whole.dimensions.items()}
    base = weighted(scores, template)
    known = [name for name, score in scores.items() if score is not None]
    points: dict[str, Decimal] = {}
    if base is not None:
        points = _parts(base, {name: template.dimensions[name] * (scores[name] or ZERO) for name in known})
    present = sum(template.dimensions[name] for name in known)
    dimensions: dict[str, ExplainedDimension] = {}
    entries: list[StandingEntry] = []
    for name, d in whole.dimensions.items():
        own, weights = found.get(name, {}), template.indicators[name]
        counted = {key: weights[key] * own[key].score for key in weights if key in own}
        contributions = _parts(d.score or ZERO, counted)
        shares = _parts(points[name], counted) if name in points else {}
        dimensions[name] = ExplainedDimension(
            score=d.score,
            n=d.n,
            weight=d.weight,
            effective_weight=rounded(d.weight * 100 / present, Decimal("0.0001")) if name in points else None,
            points=points.get(name),
            indicators={
                key: ExplainedIndicator(
                    score=rounded(own[key].score), n=own[key].n, weight=weights[key], points=shares.get(key)
                )
                for key in counted
            },
        )
        for key in counted:
            entries += _explained(
                standing[name, key], own[key], contributions[key], shares.get(key),
                _Around(template, scores, found, name, key, adjusted),
            )  # fmt: skip
    entries += _adjustments(standing.get((ADJUSTMENT, ADJUSTMENT), []), base, whole.total)
    better, worse = changes(template, scores, whole)
    taken_back = [ReversedEntry(*_plain(line, line.reversal)) for line in lines if line.reversal is not None]
    return Explanation.model_construct(
        dimensions=dimensions,
        entries=entries,
        reversed=taken_back,
        total=whole.total,
        low=whole.interval and whole.interval.low,
        high=whole.interval and whole.interval.high,
        grade=whole.grade,
        better=better,
        worse=worse,
    )


class _Around:
    """All that counts beside one indicator, added up once, so that each entry can be taken away at little cost."""

    def __init__(
        self, template: Template, scores: Mapping[str, Decimal | None],
        found: Mapping[str, Mapping[str, Standing]], name: str, key: str, adjusted: Decimal,
    ) -> None:  # fmt: skip
        weights = template.indicators[name]
        self.weight, self.dimension_weight, self.adjusted = weights[key], template.dimensions[name], adjusted
        self.score = scores[name]
        beside = [(weights[k], s.score) for k, s in found[name].items() if k != key and k in weights]
        self.sum, self.weights = sum((w * s for w, s in beside), ZERO), sum((w for w, _ in beside), ZERO)
        others = [(w, s) for n, w in template.dimensions.items() if n != name and (s := scores[n]) is not None]
        self.other_sum, self.other_weights = sum((w * s for w, s in others), ZERO), sum((w for w, _ in others), ZERO)
        self.pooled = template.pooled
        self.blocking = template.missing == "block"
        self.complete = len(others) == len(template.dimensions) - 1
        self.total = self.total_with(self.score)

    def score_with(self, indicator: Decimal | None) -> Decimal | None:
        if indicator is None:
            return rounded(self.sum / self.weights) if self.weights else None
        return rounded((self.sum + self.weight * indicator) / (self.weights + self.weight))

    def total_with(self, score: Decimal | None) -> Decimal | None:
        if self.blocking and (score is None or not self.complete):
            return None
        if score is None:
            base = self.other_sum / self.other_weights if self.other_weights else None
        else:
            base = (self.other_sum + self.dimension_weight * score) / (self.other_weights + self.dimension_weight)
        return None if base is None else limited(rounded(base) + self.adjusted)


def _explained(
    own: Sequence[Line], standing: Standing, contribution: Decimal, points: Decimal | None, around: _Around
) -> list[StandingEntry]:
    weights = [weight_of(line, pooled=around.pooled) for line in own]
    shares = [line.points * weight for line, weight in zip(own, weights, strict=True)]
    parts = _in_proportion(shares)
    contributions = _cut(contribution, parts)
    totals = _cut(points, parts) if points is not None else [ZERO] * len(own)
    sole = len(own) == 1 and not around.weights
    entries = []
    known: dict[tuple[Decimal, Decimal], Moved] = {}  # scores repeat
    for line, weight, share, part, total in zip(own, weights, shares, contributions, totals, strict=True):
        moved = known.get((share, weight))
        if moved is None:
            left = standing.weight - weight
            without = around.score_with((standing.sum - share) / left if left else None)
            moved = known[share, weight] = Moved(
                score=_difference(around.score, without),
                total=_difference(around.total, around.total_with(without)),
            )
        entries.append(StandingEntry(*_plain(line, part, total, moved, sole)))
    return entries


def _adjustments(own: Sequence[Line], base: Decimal | None, total: Decimal | None) -> list[StandingEntry]:
    if not own:
        return []
    if base is None or total is None:
        parts = [ZERO] * len(own)
    else:
        ups = [max(line.points, ZERO) for line in own]
        downs = [max(-line.points, ZERO) for line in own]
        moved = total - base
        cut_above = max(ZERO, sum(ups) - sum(downs) - moved)
        cut_below = max(ZERO, moved - sum(ups) + sum(downs))
        plus, minus = apportion(sum(ups) - cut_above, ups), apportion(sum(downs) - cut_below, downs)
        if not any(ups):
            plus = [ZERO] * len(own)
        if not any(downs):
            minus = [ZERO] * len(own)
        parts = [up - down for up, down in zip(plus, minus, strict=True)]
    adjusted = sum((line.points for line in own), ZERO)
    entries = []
    for line, part in zip(own, parts, strict=True):
        without = None if base is None else limited(base + adjusted - line.points)
        entries.append(StandingEntry(*_plain(line, ZERO, part, Moved(None, _difference(total, without)), False)))
    return entries


def changes(
    template: Template, scores: Mapping[str, Decimal | None], whole: Result
) -> tuple[Change | None, Change | None]:
    """The next better and the next worse band, and what would lead there."""
    if whole.total is None or whole.grade is None:
        return None, None
    at = next(n for n, band in enumerate(template.bands) if band.grade == whole.grade)
    better = worse = None
    if at > 0:
        above = template.bands[at - 1]
        better = _change(template, scores, whole.total, above.grade, above.at_least, above.at_least)
    if at + 1 < len(template.bands):
        below, own = template.bands[at + 1], template.bands[at]
        worse = _change(template, scores, whole.total, below.grade, below.at_least, own.at_least - Decimal("0.01"))
    return better, worse


def _change(
    template: Template, scores: Mapping[str, Decimal | None], total: Decimal, grade: str, at_least: Decimal,
    wanted: Decimal,
) -> Change:  # fmt: skip
    base = weighted(scores, template) or ZERO
    needed: dict[str, Number | None] = {}
    for name, weight in template.dimensions.items():
        others = [(template.dimensions[n], s) for n, s in scores.items() if n != name and s is not None]
        together = weight + sum(w for w, _ in others)
        score = ((wanted - total + base) * together - sum((w * s for w, s in others), ZERO)) / weight
        needed[name] = rounded(score) if ZERO <= score <= FULL else None
    return Change(grade=grade, at_least=at_least, total=wanted - total, dimensions=needed)


def _parts(whole: Decimal, shares: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return dict(zip(shares, apportion(whole, list(shares.values())), strict=True)) if shares else {}


def apportion(whole: Decimal, shares: Sequence[Decimal]) -> list[Decimal]:
    """Parts of `whole` in proportion to `shares` (none negative), to six places, adding up to it exactly.

    Where all shares are 0 the parts are equal.
    """
    return _cut(whole, _in_proportion(shares))


def _in_proportion(shares: Sequence[Decimal]) -> list[int]:
    """Whole numbers that are to each other as these, or all 1 where all are 0."""
    ratios = [share.as_integer_ratio() for share in shares]
    common = lcm(*(denominator for _, denominator in ratios))
    weights = [numerator * (common // denominator) for numerator, denominator in ratios]
    return weights if any(weights) else [1] * len(shares)


def _cut(whole: Decimal, weights: Sequence[int]) -> list[Decimal]:
    units, together = int(whole / _MILLIONTH), sum(weights)
    cut = [divmod(units * weight, together) for weight in weights]
    parts = [part for part, _ in cut]
    for index in sorted(range(len(cut)), key=lambda i: -cut[i][1])[: units - sum(parts)]:
        parts[index] += 1
    return [part * _MILLIONTH for part in parts]


def _difference(with_it: Decimal | None, without: Decimal | None) -> Decimal | None:
    return None if with_it is None or without is None else with_it - without


def _plain(line: Line, *more: object) -> tuple[Any, ...]:
    """The fields of `Entry`, in their order, and more."""
    return (
        line.id, line.dimension, line.indicator, line.basis, line.audit_id, line.revision, line.event_id, line.call_id,
        line.scorecard, line.value, line.points, line.n, line.indicator_version, line.refers_to, line.actor, line.at,
        *more,
    )  # fmt: skip
