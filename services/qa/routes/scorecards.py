"""Scorecards over HTTP. A posted one is published and never changes; the same code again makes the next version.

A scorecard can also grow as a draft, saved as often as one likes, until it is published. What is exported can be posted
again, here or elsewhere: that is the import.
"""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel

from services.qa.domain.scorecards import Draft, Key, Scorecard, check_scorable
from services.qa.repository import scorecards
from services.qa.repository.scorecards import Sketch
from services.qa.routes.router import router
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone
from shared.pages import Cursor, Limit, Page


class SketchRead(BaseModel):
    """A scorecard in the making."""

    id: UUID
    version: int
    scorecard: Draft
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str


@router.post("/scorecards", status_code=201)
async def publish_scorecard(draft: Draft, tx: CurrentTx, principal: Anyone) -> Scorecard:
    """Publish the next version of a scorecard; refused with the reason if it cannot be scored."""
    draft = await scorecards.with_weights(tx, draft)
    check_scorable(draft)
    return await scorecards.publish(tx, draft, principal.sub)


@router.get("/scorecards")
async def list_scorecards(
    tx: CurrentTx, code: Key | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Scorecard]:
    """Every version, the newest first."""
    return await scorecards.listed(tx, code, limit=limit, cursor=cursor)


@router.get("/scorecards/{id}")
async def read_scorecard(id: UUID, tx: CurrentTx) -> Scorecard:
    return await scorecards.get(tx, id)


@router.get("/scorecards/{id}/export")
async def export_scorecard(id: UUID, tx: CurrentTx) -> Draft:
    """What its author wrote, as it can be posted again."""
    card = await scorecards.get(tx, id)
    return Draft(**{name: getattr(card, name) for name in Draft.model_fields})


@router.post("/scorecard-drafts", status_code=201)
async def begin_draft(draft: Draft, tx: CurrentTx, author: Anyone, response: Response) -> SketchRead:
    """Keep a scorecard in the making; it need not be scorable yet."""
    return _tagged(await scorecards.sketch(tx, draft, author.sub), response)


@router.get("/scorecard-drafts")
async def list_drafts(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[SketchRead]:
    """Newest first."""
    return await scorecards.sketches(tx, _read, limit=limit, cursor=cursor)


@router.get("/scorecard-drafts/{id}")
async def read_draft(id: UUID, tx: CurrentTx, response: Response) -> SketchRead:
    return _tagged(await scorecards.find_sketch(tx, id), response)


@router.put("/scorecard-drafts/{id}")
async def save_draft(
    id: UUID, draft: Draft, tx: CurrentTx, author: Anyone, request: Request, response: Response
) -> SketchRead:
    """Replace what the draft says."""
    before = await scorecards.find_sketch(tx, id, to_change=True)
    check_match(request, before.version)
    return _tagged(await scorecards.redraw(tx, before, draft, author.sub), response)


@router.post("/scorecard-drafts/{id}/publication", status_code=201)
async def publish_draft(id: UUID, tx: CurrentTx, author: Anyone, request: Request) -> Scorecard:
    """Make the draft the next published version of its code; refused with the reason if it cannot be scored."""
    sketch = await scorecards.find_sketch(tx, id, to_change=True)
    check_match(request, sketch.version)
    draft = await scorecards.with_weights(tx, sketch.scorecard)
    check_scorable(draft)
    await scorecards.drop_sketch(tx, id)
    return await scorecards.publish(tx, draft, author.sub)


def _read(sketch: Sketch) -> SketchRead:
    return SketchRead(**{**asdict(sketch), "scorecard": sketch.scorecard})


def _tagged(sketch: Sketch, response: Response) -> SketchRead:
    tag(response, sketch.version)
    return _read(sketch)
