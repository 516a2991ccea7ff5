"""How does training read and write coaching?"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping

from services.training.domain import Assignment, Audit, Person, Rule, Status, differences
from services.training.tables import coaching_assignments, coaching_history, coaching_rules, employees
from shared.contracts.qa import FailedCriterion
from shared.db import Tx
from shared.identity import Principal

_OPEN: tuple[Status, ...] = ("assigned", "acknowledged")


def _names(shape: type[Any]) -> list[str]:
    return [field.name for field in fields(shape)]


# Built once: each failed audit goes through these.
_RULES = select(*(coaching_rules.c[name] for name in _names(Rule)))
_ADD = (
    insert(coaching_assignments)
    .on_conflict_do_nothing(index_elements=["audit_id"])
    .returning(coaching_assignments.c.id)
)
_REMEMBER = insert(coaching_history)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of assignments is narrowed to; None is no limit."""

    audit_id: UUID | None = None
    employee_id: UUID | None = None
    coach_id: UUID | None = None
    status: Status | None = None


def visible_to(principal: Principal) -> ColumnElement[bool] | None:
    """Which assignments somebody may see; None for all. Everybody sees their own and those they coach, team leads
    also their team's."""
    if principal.has("trainer", "manager", "hr", "call_centre", "auditor", "service", "admin"):
        return None
    me = principal.employee_id
    if me is None:
        return false()
    seen = [coaching_assignments.c.employee_id == me, coaching_assignments.c.coach_id == me]
    if principal.has("team_lead"):
        team = select(employees.c.employee_id).where(employees.c.team_lead_id == me)
        seen.append(coaching_assignments.c.employee_id.in_(team))
    return or_(*seen)


def listing(filters: Filters, principal: Principal) -> Select[Any]:
    query = select(coaching_assignments)
    seen = visible_to(principal)
    if seen is not None:
        query = query.where(seen)
    for column in _names(Filters):
        wanted = getattr(filters, column)
        if wanted is not None:
            query = query.where(coaching_assignments.c[column] == wanted)
    return query


def assignment_of(row: RowMapping) -> Assignment:
    values = {field: row[field] for field in _names(Assignment)}
    values["competencies"] = tuple(row["competencies"])
    values["failed_criteria"] = tuple(FailedCriterion.model_validate(failed) for failed in row["failed_criteria"])
    return Assignment(**values)


async def find(tx: Tx, id: UUID, principal: Principal, *, hold: bool = False) -> Assignment | None:
    """The assignment, if there and visible to this principal; with `hold`, locked until the transaction ends."""
    query = listing(Filters(), principal).where(coaching_assignments.c.id == id)
    row = await tx.first(query.with_for_update(of=coaching_assignments) if hold else query)
    return assignment_of(row) if row else None


async def hold_by_audit(tx: Tx, audit_id: UUID) -> Assignment | None:
    row = await tx.first(
        select(coaching_assignments).where(coaching_assignments.c.audit_id == audit_id).with_for_update()
    )
    return assignment_of(row) if row else None


async def hold_without_coach(tx: Tx, employee_ids: Collection[UUID]) -> list[Assignment]:
    """Assignments of these employees that wait for a coach, and cancelled ones too: the order in which things arrive
    must not show."""
    rows = await tx.all(
        select(coaching_assignments)
        .where(coaching_assignments.c.employee_id.in_(employee_ids))
        .where(coaching_assignments.c.coach_id.is_(None), coaching_assignments.c.status != "completed")
        .order_by(coaching_assignments.c.id)
        .with_for_update()
    )
    return [assignment_of(row) for row in rows]


async def hold_late(tx: Tx, today: date) -> list[Assignment]:
    """Open assignments that were due before today and are not yet marked as late."""
    rows = await tx.all(
        select(coaching_assignments)
        .where(coaching_assignments.c.status.in_(_OPEN), coaching_assignments.c.overdue_at.is_(None))
        .where(coaching_assignments.c.due_on < today)
        .order_by(coaching_assignments.c.id)
        .with_for_update()
    )
    return [assignment_of(row) for row in rows]


