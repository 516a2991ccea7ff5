"""Three candidates through all steps over HTTP: one confirmed and graded, one rejected in 10, one ended."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from services.recruiting.domain.steps import STEPS
from shared.contracts.performance import ProbationEvaluated
from shared.contracts.training import ExaminationPassed
from shared.ids import new_id
from tests.recruiting_help import Office
from tests.world import World


def examined(employee: str, application: str, purpose: Any) -> ExaminationPassed:
    return ExaminationPassed(
        employee_id=UUID(employee), course="c1", purpose=purpose, score=Decimal(80), application_id=UUID(application)
    )


def evaluated(employee: str) -> ProbationEvaluated:
    return ProbationEvaluated(
        appraisal_id=new_id(), employee_id=UUID(employee), cycle="probation", dimensions={}, total=Decimal(88),
        grade="B", cause="c",
    )  # fmt: skip


async def test_from_headcount_to_grade(world: World) -> None:
    office = Office(world)
    requisition = await office.requisition(headcount=2)
    anna, bai, chen = [await office.applied(requisition) for _ in range(3)]

    await office.lists(requisition, 5, {anna: "pass", bai: "pass", chen: "pass"})
    for candidate, service in ((anna, 90), (bai, 61), (chen, 75)):
        await office.interviewed(candidate, service)
        await office.verified(candidate)
    ranking = (await office.get(f"/requisitions/{requisition}/ranking"))["items"]
    assert [(one["application_id"], one["rank"]) for one in ranking] == [(anna, 1), (chen, 2), (bai, 3)]
    decided = await office.lists(requisition, 10, {anna: "pass", bai: "reject", chen: "pass"})
    assert decided["effective"] is True
    await office.lists(requisition, 11, {anna: "pass", chen: "pass"})
    for candidate in (anna, chen):
        await office.step(candidate, 12, "fit")
        await office.step(candidate, 12, "offered", expires_on="2026-03-10")
        await office.step(candidate, 12, "accepted")
    assert (await office.get(f"/requisitions/{requisition}"))["status"] == "filled"

    employees = {candidate: await office.employed(candidate) for candidate in (anna, chen)}
    await world.settle()
    for service in ("training", "performance", "qa"):
        assert len(await world.rows(service, f"SELECT 1 FROM {service}.employees")) == 2

    for candidate in (anna, chen):
        employee = employees[candidate]
        await world.send(
            examined(employee, candidate, "culture"),
            examined(employee, candidate, "pre_job"),
            evaluated(employee),
        )
        assert (await office.get(f"/applications/{candidate}"))["step"] == 18
    await office.step(anna, 18, "employ")
    await office.step(chen, 18, "end", reason="below_expectation")
    await office.step(anna, 19, "signed", kind="formal", starts_on="2026-06-16", ends_on="2029-03-15", pay=6000)
    graded = await office.step(anna, 20, "graded", grade="A2", pay_band="P3")
    for n in (21, 22):
        await office.on_requisition(requisition, n, "revised", planned=2, actual=1, reasons=["ended_in_probation"])
    await world.settle()

    assert (graded["status"], graded["step"], graded["next"]) == ("graded", None, [])
    assert graded["done"] == list(range(5, 21))
    assert graded["employment"]["grade"] == "A2"
    states = {candidate: (await office.get(f"/applications/{candidate}"))["status"] for candidate in (anna, bai, chen)}
    assert states == {anna: "graded", bai: "rejected", chen: "ended"}
    gone = await office.get(f"/employees/{employees[chen]}")
    assert gone["left_on"] == "2026-03-16"  # had not even begun
    assert (await office.get(f"/employees/{employees[anna]}"))["left_on"] is None
    done = await office.get(f"/requisitions/{requisition}")
    assert done["done"] == [1, 2, 3, 4, 21, 22]
    assert set(done["done"]) | set(graded["done"]) == {step.n for step in STEPS}

    history = (await office.get(f"/applications/{anna}/history", limit=500))["items"]
    reported = [line for line in history if line["move"] == "left" and line["step"] in (15, 16, 17)]
    assert [(line["step"], line["side"]) for line in reported] == [
        (16, "system"), (15, "system"), (17, "system"),
    ]  # fmt: skip
    assert not await world.rows("recruiting", "SELECT 1 FROM recruiting.dead_letters")
    assert not await world.rows("recruiting", "SELECT 1 FROM recruiting.open_steps")
