"""Interviews over HTTP: rounds, other times, clashes, score sheets."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from services.recruiting.domain.forms import Meeting, Paper, ReasonCode
from services.recruiting.domain.interviews import visible
from services.recruiting.process import interviews as process
from services.recruiting.repository import pipeline, selection
from services.recruiting.routes.applications import Clash
from services.recruiting.routes.who import Acting
from shared.db import Tx
from shared.errors import Forbidden, NotFound
from shared.events import Code
from shared.http import CurrentTx, service_router, tag
from shared.identity import Anyone
from shared.numbers import Score
from shared.pages import Page

router = service_router("recruiting")


class Rescheduling(Meeting):
    reason: ReasonCode


class SheetIn(BaseModel):
    """Scores 0-100, by competency of the profile and by paper. Handed in, the sheet is locked."""

    model_config = ConfigDict(extra="forbid")

    scores: Annotated[dict[Code, Score], Field(max_length=100)]
    papers: dict[Paper, Score] = {}
    hand_in: bool = False


class SheetOut(BaseModel):
    id: str
    interview_id: UUID
    member: str
    scores: dict[str, Score]
    papers: dict[str, Score]
    handed_in: bool


class InterviewOut(BaseModel):
    """`waiting_for`: members who have not handed in. `clashes` warn; they forbid nothing."""

    id: UUID
    application_id: UUID
    round: int
    starts_at: datetime
    ends_at: datetime
    place: str
    papers: list[Paper]
    status: str
    version: int
    panel: list[str]
    waiting_for: list[str]
    clashes: list[Clash]


@router.post("/applications/{id}/interviews", status_code=201)
async def another_round(id: UUID, body: Meeting, tx: CurrentTx, response: Response) -> InterviewOut:
    """A further round; those before stay as they are."""
    return await _shown(await process.another_round(tx, id, body), tx, response)


@router.get("/applications/{id}/interviews")
async def rounds(id: UUID, tx: CurrentTx) -> Page[InterviewOut]:
    """All rounds of one candidate, in order."""
    if await pipeline.application(tx, id) is None:
        raise NotFound("No application has the id {id}.", id=id)
    found = [await _shown(row["id"], tx, Response()) for row in await selection.rounds(tx, id)]
    return Page(items=found, next_cursor=None)


@router.get("/interviews/{id}")
async def interview(id: UUID, tx: CurrentTx, response: Response) -> InterviewOut:
    return await _shown(id, tx, response)


@router.post("/interviews/{id}/reschedule")
async def reschedule(id: UUID, body: Rescheduling, tx: CurrentTx, actor: Acting, response: Response) -> InterviewOut:
    """Another time, place or panel, with a coded reason. The answer warns of clashes."""
    await process.reschedule(tx, id, Meeting(**body.model_dump(exclude={"reason"})), body.reason, actor)
    return await _shown(id, tx, response)


@router.put("/interviews/{id}/sheet")
async def write_sheet(id: UUID, body: SheetIn, tx: CurrentTx, actor: Acting) -> SheetOut:
    """Your own score sheet, if you are on the panel."""
    papers = {str(paper): score for paper, score in body.papers.items()}
    await process.write_sheet(tx, id, body.scores, papers, body.hand_in, actor)
    return SheetOut(
        id=f"{id}:{actor.sub}", interview_id=id, member=actor.sub, scores=body.scores, papers=papers,
        handed_in=body.hand_in,
    )  # fmt: skip


@router.get("/interviews/{id}/sheets")
async def sheets(id: UUID, tx: CurrentTx, principal: Anyone) -> Page[SheetOut]:
    """The score sheets handed in. A member of the panel sees those of the others once their own is."""
    panel = await process.panel_of(tx, id)
    if not panel:
        raise NotFound("No interview has the id {id}.", id=id)
    if principal.sees != "all" and principal.sub not in {sheet.member for sheet in panel}:
        raise Forbidden("Score sheets are for the panel, the call centre and human resources.")
    items = [
        SheetOut(
            id=f"{id}:{sheet.member}", interview_id=id, member=sheet.member, scores=dict(sheet.scores),
            papers=dict(sheet.papers), handed_in=sheet.handed_in,
        )
        for sheet in visible(panel, principal.sub)
    ]  # fmt: skip
    return Page(items=items, next_cursor=None)


async def _shown(id: UUID, tx: Tx, response: Response) -> InterviewOut:
    row = await selection.interview(tx, id)
    if row is None:
        raise NotFound("No interview has the id {id}.", id=id)
    tag(response, row["version"])
    panel = await process.panel_of(tx, id)
    return InterviewOut(
        **row, panel=[sheet.member for sheet in panel],
        waiting_for=[sheet.member for sheet in panel if not sheet.handed_in],
        clashes=[Clash(**clash) for clash in await selection.clashes(tx, id)],
    )  # fmt: skip
