"""Do the statistics of samples come to what is published, and to what one works out by hand?"""

import random
from math import sqrt

import pytest

from services.qa.domain.estimates import Unit, acceptance, size_for_margin, weighted_mean


@pytest.mark.parametrize(
    ("rate", "accepted"),
    [(0.005, 0.9897), (0.01, 0.9397), (0.02, 0.7366), (0.03, 0.4985), (0.04, 0.3042), (0.05, 0.1721)],
)
def test_the_operating_characteristic_of_a_textbook(rate: float, accepted: float) -> None:
    """D. C. Montgomery, Introduction to Statistical Quality Control, 6th edition, table 15.2: n = 89, c = 2."""
    assert acceptance(89, 2, rate) == pytest.approx(accepted, abs=0.00015)


def test_sizes_for_a_margin() -> None:
    """1.96² · 0.25 / 0.05² = 384.1; with N = 1000, 384.1 / (1 + 383.1 / 1000) = 277.7."""
    assert size_for_margin(0.05) == 385
    assert size_for_margin(0.05, 1000) == 278
    assert size_for_margin(0.05, 1) == 1
    assert size_for_margin(0.05, expected=0.1) == 139  # 1.96² · 0.09 / 0.05² = 138.3


def test_equal_probabilities_give_the_textbook_interval() -> None:
    """Values 2, 4, 6 out of 12: mean 4, s² = 4, so the variance is 4/3 · (1 - 3/12) = 1."""
    found = weighted_mean([Unit(v, 0.25) for v in (2, 4, 6)], 12)
    assert found is not None
    assert (found.mean, found.n) == (4, 3)
    assert found.low == pytest.approx(4 - 1.959964)
    assert found.high == pytest.approx(4 + 1.959964)


def test_unequal_probabilities_are_weighted_back() -> None:
    """0 drawn with 1/2 stands for 2, 100 drawn with 1/8 for 8: 800 / 10."""
    found = weighted_mean([Unit(0, 1 / 2), Unit(100, 1 / 8)], 10)
    assert found is not None
    assert found.mean == 80
    # residuals over the sum of weights: (0 - 80) · 2/10 = -16 and (100 - 80) · 8/10 = 16; 2/1 · 512 · (1 - 2/10)
    assert found.low is not None
    assert found.mean - found.low == pytest.approx(1.959964 * sqrt(819.2))


def test_too_few_to_say() -> None:
    assert weighted_mean([], 10) is None
    assert weighted_mean([Unit(5, 0.1)], 10) == (5, None, None, 1)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Poisson samples of a skewed population, drawn by a weight that goes with the value."""
    chance = random.Random(7)
    values = [chance.expovariate(1) for _ in range(2000)]
    inclusion = [0.02 + 0.1 * min(value, 3) for value in values]
    truth = sum(values) / len(values)
    covered = 0
    for _ in range(300):
        units = [Unit(v, p) for v, p in zip(values, inclusion, strict=True) if chance.random() < p]
        found = weighted_mean(units, len(values))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 0.9 * 300
