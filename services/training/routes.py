"""training over HTTP: coaching assignments and the rules they come from."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from services.training import repository
from services.training.domain import Assignment, Coach, Condition, Status, acknowledge, complete
from services.training.repository import Filters
from services.training.tables import coaching_assignments, coaching_rules
from shared.contracts.qa import FailedCriterion
from shared.contracts.training import CoachingAcknowledged, CoachingCompleted
from shared.db import Tx
from shared.errors import Forbidden, NotFound
from shared.http import CurrentTx, service_router, tag
from shared.identity import Anyone, Principal
from shared.pages import Cursor, Limit, Page, page

router = service_router("training")


class RuleOut(BaseModel):
    """Which failed audits call for coaching, by whom, within how many working days. The highest priority acts."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    key: str
    condition: Condition
    due_working_days: int
    priority: int
    coaches: list[Coach]
    name_en: str
    name_zh: str


class AssignmentOut(BaseModel):
    """Coaching owed because of a failed audit. `rule` is the key of the rule that called for it, `coach_id` null while
    nobody is known who could coach, `overdue_at` the time at which it was found to be late, if it was."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    audit_id: UUID
    audit_revision: int
    recording_id: UUID
    employee_id: UUID
    coach_id: UUID | None
    rule: str
    competencies: list[str]
    failed_criteria: list[FailedCriterion]
    due_on: date
    status: Status
    assigned_at: datetime
    acknowledged_at: datetime | None
    completed_at: datetime | None
    completed_by: str | None
    cancelled_at: datetime | None
    overdue_at: datetime | None
    no_longer_owed: bool
    note: str | None
    version: int


class Change(BaseModel):
    """One change of an assignment: the fields it touched, before and after. `cause` is the event behind it, if any."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    actor: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    cause: str | None


class AssignmentWithHistory(AssignmentOut):
    history: list[Change]


class Completion(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")] | None = None
    """What was agreed; it stays in this service."""


@router.get("/coaching-rules")
async def rules(tx: CurrentTx, _: Anyone, limit: Limit = 50, cursor: Cursor = None) -> Page[RuleOut]:
    """The rules that coaching goes by, the highest priority first."""
    keys = [coaching_rules.c.priority, coaching_rules.c.id]
    return await page(tx, select(coaching_rules), keys, RuleOut.model_validate, limit=limit, cursor=cursor)


@router.get("/coaching-assignments")
async def assignments(
    tx: CurrentTx,
    principal: Anyone,
    audit_id: UUID | None = None,
    employee_id: UUID | None = None,
    coach_id: UUID | None = None,
    status: Status | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AssignmentOut]:
    """Coaching assignments, the newest first: one's own and those one coaches, for team leads also the team's."""
    query = repository.listing(Filters(audit_id, employee_id, coach_id, status), principal)
    return await page(tx, query, [coaching_assignments.c.id], AssignmentOut.model_validate, limit=limit, cursor=cursor)


@router.get("/coaching-assignments/{id}")
async def assignment(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> AssignmentWithHistory:
    """One assignment and all that happened to it."""
    found = await _visible(id, tx, principal)
    tag(response, found.version)
    shown = AssignmentOut.model_validate(found)
    return AssignmentWithHistory(**dict(shown), history=await repository.history(tx, id))


@router.post("/coaching-assignments/{id}/acknowledgement")
async def acknowledgement(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> AssignmentOut:
    """The employee has seen it. Again changes nothing."""
    before = await _visible(id, tx, principal, hold=True)
    if principal.employee_id != before.employee_id:
        raise Forbidden("Only the employee who is to be coached acknowledges the assignment.")
    after = acknowledge(before, tx.now)
    if after != before:
        after = await repository.save(tx, before, after, "acknowledged", actor=principal.sub)
        tx.emit(after.event(CoachingAcknowledged))
    return _answer(after, response)


@router.post("/coaching-assignments/{id}/completion")
async def completion(
    id: UUID, tx: CurrentTx, principal: Anyone, response: Response, body: Completion | None = None
) -> AssignmentOut:
    """The coaching took place. Again changes nothing, the first note stays."""
    before = await _visible(id, tx, principal, hold=True)
    if not await _may_complete(before, principal, tx):
        raise Forbidden(
            "Coaching is completed by its coach, the employee's team lead, a trainer or a manager, "
            "and not by the employee who is coached."
        )
    after = complete(before, principal.sub, body.note if body else None, tx.now)
    if after != before:
        after = await repository.save(tx, before, after, "completed", actor=principal.sub)
        tx.emit(after.event(CoachingCompleted))
    return _answer(after, response)


async def _visible(id: UUID, tx: Tx, principal: Principal, *, hold: bool = False) -> Assignment:
    found = await repository.find(tx, id, principal, hold=hold)
    if found is None:
        raise NotFound("No coaching assignment has the id {id}, or you may not see it.", id=id)
    return found


async def _may_complete(assignment: Assignment, principal: Principal, tx: Tx) -> bool:
    me = principal.employee_id
    if me == assignment.employee_id:
        return False
    if principal.has("trainer", "manager", "admin"):
        return True
    if me is None:
        return False
    if me == assignment.coach_id:
        return True
    return principal.has("team_lead") and await repository.leads(tx, me, assignment.employee_id)


def _answer(assignment: Assignment, response: Response) -> AssignmentOut:
    tag(response, assignment.version)
    return AssignmentOut.model_validate(assignment)
