"""Do auditors judge blind, is it said plainly where they differ, and does calibrating leave everybody else in peace?"""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.identity import Role
from tests.services.qa_help import MORNING, answers, call, events, good, hire, listed, refused, tell
from tests.world import World

LEAD = uuid4()
MARCH = {"from": "2026-03-01", "to": "2026-05-31"}
SECRET = "a comment that nobody else may read yet"


@pytest.fixture
async def me(world: World) -> UUID:
    return await hire(world, "diane", team_lead_id=LEAD)


async def recorded(world: World, call_id: str) -> str:
    await tell(world, call(call_id, started_at=MORNING))
    [found] = await listed(world.as_("auditor"), "/qa/recordings", call_id=call_id)
    return str(found["id"])


async def begun(world: World, call_id: str = "c1", **more: Any) -> Any:
    body = {"scorecard": "short", "auditors": ["ann", "bob", "cem"], "seed": 7, **more}
    return good(
        await world.as_("manager").post(
            "/qa/calibrations", json={"recording_id": await recorded(world, call_id), **body}
        ),
        201,
    )


async def hand_in(world: World, session: Any, auditor: str, **values: str) -> Any:
    client = world.as_("auditor", sub=auditor)
    [draft] = await listed(client, "/qa/audits", calibration_id=session["id"], auditor_id=auditor)
    body = answers(**values)
    body["answers"]["greeting"]["comment"] = f"{SECRET}, says {auditor}"
    good(await client.put(f"/qa/audits/{draft['id']}/answers", json=body))
    return good(await client.post(f"/qa/audits/{draft['id']}/submit"))


async def test_a_session_from_beginning_to_what_there_is_to_talk_about(world: World, me: UUID) -> None:
    session = await begun(world, expert="eva")
    assert (session["status"], session["handed_in"], session["awaited"]) == ("open", [], ["ann", "bob", "cem", "eva"])
    path = f"/qa/calibrations/{session['id']}"
    await hand_in(world, session, "ann", respect="no")
    await hand_in(world, session, "bob", closing="not_applicable")
    await hand_in(world, session, "cem", greeting="no")
    assert good(await world.as_("auditor", sub="bob").get(path))["awaited"] == ["eva"]
    problem = refused(await world.as_("manager").get(f"{path}/agreement"), 409)
    assert "it waits for 1" in problem["detail"]
    await hand_in(world, session, "eva", respect="no", greeting="no")
    assert [s["status"] for s in await listed(world.as_("auditor", sub="ann"), "/qa/calibrations")] == ["finished"]
    assert await listed(world.as_("manager"), "/qa/calibrations", open=True) == []

    found = good(await world.as_("auditor", sub="ann").get(f"{path}/agreement"))
    assert found["talk_about"] == ["respect", "greeting", "closing"]  # the fatal one first
    seen = {one["criterion"]: one for one in found["criteria"]}
    assert [(seen[key]["said"], seen[key]["expert"], seen[key]["differ"], seen[key]["why"]) for key in seen] == [
        ({"yes": ["ann", "bob"], "no": ["cem"]}, "no", ["ann", "bob"], "failed"),
        ({"yes": ["ann", "bob", "cem"]}, "yes", [], None),
        ({"yes": ["ann", "bob", "cem"]}, "yes", [], None),
        ({"yes": ["bob", "cem"], "no": ["ann"]}, "no", ["bob", "cem"], "fatal"),
        ({"yes": ["ann", "cem"], "not_applicable": ["bob"]}, "yes", ["bob"], "answer"),
    ]
    assert seen["greeting"]["here"] == seen["greeting"]["so_far"] == {
        "level": "nominal", "interactions": 1, "answers": 3, "pairs": 3, "raw": 0.3333,
        "prevalence": {"yes": 0.6667, "no": 0.3333},
        "coefficient": {"value": None, "low": None, "high": None, "reason": "too_few_interactions"},
    }  # fmt: skip
    # Of 5 criteria 2 are agreed by all: pairs 3 + 3 + 1 + 1 + 1 of 15. Coincidences: each of the three split ones
    # has 2 differing of 3 pairs, so D_o = 6/15; 12 passed, 2 failed, 1 not applicable: D_e = (210 - 134) / (15 · 14).
    assert (found["verdicts"]["pairs"], found["verdicts"]["raw"]) == (15, 0.6)
    assert found["verdicts"]["coefficient"]["value"] == pytest.approx(1 - (6 / 15) / (76 / 210), abs=0.0001)
    total = found["total"]
    assert (total["scores"], total["expert"]) == ({"ann": 0, "bob": 100, "cem": 90}, 0)
    assert (total["lowest"], total["highest"], total["mean"]) == (0, 100, 63.33)
    assert total["said"] == {"failed": ["ann"], "passed": ["bob", "cem"]}
    assert (total["icc"]["value"], total["icc"]["reason"]) == (None, "too_few_interactions")
    assert found["words"][:2] == [
        "All agree on 2 of 5 criteria.",
        "Talk about this first, it is fatal: Is patient and respectful; no insulting language. "
        "Said: yes (bob, cem); no (ann, eva).",
    ]
    chinese = await world.as_("manager").get(f"{path}/agreement", headers={"Accept-Language": "zh"})
    assert good(chinese)["words"][0] == "5 个评分项中有 2 个全体一致。"


