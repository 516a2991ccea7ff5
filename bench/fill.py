"""How do ten million calls get into the tables, as if they had come one by one over a year?"""

import asyncio
from typing import Any

from bench.calls import AGENTS, ANSWERED, QUEUES, TOPICS
from bench.place import Place
from services.performance.repository.facts import CALLS

DAYS = 365

# Rows in the order of their keys, as random as those of new calls: indexes are made quickly and look the same.
_CALLS = f"""
    SELECT gen_random_uuid()::text COLLATE "C" AS call_id, answered,
           'agent-' || lpad((random() * {AGENTS - 1})::int::text, 4, '0') AS agent_id,
           now() - (1 + random() * {DAYS}) * interval '1 day' AS started_at,
           ('{{{",".join(QUEUES)}}}'::text[])[1 + n % {len(QUEUES)}] AS queue,
           ('{{{",".join(TOPICS)}}}'::text[])[1 + n % {len(TOPICS)}] AS topic,
           (5000 + random() * 120000)::int AS wait, (30000 + random() * 390000)::int AS talk,
           (random() * 30000)::int AS hold, (random() * 60000)::int AS wrap_up
    FROM (SELECT n, random() < {ANSWERED} AS answered FROM generate_series(1, $1::bigint) AS n) AS numbered
    ORDER BY 1
"""
_ZONE = "AT TIME ZONE 'Asia/Shanghai'"
RECORDINGS = f"""
    INSERT INTO qa.recordings (id, call_id, agent_id, day, started_at, answered_at, ended_at, direction, queue, topic,
                               wait_ms, talk_ms, hold_ms, wrap_up_ms, recording_uri, customer_ref, told_at, told_by)
    SELECT uuidv7(started_at - now()), call_id, CASE WHEN answered THEN agent_id ELSE '' END,
           (started_at {_ZONE})::date, started_at,
           CASE WHEN answered THEN started_at + wait * interval '1 ms' END,
           started_at + (wait + CASE WHEN answered THEN talk ELSE 0 END) * interval '1 ms', 'inbound', queue, topic,
           wait, CASE WHEN answered THEN talk END, CASE WHEN answered THEN hold END,
           CASE WHEN answered THEN wrap_up END,
           CASE WHEN answered THEN 's3://recordings/' || to_char(started_at, 'YYYY/MM/DD/') || call_id || '.wav' END,
           'c-' || (random() * 1e8)::int, started_at + interval '10 minutes', uuidv7(started_at - now())::text
    FROM ({_CALLS}) AS calls
"""
_FACTS = f"""
    INSERT INTO performance.call_facts (call_id, agent_id, told_at, letter_id, day, queue, answered, wait_ms, talk_ms,
                                        hold_ms, wrap_up_ms)
    SELECT call_id, agent_id, started_at + interval '10 minutes', uuidv7(started_at - now())::text,
           (started_at {_ZONE})::date, queue, answered, wait, talk, hold, wrap_up
    FROM ({_CALLS}) AS calls WHERE answered
"""
_BY = ", ".join(CALLS.days.primary_key.columns.keys())
_SUMS = f"""
    INSERT INTO performance.call_days ({_BY}, {", ".join(CALLS.measures)})
    SELECT {_BY}, {", ".join(f"coalesce(sum({m.what}) FILTER (WHERE {m.over}), 0)" for m in CALLS.measures.values())}
    FROM performance.call_facts GROUP BY {_BY}
"""


async def fill(place: Place, url: str, number: int) -> None:
    """Store so many calls of the year before yesterday in QA and in performance, with their sums."""
    await asyncio.gather(
        store(place, url, "qa.recordings", (RECORDINGS, number)),
        store(place, url, "performance.call_facts", (_FACTS, number), (_SUMS,)),
    )
    await place.checkpoint()


async def store(place: Place, url: str, table: str, *statements: tuple[Any, ...]) -> None:
    async with place.connection(url) as connection:
        await connection.execute("SET maintenance_work_mem = '1GB'; SET work_mem = '1GB'; SET synchronous_commit = off")
        indexes = await connection.fetch(
            """
            SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
            WHERE indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            """,
            table,
        )
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        for statement, *values in statements:
            await connection.execute(statement, *values)
        for index in indexes:
            await connection.execute(index["definition"])
        for name in (table, "performance.call_days"):
            await connection.execute(f"VACUUM (ANALYZE) {name}")
