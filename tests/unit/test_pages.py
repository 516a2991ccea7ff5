"""Does a cursor say again what it was made of?"""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Date, DateTime, Numeric, Text, Uuid

from shared.errors import BadRequest
from shared.pages import cursor_of, values_of

KEYS: dict[Any, Any] = {
    Column("t", Text): st.text(),
    Column("n", BigInteger): st.integers(-(2**63), 2**63 - 1),
    Column("i", Uuid): st.uuids(),
    Column("d", Date): st.dates(),
    Column("w", DateTime(timezone=True)): st.datetimes(timezones=st.just(UTC)),
    Column("p", Numeric): st.decimals(-1000, 1000, places=2),
}


@given(st.tuples(*KEYS.values()))
def test_there_and_back(values: tuple[Any, ...]) -> None:
    assert values_of(cursor_of(values), list(KEYS)) == values


@given(st.text())
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequest):
        values_of(cursor, list(KEYS))


def test_a_cursor_of_another_list_is_refused() -> None:
    keys = list(KEYS)
    other = cursor_of(["x", 1])
    for asked in (keys[:1], keys[:3], [keys[1], keys[0]], [keys[2], keys[1]]):
        with pytest.raises(BadRequest):
            values_of(other, asked)


def test_examples_of_every_kind() -> None:
    values = (
        "通话",
        7,
        uuid.UUID(int=7),
        date.fromisoformat("2026-03-02"),
        datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC),
        Decimal("1.50"),
    )
    assert values_of(cursor_of(values), list(KEYS)) == values
