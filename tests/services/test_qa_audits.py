"""Does an audit go its way from draft to decision, and nobody further than they may?"""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.services.qa_help import SHORT, answers, audited, call, events, good, hire, listed, refused, tell
from tests.world import World

LEAD = uuid4()


@pytest.fixture
async def me(world: World) -> UUID:
    """The agent whose calls are audited."""
    return await hire(world, "diane", team_lead_id=LEAD)


@pytest.fixture
async def recording(world: World, me: UUID) -> str:
    await tell(world, call("c1"))
    [found] = await listed(world.as_("auditor"), "/qa/recordings")
    return str(found["id"])


async def begun(world: World, recording: str, auditor: str = "ann", **body: Any) -> Any:
    body = {"recording_id": recording, **(body or {"scorecard": "short"})}
    return good(await world.as_("auditor", sub=auditor).post("/qa/audits", json=body), 201)


async def dispute(world: World, id: str, me: UUID, **more: Any) -> Any:
    body = {"reason": "misheard", "comment": "I did greet, hear second 3", "criteria": ["greeting"], **more}
    return good(await world.as_("agent", sub=me).post(f"/qa/audits/{id}/disputes", json=body), 201)


async def decide(world: World, id: str, outcome: str, **more: Any) -> Any:
    body = {"outcome": outcome, "reason": "evidence", **more}
    return good(await world.as_("team_lead", sub=LEAD).post(f"/qa/audits/{id}/disputes/decision", json=body))


async def test_a_fail_is_told(world: World, recording: str, me: UUID) -> None:
    ann = world.as_("auditor", sub="ann")
    audit = await begun(world, recording)
    assert (audit["status"], audit["version"], audit["revision"], audit["score"]) == ("draft", 1, 0, None)
    assert audit["employee_id"] == str(me)
    body = answers(resolution="no", greeting="no")
    body["answers"]["resolution"] |= {"comment": "王小姐的电话没有解决", "at_seconds": 61.5}
    good(await ann.put(f"/qa/audits/{audit['id']}/answers", json=body))
    submitted = await ann.post(f"/qa/audits/{audit['id']}/submit")
    assert submitted.headers["etag"] == '"3"'
    assert good(submitted) == good(await ann.get("/qa/audits"))["items"][0]
    done = submitted.json()
    assert {key: done[key] for key in ("status", "result", "raw_score", "score", "revision", "critical_errors")} == {
        "status": "submitted", "result": "failed", "raw_score": 55, "score": 55, "revision": 1, "critical_errors": [],
    }  # fmt: skip
    [event] = await events(world)
    assert (event["type"], event["key"]) == ("qa.audit.failed.v1", str(me))
    assert event["body"] == {
        "audit_id": audit["id"], "revision": 1, "recording_id": recording, "call_id": "c1", "employee_id": str(me),
        "auditor_id": "ann", "scorecard": "short@1", "score": 55, "possible_points": 100, "passing_score": 80,
        "critical_errors": [],
        "failed_criteria": [
            {"criterion": "greeting", "competency": "flexible_standard_language", "error_class": "none", "score": 0,
             "at_seconds": None},
            {"criterion": "resolution", "competency": "problem_solving", "error_class": "customer_critical", "score": 0,
             "at_seconds": 61.5},
        ],
        "submitted_at": "2026-03-02T09:00:00Z",
    }  # fmt: skip


async def test_a_pass_is_told(world: World, recording: str, me: UUID) -> None:
    done = await audited(world, recording, greeting="not_applicable")
    assert (done["result"], done["score"]) == ("passed", 100)
    assert [(e["type"], e["body"]["failed_criteria"]) for e in await events(world)] == [("qa.audit.passed.v1", [])]


async def test_a_fatal_criterion_makes_the_score_zero(world: World, recording: str) -> None:
    done = await audited(world, recording, respect="no")
    assert (done["result"], done["raw_score"], done["score"], done["critical_errors"]) == ("failed", 80, 0, ["respect"])
    [event] = await events(world)
    assert (event["body"]["score"], event["body"]["critical_errors"]) == (0, ["respect"])


async def test_where_nothing_is_applicable_nothing_is_said(world: World, recording: str, me: UUID) -> None:
    done = await audited(world, recording, **dict.fromkeys(SHORT, "not_applicable"))
    assert (done["status"], done["result"], done["score"]) == ("submitted", None, None)
    assert await events(world) == []
    problem = refused(
        await world.as_("agent", sub=me).post(f"/qa/audits/{done['id']}/disputes", json={"reason": "x"}), 409
    )
    assert problem["detail"] == "The audit is submitted, its result -; what can be done with it now: -."


