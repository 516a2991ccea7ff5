"""Where do letters wait, and how is one handled once only?

Each service has, beside its own tables,

* an **outbox**: letters written in the same transaction as the change they report, deleted once the bus has them;
* an **inbox**: identities of the letters it has handled, partitioned by the day of the letter so that forgetting is
  dropping a partition. Days without a partition of their own go to the default one;
* **dead letters**: letters no attempt could handle, whole, with the reason;
* **idempotency keys**: the first answer to each POST that carried one.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.events import Letter
from shared.ids import new_id


def mailbox_tables(metadata: MetaData) -> dict[str, Table]:
    """The tables of this module in the schema of `metadata`, by name."""
    outbox = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("headers", JSON, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    inbox = Table(
        "inbox",
        metadata,
        Column("day", Date, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("handled_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        postgresql_partition_by="RANGE (day)",
    )
    dead_letters = Table(
        "dead_letters",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("event_id", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", JSON, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("reason", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("died_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("replayed_at", DateTime(timezone=True)),
        Column("replayed_by", Text),
        Index("dead_letters_once", "event_id", "topic", unique=True),
    )
    idempotency_keys = Table(
        "idempotency_keys",
        metadata,
        Column("principal", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("request", LargeBinary, nullable=False),
        Column("status", Integer),
        Column("headers", JSON),
        Column("body", LargeBinary),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("idempotency_keys_by_age", "created_at"),
    )
    return {table.name: table for table in (outbox, inbox, dead_letters, idempotency_keys)}


MAILBOX_DDL = """
CREATE TABLE {schema}.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id text NOT NULL, topic text NOT NULL, key text NOT NULL,
    type text NOT NULL, headers json NOT NULL, payload bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE TABLE {schema}.inbox (
    day date NOT NULL, event_id uuid NOT NULL, handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, event_id)
) PARTITION BY RANGE (day);
CREATE TABLE {schema}.inbox_other PARTITION OF {schema}.inbox DEFAULT;
CREATE TABLE {schema}.dead_letters (
    id uuid PRIMARY KEY, event_id text NOT NULL, topic text NOT NULL, key text NOT NULL, headers json NOT NULL,
    payload bytea NOT NULL, reason text NOT NULL, attempts integer NOT NULL,
    died_at timestamptz NOT NULL DEFAULT now(), replayed_at timestamptz, replayed_by text
);
CREATE UNIQUE INDEX dead_letters_once ON {schema}.dead_letters (event_id, topic);
CREATE TABLE {schema}.idempotency_keys (
    principal text, key text, request bytea NOT NULL, status integer, headers json, body bytea,
    created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_by_age ON {schema}.idempotency_keys (created_at);
"""
"""What the first migration of each service runs; later changes are migrations of their own."""


async def post(connection: AsyncConnection, schema: str, letters: Sequence[Letter]) -> None:
    """Leave letters to be published if this transaction commits.

    The filter gives the transaction its number before the first row takes its id; the relay's floor rests on that.
    """
    await connection.execute(
        text(f"""
        INSERT INTO {schema}.outbox (event_id, topic, key, type, headers, payload)
        SELECT event_id, topic, key, type, headers::json, payload
        FROM unnest(CAST(:ids AS text[]), CAST(:topics AS text[]), CAST(:keys AS text[]), CAST(:types AS text[]),
                    CAST(:headers AS text[]), CAST(:payloads AS bytea[]))
             WITH ORDINALITY AS letter (event_id, topic, key, type, headers, payload, n)
        WHERE pg_current_xact_id() IS NOT NULL
        ORDER BY n
        """),
        {
            "ids": [letter.headers["ce_id"] for letter in letters],
            "topics": [letter.topic for letter in letters],
            "keys": [letter.key for letter in letters],
            "types": [letter.headers["ce_type"] for letter in letters],
            "headers": [json.dumps(dict(letter.headers)) for letter in letters],
            "payloads": [letter.body for letter in letters],
        },
    )


async def claim(connection: AsyncConnection, schema: str, letters: Sequence[Letter]) -> set[UUID]:
    """Identities of those letters that were not handled before.

    A claim made meanwhile in another transaction is waited for: if that one commits, the letter is not ours.
    """
    order = sorted({(letter.day, letter.identity) for letter in letters})  # one order everywhere: no deadlocks
    claimed = await connection.execute(
        text(f"""
        INSERT INTO {schema}.inbox (day, event_id)
        SELECT * FROM unnest(CAST(:days AS date[]), CAST(:ids AS uuid[]))
        ON CONFLICT DO NOTHING
        RETURNING event_id
        """),
        {"days": [day for day, _ in order], "ids": [id for _, id in order]},
    )
    return set(claimed.scalars())


async def bury(connection: AsyncConnection, table: Table, letter: Letter, reason: str, attempts: int) -> None:
    """Set a letter aside, whole, for a person to look at; once, however often it comes."""
    row: dict[str, Any] = {
        "id": new_id(),
        "event_id": letter.headers.get("ce_id") or letter.headers.get("kafka_position", ""),
        "topic": letter.topic,
        "key": letter.key.replace("\0", "\ufffd"),
        "headers": {name: value.replace("\0", "\ufffd") for name, value in letter.headers.items()},
        "payload": letter.body,
        "reason": reason.replace("\0", "\ufffd")[:2000],
        "attempts": attempts,
    }
    row["event_id"] = row["event_id"].replace("\0", "\ufffd")
    await connection.execute(insert(table).values(row).on_conflict_do_nothing())


async def keep_partitions(connection: AsyncConnection, schema: str, today: date, keep_days: int) -> None:
    """Have an inbox partition for each day from today to a week ahead; drop those older than `keep_days`.

    Rows that came for a day before its partition was there move from the default partition into it.
    """
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{schema}.inbox"})
    found = await connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:inbox AS regclass)"),
        {"inbox": f"{schema}.inbox"},
    )
    have = {name.rsplit(".", 1)[-1].strip('"') for name in found.scalars()}
    for day in (today + timedelta(days=n) for n in range(8)):
        name = f"inbox_{day:%Y%m%d}"
        if name in have:
            continue
        await connection.execute(text(f"CREATE TABLE {schema}.{name} (LIKE {schema}.inbox INCLUDING ALL)"))
        await connection.execute(text(f"LOCK TABLE {schema}.inbox IN ACCESS EXCLUSIVE MODE"))
        await connection.execute(
            text(f"""
            WITH moved AS (DELETE FROM {schema}.inbox_other WHERE day = :day RETURNING *)
            INSERT INTO {schema}.{name} SELECT * FROM moved
            """),
            {"day": day},
        )
        await connection.execute(
            text(
                f"ALTER TABLE {schema}.inbox ATTACH PARTITION {schema}.{name} "
                f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )
        )
    oldest = f"inbox_{today - timedelta(days=keep_days):%Y%m%d}"
    for name in sorted(have - {"inbox_other"}):
        if name < oldest:
            await connection.execute(text(f"DROP TABLE {schema}.{name}"))
    await connection.execute(
        text(f"DELETE FROM {schema}.inbox_other WHERE handled_at < now() - make_interval(days => :days)"),
        {"days": keep_days},
    )
