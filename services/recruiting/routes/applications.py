"""Applications over HTTP: taken in, walked through the steps 5-20, withdrawn; with interviews, sheets and documents."""

from datetime import date as Day
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict

from services.recruiting.domain.forms import ContractKind, Document, DocumentStatus, Medical, ReasonCode
from services.recruiting.domain.interviews import Mark, marks
from services.recruiting.domain.steps import STEP, Status
from services.recruiting.process import applications as process
from services.recruiting.process.applications import NewApplication
from services.recruiting.repository import candidates, employments, pipeline, selection
from services.recruiting.repository.pipeline import Application
from services.recruiting.routes.requisitions import Handed, HistoryOut, Next, state_out
from services.recruiting.routes.who import Acting
from services.recruiting.tables import applications, step_history
from shared.db import Tx
from shared.errors import NotFound
from shared.http import CurrentTx, service_router, tag
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

router = service_router("recruiting")


class Withdrawal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: ReasonCode


class DocumentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: DocumentStatus


class ApplicationRead(BaseModel):
    """An application. `step` is the first of the steps open now; `reason` came with the last decision."""

    id: UUID
    requisition_id: UUID
    candidate_id: UUID
    channel: str
    resume_ref: str | None
    internal: bool
    status: Status
    step: int | None
    done: list[int]
    reason: str | None
    score: Number | None
    medical: Medical | None
    proposed_at: datetime | None
    applied_at: datetime
    version: int


class DocumentOut(BaseModel):
    document: Document
    status: DocumentStatus
    verifier: str
    at: datetime


class OfferOut(BaseModel):
    id: UUID
    made_at: datetime
    expires_on: Day
    status: str
    decided_at: datetime | None


class ContractOut(BaseModel):
    """Both ends are last days; null is open-ended."""

    id: UUID
    step: int
    kind: ContractKind
    starts_on: Day
    ends_on: Day | None
    probation_ends_on: Day | None
    pay: Number | None
    probation_pay: Number | None
    rules: str
    signed_at: datetime


class EmploymentOut(BaseModel):
    """`ended_on` is the first day no longer here."""

    employee_id: UUID | None
    role: str
    department: str | None
    team: str | None
    team_lead_id: UUID | None
    mentor_id: UUID | None
    starts_on: Day | None
    probation_ends_on: Day | None
    extended: bool
    grade: str | None
    pay_band: str | None
    ended_on: Day | None
    contracts: list[ContractOut]


class Former(BaseModel):
    """An earlier application of the same candidate, and why it ended."""

    application_id: UUID
    requisition_id: UUID
    role: str
    status: Status
    step: int | None
    reason: str | None
    applied_at: datetime


class Clash(BaseModel):
    """Another interview at the same time, and what it shares with this one: candidate, place, members of the panel."""

    interview_id: UUID
    starts_at: datetime
    ends_at: datetime
    same_candidate: bool
    same_place: bool
    members: list[str]


class ApplicationState(ApplicationRead):
    """An application with what may come next, its newest offer, and the employment it led to.

    `clashes` warn of other interviews at the time that step 7 has just fixed.
    """

    next: list[Next]
    clashes: list[Clash] = []
    offer: OfferOut | None
    employment: EmploymentOut | None


class ApplicationOut(ApplicationState):
    """`differs` names what the candidate said differently this time; nothing of what is known was changed by it."""

    differs: list[str]
    documents: list[DocumentOut]
    former: list[Former]


class ReceivedOut(ApplicationOut):
    """`known_by`: by what the candidate was known already; `perhaps`: other candidates that this may be."""

    known_by: list[str]
    perhaps: list[UUID]


class CandidateOut(BaseModel):
    id: UUID
    name: str | None
    phone: str | None
    email: str | None
    employee_id: UUID | None
    consent_until: Day
    created_at: datetime
    erased_at: datetime | None
    version: int
    applications: list[Former]


class Result(BaseModel):
    """What the sheets handed in say, per competency against the least score, and in all if all is scored."""

    id: UUID
    score: Number | None
    below: list[str]
    competencies: list[Mark]


@router.post("/requisitions/{id}/applications", status_code=201)
async def receive(id: UUID, body: NewApplication, tx: CurrentTx, actor: Acting, response: Response) -> ReceivedOut:
    """Take in an application. Whoever is known already stays one candidate, and former applications are shown."""
    received = await process.receive(tx, id, body, actor)
    shown = await _shown(received.id, tx, response)
    return ReceivedOut(**shown.model_dump(), known_by=list(received.known_by), perhaps=list(received.perhaps))


@router.get("/applications")
async def list_applications(
    tx: CurrentTx,
    requisition_id: UUID | None = None,
    step: Annotated[int | None, Query(ge=5, le=20)] = None,
    status: Status | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ApplicationRead]:
    """Applications, newest first."""
    query = candidates.listing(requisition_id=requisition_id, step=step, status=status)
    return await page(tx, query, [applications.c.id], ApplicationRead.model_validate, limit=limit, cursor=cursor)


