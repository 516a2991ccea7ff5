"""Audits over HTTP: made, answered, submitted, released, acknowledged, disputed, decided, voided."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.qa.domain.audits import Audit, Decision, Purpose, ReasonCode, Rules, Ruling, Status, may_audit, person
from services.qa.domain.scorecards import Key, Scorecard
from services.qa.domain.scoring import Answer, Result, check_keys
from services.qa.repository import audits, people, recordings, scorecards
from services.qa.repository.audits import Objection, Unit, Wanted
from services.qa.repository.people import Sight, sees
from services.qa.routes.router import router
from services.qa.routes.sight import Seen, sight_of
from services.qa.watching import count_audit
from shared import metrics
from shared.calendar import local_day
from shared.db import RowMapping, Tx
from shared.errors import Forbidden, IllegalState, Invalid, NotFound
from shared.events import ExternalId
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone, Principal
from shared.ids import new_id
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page

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
    """With the outcome `revised` go the answers that change, with `wrong_agent` the employee whose call it was.

    `criteria`: an outcome with its reason for each disputed criterion; then `outcome` may be left out, for it follows.
    """

    model_config = ConfigDict(extra="forbid")

    outcome: Decision | None = None
    reason: ReasonCode
    comment: Comment | None = None
    criteria: Annotated[list[Ruling], Field(max_length=200)] = []
    answers: GivenAnswers = {}
    employee_id: UUID | None = None


class Voiding(BaseModel):
    """Why an audit should not have been made."""

    model_config = ConfigDict(extra="forbid")

    reason: ReasonCode


class RulesRead(Rules):
    """The rules that hold, with their version."""

    version: int


class Accuracy(BaseModel):
    judged: int
    failed: int


class AuditRead(BaseModel):
    """An audit. Scores are null while it is a draft, where nothing was applicable, once it is overturned or voided.

    `accuracy`: by error class, how many criteria were judged and how many of them failed. `focus`: the criteria that
    are looked at, null for all. `follows`: the audit that it follows up; `moved_from`: the one in whose place it is,
    which was of another employee, or voided; `calibration_id`: the session that it is part of.
    """

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
    fatal_hit: bool
    failed: list[str]
    accuracy: dict[str, Accuracy]
    created_at: datetime
    submitted_at: datetime | None
    released_at: datetime | None
    acknowledged_at: datetime | None
    focus: list[str] | None
    follows: UUID | None
    moved_from: UUID | None
    calibration_id: UUID | None


class CriterionOutcome(BaseModel):
    """What was decided about one criterion, and why."""

    criterion: str
    outcome: Literal["upheld", "revised", "overturned"]
    reason: str
    comment: str | None


class DisputeRead(BaseModel):
    """An objection, and from its decision on what became of it, as a whole and (`outcomes`) for each criterion."""

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
    outcomes: list[CriterionOutcome] | None


class WholeAudit(AuditRead):
    """`marks`: what each judged criterion earned, in parts of 100."""

    answers: Mapping[str, Answer]
    marks: dict[str, Number]
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
async def make_audit(new: NewAudit, tx: CurrentTx, auditor: Anyone, response: Response) -> AuditRead:
    """Begin an audit of one's own choice. It is about whoever held the agent's login on the day of the call. One's own
    that was voided is not in the way."""
    recording, card = await asked_for(tx, new)
    await check_may_audit(tx, auditor, recording["employee_id"])
    unit = Unit(recording["id"], recording["call_id"], recording["employee_id"], auditor.sub)
    made = await audits.create(tx, card.id, [unit], by=auditor.sub)
    if not made:
        raise IllegalState(
            "You audit this recording with the scorecard {scorecard} already; go on with that audit.",
            scorecard=card.label,
        )
    return tagged(await audits.find(tx, made.pop()), response)


async def asked_for(tx: Tx, new: NewAudit) -> tuple[RowMapping, Scorecard]:
    """The recording, whose agent is known, and the scorecard to audit it by."""
    recording = await recordings.find(tx, new.recording_id)
    if recording is None:
        raise NotFound("There is no recording {id}.", id=new.recording_id)
    if recording["employee_id"] is None:
        raise IllegalState(
            "The agent of this recording is not known yet; it can be audited once somebody has that login."
        )
    if new.scorecard_id is not None and new.scorecard is None:
        return recording, await scorecards.get(tx, new.scorecard_id)
    if new.scorecard is not None and new.scorecard_id is None:
        return recording, await scorecards.newest(tx, new.scorecard)
    raise Invalid("Name the scorecard either by scorecard_id or, for its newest version, by scorecard.")


async def check_may_audit(tx: Tx, auditor: Principal, employee: UUID) -> None:
    leads = await people.leads_of(tx, ids={employee, auditor.employee_id or employee})
    own_lead = leads.get(auditor.employee_id) if auditor.employee_id else None
    if not may_audit(auditor.sub, own_lead, employee, leads.get(employee)):
        raise Forbidden("Nobody audits themselves, their own team lead, or those whom they lead.")


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
    calibration_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditRead]:
    """Newest first. An agent sees those about themselves, a team lead also those of the team, neither sees drafts.

    Of a calibration everybody sees their own audit only until all have handed in; agents and team leads see none.
    """
    wanted = Wanted(employee_id, auditor_id, recording_id, scorecard_id, draw_id, status, calibration_id)
    return await audits.listed(tx, wanted, sight, lambda row: AuditRead(**row), limit=limit, cursor=cursor)


@router.get("/audits/{id}")
async def read_audit(id: UUID, tx: CurrentTx, sight: Seen, response: Response) -> WholeAudit:
    """An audit with its answers and disputes."""
    audit = await seen_audit(tx, id, sight)
    tag(response, audit.version)
    return WholeAudit(**asdict(audit), disputes=[DisputeRead(**row) for row in await audits.disputes_of(tx, id)])


@router.get("/audits/{id}/revisions")
async def list_revisions(id: UUID, tx: CurrentTx, sight: Seen) -> list[Revision]:
    """Every verdict there was, the first first."""
    await seen_audit(tx, id, sight)
    return [Revision(**row) for row in await audits.history(tx, id, verdicts=True)]


@router.get("/audits/{id}/history")
async def list_history(id: UUID, tx: CurrentTx, sight: Seen) -> list[Step]:
    """Who decided what, the first first."""
    await seen_audit(tx, id, sight)
    return [Step(**row) for row in await audits.history(tx, id, verdicts=False)]


@router.put("/audits/{id}/answers")
async def answer_audit(
    id: UUID, new: NewAnswers, tx: CurrentTx, auditor: Anyone, request: Request, response: Response
) -> AuditRead:
    """Replace the answers of a draft; they need not be complete."""
    audit = await _own(tx, id, auditor, request)
    audit.answer(await scorecards.get(tx, audit.scorecard_id), new.answers)
    await audits.save_answers(tx, audit)
    return tagged(audit, response)


@router.post("/audits/{id}/submit")
async def submit_audit(id: UUID, tx: CurrentTx, auditor: Anyone, request: Request, response: Response) -> AuditRead:
    """Score the audit and let the verdict be known, now or at its release; a fail sets coaching and appraisal going."""
    audit, rules = await audits.find_with_rules(tx, id)
    _check_own(audit, auditor, request)
    event = audit.submit(await scorecards.get(tx, audit.scorecard_id), tx.now, release=rules.release)
    await audits.save(tx, audit, "submitted", by=auditor.sub)
    if event:
        tx.emit(event)
        tx.on_commit(partial(count_audit, event))
    return tagged(audit, response)


@router.post("/audits/{id}/release")
async def release_audit(id: UUID, tx: CurrentTx, judge: Anyone, request: Request, response: Response) -> AuditRead:
    """Let a verdict that waits for it go out: by the employee's team lead or a manager, not by who made the audit."""
    audit = await seen_audit(tx, id, sight_of(judge), to_change=True)
    audit.check_judge(judge.sub)
    check_match(request, audit.version)
    event = audit.release(await scorecards.get(tx, audit.scorecard_id), tx.now)
    await audits.save(tx, audit, "released", by=judge.sub)
    if event:
        tx.emit(event)
        tx.on_commit(partial(count_audit, event))
    return tagged(audit, response)


