"""Do priorities equal what was published, and are contradictions refused?"""

from decimal import Decimal
from itertools import combinations
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.performance.domain.weightings import (
    Comparison,
    Judgements,
    Matrix,
    Node,
    combined,
    hundredths,
    matrix_of,
    priorities,
    unconnected,
    weigh,
)
from shared.errors import Invalid


def full(*rows: tuple[float, ...]) -> Matrix:
    """From what stands above the diagonal."""
    n = len(rows) + 1
    given = {(str(i), str(i + 1 + j)): value for i, row in enumerate(rows) for j, value in enumerate(row)}
    return matrix_of([str(i) for i in range(n)], given)


# T. L. Saaty, "Decision making with the analytic hierarchy process", International Journal of Services Sciences 1
# (2008), 83-98: which drink is consumed more in the US (coffee, wine, tea, beer, sodas, milk, water); CR 0.022.
DRINKS = full(
    (9, 5, 2, 1, 1, 1 / 2), (1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 9), (1 / 3, 1 / 4, 1 / 3, 1 / 9), (1 / 2, 1, 1 / 3),
    (2, 1 / 2), (1 / 3,),
)  # fmt: skip
# T. L. Saaty, "A scaling method for priorities in hierarchical structures", Journal of Mathematical Psychology 15
# (1977), 234-281: wealth of nations (US, USSR, China, France, UK, Japan, West Germany); λmax 7.61.
NATIONS = full(
    (4, 9, 6, 6, 5, 5), (7, 5, 5, 3, 4), (1 / 5, 1 / 5, 1 / 7, 1 / 5), (1, 1 / 3, 1 / 3), (1 / 3, 1 / 3), (2,)
)


def test_published_examples() -> None:
    drinks = priorities(DRINKS)
    published = (0.177, 0.019, 0.042, 0.116, 0.190, 0.129, 0.327)
    assert drinks.weights == pytest.approx(published, abs=0.001)
    assert drinks.ratio == pytest.approx(0.022, abs=0.002)
    nations = priorities(NATIONS)
    assert nations.weights == pytest.approx((0.427, 0.230, 0.021, 0.052, 0.052, 0.123, 0.094), abs=0.002)
    assert nations.lambda_max == pytest.approx(7.61, abs=0.005)
    assert nations.ratio == pytest.approx(0.08, abs=0.005)


weights = st.lists(st.floats(1, 9), min_size=2, max_size=12)


@given(weights, st.data())
def test_consistent_judgements_give_back_the_weights_also_incomplete(own: list[float], data: st.DataObject) -> None:
    codes = [str(n) for n in range(len(own))]
    tree = {(codes[data.draw(st.integers(0, n - 1))], codes[n]) for n in range(1, len(own))}
    more = data.draw(st.sets(st.sampled_from(list(combinations(codes, 2)))))
    given_ = {(a, b): own[int(a)] / own[int(b)] for a, b in tree | more}
    found = priorities(matrix_of(codes, given_))
    assert found.weights == pytest.approx([w / sum(own) for w in own], rel=1e-6)
    assert found.lambda_max == pytest.approx(len(own), abs=1e-6)
    assert found.ratio < 1e-4


@given(st.lists(st.floats(1 / 9, 9), min_size=1, max_size=9))
def test_experts_are_combined_by_geometric_mean(ratios: list[float]) -> None:
    there = [{("a", "b"): r} for r in ratios[::2]]
    back = [{("b", "a"): 1 / r} for r in ratios[1::2]]
    assert combined([*there, *back])["a", "b"] == pytest.approx(prod(ratios) ** (1 / len(ratios)))


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0.001, 1), min_size=1, max_size=15))
def test_percents_add_up(given_: dict[str, float]) -> None:
    found = hundredths(given_)
    assert sum(found.values()) == 100
    for code, value in found.items():
        assert abs(float(value) - 100 * given_[code] / sum(given_.values())) <= 0.0101


def node(code: str, *children: str) -> Node:
    return Node(code=code, en=code, zh=code, children=tuple(node(child) for child in children))


def judged(expert: str, *given_: tuple[str, str, float]) -> Judgements:
    return Judgements(expert=expert, comparisons=tuple(Comparison(a=a, b=b, ratio=r) for a, b, r in given_))


TREE = (node("x", "x1", "x2"), node("y", "y1", "y2", "y3"), node("z"))
BELOW = (("x1", "x2", 3.0), ("y1", "y2", 2.0), ("y2", "y3", 2.0))


def test_two_levels_and_experts_who_do_not_compare_everything() -> None:
    first = judged("e1", ("x", "y", 2), ("y", "z", 2), *BELOW)
    second = judged("e2", ("x", "y", 2))
    found = weigh(TREE, [first, second])
    assert found.first == {"x": Decimal("57.14"), "y": Decimal("28.57"), "z": Decimal("14.29")}
    assert found.local["x"] == {"x1": 75, "x2": 25}
    assert sum(found.second.values()) == 100
    assert found.second["x1"] == Decimal("42.86")
    assert found.second["z"] == Decimal("14.29")
    top = [c for c in found.consistency if c.of == ""]
    assert [(c.expert, c.missing, c.ratio) for c in top] == [("e1", 1, 0), (None, 1, 0)]


def test_contradictions_are_refused_and_pointed_out() -> None:
    circle = judged("e1", ("x", "y", 5), ("y", "z", 5), ("z", "x", 5), *BELOW)
    with pytest.raises(Invalid, match=r"consistency ratio is .* Look at") as refused:
        weigh(TREE, [circle])
    assert refused.value.errors[0]["field"].startswith("e1: ")
    with pytest.raises(Invalid, match="nothing links z to x"):
        weigh(TREE, [judged("e1", ("x", "y", 2), *BELOW)])
    for wrong in (("x", "x1", 2.0), ("x", "x", 1.0), ("x", "nobody", 2.0)):
        with pytest.raises(Invalid, match="below the same thing"):
            weigh(TREE, [judged("e1", wrong)])
    with pytest.raises(Invalid, match="once"):
        weigh(TREE, [judged("e1"), judged("e1")])


def test_connection() -> None:
    codes = ["a", "b", "c", "d"]
    assert unconnected(codes, matrix_of(codes, {("a", "b"): 1, ("c", "d"): 1})) == ["c", "d"]
