"""Where do the fault tests take place? A real Kafka and a real PostgreSQL behind proxies, and `headset` processes.

    writers → api-1, api-2 (serve lab, two relays) → Kafka → mirror-1, mirror-2 → Kafka → third

Each process has a link of its own to PostgreSQL; the one to Kafka is everybody's, for Kafka tells all the same
address. Its `damage` says which invariants of the plan do not hold; `settled` waits until all of them do.
"""

import asyncio
import contextlib
import inspect
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import asyncpg
import jwt
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.events import Letter
from shared.kafka import KafkaBus, create_topics
from shared.mailbox import DISCARDS_DDL, MAILBOX_DDL
from shared.postgres import EmbeddedPostgres
from shared.reads import READS_DDL
from shared.settings import Settings
from tests.lab import THINGS_DDL, Counted, Followed
from tests.system.faults import entry
from tests.system.faults.load import Load
from tests.system.faults.points import Failure
from tests.system.faults.proxy import Proxy
from tests.system.processes import Process
from tools.kafka.broker import Broker, Cluster

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["tests.system.faults.entry"])
"""Some hundred processes are started; forked from one that has everything imported, each takes no time to speak of."""
KEY = "a key for the fault tests, of thirty-two bytes"
LAB = ("lab", "mirror", "third")
DURABLE = {"fsync": "off", "full_page_writes": "off", "max_connections": "80"}
"""A killed process must lose nothing; only the fall of the whole machine is out of scope, and fsync is against that."""
DRAINED_WITHIN = 60.0
"""Seconds after the last fault. The plan says 5 on an idle machine; this is what a loaded one is allowed."""


class Forked(Process):
    """A process of the fault tests; `wait` and `poll` as those of `subprocess`."""

    def start(self) -> None:
        self._process = _AsPopen(  # type: ignore[assignment]
            FORKING.Process(target=entry.run, args=(self._command, self.environment, self.log), daemon=True)
        )