async def test_every_criterion_needs_an_answer(world: World, recording: str) -> None:
    ann = world.as_("auditor", sub="ann")
    path = f"/qa/audits/{(await begun(world, recording))['id']}"
    some = {"answers": {"greeting": {"value": "yes"}}}
    good(await ann.put(f"{path}/answers", json=some))
    problem = refused(await ann.post(f"{path}/submit"), 422)
    assert [e["field"] for e in problem["errors"]] == [f"answers.{key}" for key in SHORT[1:]]
    assert good(await ann.get(path))["status"] == "draft"
    for wrong in ({"nonsense": {"value": "yes"}}, {"greeting": {"value": "perhaps"}}, {"greeting": {}}):
        refused(await ann.put(f"{path}/answers", json={"answers": wrong}), 422)
    saved = good(await ann.get(path))["answers"]
    assert saved == {"greeting": {"value": "yes", "comment": None, "at_seconds": None}}


async def test_two_browsers_do_not_overwrite_each_other(world: World, recording: str) -> None:
    ann = world.as_("auditor", sub="ann")
    path = f"/qa/audits/{(await begun(world, recording))['id']}"
    tag = (await ann.get(path)).headers["etag"]
    first = await ann.put(f"{path}/answers", json=answers(), headers={"If-Match": tag})
    refused(await ann.put(f"{path}/answers", json=answers(greeting="no"), headers={"If-Match": tag}), 412)
    refused(await ann.post(f"{path}/submit", headers={"If-Match": tag}), 412)
    good(await ann.post(f"{path}/submit", headers={"If-Match": first.headers["etag"]}))


async def test_submitting_at_once_submits_once(world: World, recording: str) -> None:
    ann = world.as_("auditor", sub="ann")
    path = f"/qa/audits/{(await begun(world, recording))['id']}"
    good(await ann.put(f"{path}/answers", json=answers(resolution="no")))
    statuses = sorted(r.status_code for r in await asyncio.gather(*(ann.post(f"{path}/submit") for _ in range(6))))
    assert statuses == [200, 409, 409, 409, 409, 409]
    assert len(await events(world)) == 1


async def test_what_is_submitted_stays(world: World, recording: str) -> None:
    path = f"/qa/audits/{(await audited(world, recording, resolution='no'))['id']}"
    ann = world.as_("auditor", sub="ann")
    problem = refused(await ann.put(f"{path}/answers", json=answers()), 409)
    assert problem["detail"] == "The audit is submitted, its result failed; what can be done with it now: disputes."
    refused(await ann.post(f"{path}/submit"), 409)


async def test_only_the_assigned_auditor_answers_and_submits(world: World, recording: str, me: UUID) -> None:
    path = f"/qa/audits/{(await begun(world, recording))['id']}"
    bob = world.as_("auditor", sub="bob")
    good(await bob.get(path))
    refused(await bob.put(f"{path}/answers", json=answers()), 403)
    refused(await bob.post(f"{path}/submit"), 403)
    refused(await world.as_("agent", sub=me).put(f"{path}/answers", json=answers()), 403)
    good(await world.as_("admin").put(f"{path}/answers", json=answers()))
    refused(await bob.post(f"/qa/audits/{uuid4()}/submit"), 404)


async def test_an_audit_pins_employee_and_scorecard(world: World, recording: str, me: UUID) -> None:
    audit = await begun(world, recording)
    await hire(world, "diane", date=date(2026, 1, 1))  # the login was somebody else's on that day, as we now hear
    [short] = await listed(world.as_("auditor"), "/qa/scorecards", code="short")
    newer = {key: short[key] for key in ("code", "name_en", "name_zh", "criteria")} | {"passing_score": 10}
    newer = good(await world.as_("manager").post("/qa/scorecards", json=newer), 201)
    ann = world.as_("auditor", sub="ann")
    good(await ann.put(f"/qa/audits/{audit['id']}/answers", json=answers(resolution="no")))
    done = good(await ann.post(f"/qa/audits/{audit['id']}/submit"))
    assert (done["employee_id"], done["scorecard_id"], done["result"]) == (str(me), short["id"], "failed")
    assert (await begun(world, recording))["scorecard_id"] == newer["id"]


