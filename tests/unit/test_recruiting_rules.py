"""Contract law, scores and ranks, and who is somebody we know already."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recruiting.domain.candidates import Contact, keys, match
from services.recruiting.domain.contracts import add_months, check, check_extension, longest_probation
from services.recruiting.domain.forms import Contract
from services.recruiting.domain.interviews import Competency, Sheet, marks, rank, visible, weighted
from shared.errors import Invalid

START = date(2026, 3, 16)


def a_contract(ends_on: date | None, probation_ends_on: date | None, **more: Any) -> Contract:
    kind = "labour_with_probation" if probation_ends_on else "formal"
    values = {"kind": kind, "pay": 6000, "probation_pay": 4800, **more}
    return Contract(starts_on=START, ends_on=ends_on, probation_ends_on=probation_ends_on, **values)


@pytest.mark.parametrize(
    ("ends_on", "months"),
    [
        (date(2026, 6, 14), 0),  # a day less than 3 months
        (date(2026, 6, 15), 1),
        (date(2027, 3, 14), 1),
        (date(2027, 3, 15), 2),
        (date(2029, 3, 14), 2),
        (date(2029, 3, 15), 6),
        (None, 6),
    ],
)
def test_longest_probation(ends_on: date | None, months: int) -> None:
    assert longest_probation(START, ends_on) == months
    if months:
        last = add_months(START, months)
        check("cn", a_contract(ends_on, last.replace(day=last.day - 1)), had_probation=False)
    with pytest.raises(Invalid, match=r"cn-19\.[13]"):
        check("cn", a_contract(ends_on, min(add_months(START, months), ends_on or date.max)), had_probation=False)


@pytest.mark.parametrize(
    ("more", "had", "rule"),
    [
        ({"probation_pay": Decimal("4799.99")}, False, "cn-20"),
        ({"probation_pay": None}, False, "cn-20"),
        ({}, True, "cn-19.2"),
        ({"kind": "probation_only"}, False, "cn-19.4"),
    ],
)
def test_breaches_are_named(more: dict[str, Any], had: bool, rule: str) -> None:
    contract = a_contract(date(2029, 3, 15), date(2026, 6, 15), **more)
    with pytest.raises(Invalid, match=rule):
        check("cn", contract, had_probation=had)
    check("none", contract, had_probation=had)


def test_without_probation_there_is_no_rule_about_it() -> None:
    check("cn", a_contract(date(2026, 4, 1), None, pay=None, probation_pay=None), had_probation=True)


def test_extension_stays_within_the_law() -> None:
    contract = a_contract(date(2029, 3, 15), date(2026, 6, 15))
    check_extension("cn", contract, date(2026, 9, 15))
    with pytest.raises(Invalid, match=r"cn-19\.1"):
        check_extension("cn", contract, date(2026, 9, 16))
    with pytest.raises(Invalid, match="later"):
        check_extension("none", contract, date(2026, 6, 15))
    check_extension("none", contract, date(2027, 6, 15))


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 60))
def test_months_do_not_run_over(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or later.day in (28, 29, 30)


PROFILE = [
    Competency(competency="a", weight=Decimal(60), least=Decimal(60), trainability="harder"),
    Competency(competency="b", weight=Decimal(40), least=Decimal(0), trainability="easy"),
]


def a_sheet(member: str, handed_in: bool = True, **scores: int) -> Sheet:
    return Sheet(UUID(int=1), member, {key: Decimal(value) for key, value in scores.items()}, {}, handed_in)


def test_marks_are_means_of_what_was_handed_in() -> None:
    found = marks(PROFILE, [a_sheet("x", a=50, b=90), a_sheet("y", a=60), a_sheet("z", handed_in=False, a=100, b=0)])
    assert [(mark.score, mark.n, mark.below) for mark in found] == [(Decimal(55), 2, True), (Decimal(90), 1, False)]
    assert weighted(found) == Decimal(69)


def test_what_nobody_scored_is_missing_not_zero() -> None:
    found = marks(PROFILE, [a_sheet("x", a=100)])
    assert found[1].score is None
    assert not found[1].below
    assert weighted(found) is None
    assert weighted([]) is None


def test_ties_are_ties() -> None:
    ids = sorted(uuid4() for _ in range(5))
    scores = [Decimal("80.001"), Decimal(90), Decimal("80.004"), None, Decimal(70)]
    found = {one.id: (one.rank, one.tied) for one in rank(dict(zip(ids, scores, strict=True)))}
    assert found == {
        ids[1]: (1, False), ids[0]: (2, True), ids[2]: (2, True), ids[4]: (4, False), ids[3]: (None, False),
    }  # fmt: skip


def test_sheets_are_hidden_until_your_own_is_handed_in() -> None:
    sheets = [a_sheet("x", a=1), a_sheet("y", handed_in=False, a=2), a_sheet("z", handed_in=False)]
    assert [sheet.member for sheet in visible(sheets, "x")] == ["x"]
    assert [sheet.member for sheet in visible(sheets, "y")] == ["y"]
    assert [sheet.member for sheet in visible(sheets, "somebody else")] == ["x"]
    assert [sheet.member for sheet in visible([sheets[0], a_sheet("y", a=2)], "y")] == ["x", "y"]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("phone", "+86 138 0013 8000", "13800138000"),
        ("phone", "0086-13800138000", "138-0013-8000"),
        ("phone", "13800138000", "13800138000"),
        ("email", "Li.Na@Example.ORG", "li.na@example.org"),
        ("identity_number", "11010519491231002x", "110105 19491231 002X"),
    ],
)
def test_spelling_does_not_matter(kind: str, one: str, other: str) -> None:
    assert keys(Contact(**{kind: one})) == keys(Contact(**{kind: other}))


def test_different_people_are_different() -> None:
    assert keys(Contact(phone="13800138000")) != keys(Contact(phone="13800138001"))
    assert keys(Contact(phone="13800138000"))["phone"] != keys(Contact(email="1@3.800138000"))["email"]
    assert keys(Contact()) == {}


def test_who_it_is() -> None:
    a, b = uuid4(), uuid4()
    assert match({"phone"}, {}, {}).id is None
    assert match({"phone", "email"}, {"phone": a}, {a: {"phone"}}).id == a
    both = match({"phone", "email"}, {"phone": a, "email": b}, {a: {"phone"}, b: {"email"}})
    assert (both.id, both.by, both.perhaps) == (a, ("phone",), (b,))
    strong = match({"identity", "phone"}, {"identity": b, "phone": a}, {a: {"phone", "identity"}, b: {"identity"}})
    assert (strong.id, strong.perhaps) == (b, (a,))


def test_another_identity_number_is_another_person() -> None:
    a = uuid4()
    found = match({"identity", "phone"}, {"phone": a}, {a: {"phone", "identity"}})
    assert (found.id, found.perhaps) == (None, (a,))
    assert match({"identity", "phone"}, {"phone": a}, {a: {"phone"}}).id == a
