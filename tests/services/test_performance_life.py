"""From an open cycle to an appeal: does an appraisal stay exact, explained and untampered all its life?"""

import itertools
import json
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.performance.commands import verify_appraisals
from services.performance.repository import calculation
from shared.contracts.performance import AppraisalFinalised, ProbationEvaluated
from shared.contracts.qa import FailedCriterion
from shared.contracts.recruiting import EmployeeChanged, EmployeeStarted
from shared.contracts.telephony import CallEnded
from shared.contracts.training import AttendanceNoted, ExaminationFailed, ExaminationPassed
from shared.events import Event
from tests.services.test_performance_appraisals import (
    explanation,
    open_cycle,
    overturned,
    rescored,
    submitted,
    the_appraisal,
)
from tests.services.test_performance_facts import NOON, call, case, rating
from tests.world import World


def hired(agent: str | None = "a1", *, team: str = "one", **more: Any) -> EmployeeStarted:
    fields: dict[str, Any] = {
        "employee_id": uuid4(), "agent_id": agent, "department": None, "role": "agent", "team": team,
        "team_lead_id": None, "mentor_id": None, "date": date(2025, 1, 1), **more,
    }  # fmt: skip
    return EmployeeStarted(**fields)


def examined(
    employee_id: UUID, score: str, course: str = "product", **more: Any
) -> ExaminationPassed | ExaminationFailed:
    kind = ExaminationPassed if Decimal(score) >= 60 else ExaminationFailed
    fields = {"purpose": "plan", "application_id": None, **more}
    return kind(employee_id=employee_id, course=course, score=Decimal(score), **fields)


def attended(employee_id: UUID, present: bool = True, *, day: int = 0, id: UUID | None = None) -> AttendanceNoted:
    begin = NOON + timedelta(days=day)
    return AttendanceNoted(
        employee_id=employee_id, course="product", enrolment_id=uuid4(), meeting_id=id or uuid4(), starts_at=begin,
        ends_at=begin + timedelta(minutes=90), present=present,
    )  # fmt: skip


def work(agent: str, n: int = 40, prefix: str = "") -> list[Event]:
    """A month of calls, cases and ratings; the same for the same agent."""
    random = Random(f"{agent}{prefix}")
    events: list[Event] = []
    for i in range(n):
        at = NOON + timedelta(days=i % 20)
        id = f"{prefix}{agent}-{i}"
        wait, talk = random.uniform(0, 60), random.uniform(120, 420)
        events.append(call(id, agent, at, wait_seconds=wait, talk_seconds=talk))
        events.append(case(id, agent, at, resolved=random.random() < 0.85, first_contact=random.random() < 0.7))
        events.append(rating(id, agent, at, random.randint(2, 5)))
    return events


async def step(world: World, cycle: dict[str, Any], what: str, status: int = 200) -> Any:
    answer = await world.as_("manager").post(f"/performance/cycles/{cycle['id']}/{what}")
    assert answer.status_code == status, answer.text
    return answer.json()


async def emitted(world: World, kind: type[Any]) -> list[Any]:
    """What is in the outbox, before it is carried away."""
    rows = await world.rows(
        "performance", "SELECT payload FROM performance.outbox WHERE type = :type ORDER BY id", type=kind.type
    )
    return [kind.model_validate_json(row["payload"]) for row in rows]


async def faults(world: World) -> list[Any]:
    async with world.runtime.databases["performance"].transaction() as tx:
        return (await verify_appraisals(tx))[1]


async def get(world: World, path: str, **asked: Any) -> Any:
    answer = await world.as_("hr").get(path, params=asked)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


