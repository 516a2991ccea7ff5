"""What becomes of letters that no attempt could handle? They are looked at, and replayed or discarded.

A discarded letter stays, with who decided it and why; should that turn out wrong, it can still be replayed. The
database is the only place that knows, so the HTTP routes and the command line do the same.
"""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Table, select, update

from shared.db import Database, Tx
from shared.delivery import Delivery, describe, is_outage
from shared.errors import IllegalState, NotFound
from shared.events import Letter
from shared.pages import Page, page

MOST_SHOWN = 10_000
"""Bytes of a body that are shown."""


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
    discarded_at: datetime | None
    discarded_by: str | None
    discard_reason: str | None


def table_of(db: Database) -> Table:
    return db.metadata.tables[f"{db.name}.dead_letters"]


def _shown(service: str, row: Any) -> DeadLetter:
    return DeadLetter(
        **{name: row[name] for name in DeadLetter.model_fields if name in row},
        service=service,
        type=row["headers"].get("ce_type"),
        body=bytes(row["payload"])[:MOST_SHOWN].decode(errors="replace"),
    )


async def listed(
    tx: Tx, db: Database, *, replayed: bool, discarded: bool, limit: int, cursor: str | None
) -> Page[DeadLetter]:
    """Newest first; those replayed or discarded already only when asked for."""
    table = table_of(db)
    query = select(table)
    if not replayed:
        query = query.where(table.c.replayed_at.is_(None))
    if not discarded:
        query = query.where(table.c.discarded_at.is_(None))
    return await page(tx, query, [table.c.id], partial(_shown, db.name), limit=limit, cursor=cursor)


async def holds(tx: Tx, db: Database, id: UUID) -> bool:
    table = table_of(db)
    return bool(await tx.scalar(select(table.c.id).where(table.c.id == id)))


async def one(tx: Tx, db: Database, id: UUID) -> DeadLetter:
    """Raises `NotFound`."""
    table = table_of(db)
    return _shown(db.name, await _found(tx, select(table).where(table.c.id == id), id))


async def replay(tx: Tx, db: Database, delivery: Delivery, id: UUID, who: str) -> DeadLetter:
    """Handle it again. Raises `IllegalState` if it fails again, which says why; the letter stays then."""
    table = table_of(db)
    found = await _open(tx, table, id)
    letter = Letter(found["topic"], found["key"], found["headers"], bytes(found["payload"]))
    try:
        await delivery.replay(letter, tx)
    except Exception as error:
        if is_outage(error):
            raise
        raise IllegalState("The letter failed again: {reason}.", reason=describe(error)) from error
    done = update(table).where(table.c.id == id).values(replayed_at=tx.now, replayed_by=who).returning(table)
    return _shown(db.name, await tx.first(done))


async def discard(tx: Tx, db: Database, id: UUID, who: str, why: str) -> DeadLetter:
    """Decide that nothing is to be done about it; it stays, with the decision."""
    table = table_of(db)
    found = await _open(tx, table, id)
    if found["discarded_at"] is not None:
        raise IllegalState(
            "This letter was discarded at {at} by {who} already.",
            at=found["discarded_at"].isoformat(), who=found["discarded_by"],
        )  # fmt: skip
    decision = {"discarded_at": tx.now, "discarded_by": who, "discard_reason": why}
    done = update(table).where(table.c.id == id).values(decision).returning(table)
    return _shown(db.name, await tx.first(done))


async def _open(tx: Tx, table: Table, id: UUID) -> Any:
    found = await _found(tx, select(table).where(table.c.id == id).with_for_update(), id)
    if found["replayed_at"] is not None:
        raise IllegalState("This letter was replayed at {at} already.", at=found["replayed_at"].isoformat())
    return found


async def _found(tx: Tx, query: Any, id: UUID) -> Any:
    found = await tx.first(query)
    if found is None:
        raise NotFound("There is no dead letter {id}.", id=id)
    return found
