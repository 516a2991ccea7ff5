"""Which keys does the identity provider sign with just now? Its JWKS, fetched off the path of requests and kept.

An unknown key id asks again, but not more often than every `LEAST_PAUSE` seconds, whatever strangers send. What is
older than `FRESH` is fetched anew beside the request that finds it so: a key that has left the set is good until then
and no longer. While the provider is down the keys at hand go on.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import structlog

from shared.errors import Unavailable

log = structlog.get_logger(__name__)

LEAST_PAUSE = 10.0
FRESH = 300.0
MOST_BYTES = 1024 * 1024

# Pinned by the kind of key, never by what a token says of itself: `none` and HMAC with a public key are out of reach.
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",)}
LEAST_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the algorithms that signatures with it may have."""

    key: Any
    algorithms: tuple[str, ...]


def read_keys(document: bytes) -> dict[str, Key]:
    """The keys of a JWKS (RFC 7517) that tokens can be checked with, by `kid`; others are passed over.

    Raises ValueError where the document is no JWKS.
    """
    found = json.loads(document)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("the answer is no key set")
    keys: dict[str, Key] = {}
    for one in found["keys"]:
        if isinstance(one, dict) and (key := _usable(one)):
            keys[str(one.get("kid", ""))] = key
    return keys


def _usable(given: Mapping[str, Any]) -> Key | None:
    kind, named = given.get("kty"), given.get("alg")
    fitting: tuple[str, ...] = _RSA if kind == "RSA" else ()
    if kind in ("EC", "OKP"):
        fitting = _BY_CURVE.get(str(given.get("crv")), ())
    algorithms = tuple(one for one in fitting if named in (None, one))
    if not algorithms or given.get("use", "sig") != "sig" or "d" in given:  # with `d` it is a private key, let out
        return None
    try:
        key = jwt.PyJWK(dict(given), algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if kind == "RSA" and key.key_size < LEAST_RSA_BITS:
        return None
    return Key(key, algorithms)


class ProviderKeys:
    """The keys of one identity provider. For one event loop."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._tried = self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self.edition = 0
        """Rises with every change of the set: what was checked with an older one is to be checked again."""

    async def key(self, kid: str | None) -> Key | None:
        """The key of this id; without an id, the only one there is. `Unavailable` if no key could be had at all."""
        found = self._find(kid)
        if found is None:
            await asyncio.shield(self.refresh())
            found = self._find(kid)
        if not self._keys:
            raise Unavailable("The identity provider cannot be reached, so no token can be checked. Try again soon.")
        return found

    def look_again(self) -> None:
        """Have the keys fetched anew, beside what is going on, if they are old."""
        if self._clock() - self._fetched >= FRESH:
            self.refresh()

    def refresh(self) -> "asyncio.Task[None]":
        """Fetch, unless that is being done or was tried a moment ago; done when there is nothing to wait for."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.ensure_future(self._fetch())
        return self._fetching

    def _find(self, kid: str | None) -> Key | None:
        if kid is not None:
            return self._keys.get(kid)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    async def _fetch(self) -> None:
        if self._clock() - self._tried < LEAST_PAUSE:
            return
        self._tried = self._clock()
        try:
            keys = read_keys(await _get(self._url))
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            log.warning("identity_provider_down", error=f"{type(error).__name__}: {error}"[:300], keys=len(self._keys))
            return
        if not keys:
            log.warning("identity_provider_without_keys", keys=len(self._keys))
            return
        self._fetched = self._clock()
        if keys.keys() != self._keys.keys() or any(not _same(keys[kid], self._keys[kid]) for kid in keys):
            self._keys = keys
            self.edition += 1
            log.info("identity_provider_keys", keys=len(keys))


def _same(one: Key, other: Key) -> bool:
    return one.algorithms == other.algorithms and bool(one.key == other.key)


async def _get(url: str) -> bytes:
    async with (
        httpx.AsyncClient(timeout=5, headers={"Accept": "application/json"}) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.status_code != 200:  # a redirect is no answer either: it could lead anywhere
            raise ValueError(f"the provider answers {answer.status_code}")
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                raise ValueError(f"the key set has more than {MOST_BYTES} bytes")
        return body
