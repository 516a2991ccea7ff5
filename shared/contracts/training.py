"""Events published by the training service."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from shared.events import Code, Event
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
    """The coaching took place."""

    type: ClassVar[str] = "training.coaching.completed.v1"


class CoachingCancelled(CoachingEvent):
    """The coaching is no longer owed."""

    type: ClassVar[str] = "training.coaching.cancelled.v1"


class CoachingOverdue(CoachingEvent):
    """The due date has passed and the coaching is not completed."""

    type: ClassVar[str] = "training.coaching.overdue.v1"


class ExaminationResult(Event):
    """The common part of both results of an examination."""

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
