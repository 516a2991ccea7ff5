"""What is an event, and how does it travel?

An event is a fact, a frozen pydantic model. A letter is an event in its envelope: a Kafka record, or a row of an
outbox. The envelope is CloudEvents 1.0 in the binary content mode, so the body is the event and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, ClassVar, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared import tracing
from shared.ids import day_of, new_id

REGISTRY: dict[str, type["Event"]] = {}
"""Every event type this release knows, by its name."""

# Identifiers from outside are kept as they came; PostgreSQL cannot store NUL, and control characters hide in logs.
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Seconds = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Moment = AwareDatetime


class Event(BaseModel):
    """A fact, named in the past tense, that other services may rely on.

    A published event only ever gains optional fields. Anything else is a new class whose `type` ends in the next
    version.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    kafka_topic: ClassVar[str]
    """Not `topic`: a call has a topic of its own."""
    key: ClassVar[str]
    """The field that says whom the event is about: letters with one key keep their order."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        if "type" in cls.__dict__ and REGISTRY.setdefault(cls.type, cls) is not cls:
            raise TypeError(f"two events are called {cls.type}")

    def routing_key(self) -> str:
        return str(getattr(self, self.key))


class Unreadable(Exception):
    """A letter that no retry can make readable."""


@dataclass(frozen=True)
class Letter:
    """An event in its envelope. `headers` holds `ce_*`, `traceparent` and the content type."""

    topic: str
    key: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def seal(cls, event: Event, *, source: str, at: datetime, because: "Letter | None" = None) -> Self:
        """Put an event into a new envelope; `because` is the letter whose handling brought it about."""
        id = str(new_id())
        headers = {
            "ce_specversion": "1.0",
            "ce_id": id,
            "ce_type": event.type,
            "ce_source": source,
            "ce_time": at.isoformat(),
            "ce_correlationid": because.headers.get("ce_correlationid", because.id) if because else id,
            "content-type": "application/json",
            "traceparent": tracing.child_of(because.headers.get("traceparent") if because else None),
        }
        if because:
            headers["ce_causationid"] = because.id
        return cls(event.kafka_topic, event.routing_key(), headers, event.model_dump_json().encode())

    @property
    def id(self) -> str:
        return self.headers["ce_id"]

    @property
    def type(self) -> str:
        return self.headers["ce_type"]

    @cached_property
    def identity(self) -> UUID:
        """What makes this letter the same letter as another: its id, or source and id where that is no UUID."""
        try:
            return UUID(self.id)
        except ValueError:
            return uuid5(NAMESPACE_URL, f"{self.headers.get('ce_source', '')}\n{self.id}")

    @cached_property
    def time(self) -> datetime:
        """When the publisher says it happened."""
        return datetime.fromisoformat(self.headers["ce_time"])

    @cached_property
    def day(self) -> date:
        """The day under which the inbox remembers this letter; the same at each delivery."""
        return day_of(self.identity) or self.time.astimezone(UTC).date()

    def check(self) -> None:
        """Raise `Unreadable` unless the envelope holds what CloudEvents asks for."""
        for name in ("ce_id", "ce_type", "ce_source", "ce_time"):
            if not self.headers.get(name):
                raise Unreadable(f"the header {name} is missing")
        try:
            aware = self.time.tzinfo is not None
            _ = self.day
        except (ValueError, OverflowError):
            aware = False
        if not aware:
            raise Unreadable("the header ce_time is no time with offset")
