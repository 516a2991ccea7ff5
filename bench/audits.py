"""How fast is an audit submitted, and how soon has a failed one led to coaching and to an appraisal entry?"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from bench.calls import calls
from bench.client import Job, all_answered, rate_of, request, send_from_outside
from bench.measure import REPETITIONS, Line, NotMeasured, Scale, in_turns, percentile
from bench.place import Place, answers, free_port, skip_backlog, until
from services.all import SERVICES
from services.qa.repository import audits, scorecards
from services.qa.repository.audits import Unit
from shared.bus import LocalBus
from shared.events import Letter
from shared.ids import new_id
from shared.kafka import create_topics
from shared.run import Runtime, create_app
from shared.settings import Settings

CLIENTS = 8
RATE = 20
AGENTS = 100
SCORECARD = "short"
AUDITOR = "bench-auditor"


async def submissions(place: Place, scale: Scale) -> list[Line]:
    number = scale.of(2_000)
    url = await place.database("submissions")
    drafts = await prepare(await place.settings(url, kafka=False), number * (REPETITIONS + 1))
    bare_url = await place.database("submissions_bare", "submissions")
    port = free_port()

    async with AsyncExitStack() as stack:
        watcher, bare_watcher = [await stack.enter_async_context(place.connection(u)) for u in (url, bare_url)]
        # As in a deployment where another replica leads, the server does not relay.
        await watcher.execute("SELECT pg_advisory_lock(hashtextextended('qa.outbox', 0))")
        server = await stack.enter_async_context(place.headset("serve", "qa", url=url, kafka=False))
        bare = await stack.enter_async_context(
            place.process("-m", "bench.bare", "submit", str(port), bare_url, port=port)
        )
        await until(lambda: answers(port, "/"), 30, bare)

        def side(port: int, watcher: Any, path: str) -> Callable[[], Any]:
            some = parts(drafts, number)

            async def sample() -> float:
                requests = [request(path.format(id), place.token("auditor", AUDITOR)) for id in next(some)]
                await place.checkpoint()
                before = await watcher.fetchval(_WRITTEN)
                got = all_answered(await send_from_outside(Job(port, requests, CLIENTS)), 200)
                written = await watcher.fetchval(_WRITTEN) - before
                if written != 3 * number:
                    raise NotMeasured(f"{number} submissions wrote {written} rows instead of {3 * number}")
                return rate_of(got)

            return sample

        samples = await in_turns(
            {"product": side(server.port, watcher, "/qa/audits/{}/submit"), "bare": side(port, bare_watcher, "/{}")}
        )
    return [
        Line(
            f"audit submission, {CLIENTS} clients", "Starlette and asyncpg, the same rows", "requests/s",
            samples["product"], samples["bare"], at_least=0.3,
            facts={"submissions": number, "relay": "in another process, which is not there"},
        )
    ]  # fmt: skip


_WRITTEN = """
    SELECT (SELECT count(*) FROM qa.audits WHERE status = 'submitted')
         + (SELECT count(*) FROM qa.audit_history WHERE action = 'submitted') + (SELECT count(*) FROM qa.outbox)
