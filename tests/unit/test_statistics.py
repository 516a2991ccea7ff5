"""Are intervals what the literature says they are?"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.statistics import wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998),
        # 857-872, table I, method 3.
        (81, 263, "0.2553", "0.3662"),
        (15, 148, "0.0624", "0.1605"),
        (0, 20, "0.0000", "0.1611"),
        (1, 29, "0.0061", "0.1718"),
    ],
)
def test_published_examples(successes: int, n: int, low: str, high: str) -> None:
    assert wilson(successes, n) == (Decimal(low), Decimal(high))


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert wilson(0, 0) is None


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (1, 0), (0, -1)])
def test_counts_that_cannot_be_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes out of"):
        wilson(successes, n)


@given(st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_rate_lies_inside_and_the_ends_are_probabilities(counts: tuple[int, int]) -> None:
    successes, n = counts
    found = wilson(successes, n, places=9)
    assert found is not None
    slack = Decimal("1e-8")
    assert 0 <= found.low <= Decimal(successes) / n + slack
    assert Decimal(successes) / n - slack <= found.high <= 1
    mirrored = wilson(n - successes, n, places=9)
    assert mirrored is not None
    assert abs(1 - mirrored.high - found.low) <= slack
    assert (found.low == 0) or successes > 0
    assert (found.high == 1) or successes < n


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_more_of_the_same_says_it_more_surely(counts: tuple[int, int]) -> None:
    successes, n = counts
    few, many = wilson(successes, n, 9), wilson(successes * 100, n * 100, 9)
    assert few is not None
    assert many is not None
    assert many.high - many.low < few.high - few.low
