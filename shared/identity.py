"""Who is asking, and may they? What routes depend on; the tokens themselves are the subject of `shared.tokens`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from shared.errors import Forbidden
from shared.tokens import ROLES, Principal, Role, Verifier, own_key, sign

__all__ = ["ROLES", "Anyone", "Principal", "Role", "Verifier", "allowed", "own_key", "principal_of", "sign"]


async def asking(request: Request) -> Principal:
    """`principal_of` as a dependency: async, for FastAPI sends others to a thread."""
    return principal_of(request)


def principal_of(request: Request) -> Principal:
    """The principal that the middleware found."""
    principal: Principal = request.state.principal
    return principal


def allowed(*roles: Role) -> Callable[[Request], Awaitable[Principal]]:
    """Dependency: the principal, if it has one of these roles; `admin` has all. Otherwise 403."""

    async def check(request: Request) -> Principal:
        principal = principal_of(request)
        if not principal.has(*roles, "admin"):
            raise Forbidden("This needs one of the roles {roles}.", roles=", ".join(roles) or "admin")
        return principal

    return check


Anyone = Annotated[Principal, Depends(asking)]
