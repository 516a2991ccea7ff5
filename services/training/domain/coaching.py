"""What may become of a coaching assignment?

    proposed --approve--> assigned --> acknowledged --> in_progress --> completed --> followed_up
    waiting: its audit is in dispute;  cancelled: not owed any more, not approved, or the employee has left

The status follows from what happened, each of which is kept by itself. So the end is the same in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic_core import to_jsonable_python

from services.training.domain.rules import Rule
from shared.calendar import WorkingDays, add_working_days
from shared.contracts.qa import AuditFailed, FailedCriterion
from shared.contracts.training import CoachingEvent
from shared.errors import IllegalState
from shared.ids import new_id

Status = Literal[
    "proposed", "assigned", "acknowledged", "in_progress", "waiting", "completed", "followed_up", "cancelled"
]
Kind = Literal["coaching", "talk"]
OPEN: tuple[Status, ...] = ("assigned", "acknowledged", "in_progress")
E = TypeVar("E", bound=CoachingEvent)

FAILED, DISPUTED, UPHELD = 0, 1, 2
"""How far an audit of one revision has come; an audit is disputed once."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The newest that is known about an audit: whether it is a fail that stands, so that coaching is owed.

    `stage`: see `FAILED`. `decided_on`: the centre's day on which a dispute about it was decided and the fail stood.
    `remaining`: the criteria that still fail; None where nothing but the score is known to have changed.
    """

    revision: int
    owed: bool
    stage: int = FAILED
    decided_on: date | None = None
    remaining: Sequence[str] | None = None

    def newest(self, other: "Audit") -> "Audit":
        """The one that stands; of equals, the one that does not owe."""
        return max(self, other, key=lambda audit: (audit.revision, audit.stage, not audit.owed))


@dataclass(frozen=True, slots=True)
class Assignment:
    """Coaching, or a talk, that an employee owes because of a failed audit. There is one for each audit.

    `due_on`: so many working days after the audit was submitted, or after a dispute about it was decided.
    `remaining_criteria`: what is left of the failed ones after the audit was rescored; None for all. `no_longer_owed`:
    it was completed before the audit was overturned. `overdue_at`: when it was found to be late, and `escalated_to`
    the lead who was told. `stand_in`: the coach it had first has left. `employee_left`: so did the employee, before it
    was completed; whatever becomes of the audit, it is cancelled. `follow_up_met`: whether the next audit by the same
    scorecard met the criteria.
    """

    id: UUID
    audit_id: UUID
    audit_revision: int
    recording_id: UUID
    employee_id: UUID
    coach_id: UUID | None
    rule: str
    kind: Kind
    topic: str | None
    scorecard: str
    competencies: tuple[str, ...]
    failed_criteria: tuple[FailedCriterion, ...]
    submitted_on: date
    due_working_days: int
    due_on: date
    assigned_at: datetime
    needs_approval: bool = False
    remaining_criteria: tuple[str, ...] | None = None
    owed: bool = True
    disputed: bool = False
    status: Status = "assigned"
    approved_at: datetime | None = None
    approved_by: str | None = None
    refused_at: datetime | None = None
    acknowledged_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    completed_by: str | None = None
    cancelled_at: datetime | None = None
    overdue_at: datetime | None = None
    escalated_to: UUID | None = None
    followed_up_at: datetime | None = None
    follow_up_audit_id: UUID | None = None
    follow_up_met: bool | None = None
    no_longer_owed: bool = False
    stand_in: bool = False
    employee_left: bool = False
    note: str | None = None
    version: int = 1

    @property
    def criteria(self) -> tuple[str, ...]:
        """What the coaching is about."""
        if self.remaining_criteria is not None:
            return self.remaining_criteria
        return tuple(failed.criterion for failed in self.failed_criteria)

    def event(self, kind: type[E], **more: Any) -> E:
        """What others learn of it."""
        return kind(
            assignment_id=self.id,
            audit_id=self.audit_id,
            employee_id=self.employee_id,
            coach_id=self.coach_id,
            competencies=self.competencies,
            due_on=self.due_on,
            **more,
        )


def status_of(it: Assignment) -> Status:
    if it.completed_at:
        return "followed_up" if it.followed_up_at else "completed"
    if it.refused_at or it.employee_left or not it.owed:
        return "cancelled"
    if it.disputed:
        return "waiting"
    if it.needs_approval and not it.approved_at:
        return "proposed"
    if it.started_at:
        return "in_progress"
    return "acknowledged" if it.acknowledged_at else "assigned"


def settled(it: Assignment, at: datetime) -> Assignment:
    """With the status that follows from the rest."""
    status = status_of(it)
    cancelled_at = (it.cancelled_at or at) if status == "cancelled" else None
    return replace(
        it, status=status, cancelled_at=cancelled_at, no_longer_owed=it.completed_at is not None and not it.owed
    )


def assign(
    failed: AuditFailed, rule: Rule, coach_id: UUID | None, *, day: date, at: datetime, calendar: WorkingDays
) -> Assignment:
    """Coaching for what an audit found; `day` is the centre's day on which it was submitted."""
    return Assignment(
        id=new_id(),
        audit_id=failed.audit_id,
        audit_revision=failed.revision,
        recording_id=failed.recording_id,
        employee_id=failed.employee_id,
        coach_id=coach_id,
        rule=rule.key,
        kind="talk" if rule.action == "talk" else "coaching",
        topic=rule.topic,
        scorecard=failed.scorecard,
        competencies=tuple(dict.fromkeys(criterion.competency for criterion in failed.failed_criteria)),
        failed_criteria=failed.failed_criteria,
        submitted_on=day,
        due_working_days=rule.due_working_days,
        due_on=add_working_days(day, rule.due_working_days, calendar),
        assigned_at=at,
        needs_approval=rule.needs_approval,
        status="proposed" if rule.needs_approval else "assigned",
    )


