"""Events published by the QA service: what audits of recordings found."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events import Code, Event, ExternalId, Moment, Storable
from shared.numbers import Score

ErrorClass = Literal["customer_critical", "business_critical", "compliance_critical", "none"]


class FailedCriterion(BaseModel):
    """A criterion that was not met, and where in the recording."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    criterion: Code
    competency: Code
    error_class: ErrorClass
    score: Score
    at_seconds: Annotated[float, Field(ge=0)] | None = None


class AuditSubmitted(Event):
    """The common part of a passed and a failed audit."""

    kafka_topic: ClassVar[str] = "qa.audits"
    key: ClassVar[str] = "employee_id"

    audit_id: UUID
    revision: Annotated[int, Field(ge=1), Storable]
    recording_id: UUID
    call_id: ExternalId
    employee_id: UUID
    auditor_id: ExternalId
    scorecard: Code
    score: Score
    possible_points: Score | None = None
    """Points that could be earned: the weight of what was applicable. Null where it is not told."""
    passing_score: Score
    critical_errors: tuple[Code, ...]
    failed_criteria: tuple[FailedCriterion, ...]
    submitted_at: Moment


class AuditPassed(AuditSubmitted):
    """A recording reached the passing score without a critical error."""

    type: ClassVar[str] = "qa.audit.passed.v1"


class AuditFailed(AuditSubmitted):
    """A recording stayed below the passing score, or a critical error was made."""

    type: ClassVar[str] = "qa.audit.failed.v1"


class AuditRevised(Event):
    """The common part of the two ways in which a submitted audit changes later.

    A higher `revision` stands above a lower one, in whatever order they arrive.
    """

    kafka_topic: ClassVar[str] = "qa.audits"
    key: ClassVar[str] = "employee_id"

    audit_id: UUID
    revision: Annotated[int, Field(ge=2), Storable]
    employee_id: UUID
    score: Score | None
    """Null where no score stands any more."""
    possible_points: Score | None = None
    passed: bool | None
    reason: Code
    """A code, never the words that people wrote."""


class AuditOverturned(AuditRevised):
    """A fail that no longer stands: all that it led to is taken back."""

    type: ClassVar[str] = "qa.audit.overturned.v1"


class AuditRescored(AuditRevised):
    """The score changed; whether it is a pass is in `passed`."""

    type: ClassVar[str] = "qa.audit.rescored.v1"

    failed_criteria: tuple[FailedCriterion, ...] | None = None
    """What still fails; null where it is not told."""


class FailuresListed(Event):
    """Audits that were failed more than an hour ago and still stand: whoever acts on fails looks whether it did."""

    type: ClassVar[str] = "qa.failures.listed.v1"
    kafka_topic: ClassVar[str] = "qa.audits"
    key: ClassVar[str] = "until"

    until: Moment
    """No verdict in this list is younger."""
    audit_ids: Annotated[tuple[UUID, ...], Field(max_length=1000)]


class AuditDisputed(Event):
    """The employee objects to a fail; or, with `open` false, the objection was decided and the fail stands."""

    type: ClassVar[str] = "qa.audit.disputed.v1"
    kafka_topic: ClassVar[str] = "qa.audits"
    key: ClassVar[str] = "employee_id"

    audit_id: UUID
    revision: Annotated[int, Field(ge=1), Storable]
    employee_id: UUID
    open: bool
