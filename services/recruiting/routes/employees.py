"""Employees over HTTP: entered, read, changed, gone."""

from dataclasses import asdict
from datetime import date as Day
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_core import to_jsonable_python

from services.recruiting.domain.employees import Employee, change, leave
from services.recruiting.process.employees import check_others
from services.recruiting.repository import employees as repository
from services.recruiting.repository.employees import Filters
from services.recruiting.tables import employee_history, employees
from shared.calendar import local_day
from shared.db import RowMapping, Tx
from shared.errors import IllegalState, NotFound
from shared.events import Code, ExternalId
from shared.http import CurrentTx, check_match, service_router, tag
from shared.identity import Anyone
from shared.ids import new_id
from shared.pages import Cursor, Limit, Page, page

router = service_router("recruiting")


class Particulars(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Code | None = None
    department: Code | None = None
    team: Code | None = None
    team_lead_id: UUID | None = None
    mentor_id: UUID | None = None


class NewEmployee(Particulars):
    """Somebody who works here already, or will from `date` on (today in the centre, unless given)."""

    id: UUID | None = None
    agent_id: ExternalId | None
    """The login that telephony knows; null for somebody without one."""
    role: Code
    date: Day | None = None

    def begin(self, id: UUID, since: Day) -> Employee:
        particulars = self.model_dump(exclude={"id", "date"})
        return Employee(id=id, since=since, holds_from=since, **particulars)


class EmployeeChange(Particulars):
    """The fields to change, and the day from which that holds (today in the centre, unless given)."""

    agent_id: ExternalId | None = None
    role: Code | None = None
    date: Day | None = None

    @field_validator("role")
    @classmethod
    def _has_one(cls, role: Code | None) -> Code:
        if role is None:
            raise ValueError("an employee always has a role")
        return role


class Departure(BaseModel):
    model_config = ConfigDict(extra="forbid")

    date: Day
    """The first day on which the employee is no longer here."""


class EmployeeOut(BaseModel):
    """An employee. `date` is the first day, `left_on` the first day no longer here; `holds_from` the first day of the
    present state."""

    id: UUID
    employee_id: UUID
    agent_id: str | None
    name: str | None
    department: str | None
    role: str
    team: str | None
    team_lead_id: UUID | None
    mentor_id: UUID | None
    date: Day
    holds_from: Day
    left_on: Day | None
    version: int

    @classmethod
    def of(cls, employee: Employee) -> "EmployeeOut":
        return cls(employee_id=employee.id, date=employee.since, **asdict(employee))


class HistoryOut(BaseModel):
    """One change: the fields it touched, before and after. The first entry has all fields and nothing before."""

    id: int
    at: datetime
    actor: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any]


@router.post("/employees", status_code=201, responses={200: {"model": EmployeeOut, "description": "Entered before."}})
async def enter(body: NewEmployee, tx: CurrentTx, principal: Anyone, response: Response) -> EmployeeOut:
    """Enter an employee. With an `id` of your own it is safe to repeat: the same again answers 200."""
    id = body.id or new_id()
    if body.id and (there := await repository.hold(tx, id)):
        return await _entered_before(there, body, tx, response)
    employee = body.begin(id, body.date or local_day(tx.now, tx.settings.zone))
    await check_others(employee, body.model_fields_set, tx)
    if not await repository.add(tx, employee, principal.sub):  # somebody else was faster with this id
        there = await repository.hold(tx, id)
        assert there is not None
        return await _entered_before(there, body, tx, response)
    tx.emit(employee.started())
    tag(response, employee.version)
    return EmployeeOut.of(employee)


@router.get("/employees")
async def employees_list(
    tx: CurrentTx,
    principal: Anyone,
    agent_id: Annotated[ExternalId | None, Query()] = None,
    team: Annotated[Code | None, Query()] = None,
    role: Annotated[Code | None, Query()] = None,
    team_lead_id: UUID | None = None,
    employed_on: Day | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EmployeeOut]:
    """Employees, in the order of their ids. Agents find themselves, team leads themselves and their team."""

    def shape(row: RowMapping) -> EmployeeOut:
        return EmployeeOut.of(repository.employee_of(row))

    query = repository.listing(Filters(agent_id, team, role, team_lead_id, employed_on), principal)
    return await page(tx, query, [employees.c.id], shape, limit=limit, cursor=cursor, newest_first=False)


@router.get("/employees/{id}")
async def employee(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> EmployeeOut:
    found = await repository.find(tx, id, principal)
    if found is None:
        raise _nobody(id)
    tag(response, found.version)
    return EmployeeOut.of(found)


@router.patch("/employees/{id}")
async def alter(
    id: UUID, body: EmployeeChange, tx: CurrentTx, principal: Anyone, request: Request, response: Response
) -> EmployeeOut:
    """Change what is given; what is left out stays. `If-Match` with an old version is refused."""
    before = await _held(id, tx)
    check_match(request, before.version)
    wanted = body.model_dump(exclude_unset=True, exclude={"date"})
    after = change(before, wanted, body.date, local_day(tx.now, tx.settings.zone))
    if after != before:
        await check_others(after, {field for field in wanted if wanted[field] != getattr(before, field)}, tx)
        after = await repository.save(tx, before, after, "changed", principal.sub)
        if after.started() != before.started():  # a name concerns nobody else
            tx.emit(after.changed())
    tag(response, after.version)
    return EmployeeOut.of(after)


@router.post("/employees/{id}/departure")
async def depart(id: UUID, body: Departure, tx: CurrentTx, principal: Anyone, response: Response) -> EmployeeOut:
    """Record the first day without this employee. The same day again changes nothing."""
    before = await _held(id, tx)
    after = leave(before, body.date)
    if after != before:
        after = await repository.save(tx, before, after, "left", principal.sub)
        tx.emit(after.left())
    tag(response, after.version)
    return EmployeeOut.of(after)


@router.get("/employees/{id}/history")
async def history(
    id: UUID,
    tx: CurrentTx,
    principal: Anyone,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[HistoryOut]:
    """Every change of this employee, oldest first: who, when, before, after."""
    if await repository.find(tx, id, principal) is None:
        raise _nobody(id)
    return await page(
        tx, repository.history(id), [employee_history.c.id], HistoryOut.model_validate,
        limit=limit, cursor=cursor, newest_first=False,
    )  # fmt: skip


async def _held(id: UUID, tx: Tx) -> Employee:
    held = await repository.hold(tx, id)
    if held is None:
        raise _nobody(id)
    return held


def _nobody(id: UUID) -> NotFound:
    return NotFound("No employee has the id {id}, or you may not see them.", id=id)


async def _entered_before(there: Employee, body: NewEmployee, tx: Tx, response: Response) -> EmployeeOut:
    """Answer a repetition: compared is what was entered, whatever has become of it since."""
    first = await repository.first_state(tx, there.id)
    again = to_jsonable_python(asdict(body.begin(there.id, body.date or there.since)))
    if again != first:
        raise IllegalState(
            "Employee {id} is there already and was entered with other particulars; change them by PATCH, "
            "or leave the id out for somebody new.",
            id=there.id,
        )
    response.status_code = 200
    tag(response, there.version)
    return EmployeeOut.of(there)
