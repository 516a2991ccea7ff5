"""Who read personal data? A row for each answer with data of others, in the transaction that read them.

The rows hold ids and no more, so they may outlive those they are about; they are kept for `reads_retention_days` and
never changed. Which routes are written down, their line in the table of authorisation says (`personal`).
"""

import json
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import ARRAY

from shared import tracing
from shared.db import Database, Tx
from shared.direct import text
from shared.ids import new_id
from shared.pages import Cursor, Limit, Page, cursor_of, page

READS_DDL = """
CREATE TABLE {schema}.reads (
    id uuid PRIMARY KEY, at timestamptz NOT NULL, reader text NOT NULL, route text NOT NULL, subjects uuid[] NOT NULL,
    trace text
);
CREATE INDEX reads_by_subject ON {schema}.reads USING gin (subjects);
CREATE FUNCTION {schema}.reads_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'who read what is not changed'; END $$;
CREATE TRIGGER reads_stay BEFORE UPDATE ON {schema}.reads FOR EACH ROW EXECUTE FUNCTION {schema}.reads_stay();
"""
"""What a migration of each service runs; later changes are migrations of their own."""


def reads_table(metadata: MetaData) -> Table:
    """The table in the schema of `metadata`."""
    return Table(
        "reads",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("reader", Text, nullable=False),
        Column("route", Text, nullable=False),
        Column("subjects", ARRAY(Uuid), nullable=False),
        Column("trace", Text),
        Index("reads_by_subject", "subjects", postgresql_using="gin"),
    )


async def note(tx: Tx, reader: str, route: str, request: Request, response: Response) -> None:
    """Write down that this answer was given: of the resource in the path, or of all on the page."""
    subjects = [_uuid(request.path_params["id"])] if "id" in request.path_params else _listed(response.body)
    await tx.run(
        text(f"""
        INSERT INTO {tx.schema}.reads (id, at, reader, route, subjects, trace)
        VALUES (:id, :at, :reader, :route, CAST(:subjects AS uuid[]), :trace)
        """),
        {
            "id": new_id(), "at": tx.now, "reader": reader, "route": f"{request.method} {route}",
            "subjects": [subject for subject in subjects if subject], "trace": tracing.trace_id(),
        },
    )  # fmt: skip


def _listed(body: bytes | memoryview) -> list[UUID | None]:
    return [_uuid(item.get("id")) for item in json.loads(bytes(body)).get("items", ())]


def _uuid(given: Any) -> UUID | None:
    with suppress(ValueError):
        return UUID(str(given))
    return None


class Read(BaseModel):
    """Somebody was given an answer with personal data of others. `subjects`: the ids of what it was about."""

    id: UUID
    service: str
    at: datetime
    reader: str
    route: str
    subjects: list[UUID]
    trace: str | None


def reads_router(route_class: type[Any]) -> APIRouter:
    router = APIRouter(tags=["operations"], route_class=route_class)
    router.add_api_route("/reads", list_reads, response_model=Page[Read])
    return router


async def list_reads(
    request: Request, service: Annotated[str | None, Query()] = None, subject: UUID | None = None,
    reader: Annotated[str | None, Query(max_length=200)] = None, limit: Limit = 50, cursor: Cursor = None,
) -> Page[Read]:  # fmt: skip
    """Who read personal data, the newest first, of all services in this process or of one."""
    databases: dict[str, Database] = request.app.state.databases
    pages: list[Page[Read]] = []
    for db in databases.values():
        if service in (None, db.name):
            table = db.metadata.tables[f"{db.name}.reads"]
            query = select(table)
            if subject is not None:
                query = query.where(table.c.subjects.contains([subject]))
            if reader is not None:
                query = query.where(table.c.reader == reader)
            async with db.transaction() as tx:
                shape = partial(_shown, db.name)
                pages.append(await page(tx, query, [table.c.id], shape, limit=limit, cursor=cursor))
    items = sorted((item for one in pages for item in one.items), key=lambda item: item.id, reverse=True)[:limit]
    more = sum(len(one.items) for one in pages) > limit or any(one.next_cursor for one in pages)
    return Page(items=items, next_cursor=cursor_of([items[-1].id]) if more else None)


def _shown(service: str, row: Any) -> Read:
    return Read(service=service, **row)
