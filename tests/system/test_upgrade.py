"""Does a release migrate the data of the one before, while that one still serves?

`tests/data/release-0.1` holds a database of that release with its demo centre, and the statements that its services
sent while all its tests ran, with parameters of one or two of their executions each, as the server logged them. What
is compared before, during and after the migration is how each of them ends: with so many rows, or with which error.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.all import SERVICES
from shared import backups
from shared.migrations import Schema, migrate
from tests.conftest import FreshDatabase

PREVIOUS = Path(__file__).parents[1] / "data" / "release-0.1"
NAMES = [service.name for service in SERVICES]

COLUMNS = """
SELECT table_schema || '.' || table_name AS relation, column_name, udt_name, is_nullable, column_default IS NOT NULL OR
       is_identity = 'YES' OR is_generated = 'ALWAYS' AS filled
FROM information_schema.columns WHERE table_schema = ANY($1)
"""
RULES = """
SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = ANY($1::text[]::regnamespace[]) AND contype <> 'n'
UNION ALL
SELECT indrelid::regclass || ' ' || substring(pg_get_indexdef(indexrelid) FROM ' USING .*') FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid WHERE indisunique AND relnamespace = ANY($1::text[]::regnamespace[])
UNION ALL
SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE NOT tgisinternal AND relnamespace = ANY($1::text[]::regnamespace[])
"""


@pytest.fixture
def previous(fresh_database: FreshDatabase) -> str:
    """A database as the release before left it."""
    url = fresh_database("previous")
    with (PREVIOUS / "database.dump").open("rb") as dump:
        backups.restore_dump(dump, url)
    return url


async def shape(connection: Any) -> tuple[dict[tuple[str, str], Any], set[str]]:
    columns = {(row["relation"], row["column_name"]): row for row in await connection.fetch(COLUMNS, NAMES)}
    return columns, {row[0] for row in await connection.fetch(RULES, NAMES)}


async def outcome(connection: Any, sql: str, run: list[str]) -> str:
    """How this ends, without effect."""
    await connection.execute("BEGIN")
    try:
        await connection.execute(f"PREPARE recorded AS {sql}")
        return str(await connection.execute("EXECUTE recorded" + (f"({', '.join(run)})" if run else "")))
    except asyncpg.PostgresError as error:
        return f"{type(error).__name__} {error.sqlstate}"
    finally:
        await connection.execute("ROLLBACK")
        await connection.execute("DEALLOCATE ALL")


async def test_the_old_release_serves_while_and_after_the_new_one_migrates(previous: str) -> None:
    recorded = [
        (one["sql"], run) for one in json.loads((PREVIOUS / "statements.json").read_text()) for run in one["runs"]
    ]
    connection = await asyncpg.connect(previous, statement_cache_size=0)
    old_columns, old_rules = await shape(connection)
    counted = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table, _ in old_columns}
    before = [await outcome(connection, sql, run) for sql, run in recorded]
    assert len([how for how in before if how[:1].isupper() and " " in how and "Error" not in how]) > len(before) * 0.6

    async def serve() -> set[str]:
        """The old release, at work meanwhile: nothing ends otherwise but by a lock that it had to wait for."""
        wrong = set()
        while not migrated.is_set():
            for (sql, run), expected in zip(recorded, before, strict=True):
                if (now := await outcome(connection, sql, run)) != expected and "55P03" not in now:
                    wrong.add(f"{sql}: {expected} before, {now} meanwhile")
                await asyncio.sleep(0)
        return wrong

    migrated = asyncio.Event()
    serving = asyncio.create_task(serve())
    for service in SERVICES:
        await migrate(Schema(service.name, previous, service.metadata, service.migrations))
    migrated.set()
    assert await serving == set()

    after = [await outcome(connection, sql, run) for sql, run in recorded]
    changed = [f"{sql}: {a}, now {b}" for (sql, _), a, b in zip(recorded, before, after, strict=True) if a != b]
    assert changed == []
    new_columns, new_rules = await shape(connection)
    assert set(old_columns) <= set(new_columns), "a column is gone"
    relations = {relation for relation, _ in old_columns}
    for (relation, name), column in new_columns.items():
        old = old_columns.get((relation, name))
        if old is not None:
            assert column["udt_name"] == old["udt_name"], (relation, name)
            assert column["is_nullable"] >= old["is_nullable"], (relation, name)
            assert column["filled"] or not old["filled"], (relation, name)
        elif relation in relations:
            assert column["is_nullable"] == "YES" or column["filled"], f"who inserts into {relation} knows no {name}"
    stricter = {rule for rule in new_rules - old_rules if rule.split(" ")[0] in relations}
    assert stricter == set(), "a rule that the old release does not know"
    for table, n in counted.items():
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") >= n, table
    await connection.close()
