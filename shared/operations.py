"""What does an operator ask every service? Health, metrics, and letters that could not be handled."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy import Table, select, text, update

from shared.db import Database
from shared.delivery import describe, is_outage
from shared.errors import IllegalState, NotFound, Unavailable
from shared.events import Letter
from shared.http import CurrentTx, GuardedRoute, TransactionalRoute
from shared.identity import Anyone
from shared.pages import Cursor, Limit, Page, cursor_of, page


class Health(BaseModel):
    status: str


class DeadLetter(BaseModel):
    """A letter that no attempt could handle. What it says is shown as far as it is text."""

    id: UUID
    service: str
    event_id: str
    topic: str
    key: str
    type: str | None
    headers: dict[str, str]
    body: str
    reason: str
    attempts: int
    died_at: datetime
    replayed_at: datetime | None
    replayed_by: str | None


def operations_router() -> APIRouter:
    router = APIRouter(tags=["operations"], route_class=GuardedRoute)
    router.add_api_route("/health/live", live, response_model=Health)
    router.add_api_route("/health/ready", ready, response_model=Health)
    router.add_api_route("/metrics", scrape, response_class=Response, include_in_schema=False)
    router.add_api_route("/dead-letters", list_dead_letters, response_model=Page[DeadLetter])
    replays = APIRouter(route_class=_ReplayRoute)
    replays.add_api_route("/dead-letters/{id}/replay", replay, methods=["POST"], response_model=DeadLetter)
    router.include_router(replays)
    return router


async def live(request: Request) -> Health:
    """Whether this process turns its loops; restart it when it does not."""
    if not request.app.state.runtime.alive:
        raise Unavailable("A loop of this process has stopped turning; it must be started again.")
    return Health(status="ok")


async def ready(request: Request) -> Health:
    """Whether requests can be answered: the databases can be reached. Kafka may be down; the outbox is for that."""
    for db in request.app.state.databases.values():
        try:
            async with asyncio.timeout(3), db.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:
            raise Unavailable("The database of {service} cannot be reached.", service=db.name) from error
    return Health(status="ok")


async def scrape() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _dead(db: Database) -> Table:
    return db.metadata.tables[f"{db.name}.dead_letters"]


def _shown(service: str, row: Any) -> DeadLetter:
    return DeadLetter(
        **{name: row[name] for name in DeadLetter.model_fields if name in row},
        service=service,
        type=row["headers"].get("ce_type"),
        body=bytes(row["payload"])[:10_000].decode(errors="replace"),
    )


async def list_dead_letters(
    request: Request, service: Annotated[str | None, Query()] = None, replayed: bool = False,
    limit: Limit = 50, cursor: Cursor = None,
) -> Page[DeadLetter]:  # fmt: skip
    """Newest first, of all services in this process or of one; those replayed already only when asked for."""
    databases: dict[str, Database] = request.app.state.databases
    pages: list[Page[DeadLetter]] = []
    for db in databases.values():
        if service in (None, db.name):
            table = _dead(db)
            query = select(table) if replayed else select(table).where(table.c.replayed_at.is_(None))
            async with db.transaction() as tx:
                pages.append(await page(tx, query, [table.c.id], partial(_shown, db.name), limit=limit, cursor=cursor))
    items = sorted((item for one in pages for item in one.items), key=lambda item: item.id, reverse=True)
    more = len(items) > limit or any(one.next_cursor for one in pages)
    if not more:
        return Page(items=items, next_cursor=None)
    shown = items[:limit]
    return Page(items=shown, next_cursor=cursor_of([shown[-1].id]))


class _ReplayRoute(TransactionalRoute):
    """In one transaction of the service whose dead letter this is."""

    async def database(self, request: Request) -> Database:
        databases: dict[str, Database] = request.app.state.databases
        try:
            id = UUID(request.path_params["id"])
        except ValueError:
            return next(iter(databases.values()))  # and the route says what is wrong
        for db in databases.values():
            async with db.transaction() as tx:
                if await tx.scalar(select(_dead(db).c.id).where(_dead(db).c.id == id)):
                    return db
        raise NotFound("There is no dead letter {id}.", id=id)


async def replay(request: Request, id: UUID, tx: CurrentTx, who: Anyone) -> DeadLetter:
    """Handle a dead letter again. If it fails again, the problem says why and the letter stays."""
    table = _dead(request.app.state.databases[tx.schema])
    found = await tx.first(select(table).where(table.c.id == id).with_for_update())
    assert found is not None
    if found["replayed_at"] is not None:
        raise IllegalState("This letter was replayed at {at} already.", at=found["replayed_at"].isoformat())
    letter = Letter(found["topic"], found["key"], found["headers"], bytes(found["payload"]))
    try:
        await request.app.state.runtime.deliveries[tx.schema].replay(letter, tx)
    except Exception as error:
        if is_outage(error):
            raise
        raise IllegalState("The letter failed again: {reason}.", reason=describe(error)) from error
    done = update(table).where(table.c.id == id).values(replayed_at=tx.now, replayed_by=who.sub).returning(table)
    return _shown(tx.schema, (await tx.run(done)).mappings().one())