class _AsPopen:
    def __init__(self, process: multiprocessing.context.ForkServerProcess) -> None:
        self._process = process
        process.start()
        assert process.pid is not None
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("headset", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""libfaketime, where Debian and Ubuntu put it."""


class Clocked(Process):
    """A process of the fault tests with a clock of its own, by libfaketime. Nothing can be forked into that."""

    def start(self) -> None:
        # Loops and timeouts go by the monotonic clock, which is true for everybody, as on a real machine.
        self.environment |= {
            "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.log.with_suffix(".clock")),
            "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        }  # fmt: skip
        super().start()


class Stage:
    """Everything that is needed, and every fault there is."""

    def __init__(self, kafka: Broker | Cluster, directory: Path, seed: int, *, kafka_link: Proxy | None = None) -> None:
        """`kafka_link` is the way of all processes to a single broker, which has to tell its address."""
        self.kafka = kafka
        self.kafka_link = kafka_link
        self.directory = directory
        self.seed = seed
        self.chance = random.Random(seed)
        self.began = time.monotonic()
        self.server = EmbeddedPostgres.start(directory / "postgres", DURABLE)
        self.database_links: dict[str, Proxy] = {}
        """Process → its way to PostgreSQL."""
        self.settings = Settings(
            database_url=self.server.url, jwt_key=KEY, topic_partitions=3,
            kafka=f"127.0.0.1:{kafka_link.port}" if kafka_link else kafka.bootstrap,
            topic_replication=3 if isinstance(kafka, Cluster) else 1,
        )  # fmt: skip
        self.processes: dict[str, Process] = {}
        self.commands: dict[str, Sequence[str]] = {}
        # Without a time of issue: also a server whose clock is slow takes it.
        claims = {"sub": "writer", "roles": ["admin"], "exp": datetime.now(UTC) + timedelta(days=30)}
        self.load = Load([], jwt.encode(claims, KEY))
        self.poison: list[str] = []
        """Event ids that must end as dead letters of mirror."""
        self.injected: dict[str, set[int]] = {}
        """Thing → counts that were put on the bus by the test itself, in any order and number."""
        self.happened: list[str] = []

    def environment(self, name: str, **more: str) -> dict[str, str]:
        """What the process of this name is told."""
        if name not in self.database_links:
            self.database_links[name] = Proxy(self.server.port)
        through = self.server.url.replace(f":{self.server.port}/", f":{self.database_links[name].port}/")
        return {
            "DATABASE_URL": through, "KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka, "HEADSET_JWT_KEY": KEY,
            "HEADSET_POOL_SIZE": "4", "HEADSET_CONSUMER_BATCH": "50", "FAULT_ARMED": str(self._armed(name)), **more,
        }  # fmt: skip

    async def prepare(self) -> Self:
        connection = await asyncpg.connect(self.server.url)
        for name in LAB:
            await connection.execute(f"CREATE SCHEMA {name}")
            await connection.execute((MAILBOX_DDL + DISCARDS_DDL + READS_DDL + THINGS_DDL).format(schema=name))
        await connection.close()
        await create_topics(self.settings, [Counted.kafka_topic, Followed.kafka_topic])
        return self

    def run(self, name: str, *command: str, **environment: str) -> Process:
        """Start a process under this name."""
        log = self.directory / f"{name}.txt"
        self.commands[name] = command
        self.processes[name] = Forked(*command, environment=self.environment(name, **environment), log=log, program=())
        return self.processes[name]

    def again(self, name: str, **environment: str) -> None:
        """Start a process anew, with other faults; do not wait for it. If it still runs, that is its end."""
        process = self.processes[name]
        if not process.ended():
            process.kill()
        process.environment = {**os.environ, **self.environment(name, **environment)}
        process.start()

    def with_clock(self, name: str, seconds: float | None) -> None:
        """Start this process anew with a clock that is wrong by so much; None: with the true one, and forked again."""
        process = self.processes[name]
        if not process.ended():
            process.kill()
        kind: type[Process] = Forked
        if seconds is not None:
            kind = Clocked
            self.set_clock(name, seconds)
        self.processes[name] = kind(
            *self.commands[name], environment=self.environment(name), log=process.log, port=process.port,
            program=(sys.executable, "-m", entry.__name__) if kind is Clocked else (),
        )  # fmt: skip

    def set_clock(self, name: str, seconds: float) -> None:
        """That process sees it within a second."""
        new = self.directory / f"{name}.new-clock"
        new.write_text(f"{seconds:+.0f}\n")
        new.rename(self.directory / f"{name}.clock")

    def run_lab(self, *, doubled: bool = True, **environment: str) -> None:
        """The laboratory's processes, ready; `doubled`: two of each kind that faults are aimed at."""
        for n in (1, 2) if doubled else (1,):
            self.run(f"api-{n}", "serve", "lab", **environment)
            self.run(f"mirror-{n}", "work", "mirror", **environment)
        self.run("third", "work", "third", **environment)
        for process in self.processes.values():
            process.wait_ready(120)
        self.load.urls = [process.url for name, process in self.processes.items() if name.startswith("api")]

    def note(self, text: str) -> None:
        """A line of what happened, for whoever has to understand a failure."""
        self.happened.append(text)
        print(f"[seed {self.seed}, {time.monotonic() - self.began:.1f} s] {text}", flush=True)

    @property
    def broker(self) -> Broker:
        """The only one."""
        assert isinstance(self.kafka, Broker)
        return self.kafka

    @property
    def cluster(self) -> Cluster:
        assert isinstance(self.kafka, Cluster)
        return self.kafka

    def links(self) -> list[list[Proxy]]:
        """The ways to PostgreSQL, and that to Kafka."""
        return [list(self.database_links.values()), *([[self.kafka_link]] if self.kafka_link else [])]

    # What can be asked.

    async def query(self, sql: str) -> list[Any]:
        """What PostgreSQL answers, by a way of our own."""
        connection = await asyncpg.connect(self.server.url)
        try:
            rows: list[Any] = await connection.fetch(sql)
            return rows
        finally:
            await connection.close()

    async def leader(self) -> int | None:
        """The session of the relay that leads in `lab`, if one does."""
        found = await self.query(
            "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND application_name = 'headset-relay-lab'"
        )
        return found[0]["pid"] if found else None

    async def waiting(self, seconds: float = 0.0) -> int:
        """Letters that have been in the outbox of `lab` for longer than this."""
        [row] = await self.query(
            f"SELECT count(*) AS n FROM lab.outbox WHERE created_at < now() - interval '{seconds} seconds'"
        )
        return int(row["n"])

    async def applied_by_mirror(self, n: int) -> bool:
        """Whether it has so many changes, or more."""
        [row] = await self.query("SELECT sum(cardinality(seen)) AS n FROM mirror.things")
        return bool((row["n"] or 0) >= n)

    # What the invariants say.

    async def damage(self) -> list[str]:
        """Each invariant that does not hold now, in a line. Nothing may be under way."""
        connection = await asyncpg.connect(self.server.url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                things = {name: await connection.fetch(f"SELECT id, total, seen FROM {name}.things") for name in LAB}
                waiting = {name: await connection.fetchval(f"SELECT count(*) FROM {name}.outbox") for name in LAB}
                inbox = {name: await connection.fetchval(f"SELECT count(*) FROM {name}.inbox") for name in LAB}
                dead = {
                    name: sorted(r["event_id"] for r in await connection.fetch(f"SELECT * FROM {name}.dead_letters"))
                    for name in LAB
                }
        finally:
            await connection.close()
        seen: dict[str, dict[str, list[int]]] = {n: {r["id"]: r["seen"] for r in rows} for n, rows in things.items()}
        found = []
        for thing, last in self.load.acknowledged.items():  # I1, I7: what was acknowledged, once, in its order
            if (there := seen["lab"].get(thing)) != list(range(1, last + 1)):
                found.append(f"lab.{thing}: {last} acknowledged, stored: {_odd(there, last)}")
        for name in ("mirror", "third"):
            for thing, last in self.load.acknowledged.items():  # I1, I3: applied once each, in the order of changes
                if (there := seen[name].get(thing)) != list(range(1, last + 1)):
                    found.append(f"{name}.{thing}: {last} published, applied: {_odd(there, last)}")
            for thing, counts in self.injected.items():  # in any order, but once
                if sorted(there := seen[name].get(thing, [])) != sorted(counts):
                    found.append(
                        f"{name}.{thing}: injected {len(counts)}, applied {len(there)}, {len(set(there))} kinds"
                    )
            found += [f"{name}.{t}: the total is {n}" for t, n, counts in things[name] if n != sum(counts)]  # I2
            handled = sum(map(len, seen[name].values()))
            if inbox[name] != handled:  # I4
                found.append(f"{name}: {inbox[name]} letters in the inbox, {handled} applied")
        found += [f"{name}: {n} letters in the outbox" for name, n in waiting.items() if n]  # I5
        if dead["mirror"] != sorted(self.poison) or dead["third"] or dead["lab"]:  # I6
            found.append(f"dead letters {dead}, poison {sorted(self.poison)}")
        return found

    async def lag(self) -> int:
        """Records that the groups have not said to be done with (I8)."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        await consumer.start()
        try:
            lag = 0
            for group, topic in (("headset.mirror", Counted.kafka_topic), ("headset.third", Followed.kafka_topic)):
                partitions = [TopicPartition(topic, n) for n in range(self.settings.topic_partitions)]
                ends = await consumer.end_offsets(partitions)
                done = await admin.list_consumer_group_offsets(group)
                lag += sum(ends[p] - (done[p].offset if p in done else 0) for p in partitions)
                ahead = [p for p in partitions if p in done and done[p].offset > ends[p]]
                assert not ahead, f"{group} has committed beyond the end: {ahead}"
            return lag
        finally:
            await consumer.stop()
            await admin.close()

    async def quiet(self, seconds: float = DRAINED_WITHIN) -> None:
        """Wait until nothing is under way any more."""
        deadline = time.monotonic() + seconds
        while True:
            connection = await asyncpg.connect(self.server.url)
            waiting = sum([await connection.fetchval(f"SELECT count(*) FROM {name}.outbox") for name in LAB])
            await connection.close()
            if not waiting and not await self.lag():
                return
            assert time.monotonic() < deadline, f"{waiting} letters in outboxes, lag {await self.lag()}"
            await asyncio.sleep(0.05)

    async def settled(self, after: str) -> None:
        """The writers rest; within the time allowed every invariant holds. Then they go on."""
        await asyncio.to_thread(self.load.pause)
        began = time.monotonic()
        while True:
            found = await self.damage()
            if not found:
                break
            told = "\n".join([*found[:10], "what happened:", *self.happened[-20:]])
            assert time.monotonic() < began + DRAINED_WITHIN, f"after {after}, seed {self.seed}:\n{told}"
            self.supervise()
            await asyncio.sleep(0.05)
        self.note(f"{after}: whole after {time.monotonic() - began:.1f} s, {self.load.written()} written")
        self.load.go()

    # Faults.

    def _armed(self, name: str) -> Path:
        return self.directory / f"{name}.armed"

    def _reached(self, name: str, failure: Failure) -> int:
        """How often this process has failed like this."""
        with contextlib.suppress(FileNotFoundError):
            return self._armed(name).with_suffix(".reached").read_text().split().count(str(failure))
        return 0

    def arm(self, name: str, *failures: Failure) -> None:
        """From now on this process fails so, each time once; without any, not at all."""
        new = self._armed(name).with_suffix(".new")
        new.write_text(" ".join(f"{failure}:{failure.nth}" for failure in failures))
        new.rename(self._armed(name))

    def supervise(self) -> None:
        """Start anew what has ended, as whatever runs the processes does."""
        for name, process in self.processes.items():
            if process.ended():
                self.again(name)

    async def fail(self, *failures: Failure) -> list[str]:
        """Have all of these happen, in no order; who failed, for each. What ends by that is started anew."""
        self.note(" and ".join(f"{failure} in {'/'.join(failure.names)}" for failure in failures))
        names = {name for failure in failures for name in failure.names}
        before = {(name, failure): self._reached(name, failure) for failure in failures for name in failure.names}
        who: dict[Failure, str] = {}
        ending: set[str] = set()

        def arm(name: str) -> None:
            self.arm(name, *(failure for failure in failures if failure not in who and name in failure.names))

        def all_happened() -> bool:
            for name, failure in before:
                if failure not in who and self._reached(name, failure) > before[name, failure]:
                    who[failure] = name
                    ending.update([name] if failure.way == "exit" else [])
                    for other in failure.names:
                        arm(other)
            for name in names:
                if self.processes[name].ended():
                    ending.discard(name)
                    arm(name)
                    self.again(name)
            return len(who) == len(failures) and not ending

        for name in names:
            arm(name)
            if any(failure.point in ("P1", "C6") for failure in failures if name in failure.names):
                self.again(name)  # this happens when it starts
        await eventually(f"{' and '.join(map(str, failures))} happens", all_happened)
        for name in names:
            self.arm(name)
        return [who[failure] for failure in failures]

    def kill_database(self) -> None:
        """As a crash of the server, with all its processes; then its recovery."""
        family = [psutil.Process(self.server.pid), *psutil.Process(self.server.pid).children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.server.stop()
        self.server = EmbeddedPostgres.start(self.directory / "postgres", DURABLE)
        for link in self.database_links.values():
            link.target = self.server.port

    @contextlib.contextmanager
    def stopped_database(self) -> Any:
        family = [psutil.Process(self.server.pid), *psutil.Process(self.server.pid).children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
        try:
            yield
        finally:
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.resume()

    async def pile_up(self, n: int = 50) -> None:
        """Have letters wait in the outbox, so that the relay publishes many at once."""
        self.broker.pause()
        goal = self.load.written() + n
        await eventually("letters pile up", lambda: self.load.written() >= goal)
        self.broker.resume()

    async def publish(self, letters: Sequence[Letter]) -> None:
        """Put letters on the bus, as another system would."""
        bus = KafkaBus(self.settings)
        try:
            await bus.publish(letters)
        finally:
            await bus.close()

    async def history(self, topic: str) -> list[tuple[bytes, bytes, Any]]:
        """Key, value and headers of every record of a topic so far; no offset may be missing (I10)."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap)
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, n) for n in range(self.settings.topic_partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(partitions)
            records: list[tuple[bytes, bytes, Any]] = []
            begins: dict[TopicPartition, int] = {}
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for partition, batch in (await consumer.getmany(timeout_ms=200)).items():
                    begin = begins.get(partition, 0)
                    begins[partition] = begin + len(batch)
                    assert [record.offset for record in batch] == list(range(begin, begins[partition])), partition
                    records += [(record.key, record.value, record.headers) for record in batch]
            return records
        finally:
            await consumer.stop()

    async def reset(self) -> None:
        """End all processes and forget everything, so that damage done on purpose harms no other test."""
        for process in self.processes.values():
            if not process.ended():
                process.kill()
        connection = await asyncpg.connect(self.server.url)
        for name in LAB:
            await connection.execute(
                f"TRUNCATE {name}.things, {name}.inbox, {name}.outbox, {name}.dead_letters, {name}.idempotency_keys"
            )
        await connection.close()
        self.load.acknowledged.clear()
        self.load.answers.clear()
        self.poison.clear()
        self.injected.clear()

    def close(self) -> None:
        self.load.stop()
        for process in self.processes.values():
            if not process.ended():
                with contextlib.suppress(ProcessLookupError):
                    process.send(signal.SIGCONT)
                process.kill()
        for link in self.database_links.values():
            link.close()
        self.server.stop()


@asynccontextmanager
async def stage_of_one(seed: int, directory: Path, start: Callable[..., Broker] = Broker.start) -> AsyncIterator[Stage]:
    """With a single broker, which everybody reaches through a proxy."""
    link = Proxy()
    try:
        with start({"advertised.listeners": f"PLAINTEXT://127.0.0.1:{link.port}"}, quick=True) as broker:
            link.target = broker.port
            stage = Stage(broker, directory, seed, kafka_link=link)
            try:
                yield await stage.prepare()
            finally:
                stage.close()
    finally:
        link.close()


@asynccontextmanager
async def stage_of_three(
    seed: int, directory: Path, start: Callable[..., Cluster] = Cluster.start
) -> AsyncIterator[Stage]:
    """With three brokers, topics with three copies, of which two have to be written."""
    with start() as cluster:
        stage = Stage(cluster, directory, seed)
        try:
            yield await stage.prepare()
        finally:
            stage.close()


def _odd(there: list[int] | None, last: int) -> str:
    """What is wrong with a list that should be 1 … last."""
    if there is None:
        return "nothing"
    lost = sorted(set(range(1, last + 1)) - set(there))
    double = sorted({n for n in there if there.count(n) > 1})
    return f"{len(there)}, lost {lost[:5]}, double {double[:5]}, {'in' if there == sorted(there) else 'out of'} order"


async def eventually(what: str, met: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until `met` answers yes, itself or as a coroutine; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        answer = met()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert time.monotonic() < deadline, f"{what}: not after {seconds} s"
        await asyncio.sleep(0.02)


def headset(*command: str, log: Path, environment: Mapping[str, str]) -> int:
    """One command to its end; its exit code."""
    process = FORKING.Process(target=entry.run, args=(command, {**os.environ, **environment}, log))
    process.start()
    process.join(120)
    assert process.exitcode is not None, command
    return process.exitcode
