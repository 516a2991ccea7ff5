"""How do systems without Kafka hand in events? `POST /events`, CloudEvents over HTTP.

Binary, structured and batched mode (CloudEvents HTTP protocol binding 1.0). Events are checked against the contracts,
written to the outbox of the service that was asked, and travel from there like any other. A batch is taken whole or
not at all.
"""

import json
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Union
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import from_json
from typing_extensions import TypedDict

import shared.contracts  # noqa: F401  registers every event type
from shared import tracing
from shared.errors import BadRequest, FieldError, Invalid, TooLarge
from shared.events import REGISTRY, Code, Event, ExternalId, Letter
from shared.fields import Said
from shared.http import CurrentTx, TransactionalRoute

MOST_EVENTS = 1000
BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"


def _in_range(time: str) -> str:
    if not 1 < datetime.fromisoformat(time).year < 9999:
        raise ValueError("too far away")
    return time


# Kept as text: writing it again would cost as much as reading all the rest of the envelope.
_Time = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$", to_upper=True),
    AfterValidator(_in_range),
]
_Json = Annotated[str, StringConstraints(pattern=r"^(?i:application/json)\s*(;|$)")]

_ENVELOPE: dict[str, Any] = {
    "specversion": Literal["1.0"],
    "id": ExternalId,
    "source": Code,
    "time": NotRequired[_Time | None],
    "datacontenttype": NotRequired[_Json | None],
    "traceparent": NotRequired[str | None],
    "correlationid": NotRequired[Code | None],
}
"""A CloudEvent in the structured mode, but for `type` and `data`."""


class Accepted(BaseModel):
    """How many events are now stored safely."""

    accepted: int


@cache
def _readers() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """Readers of one event and of a list, each checking envelope and data in one pass.

    Typed dictionaries, not models: with a thousand events at once the difference is a tenth of the whole request.
    """
    envelopes = tuple(
        TypedDict(f"{event.__name__}Envelope", {**_ENVELOPE, "type": Literal[name], "data": event})  # type: ignore[operator]
        for name, event in REGISTRY.items()
    )
    one: Any = Annotated[Union[envelopes], Field(discriminator="type")]  # noqa: UP007  built from a tuple
    return TypeAdapter(one), TypeAdapter(list[one])


async def take_events(request: Request, tx: CurrentTx) -> Accepted:
    """Store CloudEvents safely; they travel on like any other event.

    Binary mode: `ce-*` headers, the data as body. Structured: `application/cloudevents+json`. Batched:
    `application/cloudevents-batch+json`, 1,000 events and 1 MiB at the most, taken whole or not at all.
    """
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    one, many = _readers()
    try:
        if kind == BATCH:
            envelopes = many.validate_json(body)
        elif kind == STRUCTURED:
            envelopes = [one.validate_json(body)]
        elif "ce-type" in request.headers:
            envelopes = [one.validate_python(_from_headers(request, body))]
        else:
            raise BadRequest(
                "Send CloudEvents: content type {batch} or {structured}, or ce-* headers.",
                batch=BATCH, structured=STRUCTURED,
            )  # fmt: skip
    except ValidationError as error:
        raise _refusal(error, body, kind, request) from error
    if len(envelopes) > MOST_EVENTS:
        raise TooLarge("A batch holds at most {most} events; this one has {n}.", most=MOST_EVENTS, n=len(envelopes))
    now, trace = tx.now.isoformat(), tracing.current.get() or tracing.child_of()
    tx.outgoing += [_letter(envelope, now, trace) for envelope in envelopes]
    return Accepted(accepted=len(envelopes))


def _letter(envelope: dict[str, Any], now: str, trace: str) -> Letter:
    event: Event = envelope["data"]
    given = envelope.get
    headers = {
        "ce_id": envelope["id"],
        "ce_type": envelope["type"],
        "ce_source": envelope["source"],
        "traceparent": tracing.accepted(given("traceparent")) or trace,
    }
    if time := given("time"):
        headers["ce_time"] = time
    else:
        headers["ce_recordedtime"] = now
    if chain := given("correlationid"):
        headers["ce_correlationid"] = chain
    return Letter(event.kafka_topic, event.routing_key(), headers, event.to_bytes())


def _from_headers(request: Request, body: bytes) -> dict[str, Any]:
    """An event in binary mode as it would be in structured mode."""
    given = request.headers
    envelope: dict[str, Any] = {name[3:]: unquote(text) for name, text in given.items() if name.startswith("ce-")}
    envelope |= {"datacontenttype": given.get("content-type"), "traceparent": given.get("traceparent")}
    try:
        return envelope | {"data": from_json(body)}
    except ValueError as error:
        raise BadRequest("The body is not valid JSON.") from error


def _refusal(error: ValidationError, body: bytes, kind: str, request: Request) -> Invalid | BadRequest:
    """Which event, by index and id, and which field. The values themselves are not repeated."""
    found = error.errors(include_url=False, include_input=False)
    if any(e["type"] == "json_invalid" for e in found):
        return BadRequest("The body is not valid JSON.")
    if any(e["type"] == "list_type" and not e["loc"] for e in found):
        return BadRequest("A batch is a JSON array of events.")
    given = _parsed(body) if kind in (BATCH, STRUCTURED) else {"id": unquote(request.headers.get("ce-id", "?"))}
    wrong: list[FieldError] = []
    for e in found[:20]:
        loc = list(e["loc"])
        index = int(loc.pop(0)) if kind == BATCH else 0
        event = given[index] if kind == BATCH else given
        event_id = str(event.get("id", "?"))[:128] if isinstance(event, dict) else "?"
        if loc and loc[0] in REGISTRY:
            loc.pop(0)
        message: str = Said.of(e)
        if e["type"].startswith("union_tag"):
            loc, message = ["type"], "No event of this type is known."
        path = ".".join(["", *map(str, loc)])
        wrong.append({"field": f"events[{index}]{path}", "message": message, "index": index, "id": event_id})
    return Invalid(
        "Event {index} (id {id}) is not valid, so none was taken; see errors.",
        errors=wrong, index=wrong[0]["index"], id=wrong[0]["id"],
    )  # fmt: skip


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def ingest_router(service: str) -> APIRouter:
    """`POST /events`, storing into the outbox of this service."""
    route_class: type[APIRoute] = type("IngestRoute", (TransactionalRoute,), {"service": service})
    router = APIRouter(tags=["events"], route_class=route_class)
    router.add_api_route("/events", take_events, methods=["POST"], status_code=202, response_model=Accepted)
    return router
