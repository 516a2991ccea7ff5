"""Is a draw reproducible, and the work shared as the rules allow?"""

import asyncio
import hashlib
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.crm import SatisfactionRated
from shared.contracts.recruiting import EmployeeLeft
from shared.run import run_job
from tests.services.qa_help import MORNING, answers, audited, call, good, hire, listed, refused, tell
from tests.world import World

AGENTS = ("diane", "becky", "joe")


@pytest.fixture
async def people(world: World) -> dict[str, UUID]:
    """Three agents, twenty calls each on two days, and calls that must never be drawn."""
    found = {name: await hire(world, name, team="south" if name == "joe" else "north") for name in AGENTS}
    await tell(
        world,
        *(
            call(
                f"{name}{n}",
                name,
                started_at=MORNING + timedelta(days=n % 2, minutes=n),
                queue="vip" if n < 5 else "faults",
            )
            for name in AGENTS
            for n in range(20)
        ),
        call("missed", "diane", answered=False),
        call("unknown", "who"),
        call("nobody", None),
    )
    return found


async def plan(world: World, **more: Any) -> Any:
    manager = world.as_("manager")
    [short] = await listed(manager, "/qa/scorecards", code="short")
    body = {"name": "Monthly", "scorecard_id": short["id"], "size": 10, "auditors": ["ann", "bob"], **more}
    return good(await manager.post("/qa/sampling-plans", json=body), 201)


async def draw(world: World, plan: Any, *, status: int = 201, **more: Any) -> Any:
    path = f"/qa/sampling-plans/{plan['id']}/draws"
    return good(await world.as_("auditor").post(path, json={"seed": 7, **more}), status)


async def test_a_draw_makes_audits_and_can_be_checked_by_hand(world: World, people: dict[str, UUID]) -> None:
    drawn = await draw(world, await plan(world))
    rows = await world.rows(
        "qa",
        "SELECT id FROM qa.recordings WHERE answered_at IS NOT NULL AND agent_id NOT IN ('who', '') ORDER BY id",
    )
    frame = [row["id"] for row in rows]
    assert (drawn["frame_size"], len(drawn["sample"]), drawn["seed"]) == (60, 10, "7")
    assert drawn["frame_hash"] == hashlib.sha256(b"".join(id.bytes for id in frame)).hexdigest()
    ranked = sorted(frame, key=lambda id: hashlib.sha256(f"7/{id}".encode()).digest())
    assert drawn["sample"] == [str(id) for id in ranked[:10]]
    assert [audit["recording_id"] for audit in drawn["audits"]] == drawn["sample"]
    assert Counter(audit["auditor_id"] for audit in drawn["audits"]) == {"ann": 5, "bob": 5}
    assert {audit["status"] for audit in drawn["audits"]} == {"draft"}
    mine = await listed(
        world.as_("auditor"), "/qa/audits", draw_id=drawn["id"], auditor_id="ann", status="draft", limit=2
    )
    assert len(mine) == 5
    history = good(await world.as_("auditor").get(f"/qa/audits/{mine[0]['id']}/history"))
    assert [(step["action"], step["actor"], step["status_after"]) for step in history] == [
        ("created", "the-auditor", "draft")
    ]


async def test_the_same_draw_again_answers_what_was_drawn(world: World, people: dict[str, UUID]) -> None:
    monthly = await plan(world)
    drawn = await draw(world, monthly)
    await tell(world, call("later", "diane"))
    assert await draw(world, monthly, status=200) == drawn
    assert await draw(world, monthly, status=200, seed="7", size=3) == drawn
    other = await draw(world, monthly, seed="other")
    assert (other["frame_size"], set(other["sample"]) & set(drawn["sample"])) == (51, set())
    draws = await listed(world.as_("manager"), f"/qa/sampling-plans/{monthly['id']}/draws", limit=1)
    assert [one["id"] for one in draws] == [other["id"], drawn["id"]]
    assert "audits" not in draws[0]


