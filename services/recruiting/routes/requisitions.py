"""Requisitions over HTTP: planned, decided, advertised; with job profiles, channels, and lists of decisions."""

from datetime import date as Day
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.recruiting.domain.forms import ChannelCost, Plan, Text
from services.recruiting.domain.interviews import Competency, rank
from services.recruiting.domain.steps import DECIDED_AS_LISTS, STEP, Outcome, Owner, Status
from services.recruiting.domain.walk import State, choices, open_steps
from services.recruiting.process import applications as applying
from services.recruiting.process import requisitions as process
from services.recruiting.process.applications import Decisions
from services.recruiting.process.record import rules_of
from services.recruiting.repository import candidates, pipeline
from services.recruiting.repository import requisitions as repository
from services.recruiting.repository.pipeline import Requisition
from services.recruiting.routes.who import Acting
from services.recruiting.tables import channels as channels_table
from services.recruiting.tables import job_profiles, requisitions, step_history
from shared.contracts.performance import WeighedBy
from shared.db import Tx
from shared.errors import NotFound
from shared.events import Code
from shared.http import CurrentTx, service_router, tag
from shared.identity import Anyone
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

router = service_router("recruiting")


class Handed(BaseModel):
    """A step's outcome and its own fields; GET /recruiting/steps says which. Reasons are codes."""

    model_config = ConfigDict(extra="allow")

    outcome: Annotated[str, Field(min_length=1, max_length=40)]


class Next(BaseModel):
    """A step that may come next, whose it is, and what it may come to."""

    n: int
    key: str
    owner: Owner
    outcomes: list[str]


class StateOut(BaseModel):
    """`step` is the first of the steps open now."""

    status: Status
    done: list[int]
    step: int | None
    next: list[Next]


def state_out(state: State, tx: Tx) -> dict[str, Any]:
    """The state, and what may come next."""
    rules = rules_of(tx.settings)
    return {
        "status": state.status,
        "done": sorted(state.done),
        "step": min(open_steps(state, rules), default=None),
        "next": [_next(n, outcomes) for n, outcomes in choices(state, rules).items()],
    }


def _next(n: int, outcomes: list[Outcome]) -> Next:
    return Next(n=n, key=STEP[n].key, owner=STEP[n].owner, outcomes=[outcome.key for outcome in outcomes])


class ProfileIn(BaseModel):
    """The next version of a job description and its competency profile. The weights add up to 100.

    With `weighed_by` they are those of that weighting, whatever they were written with.
    """

    model_config = ConfigDict(extra="forbid")

    key: Code
    title: Code
    description: Text
    competencies: Annotated[list[Competency], Field(min_length=1, max_length=100)]
    weighed_by: WeighedBy | None = None

    @model_validator(mode="after")
    def _is_a_profile(self) -> "ProfileIn":
        weights = [line.weight for line in self.competencies]
        if self.weighed_by is None and (sum(weights) != 100 or not all(weights)):
            raise ValueError("the weights of the competencies are above 0 and add up to 100")
        if len({line.competency for line in self.competencies}) < len(self.competencies):
            raise ValueError("each competency is in a profile once")
        return self


class ProfileOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    key: str
    version: int
    title: str
    description: str
    competencies: list[Competency]
    created_at: datetime
    created_by: str
    weighed_by: WeighedBy | None


class ChannelIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: Code
    name_en: Code
    name_zh: Code


class ChannelOut(BaseModel):
    id: str
    key: str
    name_en: str
    name_zh: str


