"""What becomes of training when somebody leaves: what they owed ends, their seats go to others, once, in any order."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

from shared.contracts.recruiting import EmployeeLeft
from shared.events import Event
from tests.services.test_training_coaching import (
    ANN,
    PATH,
    actions,
    assignment,
    deliver,
    failed,
    overturned,
    published,
    rescored,
    started,
)
from tests.services.test_training_learning import _by_hand, _session, enrolled, ok
from tests.services.test_training_rules import disputed, firings
from tests.world import World

TODAY = date(2026, 3, 2)
TOLD = """SELECT type FROM training.outbox
    WHERE convert_from(payload, 'UTF8')::jsonb ->> 'audit_id' = :audit AND topic = 'training.coaching' ORDER BY id"""


def left(id: UUID = ANN, day: date = TODAY) -> EmployeeLeft:
    return EmployeeLeft(employee_id=id, date=day)


async def of_audits(world: World, audits: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
    rows = await world.rows("training", "SELECT * FROM training.coaching_assignments")
    return {row["audit_id"]: row for row in rows if row["audit_id"] in audits}


async def test_what_a_leaver_owes_ends(world: World) -> None:
    """Open, waiting and cancelled alike; what was completed stays. Twice is once, and nothing brings it back."""
    owed, waiting, taken, done = (uuid4() for _ in range(4))
    await deliver(world, started(), *map(failed, (owed, waiting, taken, done)), disputed(waiting), overturned(taken))
    coach = world.as_("admin")
    await ok(await coach.post(f"{PATH}/{(await assignment(world, done))['id']}/completion"), 200)
    before = await published(world)
    letter = world.letter(left())
    await world.deliver("training", letter, letter)
    await deliver(world, left())
    await world.turn("training", "leavers")
    assert (await published(world))[len(before) :] == ["cancelled"] * 2  # nobody hears twice of what was taken back
    found = await assignment(world, owed)
    assert (found["status"], found["employee_left"], found["cancelled_at"] is not None) == ("cancelled", True, True)
    history = (await coach.get(f"{PATH}/{found['id']}")).json()["history"]
    assert [(one["action"], one["actor"]) for one in history] == [("assigned", "training"), ("left", "training")]
    assert (history[-1]["after"]["status"], history[-1]["cause"]) == ("cancelled", letter.id)
    assert (await coach.post(f"{PATH}/{found['id']}/completion")).status_code == 409
    await deliver(world, rescored(taken, False, 3), disputed(waiting, open=False), rescored(owed, False))
    world.now += timedelta(days=30)
    await deliver(world, started())
    for job in ("overdue", "coaches", "leavers"):
        await world.turn("training", job)
    after = await of_audits(world, (owed, waiting, taken, done))
    assert {one["status"] for id, one in after.items() if id != done} == {"cancelled"}
    assert (after[done]["status"], after[done]["employee_left"]) == ("completed", False)
    assert len(await published(world)) == len(before) + 2


async def test_who_is_to_leave_is_coached_until_then(world: World) -> None:
    audit = uuid4()
    await deliver(world, started(), left(day=date(2026, 3, 4)), failed(audit))
    for day, status in ((0, "assigned"), (1, "assigned"), (1, "cancelled"), (1, "cancelled")):
        world.now += timedelta(days=day)
        await world.turn("training", "leavers")
        await world.turn("training", "overdue")
        assert (await assignment(world, audit))["status"] == status
    found = await assignment(world, audit)
    assert await actions(world, found["id"]) == ["assigned", "left"]
    assert await published(world) == ["assigned", "cancelled"]


async def test_in_any_order_a_leaver_owes_nothing(world: World) -> None:
    """Told after the departure, the fail leads to nothing, and the log says why."""
    for order in permutations(range(4)):
        audit, who = uuid4(), uuid4()
        facts: list[Event] = [failed(audit, who), left(who), started(who), disputed(audit)]
        facts[3] = facts[3].model_copy(update={"employee_id": who})
        for n in order:
            letter = world.letter(facts[n])
            await world.deliver("training", letter, letter)
        again = [facts[3].model_copy(update={"open": False}), facts[0], facts[1]]
        for moment in range(2):
            told = [row["type"].split(".")[2] for row in await world.rows("training", TOLD, audit=str(audit))]
            made = [one["status"] for one in (await of_audits(world, [audit])).values()]
            if order.index(1) < order.index(0):
                assert (made, told) == ([], [])
                assert await firings(world, audit_id=str(audit)) == [("any_fail", "left")]
            else:
                assert (made, told[-1], told.count("cancelled")) == (["cancelled"], "cancelled", 1)
            if moment == 0:
                await deliver(world, *again)
    await world.look("training")


async def test_together_and_at_once(world: World) -> None:
    one, two = uuid4(), uuid4()
    await deliver(world, started())
    await asyncio.gather(deliver(world, failed(one)), deliver(world, left()), deliver(world, failed(two)))
    assert {row["status"] for row in (await of_audits(world, (one, two))).values()} <= {"cancelled"}


async def test_a_leavers_seat_goes_to_the_next(world: World) -> None:
    """Courses end as well, also those of a rule; a session that began keeps its people."""
    bob = uuid4()
    await deliver(world, started(), started(bob))
    past = await ok(await _session(world, "communication", datetime(2026, 3, 2, 8, tzinfo=UTC), 2, room="2"))
    session = await ok(await _session(world, "communication", datetime(2026, 4, 1, tzinfo=UTC), 2, seats=1))
    for who in (ANN, bob):
        enrolment = await _by_hand(world, who, "communication")
        for one in (session, past):
            path = f"/training/sessions/{one['id']}/places"
            await ok(await world.as_("trainer").post(path, json={"enrolment_id": enrolment}))

    async def places(of: Any) -> dict[str, str]:
        found = (await world.as_("trainer").get(f"/training/sessions/{of['id']}")).json()["places"]
        return {place["employee_id"]: place["status"] for place in found}

    await deliver(world, left(day=date(2026, 3, 3)))
    await world.turn("training", "leavers")
    assert await places(session) == {str(ANN): "seated", str(bob): "waiting"}
    world.now += timedelta(days=1)
    for _ in range(2):
        await world.turn("training", "leavers")
    assert await places(session) == {str(ANN): "withdrawn", str(bob): "seated"}
    assert await places(past) == {str(ANN): "seated", str(bob): "seated"}
    await world.turn("training", "enrolment")
    await deliver(world, started())
    hers, his = [{one["status"] for one in (await enrolled(world, who)).values()} for who in (ANN, bob)]
    assert (hers, "enrolled" in his) == ({"cancelled"}, True)
    newcomer = uuid4()
    await deliver(world, left(newcomer), started(newcomer))
    assert await enrolled(world, newcomer) == {}
