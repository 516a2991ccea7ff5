"""How does somebody prove who they are?

A bearer token is a JWT with `sub` and `roles`. For those who work here, `sub` is the employee id. In embedded mode
Headset signs tokens with a key of its own; elsewhere an identity provider does, whose claims the settings map to these
and whose keys are the subject of `shared.keys`.
"""

import contextlib
import hashlib
import os
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import jwt

from shared.errors import Unauthenticated
from shared.settings import ROLES, Role, Settings

if TYPE_CHECKING:
    from shared.keys import ProviderKeys

Whose = Literal["own", "team", "all"]
"""With whose data: of oneself, also of those one leads, of everybody."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person or another system."""

    sub: str
    roles: frozenset[str]
    sees: Whose = "own"
    """With whose data they may do what they ask for: what the line of the route gives them (`shared.authorisation`)."""

    @property
    def employee_id(self) -> UUID | None:
        """The employee this is; None for outsiders and systems."""
        try:
            return UUID(self.sub)
        except ValueError:
            return None


class Verifier:
    """Checks tokens: with the keys of the identity provider where one is set, else with the one key in the settings.

    Remembers those it has seen until they run out or the keys change, for checking a signature takes time.
    """

    def __init__(self, settings: Settings, *, remembered: int = 10_000) -> None:
        self._key = settings.jwt_key.get_secret_value() if settings.jwt_key else None
        self._settings = settings
        self._provider = _keys_at(settings.jwks_url) if settings.jwks_url else None
        self._edition = 0
        self._seen: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._remembered = remembered

    async def principal(self, token: str) -> Principal:
        """Raises `Unauthenticated` with what is wrong with the token, `Unavailable` where there are no keys yet."""
        if self._provider is not None:
            self._provider.look_again()
            if self._provider.edition != self._edition:  # a key may have gone, and what it signed with it
                self._seen.clear()
                self._edition = self._provider.edition
        digest = hashlib.sha256(token.encode()).digest()  # what lies about in memory is no token
        known = self._seen.get(digest)
        if known and known[0] > datetime.now(UTC).timestamp():
            return known[1]
        try:
            claims = await self._claims(token)
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired; get a new one.") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("The token is not valid here: {reason}.", reason=str(error).rstrip(".")) from error
        principal = self._read(claims)
        self._seen[digest] = (float(claims["exp"]) + self._settings.jwt_leeway, principal)
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        settings = self._settings
        key: Any = self._key
        algorithms: tuple[str, ...] = (settings.jwt_algorithm,)
        if self._provider is not None:
            kid = jwt.get_unverified_header(token).get("kid")
            found = await self._provider.key(kid)
            if found is None:
                raise Unauthenticated("The token is signed with a key that the identity provider does not name.")
            key, algorithms = found.key, found.algorithms
        elif key is None:
            raise Unauthenticated(
                "No key to check tokens with is set; the operator must set HEADSET_JWKS_URL or HEADSET_JWT_KEY."
            )
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=algorithms, issuer=settings.jwt_issuer, audience=settings.jwt_audience,
            leeway=settings.jwt_leeway,
            options={"require": ["sub", "exp"], "verify_aud": settings.jwt_audience is not None},
        )  # fmt: skip
        return claims

    def _read(self, claims: Mapping[str, Any]) -> Principal:
        settings = self._settings
        roles: Any = claims
        for name in settings.jwt_roles_claim.split("."):
            roles = roles.get(name) if isinstance(roles, Mapping) else None
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise Unauthenticated(
                "The token has no list of roles in its claim '{claim}'.", claim=settings.jwt_roles_claim
            )
        sub = claims.get(settings.jwt_employee_claim, claims["sub"])
        if not isinstance(sub, str) or not 1 <= len(sub) <= 200 or not sub.isprintable():
            raise Unauthenticated(
                "The token's claim '{claim}' must be 1 to 200 printable characters.", claim=settings.jwt_employee_claim
            )
        ours = {settings.jwt_role_names.get(role) or role for role in roles}
        return Principal(sub, frozenset(ours) & frozenset(ROLES))


def _keys_at(url: str) -> "ProviderKeys":
    from shared.keys import ProviderKeys  # here, because whoever only signs needs no HTTP client

    return ProviderKeys(url)


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