OTHERS: list[tuple[str, tuple[Role, ...]]] = [
    ("bob", ("auditor",)), ("eva", ("auditor", "manager")),
    ("the-trainer", ("trainer",)), ("the-service", ("service",)), ("the-admin", ("admin",)),
    (str(LEAD), ("team_lead",)), ("diane", ("agent",)),
]  # fmt: skip


async def test_blind_on_every_route_until_all_have_handed_in(world: World, me: UUID) -> None:
    """Of what Ann handed in, nobody but Ann reads a word, whatever they ask."""
    session = await begun(world, expert="eva")
    audit = await hand_in(world, session, "ann", respect="no")
    reads = [path for path, ways in world.app.openapi()["paths"].items() if path.startswith("/qa/") and "get" in ways]
    assert len(reads) > 20
    ids = {"calibrations": session["id"], "recordings": audit["recording_id"]}
    given = {"by": "agent", **MARCH, "limit": "500", "margin": "0.1", "n": "9", "c": "1"}
    writes = [
        ("PUT", "answers", answers()), ("POST", "submit", None), ("POST", "release", None),
        ("POST", "acknowledgement", None), ("POST", "disputes", {"reason": "x"}),
        ("POST", "disputes/decision", {"outcome": "upheld", "reason": "x"}),
    ]  # fmt: skip
    others = [(world.as_(*roles, sub=me if sub == "diane" else sub), roles) for sub, roles in OTHERS]
    for other, _ in others:
        for path in reads:
            asked = path.replace("{id}", str(ids.get(path.split("/")[2], audit["id"]))).replace(
                "{draw_id}", audit["id"]
            )
            told = (await other.get(asked, params=given)).text
            for hidden in (SECRET, '"fatal_hit":true', '"score":0', *([audit["id"]] if "{" not in path else [])):
                assert hidden not in told, path
        for suffix in ("", "/revisions", "/history"):
            refused(await other.get(f"/qa/audits/{audit['id']}{suffix}"), 404)
        for verb, what, body in writes:
            no = await other.request(verb, f"/qa/audits/{audit['id']}/{what}", json=body)
            assert no.status_code in (403, 404), no.text
            assert "failed" not in no.text
    assert good(await world.as_("auditor", sub="ann").get(f"/qa/audits/{audit['id']}"))["score"] == 0
    for auditor in ("bob", "cem", "eva"):
        await hand_in(world, session, auditor)
    for other, roles in others:
        hidden_for_ever = roles in (("team_lead",), ("agent",))
        assert (await other.get(f"/qa/audits/{audit['id']}")).status_code == (404 if hidden_for_ever else 200)
        assert bool(await listed(other, "/qa/audits")) != hidden_for_ever