@router.get("/applications/{id}")
async def application(id: UUID, tx: CurrentTx, response: Response) -> ApplicationOut:
    return await _shown(id, tx, response)


@router.post("/applications/{id}/steps/{n}")
async def complete(
    id: UUID, n: Annotated[int, Path(ge=1, le=22)], body: Handed, tx: CurrentTx, actor: Acting, response: Response
) -> ApplicationState:
    """Record an outcome of one of the steps 5-20. From 13 on they act on the employment that follows an offer."""
    if STEP[n].scope != "application":
        raise NotFound("Step {n} is a step of a requisition: POST /recruiting/requisitions/{{id}}/steps/{n}.", n=n)
    state = await _state(await process.complete(tx, id, n, body.model_dump(), actor), tx, response)
    if n == 7 and (rounds := await selection.rounds(tx, id)):
        state.clashes = [Clash(**clash) for clash in await selection.clashes(tx, rounds[-1]["id"])]
    return state


@router.post("/applications/{id}/withdrawal")
async def withdraw(id: UUID, body: Withdrawal, tx: CurrentTx, actor: Acting, response: Response) -> ApplicationOut:
    """The candidate withdraws; until a contract is signed."""
    await process.withdraw(tx, id, body.reason, actor)
    return await _shown(id, tx, response)


@router.put("/applications/{id}/documents/{document}")
async def set_document(
    id: UUID, document: Document, body: DocumentIn, tx: CurrentTx, actor: Acting, response: Response
) -> ApplicationOut:
    """Note how far a document is: requested, received, verified, mismatch."""
    await process.set_documents(tx, await process.hold(tx, id), {document: body.status}, actor)
    return await _shown(id, tx, response)


@router.get("/applications/{id}/history")
async def history(id: UUID, tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[HistoryOut]:
    """What happened to the application and its employment, oldest first."""
    return await page(
        tx, pipeline.history(application_id=id), [step_history.c.id], HistoryOut.model_validate,
        limit=limit, cursor=cursor, newest_first=False,
    )  # fmt: skip


@router.get("/applications/{id}/result")
async def result(id: UUID, tx: CurrentTx) -> Result:
    """What the interviews of this candidate came to."""
    found = await _found(id, tx)
    sheets = (await selection.sheets(tx, application_ids=[id])).get(id, [])
    lines = marks(await process.competencies_of(tx, found), sheets)
    return Result(id=id, score=found.score, below=[mark.competency for mark in lines if mark.below], competencies=lines)


@router.get("/candidates/{id}")
async def candidate(id: UUID, tx: CurrentTx, response: Response) -> CandidateOut:
    """Somebody who applied, with their applications."""
    row = await candidates.candidate(tx, id)
    if row is None:
        raise NotFound("No candidate has the id {id}.", id=id)
    tag(response, row["version"])
    return CandidateOut(**row, applications=await _former(tx, id, besides=None))


async def _former(tx: Tx, candidate_id: UUID, *, besides: UUID | None) -> list[Former]:
    return [Former(**row) for row in await candidates.former(tx, candidate_id, besides=besides)]


async def _shown(id: UUID, tx: Tx, response: Response) -> ApplicationOut:
    found = await _found(id, tx)
    state = await _state(found, tx, response)
    return ApplicationOut(
        **state.model_dump(), differs=sorted(found.given or ()),
        documents=[DocumentOut(**_without_id(row)) for row in await selection.documents_of(tx, [id])],
        former=await _former(tx, found.candidate_id, besides=id),
    )  # fmt: skip


async def _state(found: Application, tx: Tx, response: Response) -> ApplicationState:
    tag(response, found.version)
    done = found.state.done
    offer = await selection.newest_offer(tx, found.id) if 11 in done else None
    return ApplicationState(
        id=found.id, requisition_id=found.state.requisition_id, candidate_id=found.candidate_id, channel=found.channel,
        resume_ref=found.resume_ref, internal=found.internal, reason=found.reason, score=found.score,
        medical=found.medical, proposed_at=found.proposed_at, applied_at=found.applied_at, version=found.version,
        offer=OfferOut(**_without_id(offer)) if offer else None,
        employment=await _employment(found.id, tx) if {11, 12} <= done else None, **state_out(found.state, tx),
    )  # fmt: skip


async def _found(id: UUID, tx: Tx) -> Application:
    found = await pipeline.application(tx, id)
    if found is None:
        raise NotFound("No application has the id {id}.", id=id)
    return found


def _without_id(row: Any) -> dict[str, Any]:
    return {field: value for field, value in row.items() if field != "application_id"}


async def _employment(id: UUID, tx: Tx) -> EmploymentOut | None:
    row = await employments.employment(tx, id)
    if row is None:
        return None
    signed = [ContractOut(**{f: contract[f] for f in ContractOut.model_fields})
              for contract in await employments.contracts_of(tx, id)]  # fmt: skip
    return EmploymentOut(
        **{field: row[field] for field in EmploymentOut.model_fields if field in row}, contracts=signed
    )
