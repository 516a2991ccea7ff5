"""Events published by the recruiting service. It owns the employees; the others keep a projection of them."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.events import Code, Event, ExternalId, Whole


class EmployeeStarted(Event):
    """Somebody works here from `date` on: hired (step 14), or already there when Headset came."""

    type: ClassVar[str] = "recruiting.employee.started.v1"
    kafka_topic: ClassVar[str] = "recruiting.employees"
    key: ClassVar[str] = "employee_id"

    employee_id: UUID
    agent_id: ExternalId | None
    """The login that telephony knows; it may change over time."""
    department: Code | None
    role: Code
    team: Code | None
    team_lead_id: UUID | None
    mentor_id: UUID | None
    date: date
    application_id: UUID | None = None
    """The application that led here (step 14); null for those who were here before."""
    source_channel: Code | None = None
    """Key of the channel by which that application came; null where nobody was hired by this."""


class EmployeeChanged(EmployeeStarted):
    """From `date` on, login, department, role, team, lead or mentor are these."""

    type: ClassVar[str] = "recruiting.employee.changed.v1"


class EmployeeConfirmed(EmployeeStarted):
    """From `date` on, the employee is formally employed (step 18)."""

    type: ClassVar[str] = "recruiting.employee.confirmed.v1"


class EmployeeGraded(EmployeeStarted):
    """From `date` on, the employee has this grade (step 20)."""

    type: ClassVar[str] = "recruiting.employee.graded.v1"

    grade: Code


class EmployeeLeft(Event):
    """`date` is the first day on which the employee is no longer there."""

    type: ClassVar[str] = "recruiting.employee.left.v1"
    kafka_topic: ClassVar[str] = "recruiting.employees"
    key: ClassVar[str] = "employee_id"

    employee_id: UUID
    date: date


class StepTaken(Event):
    """The common part of all that happens to requisitions and applications.

    `step` is null where it concerns the whole: `outcome` is then `filled`, `withdrawn` and the like. `actor` is the sub
    of who decided, or the service that did. `reason` is a code.
    """

    kafka_topic: ClassVar[str] = "recruiting.applications"
    key: ClassVar[str] = "application_id"

    application_id: UUID
    requisition_id: UUID
    step: Whole | None
    outcome: Code
    reason: Code | None = None
    actor: Code


class ApplicationAdvanced(StepTaken):
    """A step came to an outcome, and the candidate is still in."""

    type: ClassVar[str] = "recruiting.application.advanced.v1"


class ApplicationRejected(StepTaken):
    """We decided against the candidate; after step 14 that ends the employment."""

    type: ClassVar[str] = "recruiting.application.rejected.v1"


class ApplicationWithdrawn(StepTaken):
    """The candidate decided against us: withdrew, declined the offer or let it expire, or left."""

    type: ClassVar[str] = "recruiting.application.withdrawn.v1"


class RequisitionAdvanced(Event):
    """A step of a requisition came to an outcome. `application_id` is always null."""

    type: ClassVar[str] = "recruiting.requisition.advanced.v1"
    kafka_topic: ClassVar[str] = "recruiting.applications"
    key: ClassVar[str] = "requisition_id"

    application_id: UUID | None = None
    requisition_id: UUID
    step: Whole | None
    outcome: Code
    reason: Code | None = None
    actor: Code


class StepOverdue(Event):
    """A step is open beyond the last day allowed for it; said once. `record_id` is the application, or where that is
    null the requisition."""

    type: ClassVar[str] = "recruiting.step.overdue.v1"
    kafka_topic: ClassVar[str] = "recruiting.applications"
    key: ClassVar[str] = "record_id"

    record_id: UUID
    requisition_id: UUID
    application_id: UUID | None
    step: Whole
    owner: Code
    due_on: date


class ProbationEnding(Event):
    """The last day of a probation is so many days away, or nearer, and nothing is decided yet; `days` is 30, 14 or 0,
    said once each."""

    type: ClassVar[str] = "recruiting.probation.ending.v1"
    kafka_topic: ClassVar[str] = "recruiting.employees"
    key: ClassVar[str] = "employee_id"

    application_id: UUID
    employee_id: UUID
    ends_on: date
    days: Whole
