"""Who is asking? What routes depend on.

Whether they may was settled before, by the line of the route (`shared.authorisation`); the tokens themselves are the
subject of `shared.tokens`.
"""

from typing import Annotated

from fastapi import Depends, Request

from shared.settings import ROLES, Role
from shared.tokens import Principal, Verifier, own_key, sign

__all__ = ["ROLES", "Anyone", "Principal", "Role", "Verifier", "own_key", "principal_of", "sign"]


async def asking(request: Request) -> Principal:
    """`principal_of` as a dependency: async, for FastAPI sends others to a thread."""
    return principal_of(request)


def principal_of(request: Request) -> Principal:
    """The principal that the middleware found, with whose data they may do this."""
    principal: Principal = request.state.principal
    return principal


Anyone = Annotated[Principal, Depends(asking)]
"""Whoever asks; that they may, the table has said."""
