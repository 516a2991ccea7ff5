"""Can a letter that somebody sends make a fault of ours, stop a consumer, or take a good neighbour with it?

Letters of every type that a service reacts to are spoilt in every way we know, as bodies and as envelopes; HEADSET_FUZZ
says how many of each (`make fuzz` takes many).
"""

import asyncio
import json
import os
import random
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from services.all import SERVICES
from shared.contracts.telephony import CallEnded
from shared.events import REGISTRY, Event
from shared.ids import new_id
from shared.ingest import BATCH, STRUCTURED
from shared.kafka import KafkaBus, create_topics, opened
from shared.settings import Settings
from tests.world import World
from tools.schemas import schema_of

EXAMPLES = int(os.environ.get("HEADSET_FUZZ", "2")) * 10
SEED = int(os.environ.get("HEADSET_FUZZ_SEED", "20082"))
VALUES = (
    "null", "true", "-1", "0", "1e308", "1e999", "NaN", "-Infinity", "9" * 30, "9" * 5000, "[]", "{}", '""',
    '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"' + "x" * 20_000 + '"', "[" * 500 + "]" * 500, "[" * 100_000,
    '{"a":' * 1000 + "1" + "}" * 1000, '"9999-12-31"', '"0001-01-01"', '"2026-02-30"', '"9999-12-31T23:59:59-14:00"',
    '"0001-01-01T00:00:00+14:00"', '"2026-03-02T09:00:00"', '"00000000-0000-0000-0000-000000000000"', "'", "\x00",
    '"\\r\\nce_id: 1"', "\"'; DROP TABLE qa.recordings; --\"", '"=1+1"', "1e-400", "-0.0", "0.1e1", "2147483648",
)  # fmt: skip
HEADERS = (
    b"", b"\x00", b"\xff\xfe", b"x" * 50_000, "東".encode("utf-16"), b"\xed\xa0\x80", b"1970-01-01", b"NaN", b"\r\n",
    b"2026-03-02T09:00:00", b"9999-12-31T23:59:59-14:00", b"0001-01-01T00:00:00+14:00",
    b"'; DROP TABLE qa.recordings; --",
)  # fmt: skip


