"""Why is this total what it is?

The total is taken apart from the top. The total is split among the dimensions in proportion to weight × score, and each
dimension's score, and its part of the total, among its entries in proportion to their values. Parts are cut to six
places; the millionths left over go one each to the parts that lost most by the cut (the largest-remainder method), on
equal loss to the earlier entry. So the parts add up to the whole exactly.

`moved` is another question: by how much score and total would differ had this entry never been.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import lcm
from uuid import UUID

from pydantic import BaseModel

from services.performance.domain.templates import Standing, Template, mean, result, weighted
from shared.numbers import Number, rounded

_MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of the ledger, and its reversal where there is one."""

    id: UUID
    dimension: str
    indicator: str
    audit_id: UUID
    revision: int
    event_id: str
    call_id: str | None
    scorecard: str | None
    value: Decimal
    at: datetime
    reversal: "Reversal | None"


class Reversal(BaseModel):
    """What took an entry back."""

    id: UUID
    revision: int
    event_id: str
    at: datetime


class Entry(BaseModel):
    """One line of the ledger and the evidence behind it."""

    id: UUID
    dimension: str
    indicator: str
    audit_id: UUID
    revision: int
    event_id: str
    call_id: str | None
    scorecard: str | None
    value: Number
    at: datetime


class Moved(BaseModel):
    """Points by which an entry moved the score of its dimension and the total; null where without it there is none."""

    score: Number | None
    total: Number | None


class StandingEntry(Entry):
    """An entry that counts."""

    contribution: Number
    """Its part of the dimension's score."""
    points: Number
    """Its part of the total."""
    moved: Moved
    sole: bool
    """Without it the dimension would have no score."""


class ReversedEntry(Entry):
    """An entry that counts no more."""

    reversed_by: Reversal


class ExplainedDimension(BaseModel):
    """A dimension's part in the total."""

    score: Number | None
    n: int
    weight: Number
    effective_weight: Number | None
    """Percent of the total after the weights of dimensions without a score are shared out; to four places."""
    points: Number | None
    """Its part of the total."""


class Explanation(BaseModel):
    """The total, taken apart down to the entries that stand, and the entries that were taken back."""

    dimensions: dict[str, ExplainedDimension]
    entries: list[StandingEntry]
    reversed: list[ReversedEntry]
    total: Number | None
    grade: str | None


def explain(template: Template, lines: Sequence[Line]) -> Explanation:
    """Rebuild total and grade from the ledger, and say what each entry gave."""
    standing = [line for line in lines if line.reversal is None]
    by_dimension: dict[str, list[Line]] = {}
    for line in standing:
        by_dimension.setdefault(line.dimension, []).append(line)
    sums = {
        name: Standing(sum((line.value for line in lines), Decimal(0)), len(lines))
        for name, lines in by_dimension.items()
    }
    outcome = result(template, sums)
    scores = {name: d.score for name, d in outcome.dimensions.items()}
    known = [name for name, score in scores.items() if score is not None]
    points: dict[str, Decimal] = {}
    if outcome.total is not None:
        shares = [template.dimensions[name] * (scores[name] or 0) for name in known]
        points = dict(zip(known, apportion(outcome.total, shares), strict=True))
    present = sum(template.dimensions[name] for name in known)
    dimensions = {
        name: ExplainedDimension(
            score=d.score,
            n=d.n,
            weight=d.weight,
            effective_weight=rounded(d.weight * 100 / present, Decimal("0.0001")) if name in points else None,
            points=points.get(name),
        )
        for name, d in outcome.dimensions.items()
    }
    entries: list[StandingEntry] = []
    for name in known:
        own = by_dimension[name]
        values = [line.value for line in own]
        parts = zip(own, apportion(scores[name] or Decimal(0), values), apportion(points[name], values), strict=True)
        for line, contribution, part in parts:
            entries.append(
                StandingEntry(
                    **_plain(line),
                    contribution=contribution,
                    points=part,
                    moved=_moved(line, sums[name], scores, outcome.total, template),
                    sole=len(own) == 1,
                )
            )
    taken_back = [
        ReversedEntry(**_plain(line), reversed_by=line.reversal) for line in lines if line.reversal is not None
    ]
    return Explanation(
        dimensions=dimensions, entries=entries, reversed=taken_back, total=outcome.total, grade=outcome.grade
    )


def apportion(whole: Decimal, shares: Sequence[Decimal]) -> list[Decimal]:
    """Parts of `whole` in proportion to `shares` (none negative), to six places, adding up to it exactly.

    Where all shares are 0 the parts are equal.
    """
    ratios = [share.as_integer_ratio() for share in shares]
    common = lcm(*(denominator for _, denominator in ratios))
    weights = [numerator * (common // denominator) for numerator, denominator in ratios]
    if not any(weights):
        weights = [1] * len(shares)
    units, together = int(whole / _MILLIONTH), sum(weights)
    cut = [divmod(units * weight, together) for weight in weights]
    parts = [part for part, _ in cut]
    for index in sorted(range(len(cut)), key=lambda i: -cut[i][1])[: units - sum(parts)]:
        parts[index] += 1
    return [part * _MILLIONTH for part in parts]


def _moved(
    line: Line,
    standing: Standing,
    scores: Mapping[str, Decimal | None],
    total: Decimal | None,
    template: Template,
) -> Moved:
    score = scores[line.dimension]
    score_without = mean(Standing(standing.sum - line.value, standing.n - 1))
    total_without = weighted({**scores, line.dimension: score_without}, template)
    return Moved(score=_difference(score, score_without), total=_difference(total, total_without))


def _difference(with_it: Decimal | None, without: Decimal | None) -> Decimal | None:
    return None if with_it is None or without is None else with_it - without


def _plain(line: Line) -> dict[str, object]:
    return {name: getattr(line, name) for name in Entry.model_fields}
