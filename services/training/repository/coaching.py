"""Rules, assignments, and what happens to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, or_, select, update

from services.training.domain.coaching import OPEN, Assignment, Status, differences, settled, values_of
from services.training.domain.rules import Condition, Firing, Rule, Trainability
from services.training.repository.people import sight
from services.training.repository.rows import add_all
from services.training.tables.base import employees
from services.training.tables.coaching import coaching_assignments, coaching_history, coaching_rules
from shared.contracts.qa import FailedCriterion
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.identity import Principal


def _names(shape: type[Any]) -> list[str]:
    return [field.name for field in fields(shape)]


_FIELDS = _names(Assignment)
_RULE_FIELDS = _names(Rule)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of assignments is narrowed to; None is no limit."""

    audit_id: UUID | None = None
    employee_id: UUID | None = None
    coach_id: UUID | None = None
    status: Status | None = None
    escalated_to: UUID | None = None


class Step(NamedTuple):
    """One change of an assignment, for its history; `before` is None for the first."""

    before: Assignment | None
    after: Assignment
    action: str
    actor: str
    cause: str | None = None


def listing(filters: Filters, principal: Principal) -> Select[Any]:
    query = select(coaching_assignments)
    seen = sight(principal, coaching_assignments.c.employee_id, coaching_assignments.c.coach_id)
    if seen is not None:
        query = query.where(seen)
    for column in _names(Filters):
        wanted = getattr(filters, column)
        if wanted is not None:
            query = query.where(coaching_assignments.c[column] == wanted)
    return query


def assignment_of(row: RowMapping) -> Assignment:
    values = {name: row[name] for name in _FIELDS}
    values["competencies"] = tuple(row["competencies"])
    values["failed_criteria"] = tuple(FailedCriterion.model_validate(failed) for failed in row["failed_criteria"])
    if row["remaining_criteria"] is not None:
        values["remaining_criteria"] = tuple(row["remaining_criteria"])
    return Assignment(**values)


def rule_of(row: RowMapping) -> Rule:
    values = {name: row[name] for name in _RULE_FIELDS}
    return Rule(**{**values, "condition": Condition.model_validate(row["condition"])})


async def rules(tx: Tx) -> list[Rule]:
    return [rule_of(row) for row in await tx.all(_RULES)]


_RULES = select(coaching_rules)


async def trainability(tx: Tx) -> dict[str, Trainability]:
    rows = await tx.tuples(text("SELECT code, trainability FROM training.competencies"))
    return {row.code: row.trainability for row in rows}


async def find(tx: Tx, id: UUID, principal: Principal, *, hold: bool = False) -> Assignment | None:
    """The assignment, if there and visible to this principal; with `hold`, locked until the transaction ends."""
    query = listing(Filters(), principal).where(coaching_assignments.c.id == id)
    row = await tx.first(query.with_for_update(of=coaching_assignments) if hold else query)
    return assignment_of(row) if row else None


async def _held(tx: Tx, query: Select[Any]) -> list[Assignment]:
    rows = await tx.all(query.order_by(coaching_assignments.c.id).with_for_update(of=coaching_assignments))
    return [assignment_of(row) for row in rows]


async def hold_by_audit(tx: Tx, audit_ids: Collection[UUID]) -> list[Assignment]:
    return await _held(tx, select(coaching_assignments).where(coaching_assignments.c.audit_id.in_(audit_ids)))


_coach = employees.alias("coach")
_TO_COACH = coaching_assignments.outerjoin(_coach, _coach.c.employee_id == coaching_assignments.c.coach_id)


async def without_coach(tx: Tx, today: date, coach_id: UUID | None = None) -> set[UUID]:
    """Whose coach has left, this one or any, with coaching that is not done."""
    it = coaching_assignments.c
    query = select(it.employee_id).distinct().select_from(_TO_COACH)
    query = query.where(it.completed_at.is_(None), _coach.c.left_on <= today)
    if coach_id is not None:
        query = query.where(it.coach_id == coach_id)
    return {row.employee_id for row in await tx.tuples(query)}


