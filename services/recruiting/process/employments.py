"""What happens at the steps of an employment, from the accepted offer to the grade?"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.recruiting.domain.contracts import check, check_extension
from services.recruiting.domain.employees import Employee, change, leave
from services.recruiting.domain.forms import (
    Arrangement,
    Contract,
    EmploymentDecision,
    FormalContract,
    Grading,
    ProbationContract,
)  # fmt: skip
from services.recruiting.domain.steps import STEP, Outcome
from services.recruiting.process.employees import check_others
from services.recruiting.process.record import Case, shaped
from services.recruiting.repository import candidates, employees, pipeline
from services.recruiting.repository import employments as repository
from services.recruiting.repository.pipeline import Application, Requisition
from shared.contracts.recruiting import EmployeeConfirmed, EmployeeGraded, EmployeeStarted
from shared.db import RowMapping, Tx
from shared.errors import IllegalState, Invalid
from shared.ids import new_id

_NOT_OF_A_CONTRACT = {"outcome", "reason", "comment", "agent_id"}


async def begin(tx: Tx, application: Application, requisition: Requisition) -> None:
    """An accepted offer begins an employment."""
    candidate = await candidates.candidate(tx, application.candidate_id)
    assert candidate is not None
    values = {
        "employee_id": candidate["employee_id"] if application.internal else None, "internal": application.internal,
        "role": requisition.role, "department": requisition.department,
    }  # fmt: skip
    await repository.begin(tx, application.id, requisition.id, values)


async def _arrange(case: Case) -> None:
    form: Arrangement = case.form
    tx = case.tx
    employment = await _employment(case)
    given = form.model_dump(include={"department", "team", "team_lead_id", "mentor_id"}, exclude_none=True)
    await repository.alter(tx, case.id, starts_on=form.starts_on, **given)
    if 14 in case.application.state.done:
        assert form.starts_on is not None
        await _change(case, employment["employee_id"], given, form.starts_on)
    else:
        stranger = {id for id in (form.team_lead_id, form.mentor_id) if id}
        unknown = stranger - await employees.known(tx, stranger) if stranger else set()
        if unknown:
            raise Invalid(
                "Team lead and mentor must be employees that are there; nobody has the id {unknown}.",
                errors=[
                    {"field": field, "message": "no employee has this id"}
                    for field in ("team_lead_id", "mentor_id")
                    if getattr(form, field) in unknown
                ],
                unknown=", ".join(map(str, unknown)),
            )


async def _sign_probation(case: Case) -> None:
    """The candidate becomes an employee; somebody who works here already gets their new place."""
    if case.outcome.key != "signed":
        return
    form: ProbationContract = case.form
    tx, application = case.tx, case.application
    contract = shaped(Contract, form.model_dump(exclude=_NOT_OF_A_CONTRACT))
    if contract.kind == "confirmation":
        raise _wrong_kind(14, "labour_with_probation, probation_only, formal")
    employment = await _employment(case)
    candidate = await candidates.hold(tx, application.candidate_id)
    assert candidate is not None
    employee_id = employment["employee_id"] or new_id()
    had = employment["internal"] or await repository.had_probation(tx, application.candidate_id, employee_id)
    check(tx.settings.contract_rules, contract, had_probation=had)
    place = {field: employment[field] for field in ("department", "role", "team", "team_lead_id", "mentor_id")}
    if employment["internal"]:
        given = {field: value for field, value in place.items() if value is not None}
        await _change(case, employee_id, given, contract.starts_on)
    else:
        since = contract.starts_on
        employee = Employee(
            id=employee_id, agent_id=form.agent_id, name=candidate["name"], since=since, holds_from=since, **place
        )
        await check_others(employee, {"agent_id", "team_lead_id", "mentor_id"}, tx)
        await employees.add(tx, employee, case.actor.sub)
        await candidates.become_employee(tx, application.candidate_id, employee_id)
        tx.emit(_about(employee.started(), application.id, application.channel))
    await repository.alter(
        tx, case.id, employee_id=employee_id, probation_ends_on=contract.probation_ends_on,
        starts_on=employment["starts_on"] or contract.starts_on,
    )  # fmt: skip
    await _file(case, contract, 14, employee_id)


async def _examine(case: Case) -> Outcome | None:
    """A fail may be made good once; the second one ends the employment."""
    if case.outcome.key != "failed" or not await pipeline.outcome_before(case.tx, case.id, case.n, "failed"):
        return None
    await _end(case, None)
    return STEP[case.n].outcome("failed_again")


async def _decide(case: Case) -> None:
    form: EmploymentDecision = case.form
    tx = case.tx
    employment = await _employment(case)
    match case.outcome.key:
        case "employ":
            employee = await _employee(tx, employment["employee_id"])
            tx.emit(EmployeeConfirmed(**_particulars(employee, case)))
        case "extend":
            if employment["extended"]:
                raise IllegalState("The probation was extended once already; decide to employ or to end.")
            [contract, *_] = await repository.contracts_of(tx, case.id)
            signed = Contract(**{field: contract[field] for field in Contract.model_fields})
            assert form.probation_ends_on is not None
            check_extension(tx.settings.contract_rules, signed, form.probation_ends_on)
            await repository.alter(tx, case.id, extended=True, probation_ends_on=form.probation_ends_on)
        case _:
            await _end(case, form.date)


async def _sign_formal(case: Case) -> None:
    form: FormalContract = case.form
    contract = shaped(Contract, form.model_dump(exclude=_NOT_OF_A_CONTRACT))
    if contract.kind not in ("confirmation", "formal"):
        raise _wrong_kind(19, "confirmation, formal")
    check(case.tx.settings.contract_rules, contract, had_probation=True)
    await _file(case, contract, 19, (await _employment(case))["employee_id"])


async def _grade(case: Case) -> None:
    form: Grading = case.form
    employment = await _employment(case)
    await repository.alter(case.tx, case.id, grade=form.grade, pay_band=form.pay_band)
    if form.role:
        await _change(case, employment["employee_id"], {"role": form.role}, None)
    employee = await _employee(case.tx, employment["employee_id"])
    assert form.grade is not None
    case.tx.emit(EmployeeGraded(grade=form.grade, **_particulars(employee, case)))


async def _end(case: Case, day: date | None) -> None:
    """The employment ends, by default with today. Who worked here before stays in the company."""
    employment = await _employment(case)
    before = await _employee(case.tx, employment["employee_id"])
    gone = day or max(case.today + timedelta(days=1), before.since)
    await repository.alter(case.tx, case.id, ended_on=gone)
    if employment["internal"] or before.left_on:
        return
    after = await employees.save(case.tx, before, leave(before, gone), "left", case.actor.sub)
    case.tx.emit(after.left())


async def _change(case: Case, employee_id: UUID, wanted: Mapping[str, Any], day: date | None) -> None:
    before = await _employee(case.tx, employee_id)
    after = change(before, wanted, max(day, before.holds_from) if day else None, case.today)
    if after == before:
        return
    await check_others(after, set(wanted) - {"agent_id"}, case.tx)
    after = await employees.save(case.tx, before, after, "changed", case.actor.sub)
    case.tx.emit(_about(after.changed(), case.id))


async def _file(case: Case, contract: Contract, n: int, employee_id: UUID) -> None:
    await repository.sign(
        case.tx, contract, application_id=case.id, employee_id=employee_id, step=n,
        candidate_id=case.application.candidate_id, rules=case.tx.settings.contract_rules,
    )  # fmt: skip


async def _employment(case: Case) -> RowMapping:
    found = await repository.employment(case.tx, case.id)
    assert found is not None  # begins when the application is hired
    return found


async def _employee(tx: Tx, id: UUID) -> Employee:
    found = await employees.hold(tx, id)
    assert found is not None
    return found


def _about(event: EmployeeStarted, application_id: UUID, channel: str | None = None) -> EmployeeStarted:
    return event.model_copy(update={"application_id": application_id, "source_channel": channel})


def _particulars(employee: Employee, case: Case) -> dict[str, Any]:
    """What is said of the employee as they are today."""
    day = max(case.today, employee.since)
    return replace(employee, since=day).started().model_dump() | {"application_id": case.id}


def _wrong_kind(n: int, kinds: str) -> Invalid:
    return Invalid(
        "At step {n} a contract is one of {kinds}.",
        errors=[{"field": "kind", "message": "not at this step"}], n=n, kinds=kinds,
    )  # fmt: skip


EFFECTS: Mapping[int, Callable[[Case], Awaitable[Outcome | None]]] = {
    13: _arrange, 14: _sign_probation, 15: _examine, 16: _examine, 18: _decide, 19: _sign_formal, 20: _grade,
}  # fmt: skip
