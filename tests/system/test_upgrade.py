"""Does a release migrate the data of the one before, while that one still serves?

`tests/data/release-0.1` holds a database of that release with its demo centre, and the statements that its services
sent while all its tests ran, with parameters of one or two of their executions each, as the server logged them. What
is compared before, during and after the migration is how each of them ends: with so many rows, or with which error.
"""

import asyncio
import json
import re
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


Recorded = list[tuple[str, list[str]]]

GROWING = ("performance.indicators",)
"""Definitions that a migration may ship a newer version of, for a later day: lists of them get longer."""


def same(sql: str, then: str, now: str) -> bool:
    """Whether a statement ends as it did."""
    if then != now and then.startswith("SELECT ") and any(f"FROM {table}" in sql for table in GROWING):
        return now.startswith("SELECT ") and int(now.split()[1]) > int(then.split()[1])
    return then == now


def recorded_runs() -> Recorded:
    found = json.loads((PREVIOUS / "statements.json").read_text(encoding="utf-8"))
    return [(one["sql"], run) for one in found for run in one["runs"]]


class Before:
    """What the release before sees of its database: how its statements end, and what it may rely on."""

    @classmethod
    async def of(cls, connection: Any, recorded: Recorded) -> "Before":
        self = cls()
        self.recorded = recorded
        self.columns, self.rules = await shape(connection)
        self.relations = {relation for relation, _ in self.columns}
        self.rows = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in self.relations}
        self.outcomes = [await outcome(connection, sql, run) for sql, run in recorded]
        return self

    async def broken(self, connection: Any) -> list[str]:
        """What is not as it was, or stricter."""
        found = []
        for (sql, run), then in zip(self.recorded, self.outcomes, strict=True):
            if not same(sql, then, now := await outcome(connection, sql, run)):
                found.append(f"{sql}: {then}, now {now}")
        columns, rules = await shape(connection)
        for place, old in self.columns.items():
            new = columns.get(place)
            if new is None:
                found.append(f"{place} is gone")
            elif (
                new["udt_name"] != old["udt_name"]
                or new["is_nullable"] < old["is_nullable"]
                or (old["filled"] and not new["filled"])
            ):
                found.append(f"{place} is another or stricter")
        for place, new in columns.items():
            added = place[0] in self.relations and place not in self.columns
            if added and new["is_nullable"] == "NO" and not new["filled"]:
                found.append(f"who inserts into {place[0]} knows no {place[1]}")
        found += [f"new rule: {r}" for r in rules - self.rules if self._concerns(r)]
        found += [
            f"{table} has fewer rows"
            for table, n in self.rows.items()
            if await connection.fetchval("SELECT to_regclass($1)", table)
            and await connection.fetchval(f"SELECT count(*) FROM {table}") < n
        ]
        return found

    def _concerns(self, rule: str) -> bool:
        """Whether a rule is about what the release before writes: a reference out of a new column is not."""
        relation = rule.split(" ")[0]
        refers = re.match(r"\S+ FOREIGN KEY \((.*?)\)", rule)
        new = refers and all((relation, column) not in self.columns for column in refers[1].split(", "))
        return relation in self.relations and not new


async def test_the_old_release_serves_while_and_after_the_new_one_migrates(previous: str) -> None:
    connection = await asyncpg.connect(previous, statement_cache_size=0)
    before = await Before.of(connection, recorded_runs())
    succeeded = [how for how in before.outcomes if "Error" not in how]
    assert len(succeeded) > len(before.outcomes) * 0.7

    async def serve() -> set[str]:
        """The old release, at work meanwhile."""
        wrong = set()
        while not migrated.is_set():
            for (sql, run), then in zip(before.recorded, before.outcomes, strict=True):
                if not same(sql, then, now := await outcome(connection, sql, run)):
                    wrong.add(f"{sql}: {then} before, {now} meanwhile")
        return wrong

    migrated = asyncio.Event()
    serving = asyncio.create_task(serve())
    for service in SERVICES:
        await migrate(Schema(service.name, previous, service.metadata, service.migrations))
    migrated.set()
    assert await serving == set()
    assert await before.broken(connection) == []
    await connection.close()


async def test_a_migration_that_the_old_release_does_not_survive_is_noticed(previous: str) -> None:
    connection = await asyncpg.connect(previous, statement_cache_size=0)
    few = [one for one in recorded_runs() if "qa.audits" in one[0]]
    for change in (
        "ALTER TABLE qa.audits RENAME COLUMN purpose TO aim",
        "ALTER TABLE training.coaching_assignments ADD COLUMN more integer NOT NULL DEFAULT 1; "
        "ALTER TABLE training.coaching_assignments ALTER COLUMN more DROP DEFAULT",
        "ALTER TABLE qa.audits ADD CHECK (revision < 1000)",
        "CREATE UNIQUE INDEX ON qa.audits (id, version)",
        "ALTER TABLE recruiting.employees ALTER COLUMN version TYPE bigint",
        "DELETE FROM qa.recordings WHERE NOT EXISTS (SELECT FROM qa.audits WHERE recording_id = recordings.id)",
        "ALTER TABLE qa.audits DROP COLUMN submitted_at",
    ):
        before = await Before.of(connection, few)
        await connection.execute(change)
        assert await before.broken(connection), change
    await connection.close()
