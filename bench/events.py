"""How many events a second does `POST /events` store, beside COPY of the same bodies into one table?"""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

from bench.calls import letters
from bench.client import Job, all_answered, rate_of, request, send
from bench.measure import Line, NotMeasured, Scale, in_turns
from bench.place import Place
from shared.events import Letter

BATCH = 1000
CLIENTS = 2  # one that sends while the other is answered, on both sides


async def events_over_http(place: Place, scale: Scale) -> list[Line]:
    url = await place.database("events")
    sent = letters(scale.of(40_000), seed=3)
    events = [_structured(letter) for letter in sent]
    batches = [events[n : n + BATCH] for n in range(0, len(events), BATCH)]
    requests = [
        request("/events", place.token("service"), b"[" + b",".join(batch) + b"]", "application/cloudevents-batch+json")
        for batch in batches
    ]
    records = [[(event,) for event in batch] for batch in batches]

    async with AsyncExitStack() as stack:
        watcher, first, second = [await stack.enter_async_context(place.connection(url)) for _ in range(3)]
        await watcher.execute("CREATE TABLE bodies (body bytea NOT NULL)")
        # As in a deployment where another replica leads, the server does not relay.
        await watcher.execute("SELECT pg_advisory_lock(hashtextextended('qa.outbox', 0))")
        server = await stack.enter_async_context(place.headset("serve", "qa", url=url, kafka=False))

        async def over_http() -> float:
            await watcher.execute("TRUNCATE qa.outbox")
            await place.checkpoint()
            answers = all_answered(await send(Job(server.port, requests, CLIENTS)), 202)
            await check("qa.outbox")
            return rate_of(answers) * BATCH

        async def by_copy() -> float:
            await watcher.execute("TRUNCATE bodies")
            await place.checkpoint()
            waiting = iter(records)

            async def work(connection: Any) -> None:
                for some in waiting:
                    await connection.copy_records_to_table("bodies", records=some, columns=["body"])

            began = time.perf_counter()
            await asyncio.gather(work(first), work(second))
            seconds = time.perf_counter() - began
            await check("bodies")
            return len(events) / seconds

        async def check(table: str) -> None:
            stored = await watcher.fetchval(f"SELECT count(*) FROM {table}")
            if stored != len(events):
                raise NotMeasured(f"{len(events)} events were sent, {stored} are stored")

        samples = await in_turns({"http": over_http, "copy": by_copy})
    return [
        Line(
            "POST /events, batches of 1,000", "COPY of the same bodies into one table", "events/s",
            samples["http"], samples["copy"], at_least=0.25,
            facts={
                "events": len(events), "bytes of an event": len(events[0]), "clients": CLIENTS,
                "relay": "in another process, which is not there",
            },
        )
    ]  # fmt: skip


def _structured(letter: Letter) -> bytes:
    """A letter as a CloudEvent in the structured mode."""
    envelope = {
        "specversion": "1.0", "id": letter.id, "type": letter.type, "source": letter.headers["ce_source"],
        "time": letter.headers["ce_time"], "data": json.loads(letter.body),
    }  # fmt: skip
    return json.dumps(envelope, separators=(",", ":")).encode()
