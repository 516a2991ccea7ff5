"""What does an indicator say, given the sums behind it?

Definitions are data. `measure` and `base` name sums that are kept for each agent and day (`repository.facts`). `base`
is how many facts the value rests on, so it is also the `n` that goes with it:

* `count`, `sum`: the measure itself;
* `mean`, `rate`: measure / base. A rate goes with its 95 % Wilson interval.

All are multiplied by `scale`, which turns milliseconds into seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from shared.numbers import rounded
from shared.statistics import Interval, wilson

Source = Literal["calls", "cases", "ratings"]
Formula = Literal["count", "sum", "mean", "rate"]
Direction = Literal["more", "less", "near"]
"""What is better: more of it, less of it, or to be near a target."""

PLACES = Decimal("0.0001")


class Value(NamedTuple):
    """What an indicator comes to, half-even to four places; null where it rests on nothing."""

    value: Decimal | None
    n: int
    interval: Interval | None


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

    def of(self, sums: Mapping[str, int]) -> Value:
        """The value for these sums of its source."""
        measure, n = sums[self.measure], sums[self.base]
        if n == 0:
            return Value(None, 0, None)
        divisor = n if self.formula in ("mean", "rate") else 1
        interval = wilson(measure, n) if self.formula == "rate" else None
        return Value(rounded(measure * self.scale / divisor, PLACES), n, interval)
