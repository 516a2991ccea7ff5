"""Release, acknowledgement, voiding, the wrong agent, follow-ups: does each do what it says, and nobody else's work?"""

import asyncio
import itertools
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.training import CoachingCompleted
from tests.services.qa_help import MORNING, answers, audited, call, events, good, hire, listed, refused, tell
from tests.world import World

LEAD = uuid4()


@pytest.fixture
async def me(world: World) -> UUID:
    return await hire(world, "diane", team_lead_id=LEAD)


@pytest.fixture
async def recording(world: World, me: UUID) -> str:
    await tell(world, call("c1"))
    [found] = await listed(world.as_("auditor"), "/qa/recordings")
    return str(found["id"])


async def rule(world: World, **rules: Any) -> None:
    good(await world.as_("manager").put("/qa/audit-rules", json=rules))


async def told(world: World) -> list[str]:
    return [event["type"] for event in await events(world)]


async def test_where_release_is_asked_for_the_event_waits(world: World, recording: str, me: UUID) -> None:
    await rule(world, release=True)
    audit = await audited(world, recording, resolution="no")
    path = f"/qa/audits/{audit['id']}"
    assert (audit["status"], audit["result"], audit["released_at"]) == ("unreleased", "failed", None)
    assert await told(world) == []
    mine, lead = world.as_("agent", sub=me), world.as_("team_lead", sub=LEAD)
    assert await listed(mine, "/qa/audits") == []
    for hidden in ("", "/history", "/revisions"):
        refused(await mine.get(path + hidden), 404)
    refused(await mine.post(f"{path}/acknowledgement"), 404)
    refused(await mine.post(f"{path}/disputes", json={"reason": "x"}), 404)
    assert [one["id"] for one in await listed(lead, "/qa/audits", status="unreleased")] == [audit["id"]]
    refused(await world.as_("auditor", sub="bob").post(f"{path}/release"), 403)
    refused(await world.as_("manager", sub="ann").post(f"{path}/release"), 403)
    refused(await world.as_("manager", sub=me).post(f"{path}/release"), 403)
    refused(await world.as_("team_lead", sub=uuid4()).post(f"{path}/release"), 404)
    refused(await lead.post(f"{path}/release", headers={"If-Match": '"1"'}), 412)
    world.now += timedelta(days=3)
    done = good(await lead.post(f"{path}/release"))
    assert (done["status"], done["revision"], done["submitted_at"]) == ("submitted", 1, audit["submitted_at"])
    [event] = await events(world)
    assert (event["type"], event["body"]["score"]) == ("qa.audit.failed.v1", 65)
    assert event["body"]["submitted_at"] == audit["submitted_at"]
    refused(await lead.post(f"{path}/release"), 409)
    good(await mine.post(f"{path}/disputes", json={"reason": "x"}), 201)


async def test_rules_have_versions(world: World) -> None:
    manager = world.as_("manager")
    first = await manager.get("/qa/audit-rules")
    assert good(first) == {"release": False, "dispute_days": 14, "disputes": 1, "version": 1}
    tag = {"If-Match": first.headers["etag"]}
    assert good(await manager.put("/qa/audit-rules", json={"disputes": 2}, headers=tag))["version"] == 2
    refused(await manager.put("/qa/audit-rules", json={"disputes": 3}, headers=tag), 412)
    refused(await manager.put("/qa/audit-rules", json={"dispute_days": -1}), 422)
    refused(await world.as_("auditor").put("/qa/audit-rules", json={}), 403)


async def test_the_employee_acknowledges_once(world: World, recording: str, me: UUID) -> None:
    path = f"/qa/audits/{(await audited(world, recording))['id']}"
    refused(await world.as_("team_lead", sub=LEAD).post(f"{path}/acknowledgement"), 403)
    done = good(await world.as_("agent", sub=me).post(f"{path}/acknowledgement"))
    assert (done["status"], done["acknowledged_at"]) == ("acknowledged", "2026-03-02T09:00:00Z")
    refused(await world.as_("agent", sub=me).post(f"{path}/acknowledgement"), 409)


async def test_disputes_end_with_the_window(world: World, recording: str, me: UUID) -> None:
    """14 days after the second of March in Shanghai: the sixteenth is the last."""
    path = f"/qa/audits/{(await audited(world, recording, resolution='no'))['id']}"
    good(await world.as_("agent", sub=me).post(f"{path}/acknowledgement"))
    world.now = world.now.replace(day=16, hour=16)  # midnight of the 17th in Shanghai
    problem = refused(await world.as_("agent", sub=me).post(f"{path}/disputes", json={"reason": "x"}), 409)
    assert problem["detail"] == "The audit could be disputed until 2026-03-16; ask your team lead."
    world.now -= timedelta(seconds=1)
    good(await world.as_("agent", sub=me).post(f"{path}/disputes", json={"reason": "x"}), 201)


