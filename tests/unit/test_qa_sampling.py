"""Is work shared fairly, and never with those who may not do it?"""

from itertools import product
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.qa.domain.audits import may_audit
from services.qa.domain.sampling import auditors_of, share


def test_nobody_audits_themselves_their_lead_or_those_they_lead() -> None:
    me, lead, other = uuid4(), uuid4(), uuid4()
    assert may_audit(str(me), lead, other, lead)
    assert may_audit("somebody from outside", None, other, None)
    assert not may_audit(str(me), lead, me, lead)
    assert not may_audit(str(me).upper(), lead, me, lead)
    assert not may_audit(str(me), lead, lead, None)
    assert not may_audit(str(lead), None, me, lead)


def test_employees_whom_none_may_audit_are_left_out() -> None:
    me, colleague = uuid4(), uuid4()
    assert auditors_of({me: None, colleague: None}, [str(me)], {me: None}) == {colleague: frozenset([str(me)])}
    assert auditors_of({me: colleague}, [str(me), "ann"], {me: colleague}) == {me: frozenset(["ann"])}


def test_work_is_handed_on_along_a_chain() -> None:
    # a may do all, b what c may not; taken in turn, a keeps what only a could have given away.
    units = [{"a", "b"}, {"a", "b"}, {"b", "c"}, {"a"}, {"a"}, {"a"}]
    loads = share(units, ["a", "b", "c"])
    assert sorted(loads.count(name) for name in "abc") == [1, 2, 3]
    assert [name in allowed for name, allowed in zip(loads, units, strict=True)] == [True] * 6


@given(st.integers(0, 60), st.integers(1, 7))
def test_without_bars_loads_differ_by_one_at_the_most(units: int, auditors: int) -> None:
    names = [f"auditor {n}" for n in range(auditors)]
    loads = share([frozenset(names)] * units, names)
    counts = [loads.count(name) for name in names]
    assert max(counts) - min(counts) <= 1


@given(st.lists(st.sets(st.sampled_from("abc"), min_size=1), max_size=7))
def test_no_other_sharing_is_more_equal(units: list[set[str]]) -> None:
    names = ["a", "b", "c"]

    def squares(assigned: tuple[str, ...] | list[str]) -> int:
        return sum(assigned.count(name) ** 2 for name in names)

    mine = share(units, names)
    assert all(name in allowed for name, allowed in zip(mine, units, strict=True))
    assert squares(mine) == min(squares(one) for one in product(*(sorted(unit) for unit in units)))
    assert share(units, names) == mine
