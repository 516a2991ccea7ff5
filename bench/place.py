"""Where are measurements made? On a PostgreSQL and a Kafka of their own, with the processes that production runs.

PostgreSQL has the settings of the embedded mode, on the disk of this checkout, and commits are durable. It also notes
when each transaction committed: so what is measured is what was committed, by one clock for all sides.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.measure import NotMeasured
from services.all import SERVICES
from shared.contracts import TOPICS
from shared.db import Database
from shared.identity import Role, sign
from shared.kafka import create_topics
from shared.mailbox import keep_partitions
from shared.migrations import Schema, migrate
from shared.postgres import EmbeddedPostgres
from shared.settings import Settings
from tools.kafka.broker import Broker, NoKafka, bootstrap_servers

ROOT = Path(__file__).parent.parent
WORK = ROOT / "bench" / ".work"
LAUNCHER = ROOT / "shared" / "launch.py"
KEY = "a key for measuring, of thirty-two bytes or more"
TEMPLATE = "template_of_all"


@dataclass(slots=True)
class Process:
    """One that we started; what it said is in `log`."""

    pid: int
    port: int
    log: Path
    ended: Callable[[], bool]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"


class Place:
    """Entered once for a run; all that was started ends with it."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._kafka: str | None = None
        self._logs = 0

    async def __aenter__(self) -> Self:
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir(parents=True)
        self._stack.callback(shutil.rmtree, WORK, ignore_errors=True)
        self._server = self._stack.enter_context(
            EmbeddedPostgres.start(WORK / "postgres", {"track_commit_timestamp": "on"})
        )
        try:
            url = await self.database(TEMPLATE, template="template0")
            for service in SERVICES:
                await migrate(Schema(service.name, url, service.metadata, service.migrations))
                db = Database(service.name, url, service.metadata)
                async with db.transaction() as tx:  # what a worker does each day
                    await keep_partitions(tx.connection, service.name, tx.now.date(), 15)
                await db.close()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def url(self, database: str) -> str:
        return f"{self._server.url.rpartition('/')[0]}/{database}"

    @asynccontextmanager
    async def connection(self, url: str) -> AsyncIterator[Any]:
        """A connection of asyncpg, without any layer of ours."""
        connection = await asyncpg.connect(url, server_settings={"jit": "off"})
        try:
            yield connection
        finally:
            await connection.close()

    async def database(self, name: str, template: str = TEMPLATE) -> str:
        """A database of this name, fresh from the template (all schemas, no rows); its URL."""
        async with self.connection(self._server.url) as admin:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    async def checkpoint(self) -> None:
        """Write out what earlier work left to be written, so that the next measurement need not."""
        async with self.connection(self._server.url) as admin:
            await admin.execute("CHECKPOINT")

    async def kafka(self) -> str:
        """The address of a broker that has the topics of the contract."""
        if self._kafka is None:
            try:
                given = bootstrap_servers()
                self._kafka = given or self._stack.enter_context(Broker.start(heap="1g")).bootstrap
            except NoKafka as reason:
                raise NotMeasured(f"no Kafka: {reason}") from reason
            await create_topics(Settings(kafka=self._kafka), TOPICS)
        return self._kafka

    async def settings(self, url: str, *, kafka: bool = True) -> Settings:
        """What the product is told by the environment, for use in this process."""
        # Port 9 discards: nothing answers there.
        return Settings(database_url=url, jwt_key=KEY, kafka=await self.kafka() if kafka else "127.0.0.1:9")

    @staticmethod
    def token(role: Role, sub: str = "bench") -> str:
        return sign(Settings(jwt_key=KEY), sub, role, valid=timedelta(days=1))

    @asynccontextmanager
    async def headset(
        self, *words: str, url: str, kafka: bool = True, module: str = "services"
    ) -> AsyncIterator[Process]:
        """A process of the product (`serve qa`, `work qa`), or of a module that runs as it does, ready."""
        environment = {
            "HEADSET_DATABASE_URL": url,
            "HEADSET_JWT_KEY": KEY,
            "HEADSET_KAFKA": await self.kafka() if kafka else "127.0.0.1:9",
        }
        port = free_port()
        command = ["-m", module, *words, "--port", str(port)]
        async with self.process(*command, port=port, environment=environment) as process:
            await until(lambda: answers(port, "/health/ready"), 60, process)
            yield process

    @asynccontextmanager
    async def process(
        self, *arguments: str, port: int = 0, environment: dict[str, str] | None = None
    ) -> AsyncIterator[Process]:
        """A Python process with these arguments; it ends with the block, or when this process dies."""
        self._logs += 1
        log = WORK / f"process-{self._logs}.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEADSET_", "DATABASE_URL", "KAFKA_"))}
        with log.open("wb") as file:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(LAUNCHER), str(int(signal.SIGTERM)), str(os.getpid()), "same",
                sys.executable, *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file, cwd=ROOT, env=kept | (environment or {}),
            )  # fmt: skip
        try:
            yield Process(child.pid, port, log, lambda: child.returncode is not None)
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            try:
                async with asyncio.timeout(20):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


async def until(
    condition: Callable[[], Awaitable[bool]], seconds: float, process: Process | None = None, every: float = 0.05
) -> None:
    """Wait for a condition; raise `NotMeasured` when the time is over or the process that shall bring it ends."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if process is not None and process.ended():
            raise NotMeasured(f"a process ended early: {process.last_words()}")
        if time.monotonic() > deadline:
            raise NotMeasured(f"waited {seconds:.0f} s in vain" + (f": {process.last_words()}" if process else ""))
        await asyncio.sleep(every)


async def skip_backlog(settings: Settings, service: str) -> None:
    """Have the service's consumer begin behind what is in Kafka already."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=f"headset.{service}", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for topic in TOPICS for n in range(settings.topic_partitions)]
        consumer.assign(partitions)
        await consumer.commit(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()


@dataclass(slots=True)
class Commits:
    """When rows were committed, by PostgreSQL's own clock."""

    at: list[datetime]
    rows: list[int]

    @property
    def total(self) -> int:
        return sum(self.rows)

    @property
    def rate(self) -> float:
        """Rows a second between the first commit and the last: starting up is left out, and so is the first batch."""
        seconds = (self.at[-1] - self.at[0]).total_seconds()
        return (self.total - self.rows[0]) / seconds


async def commits(connection: Any, table: str, where: str = "true", *values: object) -> Commits:
    """The transactions that wrote the rows of a table, by time."""
    found = await connection.fetch(
        f"SELECT pg_xact_commit_timestamp(xmin) AS at, count(*) AS n FROM {table} WHERE {where} GROUP BY 1 ORDER BY 1",
        *values,
    )
    return Commits([row["at"] for row in found], [row["n"] for row in found])
