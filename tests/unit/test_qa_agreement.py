"""Do the coefficients of agreement come to what is published, and to what they must by their meaning?"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from math import sqrt
from random import Random
from typing import Any
from uuid import UUID, uuid4

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qa.domain.agreement import Coefficient, Level, alpha, alphas, drift, icc, pairs, severity
from services.qa.domain.calibrations import Given, auditors_seen

_ = None
FOUR_OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
"""K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), sections C and D."""
SIX_TARGETS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""P. E. Shrout and J. L. Fleiss, Psychological Bulletin 86 (1979), 420-428, table 2: four judges."""


def units(observers: list[list[int | None]]) -> list[list[float]]:
    return [[float(v) for v in unit if v is not None] for unit in zip(*observers, strict=True)]


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_as_krippendorff_works_it_out(level: Level, published: float) -> None:
    found = alpha(units(FOUR_OBSERVERS), level, seed=1)
    assert found.value == pytest.approx(published, abs=0.0005)
    assert found.low is not None
    assert found.high is not None
    assert found.low < published < found.high <= 1


def test_alpha_of_two_observers() -> None:
    """The same paper: section A, binary (0.095), and section B, nominal (0.692)."""
    binary = units([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]])
    assert alpha(binary, "nominal", 1).value == pytest.approx(0.095, abs=0.0005)
    assert pairs([[str(v) for v in unit] for unit in binary]) == (6, 10)
    letters = ["aabbdcccedda", "babbbccceddd"]
    nominal = [[float(ord(one)) for one in unit] for unit in zip(*letters, strict=True)]
    assert alpha(nominal, "nominal", 1).value == pytest.approx(0.692, abs=0.0005)


def test_icc_as_shrout_and_fleiss_work_it_out() -> None:
    """Their table 4: ICC(2,1) = .29, which McGraw and Wong call ICC(A,1); by their mean squares 11.24, 32.49, 1.02."""
    found = icc(SIX_TARGETS, seed=1)
    assert found.value == pytest.approx(0.29, abs=0.005)
    assert found.value == pytest.approx((11.24 - 1.02) / (11.24 + 3 * 1.02 + 4 * (32.49 - 1.02) / 6), abs=0.001)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.29 < found.high


def test_icc_is_of_absolute_agreement() -> None:
    """Pairs (2,4), (4,6), (6,8) agree perfectly but for a constant: consistency 1, absolute agreement 2/3."""
    found = icc([[2, 4], [4, 6], [6, 8]], seed=1)
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.reason) == (None, "too_few_interactions")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (alpha([], "nominal", 1), "too_few_interactions"),
        (alpha([[1, 2, 1]], "nominal", 1), "too_few_interactions"),  # alpha of one unit is 0 whatever was said
        (alpha([[1, 2], [1], []], "nominal", 1), "too_few_interactions"),
        (alpha([[1, 1], [1, 1]], "interval", 1), "no_variation"),
        (icc([[80, 90]], 1), "too_few_interactions"),
        (icc([[80], [90]], 1), "too_few_auditors"),
        (icc([[80.1, 80.1], [80.1, 80.1]], 1), "no_variation"),
    ],
)
def test_undefined_is_none_with_the_reason(found: Coefficient, reason: str) -> None:
    assert found == (None, None, None, reason)


def test_no_interval_where_too_many_resamples_hold_no_variation() -> None:
    """One fail in ten: (9/10)^10 = 35 % of the resamples miss it."""
    found = alpha([[1, 1]] * 9 + [[1, 0]], "nominal", 1)
    assert (found.low, found.high, found.reason) == (None, None, "no_variation")
    assert found.value == pytest.approx(0)  # one pair differs as often as by chance: raw agreement is 90 %


def test_the_same_seed_gives_the_same_interval() -> None:
    for level in ("nominal", "ordinal", "interval"):
        assert alpha(units(FOUR_OBSERVERS), level, 7) == alpha(units(FOUR_OBSERVERS), level, 7)
    assert icc(SIX_TARGETS, 7) == icc(SIX_TARGETS, 7) != icc(SIX_TARGETS, 8)


tables = st.integers(2, 5).flatmap(
    lambda k: st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.5, 40.0]), min_size=k, max_size=k), min_size=2, max_size=4)
)
levels: st.SearchStrategy[Level] = st.sampled_from(["nominal", "ordinal", "interval"])


