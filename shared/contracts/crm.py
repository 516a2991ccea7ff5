"""What the customer relationship management system reports."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from shared.events import Code, Event, ExternalId, Moment


class CaseResolved(Event):
    """A case was closed, resolved or not, at the first contact or not."""

    type: ClassVar[str] = "crm.case.resolved.v1"
    kafka_topic: ClassVar[str] = "crm.cases"
    key: ClassVar[str] = "agent_id"

    case_id: ExternalId
    call_id: ExternalId | None
    agent_id: ExternalId
    category: Code | None = None
    opened_at: Moment
    closed_at: Moment
    resolved: bool
    first_contact: bool | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closed_at < self.opened_at:
            raise ValueError("closed_at lies before opened_at")
        return self


class SatisfactionRated(Event):
    """A customer rated a call, from 1 (worst) to 5."""

    type: ClassVar[str] = "crm.satisfaction.rated.v1"
    kafka_topic: ClassVar[str] = "crm.cases"
    key: ClassVar[str] = "agent_id"

    call_id: ExternalId
    agent_id: ExternalId
    rating: Annotated[int, Field(ge=1, le=5)]
    rated_at: Moment
