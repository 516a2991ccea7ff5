"""Does nothing that identifies a candidate get out, and is nothing of it left once it is erased?"""

import json
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.performance import ProbationEvaluated
from shared.contracts.training import ExaminationPassed
from tests.recruiting_help import Office
from tests.world import World

NAME, PHONE, EMAIL = "王晓燕-Wang Xiaoyan", "139 1234 5678", "xiaoyan.wang@example.org"
RESUME = "resumes/wang-xiaoyan.pdf"
PERSON = {
    "candidate": {"name": NAME, "phone": PHONE, "email": EMAIL, "identity_number": "11010519491231002X"},
    "resume_ref": RESUME,
}
WORDS = [NAME, PHONE, EMAIL, RESUME, "139-1234-5678", "11010519491231002X"]
SPELT = {spelling for word in WORDS for spelling in (word, json.dumps(word)[1:-1])}


async def everything(world: World, *tables: str) -> str:
    """These tables, or all of recruiting, as text."""
    names = tables or [
        row["relname"]
        for row in await world.rows(
            "recruiting",
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname = 'recruiting' AND relkind = 'r'",
        )
    ]
    found = []
    for name in names:
        for row in await world.rows("recruiting", f"SELECT * FROM recruiting.{name}"):
            for value in row.values():
                text = value.decode(errors="replace") if isinstance(value, bytes) else None
                found.append(text or json.dumps(value, default=repr, ensure_ascii=False))
    return "\n".join(found)


def in_(text: str) -> set[str]:
    return {word for word in SPELT if word in text}


async def selected(office: Office, requisition: str) -> str:
    """An application that left traces wherever it can."""
    one = await office.applied(requisition, **PERSON)
    await office.step(one, 5, "pass", comment=f"{NAME} seems good")
    await office.interviewed(one)
    await office.verified(one)
    await office.step(one, 10, "pass")
    return one


async def candidate_of(office: Office, application: str) -> str:
    return str((await office.get(f"/applications/{application}"))["candidate_id"])