def sample(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """A value that this schema allows, the same each time."""
    if "$ref" in schema:
        return sample(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    for one in schema.get("anyOf", ()):
        return sample(one, root)
    match schema.get("type"), schema.get("format"):
        case "object", _:
            return {name: sample(one, root) for name, one in schema.get("properties", {}).items()}
        case "array", _:
            return [sample(schema["items"], root)] if isinstance(schema.get("items"), dict) else []
        case "string", "uuid":
            return "0198c0de-0000-7000-8000-000000000001"
        case "string", "date":
            return "2026-03-02"
        case "string", "date-time":
            return "2026-03-02T09:00:00+08:00"
        case "string", _:
            return "word"
        case (("integer" | "number"), _):
            return max(1, schema.get("minimum", 1))
        case "boolean", _:
            return True
    return None


def good(event: type[Event]) -> dict[str, Any]:
    schema = schema_of(event)
    found: dict[str, Any] = sample(schema, schema)
    event.model_validate_json(json.dumps(found))
    return found


def spoilt(body: dict[str, Any], chance: random.Random) -> bytes:
    """The body of an event with something wrong in it, or wrong with it."""
    name, value = chance.choice(list(body)), chance.choice(VALUES)
    parts = {key: json.dumps(it) for key, it in body.items()} | {name: value}
    raw = "{" + ",".join(f'"{key}":{it}' for key, it in parts.items()) + "}"
    match chance.randrange(12):
        case 0:
            return raw.encode()[: chance.randrange(len(raw))]
        case 1:
            return raw.encode("utf-16")
        case 2:
            return b"\xef\xbb\xbf" + raw.encode()
        case 3:
            return (raw[:-1] + f',"{name}":{json.dumps(body[name])},"{name}":{value}}}').encode()
        case 4:
            return raw.encode().replace(b'"', b'"\xff', 1 + chance.randrange(9))
        case 5:
            return json.dumps({key: it for key, it in body.items() if key != name}).encode()
        case 6:
            return f"[{raw}]".encode()
        case 7:
            return value.encode()
        case _:
            return raw.encode()


def record(event: type[Event], body: bytes, headers: dict[str, bytes]) -> Any:
    return ConsumerRecord(
        event.kafka_topic, 0, 0, 1_772_442_000_000, 0, b"key", body, None, 3, len(body), tuple(headers.items())
    )


def envelope(event: type[Event]) -> dict[str, bytes]:
    id = str(new_id()).encode()
    return {"ce_id": id, "ce_type": event.type.encode(), "ce_source": b"test", "ce_time": b"2026-03-02T09:00:00+08:00"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_no_letter_stops_a_consumer_or_harms_its_neighbours(service: Any, world: World) -> None:
    chance = random.Random(SEED)
    delivery = world.runtime.deliveries[service.name]
    neighbours, sent, stops = [], 0, []
    for event in service.policies:
        for _ in range(EXAMPLES):
            headers = envelope(event)
            body = spoilt(good(event), chance)
            if chance.random() < 0.3:
                headers[chance.choice(list(headers))] = chance.choice(HEADERS)
            elif chance.random() < 0.1:
                del headers[chance.choice(list(headers))]
            before, after = (record(event, json.dumps(good(event)).encode(), envelope(event)) for _ in range(2))
            neighbours += [dict(one.headers)["ce_id"].decode() for one in (before, after)]
            try:
                await delivery([opened(one) for one in (before, record(event, body, headers), after)])
            except Exception as error:
                stops.append((event.type, body[:300], headers, repr(error)[:500]))
            sent += 1
    assert stops == []
    taken = {
        str(row["event_id"]) for row in await world.rows(service.name, f"SELECT event_id FROM {service.name}.inbox")
    }
    assert set(neighbours) <= taken
    dead = await world.rows(service.name, f"SELECT * FROM {service.name}.dead_letters")
    assert sent / 3 < len(dead) <= sent
    assert all(row["reason"] for row in dead)
    faults = {row["reason"]: bytes(row["payload"])[:500] for row in dead if row["attempts"] > 1}
    assert faults == {}  # a letter that the contract allows is one that the service can handle


async def test_what_is_handed_in_over_http_is_taken_or_refused(world: World) -> None:
    """Never a fault; and what is taken, every service can handle."""
    chance = random.Random(SEED)
    client = world.as_("service")
    wrong: list[Any] = []
    taken = 0
    for event in REGISTRY.values():
        if event.type.startswith("test."):
            continue
        for n in range(EXAMPLES // 2):
            whole = {"specversion": "1.0", "id": str(new_id()), "source": "test", "type": event.type, "data": {}}
            body = spoilt(good(event), chance) if n else json.dumps(good(event)).encode()
            proper = {**whole, "id": str(new_id()), "data": good(event)}
            raw = json.dumps(whole).encode().replace(b'"data": {}', b'"data": ' + body)
            match n % 3:
                case 0:
                    headers = {"content-type": BATCH}
                    content = b"[" + json.dumps(proper).encode() + b"," + raw + b"]"
                case 1:
                    headers, content = {"content-type": STRUCTURED}, raw
                case _:
                    given = {f"ce-{name}": str(value).encode() for name, value in whole.items() if name != "data"}
                    spoilt_name = chance.choice(list(given))
                    given[spoilt_name] = chance.choice(HEADERS) if chance.random() < 0.3 else given[spoilt_name]
                    headers, content = given, body  # type: ignore[assignment]
            answer = await client.post("/events", content=content, headers=headers)
            if answer.status_code not in (202, 400, 413, 422):
                wrong.append((event.type, content[:300], headers, answer.status_code, answer.text[:300]))
            elif answer.status_code != 202 and not answer.json()["detail"]:
                wrong.append((event.type, content[:300], answer.text))
            taken += answer.status_code == 202
    assert wrong == []
    assert taken > len(REGISTRY) / 2
    await world.settle()
    for service in SERVICES:
        dead = await world.rows(service.name, f"SELECT reason, payload FROM {service.name}.dead_letters")
        assert {row["reason"]: bytes(row["payload"])[:300] for row in dead} == {}
        assert await world.rows(service.name, f"SELECT 1 FROM {service.name}.outbox") == []


async def test_over_a_real_kafka(kafka: str, world: World) -> None:
    """As above, through a broker: keys, values and headers of any bytes."""
    chance = random.Random(SEED)
    event = CallEnded
    topic = f"bad-letters-{new_id()}"
    settings = Settings(kafka=kafka, topic_partitions=2)
    await create_topics(settings, [topic])
    bus = KafkaBus(settings)
    bus.subscribe(f"qa-{new_id()}", frozenset({topic}), world.runtime.deliveries["qa"])
    neighbours = []
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for n in range(EXAMPLES * 3):
            headers = envelope(event)
            headers[chance.choice(list(headers))] = chance.choice(HEADERS)
            key, body = chance.choice(HEADERS), spoilt(good(event), chance)
            await producer.send(topic, body, key=key, headers=list(headers.items()), partition=n % 2)
            proper = envelope(event)
            neighbours.append(proper["ce_id"].decode())
            fine = json.dumps({**good(event), "call_id": f"call-{n}"}).encode()
            await producer.send(topic, fine, key=b"a", headers=list(proper.items()), partition=n % 2)
    work = asyncio.create_task(bus.run())
    waiting = set(neighbours)
    async with asyncio.timeout(120):
        while waiting:
            assert not work.done(), work.result()
            await asyncio.sleep(0.05)
            waiting -= {str(row["event_id"]) for row in await world.rows("qa", "SELECT event_id FROM qa.inbox")}
    bus.stop()
    await work
    await bus.close()
    assert all(row["reason"] for row in await world.rows("qa", "SELECT reason FROM qa.dead_letters"))