async def test_what_cannot_be_audited(world: World, recording: str, me: UUID) -> None:
    await begun(world, recording)
    await begun(world, recording, "bob")
    ann = world.as_("auditor", sub="ann")

    async def refuse(status: int, client: Any = ann, **body: Any) -> Any:
        return refused(
            await client.post("/qa/audits", json={"recording_id": recording, "scorecard": "short", **body}), status
        )

    assert "already" in (await refuse(409))["detail"]
    await refuse(404, recording_id=str(uuid4()))
    await refuse(404, scorecard="nonsense")
    await refuse(404, scorecard=None, scorecard_id=str(uuid4()))
    await refuse(422, scorecard_id=str(uuid4()))
    await refuse(422, scorecard=None)
    await refuse(403, world.as_("auditor", sub=me))
    await refuse(403, world.as_("auditor", sub=LEAD))
    await refuse(403, world.as_("agent", sub=me))
    await tell(world, call("c2", "who"), call("c3", answered=False))
    [waiting] = await listed(ann, "/qa/recordings", waiting=True)
    assert "not known" in (await refuse(409, recording_id=waiting["id"]))["detail"]
    [missed] = await world.rows("qa", "SELECT id FROM qa.recordings WHERE call_id = 'c3'")
    await refuse(404, recording_id=str(missed["id"]))


async def test_who_sees_audits(world: World, recording: str, me: UUID) -> None:
    draft, done = await begun(world, recording, "bob"), await audited(world, recording, resolution="no")
    everybody = {client: world.as_(client) for client in ("auditor", "manager", "trainer", "service", "admin")}
    for client in everybody.values():
        assert [a["id"] for a in await listed(client, "/qa/audits", limit=1)] == [done["id"], draft["id"]]
    for client in (world.as_("agent", sub=me), world.as_("team_lead", sub=LEAD)):
        assert [a["id"] for a in await listed(client, "/qa/audits", limit=1)] == [done["id"]]
        assert await listed(client, "/qa/audits", status="draft") == []
        good(await client.get(f"/qa/audits/{done['id']}"))
        for hidden in ("", "/revisions", "/history"):
            refused(await client.get(f"/qa/audits/{draft['id']}{hidden}"), 404)
    for client in (world.as_("agent", sub=uuid4()), world.as_("team_lead", sub=uuid4()), world.as_("agent")):
        assert await listed(client, "/qa/audits") == []
        refused(await client.get(f"/qa/audits/{done['id']}"), 404)
    refused(await world.as_("hr").get("/qa/audits"), 403)
    auditor = everybody["auditor"]
    for params, found in (
        ({"employee_id": str(me)}, 2), ({"auditor_id": "bob"}, 1), ({"recording_id": recording}, 2),
        ({"status": "draft"}, 1),
        ({"scorecard_id": done["scorecard_id"]}, 2), ({"employee_id": str(uuid4())}, 0), ({"draw_id": str(uuid4())}, 0),
    ):  # fmt: skip
        assert len(await listed(auditor, "/qa/audits", **params)) == found


async def test_upheld_changes_nothing(world: World, recording: str, me: UUID) -> None:
    id = (await audited(world, recording, resolution="no"))["id"]
    assert (await dispute(world, id, me))["status"] == "disputed"
    done = await decide(world, id, "upheld", comment="heard it twice")
    assert (done["status"], done["result"], done["score"], done["revision"]) == ("upheld", "failed", 65, 1)
    told = [(e["type"], e["body"].get("open")) for e in await events(world)]
    assert told == [("qa.audit.failed.v1", None), ("qa.audit.disputed.v1", True), ("qa.audit.disputed.v1", False)]
    [settled] = good(await world.as_("agent", sub=me).get(f"/qa/audits/{id}"))["disputes"]
    settled = {key: settled[key] for key in ("opened_by", "criteria", "outcome", "decided_by", "decision_comment")}
    assert settled == {
        "opened_by": str(me), "criteria": ["greeting"], "outcome": "upheld", "decided_by": str(LEAD),
        "decision_comment": "heard it twice",
    }  # fmt: skip
    refused(await world.as_("agent", sub=me).post(f"/qa/audits/{id}/disputes", json={"reason": "again"}), 409)


async def test_overturned_takes_the_audit_back(world: World, recording: str, me: UUID) -> None:
    id = (await audited(world, recording, resolution="no"))["id"]
    await dispute(world, id, me)
    done = await decide(world, id, "overturned", reason="wrong_call")
    assert (done["status"], done["result"], done["score"], done["revision"]) == ("overturned", None, None, 2)
    event = (await events(world))[-1]
    assert (event["type"], event["key"], event["body"]) == (
        "qa.audit.overturned.v1",
        str(me),
        {
            "audit_id": id,
            "revision": 2,
            "employee_id": str(me),
            "score": None,
            "possible_points": None,
            "passed": None,
            "reason": "wrong_call",
        },
    )


