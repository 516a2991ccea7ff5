"""How fast do calls become sums of days, and cycles become appraisals; and what does it cost to explain one?"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from bench.calls import letters
from bench.client import Job, all_answered, request, send_from_outside
from bench.fill import store
from bench.measure import Line, NotMeasured, Scale, in_turns
from bench.place import Place
from services.performance.app import service as performance
from services.performance.domain.explanation import explain
from services.performance.domain.facts import call_fact
from services.performance.domain.templates import Template
from services.performance.policies import count_calls
from services.performance.repository import ledger
from services.performance.repository.facts import CALLS
from shared.contracts.telephony import CallEnded
from shared.db import Database
from shared.delivery import Delivered

BATCH = 500
EMPLOYEES = 10_000
AUDITS = 12
ENTRIES = 400
MEASURED = 13
"""Entries that the shipped template has beside those of audits, where all is known that it counts."""
DAYS = 90
FEW, MANY = 100_000, 10_000_000


async def day_sums(place: Place, scale: Scale) -> list[Line]:
    """The policy on events that were read before, in one process; beside it the same facts, and their sums added up
    before, by asyncpg."""
    number = scale.of(40_000)
    sent = [Delivered(CallEnded.model_validate_json(letter.body), letter) for letter in letters(number, seed=8)]
    batches = [sent[n : n + BATCH] for n in range(0, number, BATCH)]
    settings = await place.settings(await place.database("day_sums"), kafka=False)
    ready = [_columns(batch, settings.zone) for batch in batches]
    rows = sum(len(facts[0]) for facts, _ in ready)

    async def product() -> float:
        db = Database(performance.name, await place.database("day_sums"), performance.metadata, settings)
        try:
            async with db.transaction() as tx:  # connects
                await count_calls(sent[:1], tx)
            await place.checkpoint()
            began = time.perf_counter()
            for batch in batches:
                async with db.transaction() as tx:
                    await count_calls(batch, tx)
            return rows / (time.perf_counter() - began)
        finally:
            await db.close()

    async def bare() -> float:
        async with place.connection(await place.database("day_sums_bare")) as connection:
            await place.checkpoint()
            began = time.perf_counter()
            for facts, days in ready:
                async with connection.transaction():
                    await connection.execute(_FACTS, *facts)
                    await connection.execute(_SUMS, *days)
            return rows / (time.perf_counter() - began)

    samples = await in_turns({"product": product, "bare": bare})
    return [
        Line(
            f"calls into sums of days, batches of {BATCH}", "asyncpg, the same rows by unnest and upsert", "calls/s",
            samples["product"], samples["bare"], at_least=0.5, facts={"calls": rows},
        )
    ]  # fmt: skip


def _upsert(table: Any, names: Sequence[str], types: Sequence[str], then: str) -> str:
    keys = ", ".join(table.primary_key.columns.keys())
    given = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
    return f"""INSERT INTO {table.fullname} AS known ({", ".join(names)}) SELECT * FROM unnest({given})
               ON CONFLICT ({keys}) DO UPDATE SET {then}"""


_KEYS = CALLS.days.primary_key.columns.keys()
_FACTS = _upsert(
    CALLS.facts, CALLS.row._fields,
    ("text", "text", "timestamptz", "text", "date", "text", "boolean", "int", "int", "int", "int"),
    ", ".join(f"{name} = excluded.{name}" for name in CALLS.row._fields if name not in CALLS.key),
)  # fmt: skip
_SUMS = _upsert(
    CALLS.days, (*_KEYS, *CALLS.measures), ("text", "date", "text", *["bigint"] * len(CALLS.measures)),
    ", ".join(f"{name} = known.{name} + excluded.{name}" for name in CALLS.measures),
)  # fmt: skip


def _columns(batch: Sequence[Delivered[CallEnded]], zone: Any) -> tuple[list[list[Any]], list[list[Any]]]:
    """What a batch comes to, as columns: the facts, and the sums by agent, day and queue."""
    told = (call_fact(event, letter.time, letter.id, zone) for event, letter in batch)
    facts = sorted(fact for fact in told if fact)
    sums: dict[tuple[Any, ...], list[int]] = {}
    for fact in facts:
        own = sums.setdefault((fact.agent_id, fact.day, fact.queue), [0] * len(CALLS.measures))
        times = (fact.wait_ms, fact.talk_ms, fact.hold_ms, fact.wrap_up_ms)
        wait, talk, hold, wrap_up = (value or 0 for value in times)
        new = (1, 1, 1, wait, wait <= 20_000, 1, talk, 1, hold, 1, wrap_up, talk + hold + wrap_up)
        own[:] = [a + b for a, b in zip(own, new, strict=True)]
    days = [(*key, *sums[key]) for key in sorted(sums)]
    return [list(column) for column in zip(*facts, strict=True)], [list(column) for column in zip(*days, strict=True)]


async def finalisation(place: Place, scale: Scale) -> list[Line]:
    """`POST /performance/cycles/{id}/finalisation`, each time on a fresh copy of a centre whose cycle is open; beside
    it the sums of all days of all sources, for the same people."""
    number = scale.of(EMPLOYEES)
    url = await place.database("centre")
    id = await _open_cycle(place, url, number, AUDITS)

    async def finalise() -> float:
        url = await place.database("finalise", "centre")
        async with _server(place, url) as port:
            await place.checkpoint()
            seconds = await _post(place, port, f"/performance/cycles/{id}/finalisation")
        async with place.connection(url) as connection:
            closed = await connection.fetchval("SELECT count(*) FROM performance.appraisals WHERE status = 'finalised'")
            facts["entries"] = await connection.fetchval("SELECT count(*) FROM performance.ledger_entries")
        if closed != number:
            raise NotMeasured(f"{closed} appraisals were finalised instead of {number}")
        return seconds

    async def read() -> float:
        async with place.connection(await place.database("finalise", "centre")) as connection:
            await connection.execute("SET work_mem = '64MB'")  # as the product
            await place.checkpoint()
            people = [r["employee_id"] for r in await connection.fetch("SELECT employee_id FROM performance.employees")]
            days = await connection.fetchrow("SELECT first_day, last_day FROM performance.cycles WHERE id = $1", id)
            began = time.perf_counter()
            found = [await connection.fetch(query, people, *days) for query in _READS]
            seconds = time.perf_counter() - began
        if any(len(rows) != number for rows in found):
            raise NotMeasured(f"sums of {[len(rows) for rows in found]} people instead of {number}")
        return seconds

    facts: dict[str, Any] = {"employees": number, "audits of each": AUDITS, "days": DAYS}
    samples = await in_turns({"finalise": finalise, "read": read})
    return [
        Line(
            f"finalising a cycle of {number:,}", "SQL that reads the sums of their days", "s",
            samples["finalise"], samples["read"], at_most=5, facts=facts,
        )
    ]  # fmt: skip


async def explanations(place: Place, scale: Scale) -> list[Line]:
    """Of one who was audited often: the ledger read and taken apart, in this process; and all that
    `GET /performance/appraisals/{id}/explanation` answers, which also names each day behind what was measured."""
    number = scale.of(100)
    url = await place.database("explained")
    cycle = await _open_cycle(place, url, 1, ENTRIES - MEASURED)
    async with AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(place.connection(url))
        port = await stack.enter_async_context(_server(place, url))
        await _post(place, port, f"/performance/cycles/{cycle}/calculation")
        id = await watcher.fetchval("SELECT id FROM performance.appraisals")
        if (entries := len(await watcher.fetch(_LINES, id))) != ENTRIES:
            raise NotMeasured(f"the appraisal has {entries} entries instead of {ENTRIES}")
        asked = _get(place, f"/performance/appraisals/{id}/explanation")
        settings = await place.settings(url, kafka=False)
        db = Database(performance.name, url, performance.metadata, settings)
        stack.push_async_callback(db.close)

        async def taken_apart() -> float:
            began = time.perf_counter()
            for _ in range(number):
                async with db.transaction() as tx:
                    found = explain(Template(), await ledger.lines(tx, id))
            seconds = time.perf_counter() - began
            if len(found.entries) != ENTRIES:
                raise NotMeasured(f"{len(found.entries)} entries were explained instead of {ENTRIES}")
            return 1000 * seconds / number

        async def over_http() -> float:
            got = all_answered(await send_from_outside(Job(port, [asked] * number, 1)), 200)
            return 1000 * sum(answer.at - answer.sent for answer in got) / number

        async def read() -> float:
            began = time.perf_counter()
            for _ in range(number):
                await watcher.fetch(_LINES, id)
            return 1000 * (time.perf_counter() - began) / number

        samples = await in_turns({"explanation": taken_apart, "http": over_http, "lines": read})
    return [
        Line(
            what, "the query for the entries", "ms", samples[name], samples["lines"], at_most=3, facts={"times": number}
        )
        for what, name in (
            (f"explanation, {ENTRIES} entries", "explanation"),
            (f"the same over HTTP, with the days of {MEASURED} measured ones", "http"),
        )
    ]


async def beside_calls(place: Place, scale: Scale) -> list[Line]:
    """A hundred appraisals measured anew, where so many calls of one quarter are stored. Every agent has calls in each
    queue on each day, so that there are as many sums of days."""
    many = MANY // 10 if scale.quick else MANY
    sides: dict[str, tuple[Any, int, UUID]] = {}
    async with AsyncExitStack() as stack:
        for name, size in (("few", FEW), ("many", many)):
            url = await place.database(f"beside_{name}")
            cycle = await _open_cycle(place, url, 100, AUDITS, calls=size)
            port = await stack.enter_async_context(_server(place, url))
            await _post(place, port, f"/performance/cycles/{cycle}/calculation")
            connection = await stack.enter_async_context(place.connection(url))
            sides[name] = (connection, port, cycle)

        def measured(name: str) -> Callable[[], Any]:
            _, port, cycle = sides[name]

            async def sample() -> float:
                return 1000 * min(
                    [await _post(place, port, f"/performance/cycles/{cycle}/calculation") for _ in "12345"]
                )

            return sample

        def explained(name: str) -> Callable[[], Any]:
            connection, port, _ = sides[name]

            async def sample() -> float:
                ids = await connection.fetch("SELECT id FROM performance.appraisals ORDER BY id")
                requests = [_get(place, f"/performance/appraisals/{row['id']}/explanation") for row in ids]
                got = all_answered(await send_from_outside(Job(port, requests, 1)), 200)
                return 1000 * sum(answer.at - answer.sent for answer in got) / len(got)

            return sample

        lines = []
        for what, side in (("100 appraisals measured", measured), ("an appraisal explained", explained)):
            samples = await in_turns({name: side(name) for name in sides})
            lines.append(
                Line(
                    f"{what}, {many:,} calls behind", f"the same, {FEW:,} calls behind", "ms",
                    samples["many"], samples["few"], at_most=1.3,
                    facts={f"days with calls ({n})": await c.fetchval(_COUNT) for n, (c, _, _) in sides.items()},
                )
            )  # fmt: skip
    return lines


_COUNT = "SELECT count(*) FROM performance.call_days"


@asynccontextmanager
async def _server(place: Place, url: str) -> AsyncIterator[int]:
    """Its port; as in a deployment where another replica leads, the server does not relay."""
    async with place.connection(url) as other:
        await other.execute("SELECT pg_advisory_lock(hashtextextended('performance.outbox', 0))")
        async with place.headset("serve", "performance", url=url, kafka=False) as server:
            yield server.port


def _get(place: Place, path: str) -> bytes:
    return request(path, place.token("manager")).replace(b"POST", b"GET", 1)


async def _post(place: Place, port: int, path: str, body: bytes = b"", status: int = 200) -> float:
    """Seconds until the answer."""
    asked = request(path, place.token("manager"), body)
    [answer] = all_answered(await send_from_outside(Job(port, [asked], 1)), status)
    return answer.at - answer.sent


async def _open_cycle(place: Place, url: str, employees: int, audits: int, calls: int | None = None) -> UUID:
    """A centre of so many, audited so often in the last quarter, with an open cycle; its id.

    Calls come on five days of seven in two queues, as sums alone, unless so many single `calls` are asked for.
    """
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=DAYS - 1)
    async with place.connection(url) as connection:
        await connection.execute(_PEOPLE, employees)
        for statement in (_CASES, _RATINGS, _AUDIT_DAYS, _EXAMINATIONS):
            await connection.execute(statement.replace("$first", f"'{first}'::date").replace("$audits", str(audits)))
        await connection.execute(_AUDITS)
        if calls is None:
            await connection.execute(_CALL_DAYS.replace("$first", f"'{first}'::date"))
        await connection.execute("VACUUM (ANALYZE)")
    if calls is not None:
        single = _CALLS.format(employees=employees, first=first, days=DAYS)
        await store(place, url, "performance.call_facts", (single, calls), (_SUMMED,))
    async with _server(place, url) as port:
        body = f'{{"code": "bench", "kind": "quarterly", "from": "{first}", "to": "{last}"}}'.encode()
        await _post(place, port, "/performance/cycles", body, status=201)
    async with place.connection(url) as connection:
        await connection.execute(_BY_HAND)
        await connection.execute("VACUUM (ANALYZE)")
        id: UUID = await connection.fetchval("SELECT id FROM performance.cycles WHERE code = 'bench'")
        return id


_PEOPLE = """
    WITH made AS (
        INSERT INTO performance.employees (employee_id, agent_id, role, team, known_at)
        SELECT uuidv7(), 'agent-' || lpad(n::text, 5, '0'), 'agent', 'team-' || n % 40, now()
        FROM generate_series(1, $1::int) AS n RETURNING agent_id, employee_id
    )
    INSERT INTO performance.employee_logins (agent_id, since, employee_id)
    SELECT agent_id, current_date - 400, employee_id FROM made
