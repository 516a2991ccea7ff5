"""Is every answered call there to be audited, as its newest copy tells it?"""

from datetime import date, timedelta
from itertools import permutations
from uuid import uuid4

import pytest

from shared.events import Letter
from tests.services.qa_help import MORNING, call, employee, good, hire, listed, refused, tell
from tests.world import World


async def standing(world: World) -> list[tuple[object, ...]]:
    rows = await world.rows(
        "qa", "SELECT call_id, agent_id, queue, answered_at IS NOT NULL AS answered FROM qa.recordings ORDER BY 1, 2"
    )
    return [tuple(row.values()) for row in rows]


async def test_an_answered_call_is_a_recording(world: World) -> None:
    me = await hire(world, "diane")
    late = MORNING.replace(hour=16, minute=30)  # half past midnight of the next day in Shanghai
    await tell(
        world, call("c1", started_at=late, recording_uri="s3://recordings/c1", topic="billing", hold_seconds=0.0006)
    )
    [found] = await listed(world.as_("auditor"), "/qa/recordings")
    id = found.pop("id")
    assert found == {
        "call_id": "c1", "agent_id": "diane", "employee_id": str(me), "day": "2026-03-03",
        "started_at": "2026-03-02T16:30:00Z", "answered_at": "2026-03-02T16:30:12Z", "ended_at": "2026-03-02T16:33:00Z",
        "direction": "inbound", "queue": "faults", "topic": "billing", "wait_seconds": 12.25, "talk_seconds": 160,
        "hold_seconds": 0.001, "wrap_up_seconds": None, "recording_uri": "s3://recordings/c1", "customer_ref": None,
    }  # fmt: skip
    assert good(await world.as_("auditor").get(f"/qa/recordings/{id}")) == {"id": id, **found}


async def test_a_call_handled_twice_is_there_once(world: World) -> None:
    letter = world.letter(call("c1"))
    await world.deliver("qa", letter, letter)
    await world.deliver("qa", letter)
    await tell(world, call("c1"), call("c1"))  # other letters, the same call
    assert await standing(world) == [("c1", "diane", "faults", True)]


@pytest.mark.parametrize("one_batch", [True, False])
async def test_the_newest_copy_stands_in_whatever_order_copies_come(world: World, one_batch: bool) -> None:
    def copy(n: int, minute: int, id: str) -> Letter:
        return world.letter(call(f"c{n}", queue=f"{minute}{id}"), at=MORNING + timedelta(minutes=minute), id=id)

    orders = list(permutations([(1, "x"), (2, "a"), (2, "b")]))
    for n, order in enumerate(orders):
        letters = [copy(n, minute, f"{id}{n}") for minute, id in order]
        if one_batch:
            await world.deliver("qa", *letters)
        else:
            for letter in letters:
                await world.deliver("qa", letter)
    assert await standing(world) == [(f"c{n}", "diane", f"2b{n}", True) for n in range(len(orders))]


async def test_a_newer_copy_that_says_not_answered_takes_the_call_off_the_lists(world: World) -> None:
    answered = [world.letter(call(f"c{n}"), at=MORNING) for n in range(2)]
    missed = [world.letter(call(f"c{n}", answered=False), at=MORNING + timedelta(hours=1)) for n in range(2)]
    auditor = world.as_("auditor")
    await world.deliver("qa", answered[0])
    [there] = await listed(auditor, "/qa/recordings")
    await world.deliver("qa", missed[0], missed[1])
    await world.deliver("qa", answered[1])
    assert await listed(auditor, "/qa/recordings") == []
    refused(await auditor.get(f"/qa/recordings/{there['id']}"), 404)


async def test_a_call_waits_for_its_agent_in_either_order(world: World) -> None:
    auditor = world.as_("auditor")
    await tell(world, call("c1", "unknown"))
    assert [(r["call_id"], r["employee_id"]) for r in await listed(auditor, "/qa/recordings", waiting=True)] == [
        ("c1", None)
    ]
    me = await hire(
        world, "unknown", date=date(2026, 6, 1)
    )  # also what came before the first day, for it was nobody else's
    assert await listed(auditor, "/qa/recordings", waiting=True) == []
    await tell(world, call("c2", "unknown"))
    assert [r["employee_id"] for r in await listed(auditor, "/qa/recordings")] == [str(me)] * 2


@pytest.mark.parametrize("named_is_newer", [True, False])
async def test_a_copy_that_names_the_agent_takes_the_place_of_one_that_does_not(
    world: World, named_is_newer: bool
) -> None:
    nobody = world.letter(call("c1", None), at=MORNING)
    named = world.letter(call("c1", "diane"), at=MORNING + timedelta(minutes=1 if named_is_newer else -1))
    auditor = world.as_("auditor")
    await world.deliver("qa", nobody)
    [waiting] = await listed(auditor, "/qa/recordings", waiting=True)
    assert (waiting["call_id"], waiting["agent_id"]) == ("c1", None)
    await world.deliver("qa", named)
    await world.deliver("qa", world.letter(call("c1", None), at=MORNING + timedelta(hours=1)))
    assert [r["agent_id"] for r in await listed(auditor, "/qa/recordings")] == ["diane"]
    assert [r["agent_id"] for r in await listed(auditor, "/qa/recordings", waiting=True)] == ["diane"]
    refused(await auditor.get(f"/qa/recordings/{waiting['id']}"), 404)


async def test_a_transferred_call_is_one_for_each_agent(world: World) -> None:
    await tell(world, call("c1", "diane"), call("c1", "becky"))
    assert {r["agent_id"] for r in await listed(world.as_("auditor"), "/qa/recordings", call_id="c1")} == {
        "diane",
        "becky",
    }