@given(tables, levels, st.randoms(use_true_random=False))
def test_who_said_what_does_not_matter(table: list[list[float]], level: Level, chance: Random) -> None:
    """Auditors in another order, and interactions in another order, give the same; and nothing is above 1."""
    order = chance.sample(range(len(table[0])), len(table[0]))
    other = [[unit[n] for n in order] for unit in chance.sample(table, len(table))]
    for one, two in ((alpha(table, level, 1), alpha(other, level, 1)), (icc(table, 1), icc(other, 1))):
        assert one.reason == two.reason
        assert one.value == pytest.approx(two.value)
        assert one.value is None or one.value <= 1 + 1e-12


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, 40.0]), min_size=2, max_size=4), st.integers(2, 5), levels)
def test_perfect_agreement_is_one_or_nothing_varies(said: list[float], k: int, level: Level) -> None:
    table = [[value] * k for value in said]
    expected = pytest.approx(1) if len(set(said)) > 1 else None
    assert alpha(table, level, 1).value == expected
    assert icc(table, 1).value == expected


@given(tables, levels)
def test_resamples_are_counted_as_the_library_counts(table: list[list[float]], level: Level) -> None:
    """What the bootstrap computes for each unit once is the point estimate, by another way."""
    domain = sorted({value for unit in table for value in unit})
    if len(domain) < 2:
        return
    counts = np.array([[unit.count(value) for value in domain] for unit in table])
    twice = np.array([[1] * len(table), [2] + [1] * (len(table) - 1)])
    values = np.array(domain)

    def library(counts: Any) -> float:
        return float(krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement=level))

    plain, weighted = alphas(counts, values, level, twice)
    assert plain == pytest.approx(library(counts))
    assert weighted == pytest.approx(library(np.vstack([counts[:1], counts])))
    assert alpha(table, level, 1).value == pytest.approx(plain)


def test_severity_and_its_interval() -> None:
    """Differences 1 to 5: mean 3, s = √2.5, t(0.975, 4) = 2.7764, so 3 ± 2.7764 · √(2.5 / 5)."""
    found = severity([1, 2, 3, 4, 5])
    assert found.value == 3
    assert found.low == pytest.approx(3 - 2.7764 * sqrt(0.5), abs=0.0001)
    assert found.high == pytest.approx(3 + 2.7764 * sqrt(0.5), abs=0.0001)
    assert severity([4]) == (4, None, None)
    assert severity([]) == (None, None, None)


def test_drift_and_its_interval() -> None:
    """Days 0, 10, 20, 30 and differences 0, 2, 1, 3: slope 0.08 a day; residual sum of squares 1.8, so the standard
    error is √(0.9 / 500); t(0.975, 2) = 4.3027."""
    found = drift([0, 10, 20, 30], [0, 2, 1, 3])
    assert found.value == pytest.approx(2.4)
    assert found.high is not None
    assert found.high - 2.4 == pytest.approx(30 * 4.3027 * sqrt(0.9 / 500), abs=0.001)
    for days in ([0, 10], [5, 5, 5]):
        assert drift(days, [0.0] * len(days)) == (None, None, None)


def test_who_is_stricter_than_whom() -> None:
    """By the expert where there is one, else by the mean of the others; alone there is nothing to compare with."""
    march = datetime(2026, 3, 1, tzinfo=UTC)

    def session(n: int, **scores: float) -> list[Given]:
        id: UUID = uuid4()
        return [Given(id, march + timedelta(days=n), who, who == "expert", score) for who, score in scores.items()]

    sessions = [
        *session(0, ann=70, bob=90, cem=80),  # the others: ann 85, bob 75, cem 80
        *session(30, ann=60, bob=80, expert=80),
        *session(60, ann=75),
    ]
    found = {one.auditor: one for one in auditors_seen(sessions)}
    assert list(found) == ["ann", "cem", "bob"]
    assert [(one.n, one.by_expert, one.severity.value) for one in found.values()] == [
        (2, 1, 17.5), (1, 0, 0), (2, 1, -7.5),
    ]  # fmt: skip


def test_the_service_starts_without_them() -> None:
    """Statistics are loaded by who asks for them: they take longer than all the rest, and 200 MB of disk."""
    heavy = "numpy scipy"
    code = f"import sys, services.all; print([name for name in '{heavy}'.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