"""


async def effects(place: Place, scale: Scale) -> list[Line]:
    number = scale.of(RATE * 10)
    url = await place.database("effects")
    settings = await place.settings(url)
    some = parts(await prepare(settings, number * (REPETITIONS + 1)), number)
    topic = "bench.effects"
    await create_topics(settings.model_copy(update={"topic_partitions": 1}), [topic])
    for service in ("training", "performance"):
        await skip_backlog(settings, service)

    async with AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(place.connection(url))
        await watcher.execute(
            "CREATE TABLE first_effects (id uuid PRIMARY KEY); CREATE TABLE second_effects (id uuid PRIMARY KEY)"
        )
        server = await stack.enter_async_context(place.headset("serve", "qa", url=url))
        for service in ("training", "performance"):
            await stack.enter_async_context(place.headset("work", service, url=url))
        await stack.enter_async_context(place.process("-m", "bench.bare", "consume", settings.kafka, topic, url))
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True)
        await producer.start()
        stack.push_async_callback(producer.stop)

        async def product() -> Sequence[float]:
            ids = next(some)
            requests = [request(f"/qa/audits/{id}/submit", place.token("auditor", AUDITOR)) for id in ids]
            got = all_answered(await send_from_outside(Job(server.port, requests, CLIENTS, RATE)), 200)
            tables = ("training.coaching_assignments", "performance.ledger_entries")
            committed = [await commit_times(watcher, table, "audit_id", ids) for table in tables]
            return [max(times[id] for times in committed) - answer.at for id, answer in zip(ids, got, strict=True)]

        async def bare() -> Sequence[float]:
            began: dict[UUID, float] = {}
            loop = asyncio.get_running_loop()
            start = loop.time()
            for n in range(number):
                await asyncio.sleep(start + n / RATE - loop.time())
                id = new_id()
                began[id] = time.time()
                await producer.send_and_wait(topic, id.bytes, partition=0)
            committed = await commit_times(watcher, "second_effects", "id", list(began))
            return [committed[id] - at for id, at in began.items()]

        samples = await in_turns({"product": product, "bare": bare})
    return [
        Line(
            f"submission answered to coaching and appraisal, {name}", "Kafka round trip and two commits", "ms",
            [1000 * percentile(sample, share) for sample in samples["product"]],
            [1000 * percentile(sample, share) for sample in samples["bare"]],
            at_most=most, facts={"submissions a turn": number, "a second": RATE},
        )
        for name, share, most in (("median", 0.5, 3), ("99th percentile", 0.99, 6))
    ]  # fmt: skip


async def commit_times(connection: Any, table: str, column: str, ids: Sequence[UUID]) -> dict[UUID, float]:
    """When the row of each id was committed, in Unix time; waits until all are."""

    async def all_there() -> bool:
        query = f"SELECT count(DISTINCT {column}) FROM {table} WHERE {column} = ANY($1)"
        return bool(await connection.fetchval(query, ids) == len(ids))

    await until(all_there, 60)
    rows = await connection.fetch(
        f"SELECT {column} AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at "
        f"FROM {table} WHERE {column} = ANY($1)",
        ids,
    )
    if len(rows) != len(ids):
        raise NotMeasured(f"{len(rows)} rows of {table} for {len(ids)} ids")
    return {row["id"]: row["at"] for row in rows}


def parts(ids: Sequence[UUID], size: int) -> Iterator[Sequence[UUID]]:
    return (ids[n : n + size] for n in range(0, len(ids), size))


async def prepare(settings: Settings, number: int) -> list[UUID]:
    """A centre with people, an open cycle and that many audits, answered so that they fail; their ids."""
    runtime = Runtime(SERVICES, settings, LocalBus())
    transport = httpx.ASGITransport(create_app(runtime))
    admin = {"Authorization": f"Bearer {Place.token('admin')}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=admin, timeout=60) as client:

        async def post(path: str, body: Any) -> Any:
            return (await client.post(path, json=body)).raise_for_status().json()

        now = datetime.now(UTC)
        person = {"department": "customer_service", "team": "north", "date": str(now.date() - timedelta(days=400))}
        lead = await post("/recruiting/employees", {**person, "role": "supervisor", "agent_id": None})
        for n in range(AGENTS):
            agent = {"role": "agent", "agent_id": f"agent-{n:04}", "team_lead_id": lead["id"]}
            await post("/recruiting/employees", person | agent)
        period = {"from": str(now.date() - timedelta(days=40)), "to": str(now.date() + timedelta(days=40))}
        await post("/performance/cycles", {"code": "bench", "kind": "quarterly", **period})
        await runtime.drain()
    answered = (call for call in calls(number * 2, seed=4, agents=AGENTS) if call.agent_id)
    told = [Letter.seal(call, source="telephony", at=now) for call, _ in zip(answered, range(number), strict=False)]
    for start in range(0, number, 500):
        await runtime.deliveries["qa"](told[start : start + 500])
    async with runtime.databases["qa"].transaction() as tx:
        card = await scorecards.newest(tx, SCORECARD)
        rows = await tx.all(
            text("""
            SELECT r.id, r.call_id, h.employee_id FROM qa.recordings r JOIN qa.agent_holders h
            ON h.agent_id = r.agent_id AND h.valid_from <= r.day AND r.day < h.valid_to
            """)
        )
        units = [Unit(row["id"], row["call_id"], row["employee_id"], AUDITOR) for row in rows]
        made = await audits.create(tx, card.id, units, by=AUDITOR)
        no = {"value": "no", "comment": "Heard.", "at_seconds": 31}
        await tx.run(
            text("UPDATE qa.audits SET answers = CAST(:answers AS jsonb)"),
            {"answers": json.dumps({criterion.key: no for criterion in card.criteria})},
        )
    await runtime.drain()
    await runtime.stop()
    if len(made) != number:
        raise NotMeasured(f"{len(made)} audits were made instead of {number}")
    return sorted(made)
