"""Whose recordings and audits does the one who asks see?"""

from typing import Annotated

from fastapi import Depends

from services.qa.repository.people import Sight
from shared.identity import Anyone, Principal


def sight_of(principal: Principal) -> Sight:
    """Everything, or what is about oneself and those one leads, as the line of the route says."""
    return Sight(
        principal.sub, everything=principal.sees == "all", me=principal.employee_id, leads=principal.sees == "team"
    )


async def _seen(principal: Anyone) -> Sight:
    return sight_of(principal)


Seen = Annotated[Sight, Depends(_seen)]
