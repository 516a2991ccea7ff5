"""Who may do what, and with whose data? One table, a line for each route.

The lines of a service are in its `access.py`; those that every service has are here. Routes declare nothing: each
request is held against its line before anything else is done, and an application whose routes and lines are not the
same does not start. docs/authorisation.md is printed from the same lines.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from shared.errors import Forbidden
from shared.settings import ROLES
from shared.tokens import Principal, Whose

_WIDER: tuple[Whose, ...] = get_args(Whose)


@dataclass(frozen=True, slots=True)
class Access:
    """One line: role → with whose data."""

    grants: Mapping[str, Whose]
    open: bool = False
    """Answers without an identity."""
    everybody: Whose | None = None
    """What every identity may, whatever its roles."""
    personal: bool = False
    """The answer has personal data: who reads that of others is written down (`shared.reads`)."""

    _known: dict[frozenset[str], Whose | None] = field(default_factory=dict, repr=False, compare=False)
    """What was worked out already; there are few sets of roles, and every request asks."""

    def whose(self, roles: frozenset[str]) -> Whose | None:
        """With whose data somebody with these roles may do this; None: not at all. The widest of their roles counts."""
        if roles not in self._known:
            granted = [self.grants[role] for role in roles if role in self.grants]
            if self.everybody:
                granted.append(self.everybody)
            self._known[roles] = max(granted, key=_WIDER.index, default=None)
        return self._known[roles]


Table = Mapping[tuple[str, str], Access]
"""(method, path) → line."""


def table(prefix: str, lines: str, **groups: str) -> Table:
    """Read lines of the form `METHOD path role role:own role:team personal`; `groups` are names for several roles.

    A role alone is `role:all`. `everybody` is whoever has an identity, `open` whoever asks. `admin` may everything.
    """
    found: dict[tuple[str, str], Access] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        method, path, *words = line.split()
        grants: dict[str, Whose] = {"admin": "all"}
        for word in " ".join(groups.get(word, word) for word in words).split():
            role, _, whose = word.partition(":")
            if (whose and whose not in _WIDER) or role not in (*ROLES, "everybody", "open", "personal"):
                raise ValueError(f"{line}: {word!r} is no role")
            grants[role] = next((one for one in _WIDER if one == whose), "all")
        if not words or (method, prefix + path) in found:
            raise ValueError(f"{line}: the line has no roles, or is there twice")
        opened, everybody, personal = (grants.pop(mark, None) for mark in ("open", "everybody", "personal"))
        found[method, prefix + path] = Access(grants, opened is not None, everybody, personal is not None)
    return found


OF_ALL: Table = table(
    "",
    """
    GET  /health/live             open
    GET  /health/ready            open
    GET  /metrics                 open
    GET  /docs                    open
    GET  /openapi.json            open
    POST /events                  service
    GET  /dead-letters            admin
    GET  /dead-letters/{id}       admin
    POST /dead-letters/{id}/replay   admin
    POST /dead-letters/{id}/discard  admin
    GET  /reads                   admin
    """,
)
"""What every service answers."""

OPEN_PATHS = frozenset(path for (_, path), line in OF_ALL.items() if line.open)
"""What answers without an identity."""


def admitted(principal: Principal, line: Access) -> Principal:
    """The principal, with whose data they may do this; raises `Forbidden`."""
    whose = line.whose(principal.roles)
    if whose is None:
        roles = [role for role in ROLES if role in line.grants and role != "admin"]
        raise Forbidden("This needs one of the roles {roles}.", roles=", ".join(roles) or "admin")
    return Principal(principal.sub, principal.roles, whose)


def endpoints(routes: Any) -> Iterator[tuple[str, str]]:
    """Method and path of each route, also of those in routers that were included."""
    for route in routes:
        if hasattr(route, "path"):
            yield from ((method, route.path) for method in getattr(route, "methods", None) or () if method != "HEAD")
        inside = getattr(route, "original_router", route)
        yield from endpoints(getattr(inside, "routes", None) or ())


def check_complete(lines: Table, routes: Any) -> None:
    """Raise unless every route has a line. Lines without a route are for the tests to find: a worker has few routes."""
    missing = sorted(set(endpoints(routes)) - set(lines))
    if missing:
        raise RuntimeError(f"access.py has no line for {'; '.join(' '.join(one) for one in missing)}")
