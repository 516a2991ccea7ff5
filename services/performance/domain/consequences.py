"""What follows from a grade, and who may be ranked before whom?

Bonus, promotion, commendation and improvement are rules of the template: data, applied here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from pydantic import BaseModel

from services.performance.domain.templates import FULL, Template
from shared.numbers import Number, rounded
from shared.statistics import Interval

MOST_COMPETENCIES = 5


class Outcome(BaseModel):
    """What follows from one appraisal."""

    bonus: Number | None = None
    commended: bool = False
    promotion: str | None = None
    """The role for which the employee may be proposed; people decide."""
    improve: bool = False


def consequences(template: Template, role: str | None, grades: Sequence[str | None]) -> Outcome:
    """`grades`: this one first, then those of the finalised cycles of the same kind before, the newest first."""
    band = template.band(grades[0])
    if band is None:
        return Outcome()
    promotion = next(
        (
            rule.to
            for rule in template.promotions
            if rule.role == role
            and len(grades) >= rule.cycles
            and all(grade in rule.grades for grade in grades[: rule.cycles])
        ),
        None,
    )
    return Outcome(bonus=band.bonus, commended=band.commended, promotion=promotion, improve=band.improve)


def needed(missed: Mapping[str, int], scores: Mapping[str, Decimal | None]) -> tuple[str, ...]:
    """What a low appraisal asks training for: the competencies missed most often, else the weakest dimension."""
    if missed:
        return tuple(sorted(missed, key=lambda name: (-missed[name], name))[:MOST_COMPETENCIES])
    known = {name: score for name, score in scores.items() if score is not None}
    return (min(known, key=lambda name: (known[name], name)),) if known else ()


def checkpoints(template: Template, day: date) -> list[dict[str, object]]:
    """The days on which an improvement plan is looked at."""
    return [
        {"n": n, "due_on": str(day + timedelta(days=days)), "result": None, "by": None, "at": None, "note": None}
        for n, days in enumerate(sorted(template.checkpoint_days), 1)
    ]


class Standing(NamedTuple):
    """What is needed to rank somebody."""

    key: str
    total: Decimal
    interval: Interval | None


class Place(NamedTuple):
    """Between which ranks somebody lies: 1 + those surely better, and all but those surely worse."""

    best: int
    worst: int


def places(people: Sequence[Standing]) -> dict[str, Place]:
    """Nobody is ranked before somebody whose interval overlaps, nor against somebody without one."""
    lows = sorted(p.interval.low for p in people if p.interval)
    highs = sorted(p.interval.high for p in people if p.interval)
    found = {}
    for person in people:
        if person.interval is None:
            found[person.key] = Place(1, len(people))
            continue
        surely_better = len(lows) - bisect_right(lows, person.interval.high)
        surely_worse = bisect_left(highs, person.interval.low)
        found[person.key] = Place(1 + surely_better, len(people) - surely_worse)
    return found


class BandShare(BaseModel):
    """How many have a grade, beside the guidance."""

    grade: str
    n: int
    share: Number
    """Percent of those who have a grade."""
    guidance: Number | None


def distribution(template: Template, counts: Mapping[str, int]) -> list[BandShare]:
    total = sum(counts.values())
    return [
        BandShare(
            grade=band.grade,
            n=counts.get(band.grade, 0),
            share=rounded(FULL * counts.get(band.grade, 0) / total) if total else Decimal(0),
            guidance=band.share,
        )
        for band in template.bands
    ]
