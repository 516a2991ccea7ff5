"""What does a sample tell of all that it was drawn from, and how large must it be? Pure."""

from collections.abc import Sequence
from math import ceil, comb, sqrt
from typing import NamedTuple

from shared.statistics import Z95


class Unit(NamedTuple):
    """What one sampled interaction came to, and how likely it was to be drawn."""

    value: float
    inclusion: float


class Estimate(NamedTuple):
    """Of a mean over the whole frame, with both ends of a 95 % confidence interval; these None where n < 2."""

    mean: float
    low: float | None
    high: float | None
    n: int


def weighted_mean(units: Sequence[Unit], frame_size: int) -> Estimate | None:
    """The mean over the frame that these units were drawn from; None for no units.

    Each unit stands for 1 / inclusion probability units of the frame (D. G. Horvitz and D. J. Thompson, JASA 47 (1952),
    663-685). As not every unit may be audited yet, the weighted total is divided by the sum of weights and not by the
    frame size (Hájek). The variance is that of this ratio, linearised, as if drawn with replacement, with the finite
    population correction 1 - n/N (C.-E. Särndal, B. Swensson and J. Wretman, Model Assisted Survey Sampling, 1992,
    sections 2.9 and 5.7); for equal probabilities it is the s²/n · (1 - n/N) of a simple random sample.
    """
    n = len(units)
    if n == 0:
        return None
    total = sum(1 / unit.inclusion for unit in units)
    mean = sum(unit.value / unit.inclusion for unit in units) / total
    if n == 1:
        return Estimate(mean, None, None, n)
    squares = sum(((unit.value - mean) / (unit.inclusion * total)) ** 2 for unit in units)
    reach = Z95 * sqrt(max(0.0, 1 - n / frame_size) * n / (n - 1) * squares)
    return Estimate(mean, mean - reach, mean + reach, n)


def size_for_margin(margin: float, population: int | None = None, expected: float = 0.5) -> int:
    """How many to sample for a rate to be known to +- `margin` at 95 %, out of `population` (None: no end of it).

    W. G. Cochran, Sampling Techniques, 3rd edition (1977), section 4.4. Where n·p·(1-p) is small it is too few; the
    interval of what was found says so.
    """
    n = Z95**2 * expected * (1 - expected) / margin**2
    return ceil(n if population is None else n / (1 + (n - 1) / population))


def acceptance(n: int, c: int, rate: float) -> float:
    """How likely at most `c` of `n` sampled fail where `rate` of all do (binomial; the frame is much larger than n)."""
    return sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(c + 1))
