"""Events published by the performance service."""

from typing import ClassVar
from uuid import UUID

from shared.events import Code, Event, Whole
from shared.numbers import Number, Score


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


class AppraisalFinalised(Event):
    """An appraisal is closed, or was revised after it was closed: a higher `revision` stands above a lower one."""

    type: ClassVar[str] = "performance.appraisal.finalised.v1"
    kafka_topic: ClassVar[str] = "performance.appraisals"
    key: ClassVar[str] = "employee_id"

    appraisal_id: UUID
    employee_id: UUID
    cycle: Code
    revision: Whole
    dimensions: dict[Code, Score | None]
    total: Score | None
    low: Score | None
    high: Score | None
    """Ends of the 95 % interval of the total; null where it is not known."""
    grade: Code | None
    bonus: Number | None
    """Coefficient of the bonus."""
    commended: bool
    promotion: Code | None
    """The role for which the employee may be proposed."""
    competencies: tuple[Code, ...]
    """What a low appraisal asks training for; empty for others."""
    ledger: Code
    """Hash of the last line of the ledger, in hexadecimal: who keeps it can tell whether the ledger was changed."""
    cause: Code


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
