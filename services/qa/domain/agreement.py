"""How well do several auditors agree, beyond what chance would give, and who is stricter than the others? Pure.

Raw agreement is the share of pairs of auditors who said the same. Where nearly everything is a yes it is high by
chance alone, so a coefficient stands beside it that is 1 for perfect agreement and 0 for what chance would give:
Krippendorff's alpha for answers (K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", University of
Pennsylvania, 2011), ICC(A,1) for scores (K. O. McGraw and S. P. Wong, "Forming inferences about some intraclass
correlation coefficients", Psychological Methods 1 (1996), 30-46). Either is None, with the reason, where it is not
defined. numpy and scipy are loaded by the first call: the service starts without them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Level = Literal["nominal", "ordinal", "interval"]
Undefined = Literal["too_few_interactions", "too_few_auditors", "no_variation"]

RESAMPLES = 2000
UNITS_FOR_INTERVAL = 5
"""Of fewer units there are too few different resamples for their percentiles to mean anything."""


class Coefficient(NamedTuple):
    """A coefficient and both ends of its 95 % bootstrap interval.

    Without a `value`, `reason` says why there is none; with one, why there is no interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: Undefined | None = None


def pairs(units: Iterable[Sequence[str]]) -> tuple[int, int]:
    """Of all pairs of answers to the same unit, how many are the same, and how many there are."""
    same = total = 0
    for answers in units:
        same += sum(n * (n - 1) // 2 for n in Counter(answers).values())
        total += len(answers) * (len(answers) - 1) // 2
    return same, total


def alpha(units: Iterable[Sequence[float]], level: Level, seed: int) -> Coefficient:
    """Krippendorff's alpha of units, each with the values that it was given; who gave which does not matter.

    Units with fewer than two values tell nothing of agreement and are left out. With one unit alpha is 0 whatever was
    said, so two are the least. The interval is that between the 2.5th and 97.5th percentile of alpha over `RESAMPLES`
    samples of units, drawn with replacement from `seed`.
    """
    pairable = [unit for unit in units if len(unit) > 1]
    if len(pairable) < 2:
        return Coefficient(None, reason="too_few_interactions")
    domain = sorted({value for unit in pairable for value in unit})
    if len(domain) < 2:
        return Coefficient(None, reason="no_variation")
    import numpy as np

    counts = np.array([[unit.count(value) for value in domain] for unit in map(list, pairable)])
    values = np.array(domain, dtype=np.float64)
    [found] = alphas(counts, values, level, np.ones((1, len(pairable))))
    return _with_interval(float(found), len(pairable), seed, lambda weights: alphas(counts, values, level, weights))


def alphas(counts: Any, values: "Floats", level: Level, weights: Any) -> "Floats":
    """Alpha for each row of `weights`, which says how many times each unit counts; NaN where nothing varies.

    `counts`: how many gave each unit each of the `values`, two values a unit at the least. Krippendorff 2011, sections
    C and D, with the sums of squared differences written as n Σ x² - (Σ x)²; the ordinal difference of two values, a
    sum over the ranks between them, is that of their mid-ranks.
    """
    import numpy as np

    m = counts.sum(1)
    totals = weights @ counts
    n = totals.sum(1)
    if level == "nominal":
        within = (m**2 - (counts**2).sum(1)) / (m - 1)
        by_chance = (n**2 - (totals**2).sum(1)) / (n - 1)
    else:
        x = values - values.mean() if level == "interval" else np.cumsum(totals, axis=1) - totals / 2
        within = 2 * (m * (x**2 @ counts.T) - (x @ counts.T) ** 2) / (m - 1)
        by_chance = 2 * (n * (totals * x**2).sum(1) - (totals * x).sum(1) ** 2) / (n - 1)
    seen = (weights * within).sum(1)
    varies = (totals > 0).sum(1) > 1
    found: Floats = 1 - np.divide(seen, by_chance, out=np.full(len(n), np.nan), where=varies)
    return found


def icc(scores: Sequence[Sequence[float]], seed: int) -> Coefficient:
    """ICC(A,1) of a row of scores for each interaction, with one column for each auditor; the interval as for alpha.

    McGraw and Wong 1996, table 4: two-way, absolute agreement, single score; by the same formula as ICC(2,1) of P. E.
    Shrout and J. L. Fleiss, Psychological Bulletin 86 (1979), 420-428. Raises ValueError for rows of different length.
    """
    if len(scores) < 2:
        return Coefficient(None, reason="too_few_interactions")
    if len(scores[0]) < 2:
        return Coefficient(None, reason="too_few_auditors")
    import numpy as np

    table = np.array(scores, dtype=np.float64)
    [found] = _iccs(table[None])
    if np.isnan(found):
        return Coefficient(None, reason="no_variation")

    def resampled(weights: Any) -> "Floats":
        return _iccs(np.stack([np.repeat(table, row, axis=0) for row in weights]))

    return _with_interval(float(found), len(table), seed, resampled)


def _iccs(tables: "Floats") -> "Floats":
    """Of tables of the same shape; NaN where nothing varies."""
    import numpy as np

    _, n, k = tables.shape
    mean = tables.mean((1, 2))[:, None, None]
    rows, columns = tables.mean(2, keepdims=True), tables.mean(1, keepdims=True)
    of_rows = k * ((rows - mean) ** 2).sum((1, 2)) / (n - 1)
    of_columns = n * ((columns - mean) ** 2).sum((1, 2)) / (k - 1)
    of_rest = ((tables - rows - columns + mean) ** 2).sum((1, 2)) / ((n - 1) * (k - 1))
    whole = of_rows + (k - 1) * of_rest + k / n * (of_columns - of_rest)
    varies = np.ptp(tables, axis=(1, 2)) > 0
    found: Floats = np.divide(of_rows - of_rest, whole, out=np.full(len(tables), np.nan), where=varies & (whole > 0))
    return found


def _with_interval(value: float, units: int, seed: int, resampled: Callable[[Any], "Floats"]) -> Coefficient:
    """No interval where one in twenty resamples, or more, holds no variation: the rest would flatter."""
    if units < UNITS_FOR_INTERVAL:
        return Coefficient(value, reason="too_few_interactions")
    import numpy as np

    chance = np.random.default_rng(seed)
    found = resampled(chance.multinomial(units, np.full(units, 1 / units), size=RESAMPLES))
    defined = found[~np.isnan(found)]
    if len(defined) <= 0.95 * RESAMPLES:
        return Coefficient(value, reason="no_variation")
    low, high = np.percentile(defined, [2.5, 97.5])
    return Coefficient(value, float(low), float(high))


class Mean(NamedTuple):
    """A mean, or a slope, with both ends of a 95 % interval; None where there is too little to say."""

    value: float | None
    low: float | None = None
    high: float | None = None


def severity(differences: Sequence[float]) -> Mean:
    """The mean difference of one auditor from the others, with the t interval, which takes two at the least."""
    n = len(differences)
    if n < 2:
        return Mean(differences[0] if n else None)
    import numpy as np
    from scipy.stats import t

    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / n**0.5
    reach = float(t.ppf(0.975, n - 1)) * error
    return Mean(mean, mean - reach, mean + reach)


def drift(days: Sequence[float], differences: Sequence[float]) -> Mean:
    """By how much the difference grows in 30 days: the slope of least squares, with the t interval.

    None for fewer than three, with which a line always fits, or where all are of the same time.
    """
    if len(days) < 3 or max(days) == min(days):
        return Mean(None)
    from scipy.stats import linregress, t

    line = linregress(days, differences)
    slope, reach = 30 * float(line.slope), 30 * float(line.stderr) * float(t.ppf(0.975, len(days) - 2))
    return Mean(slope, slope - reach, slope + reach)