async def check(world: World, appraisal: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """The explanation, which must equal what is stored to the last digit."""
    why: dict[str, Any] = await get(world, f"/performance/appraisals/{appraisal['id']}/explanation", **asked)
    assert (why["total"], why["grade"], why["low"], why["high"]) == tuple(
        appraisal[name] for name in ("total", "grade", "low", "high")
    )
    assert sum(e["points"] for e in why["entries"]) == (why["total"] or 0)
    for name, dimension in why["dimensions"].items():
        own = [e for e in why["entries"] if e["dimension"] == name]
        assert dimension["score"] == appraisal["dimensions"][name]["score"]
        assert sum(e["contribution"] for e in own) == (dimension["score"] or 0)
        assert sum(i["points"] for i in dimension["indicators"].values()) == (dimension["points"] or 0)
    return why


async def test_a_cycle_from_facts_to_grades(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculation, "CHUNK", 2)  # five appraisals in three parts, one after the other
    lead, person = uuid4(), hired(team_lead_id=None)
    person = person.model_copy(update={"team_lead_id": lead})
    peers = [hired(f"p{n}") for n in range(3)]
    await world.send(person, *peers, hired(None, employee_id=lead, role="supervisor"))
    cycle = await open_cycle(world)
    await world.send(*work("a1"))
    audits = [submitted(person.employee_id, score) for score in ("88", "93", "71.5", "90", "100")]
    await world.send(*audits, examined(person.employee_id, "80"), examined(person.employee_id, "45", "psychology"))
    await world.send(attended(person.employee_id), attended(person.employee_id, day=1))

    appraisal = await the_appraisal(world, person.employee_id)
    path = f"/performance/appraisals/{appraisal['id']}/ratings"
    for sub, value in [(person.employee_id, 5), (lead, 4), (peers[0].employee_id, 3), (peers[1].employee_id, 4)]:
        for indicator in ("team_rating", "development_rating"):
            body = {"indicator": indicator, "value": value}
            assert (await world.as_("agent", sub=sub).post(path, json=body)).status_code == 201
    shown = (await world.as_("agent", sub=person.employee_id).get(path)).json()
    by_kind = {(item["indicator"], item["kind"]): (item["n"], item["mean"]) for item in shown}
    assert by_kind["team_rating", "peer"] == (2, None), "two peers could be told apart"
    assert by_kind["team_rating", "manager"] == (1, 4)
    assert await step(world, cycle, "calculation") == {"appraisals": 5}
    before = await the_appraisal(world, person.employee_id)
    why = await check(world, before)
    [team] = [e for e in why["entries"] if e["indicator"] == "team_rating"]
    assert (team["value"], team["n"], team["score"]) == (4, 1, 80)  # neither oneself nor two peers

    third = {"indicator": "team_rating", "value": 5}
    assert (await world.as_("agent", sub=peers[2].employee_id).post(path, json=third)).status_code == 201
    assert str(peers[2].employee_id) not in (await world.as_("agent", sub=person.employee_id).get(path)).text
    await step(world, cycle, "calculation")
    again = await the_appraisal(world, person.employee_id)
    await step(world, cycle, "calculation")
    assert await the_appraisal(world, person.employee_id) == again, "twice is once"
    why = await check(world, again)
    [team] = [e for e in why["entries"] if e["indicator"] == "team_rating"]
    assert (team["value"], team["n"]) == (4, 4)  # manager 4, peers (3 + 4 + 5) / 3
    assert {e["indicator"] for e in why["entries"]} == {
        "audit_score", "satisfaction", "resolution_rate", "first_contact_resolution", "handling_time",
        "answered_within_20s", "speed_of_answer", "team_rating", "development_rating", "training_attendance",
        "examination_score", "accuracy_customer_critical", "accuracy_business_critical",
        "accuracy_compliance_critical",
    }  # fmt: skip
    assert again["low"] < again["total"] < again["high"]
    values = {
        item["indicator"]: item
        for item in (
            await get(
                world, "/performance/indicators/values",
                **{"employee_id": person.employee_id, "from": "2026-01-01", "to": "2026-03-31"},
            )
        )["items"]
    }  # fmt: skip
    for entry in why["entries"]:
        if entry["basis"] == "indicator" and not entry["indicator"].endswith("_rating"):
            assert (entry["value"], entry["n"]) == (
                values[entry["indicator"]]["value"],
                values[entry["indicator"]]["n"],
            )
            assert entry["score"] == values[entry["indicator"]]["points"]
            days = why["behind"][entry["id"]]
            assert sum(day["n"] for day in days) == entry["n"]
    [speed] = [e for e in why["entries"] if e["indicator"] == "speed_of_answer"]
    day = why["behind"][speed["id"]][0]
    calls = await get(world, f"/performance/appraisals/{again['id']}/entries/{speed['id']}/days/{day['fact']}")
    assert len(calls) == day["n"] == 2
    assert {c["fact"] for c in calls} == {"a1-0", "a1-20"}
    assert sum(c["value"] for c in calls) / 2 == pytest.approx(day["value"], abs=Decimal("0.0001"))
    better = why["better"]
    assert better["at_least"] - again["total"] == better["total"]

    await step(world, cycle, "calibration")
    late = await world.as_("agent", sub=lead).post(path, json=third)
    assert late.status_code == 409
    adjust = f"/performance/appraisals/{again['id']}/adjustments"
    adjusted = await world.as_("manager").post(adjust, json={"points": -1.25, "reason": "compared with the others"})
    assert adjusted.status_code == 201
    await check(world, await the_appraisal(world, person.employee_id))
    await world.settle()
    await step(world, cycle, "finalisation")
    final = await the_appraisal(world, person.employee_id)
    assert final["total"] == again["total"] - Decimal("1.25")
    events = {event.appraisal_id: event for event in await emitted(world, AppraisalFinalised)}
    event = events[UUID(final["id"])]
    assert (event.total, event.grade, event.revision) == (final["total"], final["grade"], 1)
    assert (event.low, event.high) == (final["low"], final["high"])
    assert len(events) == 5
    assert await faults(world) == []

    for other in ("calculation", "calibration", "finalisation"):
        await step(world, cycle, other, 409)
    ack = f"/performance/appraisals/{final['id']}/acknowledgement"
    assert (await world.as_("agent", sub=peers[0].employee_id).post(ack)).status_code == 404
    assert (await world.as_("agent", sub=person.employee_id).post(ack)).json()["status"] == "acknowledged"
    decided = await get(world, f"/performance/appraisals/{final['id']}/history")
    assert [d["what"] for d in decided] == [
        "self_appraised", "self_appraised", "calibrated", "adjusted", "finalised", "acknowledged"
    ]  # fmt: skip
    shares = await get(world, f"/performance/cycles/{cycle['id']}/grades")
    assert sum(band["n"] for band in shares) == 1
    report = await get(world, f"/performance/cycles/{cycle['id']}/fairness", seed=3)
    assert report == await get(world, f"/performance/cycles/{cycle['id']}/fairness", seed=3)


async def test_the_past_can_be_asked_for(world: World) -> None:
    person = hired()
    await world.send(person)
    cycle = await open_cycle(world)
    states = []
    audits = [submitted(person.employee_id, score) for score in ("60", "80", "95")]
    for event in (*audits, overturned(audits[0]), rescored(audits[1], "70")):
        world.now += timedelta(hours=1)
        await world.send(event)
        states.append((world.now, await the_appraisal(world, person.employee_id)))
    world.now += timedelta(hours=1)
    await step(world, cycle, "finalisation")
    states.append((world.now, await the_appraisal(world, person.employee_id)))
    world.now += timedelta(hours=1)
    await world.send(rescored(audits[1], "99", 3))
    states.append((world.now, await the_appraisal(world, person.employee_id)))
    assert [s["total"] for _, s in states] == [60, 70, Decimal("78.33"), Decimal("87.5"), Decimal("82.5"),
                                               Decimal("82.5"), 97]  # fmt: skip
    for at, state in states:
        then = await get(world, f"/performance/appraisals/{state['id']}", as_of=at.isoformat())
        for name in ("total", "grade", "dimensions", "low", "high", "status", "revision"):
            assert then[name] == state[name], name
        await check(world, state, as_of=at.isoformat())
    assert [s["revision"] for _, s in states] == [0] * 5 + [1, 2]


async def test_evidence_tells_what_changed_since(world: World) -> None:
    """What days and calls said before is not kept; so what an entry does not rest on any more says so."""
    person = hired()
    await world.send(person, *work("a1"))
    cycle = await open_cycle(world)
    await step(world, cycle, "calculation")
    measured, state = world.now, await the_appraisal(world, person.employee_id)
    path = f"/performance/appraisals/{state['id']}"

    async def changed(of: str, **asked: Any) -> dict[str, str]:
        why = await check(world, state if asked else await the_appraisal(world, person.employee_id), **asked)
        [entry] = [e for e in why["entries"] if e["indicator"] == of]
        days = why["behind"][entry["id"]]
        assert len(days) >= 2
        for day in days:
            singles = await get(world, f"{path}/entries/{entry['id']}/days/{day['fact']}")
            calls = {single["fact"]: single["changed_since"] for single in singles if single["changed_since"]}
            assert calls == ({"a1-3": day["changed_since"]} if day["changed_since"] else {})
        return {day["fact"]: day["changed_since"] for day in days if day["changed_since"]}

    assert await changed("speed_of_answer") == {}
    world.now += timedelta(hours=1)
    at = NOON + timedelta(days=3)
    await world.send(call("a1-3", "a1", at, wait_seconds=55, talk_seconds=300))
    expected = {str(at.date()): world.now.isoformat().replace("+00:00", "Z")}
    assert await changed("speed_of_answer", as_of=measured.isoformat()) == expected
    assert await changed("satisfaction", as_of=measured.isoformat()) == {}
    assert await changed("speed_of_answer") == expected, "the entry is still that of before"
    world.now += timedelta(hours=1)
    await step(world, cycle, "calculation")
    assert await changed("speed_of_answer") == {}
    assert await changed("speed_of_answer", as_of=measured.isoformat()) == expected


async def test_tampering_shows(world: World) -> None:
    person = hired()
    await world.send(person)
    await open_cycle(world)
    audits = [submitted(person.employee_id, score) for score in ("60", "80", "95")]
    await world.send(*audits, overturned(audits[0]))
    assert await faults(world) == []

    async def after(*statements: str) -> set[str]:
        for table in ("ledger_entries", "appraisals"):
            await world.rows("performance", f"CREATE TABLE IF NOT EXISTS kept_{table} AS TABLE performance.{table}")
        await world.rows("performance", "ALTER TABLE performance.ledger_entries DISABLE TRIGGER ALL")
        for statement in statements:
            await world.rows("performance", statement)
        found = {fault.reason for fault in await faults(world)}
        await world.rows("performance", "DELETE FROM performance.ledger_entries")
        await world.rows("performance", "INSERT INTO performance.ledger_entries TABLE kept_ledger_entries")
        await world.rows(
            "performance",
            """
            UPDATE performance.appraisals a SET total = k.total, grade = k.grade
            FROM kept_appraisals k WHERE k.id = a.id
            """,
        )
        assert await faults(world) == []
        return found

    assert await after("UPDATE performance.ledger_entries SET points = 100, value = 100 WHERE seq = 2")
    assert await after("UPDATE performance.ledger_entries SET actor = 'somebody' WHERE seq = 2")
    assert await after("UPDATE performance.ledger_entries SET at = at - interval '1 day' WHERE seq = 1")
    assert await after("DELETE FROM performance.ledger_entries WHERE seq = 4")
    assert await after("UPDATE performance.ledger_entries SET reversed_by = NULL")
    assert await after("DELETE FROM performance.ledger_entries")
    assert await after("UPDATE performance.appraisals SET total = 100, grade = 'A'") == {
        "scores, total or grade do not come out of the ledger"
    }


TEMPLATE = {"dimensions": {"service_quality": 100}, "indicators": {"service_quality": {"audit_score": 100}}}


@pytest.mark.parametrize("rule", ["own_period", "current", "ignore"])
async def test_corrections_after_the_close(world: World, rule: str) -> None:
    """In any order, the closed period and the one that follows end the same."""
    ends = set()
    for order in itertools.permutations(range(3)):
        person = hired(None)
        await world.send(person)
        code = f"{rule}{order}"
        template = {**TEMPLATE, "corrections": rule, "corrections_within_days": 30}
        first = await open_cycle(world, code + "1", template=template)
        audits = [submitted(person.employee_id, score) for score in ("60", "80", "100")]
        await world.send(*audits)
        await step(world, first, "finalisation")
        second = await open_cycle(world, code + "2", template=template, **{"from": "2026-04-01", "to": "2026-06-30"})
        follows = submitted(person.employee_id, "50", at=NOON + timedelta(days=60))
        late = [overturned(audits[0]), rescored(audits[1], "90"), follows]
        for index in order:
            await world.send(late[index], late[index], at=world.now + timedelta(days=3))
        await world.send(overturned(audits[2]), at=world.now + timedelta(days=31))  # too late
        totals = [
            (await the_appraisal(world, person.employee_id, cycle_id=cycle["id"]))["total"] for cycle in (first, second)
        ]
        for cycle in (first, second):
            await check(world, await the_appraisal(world, person.employee_id, cycle_id=cycle["id"]))
        ends.add(tuple(totals))
        await step(world, second, "finalisation")
    expected = {"own_period": (95, 50), "current": (80, 65), "ignore": (80, 50)}
    assert ends == {expected[rule]}
    assert await faults(world) == []


async def test_corrections_wait_for_the_next_cycle(world: World) -> None:
    person = hired(None)
    await world.send(person)
    template = {**TEMPLATE, "corrections": "current"}
    first = await open_cycle(world, template=template)
    audits = [submitted(person.employee_id, score) for score in ("60", "80")]
    await world.send(*audits)
    await step(world, first, "finalisation")
    await world.send(overturned(audits[0]))
    days = {"from": "2026-04-01", "to": "2026-06-30"}
    second = await open_cycle(world, "2026Q2", template=template, **days)
    await world.send(submitted(person.employee_id, "50", at=NOON + timedelta(days=60)))
    now = await the_appraisal(world, person.employee_id, cycle_id=second["id"])
    assert now["total"] == 60  # 50, and the 10 that the first was too low
    assert (await the_appraisal(world, person.employee_id, cycle_id=first["id"]))["total"] == 70


async def appeal(
    world: World, person: EmployeeStarted, appraisal: dict[str, Any], entry: str, status: int = 201
) -> Any:
    body = {"appraisal_id": appraisal["id"], "entry_id": entry, "reason": "the customer hung up"}
    answer = await world.as_("agent", sub=person.employee_id).post("/performance/appeals", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_appeals(world: World) -> None:
    person, judge = hired(None), uuid4()
    await world.send(person)
    cycle = await open_cycle(world, template=TEMPLATE)
    audits = [submitted(person.employee_id, score) for score in ("40", "80", "90")]
    await world.send(*audits)
    appraisal = await the_appraisal(world, person.employee_id)
    entries = {e["value"]: e["id"] for e in (await check(world, appraisal))["entries"]}
    await appeal(world, person, appraisal, entries[40], 409)
    await step(world, cycle, "finalisation")
    stranger = hired(None)
    await world.send(stranger)
    await appeal(world, stranger, appraisal, entries[40], 404)
    await appeal(world, person, appraisal, str(uuid4()), 404)
    one = await appeal(world, person, appraisal, entries[40])
    await appeal(world, person, appraisal, entries[40], 409)
    other = await appeal(world, person, appraisal, entries[80])
    await world.settle()

    async def decide(id: str, who: Any, role: Any = "manager", **decision: Any) -> int:
        body = {"upheld": True, "reason": "heard the call again", **decision}
        return (await world.as_(role, sub=who).post(f"/performance/appeals/{id}/decision", json=body)).status_code

    assert await decide(one["id"], judge, "agent") == 403
    assert await decide(one["id"], "auditor") == 403, "who made the entry"
    assert await decide(one["id"], person.employee_id) == 403, "who appealed"
    assert await decide(one["id"], judge, points=70) == 200
    assert await decide(one["id"], judge, points=75) == 409
    [event] = await emitted(world, AppraisalFinalised)
    assert (event.total, event.revision) == (80, 2)
    assert await decide(other["id"], judge, upheld=False) == 200
    now = await the_appraisal(world, person.employee_id)
    assert now["total"] == 80  # (70 + 80 + 90) / 3
    why = await check(world, now)
    [made] = [e for e in why["entries"] if e["basis"] == "appeal"]
    assert (made["by"], made["refers_to"], made["score"]) == (str(judge), one["id"], 70)
    [gone] = why["reversed"]
    assert (gone["value"], gone["reversed_by"]["by"]) == (40, str(judge))
    await world.send(rescored(audits[0], "10"), overturned(audits[0], 3))
    assert (await the_appraisal(world, person.employee_id))["total"] == 80, "what an appeal decided stays decided"
    await world.send(rescored(audits[1], "86"))
    assert (await the_appraisal(world, person.employee_id))["total"] == 82
    assert await faults(world) == []
    listed = (await world.as_("agent", sub=person.employee_id).get("/performance/appeals")).json()["items"]
    assert [(a["status"], a["decision"]) for a in listed] == [
        ("rejected", "heard the call again"), ("upheld", "heard the call again")
    ]  # fmt: skip
    assert (await world.as_("agent", sub=stranger.employee_id).get("/performance/appeals")).json()["items"] == []
    world.now += timedelta(days=15)
    last = next(e["id"] for e in why["entries"] if e["value"] == 90)
    await appeal(world, person, appraisal, last, 409)


async def test_a_low_appraisal_asks_for_training_and_opens_a_plan(world: World) -> None:
    lead = uuid4()
    person = hired(None, team_lead_id=lead)
    await world.send(person)
    cycle = await open_cycle(world, template=TEMPLATE)
    missed = (
        FailedCriterion(criterion="a", competency="calming_emotion", error_class="none", score=Decimal(0)),
        FailedCriterion(criterion="b", competency="applying_product_knowledge", error_class="none", score=Decimal(0)),
    )
    audits = []
    for n in (2, 1):
        audit = submitted(person.employee_id, "50")
        audits.append(audit.model_copy(update={"failed_criteria": missed[:n]}))
    await world.send(*audits)
    await step(world, cycle, "finalisation")
    [event] = await emitted(world, AppraisalFinalised)
    assert event.competencies == ("calming_emotion", "applying_product_knowledge")
    assert (event.grade, event.bonus, event.commended) == ("D", 0, False)
    [plan] = (await get(world, "/performance/improvement-plans", employee_id=person.employee_id))["items"]
    assert [c["due_on"] for c in plan["checkpoints"]] == ["2026-04-01", "2026-05-01", "2026-05-31"]
    checks = f"/performance/improvement-plans/{plan['id']}/checkpoints"
    team_lead = world.as_("team_lead", sub=lead)
    assert (await team_lead.post(f"{checks}/2", json={"result": "met"})).status_code == 409
    assert (
        await world.as_("agent", sub=person.employee_id).post(f"{checks}/1", json={"result": "met"})
    ).status_code == 403
    for n, result in ((1, "not_met"), (2, "met")):
        assert (await team_lead.post(f"{checks}/{n}", json={"result": result})).json()["status"] == "open"
    await world.send(overturned(audits[0]), overturned(audits[1]))
    [plan] = (await get(world, "/performance/improvement-plans", employee_id=person.employee_id))["items"]
    assert plan["status"] == "not_owed"
    assert (await the_appraisal(world, person.employee_id))["total"] is None


async def test_the_excellent_are_commended_and_may_be_promoted(world: World) -> None:
    person = hired(None)
    await world.send(person)
    outcomes = []
    for n, month in enumerate((1, 4, 7)):
        days = {"from": f"2026-{month:02}-01", "to": f"2026-{month + 2:02}-28"}
        cycle = await open_cycle(world, f"q{n}", template=TEMPLATE, **days)
        await world.send(submitted(person.employee_id, "95", at=NOON.replace(month=month)))
        await step(world, cycle, "finalisation")
        outcomes.append((await the_appraisal(world, person.employee_id, cycle_id=cycle["id"]))["outcome"])
    assert [o["promotion"] for o in outcomes] == [None, "senior_agent", "senior_agent"]
    assert [(o["commended"], o["bonus"]) for o in outcomes] == [(True, Decimal("1.5"))] * 3


@pytest.mark.parametrize("first", ["hired", "audited"])
async def test_probation(world: World, first: str) -> None:
    mentor, application = uuid4(), uuid4()
    person = hired(None, mentor_id=mentor, application_id=application, date=date(2026, 2, 20))
    audit = submitted(person.employee_id, "90")
    steps: list[Event] = [
        person,
        audit,
        examined(person.employee_id, "80", purpose="pre_job", application_id=application),
    ]
    await world.send(*(steps if first == "hired" else reversed(steps)))
    [cycle] = (await get(world, "/performance/cycles"))["items"]
    assert (cycle["kind"], cycle["employee_id"], cycle["from"]) == ("probation", str(person.employee_id), "2026-02-20")
    appraisal = await the_appraisal(world, person.employee_id)
    path = f"/performance/appraisals/{appraisal['id']}/ratings"
    body = {"indicator": "mentor_rating", "value": 3}
    assert (await world.as_("manager", sub=uuid4()).post(path, json=body)).status_code == 403
    assert (await world.as_("agent", sub=mentor).post(path, json=body)).status_code == 201
    await step(world, cycle, "finalisation")
    [event] = await emitted(world, ProbationEvaluated)
    assert (event.total, event.grade) == (Decimal("78.00"), "passed")  # 0.4 · 90 + 0.3 · 80 + 0.3 · 60
    assert event.dimensions == {"service_quality": 90, "learning": 80, "conduct": 60}
    quarter = await open_cycle(world)
    found = await the_appraisal(world, person.employee_id, cycle_id=quarter["id"])
    assert found["total"] == 90, "an audit counts in the probation and in the quarter"


async def test_days_in_training_do_not_count(world: World) -> None:
    person = hired()
    await world.send(person, *work("a1"))
    cycle = await open_cycle(world)
    await step(world, cycle, "calculation")
    assert (await the_appraisal(world, person.employee_id))["dimensions"]["efficiency"]["n"] == 3
    body = {"employee_id": str(person.employee_id), "circumstance": "in_training", "from": "2026-03-01", "to": None}
    assert (await world.as_("manager").post("/performance/circumstances", json=body)).status_code == 201
    await step(world, cycle, "calculation")
    now = await the_appraisal(world, person.employee_id)
    assert (now["total"], now["dimensions"]["efficiency"]["n"]) == (None, 0), "in training all the time: missing, not 0"
    why = await check(world, now)
    assert {e["indicator"] for e in why["reversed"]} >= {"handling_time", "satisfaction"}


async def test_accuracy_by_error_class_follows_the_fate_of_the_audits(world: World) -> None:
    """In any order."""
    ends = set()
    for order in itertools.permutations(range(4)):
        person = hired(None)
        await world.send(person)
        fatal = FailedCriterion(criterion="f", competency="c", error_class="customer_critical", score=Decimal(0))
        slip = FailedCriterion(criterion="s", competency="c", error_class="none", score=Decimal(0))
        good = submitted(person.employee_id, "100")
        bad = submitted(person.employee_id, "0").model_copy(
            update={"failed_criteria": (fatal, slip), "critical_errors": ("f",)}
        )
        events = [good, bad, rescored(bad, "90"), overturned(good)]
        for index in order:
            await world.send(events[index], events[index])
        found = await get(
            world, "/performance/indicators/values",
            **{"employee_id": person.employee_id, "from": "2026-03-01", "to": "2026-03-31"},
        )  # fmt: skip
        ends.add(
            tuple(
                (item["indicator"], item["value"], item["n"])
                for item in found["items"]
                if item["indicator"].startswith(("accuracy", "audit_score"))
            )
        )
    assert ends == {
        (
            ("audit_score", 90, 1), ("accuracy_customer_critical", 1, 1), ("accuracy_business_critical", 1, 1),
            ("accuracy_compliance_critical", 1, 1), ("accuracy_other", 0, 1),
        )
    }  # fmt: skip


async def test_examinations_twice_are_once(world: World) -> None:
    person = hired(None)
    letters = [world.letter(person), *(world.letter(examined(person.employee_id, score)) for score in ("80", "40"))]
    await world.deliver("performance", *letters, *letters)
    await world.deliver("performance", *letters)
    found = await get(
        world, "/performance/indicators/values",
        **{"employee_id": person.employee_id, "from": "2026-03-01", "to": "2026-03-31"},
    )  # fmt: skip
    values = {item["indicator"]: (item["value"], item["n"]) for item in found["items"]}
    assert (values["training_attendance"], values["examination_score"]) == ((None, 0), (60, 2))


async def test_attendance_is_what_was_noted_last_in_any_order(world: World) -> None:
    ends = set()
    for order in itertools.permutations(range(4)):
        person, meetings = hired(None), [uuid4(), uuid4()]
        noted = [(False, 0, meetings[0]), (True, 0, meetings[0]), (True, 1, meetings[1]), (False, 3, meetings[1])]
        told = [
            world.letter(attended(person.employee_id, present, day=day, id=id), at=NOON + timedelta(hours=n))
            for n, (present, day, id) in enumerate(noted)
        ]  # the second meeting moved to another day, where the employee was not
        for n in order:
            await world.deliver("performance", told[n], told[n])
        await world.deliver("performance", world.letter(person), world.letter(examined(person.employee_id, "80")))
        items = []
        for last in ("2026-03-03", "2026-03-31"):
            days = {"employee_id": person.employee_id, "from": "2026-03-01", "to": last}
            found = (await get(world, "/performance/indicators/values", **days))["items"]
            items += [(i["value"], i["n"], i["points"]) for i in found if i["indicator"] == "training_attendance"]
        ends.add(tuple(items))
    assert ends == {((1, 1, 100), (Decimal("0.5"), 2, 0))}


async def test_what_a_rescoring_leaves_wrong_counts(world: World) -> None:
    """A rescored audit is accurate, or not, by what still fails, whether it passes now or not; in any order."""
    fatal, slip = (
        FailedCriterion(criterion=name, competency=name, error_class=error, score=Decimal(0))
        for name, error in (("fatal", "customer_critical"), ("slip", "none"))
    )
    for passed, still, accurate in ((True, (fatal,), (0, 1)), (True, (), (1, 1)), (False, (slip,), (1, 0))):
        for turned in (False, True):
            person = hired(None)
            failed = {"failed_criteria": (fatal, slip), "critical_errors": ("fatal",)}
            audit = submitted(person.employee_id, "0").model_copy(update=failed)
            again = rescored(audit, "90" if passed else "70").model_copy(
                update={"failed_criteria": still, "passed": passed}
            )
            await world.send(person, *([again, audit] if turned else [audit, again]))
            days = {"employee_id": person.employee_id, "from": "2026-03-01", "to": "2026-03-31"}
            items = {i["indicator"]: i for i in (await get(world, "/performance/indicators/values", **days))["items"]}
            shares = items["accuracy_customer_critical"], items["accuracy_other"]
            assert tuple(item["value"] for item in shares) == accurate


async def test_a_share_within_any_limit_is_explained_down_to_its_calls(world: World) -> None:
    """Calls came before the indicator that asks for the limit, and after it."""
    person = hired()
    await world.send(person, *work("a1"))
    new = {
        "indicator": "quick", "valid_from": "2026-01-01", "source": "calls", "formula": "within", "limit": 45,
        "names": {"en": "Within 45 s", "zh": "45 秒内应答率"}, "unit": "share", "direction": "more", "least_n": 30,
        "levels": [{"value": 0, "points": 0}, {"value": 1, "points": 100}],
    }  # fmt: skip
    assert (await world.as_("manager").post("/performance/indicators", json=new)).status_code == 201
    await world.send(*work("a1", 10, prefix="late-"))
    cycle = await open_cycle(
        world,
        template={
            "dimensions": {"quality": 50, "speed": 50},
            "indicators": {"quality": {"audit_score": 100}, "speed": {"quick": 100}},
        },
    )
    await step(world, cycle, "calculation")
    now = await the_appraisal(world, person.employee_id)
    why = await check(world, now)
    [entry] = why["entries"]
    days = why["behind"][entry["id"]]
    calls = []
    for day in days:
        path = f"/performance/appraisals/{now['id']}/entries/{entry['id']}/days/{day['fact']}"
        singles = await get(world, path)
        assert len(singles) == day["n"]
        calls += singles
    assert (entry["n"], len(calls)) == (50, 50)
    assert entry["value"] * 50 == sum(c["value"] for c in calls)
    told = [event for event in (*work("a1"), *work("a1", 10, prefix="late-")) if isinstance(event, CallEnded)]
    assert {c["fact"]: c["value"] for c in calls} == {e.call_id: int((e.wait_seconds or 0) <= 45) for e in told}


async def test_fairness_compares_the_channels_by_which_people_came(world: World) -> None:
    groups = {"school": range(5), "referral": range(5, 10)}
    people = {n: hired(None, source_channel=channel) for channel, numbers in groups.items() for n in numbers}
    await world.send(*people.values(), known := hired(None))
    changed = {name: value for name, value in people[0].model_dump().items() if name != "source_channel"}
    await world.send(EmployeeChanged(**changed))  # says nothing of the channel, and takes nothing away
    cycle = await open_cycle(world)
    await world.send(*(submitted(person.employee_id, str(70 + n)) for n, person in people.items()))
    await world.send(submitted(known.employee_id, "50"))
    report = await get(world, f"/performance/cycles/{cycle['id']}/fairness")
    found = {group["group"]: (group["n"], group["mean"]) for group in report["by_source_channel"]}
    assert found == {"school": (5, 72), "referral": (5, 77), None: (1, None)}


async def test_a_manager_who_rates_unlike_the_others_shows(world: World) -> None:
    """By what they rate by hand now, whatever else is in the totals; with fewer than five people nobody is judged."""
    leads = {uuid4(): values for values in ((5, 5, 4, 5, 5), (3, 2, 3, 3, 3), (3, 3, 2, 3, 3), (1, 1))}
    people = {lead: [hired(None, team_lead_id=lead) for _ in values] for lead, values in leads.items()}
    await world.send(*(person for own in people.values() for person in own))
    cycle = await open_cycle(world)
    for lead, values in leads.items():
        client = world.as_("team_lead", sub=lead)
        for person, value in zip(people[lead], values, strict=True):
            path = f"/performance/appraisals/{(await the_appraisal(world, person.employee_id))['id']}/ratings"
            for said in (1, value):  # the newest counts
                new = {"indicator": "team_rating", "value": said}
                assert (await client.post(path, json=new)).status_code == 201
    report = await get(world, f"/performance/cycles/{cycle['id']}/fairness")
    generous, strict, alike, _ = map(str, leads)
    found = {rater["manager_id"]: rater for rater in report["raters"]}
    assert {name: rater["n"] for name, rater in found.items()} == {generous: 5, strict: 5, alike: 5}
    assert found[generous]["difference"] == Decimal("2.3")  # 4.8 less the mean of the other twelve, 30 / 12
    assert [found[name]["unlike"] for name in (generous, strict, alike)] == [True, False, False]
    assert report["managers"] == []  # there are no totals yet


async def test_definitions_have_versions(world: World) -> None:
    manager = world.as_("manager")
    new: dict[str, Any] = {
        "indicator": "satisfaction", "valid_from": "2026-04-01", "source": "ratings", "formula": "mean",
        "measure": "rating_sum", "base": "ratings", "names": {"en": "Satisfaction", "zh": "满意度"}, "unit": "of 5",
        "direction": "more", "least_n": 5,
        "levels": [{"value": 1, "points": 0}, {"value": 4.5, "points": 100}],
    }  # fmt: skip

    async def define(**changed: Any) -> Any:
        return await manager.post("/performance/indicators", json={**new, **changed})

    assert (await define(measure="DROP TABLE")).status_code == 422
    assert (await define(base="calls")).status_code == 422
    assert (await define(levels=[{"value": 4, "points": 0}, {"value": 1, "points": 100}])).status_code == 422
    assert (await define(levels=[{"value": 1, "points": 100}, {"value": 4, "points": 0}])).status_code == 422
    assert (await define(target={"value": 3, "below": 1, "above": 1})).status_code == 422
    assert (await define(formula="within", limit=20)).status_code == 422
    assert (await define(valid_from="1999-01-01")).status_code == 409
    assert (await world.as_("agent").post("/performance/indicators", json=new)).status_code == 403
    made = await define()
    assert made.status_code == 201, made.text
    assert (made.json()["version"], made.json()["levels"][1]) == (2, {"value": 4.5, "points": 100})
    within = await define(
        indicator="quick", source="calls", formula="within", limit=20, measure="", base="", valid_from="2026-01-01"
    )
    assert (within.json()["measure"], within.json()["base"]) == ("within_20s", "waits")
    person = hired()
    await world.send(person, *(rating(f"c{n}", value=4, at=NOON + timedelta(days=n)) for n in range(12)))
    seen = []
    for last in ("2026-03-31", "2026-04-01"):
        days = {"employee_id": person.employee_id, "from": "2026-03-01", "to": last}
        items = (await get(world, "/performance/indicators/values", **days))["items"]
        seen.append(next((i["version"], i["points"]) for i in items if i["indicator"] == "satisfaction"))
    assert seen == [(1, 80), (2, Decimal("85.71"))]


async def test_block_withholds_the_total(world: World) -> None:
    person = hired(None)
    await world.send(person)
    cycle = await open_cycle(world, template={"missing": "block"})
    await world.send(submitted(person.employee_id, "90"))
    now = await the_appraisal(world, person.employee_id)
    assert (now["total"], now["dimensions"]["service_quality"]["score"]) == (None, 90)
    why = await explanation(world, now)
    assert why["words"][-1].startswith("There is no total while these have no score: efficiency")
    await step(world, cycle, "finalisation")
    [event] = await emitted(world, AppraisalFinalised)
    assert (event.total, event.grade, event.competencies) == (None, None, ())


async def test_pooled_points_weigh_audits_by_what_could_be_earned(world: World) -> None:
    totals = []
    for how in ("mean_of_scores", "pooled_points"):
        person = hired(None)
        await world.send(person)
        cycle = await open_cycle(world, how, template={**TEMPLATE, "audits": how})
        for score, possible in (("100", "20"), ("50", "80")):
            audit = submitted(person.employee_id, score)
            await world.send(audit.model_copy(update={"possible_points": Decimal(possible)}))
        now = await the_appraisal(world, person.employee_id, cycle_id=cycle["id"])
        await check(world, now)
        totals.append(now["total"])
        await step(world, cycle, "finalisation")
    assert totals == [75, 60]


async def test_weightings(world: World) -> None:
    manager = world.as_("manager")
    [shipped] = (await get(world, "/performance/weightings"))["items"]
    assert (shipped["code"], shipped["result"]) == ("complaint_desk", None)
    assert [len(node["children"]) for node in shipped["hierarchy"]] == [4, 4, 3]
    top = [node["code"] for node in shipped["hierarchy"]]
    quarter = {
        "code": "q",
        "kind": "quarterly",
        "from": "2026-01-01",
        "to": "2026-03-31",
        "weighting_id": shipped["id"],
    }
    assert (await manager.post("/performance/cycles", json=quarter)).status_code == 409
    equal = [
        {"a": a, "b": b, "ratio": 1}
        for node in shipped["hierarchy"]
        for a, b in itertools.combinations([child["code"] for child in node["children"]], 2)
    ]

    def body(*ratios: float) -> dict[str, Any]:
        pairs = itertools.combinations(top, 2)
        own = [{"a": a, "b": b, "ratio": r} for (a, b), r in zip(pairs, ratios, strict=True)]
        return {"code": "complaint_desk", "judgements": [{"expert": "e1", "comparisons": [*own, *equal]}]}

    refused = await manager.post("/performance/weightings", json=body(9, 1 / 9, 9))
    assert refused.status_code == 422
    assert "contradict" in refused.json()["detail"]
    made = await manager.post("/performance/weightings", json=body(2, 4, 2))
    assert made.status_code == 201, made.text
    result = made.json()["result"]
    assert result["first"] == dict(zip(top, (57.14, 28.57, 14.29), strict=True))
    assert sum(map(Decimal, map(str, result["second"].values()))) == 100
    quarter |= {"weighting_id": made.json()["id"]}
    assert (await manager.post("/performance/cycles", json=quarter)).status_code == 422
    indicators = {top[0]: {"audit_score": 100}, top[1]: {"satisfaction": 100}, top[2]: {"team_rating": 100}}
    template = {"dimensions": dict(zip(top, (50, 30, 20), strict=True)), "indicators": indicators}
    cycle = await manager.post("/performance/cycles", json={**quarter, "template": template})
    assert cycle.status_code == 201, cycle.text
    assert cycle.json()["template"]["dimensions"] == result["first"]


@pytest.mark.parametrize("seed", range(2))
async def test_any_interleaving_with_calculation_ends_the_same(world: World, seed: int) -> None:
    """Passed, failed, overturned, rescored, voided; calculations in between."""
    random = Random(seed)
    cycle = await open_cycle(world)
    ends = []
    person_of: dict[str, EmployeeStarted] = {}
    for agent in ("x1", "x2", "x3"):
        person = person_of[agent] = hired(agent)
        audits = [submitted(person.employee_id, score) for score in ("55", "70", "82", "90.5", "100")]
        events: list[Event] = [
            person, *audits, rescored(audits[0], "61"), overturned(audits[0], 3), overturned(audits[1]),
            rescored(audits[2], "88"), examined(person.employee_id, "77"), attended(person.employee_id),
            *(e.model_copy(update={"agent_id": agent}) for e in work("same", 15, prefix=f"{agent}-")),
        ]  # fmt: skip
        random.shuffle(events)
        for start in range(0, len(events), 11):
            part = [world.letter(e) for e in events[start : start + 11]]
            await world.deliver("performance", *part, *random.sample(part, min(3, len(part))))
            if random.random() < 0.4:
                await step(world, cycle, "calculation")
    await step(world, cycle, "calculation")
    for agent, person in person_of.items():
        now = await the_appraisal(world, person.employee_id)
        why = await check(world, now)
        quality = why["dimensions"]["service_quality"]["indicators"]["audit_score"]
        assert (quality["score"], quality["n"]) == (Decimal("92.83"), 3), agent  # (88 + 90.5 + 100) / 3
        ends.append(why["dimensions"]["personal_development"]["score"])
    assert len(set(ends)) == 1
    assert await faults(world) == []
