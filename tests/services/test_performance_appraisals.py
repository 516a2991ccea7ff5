"""Does the ledger of an appraisal come to the same in any order, and does it explain every point?"""

import asyncio
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from shared.contracts.performance import AppraisalUpdated
from shared.contracts.qa import AuditFailed, AuditOverturned, AuditPassed, AuditRescored
from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.events import Event, Letter
from tests.world import World

DAY = datetime(2026, 3, 2, 4, tzinfo=UTC)


def started(id: UUID | None = None, lead: UUID | None = None) -> EmployeeStarted:
    return EmployeeStarted(
        employee_id=id or uuid4(), agent_id=None, department=None, role="agent", team="one", team_lead_id=lead,
        mentor_id=None, date=date(2020, 1, 1),
    )  # fmt: skip


def submitted(
    employee_id: UUID, score: str, audit_id: UUID | None = None, at: datetime = DAY, revision: int = 1
) -> AuditPassed | AuditFailed:
    kind = AuditPassed if Decimal(score) >= 80 else AuditFailed
    return kind(
        audit_id=audit_id or uuid4(), revision=revision, recording_id=uuid4(), call_id="call 7",
        employee_id=employee_id, auditor_id="auditor", scorecard="front_line", score=Decimal(score),
        passing_score=Decimal(80), critical_errors=(), failed_criteria=(), submitted_at=at,
    )  # fmt: skip


def overturned(audit: AuditPassed | AuditFailed, revision: int = 2) -> AuditOverturned:
    return AuditOverturned(
        audit_id=audit.audit_id, revision=revision, employee_id=audit.employee_id, score=None, passed=None, reason="r"
    )


def rescored(audit: AuditPassed | AuditFailed, score: str, revision: int = 2) -> AuditRescored:
    return AuditRescored(
        audit_id=audit.audit_id, revision=revision, employee_id=audit.employee_id, score=Decimal(score), passed=True,
        reason="r",
    )  # fmt: skip


async def open_cycle(world: World, code: str = "2026Q1", **changed: Any) -> dict[str, Any]:
    body = {"code": code, "kind": "quarterly", "from": "2026-01-01", "to": "2026-03-31", **changed}
    answer = await world.as_("manager").post("/performance/cycles", json=body)
    assert answer.status_code == 201, answer.text
    await world.settle()
    return dict(answer.json())


async def the_appraisal(world: World, employee_id: UUID, **wanted: str) -> dict[str, Any]:
    answer = await world.as_("hr").get("/performance/appraisals", params={"employee_id": str(employee_id), **wanted})
    [item] = json.loads(answer.text, parse_float=Decimal)["items"]
    return dict(item)


