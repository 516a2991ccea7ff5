"""Are identifiers unique, sortable by time, and the same where they have to be?"""

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from itertools import islice
from uuid import NAMESPACE_URL, RFC_4122, UUID, uuid4, uuid5

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import day_of, id_for, new_id, new_ids

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_new_ones_are_version_7_of_now() -> None:
    before = time.time_ns() // 1_000_000
    id = new_id()
    assert id.version == 7
    assert id.variant == RFC_4122
    assert before <= id.int >> 80 <= time.time_ns() // 1_000_000


def test_new_ones_differ_and_sort_by_time() -> None:
    made = [new_id() for _ in range(10_000)] + list(islice(new_ids(), 10_000))
    assert len(set(made)) == len(made)
    assert {(id.version, id.variant) for id in made} == {(7, RFC_4122)}
    times = [id.int >> 80 for id in made]
    assert times == sorted(times)


def test_the_same_fact_has_the_same_id() -> None:
    assert id_for(AT, "call", "17") == id_for(AT, "call", "17")
    assert len({id_for(AT, "call", "17"), id_for(AT, "call", "18"), id_for(AT, "call1", "7")}) == 3
    assert id_for(AT, "x") != id_for(AT + timedelta(milliseconds=1), "x")
    assert id_for(AT, "x").version == 7
    assert id_for(AT, "x").int >> 80 == AT.timestamp() * 1000


@given(st.dates(date(1970, 1, 1)), st.times(), st.text())
def test_the_day_can_be_read_off(day: date, moment: time_of_day, name: str) -> None:
    at = datetime.combine(day, moment, UTC)
    assert day_of(id_for(at, name)) == day_of(str(id_for(at, name))) == at.date()


def test_other_kinds_have_no_day() -> None:
    assert day_of(uuid4()) is None
    assert day_of(uuid5(NAMESPACE_URL, "x")) is None
    assert day_of(UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")) is None  # past the year 9999


def test_before_1970_is_1970() -> None:
    assert day_of(id_for(datetime(1950, 1, 1, tzinfo=UTC), "x")) == date(1970, 1, 1)
