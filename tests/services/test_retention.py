"""Are calls erased when they have been kept for long enough, and do those that are erased never count again?"""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from shared import retention
from shared.contracts.crm import SatisfactionRated
from shared.events import Letter
from tests.services.qa_help import MORNING, audited, call, employee, good, refused
from tests.world import World

Old = tuple[World, UUID, dict[str, Letter]]
DAYS = 90
NOW = MORNING + timedelta(days=200)
KEPT = ("qa", "recordings"), ("performance", "call_facts")


def told(world: World, call_id: str, at: datetime, **more: Any) -> Letter:
    """A call of Diane's, told when it ended."""
    event = call(call_id, started_at=at, **more)
    return world.letter(event, at=event.ended_at)


async def known(world: World) -> dict[str, set[str]]:
    """The calls that each service has."""
    found = {}
    for service, table in KEPT:
        rows = await world.rows(service, f"SELECT call_id FROM {service}.{table}")
        found[service] = {row["call_id"] for row in rows}
    return found


async def both(world: World, *letters: Letter) -> None:
    for service, _ in KEPT:
        await world.deliver(service, *letters)


def keep_for(world: World, days: int | None) -> None:
    for db in world.runtime.databases.values():
        db.settings = db.settings.model_copy(update={"call_retention_days": days})


async def erase(world: World, at: datetime) -> None:
    """All that is due then."""
    world.now = at
    for service, _ in KEPT:
        for _ in range(8):
            await world.turn(service, "old calls")


def counted(name: str, service: str) -> float:
    return REGISTRY.get_sample_value(f"headset_calls_{name}_total", {"service": service}) or 0.0


async def values(world: World, employee_id: UUID) -> list[Any]:
    asked = {"employee_id": str(employee_id), "from": "2025-01-01", "to": "2026-12-31"}
    found: list[Any] = good(await world.as_("manager").get("/performance/indicators/values", params=asked))["items"]
    return found


@pytest.fixture
async def old(world: World, monkeypatch: pytest.MonkeyPatch) -> Old:
    """Twelve calls, one each ten days from March on, half of them with something; nine months later."""
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    diane = employee("diane")
    await world.send(diane)
    letters = {f"c{n}": told(world, f"c{n}", MORNING + timedelta(days=10 * n)) for n in range(12)}
    letters["vain"] = told(world, "vain", MORNING, answered=False)
    await both(world, *letters.values())
    return world, diane.employee_id, letters


async def test_what_nothing_refers_to_goes_and_evidence_stays(old: Old) -> None:
    world, diane, _ = old
    recordings = {
        row["call_id"]: str(row["id"]) for row in await world.rows("qa", "SELECT id, call_id FROM qa.recordings")
    }
    manager = world.as_("manager")
    await audited(world, recordings["c0"])
    plan = {"name": "one", "scorecard_id": await short(world), "size": 1, "auditors": ["ann"], "filter": {}}
    plan = good(await manager.post("/qa/sampling-plans", json=plan), 201)
    of_c1 = {"seed": 1, "from": "2026-03-12", "to": "2026-03-12"}
    good(await manager.post(f"/qa/sampling-plans/{plan['id']}/draws", json=of_c1), 201)
    session = {"recording_id": recordings["c2"], "scorecard": "short", "auditors": ["ann", "bob"]}
    good(await manager.post("/qa/calibrations", json=session), 201)
    said = {"turns": [{"speaker": "agent", "begin_seconds": 0, "end_seconds": 1, "text": "Hello."}]}
    good(await manager.put(f"/qa/recordings/{recordings['c3']}/transcript", json=said))
    rated = SatisfactionRated(call_id="c3", agent_id="diane", rating=1, rated_at=MORNING)
    await both(world, world.letter(rated))

    everything, before = await known(world), await values(world, diane)
    assert next(it["value"] for it in before if it["indicator"] == "calls_answered") == 12
    await erase(world, NOW)  # nobody said how long: for ever
    assert await known(world) == everything
    keep_for(world, DAYS)
    erased = {service: counted("erased", service) for service, _ in KEPT}
    await erase(world, NOW)
    young = {"c11"}  # 110 days after the first, 90 before now
    assert await known(world) == {"qa": {"c0", "c1", "c2"} | young, "performance": young}
    assert counted("erased", "performance") - erased["performance"] == 12
    assert counted("erased", "qa") - erased["qa"] == 9
    assert await world.rows("qa", "SELECT 1 FROM qa.transcripts UNION ALL SELECT 1 FROM qa.ratings") == []
    assert await values(world, diane) == before  # the customer's rating too
    await erase(world, NOW + timedelta(days=2))
    assert await known(world) == {"qa": {"c0", "c1", "c2"}, "performance": set()}
    assert await values(world, diane) == before


