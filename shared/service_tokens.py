"""With what token does a program of ours ask a service? With short-lived ones, renewed while it works.

Services tell each other everything by events and never ask one another; commands that work over HTTP do ask. Where an
identity provider is set they get their tokens by the client credentials grant (RFC 6749 section 4.4); an installation
with a key of its own signs them.
"""

import time
from collections.abc import Callable, Generator
from datetime import timedelta

import httpx

from shared.errors import CannotStart
from shared.settings import Settings
from shared.tokens import sign

LIFE = timedelta(minutes=5)
_EARLY = 30.0
"""Seconds before its end at which a token is renewed; half its life, if that is less."""


class ServiceTokens(httpx.Auth):
    """Adds a token to each request; the role that it has to have is `service`."""

    requires_response_body = True

    def __init__(self, settings: Settings, sub: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._sub = sub
        self._clock = clock
        self._token = ""
        self._until = float("-inf")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._clock() >= self._until:
            yield from self._renew()
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def _renew(self) -> Generator[httpx.Request, httpx.Response, None]:
        url, life = self._settings.token_url, LIFE.total_seconds()
        if url is None:
            self._token = sign(self._settings, self._sub, "service", valid=LIFE)
        else:
            answer = yield self._asking(url)
            try:
                given = answer.json()
                self._token, life = str(given["access_token"]), float(given.get("expires_in", life))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise CannotStart(
                    "There is no token at {url}: {reason}. Check HEADSET_TOKEN_URL, HEADSET_CLIENT_ID and "
                    "HEADSET_CLIENT_SECRET.",
                    url=url, reason=f"HTTP {answer.status_code}",
                ) from error  # fmt: skip
        self._until = self._clock() + max(life - _EARLY, life / 2)

    def _asking(self, url: str) -> httpx.Request:
        secret = self._settings.client_secret
        form = {"grant_type": "client_credentials"}
        if self._settings.jwt_audience:
            form["audience"] = self._settings.jwt_audience
        request = httpx.Request("POST", url, data=form, headers={"Accept": "application/json"})
        basic = httpx.BasicAuth(self._settings.client_id or "", secret.get_secret_value() if secret else "")
        return next(basic.auth_flow(request))


class GivenToken(httpx.Auth):
    """Adds the token that somebody gave us."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
