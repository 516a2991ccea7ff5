"""Does coaching work?

The rate at which a competency was met before and after, with `n` and the 95 % Wilson interval; their difference with
Newcombe's interval (R. G. Newcombe, "Interval estimation for the difference between independent proportions",
Statistics in Medicine 17 (1998), 873-890, method 10); and the same for comparable employees who were not coached. Who
was just found wanting does better next time by chance alone; what coaching did is the difference of the differences.
"""

from decimal import Decimal
from math import sqrt
from typing import Self

from pydantic import BaseModel

from shared.numbers import Number
from shared.statistics import wilson

_PLACES = Decimal("0.0001")


class Rate(BaseModel):
    """`met` of `n` audits, and the ends of the interval; null where there was no audit."""

    n: int
    met: int
    rate: Number | None
    low: Number | None
    high: Number | None

    @classmethod
    def of(cls, met: int, n: int) -> Self:
        interval = wilson(met, n)
        if interval is None:
            return cls(n=n, met=met, rate=None, low=None, high=None)
        return cls(n=n, met=met, rate=(Decimal(met) / n).quantize(_PLACES), low=interval.low, high=interval.high)


class Change(BaseModel):
    """From before to after, over so many cases: employees who failed a competency. `difference`: after less before."""

    cases: int
    before: Rate
    after: Rate
    difference: Number | None
    low: Number | None
    high: Number | None

    @classmethod
    def of(cls, cases: int, met_before: int, n_before: int, met_after: int, n_after: int) -> Self:
        before, after = Rate.of(met_before, n_before), Rate.of(met_after, n_after)
        ends: tuple[Decimal | None, Decimal | None, Decimal | None] = (None, None, None)
        b, a = (before.rate, before.low, before.high), (after.rate, after.low, after.high)
        if None not in b and None not in a:
            (pb, lb, hb), (pa, la, ha) = (map(float, b), map(float, a))  # type: ignore[arg-type]
            d = pa - pb
            down, up = sqrt((pa - la) ** 2 + (hb - pb) ** 2), sqrt((ha - pa) ** 2 + (pb - lb) ** 2)
            quantized = [Decimal(x).quantize(_PLACES) for x in (d, d - down, d + up)]
            ends = (quantized[0], quantized[1], quantized[2])
        return cls(cases=cases, before=before, after=after, difference=ends[0], low=ends[1], high=ends[2])


class Effect(BaseModel):
    """`net`: what the coached gained beyond those who were not coached; null where either is not known."""

    key: str
    coached: Change
    not_coached: Change
    net: Number | None