async def test_disputes_are_counted(world: World, recording: str, me: UUID) -> None:
    await rule(world, disputes=2)
    path = f"/qa/audits/{(await audited(world, recording, resolution='no'))['id']}"
    mine, lead = world.as_("agent", sub=me), world.as_("team_lead", sub=LEAD)
    for _ in range(2):
        good(await mine.post(f"{path}/disputes", json={"reason": "x"}), 201)
        good(await lead.post(f"{path}/disputes/decision", json={"outcome": "upheld", "reason": "x"}))
    problem = refused(await mine.post(f"{path}/disputes", json={"reason": "x"}), 409)
    assert problem["detail"].startswith("The audit was disputed 2 times already")
    assert len(good(await mine.get(path))["disputes"]) == 2


@pytest.mark.parametrize("resolution", ["no", "yes"])
async def test_voided_counts_for_nothing(world: World, recording: str, me: UUID, resolution: str) -> None:
    audit = await audited(world, recording, resolution=resolution)
    path, why = f"/qa/audits/{audit['id']}/void", {"reason": "test_call"}
    refused(await world.as_("auditor", sub="ann").post(path, json=why), 403)
    refused(await world.as_("manager", sub=me).post(path, json=why), 403)
    refused(await world.as_("manager").post(path, json={}), 422)
    done = good(await world.as_("manager").post(path, json=why))
    assert (done["status"], done["result"], done["score"], done["revision"]) == ("voided", None, None, 2)
    event = (await events(world))[-1]
    assert (event["type"], event["body"]["passed"], event["body"]["reason"]) == (
        "qa.audit.overturned.v1", None, "test_call",
    )  # fmt: skip
    refused(await world.as_("manager").post(path, json=why), 409)
    history = good(await world.as_("agent", sub=me).get(f"/qa/audits/{audit['id']}/history"))
    assert (history[-1]["action"], history[-1]["reason"]) == ("voided", "test_call")


async def test_a_voided_draft_says_nothing(world: World, recording: str, me: UUID) -> None:
    ann = world.as_("auditor", sub="ann")
    audit = good(await ann.post("/qa/audits", json={"recording_id": recording, "scorecard": "short"}), 201)
    good(await world.as_("manager").post(f"/qa/audits/{audit['id']}/void", json={"reason": "x"}))
    assert await told(world) == []
    assert await listed(world.as_("agent", sub=me), "/qa/audits") == []
    refused(await ann.put(f"/qa/audits/{audit['id']}/answers", json=answers()), 409)


async def test_after_a_voided_audit_the_same_auditor_makes_another(world: World, recording: str, me: UUID) -> None:
    """One at a time: only what was voided is not in the way, as a draft or submitted, and at once only one is made."""
    ann, manager = world.as_("auditor", sub="ann"), world.as_("manager")
    wanted, before = {"recording_id": recording, "scorecard": "short"}, None
    for handed_in in (False, True, False):
        made = await asyncio.gather(*(ann.post("/qa/audits", json=wanted) for _ in range(3)))
        assert sorted(answer.status_code for answer in made) == [201, 409, 409]
        [audit] = [answer.json() for answer in made if answer.status_code == 201]
        assert (audit["moved_from"], audit["status"], audit["employee_id"]) == (before, "draft", str(me))
        path = f"/qa/audits/{audit['id']}"
        if handed_in:
            good(await ann.put(f"{path}/answers", json=answers(resolution="no")))
            good(await ann.post(f"{path}/submit"))
            refused(await ann.post("/qa/audits", json=wanted), 409)
        good(await manager.post(f"{path}/void", json={"reason": "x"}))
        before = audit["id"]
    assert await told(world) == ["qa.audit.failed.v1", "qa.audit.overturned.v1"]
    assert {one["status"] for one in await listed(ann, "/qa/audits")} == {"voided"}


