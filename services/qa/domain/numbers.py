"""How well do agents, teams, queues and criteria do, and who does surely better than whom? Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shared.numbers import rounded
from shared.statistics import Interval, wilson


@dataclass(frozen=True, slots=True)
class Rate:
    """`good` of `n`, as a rate from 0 to 1 to four places with a 95 % Wilson interval; these None where n is 0."""

    n: int
    good: int

    @property
    def rate(self) -> Decimal | None:
        return rounded(Decimal(self.good) / self.n, Decimal("0.0001")) if self.n else None

    @property
    def interval(self) -> Interval | None:
        return wilson(self.good, self.n)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the audits of one group, in all or in one week, came to.

    `key`: an employee, a team, a queue or a criterion; None for calls of no queue, or employees of no team. `accuracy`:
    by error class, audits without an error of that class out of those that looked for one.
    """

    key: str | None
    week: date | None
    passed: Rate
    accuracy: dict[str, Rate]


def standings(rates: Sequence[Rate]) -> list[tuple[int, int]]:
    """For each, how many others it is surely better and surely worse than: those from whom its interval parts."""
    intervals = [rate.interval for rate in rates]
    return [
        (0, 0)
        if mine is None
        else (
            sum(other is not None and other.high < mine.low for other in intervals),
            sum(other is not None and other.low > mine.high for other in intervals),
        )
        for mine in intervals
    ]
