"""Events published by the recruiting service. It owns the employees; the others keep a projection of them."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.events import Code, Event, ExternalId


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


class EmployeeChanged(EmployeeStarted):
    """From `date` on, login, department, role, team, lead or mentor are these."""

    type: ClassVar[str] = "recruiting.employee.changed.v1"


class EmployeeLeft(Event):
    """`date` is the first day on which the employee is no longer there."""

    type: ClassVar[str] = "recruiting.employee.left.v1"
    kafka_topic: ClassVar[str] = "recruiting.employees"
    key: ClassVar[str] = "employee_id"

    employee_id: UUID
    date: date
