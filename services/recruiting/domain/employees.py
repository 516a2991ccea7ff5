"""What may become of somebody who works here?

Changes are dated: a state holds from a day on, until the next one. The days of one employee only move forward, since
others ask by day who held a login.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.errors import IllegalState, Invalid


@dataclass(frozen=True, slots=True)
class Employee:
    """Somebody who works here, or did. `since` is the first day, `left_on` the first day no longer here.

    `holds_from` is the first day of the present state. Logins are lent: `agent_id` belongs to one employee at a time.
    """

    id: UUID
    agent_id: str | None
    name: str | None
    department: str | None
    role: str
    team: str | None
    team_lead_id: UUID | None
    mentor_id: UUID | None
    since: date
    holds_from: date
    left_on: date | None = None
    version: int = 1

    def started(self) -> EmployeeStarted:
        return EmployeeStarted(date=self.since, **self._public())

    def changed(self) -> EmployeeChanged:
        return EmployeeChanged(date=self.holds_from, **self._public())

    def left(self) -> EmployeeLeft:
        assert self.left_on is not None
        return EmployeeLeft(employee_id=self.id, date=self.left_on)

    def _public(self) -> dict[str, Any]:
        """What others may know: no name."""
        return {
            "employee_id": self.id,
            "agent_id": self.agent_id,
            "department": self.department,
            "role": self.role,
            "team": self.team,
            "team_lead_id": self.team_lead_id,
            "mentor_id": self.mentor_id,
        }


def change(employee: Employee, wanted: Mapping[str, Any], day: date | None, today: date) -> Employee:
    """The employee with `wanted` holding from `day` (today, unless given); as it was where nothing differs.

    Raises `IllegalState` for somebody who is gone on that day, `Invalid` for a day before the present state began and
    for somebody who would lead or mentor themselves.
    """
    for field in ("team_lead_id", "mentor_id"):
        if wanted.get(field) == employee.id:
            raise Invalid(
                "Nobody leads or mentors themselves; name somebody else in {field}, or null.",
                errors=[{"field": field, "message": "is the employee themself"}],
                field=field,
            )
    changed = replace(employee, **wanted)
    if changed == employee:
        return employee
    if changed.started() == employee.started():  # only the name, which is the same on all days
        return changed
    from_day = day or max(today, employee.holds_from)
    if employee.left_on and from_day >= employee.left_on:
        raise IllegalState(
            "Employee {id} is gone from {left_on} on and cannot change any more; only days before that can. "
            "Somebody who comes back is entered as a new employee.",
            id=employee.id, left_on=employee.left_on,
        )  # fmt: skip
    if from_day < employee.holds_from:
        raise Invalid(
            "What is known of this employee holds from {holds_from} on; a change cannot hold from an earlier day.",
            errors=[{"field": "date", "message": f"lies before {employee.holds_from}"}],
            holds_from=employee.holds_from,
        )
    return replace(changed, holds_from=from_day)


def leave(employee: Employee, day: date) -> Employee:
    """The employee gone from `day` on; as it was if that is known already.

    Raises `IllegalState` if another day is known, `Invalid` for a day before the first one.
    """
    if employee.left_on == day:
        return employee
    if employee.left_on:
        raise IllegalState(
            "Employee {id} is recorded as gone from {left_on} on; a departure is recorded once and its day stays.",
            id=employee.id, left_on=employee.left_on,
        )  # fmt: skip
    if day < employee.since:
        raise Invalid(
            "This employee started on {since}; the first day after leaving cannot lie before that.",
            errors=[{"field": "date", "message": f"lies before {employee.since}"}],
            since=employee.since,
        )
    return replace(employee, left_on=day)


def differences(before: Employee | None, after: Employee) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """For the history: the fields that changed, as JSON, before and after; all of them for a beginning."""
    new: dict[str, Any] = to_jsonable_python(asdict(after))
    if before is None:
        return None, new
    old: dict[str, Any] = to_jsonable_python(asdict(before))
    changed = [field for field in new if new[field] != old[field]]
    return {field: old[field] for field in changed}, {field: new[field] for field in changed}
