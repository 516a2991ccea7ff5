"""Coaching assignments: seen, approved, worked on, completed; and whether coaching works."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from sqlalchemy import insert, or_, select, update

from services.training.domain import coaching as life
from services.training.domain.catalogue import Words
from services.training.domain.coaching import Assignment, Kind, Status
from services.training.domain.effect import Effect
from services.training.repository import coaching as repository
from services.training.repository import people
from services.training.repository.coaching import Filters
from services.training.repository.effect import effects
from services.training.repository.rows import missing
from services.training.routes.base import In, Out, router
from services.training.tables.coaching import coaching_assignments, coaching_items, coaching_notes
from shared.contracts.qa import FailedCriterion
from shared.contracts.training import (
    CoachingAcknowledged,
    CoachingAssigned,
    CoachingCancelled,
    CoachingCompleted,
)
from shared.db import Tx
from shared.errors import Forbidden, NotFound
from shared.http import CurrentTx, tag
from shared.identity import Anyone, Principal
from shared.ids import new_id
from shared.pages import Cursor, Limit, Page, page


class AssignmentOut(Out):
    """Coaching owed because of a failed audit. `rule` is the key of the rule that called for it, `coach_id` null while
    nobody is known who could coach, `overdue_at` the time at which it was found to be late, if it was, and
    `escalated_to` the lead who was told. `stand_in`: its first coach has left. `employee_left`: so has the employee,
    and it is cancelled for good. `follow_up_met`: whether the audit that followed met the criteria."""

    id: UUID
    audit_id: UUID
    audit_revision: int
    recording_id: UUID
    employee_id: UUID
    coach_id: UUID | None
    stand_in: bool
    employee_left: bool
    rule: str
    kind: Kind
    topic: str | None
    scorecard: str
    competencies: list[str]
    failed_criteria: list[FailedCriterion]
    remaining_criteria: list[str] | None
    due_on: date
    status: Status
    needs_approval: bool
    assigned_at: datetime
    approved_at: datetime | None
    acknowledged_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    completed_by: str | None
    cancelled_at: datetime | None
    overdue_at: datetime | None
    escalated_to: UUID | None
    followed_up_at: datetime | None
    follow_up_audit_id: UUID | None
    follow_up_met: bool | None
    no_longer_owed: bool
    note: str | None
    version: int


class Change(Out):
    """One change of an assignment: the fields it touched, before and after. `cause` is the event behind it, if any."""

    at: datetime
    actor: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    cause: str | None


class ItemIn(In):
    what: Words
    due_on: date | None = None


class ItemOut(ItemIn, Out):
    id: UUID
    done_at: datetime | None
    by: str


class NoteIn(In):
    """A note that is not `shared` is for its author's eyes only."""

    note: Words
    shared: bool = False


class NoteOut(NoteIn, Out):
    id: UUID
    at: datetime
    by: str


class AssignmentWithHistory(AssignmentOut):
    history: list[Change]
    items: list[ItemOut]
    notes: list[NoteOut]


class Completion(In):
    note: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")] | None = None
    """What was agreed; it stays in this service."""


class Approval(In):
    approved: bool


@router.get("/coaching-assignments")
async def assignments(
    tx: CurrentTx,
    principal: Anyone,
    audit_id: UUID | None = None,
    employee_id: UUID | None = None,
    coach_id: UUID | None = None,
    status: Status | None = None,
    escalated_to: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AssignmentOut]:
    """Coaching assignments, the newest first: one's own and those one coaches, for team leads also the team's."""
    query = repository.listing(Filters(audit_id, employee_id, coach_id, status, escalated_to), principal)
    return await page(tx, query, [coaching_assignments.c.id], AssignmentOut.of, limit=limit, cursor=cursor)