async def test_the_wrong_agent(world: World, recording: str, me: UUID) -> None:
    other = await hire(world, "joe")
    audit = await audited(world, recording, resolution="no", greeting="no")
    path = f"/qa/audits/{audit['id']}"
    good(await world.as_("agent", sub=me).post(f"{path}/disputes", json={"reason": "not_me"}), 201)
    body = {"outcome": "wrong_agent", "reason": "login_lent"}
    lead = world.as_("team_lead", sub=LEAD)
    for wrong in ({}, {"employee_id": str(me)}, {"employee_id": str(uuid4())}):
        refused(await lead.post(f"{path}/disputes/decision", json={**body, **wrong}), 422)
    refused(
        await lead.post(f"{path}/disputes/decision", json={**body, "outcome": "upheld", "employee_id": str(other)}), 422
    )
    refused(
        await world.as_("manager", sub=other).post(
            f"{path}/disputes/decision", json={**body, "employee_id": str(other)}
        ),
        403,
    )
    done = good(await lead.post(f"{path}/disputes/decision", json={**body, "employee_id": str(other)}))
    assert (done["status"], done["result"], done["employee_id"]) == ("overturned", None, str(me))
    [moved] = await listed(world.as_("agent", sub=other), "/qa/audits")
    assert (moved["moved_from"], moved["status"], moved["score"], moved["revision"], moved["auditor_id"]) == (
        audit["id"], "submitted", 55, 1, "ann",
    )  # fmt: skip
    whole = good(await world.as_("agent", sub=other).get(f"/qa/audits/{moved['id']}"))
    assert whole["answers"]["resolution"]["value"] == "no"
    assert whole["marks"] == {"greeting": 0, "listening": 100, "resolution": 0, "respect": 100, "closing": 100}
    _, _, overturned, failed = await events(world)
    assert (overturned["type"], overturned["key"], overturned["body"]["passed"]) == (
        "qa.audit.overturned.v1", str(me), None,
    )  # fmt: skip
    assert (failed["type"], failed["key"], failed["body"]["audit_id"]) == (
        "qa.audit.failed.v1", str(other), moved["id"],
    )  # fmt: skip
    [step] = good(await world.as_("agent", sub=other).get(f"/qa/audits/{moved['id']}/history"))
    assert (step["action"], step["actor"], step["reason"]) == ("moved", str(LEAD), "login_lent")
    good(await world.as_("agent", sub=other).post(f"/qa/audits/{moved['id']}/disputes", json={"reason": "x"}), 201)


def completed(audit: Any, **more: Any) -> CoachingCompleted:
    return CoachingCompleted(
        assignment_id=more.pop("assignment_id", uuid4()), audit_id=audit["id"], employee_id=audit["employee_id"],
        coach_id=None, competencies=(), due_on=date(2026, 3, 9), **more,
    )  # fmt: skip


async def test_coaching_is_followed_up_on_a_later_call(world: World, recording: str, me: UUID) -> None:
    audit = await audited(world, recording, resolution="no", greeting="no")
    coached = completed(audit)
    await world.deliver("qa", world.letter(coached), world.letter(coached))
    await world.deliver("qa", world.letter(coached))
    bob = world.as_("auditor", sub="bob")
    [owed] = await listed(bob, "/qa/follow-ups", employee_id=str(me))
    assert (owed["audit_id"], owed["criteria"]) == (audit["id"], ["greeting", "resolution"])
    assert len(await listed(world.as_("team_lead", sub=LEAD), "/qa/follow-ups")) == 1
    assert await listed(world.as_("team_lead", sub=uuid4()), "/qa/follow-ups") == []
    path = f"/qa/follow-ups/{owed['id']}/audit"
    refused(await bob.post(path, json={"recording_id": recording}), 422)  # before the coaching
    await tell(world, call("c2", started_at=MORNING + timedelta(days=1)))
    [later] = await listed(bob, "/qa/recordings", call_id="c2")
    refused(await world.as_("auditor", sub=me).post(path, json={"recording_id": later["id"]}), 403)
    begun = good(await bob.post(path, json={"recording_id": later["id"]}), 201)
    assert (begun["purpose"], begun["follows"], begun["focus"]) == (
        "follow_up",
        audit["id"],
        ["greeting", "resolution"],
    )
    assert await listed(bob, "/qa/follow-ups") == []
    refused(await bob.post(path, json={"recording_id": later["id"]}), 404)
    body = {"answers": {"greeting": {"value": "no"}, "resolution": {"value": "yes"}}}
    refused(await bob.put(f"/qa/audits/{begun['id']}/answers", json=answers()), 422)
    good(await bob.put(f"/qa/audits/{begun['id']}/answers", json=body))
    done = good(await bob.post(f"/qa/audits/{begun['id']}/submit"))
    assert (done["score"], done["result"], done["failed"]) == (77.78, "failed", ["greeting"])  # 35 of 45


async def test_follow_ups_in_any_order(world: World, recording: str, me: UUID) -> None:
    """Coaching completed before, between and after a dispute that takes the fail back: nothing is owed in the end."""
    for n, order in enumerate(itertools.permutations(["coached", "overturned"])):
        audit = await audited(world, recording, auditor=f"auditor{n}", resolution="no")
        for what in order:
            if what == "coached":
                await world.deliver("qa", world.letter(completed(audit, criteria=("resolution",))))
                continue
            mine = world.as_("agent", sub=me)
            good(await mine.post(f"/qa/audits/{audit['id']}/disputes", json={"reason": "x"}), 201)
            decision = {"outcome": "overturned", "reason": "x"}
            path = f"/qa/audits/{audit['id']}/disputes/decision"
            good(await world.as_("team_lead", sub=LEAD).post(path, json=decision))
    assert await listed(world.as_("auditor"), "/qa/follow-ups") == []
    assert len(await world.rows("qa", "SELECT id FROM qa.follow_ups")) == 2
