"""What coaching does a failed audit call for, and what may become of it?

Rules, assignments and their lives, pure: times come in, values and events go out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic_core import to_jsonable_python

from shared.calendar import WorkingDays, add_working_days
from shared.contracts.qa import AuditFailed, FailedCriterion
from shared.contracts.training import CoachingEvent
from shared.errors import IllegalState
from shared.ids import new_id

Condition = Literal["critical_error", "any_fail"]
Coach = Literal["mentor", "team_lead"]
Status = Literal["assigned", "acknowledged", "completed", "cancelled"]
E = TypeVar("E", bound=CoachingEvent)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a failed audit meets `condition`, coaching is due within so many working days, by the first of `coaches`
    there is. Of several rules that apply the one of the highest priority acts."""

    key: str
    condition: Condition
    due_working_days: int
    priority: int
    coaches: Sequence[Coach]

    def applies(self, audit: AuditFailed) -> bool:
        match self.condition:
            case "critical_error":
                return bool(audit.critical_errors)
            case "any_fail":
                return True


@dataclass(frozen=True, slots=True)
class Person:
    """Who could coach this employee: those who are still here."""

    employee_id: UUID
    mentor_id: UUID | None
    team_lead_id: UUID | None


@dataclass(frozen=True, slots=True)
class Audit:
    """The newest that is known about an audit: whether it is a fail that stands, so that coaching is owed."""

    revision: int
    owed: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """Coaching that an employee owes because of a failed audit. There is one for each audit.

    `no_longer_owed`: it was completed before the audit was overturned. `overdue_at`: when it was found to be late.
    """

    id: UUID
    audit_id: UUID
    audit_revision: int
    recording_id: UUID
    employee_id: UUID
    coach_id: UUID | None
    rule: str
    competencies: tuple[str, ...]
    failed_criteria: tuple[FailedCriterion, ...]
    due_on: date
    assigned_at: datetime
    status: Status = "assigned"
    acknowledged_at: datetime | None = None
    completed_at: datetime | None = None
    completed_by: str | None = None
    cancelled_at: datetime | None = None
    overdue_at: datetime | None = None
    no_longer_owed: bool = False
    note: str | None = None
    version: int = 1

    def event(self, kind: type[E]) -> E:
        """What others learn of it."""
        return kind(
            assignment_id=self.id,
            audit_id=self.audit_id,
            employee_id=self.employee_id,
            coach_id=self.coach_id,
            competencies=self.competencies,
            due_on=self.due_on,
        )


def choose_rule(rules: Iterable[Rule], audit: AuditFailed) -> Rule | None:
    """Of the rules that apply, the one of the highest priority; of equals the first by key."""
    return min(
        (rule for rule in rules if rule.applies(audit)), key=lambda rule: (-rule.priority, rule.key), default=None
    )


def choose_coach(order: Iterable[Coach], person: Person) -> UUID | None:
    """The first in this order whom there is; never the employees themselves."""
    candidates = {"mentor": person.mentor_id, "team_lead": person.team_lead_id}
    return next((id for role in order if (id := candidates[role]) and id != person.employee_id), None)


def assign(
    failed: AuditFailed, known: Audit, rule: Rule, person: Person, *, day: date, at: datetime, calendar: WorkingDays
) -> Assignment:
    """Coaching for what an audit found; `day` is the centre's day on which it was submitted."""
    return Assignment(
        id=new_id(),
        audit_id=failed.audit_id,
        audit_revision=known.revision,
        recording_id=failed.recording_id,
        employee_id=failed.employee_id,
        coach_id=choose_coach(rule.coaches, person),
        rule=rule.key,
        competencies=tuple(dict.fromkeys(criterion.competency for criterion in failed.failed_criteria)),
        failed_criteria=failed.failed_criteria,
        due_on=add_working_days(day, rule.due_working_days, calendar),
        assigned_at=at,
    )


def follow(assignment: Assignment, audit: Audit, at: datetime) -> tuple[Assignment, str]:
    """What the newest fact about the audit makes of the assignment, and what to call that; alike in any order.

    No longer owed: cancelled; if completed, kept and marked. Owed after all: as it was before that.
    """
    followed = replace(assignment, audit_revision=audit.revision)
    match assignment.status, audit.owed:
        case "assigned" | "acknowledged", False:
            return replace(followed, status="cancelled", cancelled_at=at), "cancelled"
        case "cancelled", True:
            status: Status = "acknowledged" if assignment.acknowledged_at else "assigned"
            return replace(followed, status=status, cancelled_at=None), "reinstated"
        case "completed", _ if assignment.no_longer_owed == audit.owed:
            return replace(followed, no_longer_owed=not audit.owed), "owed_again" if audit.owed else "no_longer_owed"
        case _:
            return followed, "audit_revised"


def acknowledge(assignment: Assignment, at: datetime) -> Assignment:
    """Seen by the employee; as it was if seen already. Raises `IllegalState` once there is nothing left to see."""
    if assignment.status == "assigned":
        return replace(assignment, status="acknowledged", acknowledged_at=at)
    if assignment.acknowledged_at and assignment.status != "cancelled":
        return assignment
    raise IllegalState("The assignment is {state}; only an assigned one can be acknowledged.", state=assignment.status)


def complete(assignment: Assignment, by: str, note: str | None, at: datetime) -> Assignment:
    """Done; as it was if done already. Raises `IllegalState` for a cancelled one."""
    if assignment.status == "completed":
        return assignment
    if assignment.status == "cancelled":
        raise IllegalState(
            "The assignment is {state}; only an assigned or acknowledged one can be completed.", state=assignment.status
        )
    return replace(assignment, status="completed", completed_at=at, completed_by=by, note=note)


def differences(before: Assignment | None, after: Assignment) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """For the history: the fields that changed, as JSON, before and after; all of them for a beginning."""
    new: dict[str, Any] = to_jsonable_python(asdict(after))
    if before is None:
        return None, new
    old: dict[str, Any] = to_jsonable_python(asdict(before))
    changed = [field for field in new if new[field] != old[field]]
    return {field: old[field] for field in changed}, {field: new[field] for field in changed}