async def test_filters_and_period_make_the_frame(world: World, people: dict[str, UUID]) -> None:
    # Each draw takes all that is left of its frame, by a scorecard of its own so that none takes from another.
    for number, (filter, period, expected) in enumerate(
        [
            ({"team": "south"}, {}, 20),
            ({"queue": "vip"}, {}, 15),
            ({"team": "north", "queue": "vip"}, {"from": "2026-03-03"}, 4),
            ({"employee_ids": [str(people["diane"])]}, {"from": "2026-03-02", "to": "2026-03-02"}, 10),
        ]
    ):
        card = {
            "code": f"card{number}", "name_en": "x", "name_zh": "x", "passing_score": 1,
            "criteria": [{"key": "a", "name_en": "a", "name_zh": "a", "competency": "a", "weight": 100}],
        }  # fmt: skip
        published = good(await world.as_("manager").post("/qa/scorecards", json=card), 201)
        drawn = await draw(world, await plan(world, filter=filter, scorecard_id=published["id"], size=100), **period)  # type: ignore[arg-type]
        assert (drawn["frame_size"], len(drawn["sample"])) == (expected, expected)
        assert (drawn["from"], drawn["to"]) == (period.get("from"), period.get("to"))


async def test_what_was_audited_is_not_drawn(world: World, people: dict[str, UUID]) -> None:
    [first, *_] = await listed(world.as_("auditor"), "/qa/recordings", agent_id="joe")
    await audited(world, first["id"])
    drawn = await draw(world, await plan(world, filter={"team": "south"}, size=100))
    assert drawn["frame_size"] == 19
    assert first["id"] not in drawn["sample"]
    refused(
        await world.as_("auditor").post(
            f"/qa/sampling-plans/{(await plan(world, filter={'team': 'south'}))['id']}/draws", json={"seed": 1}
        ),
        409,
    )


async def test_nobody_gets_audits_of_themselves_their_lead_or_those_they_lead(world: World) -> None:
    boss, lead, other = uuid4(), uuid4(), uuid4()
    await hire(world, "lead", employee_id=lead, team_lead_id=boss)
    await hire(world, "other", employee_id=other, team_lead_id=lead)
    await hire(world, None, employee_id=boss, role="supervisor")
    await tell(world, *(call(f"{name}{n}", name) for name in ("lead", "other") for n in range(6)))
    # May audit `lead`: ann alone, for boss leads them and other is led by them. May audit `other`: ann and boss.
    drawn = await draw(world, await plan(world, auditors=[str(lead), str(other), str(boss), "ann"], size=50))
    by = Counter((audit["employee_id"], audit["auditor_id"]) for audit in drawn["audits"])
    assert by == {(str(lead), "ann"): 6, (str(other), str(boss)): 6}
    alone = await plan(world, auditors=[str(lead)], size=50)
    problem = refused(await world.as_("auditor").post(f"/qa/sampling-plans/{alone['id']}/draws", json={"seed": 8}), 409)
    assert "No interaction is left" in problem["detail"]


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0}, {"auditors": []}, {"filter": {"weather": "fine"}}, {"scorecard_id": "x"}, {"name": ""}],
)
async def test_a_plan_that_cannot_be_is_refused(world: World, wrong: dict[str, Any]) -> None:
    body = {"name": "x", "scorecard_id": str(uuid4()), "size": 1, "auditors": ["ann"], **wrong}
    refused(await world.as_("manager").post("/qa/sampling-plans", json=body), 422)


async def test_who_may_plan_and_draw(world: World, people: dict[str, UUID]) -> None:
    made = await plan(world)
    assert good(await world.as_("service").get(f"/qa/sampling-plans/{made['id']}")) == made
    assert await listed(world.as_("auditor"), "/qa/sampling-plans") == [made]
    draws = f"/qa/sampling-plans/{made['id']}/draws"
    refused(await world.as_("agent").post(draws, json={"seed": 1}), 403)
    refused(await world.as_("agent").get("/qa/sampling-plans"), 403)
    refused(await world.as_("auditor").post(f"/qa/sampling-plans/{uuid4()}/draws", json={"seed": 1}), 404)
    refused(await world.as_("auditor").post(draws, json={"seed": 1, "from": "2026-03-03", "to": "2026-03-02"}), 422)
    body = {"name": "x", "scorecard_id": str(uuid4()), "size": 1, "auditors": ["ann"]}
    refused(await world.as_("manager").post("/qa/sampling-plans", json=body), 404)


async def test_percent_with_a_least(world: World, people: dict[str, UUID]) -> None:
    assert len((await draw(world, await plan(world, size=10, percent=50)))["sample"]) == 30
    assert len((await draw(world, await plan(world, size=10, percent=5)))["sample"]) == 10
    refused(await world.as_("manager").post("/qa/sampling-plans", json={"percent": 0}), 422)


