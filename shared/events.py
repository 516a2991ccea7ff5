"""What is an event, and how does it travel?

An event is a fact, a frozen pydantic model. A letter is an event in its envelope: a Kafka record, or a row of an
outbox. The envelope is CloudEvents 1.0 in the binary content mode, so the body is the event and nothing else.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, NamedTuple, Self
from uuid import NAMESPACE_URL, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import to_json

from shared import tracing
from shared.ids import day_of, new_id

REGISTRY: dict[str, type["Event"]] = {}
"""Every event type this release knows, by its name."""

# Identifiers from outside are kept as they came; PostgreSQL cannot store NUL, and control characters hide in logs.
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Seconds = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


def _storable(number: int) -> int:
    if not -(2**31) <= number < 2**31:
        raise ValueError("too large to be kept")
    return number


Storable = AfterValidator(_storable)
"""What an integer of PostgreSQL holds. A check, not a bound: the shape of a published schema does not change."""
Whole = Annotated[int, Storable]


Moment = Annotated[AwareDatetime, Field(ge=datetime(2, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))]
"""As an envelope's time: one that has a day in every zone."""


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

    def to_bytes(self) -> bytes:
        """The body of a letter: JSON."""
        return to_json(self)


class Unreadable(Exception):
    """A letter that no retry can make readable."""


UNDATED = date(1970, 1, 1)
"""The day of letters that tell us none that stays the same when their sender repeats them."""


class Letter(NamedTuple):
    """An event in its envelope.

    `headers` holds `ce_*` and `traceparent`; what is the same for all letters, the bus adds. `ce_correlationid` names
    the letter that a chain began with, and is missing there. `ce_time` is optional in CloudEvents: where it is missing,
    whoever took the letter in adds `ce_recordedtime`.
    """

    topic: str
    key: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def seal(cls, event: Event, *, source: str, at: datetime, because: "Letter | None" = None) -> Self:
        """Put an event into a new envelope; `because` is the letter whose handling brought it about."""
        headers = {
            "ce_id": str(new_id()),
            "ce_type": event.type,
            "ce_source": source,
            "ce_time": at.isoformat(),
            "traceparent": tracing.handed_on(because.headers.get("traceparent") if because else None),
        }
        if because:
            headers["ce_causationid"] = because.id
            headers["ce_correlationid"] = because.correlation_id
        return cls(event.kafka_topic, event.routing_key(), headers, event.to_bytes())

    @property
    def id(self) -> str:
        return self.headers["ce_id"]

    @property
    def type(self) -> str:
        return self.headers["ce_type"]

    @property
    def correlation_id(self) -> str:
        """The id of the letter that the chain began with; empty for one without any."""
        return self.headers.get("ce_correlationid") or self.headers.get("ce_id", "")

    @property
    def identity(self) -> str:
        """What makes this letter the same as another, as text of a UUID: its id, or source and id if that is none."""
        if _is_uuid(self.id):
            return self.id
        return str(uuid5(NAMESPACE_URL, f"{self.headers.get('ce_source', '')}\n{self.id}"))

    @property
    def time(self) -> datetime:
        """When the publisher says it happened, else when it came in."""
        return datetime.fromisoformat(self.headers.get("ce_time") or self.headers["ce_recordedtime"])

    @property
    def inbox_key(self) -> tuple[date, str]:
        """The day and the identity under which the inbox remembers this letter: the same at each delivery."""
        identity = self.identity
        day = day_of(identity)
        if day is None:
            day = self.time.astimezone(UTC).date() if self.headers.get("ce_time") else UNDATED
        return day, identity

    def check(self) -> None:
        """Raise `Unreadable` unless the envelope holds what CloudEvents asks for."""
        headers = self.headers
        for name in ("ce_id", "ce_type", "ce_source"):
            if not headers.get(name):
                raise Unreadable(f"the header {name} is missing")
        try:
            time = self.time
            usable = time.tzinfo is not None and 1 < time.year < 9999  # so that it has a day in UTC, too
        except (KeyError, ValueError):
            usable = False
        if not usable:
            raise Unreadable("the header ce_time is no time with offset")


_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
