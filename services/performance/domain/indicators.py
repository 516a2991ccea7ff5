"""What does an indicator say, given the sums behind it, and how many points is that?

Definitions are data. `measure` and `base` name sums that are kept for each day (`SUMS`). `base` is how many facts the
value rests on, so it is also the `n` that goes with it:

* `count`, `sum`: the measure itself;
* `mean`, `rate`, `within`: measure / base. `within` is the share of facts within a limit. Shares go with their 95 %
  Wilson interval, means with the interval of a ratio of two sums whose days vary (Cochran, "Sampling Techniques", 3rd
  ed. 1977, section 6.3: the ratio estimator, with days as the sample).

All are multiplied by `scale`, which turns milliseconds into seconds. Points, 0 to 100, come out of `levels`, straight
lines between given values, or of the distance to a target. An indicator with neither is shown and not scored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.performance.domain.intervals import t95
from shared.numbers import Number, Score, rounded
from shared.statistics import Interval, wilson

Source = Literal["calls", "cases", "ratings", "audits", "training", "manual"]
Formula = Literal["count", "sum", "mean", "rate", "within"]
Direction = Literal["more", "less", "near"]
"""What is better: more of it, less of it, or to be near a target."""
Guard = Literal["part_time", "in_training"]
"""Days on which this holds for somebody do not count."""

PLACES = Decimal("0.0001")
FULL = Decimal(100)
SUMS: Mapping[Source, frozenset[str]] = {
    "calls": frozenset(
        (
            "calls", "answered", "waits", "wait_ms", "within_20s", "talks", "talk_ms", "holds", "hold_ms", "wrap_ups",
            "wrap_up_ms", "handling_ms",
        )
    ),
    "cases": frozenset(("cases", "resolved", "contacts_known", "resolved_at_first_contact")),
    "ratings": frozenset(("ratings", "rating_sum")),
    "audits": frozenset(
        (
            "audits", "score_sum", "free_of_customer_critical", "free_of_business_critical",
            "free_of_compliance_critical", "free_of_other",
        )
    ),
    "training": frozenset(("examinations", "passed", "scored", "score_sum", "meetings", "attended", "minutes")),
    "manual": frozenset(("raters", "rating_sum")),
}  # fmt: skip
"""The sums that are kept for each day, by source."""
DAILY_LIMIT = 20
"""Seconds within which every centre's answered calls are counted. Within other limits they are from the moment on at
which an indicator asks for it, and all that came before is counted then."""


def within(seconds: int) -> str:
    """The sum of the calls that were answered within so many seconds."""
    return f"within_{seconds}s"


def limit_of(measure: str) -> int | None:
    """The other way round; None for other sums."""
    found = re.fullmatch(r"within_(\d+)s", measure)
    return int(found[1]) if found else None


class Spread(NamedTuple):
    """How the days behind a mean vary: how many they are, and their sums of m², m·b and b²."""

    days: int
    mm: float
    mb: float
    bb: float


class Value(NamedTuple):
    """What an indicator comes to, half-even to four places; null where it rests on nothing."""

    value: Decimal | None
    n: int
    interval: Interval | None


class Level(BaseModel):
    """A value of the indicator and its points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Number
    points: Score


Levels = Annotated[tuple[Level, ...], Field(min_length=2, max_length=20)]


