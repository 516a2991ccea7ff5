"""Who may see what of the pipeline, and for which side somebody acts?"""

from typing import Annotated

from fastapi import Depends

from services.recruiting.domain.walk import Actor, Side
from shared.identity import Anyone

_SIDES: tuple[Side, ...] = ("call_centre", "hr", "admin")


async def actor_of(principal: Anyone) -> Actor:
    """Whoever asks, as the domain knows them. Not everybody acts for a side; the steps say whose they are."""
    return Actor(principal.sub, frozenset(side for side in _SIDES if side in principal.roles))


Acting = Annotated[Actor, Depends(actor_of)]