"""
_WORKED = f"""
    performance.employees CROSS JOIN generate_series(0, {DAYS - 1}) AS n
    WHERE extract(isodow FROM $first + n) < 6
"""
_CALL_DAYS = f"""
    INSERT INTO performance.call_days (agent_id, day, queue, calls, answered, waits, wait_ms, within_20s, talks,
                                       talk_ms, holds, hold_ms, wrap_ups, wrap_up_ms, handling_ms)
    SELECT agent_id, day, queue, n, n, n, n * 15000, n * 8 / 10, n, n * talk, n, n * 9000, n, n * 20000,
           n * (talk + 29000)
    FROM (SELECT agent_id, $first + n AS day, queue, 10 + (random() * 20)::int AS n,
                 150000 + (random() * 60000)::int AS talk
          FROM unnest('{{billing,faults}}'::text[]) AS queue CROSS JOIN {_WORKED}) AS made
"""
_CASES = f"""
    INSERT INTO performance.case_days (agent_id, day, category, cases, resolved, contacts_known,
                                       resolved_at_first_contact)
    SELECT agent_id, $first + n, 'technical', 10, 8 + (random() * 2)::int, 10, 6 + (random() * 2)::int FROM {_WORKED}
"""
_RATINGS = f"""
    INSERT INTO performance.rating_days (agent_id, day, ratings, rating_sum)
    SELECT agent_id, $first + n, 5, 18 + (random() * 7)::int FROM {_WORKED}