@router.get("/coaching-assignments/{id}")
async def assignment(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> AssignmentWithHistory:
    """One assignment, all that happened to it, its action items, and the notes that one may read."""
    found = await _visible(id, tx, principal)
    tag(response, found.version)
    items = select(coaching_items).where(coaching_items.c.assignment_id == id).order_by(coaching_items.c.id)
    notes = (
        select(coaching_notes)
        .where(coaching_notes.c.assignment_id == id)
        .where(or_(coaching_notes.c.shared, coaching_notes.c.by == principal.sub))
        .order_by(coaching_notes.c.id)
    )
    return AssignmentWithHistory(
        **dict(AssignmentOut.model_validate(found)),
        history=await repository.history(tx, id),
        items=await tx.all(items),
        notes=await tx.all(notes),
    )


@router.post("/coaching-assignments/{id}/acknowledgement")
async def acknowledgement(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> AssignmentOut:
    """The employee has seen it. Again changes nothing."""
    before = await _visible(id, tx, principal, hold=True)
    if principal.employee_id != before.employee_id:
        raise Forbidden("Only the employee who is to be coached acknowledges the assignment.")
    after = life.acknowledge(before, tx.now)
    if after != before:
        after = await repository.save(tx, before, after, "acknowledged", actor=principal.sub)
        tx.emit(after.event(CoachingAcknowledged))
    return _answer(after, response)


@router.post("/coaching-assignments/{id}/approval")
async def approval(id: UUID, decision: Approval, tx: CurrentTx, principal: Anyone, response: Response) -> AssignmentOut:
    """Approve or refuse what a rule proposed: the employee's team lead, a trainer or a manager."""
    before = await _visible(id, tx, principal, hold=True)
    if principal.employee_id == before.employee_id or not (
        principal.sees == "all" or await _leads(before, principal, tx)
    ):
        raise Forbidden("Coaching is approved by the employee's team lead, a trainer or a manager.")
    after = life.decide(before, decision.approved, principal.sub, tx.now)
    action = "approved" if decision.approved else "refused"
    after = await repository.save(tx, before, after, action, actor=principal.sub)
    tx.emit(after.event(CoachingAssigned if decision.approved else CoachingCancelled))
    return _answer(after, response)


@router.post("/coaching-assignments/{id}/completion")
async def completion(
    id: UUID, tx: CurrentTx, principal: Anyone, response: Response, body: Completion | None = None
) -> AssignmentOut:
    """The coaching took place. Again changes nothing, the first note stays. QA is asked for a follow-up audit."""
    before = await _coached(id, tx, principal)
    after = life.complete(before, principal.sub, body.note if body else None, tx.now)
    if after != before:
        after = await repository.save(tx, before, after, "completed", actor=principal.sub)
        tx.emit(after.event(CoachingCompleted, scorecard=after.scorecard, criteria=after.criteria))
        for followed in await repository.follow_up(tx, [after.employee_id]):
            after = followed if followed.id == after.id else after
    return _answer(after, response)


@router.post("/coaching-assignments/{id}/items", status_code=201)
async def add_item(id: UUID, new: ItemIn, tx: CurrentTx, principal: Anyone) -> ItemOut:
    """Something to be done, agreed between coach and employee. With the first, the coaching is in progress."""
    await _begun(await _coached(id, tx, principal), principal, tx)
    values = {"id": new_id(), "assignment_id": id, "done_at": None, "by": principal.sub, **new.model_dump()}
    row = await tx.first(insert(coaching_items).values(values).returning(coaching_items))
    return ItemOut(**dict(row or {}))


@router.post("/coaching-assignments/{id}/items/{item_id}/completion")
async def item_done(id: UUID, item_id: UUID, tx: CurrentTx, principal: Anyone) -> ItemOut:
    """It is done, say employee or coach. Again changes nothing."""
    it = await _visible(id, tx, principal, hold=True)
    if principal.employee_id != it.employee_id and not await _may_coach(it, principal, tx):
        raise Forbidden("Only the employee and who coaches say that something is done.")
    here = (coaching_items.c.id == item_id) & (coaching_items.c.assignment_id == id)
    await tx.run(update(coaching_items).where(here, coaching_items.c.done_at.is_(None)).values(done_at=tx.now))
    row = await tx.first(select(coaching_items).where(here))
    if row is None:
        raise missing(item_id)
    return ItemOut(**row)


@router.post("/coaching-assignments/{id}/notes", status_code=201)
async def add_note(id: UUID, new: NoteIn, tx: CurrentTx, principal: Anyone) -> NoteOut:
    """A note of the employee or of who coaches, shared or for oneself. One by the coach begins the coaching."""
    it = await _visible(id, tx, principal, hold=True)
    if await _may_coach(it, principal, tx):
        await _begun(it, principal, tx)
    elif principal.employee_id != it.employee_id:
        raise Forbidden("Only the employee and who coaches write notes.")
    values = {"id": new_id(), "assignment_id": id, "at": tx.now, "by": principal.sub, **new.model_dump()}
    row = await tx.first(insert(coaching_notes).values(values).returning(coaching_notes))
    return NoteOut(**dict(row or {}))


@router.get("/coaching-effect")
async def coaching_effect(
    tx: CurrentTx,
    by: Literal["competency", "coach", "course"] = "competency",
    from_: Annotated[date | None, Query(alias="from")] = None,
    to: date | None = None,
    days: Annotated[int, Query(ge=7, le=365)] = 90,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Effect]:
    """Whether coaching works: how often its competencies were met before and after, each over `days` days, against
    employees who failed the same and were not coached."""
    return await effects(tx, by, from_, to, days, limit=limit, cursor=cursor)


async def _visible(id: UUID, tx: Tx, principal: Principal, *, hold: bool = False) -> Assignment:
    found = await repository.find(tx, id, principal, hold=hold)
    if found is None:
        raise NotFound("No coaching assignment has the id {id}, or you may not see it.", id=id)
    return found


async def _coached(id: UUID, tx: Tx, principal: Principal) -> Assignment:
    """The assignment, held, for somebody who may coach it."""
    it = await _visible(id, tx, principal, hold=True)
    if not await _may_coach(it, principal, tx):
        raise Forbidden(
            "Coaching is completed by its coach, the employee's team lead, a trainer or a manager, "
            "and not by the employee who is coached."
        )
    return it


async def _may_coach(it: Assignment, principal: Principal, tx: Tx) -> bool:
    me = principal.employee_id
    if me == it.employee_id:
        return False
    if principal.sees == "all":
        return True
    return me is not None and (me == it.coach_id or await _leads(it, principal, tx))


async def _leads(it: Assignment, principal: Principal, tx: Tx) -> bool:
    me = principal.employee_id
    return me is not None and principal.sees == "team" and await people.leads(tx, me, it.employee_id)


async def _begun(before: Assignment, principal: Principal, tx: Tx) -> None:
    after = life.begin(before, tx.now)
    if after != before:
        await repository.save(tx, before, after, "started", actor=principal.sub)


def _answer(it: Assignment, response: Response) -> AssignmentOut:
    tag(response, it.version)
    return AssignmentOut.model_validate(it)
