"""Do the numbers say what was audited, how sure that is, and no more?"""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.qa.domain.numbers import Rate, standings
from tests.services.qa_help import MORNING, audited, call, good, hire, listed, refused, tell
from tests.world import World

LEAD = uuid4()
MARCH = {"from": "2026-03-01", "to": "2026-03-31"}


@pytest.fixture
async def centre(world: World) -> dict[str, UUID]:
    """Diane passes 5 of 5, two of them a week later; Joe fails 5 of 5: three on resolution, two on respect (fatal)."""
    people = {
        "diane": await hire(world, "diane", team="north", team_lead_id=LEAD),
        "joe": await hire(world, "joe", team="south"),
    }
    for name in people:
        await tell(
            world,
            *(
                call(
                    f"{name}{n}", name, started_at=MORNING + timedelta(days=7 * (n > 2)), queue="vip" if n else "faults"
                )
                for n in range(5)
            ),
        )
    for one in await listed(world.as_("auditor"), "/qa/recordings"):
        fails = {"respect" if one["call_id"] in ("joe3", "joe4") else "resolution": "no"}
        await audited(world, one["id"], **(fails if one["agent_id"] == "joe" else {}))
    return people


async def numbers(world: World, path: str = "/qa/numbers", client: Any = None, **params: str) -> dict[Any, Any]:
    found = good(await (client or world.as_("manager")).get(path, params={**MARCH, **params}))
    return {(one["key"], one["week"]) if "week" in one else one["key"]: one for one in found}


async def test_agents_teams_queues(world: World, centre: dict[str, UUID]) -> None:
    diane, joe = str(centre["diane"]), str(centre["joe"])
    found = await numbers(world, by="agent")
    # Wilson of 5 out of 5: low 5 / (5 + 1.96²) = 0.5655; of 0 out of 5: high 0.4345
    assert found[diane]["passed"] == {"n": 5, "good": 5, "rate": 1, "low": 0.5655, "high": 1}
    assert found[joe]["passed"] == {"n": 5, "good": 0, "rate": 0, "low": 0, "high": 0.4345}
    assert [(found[k]["better_than"], found[k]["worse_than"]) for k in (diane, joe)] == [(1, 0), (0, 1)]
    accuracy = found[joe]["accuracy"]["customer_critical"]
    assert (accuracy["n"], accuracy["good"]) == (5, 0)
    assert found[joe]["accuracy"]["compliance_critical"] == {"n": 0, "good": 0, "rate": None, "low": None, "high": None}
    assert {k: v["passed"]["n"] for k, v in (await numbers(world, by="team")).items()} == {"north": 5, "south": 5}
    queues = await numbers(world, by="queue")
    assert {k: v["passed"]["n"] for k, v in queues.items()} == {"vip": 8, "faults": 2}
    assert {(q["better_than"], q["worse_than"]) for q in queues.values()} == {(0, 0)}
    assert (await numbers(world, by="agent", queue="faults"))[joe]["passed"]["n"] == 1
    assert await numbers(world, by="agent", scorecard="complaint") == {}
    assert await numbers(world, by="agent", **{"from": "2026-03-20"}) == {}


async def test_criteria(world: World, centre: dict[str, UUID]) -> None:
    found = await numbers(world, by="criterion", scorecard="short")
    assert {key: (one["passed"]["good"], one["passed"]["n"]) for key, one in found.items()} == {
        "greeting": (10, 10), "listening": (10, 10), "resolution": (7, 10), "respect": (8, 10), "closing": (10, 10),
    }  # fmt: skip
    refused(await world.as_("manager").get("/qa/numbers", params={**MARCH, "by": "criterion"}), 422)
    refused(await world.as_("manager").get("/qa/numbers", params={**MARCH, "by": "agent", "to": "2026-02-01"}), 422)


async def test_weeks(world: World, centre: dict[str, UUID]) -> None:
    found = await numbers(world, "/qa/numbers/weeks", by="team")
    assert {key: (one["passed"]["good"], one["passed"]["n"]) for key, one in found.items()} == {
        ("north", "2026-03-02"): (3, 3), ("north", "2026-03-09"): (2, 2),
        ("south", "2026-03-02"): (0, 3), ("south", "2026-03-09"): (0, 2),
    }  # fmt: skip


async def test_who_sees_which_numbers(world: World, centre: dict[str, UUID]) -> None:
    me = world.as_("agent", sub=centre["joe"])
    assert (await numbers(world, client=me, by="agent")).keys() == {str(centre["joe"])}
    assert (await numbers(world, client=world.as_("team_lead", sub=LEAD), by="team")).keys() == {"north"}
    assert await numbers(world, client=world.as_("agent"), by="agent") == {}
    refused(await world.as_("hr").get("/qa/numbers", params={**MARCH, "by": "agent"}), 403)


async def test_what_is_not_released_or_was_taken_back_does_not_count(world: World, centre: dict[str, UUID]) -> None:
    manager = world.as_("manager")
    [one, *_] = await listed(manager, "/qa/audits", employee_id=str(centre["joe"]))
    good(await manager.post(f"/qa/audits/{one['id']}/void", json={"reason": "x"}))
    good(await manager.put("/qa/audit-rules", json={"release": True}))
    await audited(world, one["recording_id"], auditor="bob")
    assert (await numbers(world, by="team"))["south"]["passed"]["n"] == 4


def test_standings_only_where_intervals_part() -> None:
    assert standings([Rate(5, 5), Rate(5, 4), Rate(5, 0), Rate(0, 0)]) == [(1, 0), (0, 0), (0, 1), (0, 0)]