"""
_AUDIT_DAYS = f"""
    INSERT INTO performance.audit_days AS days (employee_id, day, audits, score_sum, free_of_customer_critical,
                                        free_of_business_critical, free_of_compliance_critical, free_of_other)
    SELECT employee_id, $first + n % {DAYS}, 1, 70 + (random() * 30)::int, 1, 1, 1, 0
    FROM performance.employees CROSS JOIN generate_series(1, $audits) AS n
    ON CONFLICT (employee_id, day) DO NOTHING
"""
_EXAMINATIONS = """
    INSERT INTO performance.training_days (employee_id, day, examinations, passed, scored, score_sum, meetings,
                                           attended, minutes)
    SELECT employee_id, $first + 20 * n, 1, 1, 1, 85, 2, 2, 180
    FROM performance.employees CROSS JOIN generate_series(1, 2) AS n;
    INSERT INTO performance.audits (audit_id, employee_id, submitted_on, call_id, scorecard, auditor_id, competencies)
    SELECT uuidv7(), employee_id, $first + n % 90, gen_random_uuid()::text, 'short@1', 'auditor-' || n % 20,
           '{listening,resolution}'
    FROM performance.employees CROSS JOIN generate_series(1, $audits) AS n
"""
_AUDITS = """
    INSERT INTO performance.audit_revisions (audit_id, revision, event_id, score, passed, possible, told_at)
    SELECT audit_id, 1, uuidv7()::text, 60 + (random() * 80)::int / 2.0, true, 100, submitted_on
    FROM performance.audits
