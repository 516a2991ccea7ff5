"""Whom may somebody see?"""

from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select, true

from services.performance.tables import employees
from shared.db import Tx
from shared.identity import Principal


def seen_by(principal: Principal) -> ColumnElement[bool]:
    """The employees this principal may see: all, the own team, or only themselves."""
    if principal.sees == "all":
        return true()
    me = principal.employee_id
    if me is None:
        return false()
    if principal.sees == "team":
        return or_(employees.c.employee_id == me, employees.c.team_lead_id == me)
    return employees.c.employee_id == me


async def sees(tx: Tx, principal: Principal, employee_id: UUID) -> bool:
    """Whether there is this employee, as far as this principal is concerned."""
    known = employees.c.employee_id == employee_id, employees.c.known_at.is_not(None)
    return await tx.first(select(employees.c.employee_id).where(*known, seen_by(principal))) is not None
