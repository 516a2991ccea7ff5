"""Does `POST /events` take what it should, whole or not at all, and say what is wrong with the rest?"""

import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from shared.ids import id_for
from shared.ingest import BATCH, MOST_EVENTS, STRUCTURED
from tests.lab import Counted, Lab
from tests.services.test_http_conventions import problem

TIME = "2026-03-02T09:00:00+08:00"


def event(n: int = 1, thing: str = "a", **changes: Any) -> dict[str, Any]:
    """A CloudEvent; a change to None takes the attribute away."""
    full = {
        "specversion": "1.0", "id": str(uuid4()), "source": "telephony", "type": Counted.type, "time": TIME,
        "datacontenttype": "application/json", "data": {"thing": thing, "n": n},
    } | changes  # fmt: skip
    return {name: value for name, value in full.items() if value is not None}


async def post(lab: Lab, body: Any, kind: str = BATCH, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await lab.as_("service").post("/events", content=content, headers={"content-type": kind, **headers})


async def test_a_batch_travels_in_its_order_and_once(lab: Lab) -> None:
    events = [event(n, f"thing-{n % 3}") for n in range(200)]
    answer = await post(lab, events)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 200}
    rows = await lab.outbox()
    assert [row["event_id"] for row in rows] == [e["id"] for e in events]
    await lab.settle()
    expected = {f"thing-{k}": [n for n in range(200) if n % 3 == k] for k in range(3)}
    assert await lab.seen() == await lab.seen("mirror") == expected
    assert (await post(lab, events[::-1])).status_code == 202  # sent again, in another order even
    await lab.settle()
    assert await lab.seen() == expected


async def test_the_three_modes_make_the_same_letter(lab: Lab) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    one = event(id="call 17 %", source="//pbx/东", correlationid="c1", traceparent=trace, data={"thing": "a", "n": 1})
    await post(lab, [one])
    await post(lab, one, STRUCTURED)
    await lab.as_("service").post(
        "/events", json=one["data"],
        headers={
            "ce-specversion": "1.0", "ce-id": "call%2017%20%25", "ce-source": "//pbx/%E4%B8%9C", "ce-type": one["type"],
            "ce-time": TIME, "ce-correlationid": "c1", "traceparent": trace,
            "content-type": "application/json; charset=utf-8",
        },
    )  # fmt: skip
    rows = [{k: v for k, v in row.items() if k not in ("id", "created_at")} for row in await lab.outbox()]
    assert len(rows) == 3
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["headers"] == {
        "ce_id": "call 17 %", "ce_source": "//pbx/东", "ce_type": Counted.type, "ce_time": TIME,
        "ce_correlationid": "c1", "traceparent": trace,
    }  # fmt: skip
    assert (rows[0]["topic"], rows[0]["key"]) == ("test.things", "a")
    await lab.settle()
    assert await lab.seen() == {"a": [1]}


async def test_what_may_be_missing(lab: Lab) -> None:
    answer = await post(lab, event(time=None, datacontenttype=None, id="no-time"), STRUCTURED)
    assert answer.status_code == 202
    await lab.settle()
    lab.now += timedelta(days=2)
    assert (await post(lab, event(time=None, id="no-time"), STRUCTURED)).status_code == 202
    await lab.settle()
    assert await lab.seen() == {"a": [1]}
    assert (await post(lab, [])).json() == {"accepted": 0}


async def test_what_the_contract_does_not_name_does_not_travel(lab: Lab) -> None:
    await post(lab, event(data={"thing": "a", "n": 1, "customer_name": "Zhang San"}, subject="Zhang San"), STRUCTURED)
    [row] = await lab.outbox()
    assert json.loads(bytes(row["payload"])) == {"thing": "a", "n": 1, "note": None}
    assert "Zhang" not in json.dumps(row["headers"])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"type": "no.such.thing.v1"}, "type"),
    "no type": ({"type": None}, "type"),
    "no id": ({"id": None}, "id"),
    "empty id": ({"id": ""}, "id"),
    "endless id": ({"id": "x" * 129}, "id"),
    "NUL in id": ({"id": "a\0"}, "id"),
    "no source": ({"source": None}, "source"),
    "version": ({"specversion": "0.3"}, "specversion"),
    "no version": ({"specversion": None}, "specversion"),
    "time without offset": ({"time": "2026-03-02T09:00:00"}, "time"),
    "no day": ({"time": "2026-02-30T09:00:00Z"}, "time"),
    "no time": ({"time": "yesterday"}, "time"),
    "time too far": ({"time": "9999-12-31T23:59:59-14:00"}, "time"),
    "content type": ({"datacontenttype": "text/xml"}, "datacontenttype"),
    "no data": ({"data": None}, "data"),
    "data is a string": ({"data": "x"}, "data"),
    "a field": ({"data": {"thing": "a", "n": -1}}, "data.n"),
    "a missing field": ({"data": {"n": 1}}, "data.thing"),
    "NUL in a field": ({"data": {"thing": "\0", "n": 1}}, "data.thing"),
}


