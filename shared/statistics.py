"""How sure are we of a rate or a mean?

A rate goes with its `n` and a 95 % Wilson score interval (E. B. Wilson, "Probable inference, the law of succession, and
statistical inference", JASA 22 (1927), 209-212).
"""

from decimal import Decimal
from math import sqrt
from typing import NamedTuple

Z95 = 1.959963984540054
"""Quantile of the standard normal distribution for a two-sided 95 % interval."""


class Interval(NamedTuple):
    """Both ends of a 95 % confidence interval."""

    low: Decimal
    high: Decimal


def wilson(successes: int, n: int, places: int = 4) -> Interval | None:
    """The Wilson score interval of `successes` out of `n`; None where there is nothing to say (n = 0)."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes out of {n}")
    if n == 0:
        return None
    p, z2 = successes / n, Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    reach = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # The ends are exact where the rate is: rounding error must not lift 0 or lower 1.
    low = 0.0 if successes == 0 else max(0.0, centre - reach)
    high = 1.0 if successes == n else min(1.0, centre + reach)
    unit = Decimal(1).scaleb(-places)
    return Interval(Decimal(low).quantize(unit), Decimal(high).quantize(unit))