def follow(it: Assignment, audit: Audit, at: datetime, calendar: WorkingDays) -> tuple[Assignment, str]:
    """What the newest fact about the audit makes of the assignment, and what to call that; alike in any order.

    No longer owed: cancelled; if completed, kept and marked. In dispute: it waits, and its days count anew from the
    decision. Rescored: only what still fails is left of it.
    """
    remaining = tuple(audit.remaining) if audit.remaining is not None else None
    after = replace(
        it,
        audit_revision=audit.revision,
        owed=audit.owed,
        disputed=audit.owed and audit.stage == DISPUTED,
        remaining_criteria=remaining,
        competencies=tuple(
            dict.fromkeys(f.competency for f in it.failed_criteria if remaining is None or f.criterion in remaining)
        ),
    )
    if not it.completed_at:
        begin = max(it.submitted_on, audit.decided_on or it.submitted_on)
        due_on = add_working_days(begin, it.due_working_days, calendar)
        moved = due_on != it.due_on
        after = replace(
            after,
            due_on=due_on,
            overdue_at=None if moved else it.overdue_at,
            escalated_to=None if moved else it.escalated_to,
        )
    after = settled(after, at)
    return after, _called(it, after)


def _called(before: Assignment, after: Assignment) -> str:
    if before.no_longer_owed != after.no_longer_owed:
        return "no_longer_owed" if after.no_longer_owed else "owed_again"
    if before.status != after.status:
        if after.status in ("cancelled", "waiting"):
            return after.status
        return "reinstated" if before.status == "cancelled" else "resumed"
    return "shortened" if len(after.criteria) < len(before.criteria) else "audit_revised"


def acknowledge(it: Assignment, at: datetime) -> Assignment:
    """Seen by the employee; as it was if seen already. Raises `IllegalState` once there is nothing left to see."""
    if it.status in OPEN and not it.acknowledged_at:
        return settled(replace(it, acknowledged_at=at), at)
    if it.acknowledged_at and it.status not in ("cancelled", "waiting"):
        return it
    raise IllegalState("The assignment is {state}; only an assigned one can be acknowledged.", state=it.status)


def begin(it: Assignment, at: datetime) -> Assignment:
    """Worked on; as it was if so already, or done. Raises `IllegalState` where there is nothing to work on."""
    if it.status in OPEN:
        return it if it.started_at else settled(replace(it, started_at=at), at)
    if it.completed_at:
        return it
    raise IllegalState("The assignment is {state}; only an assigned or acknowledged one can begin.", state=it.status)


def complete(it: Assignment, by: str, note: str | None, at: datetime) -> Assignment:
    """Done; as it was if done already. Raises `IllegalState` for one that is not open."""
    if it.completed_at:
        return it
    if it.status not in OPEN:
        raise IllegalState(
            "The assignment is {state}; only an assigned or acknowledged one can be completed.", state=it.status
        )
    return settled(replace(it, completed_at=at, completed_by=by, note=note), at)


def decide(it: Assignment, approved: bool, by: str, at: datetime) -> Assignment:
    """Approve or refuse one that was proposed. Raises `IllegalState` for any other."""
    if it.status != "proposed":
        raise IllegalState("The assignment is {state}; only a proposed one is approved or refused.", state=it.status)
    if approved:
        return settled(replace(it, approved_at=at, approved_by=by), at)
    return settled(replace(it, refused_at=at, approved_by=by), at)


def differences(before: Assignment | None, after: Assignment) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """For the history: the fields that changed, as JSON, before and after; for a beginning all, as they are."""
    if before is None:
        return None, values_of(after)
    old, new = _as_json(before), _as_json(after)
    changed = [name for name in new if new[name] != old[name]]
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}


_FIELDS = [field.name for field in fields(Assignment)]
_values = attrgetter(*_FIELDS)


def values_of(it: Assignment) -> dict[str, Any]:
    """All its fields, by name."""
    return dict(zip(_FIELDS, _values(it), strict=True))


def _as_json(it: Assignment) -> dict[str, Any]:
    json: dict[str, Any] = to_jsonable_python(values_of(it))
    return json