async def hold_without_coach(tx: Tx, employee_ids: Collection[UUID], today: date) -> list[Assignment]:
    """Assignments of these employees that wait for a coach, whose coach has left, or has a stand-in; and cancelled ones
    too: the order in which things arrive must not show."""
    it = coaching_assignments.c
    wanting = or_(it.coach_id.is_(None), it.stand_in, _coach.c.left_on <= today)
    return await _held(
        tx,
        select(coaching_assignments)
        .select_from(_TO_COACH)
        .where(it.employee_id.in_(employee_ids), it.completed_at.is_(None), wanting),
    )


async def hold_of_leavers(tx: Tx, today: date, employee_id: UUID | None = None) -> list[Assignment]:
    """What employees who have left, this one or any, did not complete; and cancelled ones too, so that nothing brings
    them back."""
    it = coaching_assignments.c
    query = select(coaching_assignments).join(employees, employees.c.employee_id == it.employee_id)
    query = query.where(it.completed_at.is_(None), ~it.employee_left, employees.c.left_on <= today)
    return await _held(tx, query if employee_id is None else query.where(it.employee_id == employee_id))


async def hold_late(tx: Tx, today: date) -> list[tuple[Assignment, UUID | None]]:
    """Open assignments that were due before today and are not yet marked as late, and who leads the employee."""
    it = coaching_assignments.c
    rows = await tx.all(
        select(coaching_assignments, employees.c.team_lead_id)
        .outerjoin(employees, employees.c.employee_id == it.employee_id)
        .where(it.status.in_(OPEN), it.overdue_at.is_(None), it.due_on < today)
        .order_by(it.id)
        .with_for_update(of=coaching_assignments)
    )
    return [(assignment_of(row), row["team_lead_id"]) for row in rows]


async def open_of(tx: Tx, employee_ids: Collection[UUID], rules: Collection[str]) -> list[tuple[UUID, str]]:
    """Employee and rule of the assignments that are not done."""
    if not rules:
        return []
    it = coaching_assignments.c
    query = select(it.employee_id, it.rule).where(it.employee_id.in_(employee_ids), it.rule.in_(rules))
    rows = await tx.tuples(query.where(it.status.in_((*OPEN, "proposed", "waiting"))))
    return [(row.employee_id, row.rule) for row in rows]


async def loads(tx: Tx, coaches: Collection[UUID], today: date) -> dict[UUID, int]:
    """Those of them who are here → how many open assignments they have to coach."""
    if not coaches:
        return {}
    rows = await tx.tuples(
        text("""
        SELECT one.employee_id, count(it.id) AS open FROM training.employees AS one
        LEFT JOIN training.coaching_assignments AS it
            ON it.coach_id = one.employee_id AND it.status = ANY(CAST(:open AS text[]))
        WHERE one.employee_id = ANY(CAST(:ids AS uuid[])) AND (one.left_on IS NULL OR one.left_on > :today)
        GROUP BY one.employee_id
        """),
        {"ids": list(coaches), "today": today, "open": [*OPEN, "proposed", "waiting"]},
    )
    return {row.employee_id: row.open for row in rows}


async def count_open(tx: Tx) -> Sequence[tuple[int, int]]:
    """How many open assignments there are, by whole days since they were assigned."""
    rows = await tx.tuples(
        text("""
        SELECT floor(extract(epoch FROM CAST(:now AS timestamptz) - assigned_at) / 86400)::integer AS days,
               count(*) AS n
        FROM training.coaching_assignments WHERE status = ANY(CAST(:open AS text[])) GROUP BY 1
        """),
        {"now": tx.now, "open": list(OPEN)},
    )
    return [(row.days, row.n) for row in rows]


async def add_assignments(tx: Tx, assignments: Sequence[Assignment]) -> set[UUID]:
    """Store new ones; the audits that did not have one yet."""
    rows = [_row(it) for it in sorted(assignments, key=lambda it: it.audit_id)]
    added = await add_all(tx, "coaching_assignments", rows, conflict="(audit_id) DO NOTHING", returning="audit_id")
    return {row["audit_id"] for row in added}


async def save(
    tx: Tx, before: Assignment, after: Assignment, action: str, *, actor: str, cause: str | None = None
) -> Assignment:
    """Store a change under the next version."""
    after = replace(after, version=before.version + 1)
    changed = await remember(tx, [Step(before, after, action, actor, cause)])
    row = _row(after)
    await tx.run(
        update(coaching_assignments)
        .where(coaching_assignments.c.id == after.id)
        .values({name: row[name] for name in changed})
    )
    return after