@router.post("/audits/{id}/acknowledgement")
async def acknowledge_audit(
    id: UUID, tx: CurrentTx, principal: Anyone, sight: Seen, request: Request, response: Response
) -> AuditRead:
    """The employee has seen what was found."""
    audit = await _about_me(tx, id, principal, sight, request)
    audit.acknowledge(tx.now)
    await audits.save(tx, audit, "acknowledged", by=principal.sub)
    return tagged(audit, response)


@router.post("/audits/{id}/void")
async def void_audit(
    id: UUID, new: Voiding, tx: CurrentTx, manager: Anyone, request: Request, response: Response
) -> AuditRead:
    """Take an audit back that should not have been made; it stays readable, with the reason."""
    audit = await audits.find(tx, id, to_change=True)
    if manager.employee_id == audit.employee_id:
        raise Forbidden("Nobody voids an audit of themselves.")
    check_match(request, audit.version)
    event = audit.void(new.reason)
    await audits.save(tx, audit, "voided", by=manager.sub, reason=new.reason)
    if event:
        tx.emit(event)
    return tagged(audit, response)


@router.post("/audits/{id}/disputes", status_code=201)
async def dispute_audit(
    id: UUID, new: NewDispute, tx: CurrentTx, principal: Anyone, sight: Seen, request: Request, response: Response
) -> AuditRead:
    """Object to a fail of one's own, within the days and as often as the rules allow."""
    audit = await _about_me(tx, id, principal, sight, request)
    _, rules = await audits.rules(tx)
    zone = tx.settings.zone
    event = audit.dispute(
        rules,
        before=await audits.disputes_before(tx, id),
        released_on=local_day(audit.released_at or tx.now, zone),
        today=local_day(tx.now, zone),
    )
    check_keys(audit.seen_of(await scorecards.get(tx, audit.scorecard_id)), new.criteria, "criteria")
    await audits.open_dispute(tx, id, Objection(new.reason, new.comment, new.criteria), principal.sub)
    await audits.save(tx, audit, "disputed", by=principal.sub, reason=new.reason)
    tx.emit(event)
    return tagged(audit, response)


