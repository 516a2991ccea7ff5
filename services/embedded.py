"""How does one command run everything? Embedded mode: four services, a PostgreSQL of their own, one directory."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import uvicorn

from services.directory import prepare
from shared import logs
from shared.bus import LocalBus
from shared.errors import CannotStart
from shared.migrations import Schema, migrate
from shared.postgres import EmbeddedPostgres
from shared.run import Runtime, create_app
from shared.settings import Settings, is_loopback
from shared.tokens import own_key

Started = Callable[[str], Awaitable[None]]


def listen(settings: Settings) -> socket.socket:
    """A socket to answer on, or `CannotStart`.

    Tokens signed with the key in the data directory, and the demo users, are for this machine only; so is the port.
    """
    if settings.jwks_url is None and not is_loopback(settings.host):
        raise CannotStart(
            "Embedded mode with its own signing key listens on this machine only, not on {host}; to serve others set "
            "HEADSET_JWKS_URL to the keys of an identity provider, or use 'headset serve'.",
            host=settings.host,
        )
    return bound(settings.host, settings.port)


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to this address, or `CannotStart`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise CannotStart(
            "Cannot listen on {host}:{port}: {reason}. Stop what listens there or choose another with --port.",
            host=host, port=port, reason=error.strerror or error,
        ) from error  # fmt: skip
    return listener


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL of the database: the one that is set, else of a server of our own, which ends with the block."""
    if settings.database_url:
        yield settings.database_url
        return
    with EmbeddedPostgres.start(settings.data / "postgres") as server:
        yield server.url


@contextlib.contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: what was started is stopped."""

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(main: Coroutine[Any, Any, int]) -> int:
    """As `asyncio.run`, on uvloop where there is one: it answers twice as many requests a second."""
    with asyncio.Runner(loop_factory=uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()) as runner:
        return runner.run(main)


def up(settings: Settings, started: Started) -> int:
    """Run everything until a signal comes; the exit code. `started` is awaited with the address once it answers."""
    with leaving_on_sigterm(), prepare(settings.data) as log:
        logs.configure(settings.log_level, log)
        try:
            listener = listen(settings)
            with listener, database(settings) as url:
                return run(_serve_all(_embedded(settings, url), listener, started))
        except KeyboardInterrupt:
            return 0


def _embedded(settings: Settings, url: str) -> Settings:
    known: dict[str, object] = {"database_url": url}
    if settings.jwks_url is None:
        known["jwt_key"] = settings.jwt_key or own_key(settings.data)
    return Settings(**{**settings.model_dump(exclude=set(known)), **known})


async def _serve_all(settings: Settings, listener: socket.socket, started: Started) -> int:
    from services.all import SERVICES

    for service in SERVICES:
        await migrate(Schema(service.name, settings.url_of(service.name) or "", service.metadata, service.migrations))
    runtime = Runtime(SERVICES, settings, LocalBus())
    return await serve(runtime, listener, started)


class _Server(uvicorn.Server):
    """uvicorn, with an event for the moment from which it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


async def serve(runtime: Runtime, listener: socket.socket, started: Started | None = None, *, api: bool = True) -> int:
    """Answer on this socket until SIGINT or SIGTERM, or until something in the background cannot go on (code 1)."""
    server = _Server(
        uvicorn.Config(
            create_app(runtime, api=api),
            log_config=None,
            access_log=False,
            lifespan="on",
            proxy_headers=False,  # nothing here asks for the address of a client
            timeout_graceful_shutdown=20,
        )
    )
    # uvicorn raises the signal again once it has ended; by then there is nothing left for it to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    answering = asyncio.ensure_future(server.answering.wait())
    await asyncio.wait([serving, answering], return_when=asyncio.FIRST_COMPLETED)
    answering.cancel()
    beginning = asyncio.ensure_future(_begin(listener, started)) if started and server.started else None
    failing = runtime.failed
    if beginning is not None:
        await asyncio.wait([serving, beginning], return_when=asyncio.FIRST_COMPLETED)
        if beginning.done() and (error := beginning.exception()):
            server.should_exit = True
            await serving
            raise error
        beginning.cancel()
    waiting: list[asyncio.Future[Any]] = [serving, *([failing] if failing else [])]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    failed = not server.started or (failing is not None and failing.done())
    if failed:
        reason = failing.result() if failing is not None and failing.done() else "see the log"
        print(f"headset: {reason}", file=sys.stderr)
    return int(failed)


async def _begin(listener: socket.socket, started: Started) -> None:
    host, port = listener.getsockname()[:2]
    await started(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    gc.collect()
    gc.freeze()
