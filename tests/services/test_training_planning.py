"""Needs, plans and the year's calendar, on the real database with a fixed clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

from shared.contracts.performance import AppraisalFinalised
from shared.contracts.qa import AuditPassed
from shared.contracts.recruiting import EmployeeLeft
from tests.services.test_training_coaching import deliver, overturned
from tests.services.test_training_learning import _session, ok, started
from tests.services.test_training_rules import missed
from tests.world import World


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)  # in Shanghai


async def calendar(world: World, year: int = 2026) -> dict[tuple[str, str], dict[str, Any]]:
    items = (await ok(await world.as_("agent").get("/training/calendar", params={"year": year}), 200))["items"]
    return {(item["key"], item["period"]): item for item in items}


async def reminded(world: World) -> list[tuple[str, int, str]]:
    rows = await world.rows(
        "training", "SELECT subject, days_before, at::date AS day FROM training.reminders ORDER BY at, subject"
    )
    return [(row["subject"], row["days_before"], row["day"].isoformat()) for row in rows]


async def test_a_year_of_the_calendar(world: World) -> None:
    """Walked day by day: each deadline opens, is reminded of twice, once each, and is met or missed."""
    lead = world.as_("team_lead", sub=uuid4())
    day, states = date(2026, 1, 1), dict[tuple[str, str], list[str]]()
    while day.year == 2026:
        world.now = noon(day)
        if day in (date(2026, 10, 30), date(2026, 11, 7)):  # in time; late
            key = "department_needs" if day.month == 10 else "needs_handed_in"
            for _ in range(2):
                await ok(await lead.post(f"/training/calendar/{key}/2026/completion"), 200)
        for _ in range(2 if day.month >= 11 else 1):
            await world.turn("training", "calendar")
        if day.day in (1, 7, 16) or day.month >= 10:
            for what, item in (await calendar(world)).items():
                seen = states.setdefault(what, [])
                if item["state"] not in seen:
                    seen.append(item["state"])
        day += timedelta(days=1)
    assert len(states) == 11 + 12 * 4
    assert states["department_needs", "2026"] == ["upcoming", "open", "met"]
    assert states["needs_handed_in", "2026"] == ["upcoming", "open", "missed", "met_late"]
    assert states["needs_assessed", "2026"] == ["upcoming", "open", "missed"]
    found = await calendar(world)
    due = {what: item["due_on"] for what, item in found.items()}
    assert due["department_needs", "2026"] == "2026-10-31"  # a Saturday: the date stands
    assert found["department_needs", "2026"]["last_working_day"] == "2026-10-30"
    assert due["department_needs_report", "2026"] == "2026-11-03"  # two working days after it
    assert due["month_needs_report", "2026-02"] == "2026-02-25"  # over the spring festival
    assert due["month_needs_report", "2026-09"] == "2026-09-17"
    assert due["department_month_plan", "2026-02"] == "2026-02-28"
    told = await reminded(world)
    assert len(told) == len(set(told))
    assert [(n, at) for subject, n, at in told if subject == "year_plan_approved:2026"] == [
        (7, "2026-12-13"), (1, "2026-12-19")
    ]  # fmt: skip
    assert [(n, at) for subject, n, at in told if subject == "department_needs:2026"] == [(7, "2026-10-24")]  # then met
    assert [(n, at) for subject, n, at in told if subject == "month_needs_report:2026-02"] == [
        (7, "2026-02-18"), (1, "2026-02-24")
    ]  # fmt: skip
    ics = await lead.get("/training/calendar.ics", params={"year": 2026, "language": "zh"})
    assert ics.headers["content-type"].startswith("text/calendar")
    assert "DTSTART;VALUE=DATE:20261220" in ics.text
    assert ics.text.count("BEGIN:VEVENT") == len(found)
    assert all(len(line.encode()) <= 75 for line in ics.text.split("\r\n"))


async def test_the_calendar_is_data(world: World) -> None:
    trainer = world.as_("trainer")
    body = {
        "who": "trainer", "name_en": "Audit of training", "name_zh": "培训检查",
        "rule": {"month": 10, "day": 3, "shift": "before", "opens_days_before": 5},
    }  # fmt: skip
    await ok(await trainer.put("/training/deadlines/audit", json=body), 200)
    assert (await calendar(world))["audit", "2026"]["due_on"] == "2026-09-30"  # before the national holiday
    stale = await trainer.put("/training/deadlines/audit", json=body, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    for rule in ({"after": "nothing", "working_days": 2}, {"after": "audit", "working_days": 2}, {"month": 3}):
        assert (await trainer.put("/training/deadlines/audit", json={**body, "rule": rule})).status_code == 422
    assert (await world.as_("agent").put("/training/deadlines/audit", json=body)).status_code == 403
    off = {**body, "active": False}
    await ok(await trainer.put("/training/deadlines/audit", json=off), 200)
    assert ("audit", "2026") not in await calendar(world)


def need(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "period": "2027", "course": "communication", "trainees": [str(uuid4())], **more}


async def approved_need(world: World, title: str, budget: float, **more: Any) -> str:
    asked = await ok(await world.as_("team_lead").post("/training/needs", json=need(title, **more)))
    path = f"/training/needs/{asked['id']}"
    await ok(await world.as_("trainer").post(f"{path}/assessment", json={"priority": more.get("priority", 1)}), 200)
    await ok(await world.as_("manager").post(f"{path}/decision", json={"approved": True, "budget": budget}), 200)
    return str(asked["id"])


async def test_needs_are_assessed_merged_and_decided(world: World) -> None:
    lead, trainer, manager = world.as_("team_lead"), world.as_("trainer"), world.as_("manager")
    one, two, other = [
        await ok(await lead.post("/training/needs", json=need(t, **m)))
        for t, m in (("one", {}), ("two", {"course": None, "competencies": ["teamwork"]}), ("x", {"period": "2027-03"}))
    ]
    path = f"/training/needs/{one['id']}"
    yes = {"approved": True, "budget": 1000}
    assert (await manager.post(f"{path}/decision", json=yes)).status_code == 409  # not assessed yet
    refused = await trainer.post(f"{path}/assessment", json={"priority": 1, "merge": [other["id"]]})
    assert refused.status_code == 422
    merged = await ok(await trainer.post(f"{path}/assessment", json={"priority": 1, "merge": [two["id"]]}), 200)
    assert sorted(merged["trainees"]) == sorted([*one["trainees"], *two["trainees"]])
    assert merged["competencies"] == ["teamwork"]
    gone = (await lead.get(f"/training/needs/{two['id']}")).json()
    assert (gone["status"], gone["merged_into"]) == ("merged", one["id"])
    assert (await manager.post(f"{path}/decision", json={"approved": True})).status_code == 422  # no budget
    assert (await trainer.post(f"{path}/decision", json=yes)).status_code == 403
    returned = await ok(await manager.post(f"{path}/decision", json={"approved": False, "reason": "Too dear"}), 200)
    assert returned["status"] == "returned"
    await ok(await trainer.post(f"{path}/assessment", json={"priority": 2}), 200)
    assert (await ok(await manager.post(f"{path}/decision", json=yes), 200))["status"] == "approved"
    history = (await lead.get(path)).json()["history"]
    assert [one["action"] for one in history] == ["collected", "assessed", "returned", "assessed", "approved"]
    own = await ok(await manager.post("/training/needs", json=need("own")))
    await ok(await trainer.post(f"/training/needs/{own['id']}/assessment", json={"priority": 1}), 200)
    assert (await manager.post(f"/training/needs/{own['id']}/decision", json=yes)).status_code == 403
    assert (await world.as_("agent").post("/training/needs", json=need("mine"))).status_code == 403


async def test_a_plan_from_needs_to_what_came_of_it(world: World) -> None:
    trainer, manager = world.as_("trainer"), world.as_("manager")
    first = await approved_need(world, "First", 600)
    await approved_need(world, "Second", 300)
    await approved_need(world, "Third", 100, period="2027-02")
    body = {"kind": "year", "period": "2027", "budget": 899}
    refused = await trainer.post("/training/plans", json=body)
    assert refused.status_code == 422
    assert "cost 900" in refused.json()["detail"]
    plan = await ok(await trainer.post("/training/plans", json={**body, "budget": 1000}))
    assert [(e["need_id"] == first, e["budget"]) for e in plan["entries"]] == [(True, 600), (False, 300)]
    path = f"/training/plans/{plan['id']}"
    entry = plan["entries"][0]
    dear = {"objective": "More", "content": "More", "course": "communication", "budget": 101}
    assert (await trainer.post(f"{path}/entries", json=dear)).status_code == 422
    who = entry["trainees"][0]
    full = {
        **{k: entry[k] for k in ("objective", "content", "course", "trainees", "budget", "need_id")},
        "trainer_id": str(uuid4()), "responsible_id": str(uuid4()), "place": "Room 1",
        "starts_at": "2027-01-11T01:00:00Z", "ends_at": "2027-01-11T09:00:00Z",
    }  # fmt: skip
    await ok(await trainer.put(f"{path}/entries/{entry['id']}", json=full), 200)
    execution = f"{path}/entries/{entry['id']}/execution"
    assert (await trainer.post(execution, json={})).status_code == 409  # nothing is executed that is not approved
    assert (await trainer.post(f"{path}/issue")).status_code == 409
    await ok(await trainer.post(f"{path}/submission"), 200)
    assert (await trainer.post(execution, json={})).status_code == 409
    assert (await trainer.post(f"{path}/decision", json={"approved": True})).status_code == 403
    world.now = noon(date(2026, 12, 18))
    await ok(await manager.post(f"{path}/decision", json={"approved": True}), 200)
    assert (await calendar(world))["year_plan_approved", "2026"]["state"] == "met"
    assert (await trainer.post(f"{path}/entries", json=dear)).status_code == 409  # only by a change now

    executed = await ok(await trainer.post(execution, json={}), 200)
    assert executed["entries"][0]["status"] == "executed"
    assert (await trainer.post(execution, json={})).status_code == 409
    [enrolment] = (await trainer.get("/training/enrolments", params={"employee_id": who})).json()["items"]
    assert (enrolment["source"], enrolment["source_id"]) == ("plan", entry["id"])
    [session] = (await trainer.get("/training/sessions")).json()["items"]
    assert session["plan_entry_id"] == entry["id"]
    await ok(await trainer.post(f"/training/sessions/{session['id']}/places", json={"enrolment_id": enrolment["id"]}))
    world.now = datetime(2027, 1, 11, 10, tzinfo=UTC)
    detail = (await trainer.get(f"/training/sessions/{session['id']}")).json()
    at = f"/training/sessions/{session['id']}/meetings/{detail['meetings'][0]['id']}/attendance"
    await ok(await trainer.post(at, json={"present": {who: True}}), 200)
    await ok(await trainer.post("/training/examinations", json={"enrolment_id": enrolment["id"], "score": 88}))
    spent = {"amount": 550.5, "reason": "Room and trainer"}
    await ok(await trainer.post(f"{path}/entries/{entry['id']}/expenses", json=spent), 200)
    actual = await ok(await trainer.get(f"{path}/actual"), 200)
    one = next(e for e in actual["entries"] if e["id"] == entry["id"])
    assert {k: one[k] for k in ("planned", "held", "attended", "passed", "budget", "spent")} == {
        "planned": 1, "held": 1, "attended": 1, "passed": 1, "budget": 600, "spent": 550.5
    }  # fmt: skip
    assert (actual["planned"], actual["passed"], actual["budget"], actual["spent"]) == (2, 1, 900, 550.5)

    wanted = {"reason": "Mid-year", "added": [dear], "removed": [plan["entries"][1]["id"]]}
    changed = await ok(await trainer.post(f"{path}/changes", json=wanted))
    [asked] = changed["changes"]
    assert len(changed["entries"]) == 2  # not before it is approved
    decision = f"{path}/changes/{asked['id']}/decision"
    assert (await world.as_("team_lead").post(decision, json={"approved": True})).status_code == 403
    after = await ok(await manager.post(decision, json={"approved": True}), 200)
    assert sorted(e["budget"] for e in after["entries"]) == [101, 600]
    assert (await manager.post(decision, json={"approved": True})).status_code == 409
    more = await ok(await trainer.post(f"{path}/changes", json={"reason": "x", "added": [{**dear, "budget": 500}]}))
    over = f"{path}/changes/{more['changes'][-1]['id']}/decision"
    assert (await manager.post(over, json={"approved": True})).status_code == 422
    assert len((await trainer.get(path)).json()["entries"]) == 2  # nothing was changed


async def test_an_entry_whose_trainer_leaves_wants_another(world: World) -> None:
    trainer, manager, gone = world.as_("trainer"), world.as_("manager"), uuid4()
    plan = await ok(await trainer.post("/training/plans", json={"kind": "year", "period": "2027", "budget": 100}))
    path = f"/training/plans/{plan['id']}"
    entry = {
        "objective": "x", "content": "x", "course": "communication", "budget": 10, "trainer_id": str(gone),
        "place": "Room 1", "starts_at": "2027-01-11T01:00:00Z", "ends_at": "2027-01-11T09:00:00Z",
    }  # fmt: skip
    for one in (entry, {**entry, "starts_at": None, "ends_at": None}, {**entry, "trainer_id": None}):
        await ok(await trainer.post(f"{path}/entries", json=one))

    async def wanting() -> list[bool]:
        return [one["needs_trainer"] for one in (await trainer.get(path)).json()["entries"]]

    for day, marked in ((date(2027, 1, 11), [True, False, False]), (date(2027, 1, 12), [False, False, False])):
        for _ in range(2):
            await deliver(world, EmployeeLeft(employee_id=gone, date=day))
        assert await wanting() == marked
    await deliver(world, EmployeeLeft(employee_id=gone, date=date(2026, 3, 2)))
    assert await wanting() == [True, True, False]
    await ok(await trainer.post(f"{path}/submission"), 200)
    await ok(await manager.post(f"{path}/decision", json={"approved": True}), 200)
    first = (await trainer.get(path)).json()["entries"][0]["id"]
    refused = await trainer.post(f"{path}/entries/{first}/execution", json={})
    assert (refused.status_code, "gone from 2026-03-02" in refused.json()["detail"]) == (409, True)
    wanted = {"reason": "Trainer left", "removed": [first], "added": [{**entry, "trainer_id": str(uuid4())}]}
    asked = (await ok(await trainer.post(f"{path}/changes", json=wanted)))["changes"][0]["id"]
    after = await ok(await manager.post(f"{path}/changes/{asked}/decision", json={"approved": True}), 200)
    assert [one["needs_trainer"] for one in after["entries"]] == [True, False, False]
    await ok(await trainer.post(f"{path}/entries/{after['entries'][-1]['id']}/execution", json={}), 200)


async def test_monthly_plans_keep_their_deadlines(world: World) -> None:
    trainer, manager = world.as_("trainer"), world.as_("manager")
    world.now = noon(date(2026, 3, 26))  # a day late
    for kind, department, status in (("month", "", "met_late"), ("department_month", "service", "met")):
        body = {"kind": kind, "period": "2026-04", "budget": 10, "department": department}
        assert (await trainer.post("/training/plans", json={**body, "period": "2026"})).status_code == 422
        plan = await ok(await trainer.post("/training/plans", json=body))
        assert (await trainer.post("/training/plans", json=body)).status_code == 409
        path = f"/training/plans/{plan['id']}"
        await ok(await trainer.post(f"{path}/submission"), 200)
        await ok(await manager.post(f"{path}/decision", json={"approved": True}), 200)
        await ok(await trainer.post(f"{path}/issue"), 200)
        key = "month_plan_issued" if kind == "month" else "department_month_plan"
        assert (await calendar(world))[key, "2026-03"]["state"] == status


async def test_what_is_failed_often_becomes_a_need(world: World) -> None:
    """Counted on the first day of the next month, once, without what was overturned."""
    ann, bob = uuid4(), uuid4()
    at = datetime(2026, 2, 28, 16, 30, tzinfo=UTC)  # already March in Shanghai
    often = [
        missed("problem_solving", employee=who, at=at + timedelta(minutes=n)) for n, who in enumerate((ann, bob, ann))
    ]
    rare = [missed("teamwork", employee=ann, at=at + timedelta(hours=n)) for n in (1, 2, 3)]
    before = missed("problem_solving", employee=ann, at=at - timedelta(hours=1))
    good = AuditPassed(**{**dict(missed(employee=bob, at=at + timedelta(days=1))), "score": 95})
    await deliver(world, *often, *rare, before, good, overturned(rare[0].audit_id))
    for day in (date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2)):
        world.now = noon(day)
        for _ in range(2):
            await world.turn("training", "tally")
    found = (await world.as_("trainer").get("/training/needs", params={"origin": "audits"})).json()["items"]
    [one] = found
    assert (one["origin_id"], one["period"], one["status"]) == ("2026-03:problem_solving", "2026-05", "collected")
    assert (one["course"], one["competencies"], sorted(one["trainees"])) == (
        "problem_solving", ["problem_solving"], sorted([str(ann), str(bob)])
    )  # fmt: skip
    assert {k: one["evidence"][k] for k in ("month", "audits", "failed", "employees", "rate")} == {
        "month": "2026-03", "audits": 6, "failed": 3, "employees": 2, "rate": 0.5
    }  # fmt: skip
    assert one["evidence"]["low"] < 0.5 < one["evidence"]["high"]


def appraised(id: UUID, revision: int, total: float | None, **more: Any) -> AppraisalFinalised:
    return AppraisalFinalised.model_validate(
        {
            "appraisal_id": id, "employee_id": UUID(int=5), "cycle": "2026-Q1", "revision": revision, "total": total,
            "dimensions": {"service_quality": total}, "low": None, "high": None, "grade": None, "bonus": None,
            "commended": False, "promotion": None, "competencies": [], "ledger": "0", "cause": "x", **more,
        }
    )  # fmt: skip


async def needs_of(world: World, id: UUID) -> list[dict[str, Any]]:
    found = (await world.as_("trainer").get("/training/needs", params={"origin": "appraisal"})).json()["items"]
    return [one for one in found if one["origin_id"] == str(id)]


async def test_a_need_follows_its_appraisal(world: World) -> None:
    """Revised upwards it is withdrawn while nobody has looked at it, in any order, once; downwards it is back."""
    for totals, open in (((50, 70), False), ((50, 70, 55), True), ((50, 40), True), ((70, 50), True)):
        ends = []
        for order in permutations(range(len(totals))):
            id = uuid4()
            for n in (*order, order[0]):
                await deliver(world, appraised(id, n + 1, totals[n]))
            found = await needs_of(world, id)
            ends.append([(one["status"], one["evidence"]["total"], one["evidence"]["low"], one["reason"])
                         for one in found if one["status"] == "collected"])  # fmt: skip
            assert {one["reason"] for one in found if one["status"] != "collected"} <= {"appraisal_revised"}
        low = {"service_quality": totals[-1]}
        assert ends == [[("collected", totals[-1], low, None)] if open else []] * len(ends)
    id = uuid4()
    await deliver(world, appraised(id, 1, 50), appraised(id, 2, 80), appraised(id, 2, 80))
    [gone] = await needs_of(world, id)
    assert (gone["status"], gone["reason"]) == ("returned", "appraisal_revised")
    assert gone["evidence"]["revised"][str(id)] == {"revision": 2, "total": 80, "low": {}}
    history = (await world.as_("trainer").get(f"/training/needs/{gone['id']}")).json()["history"]
    assert [one["action"] for one in history] == ["collected", "withdrawn"]


async def test_a_need_that_was_assessed_stays(world: World) -> None:
    """Its evidence, and that of the need it was merged into, say what became of the appraisal."""
    trainer, manager = world.as_("trainer"), world.as_("manager")
    one, two = uuid4(), uuid4()
    await deliver(world, appraised(one, 1, 50), appraised(two, 1, 45, competencies=["teamwork"]))
    [[kept], [merged]] = [await needs_of(world, id) for id in (one, two)]
    path = f"/training/needs/{kept['id']}"
    await ok(await trainer.post(f"{path}/assessment", json={"priority": 1, "merge": [merged["id"]]}), 200)
    await ok(await manager.post(f"{path}/decision", json={"approved": True, "budget": 10}), 200)
    await deliver(world, appraised(two, 2, 90), appraised(one, 3, 75), appraised(one, 2, 30), appraised(one, 3, 75))
    [now] = await needs_of(world, one)
    assert (now["status"], now["trainees"], now["competencies"]) == ("approved", [str(UUID(int=5))], ["teamwork"])
    assert now["evidence"]["total"] == 50
    became = {str(one): {"revision": 3, "total": 75, "low": {}}, str(two): {"revision": 2, "total": 90, "low": {}}}
    assert now["evidence"]["revised"] == became
    [other] = await needs_of(world, two)
    assert (other["status"], other["evidence"]["revised"]) == ("merged", {str(two): became[str(two)]})
    history = (await trainer.get(path)).json()["history"]
    assert [one["action"] for one in history] == ["collected", "assessed", "approved", *["appraisal_revised"] * 2]


async def test_courses_follow_a_revised_appraisal(world: World) -> None:
    """In any order: what the newest revision asks for stands, and of what it asks for no more, what had begun."""
    trainer = world.as_("trainer")
    for code, below, courses in (
        ("again", 60, ["communication", "problem_solving"]),
        ("deep", 40, ["service_process"]),
    ):
        who = {"appraisal_below": below}
        body = {"code": code, "name_en": code, "name_zh": code, "purpose": "plan", "courses": courses, "who": who}
        await ok(await trainer.post("/training/programmes", json=body))

    async def mine(of: UUID) -> dict[str, Any]:
        items = (await trainer.get("/training/enrolments", params={"employee_id": str(of)})).json()["items"]
        return {one["course"]: one for one in items if one["source"] == "appraisal"}

    async def standing(of: UUID) -> set[tuple[str, str | None]]:
        return {(code, one["reason"]) for code, one in (await mine(of)).items() if one["status"] != "cancelled"}

    again, deep = {("communication", None), ("problem_solving", None)}, {("service_process", None)}
    for totals, wanted in (
        ((50, 70), set()), ((50, None), set()), ((30, 55), again), ((30, 70, 35), again | deep), ((70, 50, 60), set()),
    ):  # fmt: skip
        for order in permutations(range(len(totals))):
            who, id = uuid4(), uuid4()
            await deliver(world, started(who, date(2025, 1, 1)))
            for n in (*order, order[0]):
                letter = world.letter(appraised(id, n + 1, totals[n], employee_id=who))
                await world.deliver("training", letter, letter)
            assert await standing(who) == wanted, (totals, order)
            assert {one["reason"] for one in (await mine(who)).values() if one["status"] == "cancelled"} <= {
                "appraisal_revised"
            }

    who, id, other = uuid4(), uuid4(), uuid4()
    await deliver(world, started(who, date(2025, 1, 1)), appraised(id, 1, 30, employee_id=who))
    await deliver(world, appraised(other, 1, 30, employee_id=who))  # of another cycle: stays
    asked = (await trainer.get("/training/enrolments", params={"employee_id": str(who)})).json()["items"]
    ids = {one["course"]: one["id"] for one in asked if one["source_id"].endswith(str(id))}
    hand = await ok(
        await trainer.post("/training/enrolments", json={"employee_id": str(who), "course": "communication"})
    )
    session = await ok(await _session(world, "service_process", datetime(2026, 5, 1, tzinfo=UTC), 2, seats=1))
    path, next_one = f"/training/sessions/{session['id']}/places", uuid4()
    await ok(await trainer.post(path, json={"enrolment_id": ids["service_process"]}))
    waits = await ok(
        await trainer.post("/training/enrolments", json={"employee_id": str(next_one), "course": "service_process"})
    )
    await ok(await trainer.post(path, json={"enrolment_id": waits["id"]}))
    await ok(await trainer.post("/training/examinations", json={"enrolment_id": ids["communication"], "score": 10}))
    await deliver(world, appraised(id, 2, 90, employee_id=who), appraised(id, 2, 90, employee_id=who))

    async def now() -> dict[str, tuple[str, str | None]]:
        found = {code: (await trainer.get(f"/training/enrolments/{one}")).json() for code, one in ids.items()}
        return {code: (one["status"], one["reason"]) for code, one in found.items()}

    stays, taken = ("enrolled", "appraisal_revised"), ("cancelled", "appraisal_revised")
    assert await now() == {"communication": stays, "problem_solving": stays, "service_process": taken}
    seats = {
        one["employee_id"]: one["status"] for one in (await trainer.get(path.removesuffix("/places"))).json()["places"]
    }
    assert seats == {str(who): "withdrawn", str(next_one): "seated"}  # whoever waits longest
    assert (await trainer.get(f"/training/enrolments/{hand['id']}")).json()["status"] == "enrolled"
    rest = (await trainer.get("/training/enrolments", params={"employee_id": str(who)})).json()["items"]
    assert [one["status"] for one in rest if one["source_id"].endswith(str(other))] == ["enrolled"] * 3
    await ok(await trainer.post(f"/training/enrolments/{ids['problem_solving']}/cancellation"), 200)
    await deliver(world, appraised(id, 3, 30, employee_id=who))
    assert await now() == {
        "communication": ("enrolled", None), "problem_solving": ("cancelled", None),
        "service_process": ("enrolled", None),
    }  # fmt: skip
    told = (await trainer.get(f"/training/enrolments/{ids['service_process']}")).json()["history"]
    assert [one["action"] for one in told] == ["enrolled", "appraisal_revised", "appraisal_revised"]
    await deliver(world, appraised(id, 4, 90, employee_id=who), EmployeeLeft(employee_id=who, date=date(2026, 3, 2)))
    await deliver(world, appraised(id, 5, 30, employee_id=who))
    assert {status for status, _ in (await now()).values()} == {"cancelled"}  # who has left learns no more