async def test_nothing_but_ids_in_events_and_logs(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    office = Office(world)
    requisition = await office.requisition(headcount=1)
    one = await selected(office, requisition)
    await office.apply(requisition, status=409, **PERSON)  # a problem, which is logged
    await office.hired(one)
    employee = await office.employed(one)
    report = {"employee_id": UUID(employee), "application_id": UUID(one), "course": "c", "score": 80}
    letters = [world.letter(ExaminationPassed(purpose=purpose, **report)) for purpose in ("culture", "pre_job")]
    probation = ProbationEvaluated(
        appraisal_id=UUID(one), employee_id=UUID(employee), cycle="p", dimensions={}, total=None, grade=None, cause="c"
    )
    await world.deliver("recruiting", *letters, world.letter(probation))
    await office.step(one, 18, "employ")
    world.now = datetime(2026, 9, 1, tzinfo=UTC)
    for job in ("offers", "overdue", "probations", "consent"):
        await world.turn("recruiting", job)
    await office.step(one, 19, "signed", kind="formal", starts_on="2026-06-16", ends_on="2029-03-15", pay=6000)
    await office.step(one, 20, "graded", grade="A2", pay_band="P3")

    assert in_(await everything(world))  # it is stored, or this test proves nothing
    outbox = await everything(world, "outbox")
    assert one in outbox
    assert in_(outbox) == set()
    assert in_(await everything(world, "step_history", "reports", "inbox")) == set()
    assert len(caplog.records) > 10
    assert in_("\n".join(record.getMessage() + str(record.exc_info or "") for record in caplog.records)) == set()
    await world.settle()
    assert await world.rows("recruiting", "SELECT 1 FROM recruiting.outbox") == []


async def test_erasure_leaves_counts_and_nothing_else(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition(headcount=1)
    one = await selected(office, requisition)
    again = await office.requisition(headcount=1)
    other = {**PERSON, "candidate": {**PERSON["candidate"], "name": "Xiaoyan Wang"}}  # type: ignore[dict-item]
    second = await office.applied(again, **other)  # what differs is kept beside
    stranger = await office.apply(again, candidate={"name": "Li Na", "phone": "13800001111"})
    candidate = await candidate_of(office, one)
    assert await candidate_of(office, second) == candidate
    await bury(world, f'{{"note": "call {PHONE}"}}'.encode(), "a bug")
    await bury(world, json.dumps({"name": NAME}).encode(), f"cannot read {NAME}")
    await bury(world, b'{"who": "Li Na"}', "a bug")
    exported = await office.hr.get(f"/recruiting/candidates/{candidate}/export", headers={"Idempotency-Key": "k"})
    assert exported.status_code == 200
    body = {"agent_id": None, "name": NAME, "role": "agent", "date": "2026-01-05"}
    for who, key in ((body, "k1"), ({**body, "name": "Zhao Min"}, "k2")):
        await office.hr.post("/recruiting/employees", json=who, headers={"Idempotency-Key": key})
    before = (await office.get(f"/requisitions/{requisition}/funnel"))["steps"][4:]
    counts = [(s["n"], s["entered"], s["outcomes"]) for s in before if s["n"] != 11]

    assert (await office.manager.post(f"/recruiting/candidates/{candidate}/erasure")).status_code == 403
    erased = await office.call(office.hr, f"/candidates/{candidate}/erasure", None)
    assert erased["erased_at"].startswith("2026-03-02")
    repeated = await office.call(office.hr, f"/candidates/{candidate}/erasure", None)
    assert repeated == erased

    named = [r["name"] for r in await world.rows("recruiting", "SELECT name FROM recruiting.employees")]
    assert sorted(named) == sorted([NAME, "Zhao Min"])  # somebody of the same name who works here is somebody else
    await world.rows("recruiting", "DELETE FROM recruiting.employees WHERE name = :name", name=NAME)
    await world.rows("recruiting", "DELETE FROM recruiting.employee_history WHERE after->>'name' = :name", name=NAME)
    await world.rows("recruiting", "DELETE FROM recruiting.idempotency_keys WHERE key = 'k1'")
    left = await everything(world)
    assert in_(left) == set()
    assert "Xiaoyan" not in left
    assert "Li Na" in left
    assert [a["status"] for a in (await office.get(f"/candidates/{candidate}"))["applications"]] == ["withdrawn"] * 2
    after = (await office.get(f"/requisitions/{requisition}/funnel"))["steps"][4:]
    assert [(s["n"], s["entered"], s["outcomes"]) for s in after if s["n"] != 11] == counts
    shown = await office.get(f"/candidates/{candidate}/export")
    assert (shown["name"], shown["phone"], shown["email"], shown["known_by"]) == (None, None, None, [])
    fresh = await office.apply(again, **PERSON)  # somebody new
    assert fresh["candidate_id"] not in (candidate, stranger["candidate_id"])


async def bury(world: World, payload: bytes, reason: str) -> None:
    await world.rows(
        "recruiting",
        "INSERT INTO recruiting.dead_letters (id, event_id, topic, key, headers, payload, reason, attempts, "
        "fingerprint) VALUES (gen_random_uuid(), 'e', 'crm.cases', 'k', '{}', :payload, :reason, 5, sha256(:payload))",
        payload=payload, reason=reason,
    )  # fmt: skip


async def test_answers_kept_for_repeated_requests_are_emptied(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition()
    one = await office.applied(requisition, **PERSON)
    candidate = await candidate_of(office, one)
    for key, body in (("mail", f'{{"email": "{EMAIL}"}}'), ("name", f'{{"name": "{NAME}"}}'),
                      ("both", json.dumps({"name": NAME, "id": candidate}))):  # fmt: skip
        await world.rows(
            "recruiting", "INSERT INTO recruiting.idempotency_keys (principal, key, request, body) "
            "VALUES ('p', :key, '', :body)", key=key, body=body.encode(),
        )  # fmt: skip
    await office.call(office.hr, f"/candidates/{candidate}/erasure", None)
    rows = await world.rows("recruiting", "SELECT key, body FROM recruiting.idempotency_keys WHERE principal = 'p'")
    assert {row["key"] for row in rows if row["body"] == b"{}"} == {"mail", "both"}


async def test_who_works_here_is_erased_after_leaving(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition()
    one = await office.applied(requisition, consent_until="2026-03-31", **PERSON)
    candidate = await candidate_of(office, one)
    await office.step(one, 5, "pass")
    await office.interviewed(one)
    await office.verified(one)
    await office.step(one, 10, "pass")
    await office.hired(one)
    employee = await office.employed(one)
    await office.call(office.hr, f"/candidates/{candidate}/erasure", None, 409)
    world.now = datetime(2026, 4, 2, tzinfo=UTC)
    await world.turn("recruiting", "consent")
    assert (await office.get(f"/employees/{employee}"))["name"] == NAME
    await office.call(office.hr, f"/employees/{employee}/departure", {"date": "2026-04-03"})
    await world.settle()
    await world.turn("recruiting", "consent")
    assert (await office.get(f"/employees/{employee}"))["name"] == NAME  # is there today
    world.now = datetime(2026, 4, 3, tzinfo=UTC)
    await world.turn("recruiting", "consent")
    assert (await office.get(f"/employees/{employee}"))["name"] is None
    assert in_(await everything(world)) == set()


async def test_consent_that_runs_out_erases(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition()
    one = await office.applied(requisition, consent_until="2026-03-31", **PERSON)
    longer = await office.applied(requisition, consent_until="2026-04-01")
    world.now = datetime(2026, 3, 31, 15, 59, tzinfo=UTC)  # the last day, to its end in Shanghai
    await world.turn("recruiting", "consent")
    assert in_(await everything(world))
    world.now = datetime(2026, 3, 31, 16, 0, tzinfo=UTC)
    await world.turn("recruiting", "consent")
    assert in_(await everything(world)) == set()
    found = await office.get(f"/applications/{one}")
    assert (found["status"], found["reason"]) == ("withdrawn", "consent_ended")
    assert (await office.get(f"/applications/{longer}"))["status"] == "open"


async def test_who_applied_from_within_keeps_their_name_at_work(world: World) -> None:
    office = Office(world)
    worker = await office.call(
        office.hr, "/employees", {"agent_id": "1001", "name": NAME, "role": "agent", "date": "2026-01-05"}
    )
    requisition = await office.requisition()
    applied = await office.apply(requisition, employee_id=worker["id"], candidate={"email": EMAIL})
    await office.call(office.hr, f"/candidates/{applied['candidate_id']}/erasure", None)
    shown: dict[str, Any] = await office.get(f"/candidates/{applied['candidate_id']}/export")
    assert (shown["name"], shown["email"]) == (None, None)
    assert (await office.get(f"/employees/{worker['id']}"))["name"] == NAME


async def test_export_holds_all_that_is_stored(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition()
    one = await selected(office, requisition)
    candidate = await candidate_of(office, one)
    found = await office.get(f"/candidates/{candidate}/export")
    assert (found["name"], found["phone"], found["email"]) == (NAME, PHONE, EMAIL)
    assert found["known_by"] == ["email", "identity", "phone"]
    records = found["records"]
    assert [a["resume_ref"] for a in records["applications"]] == [RESUME]
    assert [s["scores"] for s in records["score_sheets"]] == [
        {"service_awareness": "80", "customer_service_knowledge": "70"}
    ]
    assert {line["step"] for line in records["hand_ins"]} >= {5, 6, 7}
    assert len(records["steps"]) > 10
    assert (await office.manager.get(f"/recruiting/candidates/{candidate}/export")).status_code == 403
