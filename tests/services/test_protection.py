"""Is what we answer kept from strangers' eyes, who read it written down, and nobody let ask too much?"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from shared.errors import TooMany
from shared.limits import Limits
from shared.run import _KEEP_TIDY, run_job
from tests.lab import Lab
from tests.services.test_http_conventions import problem
from tests.world import World

PERSON = {
    "agent_id": None,
    "name": "Zhang San",
    "department": "customer_service",
    "role": "agent",
    "date": "2026-01-05",
}


async def employee(world: World, **more: Any) -> str:
    made = await world.as_("hr").post("/recruiting/employees", json={"id": str(uuid4()), **PERSON, **more})
    assert made.status_code == 201, made.text
    id: str = made.json()["id"]
    return id


async def reads(world: World, **asked: Any) -> list[dict[str, Any]]:
    answer = await world.as_("admin").get("/reads", params=asked)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_who_reads_personal_data_of_others_is_written_down(world: World) -> None:
    ann, bob = await employee(world), await employee(world)
    await world.as_("agent", sub=ann).get(f"/recruiting/employees/{ann}")  # their own
    await world.as_("hr").get(f"/recruiting/employees/{uuid4()}")  # nobody's
    await world.as_("agent").get(f"/recruiting/employees/{ann}/history")  # refused
    assert await reads(world) == []
    trace = {"traceparent": "00-" + "c" * 32 + "-" + "d" * 16 + "-01"}
    await world.as_("hr", sub="the-hr-person").get(f"/recruiting/employees/{ann}", headers=trace)
    await world.as_("trainer").get("/recruiting/employees")
    everybody, one = await reads(world)
    assert (everybody["reader"], everybody["route"]) == ("the-trainer", "GET /recruiting/employees")
    assert set(everybody["subjects"]) == {ann, bob}
    assert (one["reader"], one["route"]) == ("the-hr-person", "GET /recruiting/employees/{id}")
    assert (one["subjects"], one["service"], one["trace"]) == ([ann], "recruiting", "c" * 32)
    assert one["at"] == "2026-03-02T09:00:00Z"
    assert "Zhang" not in str((everybody, one))
    assert [it["reader"] for it in await reads(world, subject=bob)] == ["the-trainer"]
    assert [it["reader"] for it in await reads(world, reader="the-hr-person")] == ["the-hr-person"]
    assert await reads(world, service="qa") == []
    first = (await world.as_("admin").get("/reads", params={"limit": 1})).json()
    again = (await world.as_("admin").get("/reads", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [it["id"] for it in (*first["items"], *again["items"])] == [everybody["id"], one["id"]]
    assert again["next_cursor"] is None


async def test_what_was_written_down_stays_for_its_time(world: World) -> None:
    ann = await employee(world)
    await world.as_("hr").get(f"/recruiting/employees/{ann}")
    with pytest.raises(DBAPIError, match="not changed"):
        await world.rows("recruiting", "UPDATE recruiting.reads SET reader = 'nobody'")
    [row] = await world.rows("recruiting", "SELECT id FROM recruiting.reads")
    made = datetime.fromtimestamp((UUID(str(row["id"])).int >> 80) / 1000, UTC)
    for days, left in ((729, 1), (731, 0)):
        world.now = made + timedelta(days=days)
        await run_job(world.runtime.databases["recruiting"], _KEEP_TIDY)
        assert len(await world.rows("recruiting", "SELECT 1 FROM recruiting.reads")) == left


async def test_browsers_are_told_to_keep_nothing_and_run_nothing(lab: Lab) -> None:
    for answer in (
        await lab.as_("hr").get("/lab/things"),
        await lab.as_().get("/lab/things"),
        await lab.as_("hr").get("/lab/boom"),
        await lab.as_().get("/docs"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_who_asks_too_much_waits(lab_url: str) -> None:
    lab = Lab(lab_url, rate_limit=3)
    eager, other = lab.as_("hr", sub="eager"), lab.as_("hr", sub="other")
    answers = [await eager.get("/lab/teams") for _ in range(50)]
    assert [answer.status_code for answer in answers[:3]] == [403] * 3
    assert 429 in {answer.status_code for answer in answers}
    late = next(answer for answer in answers if answer.status_code == 429)
    assert problem(late, 429)["detail"].startswith("Too many requests: at most 3 a second")
    assert late.headers["retry-after"] == "1"
    assert (await other.get("/lab/things")).status_code == 200
    assert (await lab.as_().get("/health/live")).status_code == 200
    await lab.close()


def test_a_bucket_fills_again_and_the_oldest_is_forgotten() -> None:
    now = 0.0
    limits = Limits(2, remembered=2, clock=lambda: now)
    limits.take("a")
    limits.take("a")
    with pytest.raises(TooMany):
        limits.take("a")
    now = 0.5
    limits.take("a")
    with pytest.raises(TooMany):
        limits.take("a")
    now = 1000.0
    for _ in range(2):
        limits.take("a")
    for stranger in ("b", "c"):
        limits.take(stranger)
    assert list(limits._buckets) == ["b", "c"]