"""
_BY_HAND = """
    INSERT INTO performance.ratings (id, appraisal_id, indicator, rater, kind, value, given_at)
    SELECT uuidv7(), id, indicator, 'manager', 'manager', 60 + (random() * 40)::int, now()
    FROM performance.appraisals CROSS JOIN unnest('{team_rating,development_rating}'::text[]) AS indicator
"""
_CALLS = """
    INSERT INTO performance.call_facts (call_id, agent_id, told_at, letter_id, day, queue, answered, wait_ms, talk_ms,
                                        hold_ms, wrap_up_ms)
    SELECT gen_random_uuid()::text COLLATE "C", 'agent-' || lpad((1 + n % {employees})::text, 5, '0'), now(),
           uuidv7()::text, '{first}'::date + (n / {employees} % {days})::int,
           ('{{billing,faults,moving,complaints}}'::text[])[1 + n / ({employees} * {days}) % 4], true,
           (5000 + random() * 120000)::int, (30000 + random() * 390000)::int, (random() * 30000)::int,
           (random() * 60000)::int
    FROM generate_series(1, $1::bigint) AS n ORDER BY 1
"""
_SUMMED = f"""
    INSERT INTO performance.call_days ({", ".join(_KEYS)}, {", ".join(CALLS.measures)})
    SELECT {", ".join(_KEYS)},
           {", ".join(f"coalesce(sum({m.what}) FILTER (WHERE {m.over}), 0)" for m in CALLS.measures.values())}
    FROM performance.call_facts GROUP BY {", ".join(_KEYS)}
