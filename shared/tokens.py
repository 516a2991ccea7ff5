"""How does somebody prove who they are?

A bearer token is a JWT with `sub` and `roles`. For those who work here, `sub` is the employee id. In embedded mode
Headset signs tokens with a key of its own; elsewhere an identity provider does, and Headset only knows the key.
"""

import contextlib
import os
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import UUID

import jwt

from shared.errors import Unauthenticated
from shared.settings import Settings

Role = Literal["agent", "team_lead", "auditor", "trainer", "hr", "call_centre", "manager", "admin", "service"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person or another system."""

    sub: str
    roles: frozenset[str]

    def has(self, *roles: Role) -> bool:
        return not self.roles.isdisjoint(roles)

    @property
    def employee_id(self) -> UUID | None:
        """The employee this is; None for outsiders and systems."""
        try:
            return UUID(self.sub)
        except ValueError:
            return None


class Verifier:
    """Checks tokens. Remembers those it has seen until they run out, for checking a signature takes time."""

    def __init__(self, settings: Settings, *, remembered: int = 10_000) -> None:
        self._key = settings.jwt_key.get_secret_value() if settings.jwt_key else None
        self._algorithm = settings.jwt_algorithm
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._seen: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self._remembered = remembered

    def principal(self, token: str) -> Principal:
        """Raises `Unauthenticated` with what is wrong with the token."""
        known = self._seen.get(token)
        if known and known[0] > datetime.now(UTC).timestamp():
            return known[1]
        if self._key is None:
            raise Unauthenticated("No key to check tokens with is set; the operator must set HEADSET_JWT_KEY.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, algorithms=[self._algorithm], issuer=self._issuer, audience=self._audience,
                leeway=30, options={"require": ["sub", "exp"], "verify_aud": self._audience is not None},
            )  # fmt: skip
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired; get a new one.") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("The token is not valid here: {reason}.", reason=str(error).rstrip(".")) from error
        roles = claims.get("roles")
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise Unauthenticated("The token has no list of roles in its claim 'roles'.")
        if not 1 <= len(claims["sub"]) <= 200 or not claims["sub"].isprintable():
            raise Unauthenticated("The token's claim 'sub' must be 1 to 200 printable characters.")
        principal = Principal(claims["sub"], frozenset(roles) & frozenset(ROLES))
        self._seen[token] = (float(claims["exp"]), principal)
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return principal


def sign(settings: Settings, sub: str, *roles: Role, valid: timedelta = timedelta(hours=12)) -> str:
    """A token of our own, for embedded mode and tests. Needs the symmetric key in the settings."""
    assert settings.jwt_key is not None
    now = datetime.now(UTC)
    claims = {"sub": sub, "roles": list(roles), "iat": now, "exp": now + valid}
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    return jwt.encode(claims, settings.jwt_key.get_secret_value(), settings.jwt_algorithm)


def own_key(directory: Path) -> str:
    """The signing key of an embedded installation, made at first use and readable by its owner only."""
    file = directory / "signing.key"
    if not file.exists():
        fresh = file.with_suffix(f".{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.link(fresh, file)
        fresh.unlink()
    return file.read_text().strip()
