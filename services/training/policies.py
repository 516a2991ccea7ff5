"""When something happens elsewhere, or a day has passed, what does training do?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from services.training import repository
from services.training.domain import Assignment, Audit, assign, choose_coach, choose_rule, follow
from shared.calendar import local_day
from shared.contracts.qa import AuditFailed, AuditOverturned, AuditRescored, AuditRevised
from shared.contracts.recruiting import EmployeeChanged, EmployeeStarted
from shared.contracts.training import CoachingAssigned, CoachingCancelled, CoachingEvent, CoachingOverdue
from shared.db import Tx
from shared.delivery import Delivered, Policies, bulk
from shared.people import PEOPLE_POLICIES
from shared.service import Job

US = "training"
"""Who acts, where no person does."""

_TELLS: Mapping[str, type[CoachingEvent]] = {"cancelled": CoachingCancelled, "reinstated": CoachingAssigned}
"""What others hear when an assignment follows its audit."""


async def coach_what_was_missed(event: AuditFailed, tx: Tx) -> None:
    """One assignment for each failed audit; if the audit was overturned before we heard of it, a cancelled one."""
    audit = await repository.note_audit(tx, event.audit_id, Audit(event.revision, owed=True))
    rule = choose_rule(await repository.rules(tx), event)
    if rule is None:
        return
    zone = tx.settings.zone
    person = await repository.hold_person(tx, event.employee_id, local_day(tx.now, zone))
    assignment = assign(
        event,
        audit,
        rule,
        person,
        day=local_day(event.submitted_at, zone),
        at=tx.now,
        calendar=tx.settings.working_days,
    )
    if not await repository.add(tx, assignment, actor=US, cause=_cause(tx)):
        await _follow(await repository.hold_by_audit(tx, event.audit_id), audit, tx)
    elif audit.owed:
        tx.emit(assignment.event(CoachingAssigned))
    else:
        await _follow(assignment, audit, tx, publish=False)


async def owe_only_what_stands(event: AuditRevised, tx: Tx) -> None:
    """Coaching is owed for a fail that stands: take it back, keep it or bring it back."""
    stands = isinstance(event, AuditRescored) and event.passed is False
    audit = await repository.note_audit(tx, event.audit_id, Audit(event.revision, owed=stands))
    await _follow(await repository.hold_by_audit(tx, event.audit_id), audit, tx)


async def _follow(before: Assignment | None, audit: Audit, tx: Tx, *, publish: bool = True) -> None:
    if before is None:  # the fail is still to come; what is known about it is kept
        return
    after, action = follow(before, audit, tx.now)
    if after == before:
        return
    after = await repository.save(tx, before, after, action, actor=US, cause=_cause(tx))
    if publish and action in _TELLS:
        tx.emit(after.event(_TELLS[action]))


@bulk
async def find_missing_coaches(delivered: Sequence[Delivered[EmployeeStarted]], tx: Tx) -> None:
    """Coaching that was assigned before anybody was known to do it gets its coach.

    After `know_employees`, whose locks on the employees make assignments of theirs wait, or us for them.
    """
    causes = {event.employee_id: letter.id for event, letter in delivered}
    waiting = await repository.hold_without_coach(tx, causes)
    if not waiting:
        return
    people = await repository.hold_people(tx, causes, local_day(tx.now, tx.settings.zone))
    orders = {rule.key: rule.coaches for rule in await repository.rules(tx)}
    for before in waiting:
        coach = choose_coach(orders.get(before.rule, ()), people[before.employee_id])
        if coach:
            after = replace(before, coach_id=coach)
            await repository.save(tx, before, after, "coach_found", actor=US, cause=causes[before.employee_id])


async def mark_what_is_late(tx: Tx) -> None:
    """Coaching whose last day has passed without it: marked and reported once."""
    for before in await repository.hold_late(tx, local_day(tx.now, tx.settings.zone)):
        late = await repository.save(tx, before, replace(before, overdue_at=tx.now), "overdue", actor=US)
        tx.emit(late.event(CoachingOverdue))


def _cause(tx: Tx) -> str:
    assert tx.cause is not None
    return tx.cause.id


POLICIES: Policies = {
    **PEOPLE_POLICIES,
    EmployeeStarted: [*PEOPLE_POLICIES[EmployeeStarted], find_missing_coaches],
    EmployeeChanged: [*PEOPLE_POLICIES[EmployeeChanged], find_missing_coaches],
    AuditFailed: [coach_what_was_missed],
    AuditOverturned: [owe_only_what_stands],
    AuditRescored: [owe_only_what_stands],
}

JOBS = (Job("overdue", timedelta(hours=1), mark_what_is_late),)
