"""Are tokens of an OpenID Connect provider checked with its keys, also while it changes them or is away?

The provider is a real server on this machine, with real RSA and EC keys.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import SecretStr, ValidationError

from shared import keys
from shared.errors import Unauthenticated, Unavailable
from shared.keys import FRESH, LEAST_PAUSE
from shared.settings import Settings
from shared.tokens import Verifier

ISSUER, AUDIENCE = "https://id.example.com/realms/centre", "headset"
ALGORITHMS = {"RSA": jwt.algorithms.RSAAlgorithm, "EC": jwt.algorithms.ECAlgorithm, "OKP": jwt.algorithms.OKPAlgorithm}


class Provider:
    """An identity provider that has keys, publishes some of them, and counts how often it is asked."""

    def __init__(self) -> None:
        self.private: dict[str, Any] = {
            "rsa": rsa.generate_private_key(65537, 2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
            "small": rsa.generate_private_key(65537, 1024),
        }
        self.published: list[dict[str, Any]] = [self.jwk("rsa", "RSA", use="sig")]
        self.status, self.body = 200, None
        self.asked = 0
        self.url = ""
        self._server: asyncio.Server | None = None
        self._port = 0

    def jwk(self, kid: str, kind: str, **more: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ALGORITHMS[kind].to_jwk(self.private[kid].public_key()))  # type: ignore[attr-defined]
        found.pop("key_ops", None)
        return {**found, "kid": kid, **more}

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/jwks"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps({"keys": self.published}).encode() if self.body is None else self.body
        writer.write(f"HTTP/1.1 {self.status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
        writer.write(body)
        await writer.drain()
        writer.close()

    def token(
        self, kid: str = "rsa", algorithm: str = "RS256", header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        now = datetime.now(UTC)
        full = {"sub": "u-1", "roles": ["auditor"], "exp": now + timedelta(hours=1), "iss": ISSUER, "aud": AUDIENCE}
        given = {name: value for name, value in (full | claims).items() if value is not None}
        return jwt.encode(given, self.private[kid], algorithm, {"kid": kid, **(header or {})})


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    await provider.start()
    yield provider
    await provider.stop()


def verifier(provider: Provider, clock: Clock | None = None, **settings: Any) -> Verifier:
    made = Verifier(Settings(jwks_url=provider.url, jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **settings))
    if clock is not None:
        assert made._provider is not None
        made._provider._clock = clock
    return made


async def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(Unauthenticated) as error:
        await verifier.principal(token)
    return str(error.value)


async def test_keys_of_every_kind_and_once_asked_for(provider: Provider) -> None:
    provider.published = [
        provider.jwk("rsa", "RSA"), provider.jwk("ec", "EC", alg="ES256"), provider.jwk("ed", "OKP"),
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}, {}, "x",  # type: ignore[list-item]
    ]  # fmt: skip
    checks = verifier(provider)
    tokens = [provider.token(), provider.token("ec", "ES256"), provider.token("ed", "EdDSA")]
    tokens.append(provider.token(algorithm="PS256"))
    together = await asyncio.gather(*(checks.principal(token) for token in tokens * 5))
    assert {(one.sub, one.roles) for one in together} == {("u-1", frozenset({"auditor"}))}
    assert provider.asked == 1


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # we sign with it, and refuse it
async def test_what_no_token_may_be(provider: Provider) -> None:
    provider.published += [provider.jwk("ec", "EC", alg="ES256"), provider.jwk("small", "RSA")]
    provider.published += [{**provider.jwk("ed", "OKP"), "use": "enc"}]
    checks = verifier(provider)
    public = (
        provider.private["rsa"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    past = datetime.now(UTC) - timedelta(minutes=5)
    for token in (
        handmade({"alg": "none", "kid": "rsa"}, None),
        handmade({"alg": "None", "kid": "rsa"}, None),
        handmade({"alg": "HS256", "kid": "rsa"}, public),
        handmade({"alg": "HS256", "kid": "rsa"}, public.strip()),
        handmade({"alg": "HS256"}, b""),
        provider.token("rsa", header={"kid": "ec"}),
        provider.token("ec", "ES256", header={"kid": "rsa"}),
        provider.token("small"),
        provider.token("ed", "EdDSA"),
        provider.token(header={"kid": "../../etc/passwd"}),
        provider.token(iss="https://id.example.com/realms/other"),
        provider.token(iss=None),
        provider.token(aud="another client"),
        provider.token(aud=None),
        provider.token(exp=past),
        provider.token(nbf=datetime.now(UTC) + timedelta(minutes=5)),
        provider.token(sub=5),
        provider.token(sub="a\0"),
        provider.token(roles="admin"),
        "x",
        "x.y.z",
    ):
        await refused(checks, token)
    assert (await checks.principal(provider.token())).sub == "u-1"


def handmade(header: dict[str, Any], key: bytes | None) -> str:
    claims = {"sub": "x", "roles": ["admin"], "exp": 4_000_000_000, "iss": ISSUER, "aud": AUDIENCE}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    mac = b"" if key is None else hmac.digest(key, ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, base64.urlsafe_b64encode(mac).decode().rstrip("=")])


async def test_keys_are_rotated(provider: Provider) -> None:
    clock = Clock()
    checks = verifier(provider, clock)
    old, new = provider.token(), provider.token("ec", "ES256")
    assert (await checks.principal(old)).sub == "u-1"
    provider.published.append(provider.jwk("ec", "EC"))
    await refused(checks, new)  # it was asked a moment ago
    assert provider.asked == 1
    clock.now += LEAST_PAUSE
    assert (await checks.principal(new)).sub == "u-1"
    assert (await checks.principal(old)).sub == "u-1"
    provider.published.pop(0)
    clock.now += FRESH
    assert (await checks.principal(old)).sub == "u-1"  # and beside it the keys are fetched
    await settled(checks)
    await refused(checks, old)  # also what was remembered
    assert (await checks.principal(new)).sub == "u-1"
    provider.private["ec"] = ec.generate_private_key(ec.SECP256R1())
    provider.published = [provider.jwk("ec", "EC")]  # another key by the same name
    clock.now += FRESH
    await checks.principal(new)
    await settled(checks)
    await refused(checks, new)


async def settled(checks: Verifier) -> None:
    assert checks._provider is not None
    assert checks._provider._fetching is not None
    await checks._provider._fetching


async def test_strangers_do_not_make_us_ask_more(provider: Provider) -> None:
    clock = Clock()
    checks = verifier(provider, clock)
    for n in range(50):
        await refused(checks, provider.token(header={"kid": f"stranger-{n}"}))
    assert provider.asked == 1


@pytest.mark.parametrize("trouble", ["gone", "500", "redirect", "nonsense", "no keys", "endless", "deep"])
async def test_a_provider_that_is_down_takes_nobody_out(
    provider: Provider, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    checks = verifier(provider, clock)
    await checks.principal(provider.token())
    monkeypatch.setattr(keys, "MOST_BYTES", 10_000)
    match trouble:
        case "gone":
            await provider.stop()
        case "500" | "redirect":
            provider.status = 500 if trouble == "500" else 302
        case _:
            bodies = {"nonsense": b"<html>", "no keys": b'{"keys": []}', "endless": b" " * 20_000, "deep": b"[" * 9000}
            provider.body = bodies[trouble]
    clock.now += FRESH
    assert (await checks.principal(provider.token())).sub == "u-1"
    await settled(checks)
    assert (await checks.principal(provider.token(sub="u-2"))).sub == "u-2"
    none_yet = verifier(provider, clock)
    with pytest.raises(Unavailable):
        await none_yet.principal(provider.token())
    if trouble == "gone":
        await provider.start()
    provider.status, provider.body = 200, None
    clock.now += LEAST_PAUSE
    assert (await none_yet.principal(provider.token())).sub == "u-1"


async def test_claims_are_mapped(provider: Provider) -> None:
    checks = verifier(
        provider,
        jwt_roles_claim="realm_access.roles",
        jwt_role_names={"CC-Quality": "auditor", "offline_access": "agent"},
        jwt_employee_claim="employee_id",
    )
    me = "0198c0de-0000-7000-8000-000000000001"
    token = provider.token(realm_access={"roles": ["CC-Quality", "manager", "root"]}, roles=[], employee_id=me)
    principal = await checks.principal(token)
    assert (str(principal.employee_id), principal.roles) == (me, frozenset({"auditor", "manager"}))
    assert (await checks.principal(provider.token(realm_access={"roles": []}))).sub == "u-1"
    for claims in ({"realm_access": ["auditor"]}, {"realm_access": {"roles": "auditor"}}, {}):
        assert "realm_access.roles" in await refused(checks, provider.token(**claims))


async def test_clocks_may_differ_by_the_leeway_and_no_more(provider: Provider) -> None:
    checks = verifier(provider, jwt_leeway=60)
    now = datetime.now(UTC)
    assert (await checks.principal(provider.token(exp=now - timedelta(seconds=40)))).sub == "u-1"
    await refused(checks, provider.token(exp=now - timedelta(seconds=70)))
    await refused(verifier(provider, jwt_leeway=0), provider.token(exp=now - timedelta(seconds=2)))


async def test_with_a_provider_no_other_key_counts(provider: Provider) -> None:
    key = "a key of our own, of thirty-two bytes or more"
    checks = verifier(provider, jwt_key=SecretStr(key))
    claims = {"sub": "x", "roles": ["admin"], "exp": 4_000_000_000, "iss": ISSUER, "aud": AUDIENCE}
    await refused(checks, jwt.encode(claims, key, "HS256"))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"jwks_url": "http://id.example.com/jwks"}, "https"),
        ({"jwks_url": "file:///etc/passwd"}, "https"),
        ({"jwks_url": "https://id.example.com/jwks"}, "jwt_issuer"),
        ({"jwks_url": "https://id.example.com/jwks", "jwt_issuer": "x"}, "jwt_audience"),
        ({"jwt_role_names": {"boss": "root"}}, "root"),
    ],
)
def test_settings_that_would_let_strangers_in_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Settings(**given)
