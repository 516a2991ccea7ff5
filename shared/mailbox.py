"""Where do letters wait, and how is one handled once only?

Each service has, beside its own tables,

* an **outbox**: letters written in the same transaction as the change they report, deleted once the bus has them;
* an **inbox**: identities of the letters it has handled, partitioned by the day of the letter so that forgetting is
  dropping a partition. Days without a partition of their own go to the default one;
* **dead letters**: letters no attempt could handle, whole, with the reason;
* **idempotency keys**: the first answer to each POST that carried one.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from pydantic_core import to_json
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
)
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import direct
from shared.direct import text
from shared.errors import TooLarge
from shared.events import Letter
from shared.ids import new_id

LARGEST_LETTER = 900_000
"""Bytes of body and headers: Kafka takes records of up to a mebibyte unless told."""


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
        Column("fingerprint", LargeBinary, nullable=False),
        Column("discarded_at", DateTime(timezone=True)),
        Column("discarded_by", Text),
        Column("discard_reason", Text),
        Index("dead_letters_once", "fingerprint", unique=True),
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
    died_at timestamptz NOT NULL DEFAULT now(), replayed_at timestamptz, replayed_by text,
    fingerprint bytea NOT NULL
);
CREATE UNIQUE INDEX dead_letters_once ON {schema}.dead_letters (fingerprint);
CREATE TABLE {schema}.idempotency_keys (
    principal text, key text, request bytea NOT NULL, status integer, headers json, body bytea,
    created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_by_age ON {schema}.idempotency_keys (created_at);
"""
"""What the first migration of each service runs; later changes are migrations of their own."""
DISCARDS_DDL = """
ALTER TABLE {schema}.dead_letters ADD COLUMN discarded_at timestamptz, ADD COLUMN discarded_by text,
    ADD COLUMN discard_reason text;
"""
"""The first of those: who decided that nothing is to be done about a dead letter, and why."""


_POSTED = ("event_id", "topic", "key", "type", "headers", "payload")
_FEW = 20
"""Up to so many letters one statement is quicker; from there on COPY, three times as quick with a thousand."""


async def post(connection: AsyncConnection, schema: str, letters: Sequence[Letter]) -> None:
    """Leave letters to be published if this transaction commits, in this order.

    The transaction gets its number before the first row takes its id; the relay's floor rests on that. Raises
    `TooLarge` for a letter that the bus could not carry: inside, it would stop all that follow.
    """
    rows = [
        (headers["ce_id"], topic, key, headers["ce_type"], to_json(headers).decode(), body)
        for topic, key, headers, body in letters
    ]
    if (largest := max(len(row[4]) + len(row[5]) for row in rows)) > LARGEST_LETTER:
        raise TooLarge("An event has {n} bytes; {most} is the most that can travel.", n=largest, most=LARGEST_LETTER)
    if len(rows) > _FEW:
        await connection.execute(text("SELECT pg_current_xact_id()"))
        await direct.copy(connection, schema, "outbox", _POSTED, rows)
        return
    statement = text(_POST.format(schema=schema))
    values = dict(zip(_POSTED, map(list, zip(*rows, strict=True)), strict=True))
    if direct.can_fetch(statement, connection):
        await direct.fetch(connection, statement, values)
    else:
        await connection.execute(statement, values)


_POST = """
INSERT INTO {schema}.outbox (event_id, topic, key, type, headers, payload)
SELECT event_id, topic, key, type, headers::json, payload
FROM unnest(CAST(:event_id AS text[]), CAST(:topic AS text[]), CAST(:key AS text[]), CAST(:type AS text[]),
            CAST(:headers AS text[]), CAST(:payload AS bytea[]))
     WITH ORDINALITY AS letter (event_id, topic, key, type, headers, payload, n)
WHERE pg_current_xact_id() IS NOT NULL
ORDER BY n
"""


async def claim(connection: AsyncConnection, schema: str, letters: Sequence[Letter]) -> list[bool]:
    """For each letter, whether it is the first of its identity: not handled before, nor earlier in this list.

    A claim made meanwhile in another transaction is waited for: if that one commits, the letter is not ours.
    """
    keys = [letter.inbox_key for letter in letters]
    order = sorted(set(keys))  # one order everywhere: no deadlocks
    repeated = await connection.execute(
        text(_CLAIM.format(schema=schema)),
        {"days": [day for day, _ in order], "ids": [identity for _, identity in order]},
    )
    seen = set(repeated.scalars())
    first = []
    for _, identity in keys:
        first.append(identity not in seen)
        seen.add(identity)
    return first


_CLAIM = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:days AS date[]), CAST(:ids AS uuid[])) AS letter (day, event_id)
), claimed AS (
    INSERT INTO {schema}.inbox (day, event_id) SELECT * FROM given ON CONFLICT DO NOTHING RETURNING day, event_id
)
SELECT event_id::text FROM (SELECT * FROM given EXCEPT SELECT * FROM claimed) AS repeated
"""


async def bury(connection: AsyncConnection, table: Table, letter: Letter, reason: str, attempts: int) -> None:
    """Set a letter aside, whole, for a person to look at; once, however often it comes.

    Nothing that a letter may hold makes this fail: otherwise one letter could stop all that follow.
    """
    headers = {_storable(name): _storable(value) for name, value in letter.headers.items()}
    event_id = headers.get("ce_id") or headers.get("kafka_position", "")
    same = hashlib.blake2b(digest_size=16)
    for part in (letter.topic, headers.get("ce_source", ""), event_id):
        same.update(part.encode() + b"\0")
    same.update(letter.body)
    row: dict[str, Any] = {
        "id": new_id(),
        "event_id": event_id[:200],
        "topic": letter.topic,
        "key": _storable(letter.key),
        "headers": headers,
        "payload": letter.body,
        "reason": _storable(reason)[:2000],
        "attempts": attempts,
        "fingerprint": same.digest(),
    }
    await connection.execute(insert(table).values(row).on_conflict_do_nothing())


def _storable(text: str) -> str:
    """Without what PostgreSQL cannot keep in a text: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


async def keep_partitions(connection: AsyncConnection, schema: str, today: date, keep_days: int) -> None:
    """Have an inbox partition for each day from today to a week ahead; drop those older than `keep_days`.

    Rows that came for a day before its partition was there move from the default partition into it.
    """
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{schema}.inbox"}
    )
    # Whoever waits for a table makes all others wait behind; better give up and come again in an hour.
    await connection.execute(text("SET LOCAL lock_timeout = '2s'"))
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
        text(f"""
        DELETE FROM {schema}.inbox_other WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {schema}.inbox_other WHERE handled_at < now() - make_interval(days => :days) LIMIT 500000))
        """),
        {"days": keep_days},
    )
