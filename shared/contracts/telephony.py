"""What the telephony system reports."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from shared.events import Code, Event, ExternalId, Moment, Seconds, Uri


class CallEnded(Event):
    """A call is over, answered by somebody or by nobody. A later copy of the same call may know more.

    Durations are seconds; null where telephony does not know, which is not the same as 0.
    """

    type: ClassVar[str] = "telephony.call.ended.v1"
    kafka_topic: ClassVar[str] = "telephony.calls"
    key: ClassVar[str] = "agent_id"

    call_id: ExternalId
    agent_id: ExternalId | None
    customer_ref: ExternalId | None = None
    direction: Literal["inbound", "outbound", "internal"] = "inbound"
    queue: Code | None = None
    topic: Code | None = None
    started_at: Moment
    answered_at: Moment | None
    ended_at: Moment
    wait_seconds: Seconds | None = None
    talk_seconds: Seconds | None = None
    hold_seconds: Seconds | None = None
    wrap_up_seconds: Seconds | None = None
    recording_uri: Uri | None = None
    listened_in: bool = False
    """This agent only listened, as supervisors do: the call was the work of another, and is told of that one, too."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.started_at <= (self.answered_at or self.started_at) <= self.ended_at:
            late = self.ended_at < self.started_at
            raise ValueError("ended_at lies before started_at" if late else "answered_at lies outside the call")
        return self

    def routing_key(self) -> str:
        """The agent; a call nobody took goes by its own id."""
        return self.agent_id or self.call_id
