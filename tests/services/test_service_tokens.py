"""Do programs of ours have a token while they work, and never an old one?"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from services.importing.sending import credentials
from shared.errors import CannotStart
from shared.service_tokens import ServiceTokens
from shared.settings import Settings

KEY = SecretStr("a key of our own, of thirty-two bytes or more")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Provider(ThreadingHTTPServer):
    """On this machine: a token endpoint, and a service that notes with what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.answer: Any = {"access_token": "token-{n}", "expires_in": 60}
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.asked.append((self.headers["authorization"], body))
        self._say(json.dumps(self.server.answer).replace("{n}", str(len(self.server.asked))).encode())

    def do_GET(self) -> None:
        self.server.tokens.append(self.headers["authorization"])
        self._say(b"")

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever, args=(0.01,))
        thread.start()
        yield provider
        provider.shutdown()
        thread.join()


def ask(provider: Provider, auth: httpx.Auth, clock: Clock | None = None, *moments: float) -> None:
    with httpx.Client(auth=auth, base_url=provider.url, trust_env=False) as client:
        for moment in moments or (0,):
            if clock is not None:
                clock.now = moment
            client.get("/x")


def test_tokens_of_the_provider_are_renewed_in_time(provider: Provider) -> None:
    clock = Clock()
    settings = Settings(
        token_url=f"{provider.url}/token", client_id="import", client_secret=SecretStr("s"), jwt_audience="headset"
    )
    # A minute each, renewed half a minute early.
    ask(provider, ServiceTokens(settings, "import", clock=clock), clock, 0, 29.9, 30, 59, 60)
    assert provider.tokens == [f"Bearer token-{n}" for n in (1, 1, 2, 2, 3)]
    assert provider.asked[0] == ("Basic aW1wb3J0OnM=", "grant_type=client_credentials&audience=headset")


@pytest.mark.parametrize(
    "answer", [{"error": "invalid_client"}, [], "nonsense", {"access_token": "x", "expires_in": "y"}]
)
def test_a_provider_that_gives_none_is_said(provider: Provider, answer: Any) -> None:
    provider.answer = answer
    with pytest.raises(CannotStart, match="HEADSET_CLIENT_SECRET"):
        ask(provider, ServiceTokens(Settings(token_url=f"{provider.url}/token"), "import"))
    assert provider.tokens == []


def test_an_installation_signs_for_itself_and_not_for_long(provider: Provider) -> None:
    clock, settings = Clock(), Settings(jwt_key=KEY)
    ask(provider, ServiceTokens(settings, "import", clock=clock), clock, 0, 269)
    assert provider.tokens[0] == provider.tokens[1]
    claims = jwt.decode(provider.tokens[0].removeprefix("Bearer "), KEY.get_secret_value(), algorithms=["HS256"])
    assert (claims["sub"], claims["roles"], claims["exp"] - claims["iat"]) == ("import", ["service"], 300)


def test_which_token_a_command_goes_with(provider: Provider) -> None:
    provided = Settings(token_url=f"{provider.url}/token", jwt_key=KEY)
    ask(provider, credentials(provided, provider.url, "given"))
    ask(provider, credentials(provided, provider.url, None))
    ask(provider, credentials(Settings(jwt_key=KEY), provider.url, None))
    assert provider.tokens[:2] == ["Bearer given", "Bearer token-1"]
    assert provider.tokens[2].startswith("Bearer eyJ")
