"""Do published events keep their shape, and their rules?"""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from shared.events import Event
from tools.asyncapi import DOCS
from tools.schemas import SCHEMAS, breaks, published, schema_of

EVENTS = sorted(published().items())
PRIVATE = ("name", "phone", "email", "address", "comment", "note", "text", "identity_number")


@pytest.mark.parametrize(("name", "event"), EVENTS, ids=[name for name, _ in EVENTS])
def test_an_event_keeps_its_published_shape(name: str, event: type[Event]) -> None:
    file = SCHEMAS / f"{name}.json"
    assert file.exists(), "a new event: run 'make generate' and commit its schema"
    old = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(old)
    assert breaks(old, schema_of(event)) == []


@pytest.mark.parametrize(("name", "event"), EVENTS, ids=[name for name, _ in EVENTS])
def test_an_event_follows_the_rules(name: str, event: type[Event]) -> None:
    publisher = event.__module__.rsplit(".", 1)[-1]
    assert name.startswith(f"{publisher}.")
    assert name.rsplit(".v", 1)[1].isdigit()
    assert event.kafka_topic.startswith(f"{publisher}.")
    assert event.key in event.model_fields
    assert event.__doc__
    private = [field for field in event.model_fields if field in PRIVATE or field.endswith(("_name", "_phone"))]
    assert private == [], (
        "events carry ids, codes, times and scores; whoever needs a name asks the service that owns it"
    )


def test_no_schema_is_left_of_an_event_that_is_gone() -> None:
    assert {file.stem for file in SCHEMAS.glob("*.json")} == {name for name, _ in EVENTS}


def test_the_contracts_are_an_asyncapi_document() -> None:
    allowed = json.loads((Path(__file__).parents[1] / "data" / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
    described = json.loads((DOCS / "asyncapi.json").read_text(encoding="utf-8"))
    reader = jsonschema.Draft7Validator(allowed)
    assert [error.message for error in reader.iter_errors(described)] == []
    del described["channels"]["qa.audits"]["messages"]["qa.audit.failed.v1"]["$ref"]
    described["operations"]["qa.sends.qa.audits"]["action"] = "shouts"
    assert list(reader.iter_errors(described)), "a document that is none is refused"


def gone(schema: dict[str, Any]) -> None:
    del schema["properties"]["score"]


def retyped(schema: dict[str, Any]) -> None:
    schema["properties"]["score"] = {"type": "string"}


def demanded(schema: dict[str, Any]) -> None:
    schema["properties"]["more"] = {"type": "string"}
    schema["required"] = [*schema["required"], "more"]


def moved(schema: dict[str, Any]) -> None:
    schema["x-topic"] = "elsewhere"


@pytest.mark.parametrize("change", [gone, retyped, demanded, moved])
def test_a_change_that_breaks_a_reader_is_seen(change: Any) -> None:
    old = schema_of(published()["qa.audit.failed.v1"])
    new = copy.deepcopy(old)
    change(new)
    assert breaks(old, new)


def test_an_optional_field_more_breaks_nobody() -> None:
    old = schema_of(published()["qa.audit.failed.v1"])
    new = copy.deepcopy(old)
    new["properties"]["more"] = {"type": "string", "default": ""}
    new["properties"]["score"]["description"] = "said better"
    assert breaks(old, new) == []


@pytest.mark.parametrize(("name", "event"), EVENTS, ids=[name for name, _ in EVENTS])
def test_whole_numbers_fit_into_the_database(name: str, event: type[Event]) -> None:
    """Else what the contract allows would die in every service that keeps it."""
    whole = {
        field
        for field, shape in schema_of(event)["properties"].items()
        if any(one.get("type") == "integer" for one in (shape, *shape.get("anyOf", ())))
        and not any(one.get("type") == "number" for one in shape.get("anyOf", ()))
    }
    with pytest.raises(ValidationError) as refused:
        event.model_validate(dict.fromkeys(event.model_fields, 2**31))
    assert whole <= {error["loc"][0] for error in refused.value.errors()}