@router.post("/audits/{id}/disputes/decision")
async def decide_dispute(
    id: UUID, new: NewDecision, tx: CurrentTx, judge: Anyone, request: Request, response: Response
) -> AuditRead:
    """Uphold, revise or overturn: by the employee's team lead or a manager, not by who made the audit.

    `wrong_agent` overturns the audit and makes the same verdict anew for the employee whose call it was
    (`moved_from` of that one names this one).
    """
    audit = await seen_audit(tx, id, sight_of(judge), to_change=True)
    audit.check_judge(judge.sub)
    check_match(request, audit.version)
    card = await scorecards.get(tx, audit.scorecard_id)
    disputed = await audits.disputed(tx, id)
    outcome, ruled = audit.rule(disputed, new.criteria, new.outcome, new.reason, new.answers)
    if (outcome == "wrong_agent") != (new.employee_id is not None):
        raise Invalid("Name the employee whose call it was with the outcome wrong_agent, and with no other.")
    if new.employee_id is not None:
        await _check_other(tx, audit, new.employee_id, judge)
        moved, about_other = audit.moved(card, new_id(), new.employee_id, tx.now)
    event = audit.decide(card, outcome, new.reason, new.answers)
    await audits.close_dispute(tx, id, audits.Verdict(outcome, new.reason, new.comment, ruled), judge.sub)
    await audits.save(tx, audit, outcome, by=judge.sub, reason=new.reason, answers=True)
    tx.emit(event)
    tx.on_commit(metrics.DISPUTES.labels(outcome).inc)
    if new.employee_id is not None:
        await audits.add_moved(tx, moved, by=judge.sub, reason=new.reason)
        if about_other:
            tx.emit(about_other)
            tx.on_commit(partial(count_audit, about_other))
    return tagged(audit, response)


@router.get("/audit-rules")
async def read_rules(tx: CurrentTx, response: Response) -> RulesRead:
    """Whether verdicts wait for release, and how long and how often they may be disputed."""
    version, rules = await audits.rules(tx)
    tag(response, version)
    return RulesRead(**rules.model_dump(), version=version)


@router.put("/audit-rules")
async def write_rules(new: Rules, tx: CurrentTx, manager: Anyone, request: Request, response: Response) -> RulesRead:
    """Change the rules; they hold for what is submitted or disputed from now on."""
    version, _ = await audits.rules(tx, to_change=True)
    check_match(request, version)
    await audits.change_rules(tx, version + 1, new, manager.sub)
    tag(response, version + 1)
    return RulesRead(**new.model_dump(), version=version + 1)


async def _check_other(tx: Tx, audit: Audit, other: UUID, judge: Principal) -> None:
    """Whether the audit can be moved to another employee."""
    auditor = person(audit.auditor_id)
    leads = await people.leads_of(tx, ids={other, auditor or other})
    if other == audit.employee_id or other not in leads:
        raise Invalid(
            "Name another employee who is known here.", errors=[{"field": "employee_id", "message": str(other)}]
        )
    own_lead = leads.get(auditor) if auditor else None
    if judge.employee_id == other or not may_audit(audit.auditor_id, own_lead, other, leads[other]):
        raise Forbidden("Nobody moves an audit to themselves, or to somebody whom its auditor may not audit.")


async def seen_audit(tx: Tx, id: UUID, sight: Sight, *, to_change: bool = False) -> Audit:
    """Whoever sees some employees only sees what was released, or waits for a release by them; nobody is shown the
    audits of others in a calibration that is going on."""
    audit = await audits.find(tx, id, to_change=to_change)
    told = audit.released_at is not None or (audit.status == "unreleased" and audit.employee_id != sight.me)
    if not sight.everything and not (told and await sees(tx, sight, audit.employee_id)):
        raise audits.absent(id)
    if await audits.blind(tx, audit, sight):
        raise audits.absent(id)
    return audit


async def _about_me(tx: Tx, id: UUID, principal: Principal, sight: Sight, request: Request) -> Audit:
    audit = await seen_audit(tx, id, sight, to_change=True)
    if audit.employee_id != principal.employee_id:
        raise Forbidden("Only the employee whom it is about can acknowledge or dispute an audit.")
    check_match(request, audit.version)
    return audit


async def _own(tx: Tx, id: UUID, auditor: Principal, request: Request) -> Audit:
    audit = await audits.find(tx, id, to_change=True)
    _check_own(audit, auditor, request)
    return audit


def _check_own(audit: Audit, auditor: Principal, request: Request) -> None:
    if auditor.sees != "all" or audit.purpose == "calibration":
        audit.check_auditor(auditor.sub)
    check_match(request, audit.version)


def tagged(audit: Audit, response: Response) -> AuditRead:
    tag(response, audit.version)
    return AuditRead.model_validate(audit)
