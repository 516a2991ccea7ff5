"""How wide is the uncertainty of a mean?

Quantiles of Student's t for a two-sided 95 % interval, as printed in every table (Fisher & Yates 1963, table III).
"""

from collections.abc import Sequence
from math import sqrt

from shared.statistics import Z95

_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def t95(freedom: int) -> float:
    """For this many degrees of freedom, at least 1; from 31 on what adds the first term to the normal quantile."""
    return _T95[freedom - 1] if freedom <= len(_T95) else Z95 + (Z95**3 + Z95) / (4 * freedom)


def mean_and_reach(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and half the width of its 95 % interval; null for fewer than two values. At least one value."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, None
    return mean, t95(n - 1) * sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)