async def test_nobody_else_feels_it(world: World, me: UUID) -> None:
    """No event, no number, no sample, nothing to acknowledge or dispute; a voided one neither."""
    session = await begun(world)
    for auditor in ("ann", "bob", "cem"):
        audit = await hand_in(world, session, auditor, respect="no")
    assert (audit["status"], audit["result"], audit["released_at"], audit["purpose"]) == (
        "submitted", "failed", None, "calibration",
    )  # fmt: skip
    mine = world.as_("agent", "auditor", sub=me)  # whoever it is about has nothing to say to it
    for what, body in (("acknowledgement", None), ("disputes", {"reason": "x"})):
        refused(await mine.post(f"/qa/audits/{audit['id']}/{what}", json=body), 404)
    manager = world.as_("manager")
    good(await manager.post(f"/qa/audits/{audit['id']}/void", json={"reason": "x"}))
    assert await events(world) == []
    for path in ("/qa/numbers", "/qa/numbers/weeks"):
        assert good(await manager.get(path, params={"by": "agent", **MARCH})) == []
    assert await listed(world.as_("agent", sub=me), "/qa/audits") == []
    card = good(await manager.get("/qa/scorecards", params={"code": "short"}))["items"][0]
    plan = {"name": "all", "scorecard_id": card["id"], "size": 5, "auditors": ["ann"]}
    plan = good(await manager.post("/qa/sampling-plans", json=plan), 201)
    draw = good(await manager.post(f"/qa/sampling-plans/{plan['id']}/draws", json={"seed": 1}), 201)
    assert (draw["frame_size"], draw["sample"]) == (1, [session["recording_id"]])
    [drawn] = draw["audits"]
    ann = world.as_("auditor", sub="ann")  # the same auditor, recording and scorecard, for another purpose
    good(await ann.put(f"/qa/audits/{drawn['id']}/answers", json=answers()))
    good(await ann.post(f"/qa/audits/{drawn['id']}/submit"))
    assert [event["type"] for event in await events(world)] == ["qa.audit.passed.v1"]


async def test_closing_ends_it_without_those_who_are_missing(world: World, me: UUID) -> None:
    session = await begun(world)
    path = f"/qa/calibrations/{session['id']}"
    await hand_in(world, session, "ann", greeting="no")
    await hand_in(world, session, "bob")
    refused(await world.as_("auditor", sub="ann").post(f"{path}/closing"), 403)
    refused(await world.as_("auditor", sub="else").get(path), 404)
    done = good(await world.as_("manager").post(f"{path}/closing"))
    assert (done["status"], done["handed_in"], done["awaited"]) == ("finished", ["ann", "bob"], [])
    refused(await world.as_("manager").post(f"{path}/closing"), 409)
    refused(await world.as_("manager").post(f"/qa/calibrations/{uuid4()}/closing"), 404)
    cems = world.as_("auditor", sub="cem")
    [draft] = await listed(cems, "/qa/audits", auditor_id="cem")
    assert draft["status"] == "voided"
    refused(await cems.put(f"/qa/audits/{draft['id']}/answers", json=answers()), 409)
    found = good(await cems.get(f"{path}/agreement"))
    assert found["total"]["scores"] == {"ann": 90, "bob": 100}
    greeting = found["criteria"][0]
    assert (greeting["said"], greeting["differ"]) == ({"yes": ["bob"], "no": ["ann"]}, [])  # one against one


async def test_who_may_take_part(world: World, me: UUID) -> None:
    manager, recording = world.as_("manager"), await recorded(world, "c1")

    def body(**more: Any) -> dict[str, Any]:
        return {"recording_id": recording, "scorecard": "short", "auditors": ["ann", "bob"], **more}

    for wrong in (
        {"auditors": ["ann"]}, {"auditors": ["ann", "ann"]}, {"expert": "ann"}, {"auditors": ["ann", str(me)]},
        {"auditors": ["ann", str(LEAD)]}, {"expert": str(me)}, {"scorecard": None}, {"seed": -1},
    ):  # fmt: skip
        refused(await manager.post("/qa/calibrations", json=body(**wrong)), 422)
    refused(await manager.post("/qa/calibrations", json=body(recording_id=str(uuid4()))), 404)
    refused(await world.as_("trainer").post("/qa/calibrations", json=body()), 403)
    good(await world.as_("auditor", sub="zoe").post("/qa/calibrations", json=body()), 201)
    refused(await manager.post("/qa/calibrations", json=body(auditors=["bob", "cem"])), 409)
    assert len(await world.rows("qa", "SELECT id FROM qa.calibrations")) == 1


