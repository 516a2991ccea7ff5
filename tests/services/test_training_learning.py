"""Courses, enrolments, sessions, examinations and certificates, on the real database."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from shared.contracts.recruiting import EmployeeChanged, EmployeeStarted
from tests.world import World

TRAINER = uuid4()


def started(id: UUID, day: date = date(2026, 3, 2), application: UUID | None = None, **facts: Any) -> EmployeeStarted:
    given = {
        "agent_id": None,
        "department": None,
        "role": "agent",
        "team": "a",
        "team_lead_id": None,
        "mentor_id": None,
    }
    return EmployeeStarted.model_validate(
        {"employee_id": id, "date": day, "application_id": application, **given, **facts}
    )


async def ok(answer: httpx.Response, status: int = 201) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def course(code: str, **fields: Any) -> dict[str, Any]:
    return {
        "code": code, "name_en": code, "name_zh": code, "subject": "communication", "method": "online", "hours": 8,
        **fields,
    }  # fmt: skip


async def enrolled(world: World, employee: UUID, **filters: str) -> dict[str, Any]:
    """Course → enrolment."""
    params = {"employee_id": str(employee), **filters}
    return {
        e["course"]: e for e in (await world.as_("trainer").get("/training/enrolments", params=params)).json()["items"]
    }


async def results(world: World) -> list[Mapping[str, Any]]:
    rows = await world.rows(
        "training",
        """SELECT type, convert_from(payload, 'UTF8')::jsonb AS it FROM training.outbox
           WHERE topic = 'training.results' AND type NOT LIKE 'training.attendance.%' ORDER BY id""",
    )
    return [{"what": row["type"].removeprefix("training.").removesuffix(".v1"), **row["it"]} for row in rows]


async def test_newcomers_are_enrolled_once(world: World) -> None:
    new, old, other, application = uuid4(), uuid4(), uuid4(), uuid4()
    event = started(new, application=application)
    changed = EmployeeChanged(**{**dict(event), "team": "b", "date": date(2026, 3, 3)})
    for one in (event, event, changed, started(old, date(2026, 1, 5)), started(other)):
        await world.deliver("training", world.letter(one))
    mine = await enrolled(world, new)
    assert {code: (e["purpose"], e["source"], e["application_id"]) for code, e in mine.items()} == {
        **{c: ("pre_job", "rule", str(application)) for c in (
            "product_knowledge", "customer_psychology", "communication", "service_process", "problem_solving")},
        "culture_and_policy": ("culture", "rule", str(application)),
    }  # fmt: skip
    assert await enrolled(world, old) == {}
    assert {e["application_id"] for e in (await enrolled(world, other)).values()} == {None}


async def test_a_pre_job_programme_holds_forty_hours(world: World) -> None:
    trainer = world.as_("trainer")
    body = {
        "code": "technicians", "name_en": "Technicians", "name_zh": "技术", "purpose": "pre_job",
        "courses": ["product_knowledge", "service_process"], "who": {"roles": ["specialist"], "newcomer_days": 30},
    }  # fmt: skip
    refused = await trainer.post("/training/programmes", json=body)
    assert refused.status_code == 422
    assert "at least 40 hours; its courses hold 18" in refused.json()["detail"]
    await ok(await trainer.post("/training/courses", json=course("lab", method="workshop", hours=22)))
    made = await ok(await trainer.post("/training/programmes", json={**body, "courses": [*body["courses"], "lab"]}))
    shorter = await trainer.post("/training/courses", json=course("lab", method="workshop", hours=21.5))
    assert shorter.status_code == 422  # it would make the programme too short
    longer = await ok(await trainer.post("/training/courses", json=course("lab", method="workshop", hours=30)))
    assert (longer["edition"], longer["current"]) == (2, True)
    editions = (await trainer.get("/training/courses", params={"code": "lab"})).json()["items"]
    assert [(c["edition"], c["current"]) for c in editions] == [(2, True), (1, False)]
    stale = await trainer.put(f"/training/programmes/{made['id']}", json=body, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    specialist = uuid4()
    await world.deliver("training", world.letter(started(specialist, role="specialist")))
    assert (await enrolled(world, specialist))["lab"]["course_id"] == longer["id"]
    assert (await world.as_("agent").post("/training/courses", json=course("mine"))).status_code == 403


async def test_tenure_and_appraisals_enrol(world: World) -> None:
    from shared.contracts.performance import AppraisalFinalised

    trainer, ann = world.as_("trainer"), uuid4()
    for code, who in (("senior", {"roles": ["agent"], "tenure_from_days": 90}), ("again", {"appraisal_below": 60})):
        await ok(await trainer.post("/training/courses", json=course(code)))
        await ok(
            await trainer.post(
                "/training/programmes",
                json={"code": code, "name_en": code, "name_zh": code, "purpose": "plan", "courses": [code], "who": who},
            )
        )
    await world.deliver("training", world.letter(started(ann, date(2026, 1, 5))))
    await world.turn("training", "enrolment")
    assert await enrolled(world, ann) == {}
    world.now += timedelta(days=60)
    for _ in range(2):
        await world.turn("training", "enrolment")
    assert list(await enrolled(world, ann)) == ["senior"]
    for total in (60, 59.5):
        event = AppraisalFinalised.model_validate(
            {
                "appraisal_id": uuid4(), "employee_id": ann, "cycle": "2026-Q1", "revision": 1, "total": total,
                "dimensions": {"service_quality": 50}, "low": None, "high": None, "grade": None, "bonus": None,
                "commended": False, "promotion": None, "competencies": [], "ledger": "0", "cause": "x",
            }
        )  # fmt: skip
        for _ in range(2):
            await world.deliver("training", world.letter(event))
    assert (await enrolled(world, ann))["again"]["source"] == "appraisal"
    found = (await trainer.get("/training/needs", params={"origin": "appraisal"})).json()["items"]
    assert [(one["trainees"], one["evidence"]["low"], one["period"]) for one in found] == [
        ([str(ann)], {"service_quality": 50}, "2027")
    ]


async def _session(world: World, code: str, at: datetime, hours: float, seats: int = 5, room: str = "1") -> Any:
    meeting = {"room": room, "starts_at": at.isoformat(), "ends_at": (at + timedelta(hours=hours)).isoformat()}
    body = {"course": code, "trainer_id": str(TRAINER), "seats": seats, "meetings": [meeting]}
    return await world.as_("trainer").post("/training/sessions", json=body)


async def test_pre_job_training_from_start_to_result(world: World) -> None:
    """Forty hours, each course with its examination; the result goes out once, when all of it is passed."""
    ann, application = uuid4(), uuid4()
    await world.deliver("training", world.letter(started(ann, application=application)))
    mine = await enrolled(world, ann, purpose="pre_job")
    trainer, me = world.as_("trainer"), world.as_("agent", sub=ann)
    examine = {code: {"enrolment_id": e["id"], "score": 90} for code, e in mine.items()}
    failed = await ok(await trainer.post("/training/examinations", json={**examine["communication"], "score": 79.5}))
    assert (failed["passed"], failed["attempt"]) == (False, 1)
    soon = await trainer.post("/training/examinations", json=examine["communication"])
    assert soon.status_code == 409
    assert "2026-03-03" in soon.json()["detail"]
    other = await ok(await trainer.post("/training/examinations", json={**examine["problem_solving"], "score": 0}))
    assert not other["passed"]
    assert [(r["what"], r["course"], r["purpose"], r["application_id"]) for r in await results(world)] == [
        ("examination.failed", "pre_job", "pre_job", str(application))  # the first fail, told once
    ]
    world.now += timedelta(days=1)
    assert (await me.post("/training/examinations", json=examine["communication"])).status_code == 403
    for code in mine:
        await ok(await trainer.post("/training/examinations", json=examine[code]))
    detail = (await me.get(f"/training/enrolments/{mine['communication']['id']}")).json()
    assert (detail["status"], detail["left"], detail["hours"]) == ("enrolled", ["attendance"], 0)
    for n, (code, hours) in enumerate((("customer_psychology", 6), ("communication", 8), ("problem_solving", 8))):
        session = await ok(await _session(world, code, world.now + timedelta(days=n), hours))
        await ok(await me.post(f"/training/sessions/{session['id']}/places", json={"enrolment_id": mine[code]["id"]}))
        path = f"/training/sessions/{session['id']}/meetings/{session['meetings'][0]['id']}/attendance"
        early = await world.as_("agent", sub=TRAINER).post(path, json={"present": {str(uuid4()): True}})
        assert early.status_code in (409, 422)
        world.now += timedelta(days=3)
        absent = await world.as_("agent", sub=TRAINER).post(path, json={"present": {str(ann): False}})
        assert absent.status_code == 200, absent.text
        assert (await enrolled(world, ann))[code]["status"] == "enrolled"  # hours count only where attended
        assert len(await results(world)) == 1
        await ok(await world.as_("agent", sub=TRAINER).post(path, json={"present": {str(ann): True}}), 200)
        assert (await enrolled(world, ann))[code]["status"] == "completed"
    told = await results(world)
    assert [(r["what"], r["course"], r["score"], r["application_id"]) for r in told[1:]] == [
        ("examination.passed", "pre_job", 90, str(application))
    ]
    noted = await world.rows(
        "training",
        """SELECT convert_from(payload, 'UTF8')::jsonb ->> 'present' AS present FROM training.outbox
           WHERE type = 'training.attendance.noted.v1' ORDER BY id""",
    )
    assert [row["present"] for row in noted] == ["false", "true"] * 3  # what was noted, and its correction


async def test_culture_training_has_documents(world: World) -> None:
    ann = uuid4()
    await world.deliver("training", world.letter(started(ann)))
    id = (await enrolled(world, ann))["culture_and_policy"]["id"]
    trainer, me = world.as_("trainer"), world.as_("agent", sub=ann)
    await ok(await trainer.post("/training/examinations", json={"enrolment_id": id, "score": 100}))
    path = f"/training/enrolments/{id}/documents"
    assert (await trainer.post(path, json={"documents": ["service_rules"]})).status_code == 403
    assert (await me.post(path, json={"documents": ["nothing"]})).status_code == 409
    half = await ok(await me.post(path, json={"documents": ["service_rules"]}), 200)
    assert half["left"] == ["documents"]
    for _ in range(2):
        done = await ok(await me.post(path, json={"documents": ["data_protection", "service_rules"]}), 200)
    assert done["status"] == "completed"
    assert [(r["what"], r["purpose"]) for r in await results(world)] == [("examination.passed", "culture")]


async def _by_hand(world: World, employee: UUID, code: str, **more: Any) -> str:
    body = {"employee_id": str(employee), "course": code, **more}
    return str((await ok(await world.as_("trainer").post("/training/enrolments", json=body)))["id"])


async def test_examinations_mark_themselves_and_stay(world: World) -> None:
    trainer, ann = world.as_("trainer"), uuid4()
    questions = [
        {"key": "q1", "text": "1?", "choices": ["a", "b"], "answer": 1, "points": 3},
        {"key": "q2", "text": "2?", "choices": ["a", "b"], "answer": 0},
    ]
    examination = {"questions": questions, "pass_mark": 75, "attempts": 2, "days_between": 0}
    await ok(await trainer.post("/training/courses", json=course("quiz", examination=examination)))
    me = world.as_("agent", sub=ann)
    shown = (await me.get("/training/courses", params={"code": "quiz"})).json()["items"][0]
    assert [q["answer"] for q in shown["examination"]["questions"]] == [None, None]
    id = await _by_hand(world, ann, "quiz", purpose="coaching")
    body = {"enrolment_id": id, "answers": {"q1": 0, "q2": 0}}
    assert (await world.as_("agent", sub=uuid4()).post("/training/examinations", json=body)).status_code == 404
    assert (await trainer.post("/training/examinations", json=body)).status_code == 403
    first = await ok(await me.post("/training/examinations", json=body))
    assert (first["score"], first["passed"]) == (25, False)
    assert (await me.post("/training/examinations", json={**body, "answers": {"q3": 0}})).status_code == 422
    race = await asyncio.gather(
        *(me.post("/training/examinations", json={**body, "answers": {"q1": 1}}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in race) == [201, 409, 409, 409]
    assert (await enrolled(world, ann))["quiz"]["status"] == "completed"
    told = [(r["what"], r["score"], r["purpose"]) for r in await results(world)]
    assert told == [("examination.failed", 25, "coaching"), ("examination.passed", 75, "coaching")]
    with pytest.raises(DBAPIError, match="never overwritten"):
        await world.rows("training", "UPDATE training.examinations SET passed = true")
    attempts = (await me.get("/training/examinations", params={"enrolment_id": id})).json()["items"]
    assert [(a["attempt"], a["score"]) for a in attempts] == [(2, 75), (1, 25)]
    other = await _by_hand(world, uuid4(), "quiz")
    for _ in range(2):
        await ok(await trainer.post("/training/examinations", json={"enrolment_id": other, "score": 10}))
    assert (await trainer.post("/training/examinations", json={"enrolment_id": other, "score": 90})).status_code == 409


async def test_rooms_and_trainers_are_in_one_place_at_a_time(world: World) -> None:
    at = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)
    await ok(await _session(world, "communication", at, 4))
    taken = await _session(world, "communication", at + timedelta(hours=3), 4, room="2")
    assert (taken.status_code, "trainer is taken" in taken.json()["detail"]) == (409, True)
    body = {
        "course": "communication", "trainer_id": str(uuid4()), "seats": 2,
        "meetings": [{"room": "1", "starts_at": "2026-04-01T02:00:00Z", "ends_at": "2026-04-01T03:00:00Z"}],
    }  # fmt: skip
    taken = await world.as_("trainer").post("/training/sessions", json=body)
    assert (taken.status_code, "room is taken" in taken.json()["detail"]) == (409, True)
    after = await ok(await _session(world, "communication", at + timedelta(hours=4), 4))  # one ends, the next begins
    assert (await world.as_("trainer").get("/training/sessions")).json()["items"][0]["id"] == after["id"]
    race = await asyncio.gather(*(_session(world, "communication", at + timedelta(days=1), 2) for _ in range(4)))
    assert sorted(answer.status_code for answer in race) == [201, 409, 409, 409]
    [made] = [answer.json()["id"] for answer in race if answer.status_code == 201]
    await ok(await world.as_("trainer").post(f"/training/sessions/{made}/cancellation"), 200)
    await ok(await _session(world, "communication", at + timedelta(days=1), 2))  # free again


async def test_the_last_seat_is_given_once(world: World) -> None:
    session = await ok(await _session(world, "communication", datetime(2026, 4, 1, tzinfo=UTC), 2, seats=2))
    path = f"/training/sessions/{session['id']}/places"
    who = [uuid4() for _ in range(6)]
    ids = {one: await _by_hand(world, one, "communication") for one in who}
    people = {one: world.as_("agent", sub=one) for one in who}
    places = await asyncio.gather(*(people[one].post(path, json={"enrolment_id": ids[one]}) for one in who))
    assert all(place.status_code == 201 for place in places)
    found = (await world.as_("trainer").get(f"/training/sessions/{session['id']}")).json()["places"]
    assert sorted(place["status"] for place in found) == ["seated"] * 2 + ["waiting"] * 4
    again = await people[who[0]].post(path, json={"enrolment_id": ids[who[0]]})
    assert again.json()["id"] == places[0].json()["id"]
    seated, waiting = ([p for p in found if p["status"] == status] for status in ("seated", "waiting"))
    leaving = people[UUID(seated[0]["employee_id"])]
    for _ in range(2):
        await ok(await leaving.post(f"{path}/{seated[0]['id']}/withdrawal"), 200)
    found = (await world.as_("trainer").get(f"/training/sessions/{session['id']}")).json()["places"]
    now = {place["id"]: place["status"] for place in found}
    assert (now[seated[0]["id"]], now[waiting[0]["id"]]) == ("withdrawn", "seated")
    assert sorted(now.values()) == ["seated"] * 2 + ["waiting"] * 3 + ["withdrawn"]
    assert (await people[who[0]].post(path, json={"enrolment_id": ids[who[1]]})).status_code == 404
    mine = (await people[who[3]].get(f"/training/sessions/{session['id']}")).json()["places"]
    assert [place["employee_id"] for place in mine] == [str(who[3])]


async def _pass(world: World, employee: UUID, code: str) -> None:
    id = await _by_hand(world, employee, code)
    await ok(await world.as_("trainer").post("/training/examinations", json={"enrolment_id": id, "score": 95}))


async def test_certificates_run_out_are_renewed_and_revoked(world: World) -> None:
    trainer, ann, bob = world.as_("trainer"), uuid4(), uuid4()
    for code, certificate in (("yearly", {"valid_days": 100}), ("dated", {"valid_until": "06-30"})):
        body = course(code, examination={}, certificate=certificate)
        await ok(await trainer.post("/training/courses", json=body))
    for who in (ann, bob):
        await _pass(world, who, "yearly")
    await _pass(world, ann, "dated")
    first = (await trainer.get("/training/certifications", params={"employee_id": str(ann)})).json()["items"]
    assert [(c["course"], c["valid_until"]) for c in first] == [("dated", "2026-06-30"), ("yearly", "2026-06-10")]

    async def reminded() -> list[tuple[str, int]]:
        items = (await trainer.get("/training/reminders", params={"kind": "certification"})).json()["items"]
        return [(item["employee_id"], item["days_before"]) for item in reversed(items)]

    async def until(day: date) -> None:
        world.now = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
        for _ in range(2):
            await world.turn("training", "certificates")

    await until(date(2026, 4, 10))
    assert await reminded() == []
    await until(date(2026, 4, 11))  # 60 days before
    assert sorted(await reminded()) == sorted([(str(ann), 60), (str(bob), 60)])
    await until(date(2026, 5, 1))  # and of the other, due on 30 June
    assert sorted(await reminded()) == sorted([(str(ann), 60), (str(bob), 60), (str(ann), 60)])
    await _pass(world, ann, "yearly")
    await until(date(2026, 5, 11))
    assert (await reminded())[3:] == [(str(bob), 30)]  # who renewed is not warned
    await until(date(2026, 6, 8))
    assert (await reminded())[4:] == [(str(bob), 7), (str(ann), 30)] or set((await reminded())[4:]) == {
        (str(bob), 7), (str(ann), 30)
    }  # fmt: skip
    await until(date(2026, 6, 10))
    assert not [r for r in await results(world) if r["what"] == "certification.expired"]
    await until(date(2026, 6, 11))
    expired = [r for r in await results(world) if r["what"] == "certification.expired"]
    assert [(r["employee_id"], r["course"], r["valid_until"]) for r in expired] == [(str(bob), "yearly", "2026-06-10")]

    async def certified(day: str, who: UUID) -> list[str]:
        params = {"as_of": day, "employee_id": str(who)}
        items = (await world.as_("agent", sub=who).get("/training/certifications", params=params)).json()["items"]
        return sorted(item["course"] for item in items)

    assert await certified("2026-03-01", ann) == []
    assert await certified("2026-03-02", ann) == ["dated", "yearly"]
    assert await certified("2026-06-10", ann) == ["dated", "yearly", "yearly"]  # the old one is kept
    assert await certified("2026-06-11", ann) == ["dated", "yearly"]
    assert (await certified("2026-06-10", bob), await certified("2026-06-11", bob)) == (["yearly"], [])
    [dated] = [c for c in first if c["course"] == "dated"]
    path = f"/training/certifications/{dated['id']}/revocation"
    assert (await trainer.post(path, json={})).status_code == 422
    revoked = await ok(await trainer.post(path, json={"reason": "cheated"}), 200)
    assert (revoked["revoked_on"], revoked["reason"]) == ("2026-06-11", "cheated")
    assert (await ok(await trainer.post(path, json={"reason": "other"}), 200))["reason"] == "cheated"
    assert (await certified("2026-06-10", ann), await certified("2026-06-11", ann)) == (
        ["dated", "yearly", "yearly"], ["yearly"]
    )  # fmt: skip
    granted = [r for r in await results(world) if r["what"] == "certification.granted"]
    assert len(granted) == 4


async def test_who_enrols_whom(world: World) -> None:
    lead, ann = uuid4(), uuid4()
    await world.deliver("training", world.letter(started(ann, date(2020, 1, 1), team_lead_id=lead)))
    body = {"employee_id": str(ann), "course": "communication", "reference": "appraisal-1"}
    team_lead = world.as_("team_lead", sub=lead)
    first, again = [await ok(await team_lead.post("/training/enrolments", json=body)) for _ in range(2)]
    assert first["id"] == again["id"]
    assert (await world.as_("team_lead", sub=uuid4()).post("/training/enrolments", json=body)).status_code == 403
    assert (await world.as_("agent", sub=ann).post("/training/enrolments", json=body)).status_code == 403
    assert (await team_lead.post("/training/enrolments", json={**body, "course": "none"})).status_code == 404
    assert (await world.as_("agent", sub=uuid4()).get(f"/training/enrolments/{first['id']}")).status_code == 404
    gone = await ok(await world.as_("trainer").post(f"/training/enrolments/{first['id']}/cancellation"), 200)
    assert [one["action"] for one in gone["history"]] == ["enrolled", "cancelled"]