async def test_stratified_gives_each_agent_their_share(world: World, people: dict[str, UUID]) -> None:
    drawn = await draw(world, await plan(world, size=12, method="stratified"))
    assert Counter(audit["employee_id"] for audit in drawn["audits"]) == dict.fromkeys(map(str, people.values()), 4)
    assert drawn["inclusion"] == pytest.approx([0.2] * 12)


async def test_spread_is_even_over_the_period(world: World, people: dict[str, UUID]) -> None:
    """Sixty calls on two days: half of the sample on each, whatever the seed."""
    for seed in range(3):
        drawn = await draw(world, await plan(world, size=10, method="spread"), seed=seed, size=4)
        rows = await world.rows(
            "qa", "SELECT day, count(*) FROM qa.recordings WHERE id = ANY(CAST(:ids AS uuid[])) GROUP BY day",
            ids=[UUID(id) for id in drawn["sample"]],
        )  # fmt: skip
        assert [row["count"] for row in rows] == [2, 2]


async def test_new_employees_get_more(world: World, people: dict[str, UUID]) -> None:
    """Nina's ten calls have twice the weight of the sixty others: 16 · 2/80 against 16 · 1/80."""
    nina = await hire(world, "nina", date=MORNING.date() - timedelta(days=90))
    await tell(world, *(call(f"nina{n}", "nina") for n in range(10)))
    drawn = await draw(world, await plan(world, size=16, method="stratified"))
    share = Counter(audit["employee_id"] for audit in drawn["audits"])
    assert (share[str(nina)], sum(share.values())) == (4, 16)
    chances = {a["employee_id"]: chance for a, chance in zip(drawn["audits"], drawn["inclusion"], strict=True)}
    assert chances == pytest.approx({str(nina): 0.4, **dict.fromkeys(map(str, people.values()), 0.2)})


async def test_risk_is_drawn_more_often_and_weighted_back(world: World, people: dict[str, UUID]) -> None:
    ratings = [
        SatisfactionRated(call_id=f"joe{n}", agent_id="joe", rating=1 if n < 10 else 5, rated_at=MORNING)
        for n in range(20)
    ]
    await world.deliver("qa", *(world.letter(rating) for rating in ratings))
    manager = world.as_("manager")
    [short] = await listed(manager, "/qa/scorecards", code="short")
    body = {"name": "Risk", "scorecard_id": short["id"], "size": 14, "auditors": ["ann"], "method": "risk_weighted"}
    refused(await manager.post("/qa/sampling-plans", json={**body, "emphasis": []}), 422)
    risky = await plan(world, **body, emphasis=[{"factor": 10, "rated_at_most": 2}])
    drawn = await draw(world, risky)
    again = await draw(world, risky, status=200)
    assert again == drawn
    # weights 10 · 10 + 50 · 1 = 150; 14 · 10/150 and 14 · 1/150
    assert {round(chance, 6) for chance in drawn["inclusion"]} == {0.933333, 0.093333}
    assert 6 <= sum(chance > 0.5 for chance in drawn["inclusion"]) <= 10  # 9.3 on average; without emphasis 2.3
    path = f"/qa/sampling-plans/{risky['id']}/draws/{drawn['id']}/estimate"
    assert good(await manager.get(path))["score"] == {"mean": None, "low": None, "high": None, "n": 0}
    ann = world.as_("auditor", sub="ann")
    for audit, chance in zip(drawn["audits"], drawn["inclusion"], strict=True):
        resolution = "no" if chance > 0.5 else "yes"
        good(await ann.put(f"/qa/audits/{audit['id']}/answers", json=answers(resolution=resolution)))
        good(await ann.post(f"/qa/audits/{audit['id']}/submit"))
    told = good(await manager.get(path))
    risky_ones = sum(chance > 0.5 for chance in drawn["inclusion"])
    weight = risky_ones * 150 / 140 + (14 - risky_ones) * 150 / 14
    expected = 1 - risky_ones * 150 / 140 / weight
    assert told["pass_rate"]["mean"] == pytest.approx(expected)
    assert told["pass_rate"]["low"] < expected < told["pass_rate"]["high"] <= 1
    assert told["score"]["mean"] == pytest.approx(100 * expected + 65 * (1 - expected))
    refused(await manager.get(path.replace(drawn["id"], str(uuid4()))), 404)