"""


def _read(source: str, sums: Sequence[str], *, by_login: bool) -> str:
    """The sums of these days of everybody named."""
    summed = ", ".join(f"sum(days.{name})" for name in sums)
    if not by_login:
        return f"""SELECT employee_id, {summed} FROM performance.{source} AS days
                   WHERE employee_id = ANY($1::uuid[]) AND day BETWEEN $2 AND $3 GROUP BY 1"""
    return f"""SELECT holder.employee_id, {summed} FROM performance.agent_holders AS holder
               JOIN performance.{source} AS days ON days.agent_id = holder.agent_id
                AND days.day >= holder.valid_from AND days.day < holder.valid_to
               WHERE holder.employee_id = ANY($1::uuid[]) AND days.day BETWEEN $2 AND $3 GROUP BY 1"""


_READS = (
    _read("call_days", tuple(CALLS.measures), by_login=True),
    _read("case_days", ("cases", "resolved", "contacts_known", "resolved_at_first_contact"), by_login=True),
    _read("rating_days", ("ratings", "rating_sum"), by_login=True),
    _read(
        "audit_days",
        (
            "audits",
            "score_sum",
            "free_of_customer_critical",
            "free_of_business_critical",
            "free_of_compliance_critical",
        ),
        by_login=False,
    ),
    _read("training_days", ("examinations", "passed", "scored", "score_sum", "meetings", "attended"), by_login=False),
)
_LINES = """
    SELECT entry.id, entry.dimension, entry.indicator, entry.audit_id, entry.revision, entry.event_id, entry.value,
           entry.at, entry.basis, entry.points, entry.n, entry.weight, entry.low, entry.high, entry.actor,
           entry.indicator_version, entry.refers_to, audit.call_id, audit.scorecard, reversal.id, reversal.revision,
           reversal.event_id, reversal.at, reversal.actor
    FROM performance.ledger_entries AS entry
    LEFT JOIN performance.audits AS audit ON audit.audit_id = entry.audit_id
    LEFT JOIN performance.ledger_entries AS reversal ON reversal.id = entry.reversed_by
    WHERE entry.appraisal_id = $1 AND entry.kind = 'entry' ORDER BY entry.seq
"""
