"""Events published by the performance service."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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


class WeightingPublished(Event):
    """Experts judged what things are worth: a version of a weighting, by which scorecards and profiles can weigh."""

    type: ClassVar[str] = "performance.weighting.published.v1"
    kafka_topic: ClassVar[str] = "performance.weightings"
    key: ClassVar[str] = "code"

    weighting_id: UUID
    code: Code
    version: Whole
    first: dict[Code, Score]
    """In percent, what each thing on the first level is worth; adding up to 100."""
    second: dict[Code, Score]
    """The same of what lies below, or of a thing of the first level below which nothing lies."""


class WeighedBy(BaseModel):
    """Names the version of a weighting from which somebody takes weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    version: Annotated[Whole, Field(ge=1)]
