"""How do facts from a file get to Headset? Over its HTTP, and again until they are there.

Everything sent has an identity of its own that does not change, so whatever is sent twice counts once.
"""

import re
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import SecretStr

from shared.errors import CannotStart
from shared.i18n import say
from shared.service_tokens import GivenToken, ServiceTokens
from shared.settings import Settings, is_loopback
from shared.tokens import own_key

MOST_EVENTS = 1000
MOST_BYTES = 1_000_000
"""Of a batch; the server takes a mebibyte."""

_AGAIN = frozenset({429, 502, 503, 504})
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_WAITING = re.compile(r"^headset_outbox_rows\{.*\} (\S+)$", re.MULTILINE)
_PUBLISHED = re.compile(r"^headset_events_published_total\{.*\} (\S+)$", re.MULTILINE)


def credentials(settings: Settings, url: str, token: str | None) -> httpx.Auth:
    """The token to go with: the one given, else short-lived ones, of the identity provider where one is set for
    programs, or signed with the key of this installation.

    The key in the data directory is for this machine only, and so are tokens signed with it. Raises `CannotStart` when
    there is no token and no key.
    """
    token = (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise CannotStart("The token has characters that no token has; get one with 'headset token --as service'.")
    if token:
        return GivenToken(token)
    if settings.token_url is not None:
        return ServiceTokens(settings, "import")
    if settings.jwt_key is None and _is_loopback(url) and (settings.data / "signing.key").exists():
        settings = settings.model_copy(update={"jwt_key": SecretStr(own_key(settings.data))})
    if settings.jwt_key is None or settings.jwt_algorithm != "HS256":
        raise CannotStart(
            "There is no token for {url}: start Headset here with 'headset up' (and name its directory with --data if "
            "it is not {directory}), or give a token of the role service with --token or HEADSET_TOKEN.",
            url=url, directory=settings.data,
        )  # fmt: skip
    return ServiceTokens(settings, "import")


def address(url: str | None, settings: Settings) -> str:
    """Where Headset answers: the address given, else that in the settings. `CannotStart` if it is none."""
    url = (url or f"http://{settings.host}:{settings.port}").rstrip("/")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CannotStart("{url} is no address: {reason}.", url=url, reason=error) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise CannotStart("{url} is no address; it begins with http:// or https://.", url=url)
    return url


class Server:
    """A running Headset. Sends again what was not answered, for as long as `patience` seconds; then `CannotStart`."""

    def __init__(self, url: str, auth: httpx.Auth, language: str, *, patience: float = 180) -> None:
        self.url = url
        self.patience = patience
        self._language = language
        self._stop = threading.Event()
        self._http = httpx.Client(
            base_url=url,
            auth=auth,
            timeout=httpx.Timeout(60, connect=5),
            trust_env=not _is_loopback(url),  # a proxy set for the world outside does not lead back here
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def give_up(self) -> None:
        """Try nothing again from now on."""
        self._stop.set()

    def check(self) -> None:
        """Raise `CannotStart` unless Headset answers and takes events from us."""
        patience, self.patience = self.patience, 0
        try:
            self.take_events([])
        finally:
            self.patience = patience

    def take_events(self, letters: Sequence[bytes]) -> None:
        """Hand in CloudEvents; when this returns they are stored safely."""
        body = b"[" + b",".join(letters) + b"]"
        self.ask("POST", "/events", content=body, headers={"Content-Type": "application/cloudevents-batch+json"})

    def ask(self, method: str, path: str, *, refusals: Sequence[int] = (), **request: Any) -> httpx.Response:
        """The answer to a request. `refusals` are the status codes of errors that the caller wants to see itself."""
        began, pause = monotonic(), _SHORTEST_PAUSE
        while True:
            try:
                answer = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                trouble, wait = f"{type(error).__name__}: {error}", pause
            else:
                if answer.is_success or answer.status_code in refusals:
                    return answer
                if answer.status_code not in _AGAIN:
                    raise _unexpected(self.url, method, path, answer)
                trouble, wait = refusal(answer), max(pause, _retry_after(answer))
            if monotonic() + wait - began > self.patience or self._stop.is_set():
                raise CannotStart(
                    "Headset at {url} does not answer: {reason}. Is it running (headset up)? Is --url right?",
                    url=self.url, reason=trouble,
                )  # fmt: skip
            line = say(
                self._language,
                "Headset at {url} does not answer ({reason}); trying again.",
                url=self.url,
                reason=trouble,
            )
            print(line, file=sys.stderr, flush=True)
            self._stop.wait(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def settled(self, patience: float = 20) -> bool:
        """Wait until what was handed in has been carried to the services; False if that stands still for too long.

        Where the metrics do not tell, there is nothing to wait for.
        """
        carried, since, quiet = -1.0, monotonic(), 0
        while quiet < 3:  # the relay may not have looked yet
            try:
                metrics = self.ask("GET", "/metrics", refusals=(401, 403, 404)).text
            except CannotStart:
                return False
            quiet = 0 if any(map(float, _WAITING.findall(metrics))) else quiet + 1
            if (so_far := sum(map(float, _PUBLISHED.findall(metrics)))) != carried:
                carried, since = so_far, monotonic()
            elif monotonic() - since > patience:
                return False
            self._stop.wait(0.2)
        return True


class Sender:
    """Gathers letters into batches and sends them while the next ones are made.

    One request at a time, so letters arrive in the order in which they were added.
    """

    def __init__(self, server: Server) -> None:
        self.sent = 0
        self._server = server
        self._worker = ThreadPoolExecutor(1, "sender")
        self._under_way: Future[None] | None = None
        self._batch: list[bytes] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._send()
                self._wait()
            else:
                self._server.give_up()
        finally:
            self._worker.shutdown(cancel_futures=True)

    def add(self, letters: Sequence[bytes]) -> None:
        """Raises `CannotStart` when an earlier batch could not be sent."""
        size = sum(map(len, letters)) + len(letters)
        if len(self._batch) + len(letters) > MOST_EVENTS or self._bytes + size > MOST_BYTES:
            self._send()
        self._batch += letters
        self._bytes += size

    def _send(self) -> None:
        self._wait()
        batch, self._batch, self._bytes = self._batch, [], 0
        if batch:
            self._under_way = self._worker.submit(self._deliver, batch)

    def _deliver(self, batch: Sequence[bytes]) -> None:
        self._server.take_events(batch)
        self.sent += len(batch)

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()


def _unexpected(url: str, method: str, path: str, answer: httpx.Response) -> CannotStart:
    match answer.status_code:
        case 401 | 403:
            return CannotStart(
                "Headset does not accept the token: {reason} One of the role service is needed "
                "(headset token --as service), given with --token or HEADSET_TOKEN.",
                reason=refusal(answer),
            )
        case 404:
            return CannotStart("{url} does not serve {path}; name an address that does with --url.", url=url, path=path)
    if "problem+json" not in answer.headers.get("content-type", ""):
        return CannotStart("{url} answers {status}; is that Headset?", url=url, status=answer.status_code)
    return CannotStart(
        "Headset refused {method} {path} ({status}): {reason}",
        method=method, path=path, status=answer.status_code, reason=refusal(answer),
    )  # fmt: skip


def refusal(answer: httpx.Response) -> str:
    """What a problem says, in one line."""
    try:
        problem = answer.json()
        wrong = "; ".join(f"{e['field']}: {e['message']}" for e in problem.get("errors", [])[:3])
        return f"{problem['detail']} {wrong}".strip()
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"HTTP {answer.status_code}"


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), 30) if text.isdigit() else 0


def _is_loopback(url: str) -> bool:
    return is_loopback(httpx.URL(url).host)
