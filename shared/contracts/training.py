"""Events published by the training service."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from shared.events import Code, Event, Moment
from shared.numbers import Score


class CoachingEvent(Event):
    """The common part of all that happens to a coaching assignment."""

    kafka_topic: ClassVar[str] = "training.coaching"
    key: ClassVar[str] = "employee_id"

    assignment_id: UUID
    audit_id: UUID
    employee_id: UUID
    coach_id: UUID | None
    """Null while nobody is known who could coach."""
    competencies: tuple[Code, ...]
    due_on: date


class CoachingAssigned(CoachingEvent):
    """An employee is to be coached because of a failed audit."""

    type: ClassVar[str] = "training.coaching.assigned.v1"


class CoachingAcknowledged(CoachingEvent):
    """The employee has seen the assignment."""

    type: ClassVar[str] = "training.coaching.acknowledged.v1"


class CoachingCompleted(CoachingEvent):
    """The coaching took place. Whoever audits is asked to look at the same criteria again."""

    type: ClassVar[str] = "training.coaching.completed.v1"

    scorecard: Code | None = None
    criteria: tuple[Code, ...] = ()


class CoachingCancelled(CoachingEvent):
    """The coaching is no longer owed."""

    type: ClassVar[str] = "training.coaching.cancelled.v1"


class CoachingOverdue(CoachingEvent):
    """The due date has passed and the coaching is not completed."""

    type: ClassVar[str] = "training.coaching.overdue.v1"

    escalated_to: UUID | None = None
    """The team lead who is told."""


class ExaminationResult(Event):
    """The common part of what training came to. `course` is the code of a course, or of a programme as a whole."""

    kafka_topic: ClassVar[str] = "training.results"
    key: ClassVar[str] = "employee_id"

    employee_id: UUID
    course: Code
    purpose: Literal["pre_job", "culture", "coaching", "plan"]
    score: Score | None
    application_id: UUID | None
    """The application that made them an employee; null for those who were here before."""


class ExaminationPassed(ExaminationResult):
    """The employee reached the passing score."""

    type: ClassVar[str] = "training.examination.passed.v1"


class ExaminationFailed(ExaminationResult):
    """The employee did not."""

    type: ClassVar[str] = "training.examination.failed.v1"


class AttendanceNoted(Event):
    """Whether an employee with a seat was at a meeting of a session; noted again, the later one corrects it."""

    type: ClassVar[str] = "training.attendance.noted.v1"
    kafka_topic: ClassVar[str] = "training.results"
    key: ClassVar[str] = "employee_id"

    employee_id: UUID
    course: Code
    enrolment_id: UUID
    meeting_id: UUID
    starts_at: Moment
    ends_at: Moment
    present: bool


class CertificationGranted(ExaminationResult):
    """The employee is certified up to and including `valid_until`; for ever if that is null."""

    type: ClassVar[str] = "training.certification.granted.v1"

    certification_id: UUID
    valid_until: date | None = None


class CertificationExpired(ExaminationResult):
    """The employee is no longer certified, and no newer certification stands in its place."""

    type: ClassVar[str] = "training.certification.expired.v1"

    certification_id: UUID
    valid_until: date | None = None
