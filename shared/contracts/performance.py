"""Events published by the performance service."""

from typing import ClassVar
from uuid import UUID

from shared.events import Code, Event
from shared.numbers import Score


class AppraisalUpdated(Event):
    """The scores of an open appraisal changed."""

    type: ClassVar[str] = "performance.appraisal.updated.v1"
    kafka_topic: ClassVar[str] = "performance.appraisals"
    key: ClassVar[str] = "employee_id"

    appraisal_id: UUID
    employee_id: UUID
    cycle: Code
    dimensions: dict[Code, Score | None]
    """Score of each dimension; null where nothing is known yet, which is not 0."""
    total: Score | None
    grade: Code | None
    cause: Code
    """Id of the event that changed it."""


class ProbationEvaluated(Event):
    """The probation of an employee was appraised. What follows from it, recruiting decides (step 18)."""

    type: ClassVar[str] = "performance.probation.evaluated.v1"
    kafka_topic: ClassVar[str] = "performance.appraisals"
    key: ClassVar[str] = "employee_id"

    appraisal_id: UUID
    employee_id: UUID
    cycle: Code
    dimensions: dict[Code, Score | None]
    total: Score | None
    grade: Code | None
    cause: Code
    """Id of the event that led to it."""