async def remember(tx: Tx, steps: Sequence[Step]) -> Collection[str]:
    """Add to the history; the fields that the last of the steps changed."""
    rows = []
    new: Mapping[str, Any] = {}
    for before, after, action, actor, cause in steps:
        old, new = differences(before, after)
        entry = {"assignment_id": after.id, "at": tx.now, "actor": actor, "action": action, "cause": cause}
        rows.append({**entry, "before": old, "after": new})
    await add_all(tx, "coaching_history", rows)
    return new.keys()


async def history(tx: Tx, assignment_id: UUID) -> Sequence[RowMapping]:
    """Every change of the assignment, oldest first."""
    query = select(coaching_history).where(coaching_history.c.assignment_id == assignment_id)
    return await tx.all(query.order_by(coaching_history.c.id))


async def log_firings(tx: Tx, fired: Sequence[tuple[Firing, UUID, UUID, date]]) -> None:
    """Log each firing with its audit, its employee and the day of the audit."""
    rows = [
        {
            "at": tx.now, "day": day, "audit_id": audit_id, "employee_id": employee_id, "rule": firing.rule.key,
            "action": firing.rule.action, "outcome": "suppressed" if firing.reason else "acted",
            "reason": firing.reason, "courses": firing.courses,
            "competencies": tuple(dict.fromkeys(failed.competency for failed in firing.grounds)),
        }
        for firing, audit_id, employee_id, day in fired
    ]  # fmt: skip
    await add_all(tx, "coaching_firings", rows)


async def log_resumed(tx: Tx, it: Assignment) -> None:
    """The rule that a dispute held back acts after all."""
    row = {
        "at": tx.now, "day": it.submitted_on, "audit_id": it.audit_id, "employee_id": it.employee_id, "rule": it.rule,
        "action": it.kind, "outcome": "acted", "reason": None, "courses": [], "competencies": it.competencies,
    }  # fmt: skip
    await add_all(tx, "coaching_firings", [row])


async def follow_up(tx: Tx, employee_ids: Collection[UUID]) -> list[Assignment]:
    """Completed coaching of these employees whose follow-up audit is known now, or is another one, or none, after all.

    The first standing audit by the same scorecard after the completion follows it up.
    """
    rows = await tx.all(
        text("""
        SELECT it.*, first.audit_id AS found_audit_id, first.submitted_at AS found_at,
               NOT first.criteria && coalesce(it.remaining_criteria, ARRAY(
                   SELECT failed ->> 'criterion' FROM jsonb_array_elements(it.failed_criteria) AS failed)) AS found_met
        FROM training.coaching_assignments AS it
        LEFT JOIN LATERAL (
            SELECT audit_id, submitted_at, criteria FROM training.audit_results AS result
            LEFT JOIN training.audit_states AS state USING (audit_id)
            WHERE result.employee_id = it.employee_id AND result.submitted_at > it.completed_at
              AND split_part(result.scorecard, '@', 1) = split_part(it.scorecard, '@', 1)
              AND coalesce(state.owed, result.passed)
            ORDER BY result.submitted_at, result.audit_id LIMIT 1
        ) AS first ON true
        WHERE it.employee_id = ANY(CAST(:ids AS uuid[])) AND it.status IN ('completed', 'followed_up')
          AND it.follow_up_audit_id IS DISTINCT FROM first.audit_id
        ORDER BY it.id
        FOR UPDATE OF it
        """),
        {"ids": list(employee_ids)},
    )
    followed = []
    for row in rows:
        before = assignment_of(row)
        found = {"followed_up_at": "found_at", "follow_up_audit_id": "found_audit_id", "follow_up_met": "found_met"}
        after = settled(replace(before, **{name: row[column] for name, column in found.items()}), tx.now)
        followed.append(await save(tx, before, after, "followed_up", actor="training"))
    return followed


def _row(it: Assignment) -> dict[str, Any]:
    row = values_of(it)
    row["competencies"] = list(it.competencies)
    row["failed_criteria"] = [failed.model_dump(mode="json") for failed in it.failed_criteria]
    row["remaining_criteria"] = None if it.remaining_criteria is None else list(it.remaining_criteria)
    return row
