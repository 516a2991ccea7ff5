"""Audits over HTTP: made, answered, submitted, disputed, decided."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.qa.domain.audits import Audit, Decision, Purpose, ReasonCode, Status, may_audit
from services.qa.domain.scoring import Answer, Key, Result, check_known
from services.qa.repository import audits, people, recordings, scorecards
from services.qa.repository.audits import Objection, Unit, Wanted
from services.qa.repository.people import Sight, sees
from services.qa.routes.router import router
from services.qa.routes.sight import Seen, judges
from shared.db import Tx
from shared.errors import Forbidden, IllegalState, Invalid, NotFound
from shared.events import ExternalId
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone, Principal, allowed
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page

Auditor = Annotated[Principal, Depends(allowed("auditor"))]
Judge = Annotated[Principal, Depends(allowed("team_lead", "manager"))]
Comment = Annotated[str, StringConstraints(max_length=5000)]
GivenAnswers = dict[Key, Answer]


class NewAudit(BaseModel):
    """Name the scorecard by its id, or by its code for the newest version."""

    model_config = ConfigDict(extra="forbid")

    recording_id: UUID
    scorecard_id: UUID | None = None
    scorecard: Key | None = None


class NewAnswers(BaseModel):
    """By the key of the criterion; all that there are, for they replace those before."""

    model_config = ConfigDict(extra="forbid")

    answers: GivenAnswers


class NewDispute(BaseModel):
    """What the employee does not accept, and why; `criteria` is empty where it is all of it."""

    model_config = ConfigDict(extra="forbid")

    reason: ReasonCode
    comment: Comment | None = None
    criteria: Annotated[list[Key], Field(max_length=200)] = []


class NewDecision(BaseModel):
    """With the outcome `revised` go the answers that change."""

    model_config = ConfigDict(extra="forbid")

    outcome: Decision
    reason: ReasonCode
    comment: Comment | None = None
    answers: GivenAnswers = {}


class AuditRead(BaseModel):
    """An audit. Scores are null while it is a draft, where nothing was applicable, and once it is overturned."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    recording_id: UUID
    call_id: str
    employee_id: UUID
    scorecard_id: UUID
    auditor_id: str
    purpose: Purpose
    draw_id: UUID | None
    status: Status
    version: int
    revision: int
    raw_score: Number | None
    score: Number | None
    result: Result | None
    critical_errors: list[str]
    created_at: datetime
    submitted_at: datetime | None


class DisputeRead(BaseModel):
    id: UUID
    opened_at: datetime
    opened_by: str
    reason: str
    comment: str | None
    criteria: list[str]
    decided_at: datetime | None
    decided_by: str | None
    outcome: Decision | None
    decision_reason: str | None
    decision_comment: str | None


class WholeAudit(AuditRead):
    answers: Mapping[str, Answer]
    disputes: list[DisputeRead]


class Step(BaseModel):
    """What was decided about an audit, by whom, and what changed."""

    id: UUID
    at: datetime
    actor: str
    action: str
    reason: str | None
    status_before: Status | None
    status_after: Status
    revision: int
    score_before: Number | None
    score: Number | None


class Revision(BaseModel):
    """A verdict, as it stood until the next one."""

    id: UUID
    revision: int
    at: datetime
    actor: str
    action: str
    reason: str | None
    raw_score: Number | None
    score: Number | None
    result: Result | None
    critical_errors: list[str]
    answers: dict[str, Answer]


@router.post("/audits", status_code=201)
async def make_audit(new: NewAudit, tx: CurrentTx, auditor: Auditor, response: Response) -> AuditRead:
    """Begin an audit of one's own choice. It is about whoever held the agent's login on the day of the call."""
    recording = await recordings.find(tx, new.recording_id)
    if recording is None:
        raise NotFound("There is no recording {id}.", id=new.recording_id)
    employee: UUID | None = recording["employee_id"]
    if employee is None:
        raise IllegalState(
            "The agent of this recording is not known yet; it can be audited once somebody has that login."
        )
    leads = await people.leads_of(tx, ids={employee, auditor.employee_id or employee})
    own_lead = leads.get(auditor.employee_id) if auditor.employee_id else None
    if not may_audit(auditor.sub, own_lead, employee, leads.get(employee)):
        raise Forbidden("Nobody audits themselves, their own team lead, or those whom they lead.")
    if new.scorecard_id is not None and new.scorecard is None:
        card = await scorecards.get(tx, new.scorecard_id)
    elif new.scorecard is not None and new.scorecard_id is None:
        card = await scorecards.newest(tx, new.scorecard)
    else:
        raise Invalid("Name the scorecard either by scorecard_id or, for its newest version, by scorecard.")
    unit = Unit(recording["id"], recording["call_id"], employee, auditor.sub)
    made = await audits.create(tx, card.id, [unit], by=auditor.sub)
    if not made:
        raise IllegalState("You audit this recording with the scorecard {scorecard} already.", scorecard=card.label)
    return _tagged(await audits.find(tx, made.pop()), response)


