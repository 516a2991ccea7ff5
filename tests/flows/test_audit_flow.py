"""From a failed audit through its dispute: do coaching and appraisal end alike, in whatever order they hear of it?"""

from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.events import Letter
from tests.services.qa_help import MORNING, audited, call, employee, good, listed
from tests.world import World

LEAD = uuid4()
YES = {"answers": {"resolution": {"value": "yes"}}}
AGAIN = {"answers": {"respect": {"value": "no"}, "resolution": {"value": "yes"}}}
STORIES: dict[str, tuple[dict[str, Any] | None, str, float | None]] = {
    # The decision (None: no dispute, but voided), what becomes of the coaching, and the score that stands. Where no
    # fail stands any more the appraisal is as without the audit.
    "upheld": ({"outcome": "upheld"}, "assigned", 65),
    "overturned": ({"outcome": "overturned"}, "cancelled", None),
    "revised to a pass": ({"outcome": "revised", **YES}, "cancelled", None),
    "revised to another fail": ({"outcome": "revised", **AGAIN}, "assigned", 0),
    "wrong agent": ({"outcome": "wrong_agent"}, "cancelled", None),
    "voided": (None, "cancelled", None),
}


async def taken(world: World) -> list[Letter]:
    """What qa has published, in order, taken out of its outbox."""
    rows = await world.rows(
        "qa",
        "WITH gone AS (DELETE FROM qa.outbox RETURNING *) SELECT topic, key, headers, payload FROM gone ORDER BY id",
    )
    return [Letter(row["topic"], row["key"], row["headers"], row["payload"]) for row in rows]


async def lived(world: World, recording: str, me: UUID, other: UUID, decision: dict[str, Any] | None) -> Any:
    """The audit, failed with 65 points, after its dispute; nobody outside qa has heard of it yet."""
    audit = await audited(world, recording, resolution="no")
    path = f"/qa/audits/{audit['id']}"
    if decision is None:
        return good(await world.as_("manager").post(f"{path}/void", json={"reason": "test_call"}))
    good(await world.as_("agent", sub=me).post(f"{path}/disputes", json={"reason": "misheard"}), 201)
    whose = {"employee_id": str(other)} if decision["outcome"] == "wrong_agent" else {}
    body = {"reason": "heard_again", **decision, **whose}
    return good(await world.as_("team_lead", sub=LEAD).post(f"{path}/disputes/decision", json=body))


async def ends(world: World, who: UUID) -> tuple[list[tuple[str, str]], list[tuple[str, float]]]:
    """The coaching of somebody, and what stands in their appraisal: audit and status, audit and score."""
    params = {"employee_id": str(who)}
    coaching = await listed(world.as_("trainer"), "/training/coaching-assignments", **params)
    [appraisal] = await listed(world.as_("manager"), "/performance/appraisals", **params)
    why = good(await world.as_("manager").get(f"/performance/appraisals/{appraisal['id']}/explanation"))
    return (
        [(one["audit_id"], one["status"]) for one in coaching],
        [(one["audit_id"], one["value"]) for one in why["entries"] if one["audit_id"]],
    )


@pytest.mark.parametrize("story", STORIES)
async def test_coaching_and_appraisal_end_alike_in_any_order(world: World, story: str) -> None:
    decision, coached, score = STORIES[story]
    n = 4 if decision and decision["outcome"] == "wrong_agent" else 3 if decision else 2
    # A verdict that moved to somebody else is an audit of its own: first or last says enough of its place.
    orders = [order for order in permutations(range(n)) if n < 4 or order.index(3) in (0, 3)]
    people = [employee(f"agent{i}", team_lead_id=LEAD) for i in range(2 * len(orders))]
    started = [world.letter(one) for one in people]
    cycle = {"code": "now", "kind": "yearly", "from": "2026-01-01", "to": "2026-12-31"}
    good(await world.as_("manager").post("/performance/cycles", json=cycle), 201)
    for service in ("qa", "training", "performance"):
        await world.deliver(service, *started)
    calls = [call(f"c{i}", f"agent{i}", started_at=MORNING + timedelta(minutes=i)) for i in range(len(orders))]
    await world.deliver("qa", *(world.letter(one) for one in calls))
    recordings = {one["call_id"]: one["id"] for one in await listed(world.as_("auditor"), "/qa/recordings")}
    for i, order in enumerate(orders):
        me, other = people[i].employee_id, people[len(orders) + i].employee_id
        audit = await lived(world, recordings[f"c{i}"], me, other, decision)
        letters = await taken(world)
        assert len(letters) == n
        for which in order:
            for service in ("training", "performance"):
                await world.deliver(service, letters[which], letters[which])
        stands = [] if score is None else [(audit["id"], score)]
        assert await ends(world, me) == ([(audit["id"], coached)], stands), order
        if story == "wrong agent":
            [moved] = await listed(world.as_("auditor"), "/qa/audits", employee_id=str(other))
            assert await ends(world, other) == ([(moved["id"], "assigned")], [(moved["id"], 65)]), order
        else:
            assert await ends(world, other) == ([], [])