async def test_filters_by_duration_rating_and_tenure(world: World, people: dict[str, UUID]) -> None:
    letters = [
        world.letter(
            SatisfactionRated(call_id="joe1", agent_id="joe", rating=rating, rated_at=MORNING), at=MORNING + wait
        )
        for rating, wait in ((2, timedelta(1)), (5, timedelta(0)))  # the older copy comes later
    ]
    await world.deliver("qa", letters[0])
    await world.deliver("qa", letters[1])
    await tell(world, call("long", "diane", talk_seconds=900))
    for asked, size in (
        ({"rated_at_most": 2}, 1), ({"talk_seconds_at_least": 900}, 1), ({"talk_seconds_at_most": 899.5}, 60),
        ({"tenure_days_at_most": 100}, 0), ({"tenure_days_at_least": 100, "queue": "vip"}, 15),
    ):  # fmt: skip
        path = f"/qa/sampling-plans/{(await plan(world, filter=asked, size=100))['id']}/draws"
        answer = await world.as_("auditor").post(path, json={"seed": 1, "size": 1})
        assert (answer.json()["frame_size"] if size else answer.status_code) == (size or 409)
        await world.rows("qa", "DELETE FROM qa.audits")


async def test_the_planner(world: World) -> None:
    manager = world.as_("manager")
    assert good(await manager.get("/qa/sample-size", params={"margin": 0.05, "population": 1000})) == {"size": 278}
    curve = good(await manager.get("/qa/operating-characteristic", params={"n": 89, "c": 2}))
    assert (curve[0], round(curve[2]["accepted"], 4), len(curve)) == ({"rate": 0, "accepted": 1}, 0.9397, 41)
    refused(await manager.get("/qa/sample-size", params={"margin": 0}), 422)
    refused(await world.as_("agent").get("/qa/sample-size", params={"margin": 0.1}), 403)


async def test_what_would_be_more_than_certain_is_certain(world: World, people: dict[str, UUID]) -> None:
    """Joe's vip calls, 5 of weight 20, come first: 15 · 20 > 155. The other 10 are drawn from 55 equals."""
    emphasis = [{"factor": 20, "rated_at_most": 2}]
    await world.deliver(
        "qa",
        *(
            world.letter(SatisfactionRated(call_id=f"joe{n}", agent_id="joe", rating=1, rated_at=MORNING))
            for n in range(5)
        ),
    )
    risky = await plan(world, size=15, method="risk_weighted", emphasis=emphasis)
    drawn = await draw(world, risky)
    assert len(drawn["sample"]) == 15
    assert sorted(drawn["inclusion"]) == pytest.approx([10 / 55] * 10 + [1] * 5)


async def periods(world: World, plan: Any) -> list[tuple[Any, ...]]:
    found = await listed(world.as_("manager"), f"/qa/sampling-plans/{plan['id']}/periods")
    return [(one["from"], one["to"], one["size"], one["outcome"]) for one in reversed(found)]


async def test_a_plan_with_a_period_draws_once_at_its_beginning(world: World, people: dict[str, UUID]) -> None:
    """Made on Monday the second of March: the first week is done at two o'clock on the ninth, in Shanghai."""
    weekly = await plan(world, period="week")
    by_hand = await plan(world)
    world.now = MORNING.replace(day=8, hour=17, minute=59)  # 01:59 in Shanghai
    await world.turn("qa", "draws")
    assert await periods(world, weekly) == []
    world.now += timedelta(minutes=1)
    jobs = world.runtime.databases["qa"]
    [job] = [job for service in world.runtime.services for job in service.jobs if job.name == "draws"]
    assert sum(await asyncio.gather(*(run_job(jobs, job) for _ in range(4)))) >= 1
    await world.turn("qa", "draws")
    assert await periods(world, weekly) == [("2026-03-02", "2026-03-08", 10, "drawn")]
    [drawn] = await listed(world.as_("manager"), f"/qa/sampling-plans/{weekly['id']}/draws")
    assert (drawn["drawn_by"], drawn["seed"], drawn["frame_size"]) == ("schedule", f"{weekly['id']}/2026-03-02", 60)
    ranked = sorted(
        [row["id"] for row in await world.rows("qa", "SELECT r.id FROM qa.recordings r JOIN qa.agent_holders USING "
                                               "(agent_id) WHERE answered_at IS NOT NULL")],
        key=lambda id: hashlib.sha256(f"{drawn['seed']}/{id}".encode()).digest(),
    )  # fmt: skip
    assert drawn["sample"] == [str(id) for id in ranked[:10]]
    audits = await listed(world.as_("auditor"), "/qa/audits", draw_id=drawn["id"])
    assert Counter(audit["auditor_id"] for audit in audits) == {"ann": 5, "bob": 5}
    # Asked for by hand with the same seed: what was drawn.
    again = await draw(world, weekly, status=200, seed=drawn["seed"], **{"from": drawn["from"], "to": drawn["to"]})
    assert again["id"] == drawn["id"]
    assert await listed(world.as_("manager"), f"/qa/sampling-plans/{by_hand['id']}/draws") == []