async def explanation(world: World, appraisal: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await world.as_("hr").get(f"/performance/appraisals/{appraisal['id']}/explanation", headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(json.loads(answer.text, parse_float=Decimal))


async def updates(world: World) -> list[AppraisalUpdated]:
    """What is in the outbox, before it is carried away."""
    rows = await world.rows(
        "performance",
        "SELECT payload FROM performance.outbox WHERE type = 'performance.appraisal.updated.v1' ORDER BY id",
    )
    return [AppraisalUpdated.model_validate_json(row["payload"]) for row in rows]


async def test_a_failed_audit_is_one_entry_and_is_explained(world: World) -> None:
    person = started()
    await world.send(person)
    cycle = await open_cycle(world)
    empty = await the_appraisal(world, person.employee_id)
    assert (empty["total"], empty["grade"], empty["version"], empty["cycle"]) == (None, None, 1, "2026Q1")
    assert empty["dimensions"]["service_quality"] == {"score": None, "weight": 50, "n": 0}

    good, bad = submitted(person.employee_id, "91.5"), submitted(person.employee_id, "60")
    letters = [world.letter(good), world.letter(bad)]
    await world.deliver("performance", *letters, *letters)
    await world.deliver("performance", *letters)
    first, second = await updates(world)
    assert (first.total, first.grade, first.cause) == (Decimal("91.5"), "A", letters[0].id)
    assert (second.total, second.grade, second.cause) == (Decimal("75.75"), "C", letters[1].id)
    assert second.dimensions["efficiency"] is None

    now = await the_appraisal(world, person.employee_id, cycle_id=cycle["id"])
    assert now["dimensions"]["service_quality"] == {"score": Decimal("75.75"), "weight": 50, "n": 2}
    assert (now["total"], now["grade"], now["version"]) == (Decimal("75.75"), "C", 3)

    why = await explanation(world, now)
    assert (why["total"], why["grade"], why["version"]) == (now["total"], now["grade"], now["version"])
    assert why["dimensions"]["service_quality"]["effective_weight"] == 100
    assert why["reversed"] == []
    entry = next(e for e in why["entries"] if e["audit_id"] == str(bad.audit_id))
    assert (entry["event_id"], entry["call_id"], entry["value"]) == (letters[1].id, "call 7", 60)
    assert entry["moved"] == {"score": Decimal("-15.75"), "total": Decimal("-15.75")}
    assert sum(e["contribution"] for e in why["entries"]) == Decimal("75.75")
    assert sum(e["points"] for e in why["entries"]) == Decimal("75.75")


async def test_overturned_takes_the_entry_back_and_keeps_the_history(world: World) -> None:
    person = started()
    await world.send(person)
    await open_cycle(world)
    audit = submitted(person.employee_id, "60")
    await world.send(audit)
    alone = await explanation(world, await the_appraisal(world, person.employee_id))
    [entry] = alone["entries"]
    assert (entry["sole"], entry["moved"]) == (True, {"score": None, "total": None})
    letter = world.letter(overturned(audit))
    await world.deliver("performance", letter)
    now = await the_appraisal(world, person.employee_id)
    assert (now["total"], now["grade"], now["dimensions"]["service_quality"]["n"]) == (None, None, 0)
    why = await explanation(world, now)
    assert (why["total"], why["entries"]) == (None, [])
    [taken_back] = why["reversed"]
    assert (taken_back["value"], taken_back["reversed_by"]["event_id"]) == (60, letter.id)
    [update] = await updates(world)
    assert (update.total, update.dimensions["service_quality"], update.cause) == (None, None, letter.id)


async def test_late_cause_makes_entry_and_reversal(world: World) -> None:
    person = started()
    await world.send(person)
    await open_cycle(world)
    audit = submitted(person.employee_id, "60")
    await world.send(overturned(audit))
    assert (await the_appraisal(world, person.employee_id))["version"] == 1
    await world.send(audit)
    why = await explanation(world, await the_appraisal(world, person.employee_id))
    assert why["entries"] == []
    assert [(e["revision"], e["reversed_by"]["revision"]) for e in why["reversed"]] == [(1, 2)]


def history(why: dict[str, Any]) -> Any:
    """What must not depend on the order of events."""
    standing = sorted((e["audit_id"], e["revision"], e["value"]) for e in why["entries"])
    taken_back = sorted((e["audit_id"], e["revision"], e["value"]) for e in why["reversed"])
    return why["total"], why["grade"], standing, taken_back


async def test_any_order_of_employee_cycle_and_audit_events_ends_the_same(world: World) -> None:
    """Each order in a year of its own, so that all of them fit into one world."""
    outcomes = []
    for year, order in enumerate(itertools.permutations(range(5)), start=2026):
        person = started()
        at = DAY.replace(year=year)
        stays, goes = submitted(person.employee_id, "70", at=at), submitted(person.employee_id, "40", at=at)
        steps: Sequence[Sequence[Event] | None] = [
            [person],
            None,
            [stays, goes],
            [rescored(stays, "85", 2)],
            [overturned(goes, 2), rescored(stays, "88.5", 3)],
        ]
        for step in order:
            events = steps[step]
            if events is None:
                days = {"from": f"{year}-01-01", "to": f"{year}-12-31"}
                cycle = await open_cycle(world, f"{year}", kind="yearly", **days)
            else:
                await world.deliver("performance", *(world.letter(event) for event in events))
                await world.deliver("performance", *(world.letter(event) for event in events))
        appraisal = await the_appraisal(world, person.employee_id, cycle_id=cycle["id"])
        why = await explanation(world, appraisal)
        assert appraisal["dimensions"]["service_quality"]["score"] == appraisal["total"] == why["total"]
        names = {str(stays.audit_id): "stays", str(goes.audit_id): "goes"}
        total, grade, standing, taken_back = history(why)
        outcomes.append((total, grade, *(sorted((names[a], r, v) for a, r, v in es) for es in (standing, taken_back))))
    expected = (
        Decimal("88.5"),
        "B",
        [("stays", 3, Decimal("88.5"))],
        [("goes", 1, 40), ("stays", 1, 70), ("stays", 2, 85)],
    )
    assert outcomes == [expected] * 120


@pytest.mark.parametrize("seed", range(5))
async def test_all_at_once_ends_the_same(world: World, seed: int) -> None:
    people = [started() for _ in range(6)]
    audits = [submitted(person.employee_id, "70") for person in people]
    letters = [world.letter(event) for event in (*people, *audits, *(rescored(audit, "85") for audit in audits))]
    work = [world.deliver("performance", letter) for letter in letters]
    Random(seed).shuffle(work)
    await asyncio.gather(*work[:9], open_cycle(world), *work[9:])
    for person in people:
        appraisal = await the_appraisal(world, person.employee_id)
        assert (appraisal["total"], appraisal["dimensions"]["service_quality"]["n"]) == (85, 1)


@pytest.mark.parametrize("seed", range(3))
async def test_many_audits_interleaved_and_repeated_end_where_they_would_have_stood(world: World, seed: int) -> None:
    random = Random(seed)
    person = started()
    await world.send(person)
    await open_cycle(world)
    events: list[Event] = []
    standing: dict[UUID, Decimal] = {}
    for _ in range(25):
        audit = submitted(person.employee_id, f"{random.randrange(0, 10001) / 100}")
        standing[audit.audit_id] = audit.score
        events.append(audit)
        for revision in range(2, 2 + random.randrange(4)):
            if random.random() < 0.4:
                events.append(overturned(audit, revision))
                standing.pop(audit.audit_id, None)
            else:
                events.append(rescored(audit, score := f"{random.randrange(0, 10001) / 100}", revision))
                standing[audit.audit_id] = Decimal(score)
    letters: list[Letter] = [world.letter(event) for event in events]
    letters += random.sample(letters, 20) + [world.letter(event) for event in random.sample(events, 10)]
    random.shuffle(letters)
    for start in range(0, len(letters), 9):
        await world.deliver("performance", *letters[start : start + 9])
    appraisal = await the_appraisal(world, person.employee_id)
    why = await explanation(world, appraisal)
    assert {UUID(e["audit_id"]): Decimal(e["value"]) for e in why["entries"]} == standing
    expected = (sum(standing.values(), Decimal(0)) / len(standing)).quantize(Decimal("0.01"))
    assert appraisal["total"] == why["total"] == expected
    assert sum(e["contribution"] for e in why["entries"]) == expected
    [sums] = await world.rows(
        "performance",
        """
        SELECT sum(CASE kind WHEN 'entry' THEN value ELSE -value END) AS balance,
               sum(value) FILTER (WHERE kind = 'entry' AND reversed_by IS NULL) AS standing
        FROM performance.ledger_entries
        """,
    )
    assert sums["balance"] == sums["standing"]


async def test_audits_count_in_the_cycle_of_the_centres_day(world: World) -> None:
    person = started()
    await world.send(person)
    first = await open_cycle(world)
    second = await open_cycle(world, "2026Q2", **{"from": "2026-04-01", "to": "2026-06-30"})
    year = await open_cycle(world, "2026", kind="yearly", **{"from": "2026-01-01", "to": "2026-12-31"})
    await world.send(submitted(person.employee_id, "70", at=datetime(2026, 3, 31, 16, 0, tzinfo=UTC)))  # 1 April there
    totals = [
        (await the_appraisal(world, person.employee_id, cycle_id=c["id"]))["total"] for c in (first, second, year)
    ]
    assert totals == [None, 70, 70]


async def test_who_left_before_the_cycle_is_not_appraised(world: World) -> None:
    ends = []
    for order in itertools.permutations(range(2)):
        gone, audited = started(), started()
        steps: Sequence[Sequence[Event]] = [
            [gone, audited, submitted(audited.employee_id, "70")],
            [EmployeeLeft(employee_id=p.employee_id, date=date(2026, 1, 1)) for p in (gone, audited)],
        ]
        if not ends:
            await open_cycle(world)
        for step in order:
            await world.send(*steps[step])
        answer = await world.as_("hr").get("/performance/appraisals", params={"limit": 500})
        people = [item["employee_id"] for item in answer.json()["items"]]
        ends.append((str(gone.employee_id) in people, str(audited.employee_id) in people))
    assert ends == [(False, True)] * 2
    later = started()
    await world.send(later, EmployeeLeft(employee_id=later.employee_id, date=date(2026, 1, 2)))
    assert (await the_appraisal(world, later.employee_id))["total"] is None


async def test_employees_of_later_days_join_the_open_cycle_once(world: World) -> None:
    await open_cycle(world)
    person = started()
    await world.send(person, EmployeeChanged(**{**person.model_dump(), "team": "two"}), person)
    assert (await the_appraisal(world, person.employee_id))["version"] == 1


async def test_cycles_of_one_kind_do_not_overlap(world: World) -> None:
    first = await open_cycle(world)
    assert first["template"]["dimensions"]["service_quality"] == 50
    manager = world.as_("manager")

    async def status(**changed: Any) -> int:
        body = {"code": "other", "kind": "quarterly", "from": "2026-04-01", "to": "2026-06-30", **changed}
        return (await manager.post("/performance/cycles", json=body)).status_code

    assert await status(code="2026Q1") == 409
    assert await status(**{"from": "2026-03-31"}) == 409
    assert await status(**{"from": "2026-07-01"}) == 422
    assert await status(template={"dimensions": {"service_quality": 50}}) == 422
    assert await status(kind="monthly") == 422
    assert await status(surprise=1) == 422
    assert await status() == 201
    body = {"code": "x", "kind": "yearly", "from": "2026-01-01", "to": "2026-12-31"}
    assert (await world.as_("agent").post("/performance/cycles", json=body)).status_code == 403
    assert (await world.as_("auditor").post("/performance/cycles", json=body)).status_code == 403
    listed = (await world.as_("agent").get("/performance/cycles")).json()["items"]
    assert [item["code"] for item in listed] == ["other", "2026Q1"]
    one = await manager.get(f"/performance/cycles/{first['id']}")
    assert (one.json(), one.headers["etag"]) == (first, '"1"')
    assert (await manager.get(f"/performance/cycles/{uuid4()}")).status_code == 404


async def test_opening_a_cycle_twice_with_one_key_is_once(world: World) -> None:
    body = {"code": "2026Q1", "kind": "quarterly", "from": "2026-01-01", "to": "2026-03-31"}
    manager = world.as_("manager")
    answers = [await manager.post("/performance/cycles", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


async def test_a_template_of_its_own(world: World) -> None:
    person = started()
    await world.send(person)
    template = {
        "dimensions": {"service_quality": 33.3, "efficiency": 66.7},
        "bands": [{"grade": "pass", "at_least": 60}, {"grade": "fail", "at_least": 0}],
    }
    await open_cycle(world, template=template)
    await world.send(submitted(person.employee_id, "59.99"))
    appraisal = await the_appraisal(world, person.employee_id)
    assert (appraisal["grade"], appraisal["dimensions"]["efficiency"]["weight"]) == ("fail", Decimal("66.7"))


async def test_who_sees_which_appraisal(world: World) -> None:
    lead = uuid4()
    mine, other = started(lead=lead), started()
    await world.send(mine, other)
    await open_cycle(world)
    id = (await the_appraisal(world, mine.employee_id))["id"]

    async def seen(*roles: Any, sub: UUID | None = None) -> tuple[int, int, int]:
        client = world.as_(*roles, sub=sub)
        listed = await client.get("/performance/appraisals")
        count = len(listed.json()["items"]) if listed.status_code == 200 else -listed.status_code
        one = await client.get(f"/performance/appraisals/{id}")
        why = await client.get(f"/performance/appraisals/{id}/explanation")
        return count, one.status_code, why.status_code

    assert await seen("agent", sub=mine.employee_id) == (1, 200, 200)
    assert await seen("agent", sub=other.employee_id) == (1, 404, 404)
    assert await seen("agent") == (0, 404, 404)
    assert await seen("team_lead", sub=lead) == (1, 200, 200)
    assert await seen("team_lead", sub=uuid4()) == (0, 404, 404)
    assert await seen("manager") == await seen("hr") == await seen("admin") == (2, 200, 200)
    assert await seen("trainer") == await seen("auditor") == (-403, 403, 403)
    assert await seen() == (-401, 401, 401)
    one = await world.as_("hr").get(f"/performance/appraisals/{id}")
    assert one.headers["etag"] == '"1"'
    foreign = {"employee_id": str(other.employee_id)}
    filtered = await world.as_("agent", sub=mine.employee_id).get("/performance/appraisals", params=foreign)
    assert filtered.json()["items"] == []


async def test_lists_come_in_pages(world: World) -> None:
    await world.send(*(started() for _ in range(5)))
    await open_cycle(world)
    hr, cursor, ids = world.as_("hr"), None, []
    for _ in range(3):
        asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = (await hr.get("/performance/appraisals", params=asked)).json()
        cursor = body["next_cursor"]
        ids += [item["id"] for item in body["items"]]
    assert cursor is None
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 5


async def test_the_ledger_only_grows(world: World) -> None:
    person = started()
    await world.send(person)
    await open_cycle(world)
    await world.send(submitted(person.employee_id, "60"))
    for tampering in (
        "DELETE FROM performance.ledger_entries",
        "UPDATE performance.ledger_entries SET value = 100",
        "UPDATE performance.ledger_entries SET value = 100, reversed_by = uuidv7()",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            await world.rows("performance", tampering)


async def test_the_explanation_speaks_to_people(world: World) -> None:
    person = started()
    await world.send(person)
    await open_cycle(world)
    appraisal = await the_appraisal(world, person.employee_id)
    assert (await explanation(world, appraisal))["words"] == [
        "Nothing has been entered yet, so there is no score and no total."
    ]
    await world.send(submitted(person.employee_id, "81.5", at=DAY + timedelta(days=1)))
    words = (await explanation(world, appraisal))["words"]
    assert words[0] == "The score of service_quality is 81.50: the mean of 1 entries."