async def test_one_wrong_event_refuses_the_whole_batch_and_is_named(lab: Lab) -> None:
    for name, (change, field) in WRONG.items():
        wrong = event(**change)
        body = problem(await post(lab, [event(1), event(2), wrong, event(3)]), 422)
        [error] = body["errors"]
        assert error["field"] == f"events[2].{field}", name
        assert error["index"] == 2
        assert error["id"] == str(wrong.get("id", "?"))[:128]
        assert error["message"]
        assert "2" in body["detail"]
        body = problem(await post(lab, wrong, STRUCTURED), 422)
        assert body["errors"][0]["field"] == f"events[0].{field}"
    assert await lab.outbox() == []


async def test_binary_mode_names_the_field_too(lab: Lab) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1%32", "ce-source": "x", "ce-type": Counted.type}
    body = problem(await post(lab, {"thing": "a", "n": "x"}, "application/json", **headers), 422)
    assert [(e["field"], e["id"]) for e in body["errors"]] == [("events[0].data.n", "12")]
    body = problem(await post(lab, {"thing": "a", "n": 1}, "application/json", **headers, **{"ce-time": "x"}), 422)
    assert body["errors"][0]["field"] == "events[0].time"
    del headers["ce-source"]
    body = problem(await post(lab, {"thing": "a", "n": 1}, "application/json", **headers), 422)
    assert body["errors"][0]["field"] == "events[0].source"
    headers["ce-source"] = "x"
    for content in (b"", b"{", b'{"thing": "a", "n": 1}, "source": {}', b"\xff"):
        problem(await post(lab, content, "application/json", **headers), 400)
    problem(await post(lab, b'{"thing": "a", "n": 1}', "text/plain", **headers), 422)
    problem(await post(lab, b'{"thing": "a", "n": 1}', "application/json", **(headers | {"ce-type": "other"})), 422)
    assert await lab.outbox() == []


async def test_garbage_is_refused(lab: Lab) -> None:
    for content in (
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'[{"id": "\\ud800"}]',
        b'"text"',
        b"{}",
        b"null",
        b"[1, 2]",
    ):
        for kind in (BATCH, STRUCTURED):
            answer = await post(lab, content, kind)
            problem(answer, answer.status_code)
            assert answer.status_code in (400, 422)
    assert await lab.outbox() == []


async def test_other_content_is_refused(lab: Lab) -> None:
    problem(await post(lab, {"thing": "a", "n": 1}, "application/json"), 400)
    problem(await lab.as_("service").post("/events"), 400)


async def test_limits(lab: Lab) -> None:
    full = [event(n % 1000, id=f"{n}") for n in range(MOST_EVENTS + 1)]
    answer = await post(lab, full)
    problem(answer, 413)
    assert await lab.outbox() == []
    answer = await post(lab, json.dumps(full[:-1]).encode().ljust(1024 * 1024))
    assert answer.status_code == 202
    assert len(await lab.outbox()) == MOST_EVENTS
    problem(await post(lab, json.dumps(full[:-1]).encode().ljust(1024 * 1024 + 1)), 413)


async def test_it_is_for_systems(lab: Lab) -> None:
    one = json.dumps(event()).encode()
    for role, status in {"agent": 403, "manager": 403, "service": 202, "admin": 202}.items():
        answer = await lab.as_(role).post("/events", content=one, headers={"content-type": STRUCTURED})  # type: ignore[arg-type]
        assert answer.status_code == status


async def test_an_idempotency_key_tells_events_in_binary_mode_apart(lab: Lab) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": Counted.type, "Idempotency-Key": "k"}
    data = {"thing": "a", "n": 1}
    assert (await post(lab, data, "application/json", **headers)).status_code == 202
    assert (await post(lab, data, "application/json", **headers)).status_code == 202
    assert len(await lab.outbox()) == 1
    problem(await post(lab, data, "application/json", **(headers | {"ce-id": "2"})), 422)


async def test_a_thousand_events_take_no_time_to_speak_of(lab: Lab) -> None:
    """Not a benchmark: a guard against a statement for each event. 25 ms on two cores, mostly idle."""
    now = lab.now
    events = [event(n, f"t{n % 50}", id=str(id_for(now, str(n)))) for n in range(MOST_EVENTS)]
    body = json.dumps(events).encode()
    took = []
    for _ in range(3):
        began = time.perf_counter()
        assert (await post(lab, body)).status_code == 202
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5