async def test_what_was_missed_is_caught_up_and_what_could_not_be_is_stated(
    world: World, people: dict[str, UUID]
) -> None:
    auditor = await hire(world, None)
    monthly = await plan(world, period="month", auditors=[str(auditor)])
    quarterly = await plan(world, period="quarter", auditors=[str(uuid4())])
    await tell(world, *(call(f"april{n}", "joe", started_at=MORNING + timedelta(days=40, minutes=n)) for n in range(3)))
    world.now = MORNING.replace(month=6, day=30)  # nobody was there for four months
    left = EmployeeLeft(employee_id=auditor, date=world.now.date())
    await world.turn("qa", "draws")
    await world.deliver("qa", world.letter(left))
    assert await periods(world, monthly) == [
        ("2026-03-01", "2026-03-31", 10, "drawn"), ("2026-04-01", "2026-04-30", 10, "drawn"),
        ("2026-05-01", "2026-05-31", 10, "nothing_to_draw"),
    ]  # fmt: skip
    world.now += timedelta(days=1)
    await world.turn("qa", "draws")
    assert (await periods(world, monthly))[3:] == [("2026-06-01", "2026-06-30", 10, "no_auditor")]
    [late, *_] = await listed(world.as_("manager"), f"/qa/sampling-plans/{quarterly['id']}/periods")
    assert (late["to"], late["due_at"], late["done_at"]) == (
        "2026-06-30",
        "2026-06-30T18:00:00Z",
        "2026-07-01T01:00:00Z",
    )
    path = f"/qa/sampling-plans/{monthly['id']}/end"
    refused(await world.as_("agent").post(path), 403)
    assert good(await world.as_("auditor").post(path))["ended_by"] == "the-auditor"
    refused(await world.as_("auditor").post(path), 409)
    world.now += timedelta(days=90)
    await world.turn("qa", "draws")
    assert len(await periods(world, monthly)) == 4


async def test_a_plan_that_cannot_be_drawn_holds_up_no_other(world: World, people: dict[str, UUID]) -> None:
    broken, whole = await plan(world, period="week"), await plan(world, period="week", filter={"team": "south"})
    await world.rows(
        "qa",
        "CREATE FUNCTION qa.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF NEW.plan_id = '{broken['id']}' THEN RAISE 'no'; END IF; RETURN NEW; END $$",
    )
    await world.rows("qa", "CREATE TRIGGER refuse BEFORE INSERT ON qa.draws FOR EACH ROW EXECUTE FUNCTION qa.refuse()")
    world.now += timedelta(days=7)
    await world.turn("qa", "draws")
    assert (await periods(world, broken), len(await periods(world, whole))) == ([], 1)
    await world.rows("qa", "DROP TRIGGER refuse ON qa.draws")
    await world.turn("qa", "draws")
    assert [len(await periods(world, one)) for one in (broken, whole)] == [1, 1]


async def test_spread_draws_an_even_part_each_day(world: World, people: dict[str, UUID]) -> None:
    """Ten a week: 1 1 2 1 2 1 2; made on Tuesday, so without Monday."""
    world.now += timedelta(days=1)
    spread = await plan(world, period="week", method="spread", filter={"team": "north"})
    days = [MORNING + timedelta(days=n) for n in range(2, 9)]
    await tell(
        world, *(call(f"{day}{n}", "diane", started_at=day + timedelta(hours=n)) for day in days for n in range(5))
    )
    for _ in range(7 * 24 * 2):
        world.now += timedelta(minutes=30)
        if world.now.hour in (17, 18):
            await world.turn("qa", "draws")
    found = await periods(world, spread)
    assert [(first, last) for first, last, *_ in found] == [(f"2026-03-{n:02}",) * 2 for n in range(3, 10)]
    assert [size for _, _, size, _ in found] == [1, 2, 1, 2, 1, 2, 1]
    draws = await listed(world.as_("manager"), f"/qa/sampling-plans/{spread['id']}/draws")
    assert [len(one["sample"]) for one in reversed(draws)] == [1, 2, 1, 2, 1, 2, 1]
    assert draws[0]["inclusion"] == [0.2]
