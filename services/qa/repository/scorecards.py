"""Which scorecards are there, published and in the making?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from services.qa.domain.scorecards import Draft, Scorecard, weighed
from services.qa.tables import scorecard_drafts, scorecards
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import IllegalState, NotFound
from shared.ids import new_id
from shared.pages import Page, page
from shared.weightings import weights_of

_published: dict[UUID, Scorecard] = {}
"""Published versions never change, so each is read once in the life of a process."""


async def with_weights(tx: Tx, draft: Draft) -> Draft:
    """With the weights of the weighting that it names, where it names one. Raises `Invalid` where that does not fit."""
    if draft.weighed_by is None:
        return draft
    return weighed(draft, await weights_of(tx, draft.weighed_by, [c.key for c in draft.criteria if c.scored]))


async def publish(tx: Tx, draft: Draft, by: str) -> Scorecard:
    """Make this the next version of its code."""
    await tx.run(
        text("SELECT pg_advisory_xact_lock(hashtextextended('qa.scorecards.' || :code, 0))"), {"code": draft.code}
    )
    version = await tx.scalar(
        text("SELECT coalesce(max(version), 0) + 1 FROM qa.scorecards WHERE code = :code"), {"code": draft.code}
    )
    written = {name: getattr(draft, name) for name in Draft.model_fields}
    card = Scorecard(**written, id=new_id(), version=version, published_at=tx.now, published_by=by)
    lists = card.model_dump(mode="json", include={"sections", "criteria", "weighed_by"})
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


@dataclass(frozen=True, slots=True)
class Sketch:
    """A scorecard in the making; it may not be scorable yet, and nothing can be audited by it."""

    id: UUID
    version: int
    scorecard: Draft
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str


async def sketch(tx: Tx, draft: Draft, by: str) -> Sketch:
    made = Sketch(new_id(), 1, draft, tx.now, by, tx.now, by)
    row = {column.name: getattr(made, column.name) for column in scorecard_drafts.c}
    await tx.run(scorecard_drafts.insert(), {**row, "scorecard": _written(draft)})
    return made


async def find_sketch(tx: Tx, id: UUID, *, to_change: bool = False) -> Sketch:
    """Raises `NotFound`, also for one that was published."""
    query = select(scorecard_drafts).where(scorecard_drafts.c.id == id)
    row = await tx.first(query.with_for_update() if to_change else query)
    if row is None:
        raise NotFound("There is no draft {id} of a scorecard.", id=id)
    return _sketch(row)


async def redraw(tx: Tx, before: Sketch, draft: Draft, by: str) -> Sketch:
    """Replace what a draft, held locked, says."""
    if draft.code != before.scorecard.code:
        raise IllegalState(
            "A draft keeps its code {code}; begin another one for another code.", code=before.scorecard.code
        )
    after = Sketch(before.id, before.version + 1, draft, before.created_at, before.created_by, tx.now, by)
    await tx.run(
        scorecard_drafts.update()
        .where(scorecard_drafts.c.id == before.id)
        .values(version=after.version, scorecard=_written(draft), changed_at=tx.now, changed_by=by)
    )
    return after


async def drop_sketch(tx: Tx, id: UUID) -> None:
    await tx.run(scorecard_drafts.delete().where(scorecard_drafts.c.id == id))


async def sketches(tx: Tx, shape: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    keys = [scorecard_drafts.c.id]
    return await page(tx, select(scorecard_drafts), keys, lambda row: shape(_sketch(row)), limit=limit, cursor=cursor)


def _written(draft: Draft) -> dict[str, Any]:
    """As the release before can read it, too: that one knows no `weighed_by`."""
    return draft.model_dump(mode="json", exclude=None if draft.weighed_by else {"weighed_by"})


def _sketch(row: RowMapping) -> Sketch:
    return Sketch(**{**row, "scorecard": Draft.model_validate(row["scorecard"])})
