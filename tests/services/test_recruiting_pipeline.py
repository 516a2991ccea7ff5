"""The steps over HTTP: who may, lists and races, offers, interviews, documents, contracts, reports, leaving."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from services.recruiting.domain.steps import STEP
from shared.contracts.recruiting import EmployeeLeft
from shared.contracts.training import ExaminationFailed
from shared.events import Event
from tests.flows.test_recruiting_flow import evaluated, examined
from tests.recruiting_help import CONTRACT, PLAN, PROFILE, Office
from tests.world import World


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def failed(employee: str, application: str, purpose: Any) -> ExaminationFailed:
    return ExaminationFailed(**examined(employee, application, purpose).model_dump())


async def in_probation(office: Office, **plan: Any) -> tuple[str, str, str]:
    """Requisition, application, employee."""
    requisition = await office.requisition(**plan)
    application = await office.applied(requisition)
    await office.until_list(application)
    await office.hired(application)
    return requisition, application, await office.employed(application)


async def outcome(office: Office, id: str) -> tuple[str, int | None]:
    found = await office.get(f"/applications/{id}")
    return found["status"], found["step"]


@asynccontextmanager
async def held_back(office: Office, count: int) -> AsyncIterator[None]:
    """Requests begun in this block touch no application before that many of them wait for a lock."""
    async with office.world.runtime.databases["recruiting"].transaction() as tx:
        await tx.run(text("SELECT 1 FROM recruiting.applications FOR UPDATE"))
        yield
        waiting = text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        async with asyncio.timeout(20):
            while await tx.scalar(waiting) < count:  # noqa: ASYNC110 - the server tells by being asked
                await asyncio.sleep(0.01)


# Requisitions


async def test_the_author_does_not_approve(office: Office) -> None:
    id = await office.planned()
    refused = await office.on_requisition(id, 1, "approved", who=office.manager, status=403)
    assert "somebody else" in refused["detail"]
    approved = await office.on_requisition(id, 1, "approved", who=office.director)
    assert (approved["status"], approved["done"]) == ("open", [1])
    assert [(step["n"], step["owner"], step["outcomes"]) for step in approved["next"]] == [
        (1, "call_centre", ["held", "cancelled", "closed"]), (3, "call_centre", ["described"]),
    ]  # fmt: skip


async def test_a_plan_is_returned_and_handed_in_again(office: Office) -> None:
    id = await office.planned(headcount=9)
    await office.on_requisition(id, 1, "returned", who=office.director, status=422)  # without a reason
    await office.on_requisition(id, 1, "returned", who=office.director, reason="too_many")
    again = await office.on_requisition(id, 1, "submitted", plan={**PLAN, "headcount": 3}, who=office.director)
    assert (again["status"], again["headcount"], again["authors"]) == ("planned", 3, ["director", "manager"])
    for author in (office.manager, office.director):
        await office.on_requisition(id, 1, "approved", who=author, status=403)
    await office.on_requisition(id, 1, "approved", who=office.world.as_("call_centre", sub="third"))
    history = (await office.get(f"/requisitions/{id}/history"))["items"]
    assert [(line["move"], line["outcome"], line["reason"], line["actor"], line["status"]) for line in history] == [
        ("entered", None, None, "manager", "planned"),
        ("stayed", "returned", "too_many", "director", "returned"),
        ("stayed", "submitted", None, "director", "planned"),
        ("left", "approved", None, "third", "open"),
        ("entered", None, None, "third", "open"),
    ]


async def test_a_replacement_names_who_left(office: Office) -> None:
    for wrong in ({"reason": "replacement"}, {"reason": "replacement", "replaces": str(uuid4())}):
        await office.call(office.manager, "/requisitions", {**PLAN, **wrong}, 422)


async def test_steps_of_the_other_side_are_refused_by_name(office: Office) -> None:
    id = await office.planned()
    refused = await office.on_requisition(id, 1, "approved", who=office.hr, status=403)
    assert "call_centre" in refused["detail"]
    for roles in ("agent", "manager", "team_lead"):
        await office.on_requisition(id, 1, "approved", who=office.world.as_(roles), status=403)  # type: ignore[arg-type]
    await office.on_requisition(id, 1, "approved", who=office.world.as_("admin", sub="root"))
    history = (await office.get(f"/requisitions/{id}/history"))["items"]
    assert [line["side"] for line in history if line["outcome"]] == ["admin"]


async def test_what_is_not_possible_yet_names_what_is(office: Office) -> None:
    id = await office.planned()
    early = await office.on_requisition(id, 2, "published", title="a", text="b", status=409)
    assert "planned" in early["detail"]
    assert "1 plan_headcount (call_centre): approved" in early["detail"]
    await office.on_requisition(id, 21, "revised", planned=1, actual=0, status=409)
    await office.on_requisition(id, 1, "nonsense", who=office.director, status=422)
    await office.call(office.hr, f"/requisitions/{id}/steps/5", {"outcome": "pass"}, 404)
    await office.call(office.hr, f"/requisitions/{id}/steps/23", {"outcome": "pass"}, 422)
    await office.call(office.hr, f"/requisitions/{uuid4()}/steps/2", {"outcome": "published"}, 404)


async def test_on_hold_nothing_moves(office: Office) -> None:
    requisition = await office.requisition()
    application = await office.applied(requisition)
    await office.on_requisition(requisition, 1, "held", reason="budget")
    assert "on hold" in (await office.step(application, 5, "pass", status=409))["detail"]
    await office.apply(requisition, status=409)
    await office.on_requisition(requisition, 1, "reopened")
    await office.step(application, 5, "pass")


async def test_closing_ends_what_is_open(office: Office) -> None:
    requisition = await office.requisition(headcount=2)
    first, second = await office.applied(requisition), await office.applied(requisition)
    await office.until_list(first)
    await office.hired(first)
    await office.on_requisition(requisition, 1, "closed", reason="enough")
    assert (await outcome(office, first))[0] == "hired"
    ended = await office.get(f"/applications/{second}")
    assert (ended["status"], ended["reason"], ended["step"], ended["next"]) == (
        "rejected",
        "requisition_closed",
        None,
        [],
    )
    await office.on_requisition(requisition, 21, "revised", planned=2, actual=1)
    await office.on_requisition(
        requisition, 22, "revised", planned=2, actual=1, changes=[{"role": "agent", "headcount": -1}]
    )


async def test_applications_that_came_before_the_posting_enter_step_5_with_it(office: Office) -> None:
    requisition = await office.planned()
    await office.on_requisition(requisition, 1, "approved", who=office.director)
    profile = await office.call(office.manager, "/job-profiles", PROFILE)
    await office.on_requisition(requisition, 3, "described", profile_id=profile["id"])
    await office.apply(requisition, status=409)
    await office.on_requisition(requisition, 4, "chosen", channels=[{"channel": "website"}])
    application = await office.applied(requisition)
    assert await outcome(office, application) == ("open", None)
    await office.on_requisition(requisition, 2, "published", title="a", text="b", closes_on="2026-03-04")
    assert await outcome(office, application) == ("open", 5)
    office.world.now += timedelta(days=3)
    assert "closed" in (await office.apply(requisition, status=409))["detail"]


async def test_profiles_are_versions_and_requisitions_keep_theirs(office: Office) -> None:
    first = await office.call(office.manager, "/job-profiles", PROFILE)
    second = await office.call(office.manager, "/job-profiles", {**PROFILE, "title": "Agent"})
    assert (first["version"], second["version"]) == (1, 2)
    assert (await office.get(f"/job-profiles/{first['id']}"))["title"] == PROFILE["title"]
    unbalanced = [{**PROFILE["competencies"][0], "weight": 50}, PROFILE["competencies"][1]]  # type: ignore[dict-item, index]
    await office.call(office.manager, "/job-profiles", {**PROFILE, "competencies": unbalanced}, 422)


# Candidates


async def test_the_same_person_is_one_candidate(office: Office) -> None:
    one, other = await office.requisition(), await office.requisition()
    person = {"name": "Li Na", "phone": "+86 138 0013 8000"}
    first = await office.apply(one, candidate=person)
    await office.step(first["id"], 5, "reject", reason="no_experience")
    again = await office.apply(other, candidate={"name": "Li Nana", "phone": "13800138000"})
    assert again["candidate_id"] == first["candidate_id"]
    assert (again["known_by"], again["differs"]) == (["phone"], ["name", "phone"])
    assert [(f["application_id"], f["status"], f["reason"], f["step"]) for f in again["former"]] == [
        (first["id"], "rejected", "no_experience", 5)
    ]
    assert (await office.get(f"/candidates/{first['candidate_id']}"))["name"] == "Li Na"
    await office.apply(other, candidate=person, status=409)  # under way already
    assert (await office.apply(one, candidate=person))["former"]  # but again after a rejection


async def test_another_identity_number_is_another_person(office: Office) -> None:
    requisition = await office.requisition()
    one = await office.apply(requisition, candidate={"phone": "13800138000", "identity_number": "11010519491231002X"})
    other = await office.apply(requisition, candidate={"phone": "13800138000", "identity_number": "110105194912310038"})
    assert other["candidate_id"] != one["candidate_id"]
    assert other["perhaps"] == [one["candidate_id"]]
    rows = await office.world.rows("recruiting", "SELECT * FROM recruiting.candidates")
    assert "11010519491231002X" not in str(rows)


async def test_the_same_person_at_once_is_one_candidate(office: Office) -> None:
    requisitions = [await office.requisition() for _ in range(3)]
    person = {"email": "li.na@example.org"}
    await office.crowd()
    received = await asyncio.gather(*(office.apply(id, candidate=person) for id in requisitions))
    assert len({one["candidate_id"] for one in received}) == 1


async def test_what_an_application_needs(office: Office) -> None:
    requisition = await office.requisition()
    await office.apply(requisition, candidate={"name": "Nobody"}, status=422)
    await office.apply(requisition, channel="agency", status=422)
    await office.apply(requisition, consent_until="2026-03-01", status=422)
    await office.apply(requisition, employee_id=str(uuid4()), status=422)
    await office.call(office.manager, f"/requisitions/{requisition}/applications", {}, 403)
    await office.call(
        office.hr, f"/requisitions/{requisition}/channels", {"channels": [{"channel": "agency", "cost": 9}]}
    )
    assert (await office.apply(requisition, channel="agency"))["channel"] == "agency"


@pytest.mark.parametrize("skip", [True, False])
async def test_internal_candidates(office: Office, skip: bool) -> None:
    object.__setattr__(office.world.settings, "internal_candidates_skip", skip)
    worker = await office.call(
        office.hr, "/employees", {"agent_id": "1001", "role": "agent", "name": "Wu", "date": "2025-01-01"}
    )
    requisition = await office.requisition(role="complaint_agent")
    applied = await office.apply(requisition, employee_id=worker["id"], candidate={})
    id = applied["id"]
    assert (applied["internal"], applied["done"]) == (True, [9, 12] if skip else [])
    await office.step(id, 5, "pass")
    await office.interviewed(id)
    if not skip:
        await office.verified(id)
    await office.step(id, 10, "pass")
    if skip:
        await office.step(id, 11, "pass")
    else:
        await office.hired(id)
    assert (await office.get(f"/requisitions/{requisition}"))["status"] == "filled"
    await office.step(id, 13, "arranged", team="complaints", starts_on="2026-03-16")
    assert "cn-19.2" in (await office.step(id, 14, "signed", **CONTRACT, status=422))["detail"]
    moved = await office.step(id, 14, "signed", kind="formal", starts_on="2026-03-16")
    assert moved["employment"]["employee_id"] == worker["id"]
    employee = await office.get(f"/employees/{worker['id']}")
    assert (employee["role"], employee["team"], employee["agent_id"]) == ("complaint_agent", "complaints", "1001")
    kinds = [kind for kind, _ in await office.events() if kind.startswith("employee.")]
    assert kinds == ["employee.started.v1", "employee.changed.v1"]


# Lists, places, races


async def test_lists_are_all_or_none(office: Office) -> None:
    requisition, other = await office.requisition(), await office.requisition()
    mine, late, foreign = (
        await office.applied(requisition),
        await office.applied(requisition),
        await office.applied(other),
    )
    await office.step(late, 5, "pass")
    refused = await office.lists(requisition, 5, {mine: "pass", late: "reject"}, status=409)
    assert refused["errors"][0]["field"] == "decisions.1"
    await office.lists(requisition, 5, {mine: "pass", foreign: "pass"}, status=404)
    await office.lists(requisition, 5, {mine: "pass"}, who=office.hr, status=403)
    no_reason = {"decisions": [{"application_id": mine, "outcome": "reject"}]}
    await office.call(office.manager, f"/requisitions/{requisition}/lists/5", no_reason, 422)
    await office.lists(requisition, 6, {mine: "pass"}, status=404)
    assert await outcome(office, mine) == ("open", 5)
    decided = await office.lists(requisition, 5, {mine: "reserve"})
    assert decided["applications"][0]["status"] == "reserve"
    await office.lists(requisition, 5, {mine: "pass"})
    assert await outcome(office, mine) == ("open", 6)


async def test_no_more_than_approved(office: Office) -> None:
    requisition = await office.requisition(headcount=2)
    ids = [await office.applied(requisition) for _ in range(4)]
    for id in ids:
        await office.until_list(id)
    refused = await office.lists(requisition, 11, dict.fromkeys(ids[:3], "pass"), status=409)
    assert "2 are approved" in refused["detail"]
    path = f"/recruiting/requisitions/{requisition}/lists/11"
    bodies = [{"decisions": [{"application_id": id, "outcome": "pass"} for id in two]} for two in (ids[:2], ids[2:])]
    async with held_back(office, 2):  # neither is done before the other has begun
        racing = [asyncio.create_task(office.manager.post(path, json=body)) for body in bodies]
    answers = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    rows = await office.world.rows("recruiting", "SELECT 1 FROM recruiting.applications WHERE listed")
    assert len(rows) == 2


async def test_who_declines_frees_a_place_for_the_first_in_reserve(office: Office) -> None:
    requisition = await office.requisition()
    chosen, good, better = [await office.applied(requisition) for _ in range(3)]
    for id, service in ((chosen, 95), (good, 70), (better, 80)):
        await office.until_list(id, service=service)
    await office.lists(requisition, 11, {chosen: "pass", good: "reserve", better: "reserve"})
    await office.step(chosen, 12, "accepted", status=409)
    await office.step(chosen, 12, "offered", expires_on="2026-03-04", status=409)  # no medical yet
    await office.step(chosen, 12, "deferred")
    await office.step(chosen, 12, "fit")
    await office.step(chosen, 12, "offered", expires_on="2026-03-04")
    await office.step(chosen, 12, "offered", expires_on="2026-03-04", status=409)
    await office.step(chosen, 12, "declined")
    assert (await outcome(office, chosen))[0] == "declined"
    assert (await office.get(f"/applications/{better}"))["proposed_at"]
    assert not (await office.get(f"/applications/{good}"))["proposed_at"]
    await office.step(better, 11, "reject", reason="found_other_work")
    assert (await office.get(f"/applications/{good}"))["proposed_at"]
    await office.hired(good)
    assert (await office.get(f"/requisitions/{requisition}"))["status"] == "filled"


async def test_offers_expire(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.until_list(id)
    await office.step(id, 11, "pass")
    await office.step(id, 12, "fit")
    await office.step(id, 12, "offered", expires_on="2026-03-04")
    await office.step(id, 12, "expired", status=409)
    office.world.now += timedelta(days=2)  # the last day
    await office.world.turn("recruiting", "offers")
    assert (await outcome(office, id))[0] == "open"
    office.world.now += timedelta(days=1)
    await office.step(id, 12, "accepted", status=409)
    for _ in range(2):
        await office.world.turn("recruiting", "offers")
    found = await office.get(f"/applications/{id}")
    assert (found["status"], found["offer"]["status"]) == ("declined", "expired")
    withdrawn = [body for kind, body in await office.events() if kind == "application.withdrawn.v1"]
    assert [(body["step"], body["outcome"], body["actor"]) for body in withdrawn] == [(12, "expired", "recruiting")]


async def test_withdrawing_before_the_contract_opens_the_requisition_again(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.until_list(id)
    await office.hired(id)
    assert (await office.get(f"/requisitions/{requisition}"))["status"] == "filled"
    gone = await office.call(office.hr, f"/applications/{id}/withdrawal", {"reason": "other_offer"})
    assert (gone["status"], gone["step"]) == ("withdrawn", None)
    assert (await office.get(f"/requisitions/{requisition}"))["status"] == "open"
    again = await office.call(office.hr, f"/applications/{id}/withdrawal", {"reason": "other_offer"}, 409)
    assert "withdrawn" in again["detail"]


async def test_who_scored_does_not_decide_alone(office: Office) -> None:
    requisition = await office.requisition()
    id, other = await office.applied(requisition), await office.applied(requisition)
    for one in (id, other):
        await office.step(one, 5, "pass")
        await office.interviewed(one, panel=("manager", "lead-1"))
        await office.verified(one)
    assert (await office.lists(requisition, 10, {id: "pass"}))["effective"] is False
    assert (await office.lists(requisition, 10, {id: "pass"}))["effective"] is False  # the same person again
    lead = office.world.as_("call_centre", sub="lead-1")
    assert (await office.lists(requisition, 10, {id: "reserve"}, who=lead))["effective"] is False  # something else
    assert await outcome(office, id) == ("open", 10)
    assert (await office.lists(requisition, 10, {id: "pass"}, who=lead))["effective"] is True
    assert await outcome(office, id) == ("open", 11)
    assert (await office.step(other, 10, "pass", who=office.director))["step"] == 11  # who scored nobody


# Interviews and documents


async def test_interviews(office: Office) -> None:
    requisition = await office.requisition()
    id, other = await office.applied(requisition), await office.applied(requisition)
    times = {"starts_at": "2026-03-04T02:00:00Z", "ends_at": "2026-03-04T03:00:00Z", "place": "room 1"}
    for one in (id, other):
        await office.step(one, 5, "pass")
        await office.step(
            one, 6, "notified", channel="sms", at="2026-03-03T02:00:00Z", place="room 1", acknowledged=True
        )
    await office.step(id, 7, "scheduled", panel=["x"], **{**times, "ends_at": times["starts_at"]}, status=422)
    warned = [await office.step(one, 7, "scheduled", panel=["lead-1", f"only-{one}"], **times) for one in (id, other)]
    assert [len(answer["clashes"]) for answer in warned] == [0, 1]
    [first] = (await office.get(f"/applications/{id}/interviews"))["items"]
    [clash] = first["clashes"]
    assert (clash["members"], clash["same_place"], clash["same_candidate"]) == (["lead-1"], True, False)
    later = {"starts_at": "2026-03-04T04:00:00Z", "ends_at": "2026-03-04T05:00:00Z", "place": "room 1"}
    path = f"/interviews/{first['id']}/reschedule"
    await office.call(office.hr, path, {"panel": ["lead-1", "lead-2"], **later}, 422)  # no reason
    moved = await office.call(office.hr, path, {"panel": ["lead-1", "lead-2"], **later, "reason": "interviewer_ill"})
    assert (moved["clashes"], moved["panel"]) == ([], ["lead-1", "lead-2"])
    assert (await office.step(id, 8, "pass", status=409))["detail"].startswith("2 score sheets")

    sheets = f"/recruiting/interviews/{first['id']}/sheets"
    one, two = (office.world.as_("call_centre", sub=sub) for sub in ("lead-1", "lead-2"))
    await office.score(first["id"], "stranger", 1, 1, status=403)
    draft = {"scores": {"service_awareness": 55}}
    assert (await one.put(f"/recruiting/interviews/{first['id']}/sheet", json=draft)).status_code == 200
    draft["scores"] = {"nonsense": 1}
    assert (await one.put(f"/recruiting/interviews/{first['id']}/sheet", json=draft)).status_code == 422
    await office.score(first["id"], "lead-1", 55, 90)
    await office.score(first["id"], "lead-1", 99, 99, status=409)  # locked
    assert [sheet["member"] for sheet in (await two.get(sheets)).json()["items"]] == ["lead-2"]
    assert [sheet["member"] for sheet in (await office.hr.get(sheets)).json()["items"]] == ["lead-1"]
    assert (await office.world.as_("agent").get(sheets)).status_code == 403
    await office.score(first["id"], "lead-2", 60, 90)
    assert [sheet["member"] for sheet in (await two.get(sheets)).json()["items"]] == ["lead-1", "lead-2"]

    result = await office.get(f"/applications/{id}/result")
    assert (result["score"], result["below"]) == (70.5, ["service_awareness"])
    assert "least score" in (await office.step(id, 8, "pass", status=409))["detail"]
    await office.step(id, 8, "pass", reason="trainable")
    await office.call(office.hr, f"/applications/{id}/interviews", {"panel": ["boss"], **later})
    rounds = (await office.get(f"/applications/{id}/interviews"))["items"]
    assert [(one["round"], one["status"]) for one in rounds] == [(1, "held"), (2, "scheduled")]
    await office.score(rounds[1]["id"], "boss", 65, 90)
    assert (await office.get(f"/applications/{id}/result"))["score"] == 72  # the mean of three sheets


async def test_no_show_is_scheduled_again(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.step(id, 5, "pass")
    await office.step(id, 6, "notified", channel="sms", at="2026-03-03T02:00:00Z", place="room 1")
    for day in (4, 5):
        await office.step(id, 7, "scheduled", panel=["lead-1"], place="room 1",
                          starts_at=f"2026-03-0{day}T02:00:00Z", ends_at=f"2026-03-0{day}T03:00:00Z")  # fmt: skip
        if day == 4:
            assert (await office.step(id, 8, "no_show"))["step"] == 7
    first, second = (await office.get(f"/applications/{id}/interviews"))["items"]
    assert (first["status"], second["status"]) == ("no_show", "scheduled")
    await office.score(second["id"], "lead-1", 80, 80)
    assert (await office.step(id, 8, "pass"))["step"] == 9


async def test_a_mismatch_blocks_the_hiring_list(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.step(id, 5, "pass")
    await office.interviewed(id)
    await office.step(id, 9, "recorded", documents={"identity": "requested"})
    assert "identity requested" in (await office.step(id, 9, "verified", status=409))["detail"]
    await office.step(id, 9, "mismatch", status=409)
    await office.step(id, 9, "mismatch", documents={"identity": "verified", "education": "mismatch"})
    await office.step(id, 10, "pass")
    assert "education" in (await office.step(id, 11, "pass", status=409))["detail"]
    path = f"/recruiting/applications/{id}/documents/education"
    assert (await office.manager.put(path, json={"status": "verified"})).status_code == 403
    corrected = (await office.hr.put(path, json={"status": "verified"})).json()
    assert {one["document"]: one["status"] for one in corrected["documents"]} == {
        "identity": "verified",
        "education": "verified",
    }
    await office.step(id, 11, "pass")


# Employment


async def test_the_employee_begins_with_the_contract(office: Office) -> None:
    requisition, id, employee = await in_probation(office)
    started = [body for kind, body in await office.events() if kind == "employee.started.v1"]
    assert started == [{
        "employee_id": employee, "agent_id": None, "department": "customer service", "role": "agent", "team": "a",
        "team_lead_id": None, "mentor_id": None, "date": "2026-03-16", "application_id": id,
        "source_channel": "website",
    }]  # fmt: skip
    assert (await office.get(f"/employees/{employee}"))["name"] == "Li Na"
    found = await office.get(f"/applications/{id}")
    assert [(one["kind"], one["rules"]) for one in found["employment"]["contracts"]] == [
        ("labour_with_probation", "cn")
    ]
    await office.call(office.hr, f"/applications/{id}/withdrawal", {"reason": "x"}, 409)
    assert requisition == found["requisition_id"]


async def test_signed_before_arranged(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.until_list(id)
    await office.hired(id)
    signed = await office.step(id, 14, "signed", **CONTRACT, agent_id="1001")
    assert [step["n"] for step in signed["next"]] == [13, 16]
    employee = signed["employment"]["employee_id"]
    await office.step(id, 13, "arranged", team="b", mentor_id=str(uuid4()), starts_on="2026-03-16", status=422)
    arranged = await office.step(id, 13, "arranged", team="b", starts_on="2026-03-17")
    assert [step["n"] for step in arranged["next"]] == [15, 16]
    assert (await office.get(f"/employees/{employee}"))["team"] == "b"


async def test_contracts_keep_the_law_or_not(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.until_list(id)
    await office.hired(id)
    long = {**CONTRACT, "ends_on": "2027-03-15"}
    assert "cn-19.1" in (await office.step(id, 14, "signed", **long, status=422))["detail"]
    assert "cn-20" in (await office.step(id, 14, "signed", **{**CONTRACT, "probation_pay": 4000}, status=422))["detail"]
    await office.step(id, 14, "signed", **{**CONTRACT, "kind": "confirmation", "probation_ends_on": None}, status=422)
    object.__setattr__(office.world.settings, "contract_rules", "none")
    await office.step(id, 14, "signed", **long)


async def test_a_fail_allows_one_retake(office: Office) -> None:
    _, id, employee = await in_probation(office)
    world = office.world
    await world.send(failed(employee, id, "pre_job"))
    assert await outcome(office, id) == ("probation", 15)
    await world.send(examined(employee, id, "pre_job"))
    assert await outcome(office, id) == ("probation", 16)
    await world.send(failed(employee, id, "culture"), failed(employee, id, "coaching"))
    assert await outcome(office, id) == ("probation", 16)
    await world.send(failed(employee, id, "culture"))
    assert await outcome(office, id) == ("ended", None)
    assert (await office.get(f"/employees/{employee}"))["left_on"] == "2026-03-16"
    assert not await world.rows("recruiting", "SELECT 1 FROM recruiting.dead_letters")


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_reports_in_any_order_and_twice(office: Office, order: tuple[int, ...]) -> None:
    _, id, employee = await in_probation(office)
    await office.world.settle()
    reports: list[Event] = [examined(employee, id, "pre_job"), examined(employee, id, "culture"), evaluated(employee)]
    letters = [office.world.letter(reports[n]) for n in order]
    for letter in [*letters, *letters]:
        await office.world.deliver("recruiting", letter)
    assert await outcome(office, id) == ("probation", 18)
    rows = await office.world.rows(
        "recruiting", "SELECT step FROM recruiting.step_history WHERE side = 'system' AND move = 'left' ORDER BY step"
    )
    assert [row["step"] for row in rows] == [15, 16, 17]


async def test_reports_before_their_step_wait(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.until_list(id)
    await office.hired(id)
    signed = await office.step(id, 14, "signed", **CONTRACT)
    employee = signed["employment"]["employee_id"]
    await office.world.send(evaluated(employee), examined(employee, id, "culture"), examined(employee, id, "pre_job"))
    assert await outcome(office, id) == ("probation", 13)
    await office.step(id, 13, "arranged", team="a", starts_on="2026-03-16")
    assert await outcome(office, id) == ("probation", 18)


async def test_probation_is_extended_once_and_within_the_law(office: Office) -> None:
    _, id, employee = await in_probation(office)
    world = office.world
    await world.send(examined(employee, id, "pre_job"), examined(employee, id, "culture"), evaluated(employee))
    await office.step(id, 18, "extend", reason="unsure", probation_ends_on="2026-10-01", status=422)
    extended = await office.step(id, 18, "extend", reason="unsure", probation_ends_on="2026-08-15")
    assert (extended["step"], extended["employment"]["probation_ends_on"]) == (17, "2026-08-15")
    await world.send(evaluated(employee))
    assert await outcome(office, id) == ("probation", 18)
    again = await office.step(id, 18, "extend", reason="unsure", probation_ends_on="2026-09-01", status=409)
    assert "once" in again["detail"]
    await office.step(id, 18, "employ")
    await office.step(id, 19, "signed", kind="labour_with_probation", starts_on="2026-08-16",
                      probation_ends_on="2026-09-01", status=422)  # fmt: skip
    await office.step(id, 19, "signed", kind="confirmation", starts_on="2026-08-16")
    await office.step(id, 20, "graded", role="senior_agent", grade="B1", pay_band="P4")
    told = [
        (kind, body) for kind, body in await office.events() if kind in ("employee.graded.v1", "employee.confirmed.v1")
    ]
    await world.settle()
    assert [(kind, body["role"], body["application_id"]) for kind, body in told] == [
        ("employee.confirmed.v1", "agent", id), ("employee.graded.v1", "senior_agent", id),
    ]  # fmt: skip
    assert told[1][1]["grade"] == "B1"
    assert not await world.rows("performance", "SELECT 1 FROM performance.dead_letters")


async def test_who_leaves_has_nothing_open(office: Office) -> None:
    _, id, employee = await in_probation(office)
    departed = await office.call(office.hr, f"/employees/{employee}/departure", {"date": "2026-04-01"})
    assert departed["left_on"] == "2026-04-01"
    await office.world.settle()
    found = await office.get(f"/applications/{id}")
    assert (found["status"], found["step"], found["employment"]["ended_on"]) == ("left", None, "2026-04-01")
    assert not await office.world.rows(
        "recruiting", "SELECT 1 FROM recruiting.open_steps WHERE application_id = :id", id=UUID(id)
    )
    await office.world.deliver(
        "recruiting", office.world.letter(EmployeeLeft(employee_id=UUID(employee), date=office.world.now.date()))
    )
    late = examined(employee, id, "pre_job")
    await office.world.send(late)  # nothing comes of it any more
    assert await outcome(office, id) == ("left", None)
    withdrawn = await office.world.rows(
        "recruiting", "SELECT 1 FROM recruiting.step_history WHERE outcome = 'left' AND move = 'noted'"
    )
    assert len(withdrawn) == 1


async def test_an_internal_candidate_who_leaves_withdraws(office: Office) -> None:
    worker = await office.call(office.hr, "/employees", {"agent_id": "1001", "role": "agent", "date": "2025-01-01"})
    requisition = await office.requisition()
    applied = await office.apply(requisition, employee_id=worker["id"], candidate={})
    await office.call(office.hr, f"/employees/{worker['id']}/departure", {"date": "2026-03-03"})
    await office.world.settle()
    assert await outcome(office, applied["id"]) == ("withdrawn", None)


# Lists of applications, idempotency, what others may see


async def test_filters_and_pages(office: Office) -> None:
    requisition, other = await office.requisition(), await office.requisition()
    ids = [await office.applied(requisition) for _ in range(5)] + [await office.applied(other)]
    await office.step(ids[0], 5, "pass")
    await office.step(ids[1], 5, "reject", reason="no_experience")
    await office.step(ids[2], 5, "reserve", reason="later")

    async def found(**query: Any) -> list[str]:
        return sorted(one["id"] for one in (await office.get("/applications", **query))["items"])

    assert await found() == sorted(ids)
    assert await found(requisition_id=requisition) == sorted(ids[:5])
    assert await found(step=6) == [ids[0]]
    assert await found(status="rejected") == [ids[1]]
    assert await found(requisition_id=requisition, step=5) == sorted(ids[2:5])
    assert await found(requisition_id=requisition, step=5, status="reserve") == [ids[2]]
    assert await found(step=5, status="open") == sorted(ids[3:])
    first = await office.get("/applications", limit=4)
    second = await office.get("/applications", limit=4, cursor=first["next_cursor"])
    assert sorted(one["id"] for one in first["items"] + second["items"]) == sorted(ids)
    for role in ("agent", "team_lead", "auditor", "trainer"):
        answer = await office.world.as_(role).get("/recruiting/applications")  # type: ignore[arg-type]
        assert answer.status_code == 403
    assert (await office.world.as_("manager").get(f"/recruiting/applications/{ids[0]}")).status_code == 200


async def test_the_same_step_at_once_is_done_once(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    path = f"/recruiting/applications/{id}/steps/5"
    async with held_back(office, 6):
        racing = [asyncio.create_task(office.manager.post(path, json={"outcome": "pass"})) for _ in range(6)]
    answers: list[httpx.Response] = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    kinds = [kind for kind, body in await office.events() if body.get("application_id") == id]
    assert kinds == ["application.advanced.v1"]


async def test_events_and_history_name_nobody(office: Office) -> None:
    requisition = await office.requisition()
    person = {"name": "Secretive Name", "phone": "13812345678", "email": "secretive@example.org"}
    id = (await office.apply(requisition, candidate=person))["id"]
    await office.step(id, 5, "reject", reason="no_experience", comment="Secretive Name was late")
    await office.step(id, 5, "reject", reason="He was late", status=409)
    kept = str(await office.events()) + str(
        await office.world.rows("recruiting", "SELECT * FROM recruiting.step_history")
    )
    assert "ecretive" not in kept
    assert "13812345678" not in kept
    [told] = [body for kind, body in await office.events() if kind == "application.rejected.v1"]
    assert told == {
        "application_id": id, "requisition_id": requisition, "step": 5, "outcome": "reject", "reason": "no_experience",
        "actor": "manager",
    }  # fmt: skip


async def test_steps_have_the_day_they_are_due(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    [row] = await office.world.rows(
        "recruiting", "SELECT * FROM recruiting.open_steps WHERE application_id = :id", id=UUID(id)
    )
    assert (row["step"], row["owner"], row["record"], str(row["due_on"])) == (
        5,
        "call_centre",
        "application",
        "2026-03-09",
    )
    assert STEP[5].days == 5


async def test_score_is_a_decimal_until_it_is_shown(office: Office) -> None:
    requisition = await office.requisition()
    id = await office.applied(requisition)
    await office.step(id, 5, "pass")
    await office.interviewed(id, service=66.67, knowledge=70.1)
    [row] = await office.world.rows("recruiting", "SELECT score FROM recruiting.applications")
    assert row["score"] == Decimal("68.0420")
