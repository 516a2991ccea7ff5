"""Coaching rules on the real database: changed, tried, and logged; and what a dispute does."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

from shared.contracts.qa import AuditDisputed, AuditPassed, FailedCriterion
from shared.ids import new_id
from tests.services.test_training_coaching import (
    ANN,
    LEAD,
    MENTOR,
    PATH,
    actions,
    assignment,
    deliver,
    failed,
    overturned,
    published,
    rescored,
    started,
)
from tests.world import World

RULES, FIRINGS = "/training/coaching-rules", "/training/coaching-firings"


def criterion(competency: str, name: str | None = None) -> dict[str, Any]:
    return {"criterion": name or f"c-{competency}", "competency": competency, "error_class": "none", "score": 0}


def missed(*competencies: str, at: datetime | None = None, employee: UUID = ANN, **facts: Any) -> Any:
    given = {"failed_criteria": [criterion(competency) for competency in competencies], **facts}
    return failed(
        facts.pop("audit_id", new_id()), employee, submitted_at=at or datetime(2026, 3, 2, 9, tzinfo=UTC), **given
    )


def passed(employee: UUID = ANN, at: datetime | None = None, scorecard: str = "standard") -> AuditPassed:
    event = missed(employee=employee, at=at, scorecard=scorecard)
    return AuditPassed(**{**dict(event), "score": 90})


def disputed(audit_id: UUID, open: bool = True) -> AuditDisputed:
    return AuditDisputed(audit_id=audit_id, revision=1, employee_id=ANN, open=open)


async def firings(world: World, **filters: str) -> list[tuple[str, str | None]]:
    answer = await world.as_("trainer").get(FIRINGS, params=filters)
    assert answer.status_code == 200, answer.text
    return [(item["rule"], item["reason"]) for item in reversed(answer.json()["items"])]


async def make(world: World, key: str, **fields: Any) -> dict[str, Any]:
    answer = await world.as_("trainer").post(RULES, json={"key": key, "name_en": key, "name_zh": key, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_the_default_rules_and_their_log(world: World) -> None:
    easy, serious, hard = missed("problem_solving"), missed("x", critical_errors=["c-x"]), missed("self_control")
    await deliver(world, started(), easy, serious, hard)
    assert await firings(world, audit_id=str(easy.audit_id)) == [("any_fail", None)]
    assert await firings(world, audit_id=str(serious.audit_id)) == [
        ("critical_error", None), ("any_fail", "lower_priority")
    ]  # fmt: skip
    assert await firings(world, audit_id=str(hard.audit_id)) == [
        ("hard_to_train", None), ("any_fail", "lower_priority")
    ]  # fmt: skip
    found = await assignment(world, hard.audit_id)
    assert (found["kind"], found["coach_id"], found["due_on"]) == ("talk", str(LEAD), "2026-03-09")
    assert (await world.as_("agent", sub=ANN).get(FIRINGS)).status_code == 403
    assert len(await firings(world, outcome="suppressed")) == 2


async def test_the_third_of_five_adds_the_course_once(world: World) -> None:
    """In one batch or one by one; passes in between count."""
    for together in (False, True):
        employee = uuid4()
        start = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
        story: list[Any] = [
            missed("communication", "negotiating_to_agreement", employee=employee, at=start),
            passed(employee, start + timedelta(minutes=1)),
            missed("negotiating_to_agreement", employee=employee, at=start + timedelta(minutes=2)),
            passed(employee, start + timedelta(minutes=3)),
            missed("negotiating_to_agreement", employee=employee, at=start + timedelta(minutes=4)),
            missed("negotiating_to_agreement", employee=employee, at=start + timedelta(minutes=5)),
        ]
        letters = [world.letter(event) for event in story]
        for batch in [letters] if together else [[letter] for letter in letters]:
            await world.deliver("training", *batch)
        mine = (await world.as_("trainer").get("/training/enrolments", params={"employee_id": str(employee)})).json()
        [only] = mine["items"]
        assert (only["course"], only["purpose"], only["source"]) == ("communication", "coaching", "coaching")
        assert only["source_id"] == str(story[4].audit_id)
        assert only["due_on"] == "2026-03-30"
        assert await firings(world, audit_id=str(story[5].audit_id)) == [
            ("any_fail", None), ("failed_again", "already_open")
        ]  # fmt: skip
        counts = await world.rows(
            "training", "SELECT count(*) FROM training.coaching_assignments WHERE employee_id = :id", id=employee
        )
        assert counts[0]["count"] == 4  # one for each failed audit, all the same
        await deliver(world, overturned(story[4].audit_id))
        after = (await world.as_("trainer").get("/training/enrolments", params={"employee_id": str(employee)})).json()
        assert [item["status"] for item in after["items"]] == ["cancelled"]


async def test_a_rule_is_made_changed_and_tried(world: World) -> None:
    trainer = world.as_("trainer")
    for day in range(10):
        await deliver(world, missed("problem_solving", at=datetime(2026, 2, 2 + day, 4, tzinfo=UTC)))
    made = await make(world, "slow", priority=300, cooldown_days=3, active=False)
    period = {"from": "2026-02-01", "to": "2026-02-28"}
    before = await firings(world)
    tried = await trainer.post(f"{RULES}/{made['id']}/trial", json=period)
    assert tried.status_code == 200, tried.text
    examples = tried.json().pop("examples")
    assert {k: v for k, v in tried.json().items() if k != "examples"} == {
        "rule": "slow", "audits": 10, "met": 10, "acted": 4, "suppressed": {"cooldown": 6}, "employees": 1,
        "competencies": {"problem_solving": 4}, "courses": {},
    }  # fmt: skip
    assert [example["reason"] for example in examples[:4]] == [None, "cooldown", "cooldown", None]
    assert await firings(world) == before  # nothing was done
    for id, acted, suppressed in (
        ("01900000-0000-7000-8000-000000000202", 10, {}),
        ("01900000-0000-7000-8000-000000000204", 1, {"already_open": 7}),
    ):
        answer = (await trainer.post(f"{RULES}/{id}/trial", json=period)).json()
        assert (answer["acted"], answer["suppressed"]) == (acted, suppressed)

    body = {k: v for k, v in made.items() if k not in ("id", "version")}
    changed = await trainer.put(f"{RULES}/{made['id']}", json={**body, "active": True}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    stale = await trainer.put(f"{RULES}/{made['id']}", json=body, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    history = (await trainer.get(f"{RULES}/{made['id']}")).json()["history"]
    assert [one["action"] for one in history] == ["created", "changed"]
    first, second = missed("a"), missed("a", at=datetime(2026, 3, 3, 9, tzinfo=UTC))
    await deliver(world, first, second)
    assert [(await assignment(world, one.audit_id))["rule"] for one in (first, second)] == ["slow", "any_fail"]
    assert await firings(world, audit_id=str(second.audit_id)) == [("slow", "cooldown"), ("any_fail", None)]


async def test_what_is_no_rule_is_refused(world: World) -> None:
    trainer = world.as_("trainer")
    good: dict[str, Any] = {"key": "good", "name_en": "Good", "name_zh": "好"}
    for wrong in (
        {"condition": {"score_belw": 3}}, {"coaches": ["group"]}, {"course": "communication"}, {"coaches": []},
        {"action": "course", "course": "nothing"}, {"due_working_days": 0},
        {"condition": {"repeated": {"times": 3, "audits": 2}}},
    ):  # fmt: skip
        assert (await trainer.post(RULES, json={**good, **wrong})).status_code == 422
    assert (await trainer.post(RULES, json={**good, "key": "any_fail"})).status_code == 409
    assert (await world.as_("team_lead").post(RULES, json=good)).status_code == 403
    assert (
        await trainer.post(f"{RULES}/{uuid4()}/trial", json={"from": "2026-01-01", "to": "2026-01-02"})
    ).status_code == 404


async def test_the_least_loaded_of_a_group_coaches(world: World) -> None:
    coaches = sorted(uuid4() for _ in range(3))
    await deliver(world, *(started(id) for id in coaches))
    await make(world, "group", priority=500, coaches=["group"], coach_group=[str(id) for id in coaches])
    audits = [missed("a", employee=uuid4()) for _ in range(6)]
    await world.deliver("training", *(world.letter(audit) for audit in audits))
    who = [(await assignment(world, audit.audit_id))["coach_id"] for audit in audits]
    assert sorted(who) == sorted(str(id) for id in coaches * 2)


async def test_what_needs_approval_waits_for_it(world: World) -> None:
    await make(world, "ask", priority=500, needs_approval=True, unless_open=True)
    first, second = missed("a"), missed("a")
    await deliver(world, started(), first, second)
    assert (await assignment(world, second.audit_id))["rule"] == "any_fail"
    found = await assignment(world, first.audit_id)
    assert found["status"] == "proposed"
    assert await published(world) == ["assigned"]
    ann, lead = world.as_("agent", sub=ANN), world.as_("team_lead", sub=LEAD)
    assert (await ann.post(f"{PATH}/{found['id']}/acknowledgement")).status_code == 409
    assert (await ann.post(f"{PATH}/{found['id']}/approval", json={"approved": True})).status_code == 403
    approved = await lead.post(f"{PATH}/{found['id']}/approval", json={"approved": True})
    assert approved.json()["status"] == "assigned"
    assert await published(world) == ["assigned", "assigned"]
    assert (await lead.post(f"{PATH}/{found['id']}/approval", json={"approved": False})).status_code == 409


DISPUTES: dict[str, tuple[Sequence[Any], str]] = {
    "open": ((failed, disputed), "waiting"),
    "upheld": ((failed, disputed, lambda a: disputed(a, open=False)), "assigned"),
    "overturned": ((failed, disputed, overturned), "cancelled"),
    "rescored": ((failed, disputed, lambda a: rescored(a, False)), "assigned"),
}


async def test_disputes_end_alike_in_any_order(world: World) -> None:
    for facts, status in DISPUTES.values():
        ends = []
        for together in (False, True):
            for order in permutations(range(len(facts))):
                audit = uuid4()
                # What happened later is told later, in whatever order it comes.
                letters = [world.letter(facts[n](audit), at=world.now + timedelta(days=n)) for n in order]
                for batch in [letters] if together else [[letter] for letter in letters]:
                    await world.deliver("training", *batch)
                [row] = await world.rows(
                    "training", "SELECT * FROM training.coaching_assignments WHERE audit_id = :audit", audit=audit
                )
                ends.append({k: v for k, v in row.items() if k not in ("id", "audit_id", "version")})
        assert all(end == ends[0] for end in ends)
        assert ends[0]["status"] == status


async def test_a_dispute_makes_it_wait(world: World) -> None:
    before, after = missed("a"), missed("a")
    await deliver(world, started(), before, disputed(before.audit_id), disputed(after.audit_id), after)
    id = (await assignment(world, before.audit_id))["id"]
    for audit in (before, after):
        assert (await assignment(world, audit.audit_id))["status"] == "waiting"
    assert await published(world) == ["assigned"]
    assert await firings(world, audit_id=str(after.audit_id)) == [("any_fail", "in_dispute")]
    assert (await world.as_("trainer").post(f"{PATH}/{id}/completion")).status_code == 409
    world.now += timedelta(days=30)
    await world.turn("training", "overdue")
    assert await published(world) == ["assigned"]
    await deliver(world, disputed(before.audit_id, open=False), disputed(after.audit_id, open=False))
    for audit in (before, after):
        found = await assignment(world, audit.audit_id)
        assert (found["status"], found["due_on"]) == ("assigned", "2026-04-09")  # 5 days from 1 April, over Qingming
    assert await published(world) == ["assigned"] * 3
    assert await firings(world, audit_id=str(after.audit_id)) == [("any_fail", "in_dispute"), ("any_fail", None)]
    assert await actions(world, id) == ["assigned", "waiting", "resumed"]


async def test_rescored_shortens_what_is_coached(world: World) -> None:
    event = missed("a", "b")
    less = rescored(event.audit_id, False).model_copy(
        update={"failed_criteria": (FailedCriterion.model_validate(criterion("b")),)}
    )
    for order in ((event, less), (less, event)):
        audit = uuid4()
        await deliver(world, *(one.model_copy(update={"audit_id": audit}) for one in order))
        found = await assignment(world, audit)
        assert (found["remaining_criteria"], found["competencies"]) == (["c-b"], ["b"])
        assert len(found["failed_criteria"]) == 2


async def test_worked_on_with_items_and_notes(world: World) -> None:
    event = missed("a")
    await deliver(world, started(), event)
    path = f"{PATH}/{(await assignment(world, event.audit_id))['id']}"
    ann, mentor, lead = world.as_("agent", sub=ANN), world.as_("agent", sub=MENTOR), world.as_("team_lead", sub=LEAD)
    assert (await ann.post(f"{path}/items", json={"what": "Listen to three calls"})).status_code == 403
    item = await mentor.post(f"{path}/items", json={"what": "Listen to three calls", "due_on": "2026-03-05"})
    assert item.status_code == 201
    assert (await ann.get(path)).json()["status"] == "in_progress"
    done = [await ann.post(f"{path}/items/{item.json()['id']}/completion") for _ in range(2)]
    assert done[0].json() == done[1].json()
    assert done[0].json()["done_at"] is not None
    for who, note, shared in ((mentor, "hidden", False), (mentor, "shown", True), (ann, "mine", False)):
        assert (await who.post(f"{path}/notes", json={"note": note, "shared": shared})).status_code == 201

    async def notes(who: Any) -> list[str]:
        return [note["note"] for note in (await who.get(path)).json()["notes"]]

    assert await notes(mentor) == ["hidden", "shown"]
    assert await notes(ann) == ["shown", "mine"]
    assert await notes(lead) == ["shown"]
    assert await notes(world.as_("admin")) == ["shown"]
    assert (await world.as_("auditor").post(f"{path}/notes", json={"note": "x"})).status_code == 403


async def test_late_is_told_to_the_lead(world: World) -> None:
    event = missed("a")
    await deliver(world, started(), event)
    world.now += timedelta(days=14)
    await world.turn("training", "overdue")
    found = (await world.as_("team_lead", sub=LEAD).get(PATH, params={"escalated_to": str(LEAD)})).json()["items"]
    assert [one["audit_id"] for one in found] == [str(event.audit_id)]
    [body] = await world.rows(
        "training",
        "SELECT convert_from(payload, 'UTF8')::jsonb AS it FROM training.outbox WHERE type LIKE '%overdue%'",
    )
    assert body["it"]["escalated_to"] == str(LEAD)


async def test_the_next_audit_by_the_same_scorecard_follows_up(world: World) -> None:
    event = missed("a", scorecard="complaint@1")
    await deliver(world, started(), event)
    id = (await assignment(world, event.audit_id))["id"]
    world.now += timedelta(hours=1)
    await world.as_("agent", sub=MENTOR).post(f"{PATH}/{id}/completion")
    [body] = await world.rows(
        "training",
        "SELECT convert_from(payload, 'UTF8')::jsonb AS it FROM training.outbox WHERE type LIKE '%completed%'",
    )
    assert (body["it"]["scorecard"], body["it"]["criteria"]) == ("complaint@1", ["c-a"])
    other = passed(at=world.now + timedelta(hours=1), scorecard="short@1")
    late = missed("a", at=world.now + timedelta(hours=4), scorecard="complaint@2")
    early = missed("b", at=world.now + timedelta(hours=3), scorecard="complaint@2")
    await deliver(world, other)
    assert (await assignment(world, event.audit_id))["status"] == "completed"
    await deliver(world, late)
    found = await assignment(world, event.audit_id)
    assert (found["status"], found["follow_up_audit_id"], found["follow_up_met"]) == (
        "followed_up", str(late.audit_id), False,
    )  # fmt: skip
    await deliver(world, early)  # which came first after all
    found = await assignment(world, event.audit_id)
    assert (found["follow_up_audit_id"], found["follow_up_met"]) == (str(early.audit_id), True)
    await deliver(world, overturned(early.audit_id), overturned(late.audit_id))
    found = await assignment(world, event.audit_id)
    assert (found["status"], found["follow_up_audit_id"], found["follow_up_met"]) == ("completed", None, None)


async def test_the_effect_against_those_who_were_not_coached(world: World) -> None:
    """Ann is coached and does better by more than Bob, who is not."""
    bob = uuid4()
    start = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    for employee in (ANN, bob):
        for day in range(3):
            await deliver(world, missed("a", employee=employee, at=start - timedelta(days=day)))
    [index] = await world.rows(
        "training", "SELECT id FROM training.coaching_assignments WHERE employee_id = :ann AND submitted_on = :day",
        ann=ANN, day=date(2026, 3, 2),
    )  # fmt: skip
    assert (await world.as_("trainer").post(f"{PATH}/{index['id']}/completion")).status_code == 200
    for hour in range(4):
        at = world.now + timedelta(hours=1 + hour)
        await deliver(world, passed(ANN, at), passed(bob, at) if hour < 2 else missed("a", employee=bob, at=at))
    effect = (await world.as_("manager").get("/training/coaching-effect")).json()
    [one] = effect["items"]
    assert (one["key"], one["coached"]["cases"], one["not_coached"]["cases"]) == ("a", 1, 1)
    coached = one["coached"]
    assert (coached["before"]["met"], coached["before"]["n"], coached["after"]["met"], coached["after"]["n"]) == (
        0,
        3,
        4,
        4,
    )
    assert coached["difference"] == 1
    assert coached["low"] < coached["difference"]
    others = one["not_coached"]
    assert (others["before"]["n"], others["after"]["met"], others["after"]["n"]) == (1, 2, 6)
    assert one["net"] == round(1 - others["difference"], 4)
    by_coach = (await world.as_("manager").get("/training/coaching-effect", params={"by": "coach"})).json()
    assert [item["key"] for item in by_coach["items"]] == ["the-trainer"]
    assert (await world.as_("manager").get("/training/coaching-effect", params={"by": "course"})).json()["items"] == []
    assert (await world.as_("agent", sub=ANN).get("/training/coaching-effect")).status_code == 403
