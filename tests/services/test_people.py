"""The projection of employees that each service keeps: who held which login on which day, told in any order."""

from datetime import date, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.events import Event, Letter
from shared.ids import new_id
from tests.world import World

LI, WANG = sorted(new_id() for _ in range(2))


def started(id: UUID, agent_id: str | None, day: str, **particulars: Any) -> EmployeeStarted:
    return EmployeeStarted(
        **{
            "employee_id": id,
            "agent_id": agent_id,
            "department": None,
            "role": "agent",
            "team": "a",
            "team_lead_id": None,
            "mentor_id": None,
            "date": date.fromisoformat(day),
            **particulars,
        }
    )


def changed(id: UUID, agent_id: str | None, day: str, **particulars: Any) -> EmployeeChanged:
    return EmployeeChanged(**dict(started(id, agent_id, day, **particulars)))


def letters(world: World, *events: Event) -> list[Letter]:
    """The events as recruiting publishes them, a minute apart."""
    return [world.letter(event, at=world.now + timedelta(minutes=n)) for n, event in enumerate(events)]


async def people(world: World) -> list[dict[str, Any]]:
    return [dict(row) for row in await world.rows("training", "SELECT * FROM training.employees ORDER BY employee_id")]


async def holder(world: World, agent_id: str, day: str) -> UUID | None:
    found = await world.rows(
        "training",
        "SELECT employee_id FROM training.agent_holders "
        "WHERE agent_id = :agent_id AND valid_from <= :day AND valid_to > :day",
        agent_id=agent_id,
        day=date.fromisoformat(day),
    )
    assert len(found) <= 1  # never two at once
    return found[0]["employee_id"] if found else None


async def forget(world: World) -> None:
    await world.rows("training", "TRUNCATE training.employees, training.employee_logins, training.inbox")


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
async def test_any_order_ends_alike(world: World, together: bool) -> None:
    """A login goes from Li, who gets another, to Wang; then Li leaves."""
    told = letters(
        world,
        started(LI, "1001", "2026-01-05"),
        changed(LI, "2001", "2026-02-02", team="b"),
        started(WANG, "1001", "2026-02-02", mentor_id=LI),
        EmployeeLeft(employee_id=LI, date=date(2026, 3, 2)),
    )
    ends = []
    for order in permutations(told):
        for batch in [order] if together else [[letter] for letter in order]:
            await world.deliver("training", *batch)
        ends.append(await people(world))
        assert await holder(world, "1001", "2026-02-01") == LI
        assert await holder(world, "1001", "2026-02-02") == WANG
        assert await holder(world, "2001", "2026-03-01") == LI
        await forget(world)
    assert all(end == ends[0] for end in ends)
    li, wang = ends[0]
    assert (li["agent_id"], li["team"], li["left_on"]) == ("2001", "b", date(2026, 3, 2))
    assert (wang["agent_id"], wang["mentor_id"], wang["left_on"]) == ("1001", LI, None)


async def test_twice_is_once(world: World) -> None:
    told = letters(world, started(LI, "1001", "2026-01-05"), changed(LI, "1001", "2026-02-02", team="b"))
    await world.deliver("training", *told)
    before = await people(world), await world.rows("training", "SELECT * FROM training.employee_logins")
    await world.deliver("training", *told, told[0])  # the same letters: the inbox knows them
    again = [Letter(old.topic, old.key, {**old.headers, "ce_id": str(new_id())}, old.body) for old in told]
    await world.deliver("training", *again)  # the same facts in other letters
    assert (await people(world), await world.rows("training", "SELECT * FROM training.employee_logins")) == before


async def test_the_first_holder_has_what_came_before(world: World) -> None:
    assert await holder(world, "1001", "2020-01-01") is None
    await world.deliver("training", *letters(world, started(LI, "1001", "2026-01-05")))
    assert await holder(world, "1001", "2020-01-01") == LI
    await world.deliver("training", *letters(world, started(WANG, "1001", "2026-02-02")))
    assert await holder(world, "1001", "2020-01-01") == LI


async def test_a_login_comes_back(world: World) -> None:
    told = letters(
        world,
        started(LI, "1001", "2026-01-05"),
        started(WANG, "1001", "2026-02-02"),
        changed(WANG, "2001", "2026-03-02"),
        changed(LI, "1001", "2026-03-02"),
    )
    await world.deliver("training", *reversed(told))
    held = [await holder(world, "1001", day) for day in ("2026-02-01", "2026-03-01", "2026-03-02", "2030-01-01")]
    assert held == [LI, WANG, LI, LI]


async def test_without_a_login(world: World) -> None:
    await world.deliver("training", *letters(world, started(LI, None, "2026-01-05")))
    assert len(await people(world)) == 1
    assert await world.rows("training", "SELECT * FROM training.employee_logins") == []