async def short(world: World) -> str:
    cards = good(await world.as_("manager").get("/qa/scorecards"))["items"]
    return next(str(card["id"]) for card in cards if card["code"] == "short")


async def test_what_was_erased_does_not_count_again(old: Old) -> None:
    world, diane, letters = old
    keep_for(world, DAYS)
    before = await values(world, diane)
    await erase(world, NOW)
    left, left_out = await known(world), {service: counted("left_out", service) for service, _ in KEPT}
    assert len(left["qa"]) == len(left["performance"]) == 1
    again = list(letters.values())
    corrected = told(world, "c5", MORNING + timedelta(days=49), queue="another")
    for round_ in ([*again, *again], [corrected], again):  # twice is once, later too
        await world.rows("qa", "DELETE FROM qa.inbox")
        await world.rows("performance", "DELETE FROM performance.inbox")
        await both(world, *round_)
        assert await known(world) == left
        assert await values(world, diane) == before
    assert {service: counted("left_out", service) - left_out[service] for service, _ in KEPT} == {
        "qa": 25.0, "performance": 25.0
    }  # fmt: skip
    keep_for(world, 10 * DAYS)  # what is gone stays gone, also for who keeps longer from now on, or for ever
    await erase(world, NOW)
    keep_for(world, None)
    await both(world, told(world, "c6", MORNING + timedelta(days=60), queue="a third"))
    assert await known(world) == left
    assert await values(world, diane) == before


async def test_a_call_that_is_there_is_corrected_across_the_horizon(old: Old) -> None:
    """One that was told late is kept as long after that; so a copy that moves it finds it, and it counts once."""
    world, _, _ = old
    keep_for(world, DAYS)
    late = NOW - timedelta(days=3)
    wrong = call("moved", started_at=NOW - timedelta(days=DAYS - 1))
    await both(world, world.letter(wrong, at=late))
    await erase(world, NOW + timedelta(days=5))
    assert "moved" in (await known(world))["performance"]
    before = await days(world)
    assert before[date(2026, 6, 21)] == 1
    right = call("moved", started_at=late)
    await both(world, world.letter(right, at=NOW))
    after = await days(world)
    assert (after[date(2026, 6, 21)], after[date(2026, 9, 15)]) == (0, 1)
    assert sum(after.values()) == sum(before.values())
    back = world.letter(call("moved", started_at=MORNING), at=NOW + timedelta(days=1))
    await both(world, back, back)
    assert sum((await days(world)).values()) == sum(before.values())
    assert (await days(world))[MORNING.date()] == before[MORNING.date()] + 1


async def days(world: World) -> dict[date, int]:
    rows = await world.rows("performance", "SELECT day, sum(calls)::int AS calls FROM performance.call_days GROUP BY 1")
    return {row["day"]: row["calls"] for row in rows}


async def test_the_horizon_waits_for_who_takes_calls_by_it(old: Old) -> None:
    """A copy that is on its way while the horizon moves: erased before it, it would count twice."""
    world, _, _ = old
    keep_for(world, DAYS)
    world.now = NOW
    before = await days(world)
    async with world.runtime.databases["performance"].transaction() as tx:
        assert await retention.left_out(tx, "performance.call_facts", {("c4", "diane"): MORNING.date()}) == frozenset()
        moving = asyncio.create_task(world.turn("performance", "old calls"))
        await somebody_waits(world)
    await moving
    await erase(world, NOW)
    await world.deliver("performance", world.letter(call("c4", started_at=MORNING + timedelta(days=40)), at=NOW))
    assert await days(world) == before


async def somebody_waits(world: World) -> None:
    async with asyncio.timeout(20):
        while not await world.rows("qa", "SELECT pid FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110  in a database
            await asyncio.sleep(0.01)


async def test_a_limit_cannot_count_what_is_gone(old: Old) -> None:
    world, _, _ = old
    keep_for(world, DAYS)
    await erase(world, NOW)
    manager = world.as_("manager")
    new = {
        "indicator": "answered_within_30s", "valid_from": "2026-04-01", "source": "calls", "formula": "within",
        "limit": 30, "names": {"en": "Within 30 s", "zh": "30 秒内"}, "unit": "share", "direction": "more",
        "levels": [{"value": 0.2, "points": 0}, {"value": 0.7, "points": 100}], "least_n": 30,
    }  # fmt: skip
    assert "2026-06-20" in refused(await manager.post("/performance/indicators", json=new), 409)["detail"]
    year = {"code": "year", "kind": "yearly", "from": "2026-01-01", "to": "2026-12-31"}
    good(await manager.post("/performance/cycles", json=year), 201)
    refused(await manager.post("/performance/indicators", json={**new, "valid_from": "2026-10-01"}), 409)
    good(await manager.post("/performance/indicators", json={**new, "valid_from": "2027-01-01"}), 201)