class Channels(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channels: Annotated[list[ChannelCost], Field(min_length=1, max_length=50)]


class RequisitionRead(BaseModel):
    id: UUID
    department: str | None
    role: str
    headcount: int
    reason: str
    replaces: UUID | None
    needed_on: Day
    pay_band: str | None
    profile_id: UUID | None
    status: Status
    step: int | None
    done: list[int]
    created_at: datetime
    version: int


class Posting(BaseModel):
    id: UUID
    title: str
    text: str
    closes_on: Day | None
    published_at: datetime


class RequisitionOut(RequisitionRead):
    """A requisition. `listed` are on the hiring list, `accepted` of those have accepted; `next` may come next."""

    authors: list[str]
    listed: int
    accepted: int
    posting: Posting | None
    channels: dict[str, Number]
    next: list[Next]


class HistoryOut(BaseModel):
    """One line of what happened. `move`: entered, stayed, left, closed or noted; `side`: for whom the actor acted."""

    id: int
    at: datetime
    record: str
    requisition_id: UUID
    application_id: UUID | None
    step: int | None
    move: str
    outcome: str | None
    reason: str | None
    status: str
    actor: str
    side: str
    cause: str | None


class RankOut(BaseModel):
    """`rank` is null without a score; equal scores share a rank and are `tied`."""

    application_id: UUID
    status: Status
    score: Number | None
    rank: int | None
    tied: bool


class Ranking(BaseModel):
    id: UUID
    items: list[RankOut]


class ListOut(BaseModel):
    """Whether the list took effect; if not, somebody else has to hand in the same."""

    effective: bool
    applications: list["ListedOut"]
    requisition: StateOut


class ListedOut(BaseModel):
    application_id: UUID
    status: Status
    next: list[Next]


@router.post("/requisitions", status_code=201)
async def plan(body: Plan, tx: CurrentTx, actor: Acting, response: Response) -> RequisitionOut:
    """Hand in a headcount plan. Somebody else of the call centre decides on it by step 1."""
    return await _shown(await process.plan(tx, body, actor), tx, response)


@router.get("/requisitions")
async def list_requisitions(
    tx: CurrentTx,
    status: Status | None = None,
    role: Annotated[Code | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RequisitionRead]:
    """Requisitions, newest first."""
    query = repository.listing(status=status, role=role)
    return await page(tx, query, [requisitions.c.id], RequisitionRead.model_validate, limit=limit, cursor=cursor)


@router.get("/requisitions/{id}")
async def requisition(id: UUID, tx: CurrentTx, response: Response) -> RequisitionOut:
    return await _shown(id, tx, response)


@router.post("/requisitions/{id}/steps/{n}")
async def complete(
    id: UUID, n: Annotated[int, Path(ge=1, le=22)], body: Handed, tx: CurrentTx, actor: Acting, response: Response
) -> RequisitionOut:
    """Record an outcome of one of the steps 1-4, 21 and 22. Step 1 also holds, reopens, closes and cancels."""
    if STEP[n].scope != "requisition":
        raise NotFound("Step {n} is a step of an application: POST /recruiting/applications/{{id}}/steps/{n}.", n=n)
    await process.complete(tx, id, n, body.model_dump(), actor)
    return await _shown(id, tx, response)


@router.post("/requisitions/{id}/lists/{n}")
async def decide(id: UUID, n: int, body: Decisions, tx: CurrentTx, actor: Acting) -> ListOut:
    """Decide many applications at once at step 5, 10 or 11: all or none."""
    if n not in DECIDED_AS_LISTS:
        raise NotFound("Only the steps 5, 10 and 11 are decided as lists.")
    effective = await applying.decide(tx, id, n, body.decisions, actor)
    found = await pipeline.requisition(tx, id)
    assert found is not None
    states = [await pipeline.application(tx, decision.application_id) for decision in body.decisions]
    listed = [ListedOut(application_id=one.id, **_only(state_out(one.state, tx))) for one in states if one]
    return ListOut(effective=effective, applications=listed, requisition=StateOut(**state_out(found.state, tx)))


def _only(state: dict[str, Any]) -> dict[str, Any]:
    return {field: state[field] for field in ("status", "next")}


@router.post("/requisitions/{id}/channels")
async def channel_costs(id: UUID, body: Channels, tx: CurrentTx, response: Response) -> RequisitionOut:
    """Add channels, or state anew what they cost in all."""
    await process.add_channels(tx, id, body.channels)
    return await _shown(id, tx, response)


@router.get("/requisitions/{id}/history")
async def history(id: UUID, tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[HistoryOut]:
    """What happened to the requisition itself, oldest first."""
    return await page(
        tx, pipeline.history(requisition_id=id), [step_history.c.id], HistoryOut.model_validate,
        limit=limit, cursor=cursor, newest_first=False,
    )  # fmt: skip


@router.get("/requisitions/{id}/ranking")
async def ranking(id: UUID, tx: CurrentTx) -> Ranking:
    """The candidates that step 10 decides on, best first by weighted score, ties as ties; at most 500."""
    query = candidates.listing(requisition_id=id, step=10, status=None)
    rows = await tx.all(query.limit(500))
    statuses = {row["id"]: row["status"] for row in rows}
    return Ranking(
        id=id,
        items=[
            RankOut(application_id=one.id, status=statuses[one.id], score=one.score, rank=one.rank, tied=one.tied)
            for one in rank({row["id"]: row["score"] for row in rows})
        ],
    )


@router.post("/job-profiles", status_code=201)
async def add_profile(body: ProfileIn, tx: CurrentTx, principal: Anyone) -> ProfileOut:
    """A new version of a job description with its competency profile. Requisitions keep the version they pinned."""
    lines = await repository.with_weights(tx, body.weighed_by, body.competencies)
    row = await repository.add_profile(
        tx, body.key, body.title, body.description, lines, body.weighed_by, principal.sub
    )
    return ProfileOut.model_validate(row)


@router.get("/job-profiles")
async def list_profiles(
    tx: CurrentTx, key: Annotated[Code | None, Query()] = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ProfileOut]:
    """All versions, newest first; of one key only when asked for."""
    query = repository.profiles(key)
    return await page(tx, query, [job_profiles.c.id], ProfileOut.model_validate, limit=limit, cursor=cursor)


@router.get("/job-profiles/{id}")
async def profile(id: UUID, tx: CurrentTx) -> ProfileOut:
    row = await repository.profile(tx, id)
    if row is None:
        raise NotFound("No job profile has the id {id}.", id=id)
    return ProfileOut.model_validate(row)


@router.post("/channels", status_code=201)
async def add_channel(body: ChannelIn, tx: CurrentTx) -> ChannelOut:
    """A channel that candidates come through. The same key again renames it."""
    await repository.add_channel(tx, **body.model_dump())
    return ChannelOut(id=body.key, **body.model_dump())


@router.get("/channels")
async def list_channels(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[ChannelOut]:
    return await page(
        tx, repository.channel_list(), [channels_table.c.key], lambda row: ChannelOut(id=row["key"], **row),
        limit=limit, cursor=cursor, newest_first=False,
    )  # fmt: skip


def _fields(found: Requisition) -> dict[str, Any]:
    own = RequisitionRead.model_fields.keys() - {"status", "step", "done"}
    return {field: getattr(found, field) for field in own}


async def _shown(id: UUID, tx: Tx, response: Response) -> RequisitionOut:
    found = await pipeline.requisition(tx, id)
    if found is None:
        raise NotFound("No requisition has the id {id}.", id=id)
    listed, accepted = await pipeline.places(tx, id)
    posting = await repository.posting(tx, id)
    tag(response, found.version)
    return RequisitionOut(
        **_fields(found), **state_out(found.state, tx), authors=list(found.authors), listed=listed, accepted=accepted,
        posting=Posting.model_validate(dict(posting)) if posting else None, channels=await repository.costs(tx, id),
    )  # fmt: skip
