"""What does an operator ask every service? Health, metrics, and letters that could not be handled."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, StringConstraints

from shared import dead_letters
from shared.db import Database
from shared.dead_letters import DeadLetter
from shared.direct import text
from shared.errors import NotFound, Unavailable
from shared.http import CurrentTx, GuardedRoute, TransactionalRoute
from shared.identity import Anyone
from shared.pages import Cursor, Limit, Page, cursor_of


class Health(BaseModel):
    status: str


def operations_router() -> APIRouter:
    router = APIRouter(tags=["operations"], route_class=GuardedRoute)
    router.add_api_route("/health/live", live, response_model=Health)
    router.add_api_route("/health/ready", ready, response_model=Health)
    router.add_api_route("/metrics", scrape, response_class=Response, include_in_schema=False)
    router.add_api_route("/dead-letters", list_dead_letters, response_model=Page[DeadLetter])
    dead = APIRouter(tags=["operations"], route_class=_DeadLetterRoute)
    dead.add_api_route("/dead-letters/{id}", show_dead_letter, response_model=DeadLetter)
    dead.add_api_route("/dead-letters/{id}/replay", replay, methods=["POST"], response_model=DeadLetter)
    dead.add_api_route("/dead-letters/{id}/discard", discard, methods=["POST"], response_model=DeadLetter)
    router.routes.extend(dead.routes)  # as in shared.run
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


async def list_dead_letters(
    request: Request, service: Annotated[str | None, Query()] = None, replayed: bool = False,
    discarded: bool = False, limit: Limit = 50, cursor: Cursor = None,
) -> Page[DeadLetter]:  # fmt: skip
    """Newest first, of all services in this process or of one; those done with already only when asked for."""
    databases: dict[str, Database] = request.app.state.databases
    pages: list[Page[DeadLetter]] = []
    for db in databases.values():
        if service in (None, db.name):
            async with db.transaction() as tx:
                pages.append(
                    await dead_letters.listed(
                        tx, db, replayed=replayed, discarded=discarded, limit=limit, cursor=cursor
                    )
                )
    items = sorted((item for one in pages for item in one.items), key=lambda item: item.id, reverse=True)
    more = len(items) > limit or any(one.next_cursor for one in pages)
    if not more:
        return Page(items=items, next_cursor=None)
    shown = items[:limit]
    return Page(items=shown, next_cursor=cursor_of([shown[-1].id]))


class _DeadLetterRoute(TransactionalRoute):
    """In one transaction of the service whose dead letter this is."""

    async def database(self, request: Request) -> Database:
        databases: dict[str, Database] = request.app.state.databases
        try:
            id = UUID(request.path_params["id"])
        except ValueError:
            return next(iter(databases.values()))  # and the route says what is wrong
        for db in databases.values():
            async with db.transaction() as tx:
                if await dead_letters.holds(tx, db, id):
                    return db
        raise NotFound("There is no dead letter {id}.", id=id)


async def show_dead_letter(request: Request, id: UUID, tx: CurrentTx) -> DeadLetter:
    """One dead letter, whole as far as it is text."""
    return await dead_letters.one(tx, request.app.state.databases[tx.schema], id)


async def replay(request: Request, id: UUID, tx: CurrentTx, who: Anyone) -> DeadLetter:
    """Handle a dead letter again. If it fails again, the problem says why and the letter stays."""
    delivery = request.app.state.runtime.deliveries[tx.schema]
    return await dead_letters.replay(tx, request.app.state.databases[tx.schema], delivery, id, who.sub)


class Discard(BaseModel):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


async def discard(request: Request, id: UUID, why: Discard, tx: CurrentTx, who: Anyone) -> DeadLetter:
    """Decide that nothing is to be done about a dead letter. It stays, and may be replayed all the same."""
    return await dead_letters.discard(tx, request.app.state.databases[tx.schema], id, who.sub, why.reason)