@pytest.mark.parametrize(
    ("changed", "score", "passed", "kind", "result"),
    [
        ("yes", 90, True, "qa.audit.overturned.v1", "passed"),
        ("not_applicable", 84.62, True, "qa.audit.overturned.v1", "passed"),
        ("no", 55, False, "qa.audit.rescored.v1", "failed"),
    ],
)
async def test_revised_scores_again(
    world: World, recording: str, me: UUID, changed: str, score: float, passed: bool, kind: str, result: str
) -> None:
    first = await audited(world, recording, resolution="no", greeting="no")
    await dispute(world, first["id"], me)
    done = await decide(world, first["id"], "revised", answers={"resolution": {"value": changed}})
    assert (done["status"], done["result"], done["score"], done["revision"]) == ("revised", result, score, 2)
    event = (await events(world))[-1]
    assert (event["type"], event["body"]["score"], event["body"]["passed"]) == (kind, score, passed)

    was, now = good(await world.as_("agent", sub=me).get(f"/qa/audits/{first['id']}/revisions"))
    assert (was["revision"], was["score"], was["result"], was["action"]) == (1, 55, "failed", "submitted")
    assert (now["revision"], now["score"], now["result"], now["action"]) == (2, score, result, "revised")
    assert [r["answers"]["resolution"]["value"] for r in (was, now)] == ["no", changed]
    assert was["answers"].keys() == now["answers"].keys() == set(SHORT)
    history = good(await world.as_("auditor").get(f"/qa/audits/{first['id']}/history"))
    assert [(s["actor"], s["action"], s["status_before"], s["status_after"], s["revision"]) for s in history] == [
        ("ann", "created", None, "draft", 0), ("ann", "submitted", "draft", "submitted", 1),
        (str(me), "disputed", "submitted", "disputed", 1), (str(LEAD), "revised", "disputed", "revised", 2),
    ]  # fmt: skip
    assert [(s["score_before"], s["score"]) for s in history] == [(None, None), (None, 55), (55, 55), (55, score)]


async def test_revised_to_nothing_applicable_is_overturned(world: World, recording: str, me: UUID) -> None:
    id = (await audited(world, recording, resolution="no"))["id"]
    await dispute(world, id, me)
    done = await decide(world, id, "revised", answers={key: {"value": "not_applicable"} for key in SHORT})
    assert (done["result"], done["score"]) == (None, None)
    event = (await events(world))[-1]
    assert (event["type"], event["body"]["score"], event["body"]["passed"]) == ("qa.audit.overturned.v1", None, None)


async def test_who_may_dispute_what(world: World, recording: str, me: UUID) -> None:
    passed, failed = await audited(world, recording), await audited(world, recording, auditor="bob", resolution="no")
    draft = await begun(world, recording, "cleo")
    body = {"reason": "misheard"}
    mine, other = world.as_("agent", sub=me), world.as_("agent", sub=uuid4())
    refused(await other.post(f"/qa/audits/{failed['id']}/disputes", json=body), 404)
    refused(await mine.post(f"/qa/audits/{draft['id']}/disputes", json=body), 404)
    refused(await mine.post(f"/qa/audits/{passed['id']}/disputes", json=body), 409)
    refused(await world.as_("auditor", sub="bob").post(f"/qa/audits/{failed['id']}/disputes", json=body), 403)
    refused(await world.as_("team_lead", sub=LEAD).post(f"/qa/audits/{failed['id']}/disputes", json=body), 403)
    for wrong in ({"reason": "free text, with a name"}, {"reason": "x", "criteria": ["nonsense"]}, {}):
        refused(await mine.post(f"/qa/audits/{failed['id']}/disputes", json=wrong), 422)
    stale = await mine.post(f"/qa/audits/{failed['id']}/disputes", json=body, headers={"If-Match": '"1"'})
    refused(stale, 412)
    statuses = await asyncio.gather(*(mine.post(f"/qa/audits/{failed['id']}/disputes", json=body) for _ in range(4)))
    assert sorted(r.status_code for r in statuses) == [201, 409, 409, 409]


