"""How do the parts of Headset run together in a process?

A runtime holds the databases, the bus and what goes on in the background: relays, consumers, recurring jobs. The same
objects run all services in one process (`LocalBus`) and one service in a process of its own (`KafkaBus`).
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI

from shared import authorisation, mailbox, metrics, spans
from shared.bus import EventBus, LocalBus
from shared.db import Clock, Database, Tx, utc_now
from shared.delivery import Delivery
from shared.direct import text
from shared.errors import CannotStart
from shared.http import GuardedRoute, add_problem_handlers, with_middleware
from shared.ids import first_id_at
from shared.ingest import ingest_router
from shared.openapi import Application
from shared.operations import operations_router
from shared.reads import reads_router
from shared.relay import Relay
from shared.service import Job, Service
from shared.settings import Settings
from shared.watch import watch

log = structlog.get_logger(__name__)


class Runtime:
    """Some services in one process.

    `relay`: publish what is in the outboxes. `consume`: handle what comes from Kafka, and do recurring jobs.
    With a `LocalBus` both are one, so it consumes by being published to.
    """

    def __init__(
        self,
        services: Sequence[Service],
        settings: Settings,
        bus: EventBus,
        *,
        relay: bool = True,
        consume: bool = True,
        clock: Clock = utc_now,
        pause: float = 0.2,
    ) -> None:
        self.services = tuple(services)
        self.settings = settings
        self.bus = bus
        self.databases = {
            s.name: Database(s.name, _url(settings, s.name), s.metadata, settings, clock) for s in services
        }
        self.deliveries = {s.name: Delivery(self.databases[s.name], s.policies, pause=pause) for s in services}
        self.relays = {
            name: Relay(db, bus, sole_writer=isinstance(bus, LocalBus)) for name, db in self.databases.items() if relay
        }
        self._consume = consume
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[BaseException] | None = None
        """Set when something in the background cannot go on."""
        if consume:
            for name, delivery in self.deliveries.items():
                if delivery.topics:
                    bus.subscribe(name, delivery.topics, delivery)

    async def start(self) -> None:
        """Begin the background work."""
        self.failed = asyncio.get_running_loop().create_future()
        spans.switch_on(self.settings, self.databases)
        for relay in self.relays.values():
            self._begin(relay.run())
        if self._consume:
            if not isinstance(self.bus, LocalBus):
                self._begin(self.bus.run())  # type: ignore[attr-defined]
            for service in self.services:
                for job in (*service.jobs, _KEEP_TIDY):
                    self._begin(self._repeat(service.name, job))
                self._begin(watch(self.databases[service.name], service, self._wait, self._stopping.is_set))
        self._begin(self._watch_pools())
        gc.freeze()  # what is loaded now stays; collecting it again and again costs a third of a worker's speed
        gc.set_threshold(50_000, 20, 100)

    async def stop(self) -> None:
        """Finish what is in hand and end."""
        self._stopping.set()
        for relay in self.relays.values():
            relay.stop()
        if not isinstance(self.bus, LocalBus) and self._consume:
            self.bus.stop()  # type: ignore[attr-defined]
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=20)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if not isinstance(self.bus, LocalBus):
            await self.bus.close()  # type: ignore[attr-defined]
        for relay in self.relays.values():
            await relay.close()
        for db in self.databases.values():
            await db.close()
        await spans.switch_off()

    async def drain(self) -> int:
        """Relay until every outbox is empty; how many letters were carried. For commands and tests."""
        total = 0
        while carried := sum([await relay.drain() for relay in self.relays.values()]):
            total += carried
        return total

    @property
    def alive(self) -> bool:
        """Whether every loop turned lately."""
        if self.failed is not None and self.failed.done():
            return False
        turns = getattr(self.bus, "last_turn", {})
        return all(time.monotonic() - turn < 60 for turn in turns.values())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_end)
        self._tasks.append(task)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self.failed is not None and not self.failed.done():
            log.error("background_work_failed", error=f"{type(error).__name__}: {error}", exc_info=error)
            self.failed.set_result(error)

    async def _repeat(self, service: str, job: Job) -> None:
        while not self._stopping.is_set():
            outcome = "failed"
            try:
                outcome = "done" if await run_job(self.databases[service], job) else "elsewhere"
            except Exception as error:
                log.error("job_failed", service=service, job=job.name, error=f"{type(error).__name__}: {error}")
            metrics.JOB_RUNS.labels(service, job.name, outcome).inc()
            await self._wait(job.every.total_seconds())

    async def _watch_pools(self) -> None:
        while not self._stopping.is_set():
            for name, db in self.databases.items():
                metrics.POOL_SIZE.labels(name).set(self.settings.pool_size)
                metrics.POOL_IN_USE.labels(name).set(db.engine.pool.checkedout())  # type: ignore[attr-defined]
            await self._wait(5.0)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def run_job(db: Database, job: Job) -> bool:
    """Do this work now; False where another replica is at it."""
    async with db.transaction() as tx:
        mine = await tx.scalar(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{db.name}.{job.name}"}
        )
        if mine:
            await job.run(tx)
    return bool(mine)


async def _tidy(tx: Tx) -> None:
    keep = tx.settings.topic_retention_days + 1
    await mailbox.keep_partitions(tx.connection, tx.schema, tx.now.date(), keep)
    await tx.run(
        text(f"DELETE FROM {tx.schema}.idempotency_keys WHERE created_at < :oldest"),
        {"oldest": tx.now - timedelta(days=30)},
    )
    await tx.run(
        text(f"DELETE FROM {tx.schema}.reads WHERE id < :first"),
        {"first": first_id_at(tx.now - timedelta(days=tx.settings.reads_retention_days))},
    )


_KEEP_TIDY = Job("tidy", timedelta(hours=1), _tidy)


def _url(settings: Settings, service: str) -> str:
    url = settings.url_of(service)
    if url is None:
        raise CannotStart("No database is named; set DATABASE_URL to a PostgreSQL address.")
    return url


def create_app(runtime: Runtime, *, api: bool = True) -> FastAPI:
    """One FastAPI application for the services of this runtime. Its lifespan starts and stops the runtime.

    Without `api`, for workers: only what operators ask.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await runtime.start()
        try:
            yield
        finally:
            await runtime.stop()

    app = Application(
        title="Headset",
        description="The people side of a call centre: recruiting, training, quality, performance.",
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.runtime = runtime
    app.state.settings = runtime.settings
    app.state.databases = runtime.databases
    if api:
        for service in runtime.services:
            _add(app, service.router)
        names = [service.name for service in runtime.services]
        _add(app, ingest_router("qa" if "qa" in names else names[0]))
    _add(app, operations_router())
    _add(app, reads_router(GuardedRoute))
    app.state.access = {**authorisation.OF_ALL, **{at: line for s in runtime.services for at, line in s.access.items()}}
    authorisation.check_complete(app.state.access, app.routes)
    add_problem_handlers(app)
    with_middleware(app, runtime.settings)
    return app


def _add(app: FastAPI, router: APIRouter) -> None:
    """Have the routes of this router in the application, flat.

    `include_router` would keep the router as a step of its own, and a request pay for every route in it that it is not
    for: six microseconds each in FastAPI 0.165, against half a one.
    """
    app.router.routes.extend(router.routes)
