"""Does recruiting say how staff is spread, what became of applications, and how good those hired are?"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.recruiting.domain.structure import Group, Target, check_targets, compare
from shared.contracts.performance import ProbationEvaluated
from shared.contracts.qa import AuditFailed, AuditOverturned, AuditPassed, AuditRescored
from shared.contracts.training import ExaminationPassed
from shared.errors import Invalid
from shared.events import Event
from shared.ids import new_id
from tests.recruiting_help import Office
from tests.world import World


def groups(items: Sequence[dict[str, Any]]) -> dict[tuple[str | None, str | None], dict[str, Any]]:
    return {(one["department"], one["role"]): one for one in items}


async def test_structure_beside_target_shares(world: World) -> None:
    office = Office(world)
    staff = (
        [("customer_service", "agent")] * 6
        + [("customer_service", "supervisor")] * 2
        + [("data_analytics", "analyst")] * 2
    )
    for department, role in staff:
        await office.call(
            office.hr, "/employees", {"agent_id": None, "department": department, "role": role, "date": "2026-01-05"}
        )
    await office.call(office.hr, "/employees", {"agent_id": None, "role": "agent", "date": "2026-03-03"})  # tomorrow
    found = await office.get("/structure")
    assert (found["id"], found["n"]) == ("2026-03-02", 10)
    by = groups(found["items"])
    agents = by["customer_service", "agent"]
    assert (agents["n"], agents["whole"], agents["share"], agents["target"], agents["gap"]) == (6, 8, 0.75, 0.7, -0.4)
    assert by["customer_service", "senior_agent"]["n"] == 0  # a target without people
    analytics = by["data_analytics", None]
    assert (analytics["of"], analytics["share"], analytics["target"], analytics["gap"]) == (
        "all_staff",
        0.2,
        0.15,
        -0.5,
    )
    assert by["data_analytics", "analyst"]["target"] == 0.1  # of all staff
    assert by["customer_service", None]["target"] is None
    assert (await office.get("/structure", day="2026-03-03"))["n"] == 11


async def test_target_shares_are_adjusted_by_human_resources(world: World) -> None:
    office = Office(world)
    targets = {"targets": [{"department": "customer_service", "role": "agent", "share": 0.8}]}
    refused = await office.manager.put("/recruiting/structure/targets", json=targets)
    assert refused.status_code == 403
    set_ = await office.hr.put("/recruiting/structure/targets", json=targets)
    assert set_.status_code == 200
    assert [(one["role"], one["target"]) for one in set_.json()["items"]] == [(None, None), ("agent", 0.8)]
    targets["targets"] *= 2
    assert (await office.hr.put("/recruiting/structure/targets", json=targets)).status_code == 422


@pytest.mark.parametrize(
    "targets",
    [
        [Target("a", "x", "department", Decimal("0.7")), Target("a", "y", "department", Decimal("0.31"))],
        [Target("a", None, "all_staff", Decimal("0.1")), Target("a", "x", "all_staff", Decimal("0.2"))],
        [Target("a", None, "all_staff", Decimal("0.6")), Target("b", None, "all_staff", Decimal("0.6"))],
        [Target("a", None, "department", Decimal("0.6"))],
    ],
)
def test_shares_are_no_more_than_their_whole(targets: list[Target]) -> None:
    with pytest.raises(Invalid):
        check_targets(targets)


def test_nobody_has_no_share() -> None:
    [department, role] = compare({}, [Target("a", "x", "department", Decimal("0.7"))])
    assert department == Group("a", None, 0, "all_staff", 0, None, None, None)
    assert (role.share, role.gap) == (None, Decimal("0.0"))


async def test_funnel_of_three_candidates(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition(headcount=1)
    await office.call(
        office.hr, f"/requisitions/{requisition}/channels", {"channels": [{"channel": "referral", "cost": 300}]}
    )
    anna, bai, chen = [await office.applied(requisition, channel=c) for c in ("referral", "website", "website")]
    world.now += timedelta(days=2)
    await office.lists(requisition, 5, {anna: "pass", bai: "reject"})
    world.now += timedelta(days=4)
    await office.lists(requisition, 5, {chen: "pass"})
    for one in (anna, chen):
        await office.interviewed(one, panel=("lead-1", "lead-2"))
        await office.verified(one)
    await office.lists(requisition, 10, {anna: "pass", chen: "reject"}, who=office.director)
    await office.hired(anna)

    found = await office.get(f"/requisitions/{requisition}/funnel")
    steps = {one["n"]: one for one in found["steps"]}
    screening = steps[5]
    assert (screening["entered"], screening["left"], screening["closed"], screening["open"]) == (3, 3, 0, 0)
    assert screening["outcomes"] == {"pass": 2, "reject": 1}
    assert (screening["yielded"]["successes"], screening["yielded"]["n"]) == (2, 3)
    assert 0 < screening["yielded"]["low"] < screening["yielded"]["rate"] < screening["yielded"]["high"] < 1
    assert (screening["median_days"], screening["p90_days"]) == (2, 5.2)
    assert steps[12]["outcomes"] == {"accepted": 1}  # the medical and the offer did not leave it
    assert (steps[13]["open"], steps[13]["median_days"]) == (1, None)
    assert all(one["entered"] == one["left"] + one["closed"] + one["open"] for one in steps.values())
    channels = {one["channel"]: one for one in found["channels"]}
    assert (channels["referral"]["cost_per_hire"], channels["website"]["cost_per_hire"]) == (300, None)
    assert channels["website"]["cost_per_application"] == 600.25
    assert channels["website"]["yielded"]["n"] == 2
    assert found["days_to_fill"] == 6
    assert found["quality"]["all"]["hired"] == 1
    assert found["quality"]["all"]["audits_passed"] == {"successes": 0, "n": 0, "rate": None, "low": None, "high": None}
    assert (await office.hr.get(f"/recruiting/requisitions/{new_id()}/funnel")).status_code == 404


async def test_what_has_ended_elsewhere_is_closed(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition()
    one = await office.applied(requisition)
    await office.call(office.hr, f"/applications/{one}/withdrawal", {"reason": "other_offer"})
    [step] = [s for s in (await office.get(f"/requisitions/{requisition}/funnel"))["steps"] if s["n"] == 5]
    assert (step["entered"], step["left"], step["closed"], step["yielded"]["rate"]) == (1, 0, 1, None)


def audited(kind: type[AuditPassed] | type[AuditFailed], employee: str, at: datetime, id: UUID | None = None) -> Event:
    return kind(
        audit_id=id or uuid4(), revision=1, recording_id=new_id(), call_id="c", employee_id=UUID(employee),
        auditor_id="a", scorecard="short", score=Decimal(50), passing_score=Decimal(80), critical_errors=(),
        failed_criteria=(), submitted_at=at,
    )  # fmt: skip


def evaluated(employee: str, total: int) -> ProbationEvaluated:
    return ProbationEvaluated(
        appraisal_id=new_id(), employee_id=UUID(employee), cycle="probation", dimensions={}, total=Decimal(total),
        grade="B", cause="c",
    )  # fmt: skip


async def employed(office: Office, count: int) -> tuple[str, dict[str, str]]:
    """A requisition, and as many employees by application."""
    requisition = await office.requisition(headcount=count)
    people = {}
    for n in range(count):
        one = await office.applied(requisition)
        await office.step(one, 5, "pass")
        await office.interviewed(one, panel=("lead-1",) if n else ("lead-1", "lead-2"))
        await office.verified(one)
        await office.step(one, 10, "pass")
        await office.hired(one)
        people[one] = await office.employed(one)
    return requisition, people


async def test_quality_of_hire(world: World) -> None:
    office = Office(world)
    requisition, people = await employed(office, 2)
    (first, anna), (second, bai) = people.items()
    began = datetime(2026, 3, 16, 4, tzinfo=UTC)
    await world.send(
        audited(AuditPassed, anna, began),
        audited(AuditFailed, anna, began + timedelta(days=89)),
        audited(AuditFailed, anna, began + timedelta(days=90)),  # too late to say something of the hiring
        audited(AuditFailed, anna, began - timedelta(days=1)),  # nor does this
        audited(AuditPassed, bai, began + timedelta(days=1)),
    )
    for application, employee in people.items():
        await world.send(*[
            ExaminationPassed(employee_id=UUID(employee), course="c", purpose=purpose, score=Decimal(80),
                              application_id=UUID(application))
            for purpose in ("culture", "pre_job")
        ], evaluated(employee, 80 if employee == anna else 40))  # fmt: skip
    undecided = (await office.get(f"/requisitions/{requisition}/funnel"))["quality"]["all"]
    assert (undecided["hired"], undecided["probation_passed"]["n"]) == (2, 0)
    await office.step(first, 18, "employ")
    await office.step(second, 18, "end", reason="below_expectation")

    found = (await office.get(f"/requisitions/{requisition}/funnel"))["quality"]
    website = found["by_channel"]["website"]
    assert (website["probation_passed"]["successes"], website["probation_passed"]["n"]) == (1, 2)
    assert (website["audits_passed"]["successes"], website["audits_passed"]["n"]) == (2, 3)
    assert website["audits_passed"]["low"] < website["audits_passed"]["rate"] < website["audits_passed"]["high"]
    assert (website["appraised"], website["mean_appraisal"]) == (2, 60)
    assert {member: one["hired"] for member, one in found["by_interviewer"].items()} == {"lead-1": 2, "lead-2": 1}
    assert found["by_interviewer"]["lead-2"]["probation_passed"]["successes"] == 1


async def test_audits_converge_in_any_order(world: World) -> None:
    def revised(kind: Any, revision: int, passed: bool | None) -> Event:
        found: Event = kind(
            audit_id=id, revision=revision, employee_id=employee, score=Decimal(90), passed=passed, reason="r"
        )
        return found

    at = datetime(2026, 3, 20, tzinfo=UTC)
    id, employee = uuid4(), uuid4()
    for last, expected in ((revised(AuditRescored, 3, True), True), (revised(AuditOverturned, 3, None), None)):
        for order in permutations(range(3)):
            id, employee = uuid4(), uuid4()
            events = [
                audited(AuditFailed, str(employee), at, id), revised(AuditRescored, 2, False),
                last.model_copy(update={"audit_id": id, "employee_id": employee}),
            ]  # fmt: skip
            letters = [world.letter(events[n]) for n in order]
            for letter in (*letters, letters[0]):
                await world.deliver("recruiting", letter)
            [row] = await world.rows("recruiting", "SELECT * FROM recruiting.hire_audits WHERE audit_id = :id", id=id)
            assert (row["revision"], row["passed"], row["submitted_at"]) == (3, expected, at), order