async def note_audit(tx: Tx, audit_id: UUID, audit: Audit) -> Audit:
    """Keep the fact unless a newer one is known; answer the newest, and hold the audit until the transaction ends."""
    row = await tx.first(
        text("""
        INSERT INTO training.audit_states AS known (audit_id, revision, owed) VALUES (:audit_id, :revision, :owed)
        ON CONFLICT (audit_id) DO UPDATE SET
            revision = greatest(known.revision, excluded.revision),
            owed = CASE WHEN excluded.revision > known.revision THEN excluded.owed
                        WHEN excluded.revision = known.revision THEN known.owed AND excluded.owed
                        ELSE known.owed END
        RETURNING revision, owed
        """),
        {"audit_id": audit_id, "revision": audit.revision, "owed": audit.owed},
    )
    assert row is not None
    return Audit(**row)


async def rules(tx: Tx) -> list[Rule]:
    return [Rule(**row) for row in await tx.all(_RULES)]


async def hold_person(tx: Tx, employee_id: UUID, day: date) -> Person:
    """Who could coach this employee on that day. The employee, known or not, is held until the transaction ends.

    Who is not known gets an empty row: so news of them has to wait for us, or we for it, and no assignment misses its
    coach because both came at once.
    """
    people = await hold_people(tx, [employee_id], day)
    if not people:
        await tx.run(insert(employees).values(employee_id=employee_id).on_conflict_do_nothing())
        people = await hold_people(tx, [employee_id], day)
    return people[employee_id]


async def hold_people(tx: Tx, employee_ids: Collection[UUID], day: date) -> dict[UUID, Person]:
    """Those of the employees that are known, with mentor and lead unless these are gone on that day."""
    rows = await tx.all(
        text("""
        SELECT one.employee_id,
               CASE WHEN mentor.left_on <= :day THEN NULL ELSE one.mentor_id END AS mentor_id,
               CASE WHEN lead.left_on <= :day THEN NULL ELSE one.team_lead_id END AS team_lead_id
        FROM training.employees AS one
        LEFT JOIN training.employees AS mentor ON mentor.employee_id = one.mentor_id
        LEFT JOIN training.employees AS lead ON lead.employee_id = one.team_lead_id
        WHERE one.employee_id = ANY(CAST(:ids AS uuid[]))
        ORDER BY one.employee_id
        FOR SHARE OF one
        """),
        {"day": day, "ids": list(employee_ids)},
    )
    return {row["employee_id"]: Person(**row) for row in rows}


async def leads(tx: Tx, lead_id: UUID, employee_id: UUID) -> bool:
    """Whether this is the lead of that employee's team."""
    query = select(employees.c.employee_id).where(employees.c.employee_id == employee_id)
    return await tx.scalar(query.where(employees.c.team_lead_id == lead_id)) is not None


async def add(tx: Tx, assignment: Assignment, *, actor: str, cause: str) -> bool:
    """Store a new assignment; False if its audit has one."""
    added = await tx.scalar(_ADD, _row(assignment))
    if added:
        await _remember(tx, None, assignment, "assigned", actor, cause)
    return added is not None


async def save(
    tx: Tx, before: Assignment, after: Assignment, action: str, *, actor: str, cause: str | None = None
) -> Assignment:
    """Store a change under the next version."""
    after = replace(after, version=before.version + 1)
    changed = await _remember(tx, before, after, action, actor, cause)
    row = _row(after)
    await tx.run(
        update(coaching_assignments)
        .where(coaching_assignments.c.id == after.id)
        .values({field: row[field] for field in changed})
    )
    return after


async def history(tx: Tx, assignment_id: UUID) -> Sequence[RowMapping]:
    """Every change of the assignment, oldest first."""
    query = select(coaching_history).where(coaching_history.c.assignment_id == assignment_id)
    return await tx.all(query.order_by(coaching_history.c.id))


async def _remember(
    tx: Tx, before: Assignment | None, after: Assignment, action: str, actor: str, cause: str | None
) -> Collection[str]:
    """Add to the history; the fields that changed."""
    old, new = differences(before, after)
    entry = {"assignment_id": after.id, "at": tx.now, "actor": actor, "action": action, "cause": cause}
    await tx.run(_REMEMBER, {**entry, "before": old, "after": new})
    return new.keys()


def _row(assignment: Assignment) -> dict[str, Any]:
    row = {field: getattr(assignment, field) for field in _names(Assignment)}
    row["competencies"] = list(assignment.competencies)
    row["failed_criteria"] = [failed.model_dump(mode="json") for failed in assignment.failed_criteria]
    return row
