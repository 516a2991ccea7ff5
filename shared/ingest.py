"""How do systems without Kafka hand in events? `POST /events`, CloudEvents over HTTP.

Binary, structured and batched mode (CloudEvents HTTP protocol binding 1.0). Events are checked against the contracts,
written to the outbox of the service that was asked, and travel from there like any other. A batch is taken whole or
not at all.
"""

import json
from functools import cache
from typing import Annotated, Any, Literal, Union
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

import shared.contracts  # noqa: F401  registers every event type
from shared import tracing
from shared.db import Tx
from shared.errors import BadRequest, FieldError, Invalid, TooLarge
from shared.events import REGISTRY, Code, Event, ExternalId, Letter
from shared.http import CurrentTx, TransactionalRoute
from shared.identity import Principal, allowed

MOST_EVENTS = 1000
BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"


class Envelope(BaseModel):
    """A CloudEvent in the structured mode, but for `type` and `data`."""

    model_config = ConfigDict(extra="ignore")

    specversion: Literal["1.0"]
    id: ExternalId
    source: Code
    time: AwareDatetime | None = None
    datacontenttype: Literal["application/json"] | None = None
    traceparent: str | None = None
    correlationid: Code | None = None


class Accepted(BaseModel):
    """How many events are now stored safely."""

    accepted: int


@cache
def _readers() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """Readers of one event and of a list, each checking envelope and data in one pass."""
    envelopes = tuple(
        create_model(f"{event.__name__}Envelope", __base__=Envelope, type=(Literal[name], ...), data=(event, ...))
        for name, event in REGISTRY.items()
    )
    one: Any = Annotated[Union[envelopes], Field(discriminator="type")]  # noqa: UP007  built from a tuple
    return TypeAdapter(one), TypeAdapter(list[one])


async def take_events(request: Request, tx: CurrentTx, _: Annotated[Principal, Depends(allowed("service"))]) -> Accepted:
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
                "Send CloudEvents: content type {batch} or {structured}, or ce-* headers.", batch=BATCH, structured=STRUCTURED
            )
    except ValidationError as error:
        raise _refusal(error, body, kind) from error
    if len(envelopes) > MOST_EVENTS:
        raise TooLarge("A batch holds at most {most} events; this one has {n}.", most=MOST_EVENTS, n=len(envelopes))
    tx.outgoing += [_letter(envelope, tx) for envelope in envelopes]
    return Accepted(accepted=len(envelopes))


def _letter(envelope: Any, tx: Tx) -> Letter:
    event: Event = envelope.data
    headers = {
        "ce_specversion": "1.0",
        "ce_id": envelope.id,
        "ce_type": envelope.type,
        "ce_source": envelope.source,
        "ce_time": (envelope.time or tx.now).isoformat(),
        "ce_correlationid": envelope.correlationid or envelope.id,
        "content-type": "application/json",
        "traceparent": tracing.accepted(envelope.traceparent) or tracing.current.get() or tracing.child_of(),
    }
    return Letter(event.kafka_topic, event.routing_key(), headers, event.model_dump_json().encode())


def _from_headers(request: Request, body: bytes) -> dict[str, Any]:
    envelope: dict[str, Any] = {
        name[3:]: unquote(value) for name, value in request.headers.items() if name.startswith("ce-")
    }
    envelope["traceparent"] = request.headers.get("traceparent")
    if isinstance(at := envelope.get("time"), str):
        envelope["time"] = TypeAdapter(AwareDatetime).validate_python(at)
    kind = REGISTRY.get(envelope.get("type", ""))
    if kind is not None:
        try:
            envelope["data"] = kind.model_validate_json(body)
        except ValidationError as error:
            raise _refusal(error, body, "binary", envelope.get("id")) from error
    return envelope


def _refusal(error: ValidationError, body: bytes, kind: str, id: str | None = None) -> Invalid | BadRequest:
    """Which event, by index and id, and which field. The values themselves are not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(e["type"] == "json_invalid" for e in found):
        return BadRequest("The body is not valid JSON.")
    given = _parsed(body) if kind in (BATCH, STRUCTURED) else None
    listed = kind == BATCH
    wrong: list[FieldError] = []
    first: tuple[int, str] | None = None
    for e in found[:20]:
        loc = list(e["loc"])
        index = loc.pop(0) if listed and loc and isinstance(loc[0], int) else 0
        event = given[index] if listed and isinstance(given, list) and index < len(given) else given
        event_id = str(event.get("id")) if isinstance(event, dict) else (id or "?")
        if loc and loc[0] in REGISTRY:
            loc.pop(0)
        if e["type"].startswith("union_tag"):
            loc.append("type")
        if kind == "binary":
            loc.insert(0, "data")
        path = ".".join(map(str, loc)) or "body"
        wrong.append({"field": f"events[{index}].{path}", "message": e["msg"], "index": index, "id": event_id})
        first = first or (index, event_id)
    index, event_id = first or (0, "?")
    return Invalid(
        "Event {index} (id {id}) is not valid, so none was taken; see errors.", errors=wrong, index=index, id=event_id
    )


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