async def test_who_only_listens_in_has_no_interaction(world: World) -> None:
    """Also where a copy that does not say so comes before or after."""
    await tell(world, call("c1", "diane"), call("c1", "boss", listened_in=True), call("c2", "boss"))
    silent = world.letter(call("c2", "boss", listened_in=True), at=world.now + timedelta(minutes=1))
    await world.deliver("qa", silent, world.letter(call("c2", "boss")))
    assert [r["agent_id"] for r in await listed(world.as_("auditor"), "/qa/recordings")] == ["diane"]
    await world.deliver("performance", world.letter(call("c3", "boss", listened_in=True)))
    assert await world.rows("performance", "SELECT 1 FROM performance.call_facts WHERE call_id = 'c3'") == []


async def test_a_login_that_moves_on_leaves_its_calls_behind(world: World) -> None:
    first = await hire(world, "desk7", date=date(2025, 1, 1))
    second = await hire(world, "desk7", date=date(2026, 3, 2))
    await tell(world, call("old", "desk7", started_at=MORNING - timedelta(days=1)), call("new", "desk7"))
    auditor = world.as_("auditor")
    assert [(r["call_id"], r["employee_id"]) for r in await listed(auditor, "/qa/recordings")] == [
        ("new", str(second)), ("old", str(first)),
    ]  # fmt: skip
    for whose, call_id in ((first, "old"), (second, "new")):
        found = await listed(auditor, "/qa/recordings", employee_id=str(whose))
        assert [r["call_id"] for r in found] == [call_id]


async def test_lists_show_what_is_asked_for_page_by_page(world: World) -> None:
    lead = uuid4()
    me = await hire(world, "diane", team="north", team_lead_id=lead)
    await hire(world, "becky", team="north")
    await hire(world, "joe", team="south")
    agents = ("diane", "becky", "joe", "who")
    calls = [
        call(
            f"c{n:02}", agents[n % 4], started_at=MORNING + timedelta(hours=n), queue="vip" if n % 3 == 0 else "faults"
        )
        for n in range(40)
    ]
    await tell(world, *calls)
    newest_first = [c.call_id for c in reversed(calls)]

    async def ids(client: object = None, **params: object) -> list[str]:
        found = await listed(client or world.as_("auditor"), "/qa/recordings", limit=3, **params)
        return [r["call_id"] for r in found]

    def of(*names: str) -> list[str]:
        return [id for id in newest_first if agents[int(id[1:]) % 4] in names]

    assert await ids() == newest_first
    assert await ids(agent_id="joe") == of("joe")
    assert await ids(team="north") == of("diane", "becky")
    assert await ids(team="nowhere") == []
    assert await ids(employee_id=str(me)) == of("diane")
    assert await ids(employee_id=str(me), team="south") == []
    assert await ids(team="north", agent_id="becky") == of("becky")
    assert await ids(waiting=True) == of("who")
    assert await ids(queue="vip") == [id for id in newest_first if int(id[1:]) % 3 == 0]
    assert await ids(call_id="c07") == ["c07"]
    # 09:00 on the 2nd and fifteen hours on are the 3rd; both ends count
    assert await ids(**{"from": "2026-03-03", "to": "2026-03-03"}) == [f"c{n}" for n in range(38, 14, -1)]
    assert await ids(world.as_("agent", sub=me)) == of("diane")
    assert await ids(world.as_("agent", sub=me), team="south") == []
    assert await ids(world.as_("agent", sub=me), waiting=True) == []
    assert await ids(world.as_("team_lead", sub=lead)) == of("diane")
    refused(await world.as_("auditor").get("/qa/recordings", params={"cursor": "nonsense"}), 400)


async def test_foreign_recordings_are_not_there(world: World) -> None:
    me, lead = await hire(world, "diane", team_lead_id=uuid4()), uuid4()
    other = await hire(world, "becky", team_lead_id=lead)
    await tell(world, call("c1", "becky"), call("c2", "who"))
    for found in await listed(world.as_("auditor"), "/qa/recordings"):
        path, known = f"/qa/recordings/{found['id']}", found["call_id"] == "c1"
        refused(await world.as_("agent", sub=me).get(path), 404)
        refused(await world.as_("agent").get(path), 404)
        refused(await world.as_("hr").get(path), 403)
        refused(await world.as_().get(path), 401)
        assert (await world.as_("agent", sub=other).get(path)).status_code == (200 if known else 404)
        assert (await world.as_("team_lead", sub=lead).get(path)).status_code == (200 if known else 404)
    refused(await world.as_("auditor").get(f"/qa/recordings/{uuid4()}"), 404)


async def test_ten_thousand_calls_in_batches(world: World) -> None:
    people = [employee(f"agent{n}") for n in range(20)]
    await world.deliver("qa", *(world.letter(person) for person in people))
    for batch in range(20):
        calls = [
            call(f"c{batch * 500 + n}", f"agent{n % 20}", started_at=MORNING + timedelta(seconds=batch * 500 + n))
            for n in range(500)
        ]
        await tell(world, *calls, calls[0])
    [row] = await world.rows("qa", "SELECT count(*) AS n, count(DISTINCT call_id) AS calls FROM qa.recordings")
    assert dict(row) == {"n": 10_000, "calls": 10_000}
    page = good(await world.as_("auditor").get("/qa/recordings", params={"employee_id": str(people[3].employee_id)}))
    assert [r["call_id"] for r in page["items"][:2]] == ["c9983", "c9963"]
