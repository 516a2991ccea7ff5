"""What else has to be right before an employee is stored?"""

from collections.abc import Mapping
from uuid import UUID

from services.recruiting.domain.employees import Employee
from services.recruiting.repository import employees as repository
from shared.db import Tx
from shared.errors import FieldError, IllegalState, Invalid


async def check_others(employee: Employee, given: set[str], tx: Tx) -> None:
    """Raise `Invalid` for a lead or mentor nobody knows, `IllegalState` for a login that somebody else holds."""
    named: Mapping[str, UUID | None] = {"team_lead_id": employee.team_lead_id, "mentor_id": employee.mentor_id}
    wanted = {id for field, id in named.items() if id and field in given}
    unknown = wanted - await repository.known(tx, wanted) if wanted else set()
    if unknown:
        wrong: list[FieldError] = [
            {"field": field, "message": f"no employee has the id {id}"} for field, id in named.items() if id in unknown
        ]
        raise Invalid(
            "{fields} must name employees that are there; enter those first.",
            errors=wrong, fields=", ".join(error["field"] for error in wrong),
        )  # fmt: skip
    if employee.agent_id is None or "agent_id" not in given:
        return
    holder = await repository.holder_of(tx, employee.agent_id, employee.holds_from, besides=employee.id)
    if holder and holder.free_from:
        raise IllegalState(
            "Employee {holder} holds the login {agent_id} until {free_from}; let it pass on from that day, "
            "or take another login.",
            holder=holder.id, agent_id=employee.agent_id, free_from=holder.free_from,
        )  # fmt: skip
    if holder:
        raise IllegalState(
            "Employee {holder} holds the login {agent_id}; record their departure or give them another login first, "
            "or take another login here.",
            holder=holder.id, agent_id=employee.agent_id,
        )  # fmt: skip