@router.get("/audits")
async def list_audits(
    tx: CurrentTx,
    sight: Seen,
    employee_id: UUID | None = None,
    auditor_id: ExternalId | None = None,
    recording_id: UUID | None = None,
    scorecard_id: UUID | None = None,
    draw_id: UUID | None = None,
    status: Status | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditRead]:
    """Newest first. An agent sees those about themselves, a team lead also those of the team, neither sees drafts."""
    wanted = Wanted(employee_id, auditor_id, recording_id, scorecard_id, draw_id, status)
    return await audits.listed(tx, wanted, sight, lambda row: AuditRead(**row), limit=limit, cursor=cursor)


@router.get("/audits/{id}")
async def read_audit(id: UUID, tx: CurrentTx, sight: Seen, response: Response) -> WholeAudit:
    """An audit with its answers and disputes."""
    audit = await _seen(tx, id, sight)
    tag(response, audit.version)
    return WholeAudit(**asdict(audit), disputes=[DisputeRead(**row) for row in await audits.disputes_of(tx, id)])


@router.get("/audits/{id}/revisions")
async def list_revisions(id: UUID, tx: CurrentTx, sight: Seen) -> list[Revision]:
    """Every verdict there was, the first first."""
    await _seen(tx, id, sight)
    return [Revision(**row) for row in await audits.history(tx, id, verdicts=True)]


@router.get("/audits/{id}/history")
async def list_history(id: UUID, tx: CurrentTx, sight: Seen) -> list[Step]:
    """Who decided what, the first first."""
    await _seen(tx, id, sight)
    return [Step(**row) for row in await audits.history(tx, id, verdicts=False)]


@router.put("/audits/{id}/answers")
async def answer_audit(
    id: UUID, new: NewAnswers, tx: CurrentTx, auditor: Auditor, request: Request, response: Response
) -> AuditRead:
    """Replace the answers of a draft; they need not be complete."""
    audit = await _own(tx, id, auditor, request)
    audit.answer(await scorecards.get(tx, audit.scorecard_id), new.answers)
    await audits.save_answers(tx, audit)
    return _tagged(audit, response)


@router.post("/audits/{id}/submit")
async def submit_audit(id: UUID, tx: CurrentTx, auditor: Auditor, request: Request, response: Response) -> AuditRead:
    """Score the audit and make the verdict known; a fail sets coaching and appraisal in motion."""
    audit = await _own(tx, id, auditor, request)
    event = audit.submit(await scorecards.get(tx, audit.scorecard_id), tx.now)
    await audits.save(tx, audit, "submitted", by=auditor.sub)
    if event:
        tx.emit(event)
    return _tagged(audit, response)


@router.post("/audits/{id}/disputes", status_code=201)
async def dispute_audit(
    id: UUID, new: NewDispute, tx: CurrentTx, principal: Anyone, sight: Seen, request: Request, response: Response
) -> AuditRead:
    """Object to a fail of one's own."""
    audit = await _seen(tx, id, sight, to_change=True)
    if audit.employee_id != principal.employee_id:
        raise Forbidden("Only the employee whom it is about can dispute an audit.")
    check_match(request, audit.version)
    audit.dispute()
    check_known(await scorecards.get(tx, audit.scorecard_id), new.criteria, "criteria")
    await audits.open_dispute(tx, id, Objection(new.reason, new.comment, new.criteria), principal.sub)
    await audits.save(tx, audit, "disputed", by=principal.sub, reason=new.reason)
    return _tagged(audit, response)


@router.post("/audits/{id}/disputes/decision")
async def decide_dispute(
    id: UUID, new: NewDecision, tx: CurrentTx, judge: Judge, request: Request, response: Response
) -> AuditRead:
    """Uphold, revise or overturn: by the employee's team lead or a manager, not by who made the audit."""
    audit = await _seen(tx, id, judges(judge), to_change=True)
    audit.check_judge(judge.sub)
    check_match(request, audit.version)
    card = await scorecards.get(tx, audit.scorecard_id)
    event = audit.decide(card, new.outcome, new.reason, new.answers)
    await audits.close_dispute(tx, id, new.outcome, new.reason, new.comment, judge.sub)
    await audits.save(tx, audit, new.outcome, by=judge.sub, reason=new.reason, answers=True)
    if event:
        tx.emit(event)
    return _tagged(audit, response)


async def _seen(tx: Tx, id: UUID, sight: Sight, *, to_change: bool = False) -> Audit:
    audit = await audits.find(tx, id, to_change=to_change)
    if not sight.everything and (audit.status == "draft" or not await sees(tx, sight, audit.employee_id)):
        raise audits.absent(id)
    return audit


async def _own(tx: Tx, id: UUID, auditor: Principal, request: Request) -> Audit:
    audit = await audits.find(tx, id, to_change=True)
    if not auditor.has("admin"):
        audit.check_auditor(auditor.sub)
    check_match(request, audit.version)
    return audit


def _tagged(audit: Audit, response: Response) -> AuditRead:
    tag(response, audit.version)
    return AuditRead.model_validate(audit)
