"""How fast is a step of recruiting completed, and does a list of applications stay quick as it grows?

`python -m bench.recruiting PORT URL` is what the first is compared with: a Starlette route that does the same two row
writes, the application's and its history's, in one transaction by asyncpg.
"""

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.client import Job, all_answered, rate_of, request, send_from_outside
from bench.measure import REPETITIONS, Line, NotMeasured, Scale, in_turns
from bench.place import Place, answers, free_port, until
from shared.ids import new_id

CLIENTS = 8
PAGE = 50
FEW, MANY = 1_000, 100_000
POOL = 8  # as the product's

# A requisition that takes applications, and applications that passed the screening: step 6 is open.
_REQUISITION = """
    INSERT INTO recruiting.requisitions (id, role, headcount, reason, needed_on, authors, status, done, created_at,
                                         version)
    VALUES ($1, 'agent', 10000, 'growth', '2030-01-01', '{bench}', 'open', '{1,2,3,4}', now(), 1)
"""
_APPLICATIONS = """
    WITH made AS (
        INSERT INTO recruiting.applications (id, requisition_id, candidate_id, channel, internal, status, done, step,
                                             applied_at, version)
        SELECT uuidv7(), $1, gen_random_uuid(), 'website', false, 'open', '{5}', 6, now(), 2
        FROM generate_series(1, $2::int) RETURNING id
    )
    INSERT INTO recruiting.open_steps (record_id, step, record, requisition_id, application_id, owner, entered_at,
                                       due_on)
    SELECT id, 6, 'application', $1, id, 'hr', now(), current_date + 7 FROM made
"""
_CHANGE = """
    UPDATE recruiting.applications SET status = 'open', done = '{5,6}', step = 7, version = version + 1 WHERE id = $1
"""
_NOTE = """
    INSERT INTO recruiting.step_history (at, record, requisition_id, application_id, step, move, outcome, status, actor,
                                         side)
    VALUES ($1, 'application', $2, $3, 6, 'left', 'notified', 'open', 'bare', 'hr')
"""
_WRITTEN = "SELECT count(*) FROM recruiting.step_history WHERE step = 6 AND move = 'left'"
_NOTICE = json.dumps({"outcome": "notified", "channel": "phone", "at": "2030-01-02T02:00:00Z", "place": "room 1"})


async def steps(place: Place, scale: Scale) -> list[Line]:
    """Step 6, candidates notified: nobody else has to be asked, nothing else follows."""
    number = scale.of(2_000)
    url = await place.database("steps")
    ids = await fill(place, url, number * (REPETITIONS + 1))
    bare_url = await place.database("steps_bare", "steps")
    port = free_port()
    async with AsyncExitStack() as stack:
        watcher, bare_watcher = [await stack.enter_async_context(place.connection(u)) for u in (url, bare_url)]
        # As in a deployment where another replica leads, the server does not relay.
        await watcher.execute("SELECT pg_advisory_lock(hashtextextended('recruiting.outbox', 0))")
        server = await stack.enter_async_context(place.headset("serve", "recruiting", url=url, kafka=False))
        bare = await stack.enter_async_context(place.process("-m", "bench.recruiting", str(port), bare_url, port=port))
        await until(lambda: answers(port, "/"), 30, bare)

        def side(port: int, watcher: Any, path: str) -> Callable[[], Any]:
            parts = iter([ids[at : at + number] for at in range(0, len(ids), number)])

            async def sample() -> float:
                some = next(parts)
                requests = [request(path.format(id), place.token("hr"), _NOTICE.encode()) for id in some]
                await place.checkpoint()
                before = await watcher.fetchval(_WRITTEN)
                got = all_answered(await send_from_outside(Job(port, requests, CLIENTS)), 200)
                if (written := await watcher.fetchval(_WRITTEN) - before) != number:
                    raise NotMeasured(f"{number} requests completed {written} steps")
                return rate_of(got)

            return sample

        samples = await in_turns(
            {
                "product": side(server.port, watcher, "/recruiting/applications/{}/steps/6"),
                "bare": side(port, bare_watcher, "/{}"),
            }
        )
    return [
        Line(
            f"completing a step, {CLIENTS} clients", "Starlette and asyncpg, two row writes", "requests/s",
            samples["product"], samples["bare"], at_least=0.3,
            facts={"steps": number, "relay": "in another process, which is not there"},
        )
    ]  # fmt: skip


async def lists(place: Place, scale: Scale) -> list[Line]:
    """The first page of all applications, one client."""
    number = scale.of(400)
    async with AsyncExitStack() as stack:
        ports = {}
        for size in (FEW, MANY):
            url = await place.database(f"list_{size}")
            await fill(place, url, size)
            server = await stack.enter_async_context(place.headset("serve", "recruiting", url=url, kafka=False))
            ports[size] = server.port
        asked = request(f"/recruiting/applications?limit={PAGE}", place.token("hr")).replace(b"POST", b"GET", 1)

        def side(port: int) -> Callable[[], Any]:
            async def sample() -> float:
                got = all_answered(await send_from_outside(Job(port, [asked] * number, 1)), 200)
                return 1000 / rate_of(got)

            return sample

        samples = await in_turns({"many": side(ports[MANY]), "few": side(ports[FEW])})
    return [
        Line(
            f"applications, page of {PAGE} of {MANY:,}", f"the same of {FEW:,}", "ms", samples["many"], samples["few"],
            at_most=1.5, facts={"pages": number},
        )
    ]  # fmt: skip


async def fill(place: Place, url: str, number: int) -> list[UUID]:
    """So many applications at step 6; their ids."""
    async with place.connection(url) as connection:
        requisition = new_id()
        await connection.execute(_REQUISITION, requisition)
        await connection.execute(_APPLICATIONS, requisition, number)
        for table in ("applications", "open_steps"):
            await connection.execute(f"VACUUM (ANALYZE) recruiting.{table}")
        return [row["id"] for row in await connection.fetch("SELECT id FROM recruiting.applications ORDER BY id")]


def bare(url: str) -> Starlette:
    """`POST /{id}`: the application moves, and its history says so."""

    async def complete(request: Request) -> Response:
        id = UUID(request.path_params["id"])
        async with request.app.state.pool.acquire() as connection, connection.transaction():
            await connection.execute(_CHANGE, id)
            await connection.execute(_NOTE, datetime.now(UTC), id, id)
        return JSONResponse({"id": str(id), "status": "open"})

    async def ready(_: Request) -> Response:
        return Response()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(url, min_size=POOL, max_size=POOL, server_settings={"jit": "off"})
        yield
        await app.state.pool.close()

    return Starlette(routes=[Route("/{id}", complete, methods=["POST"]), Route("/", ready)], lifespan=lifespan)


if __name__ == "__main__":
    [_, port, url] = sys.argv
    uvicorn.run(bare(url), port=int(port), log_level="warning", access_log=False)