class Target(BaseModel):
    """The value that earns 100 points, and how many points each unit below or above it costs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Number
    below: Annotated[Number, Field(ge=0)]
    above: Annotated[Number, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Indicator:
    """One version of a definition; it holds from `valid_from` until the next version does."""

    id: UUID
    key: str
    version: int
    valid_from: date
    source: Source
    formula: Formula
    measure: str
    base: str
    scale: Decimal
    names: Mapping[str, str]
    """By language."""
    unit: str
    direction: Direction
    levels: tuple[Level, ...] | None = None
    target: Target | None = None
    least_n: int = 1
    guards: tuple[Guard, ...] = ()

    @property
    def needs_spread(self) -> bool:
        return self.formula == "mean" and self.sampled

    @property
    def sampled(self) -> bool:
        """Whether it could as well have come out otherwise; what was counted, judged or examined is what it is."""
        return self.formula in ("mean", "rate", "within") and self.source not in ("manual", "training")

    @property
    def scored(self) -> bool:
        return bool(self.levels or self.target)

    def value(self, measure: int | Decimal, n: int | Decimal) -> Decimal:
        """What these sums of its measure and its base, which is not 0, come to."""
        divisor = n if self.formula in ("mean", "rate", "within") else 1
        return rounded(measure * self.scale / divisor, PLACES)

    def of(self, sums: Mapping[str, int | Decimal], spread: Spread | None = None) -> Value:
        """The value for these sums of its source."""
        measure, n = sums[self.measure], int(sums[self.base])
        if n == 0:
            return Value(None, 0, None)
        interval = None
        if self.formula in ("rate", "within"):
            interval = wilson(int(measure), n)
        elif spread:
            interval = _ratio_interval(float(measure), n, spread, float(self.scale))
        return Value(self.value(measure, n), n, interval)

    def points(self, value: Decimal) -> Decimal:
        """Points for this value, 0 to 100, half-even to two places. Only for indicators that are scored."""
        if self.target:
            short = self.target.value - value
            lost = short * self.target.below if short > 0 else -short * self.target.above
            return rounded(max(Decimal(0), FULL - lost))
        assert self.levels
        return rounded(interpolated(self.levels, value))

    def points_between(self, interval: Interval | None) -> Interval | None:
        """The least and the most points that values in this interval earn."""
        if interval is None:
            return None
        ends = [self.points(interval.low), self.points(interval.high)]
        if self.target and interval.low <= self.target.value <= interval.high:
            ends.append(FULL)
        return Interval(min(ends), max(ends))


def interpolated(levels: tuple[Level, ...], value: Decimal) -> Decimal:
    """On the straight lines between the levels; outside of them the points of the nearest."""
    if value <= levels[0].value:
        return levels[0].points
    for low, high in pairwise(levels):
        if value <= high.value:
            part = (value - low.value) / (high.value - low.value)
            return low.points + part * (high.points - low.points)
    return levels[-1].points


def _ratio_interval(measure: float, n: int, spread: Spread, scale: float) -> Interval | None:
    """None where all facts are of one day: nothing is known of how days vary. What is measured is never below 0, and
    so neither is the interval."""
    if spread.days < 2:
        return None
    mean = measure / n
    residues = max(0.0, spread.mm - 2 * mean * spread.mb + mean * mean * spread.bb)
    reach = t95(spread.days - 1) * sqrt(residues * spread.days / (spread.days - 1)) / n
    low, high = sorted((max(0.0, mean - reach) * scale, (mean + reach) * scale))
    return Interval(rounded(Decimal(low), PLACES), rounded(Decimal(high), PLACES))


Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Names(BaseModel):
    model_config = ConfigDict(extra="forbid")

    en: Name
    zh: Name


class Definition(BaseModel):
    """What a person writes of an indicator: a new one, or a new version of one that there is."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    indicator: Key
    valid_from: date
    source: Source
    formula: Formula
    measure: str = ""
    """Not given for `within`, where `limit` says it."""
    base: str = ""
    limit: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Seconds within which a call has to be answered, for `within`."""
    scale: Annotated[Number, Field(gt=0, max_digits=12)] = Decimal(1)
    names: Names
    unit: Name
    direction: Direction
    levels: Levels | None = None
    target: Target | None = None
    least_n: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    guards: tuple[Guard, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.formula == "within":
            if self.source != "calls" or self.limit is None or self.measure or self.base:
                raise ValueError("'within' is for calls, and takes a limit and no measure or base")
            self.measure, self.base = within(self.limit), "waits"
        elif self.limit is not None:
            raise ValueError("only 'within' takes a limit")
        for name in (self.measure, self.base):
            if name not in SUMS[self.source] and self.limit is None:
                known = ", ".join(sorted(SUMS[self.source]))
                raise ValueError(f"{self.source} has no sum {name!r}; there are {known}")
        self._check_points()
        if len(set(self.guards)) < len(self.guards):
            raise ValueError("a guard is named twice")
        return self

    def _check_points(self) -> None:
        if self.levels and self.target:
            raise ValueError("points come out of levels or out of a target, not both")
        if self.target and self.direction != "near":
            raise ValueError("a target needs the direction 'near'")
        if self.levels is None:
            return
        if self.direction == "near":
            raise ValueError("the direction 'near' needs a target, not levels")
        for low, high in pairwise(self.levels):
            if low.value >= high.value:
                raise ValueError("the values of the levels must rise")
            worse = high.points < low.points if self.direction == "more" else high.points > low.points
            if worse:
                raise ValueError(f"with '{self.direction}' points cannot go the other way")


def manual_sums(by_kind: Mapping[str, tuple[int, Decimal]]) -> tuple[Decimal | None, int]:
    """What ratings by hand come to: the mean over the kinds of raters, each kind its own mean, and how many rated.

    `by_kind`: how many rated, and the sum. What somebody says of themselves is talked about and not counted; what
    fewer than `LEAST_PEERS` peers say is not even shown.
    """
    counted = {k: v for k, v in by_kind.items() if k != "self" and v[0] >= (LEAST_PEERS if k == "peer" else 1)}
    if not counted:
        return None, 0
    means = [total / n for n, total in counted.values()]
    return rounded(sum(means, Decimal(0)) / len(means), PLACES), sum(n for n, _ in counted.values())


LEAST_PEERS = 3
