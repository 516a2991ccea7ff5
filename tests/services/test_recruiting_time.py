"""Is everybody reminded in time, once, and of nothing that is done? The tests move the clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import REGISTRY

from shared.contracts.recruiting import EmployeeLeft
from tests.recruiting_help import Office
from tests.world import World


async def said(world: World, office: Office, job: str, kind: str) -> list[dict[str, Any]]:
    """What this job tells now."""
    before = len(await office.events())
    await world.turn("recruiting", job)
    await world.look("recruiting")
    return [body for type, body in (await office.events())[before:] if type == kind]


def overdue(step: int, owner: str) -> float | None:
    return REGISTRY.get_sample_value("headset_recruiting_overdue_steps", {"step": str(step), "owner": owner})


async def test_overdue_steps_are_listed_counted_and_reminded_once(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition()  # on a Monday
    late, done = await office.applied(requisition), await office.applied(requisition)

    world.now = datetime(2026, 3, 9, 15, 59, tzinfo=UTC)  # the fifth working day, to its last minute in Shanghai
    assert (await office.get("/overdue-steps"))["items"] == []
    assert await said(world, office, "overdue", "step.overdue.v1") == []
    assert overdue(5, "call_centre") == 0

    world.now += timedelta(minutes=1)
    assert len((await office.get("/overdue-steps"))["items"]) == 2
    await office.step(done, 5, "pass")  # before anybody was reminded
    [told] = await said(world, office, "overdue", "step.overdue.v1")
    assert told == {
        "record_id": late, "requisition_id": requisition, "application_id": late, "step": 5, "owner": "call_centre",
        "due_on": "2026-03-09",
    }  # fmt: skip
    assert await said(world, office, "overdue", "step.overdue.v1") == []
    assert overdue(5, "call_centre") == 1

    world.now += timedelta(days=3)  # and now step 6 of the other is late, too
    [told] = await said(world, office, "overdue", "step.overdue.v1")
    assert (told["application_id"], told["owner"], told["due_on"]) == (done, "hr", "2026-03-12")
    assert (overdue(5, "call_centre"), overdue(6, "hr")) == (1, 1)
    items = (await office.get("/overdue-steps"))["items"]
    assert [(one["application_id"], one["step"], one["days_overdue"], one["reminded"]) for one in items] == [
        (late, 5, 4, True), (done, 6, 1, True),
    ]  # fmt: skip
    assert [one["step"] for one in (await office.get("/overdue-steps", owner="hr"))["items"]] == [6]
    assert [one["step"] for one in (await office.get("/overdue-steps", step=5))["items"]] == [5]
    first = await office.get("/overdue-steps", limit=1)
    second = await office.get("/overdue-steps", limit=1, cursor=first["next_cursor"])
    assert [one["id"] for one in first["items"] + second["items"]] == [one["id"] for one in items]
    assert second["next_cursor"] is None


async def test_nothing_is_late_while_its_requisition_is_on_hold(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition()
    await office.applied(requisition)
    await office.on_requisition(requisition, 1, "held", reason="budget")
    world.now += timedelta(days=30)
    assert await said(world, office, "overdue", "step.overdue.v1") == []
    assert (await office.get("/overdue-steps"))["items"] == []
    await office.on_requisition(requisition, 1, "reopened", who=office.director)
    assert len(await said(world, office, "overdue", "step.overdue.v1")) == 1


async def in_probation(office: Office) -> tuple[str, str]:
    requisition = await office.requisition()
    one = await office.applied(requisition)
    await office.until_list(one)
    await office.hired(one)
    return one, await office.employed(one)  # until the 15th of June


async def test_the_end_of_a_probation_is_announced_three_times(world: World) -> None:
    office = Office(world)
    application, employee = await in_probation(office)
    told = []
    for _ in range(130):
        told += await said(world, office, "probations", "probation.ending.v1")
        world.now += timedelta(days=1)
    assert told == [
        {"application_id": application, "employee_id": employee, "ends_on": "2026-06-15", "days": days}
        for days in (30, 14, 0)
    ]


async def test_only_the_nearest_announcement_is_made_after_a_silence(world: World) -> None:
    office = Office(world)
    await in_probation(office)
    world.now = datetime(2026, 6, 10, tzinfo=UTC)
    assert [one["days"] for one in await said(world, office, "probations", "probation.ending.v1")] == [14]
    assert await said(world, office, "probations", "probation.ending.v1") == []


async def test_a_probation_decided_or_left_is_not_announced(world: World) -> None:
    office = Office(world)
    _, employee = await in_probation(office)
    await world.deliver("recruiting", world.letter(EmployeeLeft(employee_id=UUID(employee), date=world.now.date())))
    world.now = datetime(2026, 6, 15, tzinfo=UTC)
    assert await said(world, office, "probations", "probation.ending.v1") == []
    late = await said(world, office, "overdue", "step.overdue.v1")
    assert [one["step"] for one in late if one["application_id"]] == []  # only the requisition has something to do
