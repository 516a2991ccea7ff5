"""Training among the others: pre-job training completes recruiting's steps, and a failed audit goes its way."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.recruiting_help import Office
from tests.services.qa_help import audited, call, employee, good
from tests.world import World


async def test_pre_job_and_culture_training_complete_steps_15_and_16(world: World) -> None:
    office, trainer = Office(world), world.as_("trainer")
    requisition = await office.requisition(headcount=1)
    candidate = await office.applied(requisition)
    await office.lists(requisition, 5, {candidate: "pass"})
    await office.interviewed(candidate, 90)
    await office.verified(candidate)
    for n in (10, 11):
        await office.lists(requisition, n, {candidate: "pass"})
    await office.step(candidate, 12, "fit")
    await office.step(candidate, 12, "offered", expires_on="2026-03-10")
    await office.step(candidate, 12, "accepted")
    who = await office.employed(candidate)
    await world.settle()

    params = {"application_id": candidate}
    enrolments = good(await trainer.get("/training/enrolments", params=params))["items"]
    assert {e["purpose"] for e in enrolments} == {"pre_job", "culture"}
    me = world.as_("agent", sub=who)
    for n, one in enumerate(enrolments):
        good(await trainer.post("/training/examinations", json={"enrolment_id": one["id"], "score": 85}), 201)
        asked = good(await me.get(f"/training/courses/{one['course_id']}"))
        if asked["documents"]:
            documents = {"documents": asked["documents"]}
            good(await me.post(f"/training/enrolments/{one['id']}/documents", json=documents))
        if asked["method"] == "online":
            continue
        begin = world.now + timedelta(days=n)
        meeting = {
            "room": "1", "starts_at": begin.isoformat(),
            "ends_at": (begin + timedelta(hours=asked["hours"])).isoformat(),
        }  # fmt: skip
        body = {"course": one["course"], "trainer_id": str(UUID(int=n)), "seats": 9, "meetings": [meeting]}
        session = good(await trainer.post("/training/sessions", json=body), 201)
        path = f"/training/sessions/{session['id']}"
        good(await me.post(f"{path}/places", json={"enrolment_id": one["id"]}), 201)
        world.now = begin + timedelta(hours=1)
        noted = {"present": {who: True}}
        good(await trainer.post(f"{path}/meetings/{session['meetings'][0]['id']}/attendance", json=noted))
    await world.settle()
    application = await office.get(f"/applications/{candidate}")
    assert application["step"] == 17
    assert {15, 16} <= set(application["done"])


@pytest.mark.parametrize("overturned", ["never", "before", "after"])
async def test_from_a_failed_audit_to_its_follow_up(world: World, overturned: str) -> None:
    diane, lead, mentor = employee("diane"), UUID(int=1), UUID(int=2)
    diane = diane.model_copy(update={"team_lead_id": lead, "mentor_id": mentor})
    await world.send(diane, call("one"), call("two"))
    recordings = {r["call_id"]: r["id"] for r in good(await world.as_("auditor").get("/qa/recordings"))["items"]}
    audit = await audited(world, recordings["one"], respect="no")
    await world.settle()

    async def coaching() -> dict[str, Any]:
        path, params = "/training/coaching-assignments", {"audit_id": audit["id"]}
        [found] = good(await world.as_("trainer").get(path, params=params))["items"]
        return dict(found)

    first = await coaching()
    assert (first["rule"], first["coach_id"], first["status"]) == ("critical_error", str(mentor), "assigned")
    path = f"/training/coaching-assignments/{first['id']}"
    me = world.as_("agent", sub=diane.employee_id)

    async def overturn() -> None:
        dispute = {"reason": "misheard", "comment": "I did not say that.", "criteria": ["respect"]}
        good(await me.post(f"/qa/audits/{audit['id']}/disputes", json=dispute), 201)
        decision = {"outcome": "overturned", "reason": "misheard", "comment": "True."}
        judge = world.as_("team_lead", sub=lead)
        good(await judge.post(f"/qa/audits/{audit['id']}/disputes/decision", json=decision))
        await world.settle()

    if overturned == "before":
        await overturn()
        assert (await coaching())["status"] == "cancelled"
        assert (await world.as_("agent", sub=mentor).post(f"{path}/completion")).status_code == 409
        return
    good(await me.post(f"{path}/acknowledgement"))
    good(await world.as_("agent", sub=mentor).post(f"{path}/completion"))
    await world.settle()
    if overturned == "after":
        await overturn()
        kept = await coaching()
        assert (kept["status"], kept["no_longer_owed"]) == ("completed", True)
        return
    world.now += timedelta(days=1)
    again = await audited(world, recordings["two"])
    await world.settle()
    done = await coaching()
    assert (done["status"], done["follow_up_audit_id"], done["follow_up_met"]) == ("followed_up", again["id"], True)
