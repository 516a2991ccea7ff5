"""Whose recordings and audits does the one who asks see?"""

from typing import Annotated

from fastapi import Depends

from services.qa.repository.people import Sight
from shared.errors import Forbidden
from shared.identity import Anyone, Principal


async def sight_of(principal: Anyone) -> Sight:
    """Everything, or what is about oneself and those one leads; 403 for a role that has nothing to see here."""
    if principal.has("auditor", "manager", "trainer", "service", "admin"):
        return Sight(principal.sub, everything=True, me=principal.employee_id, leads=False)
    if not principal.has("agent", "team_lead"):
        raise Forbidden("Recordings and audits are not for this role.")
    return Sight(principal.sub, everything=False, me=principal.employee_id, leads=principal.has("team_lead"))


def judges(principal: Principal) -> Sight:
    """Whose disputes one may decide."""
    return Sight(
        principal.sub,
        everything=principal.has("manager", "admin"),
        me=principal.employee_id,
        leads=principal.has("team_lead"),
    )


Seen = Annotated[Sight, Depends(sight_of)]
