"""Which events are there, for machines and for people?

`python -m tools.asyncapi [--check]` writes the contracts down as AsyncAPI 3.0 (`docs/asyncapi.json`) and as a page to
read (`docs/events.md`).
"""

import json
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

from services.all import SERVICES, flows
from shared.events import Event
from tools.schemas import published, schema_of

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
DOCS = PROJECT.parent / "docs"
OUTSIDE = {"telephony": "the telephony system", "crm": "the CRM system"}

HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0 in the binary content mode of its Kafka protocol binding, and W3C Trace Context.",
    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source"],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "description": "The identity of the event; a UUID, version 7, from Headset."},
        "ce_type": {"type": "string", "description": "The type of the event, such as qa.audit.failed.v1."},
        "ce_source": {"type": "string", "description": "Who published it."},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it happened."},
        "ce_causationid": {"type": "string", "description": "The event whose handling brought this one about."},
        "ce_correlationid": {"type": "string", "description": "The event that the whole chain began with."},
        "traceparent": {"type": "string", "description": "W3C Trace Context, level 1."},
        "content-type": {"type": "string", "const": "application/json"},
    },
}


def document() -> dict[str, Any]:
    """The contracts as an AsyncAPI document: a channel for each topic, a message for each event type."""
    events = published()
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    topics: dict[str, list[str]] = defaultdict(list)
    for name, event in sorted(events.items()):
        topics[event.kafka_topic].append(name)
        messages[name] = {
            "name": name,
            "title": event.__name__,
            "summary": _first_line(event),
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/Headers"},
            "payload": {"$ref": f"#/components/schemas/{name}"},
            "bindings": {"kafka": {"key": {"type": "string", "description": f"The `{event.key}` of the event."}}},
        }
        schema = {key: value for key, value in schema_of(event).items() if not key.startswith(("$schema", "$id", "x-"))}
        for part, its in schema.pop("$defs", {}).items():
            schemas[f"{name}.{part}"] = _relinked(its, name)
        schemas[name] = _relinked(schema, name)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Headset events",
            "version": tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"],
            "description": "The facts that the services of Headset, and the systems beside it, tell each other.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            topic: {
                "address": topic,
                "description": f"Published by {_publisher(names[0])}.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            }
            for topic, names in sorted(topics.items())
        },
        "operations": _operations(topics),
        "components": {"messages": messages, "schemas": {"Headers": HEADERS, **dict(sorted(schemas.items()))}},
    }


def _operations(topics: dict[str, list[str]]) -> dict[str, Any]:
    """What each service sends and receives."""

    def operation(action: str, topic: str, names: list[str], summary: str) -> dict[str, Any]:
        place = topic.replace("~", "~0").replace("/", "~1")
        return {
            "action": action,
            "channel": {"$ref": f"#/channels/{place}"},
            "summary": summary,
            "messages": [{"$ref": f"#/channels/{place}/messages/{name}"} for name in names],
        }

    found: dict[str, Any] = {}
    for topic, names in sorted(topics.items()):
        publisher = names[0].partition(".")[0]
        if publisher not in OUTSIDE:
            found[f"{publisher}.sends.{topic}"] = operation("send", topic, names, f"{publisher} publishes.")
    for service in SERVICES:
        taken: dict[str, list[str]] = defaultdict(list)
        for event in service.policies:
            taken[event.kafka_topic].append(event.type)
        for topic, names in sorted(taken.items()):
            found[f"{service.name}.receives.{topic}"] = operation(
                "receive", topic, sorted(names), f"{service.name} reacts."
            )
    return found


def _relinked(schema: Any, name: str) -> Any:
    """The schema with its own parts named where they are in the whole document."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", f"#/components/schemas/{name}.") if key == "$ref" else _relinked(value, name)
            for key, value in schema.items()
        }
    return [_relinked(value, name) for value in schema] if isinstance(schema, list) else schema


def page() -> str:
    """The catalogue of events as a page."""
    reactions: dict[str, list[str]] = defaultdict(list)
    for flow in flows():
        name, _, rest = flow.partition(" -> ")
        reactions[name].append(rest.replace(": ", " `") + "`")
    events = published()
    topics: dict[str, list[str]] = defaultdict(list)
    for name, event in sorted(events.items()):
        topics[event.kafka_topic].append(name)
    parts = [_HEAD]
    for topic, names in sorted(topics.items()):
        parts.append(f"\n## `{topic}`\n\nPublished by {_publisher(names[0])}.\n")
        for name in names:
            event = events[name]
            led = ", ".join(reactions[name]) or "nobody here; it is for other systems"
            parts.append(
                f"\n### `{name}`\n\n{_words(event)}\n\nKey: `{event.key}`. Taken by: {led}.\n\n{_fields(event)}"
            )
    return "".join(parts)


_HEAD = """# Events

Generated from `shared/contracts` by `make generate`. The same for machines: [asyncapi.json](asyncapi.json), and one
JSON Schema for each type in `shared/contracts/schemas`. Events travel as CloudEvents 1.0: the envelope in the headers
of the Kafka record (`ce_id`, `ce_type`, `ce_source`, `ce_time`, `traceparent`, …), the event alone as its body. A type
only ever gains optional fields; anything else is a new type that ends in the next version. Times have an offset; scores
are 0 to 100.
"""


def _fields(event: type[Event]) -> str:
    schema = schema_of(event)
    rows = ["| field | type | always there |", "| --- | --- | --- |"]
    for field, its in schema["properties"].items():
        rows.append(f"| `{field}` | {_type(its)} | {'yes' if field in schema['required'] else 'no'} |")
    return "\n".join(rows) + "\n"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        kinds = list(dict.fromkeys(_type(one) for one in field["anyOf"]))
        return " or ".join(kind for kind in kinds if kind != "integer" or "number" not in kinds)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}" if "items" in field else "list"
    return str(field.get("format") or field.get("type") or "any")


def _publisher(name: str) -> str:
    prefix = name.partition(".")[0]
    return OUTSIDE.get(prefix, prefix)


def _words(event: type[Event]) -> str:
    return " ".join((event.__doc__ or "").split())


def _first_line(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().partition("\n")[0]


def files() -> dict[Path, str]:
    return {
        DOCS / "asyncapi.json": json.dumps(document(), indent=1, ensure_ascii=False) + "\n",
        DOCS / "events.md": page(),
    }


def main() -> int:
    wrong = 0
    for file, text in files().items():
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            print(f"docs/{file.name} is not up to date; run 'make generate'.")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
