"""Whose rows may somebody see, and who leads whom?"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from services.qa.tables import employees
from shared.db import Tx


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose rows somebody sees: everybody's, or their own, for team leads with those of the team.

    `sub`: the identity that looks, employee or not; auditors are blind to each other while they calibrate.
    """

    sub: str
    everything: bool
    me: UUID | None
    leads: bool

    def covers(self) -> ColumnElement[bool]:
        """The condition on `employees`, for a sight that is not of everything."""
        own = employees.c.employee_id == self.me
        return or_(own, employees.c.team_lead_id == self.me) if self.leads else own


async def sees(tx: Tx, sight: Sight, employee_id: UUID | None) -> bool:
    """Whether rows about this employee, or about nobody known yet, are in sight."""
    if sight.everything or (employee_id is not None and employee_id == sight.me):
        return True
    if not sight.leads or employee_id is None:
        return False
    return bool(
        await tx.scalar(select(employees.c.employee_id).where(employees.c.employee_id == employee_id, sight.covers()))
    )


async def leads_of(tx: Tx, *, team: str | None = None, ids: Collection[UUID] | None = None) -> dict[UUID, UUID | None]:
    """Employee → team lead, of those in a team, or of those named, or of both at once."""
    query = select(employees.c.employee_id, employees.c.team_lead_id)
    if team is not None:
        query = query.where(employees.c.team == team)
    if ids is not None:
        query = query.where(employees.c.employee_id.in_(ids))
    return {row.employee_id: row.team_lead_id for row in await tx.tuples(query)}


async def left_before(tx: Tx, day: date, *, ids: Collection[UUID]) -> set[UUID]:
    """Those of the employees named who no longer work here on this day."""
    query = select(employees.c.employee_id).where(employees.c.employee_id.in_(ids), employees.c.left_on <= day)
    return {row.employee_id for row in await tx.tuples(query)}
