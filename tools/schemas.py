"""What does each event look like, for those who read it in another language?

`python -m tools.schemas [--check]` keeps one JSON Schema (draft 2020-12) for each event type in
`shared/contracts/schemas/`. A schema that is there may only gain optional fields: `--check`, and a test, name
whatever would break a reader or a writer of the older one.
"""

import json
import sys
from pathlib import Path
from typing import Any

import shared.contracts
from shared.events import REGISTRY, Event

SCHEMAS = Path(shared.contracts.__file__).parent / "schemas"


def published() -> dict[str, type[Event]]:
    """The event types that the contracts hold; tests may register others."""
    return {name: event for name, event in REGISTRY.items() if event.__module__.startswith("shared.contracts.")}


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of the body, with where it travels."""
    schema = event.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": event.type,
        "x-topic": event.kafka_topic,
        "x-key": event.key,
        **schema,
        "required": sorted(event.model_json_schema(mode="validation").get("required", [])),
    }


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Why somebody who knows only `old` could not work with `new`; nothing where it merely gained optional fields."""
    reasons = [f"{part} changed" for part in ("x-topic", "x-key", "required") if old[part] != new[part]]
    for name, field in old["properties"].items():
        if name not in new["properties"]:
            reasons.append(f"{name} is gone")
        elif _shape(field) != _shape(new["properties"][name]):
            reasons.append(f"{name} means something else")
    for name, part in old.get("$defs", {}).items():
        if _shape(part) != _shape(new.get("$defs", {}).get(name)):
            reasons.append(f"{name} changed")
    return reasons


def _shape(field: Any) -> Any:
    """A field without the words about it."""
    if isinstance(field, dict):
        return {key: _shape(value) for key, value in field.items() if key not in ("title", "description")}
    return [_shape(value) for value in field] if isinstance(field, list) else field


def main() -> int:
    check = "--check" in sys.argv
    wrong: list[str] = []
    for name, event in sorted(published().items()):
        file = SCHEMAS / f"{name}.json"
        fresh = schema_of(event)
        text = json.dumps(fresh, indent=2, ensure_ascii=False) + "\n"
        if file.exists():
            wrong += [f"{name}: {reason}" for reason in breaks(json.loads(file.read_text(encoding="utf-8")), fresh)]
        if check and (not file.exists() or file.read_text(encoding="utf-8") != text):
            wrong.append(f"{name}: {file.name} is not up to date; run 'make generate'")
        if not check and not wrong:
            SCHEMAS.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    print("\n".join(wrong), end="\n" if wrong else "")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
