"""What is the least that does the same? Processes to compare with, without any layer of ours.

python -m bench.bare submit PORT URL            a Starlette route that writes the rows of a submission by asyncpg
python -m bench.bare consume BOOTSTRAP TOPIC URL    two commits for each record of a topic
python -m bench.bare fastapi PORT               a FastAPI application with SQLAlchemy imported, and nothing in it
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.contracts.qa import AuditFailed, FailedCriterion
from shared.events import Letter
from shared.ids import new_id

POOL = 8  # as the product's

CHANGE = """
    UPDATE qa.audits SET status = 'submitted', version = version + 1, revision = 1, raw_score = $2, score = $2,
           result = 'failed', critical_errors = $3, submitted_at = $4 WHERE id = $1
"""
NOTE = """
    INSERT INTO qa.audit_history (id, audit_id, at, actor, action, status_before, status_after, revision, new_revision,
                                  raw_score, score, result, critical_errors, answers)
    VALUES ($1, $2, $3, 'bare', 'submitted', 'draft', 'submitted', 1, true, $4, $4, 'failed', $5, $6)
"""
POST = "INSERT INTO qa.outbox (event_id, topic, key, type, headers, payload) VALUES ($1, $2, $3, $4, $5, $6)"


def submission(url: str) -> Starlette:
    """`POST /{id}`: the rows of a failed audit in one transaction; what they say was thought out before."""
    now = datetime.now(UTC)
    missed = FailedCriterion(criterion="greeted", competency="manners", error_class="none", score=Decimal(0))
    event = AuditFailed(
        audit_id=new_id(), revision=1, recording_id=new_id(), call_id=str(new_id()), employee_id=new_id(),
        auditor_id="bench-auditor", scorecard="short v1", score=Decimal(0), passing_score=Decimal(80),
        critical_errors=("greeted",), failed_criteria=(missed,) * 4, submitted_at=now,
    )  # fmt: skip
    letter = Letter.seal(event, source="qa", at=now)
    headers = json.dumps(dict(letter.headers))
    answers = json.dumps({f"criterion_{n}": {"value": "no"} for n in range(8)})

    async def submit(request: Request) -> Response:
        id, score, errors = UUID(request.path_params["id"]), Decimal(0), ["greeted"]
        async with request.app.state.pool.acquire() as connection, connection.transaction():
            await connection.execute(CHANGE, id, score, errors, now)
            await connection.execute(NOTE, new_id(), id, now, score, errors, answers)
            await connection.execute(POST, str(new_id()), letter.topic, letter.key, letter.type, headers, letter.body)
        return JSONResponse({"id": str(id), "status": "submitted"})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async def leave(_: object) -> None:
            """Instead of the statements by which asyncpg resets a connection that comes back."""

        app.state.pool = await asyncpg.create_pool(
            url, min_size=POOL, max_size=POOL, reset=leave, server_settings={"jit": "off"}
        )
        yield
        await app.state.pool.close()

    return Starlette(routes=[Route("/{id}", submit, methods=["POST"]), Route("/", _ready)], lifespan=lifespan)


async def _ready(_: Request) -> Response:
    return Response()


async def consume(bootstrap: str, topic: str, url: str) -> None:
    """Commit a row to `first_effects` and one to `second_effects` for each record of the topic's only partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    connection = await asyncpg.connect(url)
    try:
        async for record in consumer:
            for table in ("first_effects", "second_effects"):
                await connection.execute(f"INSERT INTO {table} (id) VALUES ($1)", UUID(bytes=record.value))
    finally:
        await connection.close()
        await consumer.stop()


def nothing() -> Starlette:
    import sqlalchemy.ext.asyncio  # noqa: F401  what it is about
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def root() -> dict[str, str]:
        return {}

    return app


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["submit", port, url]:
            uvicorn.run(submission(url), port=int(port), log_level="warning", access_log=False)
        case ["fastapi", port]:
            uvicorn.run(nothing(), port=int(port), log_level="warning", access_log=False)
        case ["consume", *where]:
            uvloop.run(consume(*where))
