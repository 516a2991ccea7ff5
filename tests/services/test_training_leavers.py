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
from tests.services.test_training_learning import TRAINER, _by_hand, _session, enrolled, ok
from tests.services.test_training_planning import noon
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


APRIL = datetime(2026, 4, 1, 1, tzinfo=UTC)


async def wanting(world: World) -> set[str]:
    """Sessions that need another trainer, by the list and by themselves."""
    manager = world.as_("manager")
    listed = (await manager.get("/training/sessions", params={"needs_trainer": True})).json()["items"]
    others = (await manager.get("/training/sessions", params={"needs_trainer": False})).json()["items"]
    assert {one["needs_trainer"] for one in listed} <= {True}
    assert {one["needs_trainer"] for one in others} <= {False}
    for one in (*listed, *others):
        detail = (await manager.get(f"/training/sessions/{one['id']}")).json()
        assert (detail["needs_trainer"], detail["status"]) == (one["needs_trainer"], one["status"])
    return {one["id"] for one in listed}


async def told(world: World) -> list[tuple[str, int]]:
    items = (await world.as_("manager").get("/training/reminders", params={"kind": "deadline"})).json()["items"]
    assert {item["who"] for item in items} <= {"manager"}
    return [(item["subject"], item["days_before"]) for item in reversed(items)]


async def test_in_any_order_a_trainers_sessions_want_another_one(world: World) -> None:
    """From the day on which the trainer is gone, and not before; told again for a later day, not up to that one."""
    before = await ok(await _session(world, "communication", APRIL - timedelta(days=1), 2))
    after = await ok(await _session(world, "communication", APRIL, 2))
    await ok(await _session(world, "communication", datetime(2026, 3, 2, 8, tzinfo=UTC), 2, room="2"))  # has begun
    who = await ok(await _session(world, "communication", APRIL + timedelta(days=40), 2))
    gone = left(TRAINER, date(2026, 4, 1))
    for order in permutations((started(TRAINER), gone, started(TRAINER))):
        for event in (*order, gone):
            letter = world.letter(event)
            await world.deliver("training", letter, letter)
        assert await wanting(world) == {after["id"], who["id"]}
        await deliver(world, left(TRAINER, date(2026, 4, 2)))
        assert await wanting(world) == {who["id"]}
        await deliver(world, left(TRAINER, date(2027, 1, 1)))  # stays after all
        assert await wanting(world) == set()
    await deliver(world, left(TRAINER, date(2026, 3, 31)))
    assert await wanting(world) == {before["id"], after["id"], who["id"]}
    refused = await _session(world, "communication", APRIL + timedelta(days=3), 2)
    assert (refused.status_code, "gone from 2026-03-31" in refused.json()["detail"]) == (409, True)
    subject = {one["id"]: f"session_trainer:{one['id']}:{TRAINER}" for one in (before, after, who)}
    assert sorted(await told(world)) == sorted([(subject[before["id"]], 60), (subject[after["id"]], 60)])
    for day, n in ((date(2026, 3, 12), 3), (date(2026, 3, 24), 4), (date(2026, 3, 30), 6)):
        world.now = noon(day)
        for _ in range(2):
            await world.turn("training", "trainers")
        assert len(await told(world)) == n
    assert [n for what, n in await told(world) if what == subject[before["id"]]] == [60, 7, 1]
    await ok(await world.as_("trainer").post(f"/training/sessions/{before['id']}/cancellation"), 200)
    assert await wanting(world) == {after["id"], who["id"]}


