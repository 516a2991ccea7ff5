"""Which scorecards are there?"""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.engine import RowMapping

from services.qa.domain.scoring import Draft, Scorecard
from services.qa.tables import scorecards
from shared.db import Tx
from shared.errors import NotFound
from shared.ids import new_id
from shared.pages import Page, page

_published: dict[UUID, Scorecard] = {}
"""Published versions never change, so each is read once in the life of a process."""


async def publish(tx: Tx, draft: Draft, by: str) -> Scorecard:
    """Make this the next version of its code."""
    await tx.run(
        text("SELECT pg_advisory_xact_lock(hashtextextended('qa.scorecards.' || :code, 0))"), {"code": draft.code}
    )
    version = await tx.scalar(
        text("SELECT coalesce(max(version), 0) + 1 FROM qa.scorecards WHERE code = :code"), {"code": draft.code}
    )
    card = Scorecard(**dict(draft), id=new_id(), version=version, published_at=tx.now, published_by=by)
    lists = card.model_dump(mode="json", include={"sections", "criteria"})
    await tx.run(scorecards.insert(), {**dict(card), **lists})
    return card


async def get(tx: Tx, id: UUID) -> Scorecard:
    """Raises `NotFound`."""
    card = _published.get(id)
    if card is None:
        card = _published[id] = await _one(tx, select(scorecards).where(scorecards.c.id == id), id)
    return card


async def newest(tx: Tx, code: str) -> Scorecard:
    """The newest version of a code. Raises `NotFound`."""
    query = select(scorecards).where(scorecards.c.code == code).order_by(scorecards.c.version.desc()).limit(1)
    return await _one(tx, query, code)


async def listed(tx: Tx, code: str | None, *, limit: int, cursor: str | None) -> Page[Scorecard]:
    query = select(scorecards)
    if code is not None:
        query = query.where(scorecards.c.code == code)
    return await page(tx, query, [scorecards.c.id], _shape, limit=limit, cursor=cursor)


async def _one(tx: Tx, query: Select[Any], wanted: object) -> Scorecard:
    row = await tx.first(query)
    if row is None:
        raise NotFound("There is no scorecard {scorecard}.", scorecard=wanted)
    return _shape(row)


def _shape(row: RowMapping) -> Scorecard:
    return Scorecard(**row)