async def test_over_sessions_there_is_a_coefficient_and_everybodys_severity(world: World, me: UUID) -> None:
    """Six sessions, in which Ann more and more fails what Bob and Cem pass."""
    for n in range(6):
        session = await begun(world, f"c{n}")
        everybodys = {"resolution": "no"} if n in (0, 3) else {}
        await hand_in(world, session, "ann", **everybodys, **({"listening": "no"} if n > 1 else {}))
        await hand_in(world, session, "bob", **everybodys)
        await hand_in(world, session, "cem", **everybodys)
        world.now += timedelta(days=10)
    manager = world.as_("manager")
    path = f"/qa/calibrations/{session['id']}/agreement"
    found = good(await manager.get(path))
    assert good(await manager.get(path)) == found
    assert found["seed"] == 7
    seen = {one["criterion"]: one["so_far"] for one in found["criteria"]}
    # Resolution: all agree, no and yes both occur. Respect: nothing varies.
    assert (seen["resolution"]["interactions"], seen["resolution"]["raw"]) == (6, 1)
    assert seen["resolution"]["coefficient"]["value"] == 1
    assert seen["resolution"]["prevalence"] == {"yes": 0.6667, "no": 0.3333}
    assert seen["respect"]["raw"] == 1
    assert seen["respect"]["coefficient"] == {"value": None, "low": None, "high": None, "reason": "no_variation"}
    # Listening: 2 · 4 of 18 pairs differ, D_o = 8/18; 4 of 18 answers are no, D_e = 2 · 4 · 14 / (18 · 17).
    listening = seen["listening"]["coefficient"]
    assert listening["value"] == pytest.approx(1 - (8 / 18) / (112 / 306), abs=0.0001)
    assert listening["low"] < listening["value"] < listening["high"]
    # Scores of Ann, and of Bob and Cem: 65 65; 100 100; 75 100; 40 65; 75 100; 75 100. By hand below.
    rows = [(65, 65, 65), (100, 100, 100), (75, 100, 100), (40, 65, 65), (75, 100, 100), (75, 100, 100)]
    assert found["total"]["icc_interactions"] == 6
    assert found["total"]["icc"]["value"] == pytest.approx(icc_by_hand(rows), abs=0.0001)
    assert found["total"]["icc"]["low"] < found["total"]["icc"]["value"] < found["total"]["icc"]["high"]

    strict = good(await manager.get("/qa/calibrations/auditors", params=MARCH))
    assert [one["auditor_id"] for one in strict] == ["ann", "bob", "cem"]
    ann = strict[0]
    assert (ann["n"], ann["by_expert"], ann["severity"]["value"], ann["surely"]) == (6, 0, 16.67, "stricter")
    assert ann["drift"]["value"] > 0
    [own] = good(await world.as_("auditor", sub="bob").get("/qa/calibrations/auditors", params=MARCH))
    assert (own["auditor_id"], own["severity"]["value"]) == ("bob", -8.33)
    assert good(await manager.get("/qa/calibrations/auditors", params={**MARCH, "scorecard": "complaint"})) == []
    refused(await manager.get("/qa/calibrations/auditors", params={"from": "2026-03-01", "to": "2025-03-01"}), 422)
    refused(await world.as_("trainer").get("/qa/calibrations/auditors", params=MARCH), 403)


def icc_by_hand(rows: list[tuple[int, ...]]) -> float:
    """Two-way analysis of variance, written out."""
    n, k = len(rows), len(rows[0])
    mean = sum(map(sum, rows)) / (n * k)
    between = k * sum((sum(row) / k - mean) ** 2 for row in rows)
    auditors = n * sum((sum(column) / n - mean) ** 2 for column in zip(*rows, strict=True))
    rest = sum((x - mean) ** 2 for row in rows for x in row) - between - auditors
    msr, msc, mse = between / (n - 1), auditors / (k - 1), rest / ((n - 1) * (k - 1))
    return (msr - mse) / (msr + (k - 1) * mse + k / n * (msc - mse))