async def test_a_manager_gives_the_session_to_somebody_who_can_hold_it(world: World) -> None:
    """Proposed is who held the course or is certified for it, is here and free then, and does not learn in it."""
    trainer, manager = world.as_("trainer"), world.as_("manager")
    often, once, busy, leaving, learning, certified, anybody = (uuid4() for _ in range(7))
    body = {"name_en": "x", "name_zh": "x", "subject": "communication", "hours": 8, "code": "chat"}
    await ok(
        await trainer.post("/training/courses", json={**body, "method": "workshop", "certificate": {"valid_days": 90}})
    )

    async def session(who: UUID, at: datetime, room: str) -> Any:
        times = [{"room": room, "starts_at": (at + timedelta(days=d)).isoformat(),
                  "ends_at": (at + timedelta(days=d, hours=2)).isoformat()} for d in (0, 30)]  # fmt: skip
        wanted = {"course": "chat", "trainer_id": str(who), "seats": 3, "meetings": times}
        return await ok(await trainer.post("/training/sessions", json=wanted))

    for n, who in enumerate((often, often, once, busy, leaving, learning)):
        await deliver(world, started(who))
        held = await session(who, datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=3 * n), "2")
        pupil = await _by_hand(world, anybody, "chat")
        await ok(await trainer.post(f"/training/sessions/{held['id']}/places", json={"enrolment_id": pupil}))
        path = f"/training/sessions/{held['id']}/meetings/{held['meetings'][0]['id']}/attendance"
        await ok(await trainer.post(path, json={"present": {str(anybody): True}}), 200)
    for who, day in ((certified, 60), (anybody, 1)):  # the other's certificate has run out by the last meeting
        await deliver(world, started(who))
        world.now = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(days=day)
        id = await _by_hand(world, who, "chat")
        done = await trainer.post("/training/certifications", json={"enrolment_id": id})
        assert done.status_code == 409, done.text
        await world.rows("training", "UPDATE training.enrolments SET status = 'completed' WHERE id = :id", id=id)
        await ok(await trainer.post("/training/certifications", json={"enrolment_id": id}))
    world.now = datetime(2026, 3, 2, 4, tzinfo=UTC)
    mine = await session(TRAINER, APRIL, "1")
    await session(busy, APRIL + timedelta(days=30, hours=1), "3")
    place = {"enrolment_id": await _by_hand(world, learning, "chat")}
    await ok(await trainer.post(f"/training/sessions/{mine['id']}/places", json=place))
    path = f"/training/sessions/{mine['id']}"
    await deliver(world, left(TRAINER, date(2026, 4, 15)), left(leaving, date(2026, 5, 1)))
    shown = (await ok(await manager.get(f"{path}/trainers"), 200))["items"]
    assert [(one["employee_id"], one["held"], one["certified"]) for one in shown] == [
        (str(often), 2, False), (str(once), 1, False), (str(certified), 0, True)
    ]  # fmt: skip
    assert await wanting(world) == {mine["id"]}

    async def give(who: UUID, **how: Any) -> Any:
        return await how.pop("by", manager).put(f"{path}/trainer", json={"trainer_id": str(who)}, **how)

    assert (await give(often, by=trainer)).status_code == 403
    assert (await give(often, headers={"If-Match": '"9"'})).status_code == 412
    for who, why in ((busy, "trainer is taken"), (leaving, "gone from 2026-05-01")):
        refused = await give(who)
        assert (refused.status_code, why in refused.json()["detail"]) == (409, True)
    world.now = APRIL + timedelta(hours=1)  # the first meeting is being held by who is still here
    for _ in range(2):
        after = await ok(await give(often), 200)
    assert (after["trainer_id"], after["needs_trainer"], after["version"]) == (str(often), False, 2)
    rows = await world.rows("training", "SELECT * FROM training.meetings WHERE session_id = :id", id=mine["id"])
    assert {row["starts_at"]: row["trainer_id"] for row in rows} == {
        APRIL: TRAINER, APRIL + timedelta(days=30): often
    }  # fmt: skip
    assert await wanting(world) == set()
    await deliver(world, left(often, date(2026, 4, 20)))  # and the next one goes too
    assert await wanting(world) == {mine["id"]}
    world.now = APRIL + timedelta(days=31)
    assert await wanting(world) == set()
    assert (await give(once)).status_code == 409
    assert (await manager.get(f"{path}/trainers")).status_code == 409
