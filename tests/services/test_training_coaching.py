"""What a failed audit leads to in training, on the real database: once, in any order, at once, late."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.contracts.qa import AuditFailed, AuditOverturned, AuditRescored
from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.events import Event
from shared.ids import new_id
from tests.world import World

PATH = "/training/coaching-assignments"
ANN, MENTOR, LEAD = (new_id() for _ in range(3))


def failed(audit_id: UUID, employee_id: UUID = ANN, **facts: Any) -> AuditFailed:
    return AuditFailed.model_validate(
        {
            "audit_id": audit_id,
            "revision": 1,
            "recording_id": UUID(int=7),
            "call_id": "call-1",
            "employee_id": employee_id,
            "auditor_id": "auditor",
            "scorecard": "standard",
            "score": 62.5,
            "passing_score": 80,
            "critical_errors": [],
            "failed_criteria": [
                {"criterion": "name", "competency": "accurate", "error_class": "none", "score": 0, "at_seconds": 12.5},
                {"criterion": "greeting", "competency": "standardised", "error_class": "none", "score": 50},
                {"criterion": "address", "competency": "accurate", "error_class": "none", "score": 0},
            ],
            "submitted_at": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
            **facts,
        }
    )


def overturned(audit_id: UUID, revision: int = 2) -> AuditOverturned:
    return AuditOverturned(
        audit_id=audit_id, revision=revision, employee_id=ANN, score=None, passed=None, reason="dispute_upheld"
    )


def rescored(audit_id: UUID, passed: bool, revision: int = 2) -> AuditRescored:
    return AuditRescored.model_validate(
        {
            "audit_id": audit_id,
            "revision": revision,
            "employee_id": ANN,
            "score": 85 if passed else 70,
            "passed": passed,
            "reason": "dispute_upheld",
        }
    )


def started(id: UUID = ANN, mentor: UUID | None = MENTOR, lead: UUID | None = LEAD) -> EmployeeStarted:
    return EmployeeStarted(
        employee_id=id, agent_id=str(id), department=None, role="agent", team="a", team_lead_id=lead, mentor_id=mentor,
        date=date(2026, 1, 5),
    )  # fmt: skip


async def deliver(world: World, *events: Event) -> None:
    """One after the other, each in a transaction of its own."""
    for event in events:
        await world.deliver("training", world.letter(event))


async def assignment(world: World, audit_id: UUID) -> dict[str, Any]:
    items = (await world.as_("admin").get(PATH, params={"audit_id": str(audit_id)})).json()["items"]
    assert len(items) == 1
    found: dict[str, Any] = items[0]
    return found


async def actions(world: World, assignment_id: str) -> list[str]:
    answer = await world.as_("admin").get(f"{PATH}/{assignment_id}")
    return [change["action"] for change in answer.json()["history"]]


async def published(world: World) -> list[str]:
    rows = await world.rows("training", "SELECT type FROM training.outbox ORDER BY id")
    return [row["type"].removeprefix("training.coaching.").removesuffix(".v1") for row in rows]


async def test_a_failed_audit_becomes_one_assignment(world: World) -> None:
    audit = uuid4()
    await deliver(world, started())
    cause = world.letter(failed(audit))
    await world.deliver("training", cause)
    found = await assignment(world, audit)
    id = found.pop("id")
    assert UUID(id).version == 7
    assert found == {
        "audit_id": str(audit),
        "audit_revision": 1,
        "recording_id": str(UUID(int=7)),
        "employee_id": str(ANN),
        "coach_id": str(MENTOR),
        "stand_in": False,
        "employee_left": False,
        "rule": "any_fail",
        "kind": "coaching",
        "topic": None,
        "scorecard": "standard",
        "competencies": ["accurate", "standardised"],
        "remaining_criteria": None,
        "needs_approval": False,
        "approved_at": None,
        "started_at": None,
        "escalated_to": None,
        "followed_up_at": None,
        "follow_up_audit_id": None,
        "follow_up_met": None,
        "failed_criteria": [
            {"criterion": "name", "competency": "accurate", "error_class": "none", "score": 0, "at_seconds": 12.5},
            {
                "criterion": "greeting",
                "competency": "standardised",
                "error_class": "none",
                "score": 50,
                "at_seconds": None,
            },
            {"criterion": "address", "competency": "accurate", "error_class": "none", "score": 0, "at_seconds": None},
        ],
        "due_on": "2026-03-09",
        "status": "assigned",
        "assigned_at": "2026-03-02T09:00:00Z",
        "acknowledged_at": None,
        "completed_at": None,
        "completed_by": None,
        "cancelled_at": None,
        "overdue_at": None,
        "no_longer_owed": False,
        "note": None,
        "version": 1,
    }
    [letter] = await world.rows(
        "training", "SELECT key, headers, convert_from(payload, 'UTF8')::jsonb AS body FROM training.outbox"
    )
    assert letter["key"] == str(ANN)
    assert letter["headers"]["ce_causationid"] == cause.id
    assert letter["body"] == {
        "assignment_id": id,
        "audit_id": str(audit),
        "employee_id": str(ANN),
        "coach_id": str(MENTOR),
        "competencies": ["accurate", "standardised"],
        "due_on": "2026-03-09",
    }
    history = (await world.as_("admin").get(f"{PATH}/{id}")).json()["history"]
    assert [(change["action"], change["actor"], change["cause"]) for change in history] == [
        ("assigned", "training", cause.id)
    ]


@pytest.mark.parametrize(
    ("submitted_at", "critical", "due_on"),
    [
        ("2026-03-02T09:00:00Z", [], "2026-03-09"),
        ("2026-03-02T09:00:00Z", ["name"], "2026-03-04"),
        ("2026-03-02T16:30:00Z", ["name"], "2026-03-05"),  # the next day in Shanghai
        ("2026-02-13T03:00:00Z", ["name"], "2026-02-24"),  # the Saturday is worked, then comes the spring festival
        ("2026-09-30T03:00:00Z", [], "2026-10-13"),  # over the national holiday
    ],
)
async def test_due_in_working_days_of_the_centre(
    world: World, submitted_at: str, critical: list[str], due_on: str
) -> None:
    audit = uuid4()
    await deliver(world, failed(audit, submitted_at=submitted_at, critical_errors=critical))
    found = await assignment(world, audit)
    assert (found["due_on"], found["rule"]) == (due_on, "critical_error" if critical else "any_fail")


async def test_twice_is_once(world: World) -> None:
    audit = uuid4()
    for events in ([failed(audit)], [overturned(audit)]):
        [letter] = [world.letter(event) for event in events]
        for _ in range(2):
            await world.deliver("training", letter, letter)
        await deliver(world, *events)  # the same fact in another letter
    found = await assignment(world, audit)
    assert (found["status"], found["version"]) == ("cancelled", 2)
    assert await actions(world, found["id"]) == ["assigned", "cancelled"]
    assert await published(world) == ["assigned", "cancelled"]


# What each story ends in: status, revision; the coach is there in the end whatever came first.
STORIES: dict[str, tuple[Sequence[Any], str, int]] = {
    "overturned": ((failed, overturned), "cancelled", 2),
    "passes after all": ((failed, lambda a: rescored(a, True)), "cancelled", 2),
    "still a fail": ((failed, lambda a: rescored(a, False)), "assigned", 2),
    "fails, then overturned": ((failed, lambda a: rescored(a, False), lambda a: overturned(a, 3)), "cancelled", 3),
    "overturned, then a fail": ((failed, overturned, lambda a: rescored(a, False, 3)), "assigned", 3),
    "passes, then a fail": (
        (failed, lambda a: rescored(a, True), lambda a: rescored(a, False, 3)),
        "assigned",
        3,
    ),
}


@pytest.mark.parametrize("story", STORIES)
async def test_any_order_ends_alike(world: World, story: str) -> None:
    facts, status, revision = STORIES[story]
    ends = []
    for together in (False, True):
        for order in permutations(range(len(facts) + 1)):
            audit, employee = uuid4(), uuid4()
            events = [
                started(employee) if n == len(facts) else facts[n](audit).model_copy(update={"employee_id": employee})
                for n in order
            ]
            letters = [world.letter(event) for event in events]
            for batch in [letters] if together else [[letter] for letter in letters]:
                await world.deliver("training", *batch)
            [row] = await world.rows(
                "training", "SELECT * FROM training.coaching_assignments WHERE audit_id = :audit", audit=audit
            )
            differ = {"id", "audit_id", "employee_id", "version"}
            ends.append({field: value for field, value in row.items() if field not in differ})
    assert all(end == ends[0] for end in ends)
    assert (ends[0]["status"], ends[0]["audit_revision"], ends[0]["coach_id"]) == (status, revision, MENTOR)


async def test_born_cancelled_is_kept_but_not_announced(world: World) -> None:
    audit = uuid4()
    await deliver(world, overturned(audit), failed(audit))
    found = await assignment(world, audit)
    assert (found["status"], found["cancelled_at"]) == ("cancelled", "2026-03-02T09:00:00Z")
    assert await actions(world, found["id"]) == ["assigned", "cancelled"]
    assert await published(world) == []


async def test_brought_back_is_announced_again(world: World) -> None:
    audit = uuid4()
    await deliver(world, started(), failed(audit))
    id = (await assignment(world, audit))["id"]
    await world.as_("agent", sub=ANN).post(f"{PATH}/{id}/acknowledgement")
    await deliver(world, overturned(audit), rescored(audit, False, 3))
    assert (await assignment(world, audit))["status"] == "acknowledged"
    assert await actions(world, id) == ["assigned", "acknowledged", "cancelled", "reinstated"]
    assert await published(world) == ["assigned", "acknowledged", "cancelled", "assigned"]


async def test_completed_is_kept_and_marked(world: World) -> None:
    audit = uuid4()
    await deliver(world, started(), failed(audit))
    id = (await assignment(world, audit))["id"]
    await world.as_("trainer").post(f"{PATH}/{id}/completion")
    for event, no_longer_owed in ((overturned(audit), True), (rescored(audit, False, 3), False)):
        await deliver(world, event)
        found = await assignment(world, audit)
        assert (found["status"], found["no_longer_owed"]) == ("completed", no_longer_owed)
    assert await actions(world, id) == ["assigned", "completed", "no_longer_owed", "owed_again"]
    assert await published(world) == ["assigned", "completed"]


async def test_facts_about_one_audit_at_once(world: World) -> None:
    for _ in range(15):
        audit, employee = uuid4(), uuid4()
        await asyncio.gather(
            *(deliver(world, event) for event in (failed(audit, employee), overturned(audit), failed(audit, employee)))
        )
        assert (await assignment(world, audit))["status"] == "cancelled"


async def test_an_employee_known_at_the_same_time_is_not_missed(world: World) -> None:
    for _ in range(15):
        audit, employee = uuid4(), uuid4()
        await asyncio.gather(deliver(world, failed(audit, employee)), deliver(world, started(employee)))
        assert (await assignment(world, audit))["coach_id"] == str(MENTOR)


async def test_a_mentor_named_at_the_same_time_is_not_missed(world: World) -> None:
    for _ in range(15):
        audit, employee = uuid4(), uuid4()
        alone = started(employee, mentor=None, lead=None)
        await deliver(world, alone)
        world.now += timedelta(minutes=1)
        named = EmployeeChanged(**{**dict(alone), "mentor_id": MENTOR})
        await asyncio.gather(deliver(world, failed(audit, employee)), deliver(world, named))
        assert (await assignment(world, audit))["coach_id"] == str(MENTOR)


async def test_a_coach_is_found_later(world: World) -> None:
    audit = uuid4()
    await deliver(world, failed(audit))
    found = await assignment(world, audit)
    assert found["coach_id"] is None
    nobody = started(mentor=None, lead=None)
    world.now += timedelta(minutes=1)
    await deliver(world, nobody)
    assert (await assignment(world, audit))["coach_id"] is None
    world.now += timedelta(minutes=1)
    await deliver(world, EmployeeChanged(**{**dict(nobody), "team_lead_id": LEAD}))
    assert (await assignment(world, audit))["coach_id"] == str(LEAD)
    world.now += timedelta(minutes=1)
    await deliver(world, EmployeeChanged(**{**dict(nobody), "mentor_id": MENTOR}))
    assert (await assignment(world, audit))["coach_id"] == str(LEAD)  # who has one keeps it
    assert await actions(world, found["id"]) == ["assigned", "coach_found"]
    assert await published(world) == ["assigned"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_somebody_takes_over_from_a_coach_who_has_left(world: World, order: tuple[int, ...]) -> None:
    """By the rule as people stand in the end, in whatever order that is told; what was completed stays as it was."""
    audit, done, other = uuid4(), uuid4(), new_id()
    await deliver(world, started(), started(MENTOR), failed(audit), failed(done))
    mentor = world.as_("agent", sub=MENTOR)
    await mentor.post(f"{PATH}/{(await assignment(world, done))['id']}/completion")
    news: list[Event] = [
        EmployeeLeft(employee_id=MENTOR, date=date(2026, 3, 2)),
        EmployeeLeft(employee_id=LEAD, date=date(2026, 3, 2)),
        EmployeeChanged(**{**dict(started()), "mentor_id": other}),
    ]
    for n in order:
        world.now += timedelta(minutes=1)
        letter = world.letter(news[n])
        await world.deliver("training", letter, letter)
        await world.deliver("training", letter)
    found = await assignment(world, audit)
    assert (found["coach_id"], found["stand_in"], found["status"]) == (str(other), True, "assigned")
    seen = await actions(world, found["id"])
    assert seen[-1] == "coach_replaced"
    assert len(seen) <= 4
    assert (await mentor.get(f"{PATH}/{found['id']}")).status_code == 404
    kept = await assignment(world, done)
    assert (kept["coach_id"], kept["stand_in"]) == (str(MENTOR), False)


async def test_a_coach_who_is_to_leave_coaches_until_then(world: World) -> None:
    audit = uuid4()
    await deliver(world, started(), failed(audit), EmployeeLeft(employee_id=MENTOR, date=date(2026, 3, 4)))
    for day, coach in ((0, MENTOR), (1, MENTOR), (1, LEAD), (1, LEAD)):
        world.now += timedelta(days=day)
        await world.turn("training", "coaches")
        assert (await assignment(world, audit))["coach_id"] == str(coach)
    found = await assignment(world, audit)
    assert await actions(world, found["id"]) == ["assigned", "coach_replaced"]
    world.now += timedelta(minutes=1)
    await deliver(world, EmployeeLeft(employee_id=LEAD, date=date(2026, 3, 4)))
    assert (await assignment(world, audit))["coach_id"] is None
    world.now += timedelta(minutes=1)
    await deliver(world, started(lead=(new := new_id())))
    assert (await assignment(world, audit))["coach_id"] == str(new)


async def test_nobody_coaches_themselves_nor_who_is_gone(world: World) -> None:
    own, gone = uuid4(), uuid4()
    await deliver(world, started(mentor=ANN), failed(own))
    assert (await assignment(world, own))["coach_id"] == str(LEAD)
    other = uuid4()
    left = EmployeeLeft(employee_id=MENTOR, date=date(2026, 3, 2))
    await deliver(world, started(MENTOR), left, started(other), failed(gone, other))
    assert (await assignment(world, gone))["coach_id"] == str(LEAD)


async def test_late_is_reported_once(world: World) -> None:
    audits = late, seen, done, taken_back = [uuid4() for _ in range(4)]
    await deliver(world, started(), *(failed(audit) for audit in audits), overturned(taken_back))
    ids = {audit: (await assignment(world, audit))["id"] for audit in audits}
    await world.as_("agent", sub=ANN).post(f"{PATH}/{ids[seen]}/acknowledgement")
    await world.as_("agent", sub=MENTOR).post(f"{PATH}/{ids[done]}/completion")
    world.now = datetime(2026, 3, 9, 15, 59, tzinfo=UTC)  # the last minute of the last day in Shanghai
    await world.turn("training", "overdue")
    assert "overdue" not in await published(world)
    world.now += timedelta(minutes=1)
    for _ in range(2):
        await world.turn("training", "overdue")
        world.now += timedelta(hours=1)
    assert (await published(world)).count("overdue") == 2
    assert [(await assignment(world, audit))["overdue_at"] is not None for audit in audits] == [
        True,
        True,
        False,
        False,
    ]
    assert await actions(world, ids[late]) == ["assigned", "overdue"]
    await world.as_("agent", sub=MENTOR).post(f"{PATH}/{ids[late]}/completion")
    assert (await assignment(world, late))["status"] == "completed"


async def test_the_life_of_an_assignment(world: World) -> None:
    audit = uuid4()
    await deliver(world, started(), failed(audit))
    id = (await assignment(world, audit))["id"]
    ann, mentor = world.as_("agent", sub=ANN), world.as_("agent", sub=MENTOR)
    seen = await ann.post(f"{PATH}/{id}/acknowledgement")
    assert (seen.status_code, seen.json()["status"], seen.headers["etag"]) == (200, "acknowledged", '"2"')
    world.now += timedelta(hours=1)
    assert (await ann.post(f"{PATH}/{id}/acknowledgement")).json() == seen.json()

    done = await mentor.post(f"{PATH}/{id}/completion", json={"note": "Listened to the call together."})
    assert (done.status_code, done.json()["status"], done.json()["completed_by"]) == (200, "completed", str(MENTOR))
    assert done.json()["note"] == "Listened to the call together."
    assert (await mentor.post(f"{PATH}/{id}/completion")).json() == done.json()
    assert (await ann.get(f"{PATH}/{id}")).headers["etag"] == '"3"'
    assert await published(world) == ["assigned", "acknowledged", "completed"]
    letters = await world.rows("training", "SELECT convert_from(payload, 'UTF8') AS body FROM training.outbox")
    assert not any("Listened" in letter["body"] for letter in letters)


async def test_what_a_state_does_not_allow(world: World) -> None:
    audit = uuid4()
    await deliver(world, started(), failed(audit), overturned(audit))
    id = (await assignment(world, audit))["id"]
    for who, what in ((world.as_("agent", sub=ANN), "acknowledgement"), (world.as_("trainer"), "completion")):
        refused = await who.post(f"{PATH}/{id}/{what}")
        assert refused.status_code == 409
        assert "is cancelled; only an assigned" in refused.json()["detail"]
    assert await published(world) == ["assigned", "cancelled"]


async def test_acknowledged_and_completed_once_at_once(world: World) -> None:
    audit = uuid4()
    await deliver(world, started(), failed(audit))
    id = (await assignment(world, audit))["id"]
    ann, trainer = world.as_("agent", sub=ANN), world.as_("trainer")
    answers = await asyncio.gather(*(ann.post(f"{PATH}/{id}/acknowledgement") for _ in range(5)))
    assert {answer.text for answer in answers} == {answers[0].text}
    await asyncio.gather(
        *(trainer.post(f"{PATH}/{id}/completion") for _ in range(5)), deliver(world, overturned(audit))
    )
    told = await published(world)
    assert told[:2] == ["assigned", "acknowledged"]
    assert told[2:] in (["completed"], ["cancelled"])


async def test_who_may_do_what(world: World) -> None:
    """Each role tries to acknowledge, then to complete, an assignment of Ann."""
    stranger = uuid4()
    await deliver(world, started())
    tries: list[tuple[httpx.AsyncClient, int, int]] = [
        (world.as_("agent", sub=ANN), 200, 403),
        (world.as_("trainer", "team_lead", sub=ANN), 200, 403),
        (world.as_("agent", sub=MENTOR), 403, 200),
        (world.as_("team_lead", sub=LEAD), 403, 200),
        (world.as_("trainer"), 403, 200),
        (world.as_("manager"), 403, 200),
        (world.as_("admin"), 403, 200),
        (world.as_("auditor"), 403, 403),
        (world.as_("hr"), 403, 403),
        (world.as_("service"), 403, 403),
        (world.as_("agent", sub=stranger), 404, 404),
        (world.as_("agent", sub=LEAD), 404, 404),
        (world.as_("team_lead", sub=stranger), 404, 404),
        (world.as_("agent", sub="nobody"), 404, 404),
        (world.as_(), 401, 401),
    ]
    for client, acknowledging, completing in tries:
        audit = uuid4()
        await deliver(world, failed(audit))
        id = (await assignment(world, audit))["id"]
        answers = [await client.post(f"{PATH}/{id}/{what}") for what in ("acknowledgement", "completion")]
        assert [answer.status_code for answer in answers] == [acknowledging, completing]
        seen = await client.get(f"{PATH}/{id}")
        assert seen.status_code == (200 if acknowledging in (200, 403) else acknowledging)


async def test_who_sees_what(world: World) -> None:
    other = uuid4()
    await deliver(world, started(), started(other, mentor=ANN, lead=None))
    mine, theirs, unknown = uuid4(), uuid4(), uuid4()
    await deliver(world, failed(mine), failed(theirs, other))

    async def seen_by(client: httpx.AsyncClient, **filters: str) -> list[str]:
        return [item["audit_id"] for item in (await client.get(PATH, params=filters)).json()["items"]]

    assert await seen_by(world.as_("agent", sub=ANN)) == [str(theirs), str(mine)]  # coaches one, owes the other
    assert await seen_by(world.as_("agent", sub=other)) == [str(theirs)]
    assert await seen_by(world.as_("team_lead", sub=LEAD)) == [str(mine)]
    assert await seen_by(world.as_("agent", sub=LEAD)) == []
    await deliver(world, failed(unknown, uuid4()))  # of somebody unknown, without coach and lead
    assert await seen_by(world.as_("agent", "team_lead", sub="outsider")) == []
    for role in ("trainer", "manager", "hr", "call_centre", "auditor", "service", "admin"):
        assert await seen_by(world.as_(role)) == [str(unknown), str(theirs), str(mine)]
    trainer = world.as_("trainer")
    assert await seen_by(trainer, employee_id=str(ANN)) == [str(mine)]
    assert await seen_by(trainer, coach_id=str(ANN), status="assigned") == [str(theirs)]
    assert await seen_by(trainer, status="completed") == []
    assert (await trainer.get(PATH, params={"status": "lost"})).status_code == 422
    assert (await trainer.get(f"{PATH}/{uuid4()}")).status_code == 404
    first = (await trainer.get(PATH, params={"limit": 1})).json()
    assert await seen_by(trainer, limit="2", cursor=first["next_cursor"]) == [str(theirs), str(mine)]


async def test_an_outsider_is_nobodys_lead(world: World) -> None:
    audit = uuid4()
    await deliver(world, failed(audit))  # neither coach nor lead are known
    id = (await assignment(world, audit))["id"]
    answer = await world.as_("team_lead", "auditor", sub="outsider").post(f"{PATH}/{id}/completion")
    assert answer.status_code == 404


async def test_bad_notes_are_refused(world: World) -> None:
    audit = uuid4()
    await deliver(world, failed(audit))
    path = f"{PATH}/{(await assignment(world, audit))['id']}/completion"
    for body in ({"note": ""}, {"note": "a\u0000b"}, {"note": "x" * 2001}, {"notes": "x"}):
        assert (await world.as_("trainer").post(path, json=body)).status_code == 422
    assert (await world.as_("trainer").post(path, json={"note": "two\nlines"})).status_code == 200


async def test_the_rules_can_be_read(world: World) -> None:
    answer = (await world.as_("agent").get("/training/coaching-rules")).json()
    assert [(rule["key"], rule["action"], rule["due_working_days"], rule["coaches"]) for rule in answer["items"]] == [
        ("critical_error", "coaching", 2, ["mentor", "team_lead"]),
        ("hard_to_train", "talk", 5, ["team_lead", "mentor"]),
        ("failed_again", "course", 20, []),
        ("any_fail", "coaching", 5, ["mentor", "team_lead"]),
    ]
    assert all(rule["name_en"] and rule["name_zh"] for rule in answer["items"])
    first = (await world.as_("agent").get("/training/coaching-rules", params={"limit": 1})).json()
    second = await world.as_("agent").get("/training/coaching-rules", params={"cursor": first["next_cursor"]})
    assert [rule["key"] for rule in second.json()["items"]] == ["hard_to_train", "failed_again", "any_fail"]


async def test_a_rule_is_changed_by_changing_its_row(world: World) -> None:
    await world.rows("training", "UPDATE training.coaching_rules SET due_working_days = 1, coaches = '{team_lead}'")
    audit, nobody = uuid4(), uuid4()
    await deliver(world, started(), failed(audit))
    found = await assignment(world, audit)
    assert (found["due_on"], found["coach_id"]) == ("2026-03-03", str(LEAD))
    await world.rows("training", "DELETE FROM training.coaching_rules")
    await deliver(world, failed(nobody), overturned(nobody))
    assert (
        await world.rows("training", "SELECT * FROM training.coaching_assignments WHERE audit_id = :id", id=nobody)
        == []
    )
