"""Scorecards over HTTP. A posted one is published and never changes; the same code again makes the next version."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from services.qa.domain.scoring import Draft, Key, Scorecard, check_scorable
from services.qa.repository import scorecards
from services.qa.routes.router import router
from shared.http import CurrentTx
from shared.identity import Anyone, Principal, allowed
from shared.pages import Cursor, Limit, Page


@router.post("/scorecards", status_code=201)
async def publish_scorecard(
    draft: Draft, tx: CurrentTx, principal: Annotated[Principal, Depends(allowed("auditor", "manager"))]
) -> Scorecard:
    """Publish the next version of a scorecard; refused with the reason if it cannot be scored."""
    check_scorable(draft)
    return await scorecards.publish(tx, draft, principal.sub)


@router.get("/scorecards")
async def list_scorecards(
    tx: CurrentTx, _: Anyone, code: Key | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Scorecard]:
    """Every version, the newest first."""
    return await scorecards.listed(tx, code, limit=limit, cursor=cursor)


@router.get("/scorecards/{id}")
async def read_scorecard(id: UUID, tx: CurrentTx, _: Anyone) -> Scorecard:
    return await scorecards.get(tx, id)
