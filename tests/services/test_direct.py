"""Does a statement that goes straight to the driver do what it would do through SQLAlchemy?"""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import AsyncAdaptedQueuePool, TextClause, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from shared import direct
from shared.delivery import is_outage
from tests.lab import Lab

BEGIN = text("SELECT 1")
VALUES: dict[str, Any] = {
    "word": "für 员工", "n": 7, "amount": Decimal("1.250"), "day": date(2026, 2, 28), "id": UUID(int=5),
    "ids": [UUID(int=1), UUID(int=2)], "document": '{"a": [1, null]}', "nothing": None,
}  # fmt: skip
QUERY = text("""
    SELECT CAST(:word AS text) AS word, CAST(:n AS int) AS n, CAST(:amount AS numeric) AS amount,
           CAST(:day AS date) AS day, CAST(:id AS uuid) AS id, CAST(:ids AS uuid[]) AS ids,
           CAST(:document AS jsonb) AS document, CAST(:nothing AS text) AS nothing, (CAST(:n AS int) + 1)::text AS more,
           now() AS at, '12\\:30' AS time
    FROM generate_series(1, 3)
""")


def directly(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to the driver from now on."""
    sent: list[str] = []
    fetch = direct.fetch

    async def noted(connection: Any, statement: TextClause, values: Any) -> Any:
        sent.append(statement.text)
        return await fetch(connection, statement, values)

    monkeypatch.setattr(direct, "fetch", noted)
    return sent


async def run(lab: Lab, *statements: TextClause) -> None:
    async with lab.db.transaction() as tx:
        for statement in statements:
            await tx.run(statement)


def in_use(lab: Lab) -> int:
    """Connections that were taken from the pool and not given back."""
    pool = lab.db.engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    return pool.checkedout()


async def test_rows_are_the_same_either_way(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = directly(lab, monkeypatch)
    async with lab.db.transaction() as tx:
        first = await tx.all(QUERY, VALUES)  # begins the transaction, so it goes through SQLAlchemy
        assert not sent
        assert [dict(row) for row in first] == await tx.all(QUERY, VALUES)
        assert await tx.first(QUERY, VALUES) == dict(first[0])
        assert await tx.scalar(QUERY, VALUES) == VALUES["word"]
        assert await tx.column(QUERY, VALUES) == [VALUES["word"]] * 3
        [row, *_] = await tx.tuples(QUERY, VALUES)
        assert (row.n, row.time, row[1], len(row)) == (7, "12:30", 7, len(first[0]))
        with pytest.raises(AttributeError):
            _ = row.unknown
        assert len(sent) == 5
        nothing = text("SELECT 1 WHERE false")
        assert (await tx.first(nothing), await tx.scalar(nothing), await tx.all(nothing)) == (None, None, [])


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    ("sql", "error", "state"),
    [
        ("INSERT INTO lab.things VALUES ('a', 1, NULL), ('a', 1, NULL)", IntegrityError, "23502"),
        ("SELECT * FROM lab.nowhere", ProgrammingError, "42P01"),
        ("SELECT 1 / 0", DBAPIError, "22012"),
    ],
)
async def test_what_fails_fails_alike_and_leaves_nothing(
    lab: Lab, begun: bool, sql: str, error: type[DBAPIError], state: str
) -> None:
    before = [BEGIN, text("INSERT INTO lab.things VALUES ('kept not', 1, '{}')")] if begun else []
    with pytest.raises(error) as raised:
        await run(lab, *before, text(sql))
    assert getattr(raised.value.orig, "sqlstate", None) == state
    assert not is_outage(raised.value)
    assert await lab.seen() == {}
    assert in_use(lab) == 0


async def test_a_lost_connection_is_an_outage_and_is_not_used_again(lab: Lab) -> None:
    with pytest.raises(DBAPIError) as raised:
        await run(lab, BEGIN, text("SELECT pg_terminate_backend(pg_backend_pid())"), BEGIN)
    assert is_outage(raised.value)
    async with lab.db.transaction() as tx:
        await tx.run(BEGIN)
        assert await tx.scalar(BEGIN) == 1
    assert in_use(lab) == 0


async def test_a_connection_that_was_lost_between_statements_is_an_outage(lab: Lab) -> None:
    """Then the driver says so by itself, without a state of PostgreSQL's."""

    async def cut_off() -> None:
        async with lab.db.transaction() as tx:
            mine = await tx.scalar(text("SELECT pg_backend_pid()"))
            gone = asyncio.Event()
            direct.driver_of(tx.connection).add_termination_listener(lambda _: gone.set())
            await lab.rows("mirror", "SELECT pg_terminate_backend(:pid)", pid=mine)
            async with asyncio.timeout(10):
                await gone.wait()
            await tx.run(BEGIN)

    with pytest.raises(DBAPIError) as raised:
        await cut_off()
    assert is_outage(raised.value)
    assert in_use(lab) == 0


async def test_a_savepoint_takes_back_what_went_past_sqlalchemy(lab: Lab) -> None:
    add = text("INSERT INTO lab.things VALUES (:id, 1, '{}')")
    async with lab.db.transaction() as tx:
        await tx.run(BEGIN)
        await tx.run(add, {"id": "before"})
        within = await tx.connection.begin_nested()
        await tx.run(add, {"id": "within"})
        with pytest.raises(IntegrityError):
            await tx.run(add, {"id": "before"})
        await within.rollback()
        await tx.run(add, {"id": "after"})
    assert set(await lab.seen()) == {"before", "after"}