async def test_who_may_decide_what(world: World, recording: str, me: UUID) -> None:
    id = (await audited(world, recording, resolution="no"))["id"]
    path, body = f"/qa/audits/{id}/disputes/decision", {"outcome": "upheld", "reason": "evidence"}
    problem = refused(await world.as_("manager").post(path, json=body), 409)
    assert problem["detail"] == "The audit is submitted, its result failed; what can be done with it now: disputes."
    await dispute(world, id, me)
    refused(await world.as_("agent", sub=me).post(path, json=body), 403)
    refused(await world.as_("auditor", sub="bob").post(path, json=body), 403)
    refused(await world.as_("team_lead", sub=uuid4()).post(path, json=body), 404)
    refused(await world.as_("manager", sub="ann").post(path, json=body), 403)
    refused(await world.as_("admin", sub="ann").post(path, json=body), 403)
    refused(await world.as_("manager", sub=me).post(path, json=body), 403)
    manager = world.as_("manager")
    refused(await manager.post(path, json={**body, "outcome": "revised"}), 422)
    refused(await manager.post(path, json={**body, "answers": {"greeting": {"value": "no"}}}), 422)
    wrong = {**body, "outcome": "revised", "answers": {"nonsense": {"value": "no"}}}
    refused(await manager.post(path, json=wrong), 422)
    refused(await manager.post(path, json=body, headers={"If-Match": '"1"'}), 412)
    assert good(await manager.post(path, json=body))["status"] == "upheld"
    problem = refused(await manager.post(path, json=body), 409)
    assert problem["detail"] == (
        "The audit is upheld, its result failed; what can be done with it now: disputes, if the rules allow another."
    )


async def test_each_disputed_criterion_gets_its_outcome(world: World, recording: str, me: UUID) -> None:
    """The whole follows from them, or is checked against them."""
    id = (await audited(world, recording, resolution="no", greeting="no"))["id"]
    await dispute(world, id, me, criteria=["greeting", "resolution"])
    path, lead = f"/qa/audits/{id}/disputes/decision", world.as_("team_lead", sub=LEAD)

    def ruling(criterion: str, outcome: str, **more: Any) -> dict[str, Any]:
        return {"criterion": criterion, "outcome": outcome, "reason": f"{criterion}_{outcome}", **more}

    kept, changed = ruling("greeting", "upheld"), ruling("resolution", "revised", comment="at 1:12")
    new = {"answers": {"resolution": {"value": "yes"}}}
    for wrong in (
        {},
        {"criteria": [kept], **new},
        {"criteria": [kept, changed]},
        {"criteria": [kept, kept, changed], **new},
        {"criteria": [kept, changed, ruling("respect", "upheld")], **new},
        {"criteria": [kept, changed], "answers": {**new["answers"], "closing": {"value": "yes"}}},
        {"criteria": [kept, ruling("resolution", "upheld")], **new},
        {"criteria": [kept, ruling("resolution", "overturned")]},
        {"criteria": [kept, changed], "outcome": "upheld", **new},
        {"criteria": [kept, changed], "outcome": "overturned", **new},
        {"criteria": [kept, ruling("resolution", "upheld")], "outcome": "revised"},
    ):
        refused(await lead.post(path, json={"reason": "heard_again", **wrong}), 422)
    done = good(await lead.post(path, json={"reason": "heard_again", "criteria": [kept, changed], **new}))
    assert (done["status"], done["score"], done["revision"]) == ("revised", 90, 2)
    [settled] = good(await world.as_("agent", sub=me).get(f"/qa/audits/{id}"))["disputes"]
    assert (settled["outcome"], settled["decision_reason"]) == ("revised", "heard_again")
    assert settled["outcomes"] == [
        {"criterion": "greeting", "outcome": "upheld", "reason": "greeting_upheld", "comment": None},
        {"criterion": "resolution", "outcome": "revised", "reason": "resolution_revised", "comment": "at 1:12"},
    ]
    assert "1:12" not in str(await events(world))


@pytest.mark.parametrize(
    ("criteria", "decision", "outcomes"),
    [
        ([], {"outcome": "upheld"}, {"greeting": "upheld", "resolution": "upheld"}),  # all that failed
        (["greeting"], {"outcome": "overturned"}, {"greeting": "overturned"}),
        (
            ["greeting"],
            {"outcome": "revised", "answers": {"resolution": {"value": "not_applicable"}}},
            {"greeting": "upheld", "resolution": "revised"},
        ),
    ],
)
async def test_an_outcome_of_the_whole_is_one_of_each_criterion(
    world: World, recording: str, me: UUID, criteria: list[str], decision: Any, outcomes: dict[str, str]
) -> None:
    id = (await audited(world, recording, resolution="no", greeting="no"))["id"]
    await dispute(world, id, me, criteria=criteria)
    await decide(world, id, reason="why", **decision)
    [settled] = good(await world.as_("agent", sub=me).get(f"/qa/audits/{id}"))["disputes"]
    assert {one["criterion"]: one["outcome"] for one in settled["outcomes"]} == outcomes
    assert {one["reason"] for one in settled["outcomes"]} == {"why"}
