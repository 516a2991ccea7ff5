"""Where may a process fail? The crash points, by name, as wrappers around what the product does there.

They are put around the product by `entry`, in the processes of the fault tests only: the product itself has no switch
for failing. A name that the product no longer has is an error at once.

W: a request writes. R: the relay publishes. C: a worker handles letters. P: upkeep of the database.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance

from shared import kafka, mailbox, migrations
from shared.db import Database, Tx
from shared.delivery import Delivery
from shared.events import Letter
from shared.kafka import KafkaBus
from shared.relay import Relay

HANG = 2.0
"""Seconds, where FAULT_HANG says nothing else."""
WAYS = ("exit", "bug", "outage", "hang")
"""How a process fails: it is gone, something raises what is nobody's fault but ours, something raises what a lost
connection raises, something stands still for a while and goes on."""

Reached = Callable[[], Awaitable[None]]


class Failure(NamedTuple):
    """One of these processes fails in this way, the `nth` time that it reaches this point."""

    point: str
    way: str
    names: tuple[str, ...]
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.point}:{self.way}"


class Bug(Exception):
    """What the product takes for a fault of its own."""


class Armed:
    """What is to go wrong in this process, as a file says it: `W1:exit:7 C3:hang:1`. The file may change at any time.

    Each comes true once, and is then noted in the file beside it, with the ending `.reached`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._edition: tuple[int, int] | None = None
        self._failures: dict[str, tuple[str, int]] = {}
        self._times: Counter[str] = Counter()
        self._hang = float(os.environ.get("FAULT_HANG", HANG))

    def put_around(self) -> None:
        """Watch all points of the product."""
        for point, put in POINTS.items():
            put(partial(self.reached_at_once if point == "P2" else self.reached, point))

    async def reached(self, point: str) -> None:
        """Fail here if that is wanted."""
        way = self._wanted(point)
        if way and point == "R5":
            await _lose_the_lead()
        if self._comes_true(point, way):
            await asyncio.sleep(self._hang)

    def reached_at_once(self, point: str) -> None:
        """As `reached`, where nothing may be awaited."""
        if self._comes_true(point, self._wanted(point)):
            time.sleep(self._hang)

    def _wanted(self, point: str) -> str | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        if (edition := (found.st_ino, found.st_mtime_ns)) != self._edition:
            self._edition = edition
            self._times.clear()
            told = [failure.split(":") for failure in self._file.read_text().split()]
            self._failures = {where: (way, int(nth)) for where, way, nth in told}
        if point not in self._failures:
            return None
        self._times[point] += 1
        way, nth = self._failures[point]
        return way if self._times[point] == nth else None

    def _comes_true(self, point: str, way: str | None) -> bool:
        """Fail, or answer whether to hang."""
        if way is None:
            return False
        with self._file.with_suffix(".reached").open("a") as noted:
            noted.write(f"{point}:{way}\n")
        match way:
            case "exit":
                os._exit(137)
            case "bug":
                raise Bug(point)
            case "outage":
                raise ConnectionError(point)
        return True


def around(owner: Any, name: str, *, before: Reached | None = None, after: Reached | None = None) -> None:
    """Let something happen before this coroutine function of the product is called, or after it."""
    original = getattr(owner, name)

    async def wrapped(*args: Any, **rest: Any) -> Any:
        if before:
            await before()
        result = await original(*args, **rest)
        if after and result != 0:  # a round of the relay that carried nothing is none
            await after()
        return result

    setattr(owner, name, wrapped)


def _committed(reached: Reached) -> None:
    original = Database.transaction

    @asynccontextmanager
    async def transaction(self: Database, cause: Letter | None = None) -> AsyncIterator[Tx]:
        async with original(self, cause) as tx:
            yield tx
        if tx.outgoing:
            await reached()

    Database.transaction = transaction  # type: ignore[method-assign]


def _halved(reached: Reached) -> None:
    original, depth = Delivery._handle, 0

    async def handle(self: Delivery, batch: Any) -> None:
        nonlocal depth
        if depth:
            await reached()
        depth += 1
        try:
            await original(self, batch)
        finally:
            depth -= 1

    Delivery._handle = handle  # type: ignore[method-assign]


def _joining(reached: Reached) -> None:
    for role in ("_on_join_leader", "_on_join_follower"):
        around(CoordinatorGroupRebalance, role, before=reached)


def _migrating(reached: Callable[[], None]) -> None:
    original = migrations.execute_each

    def execute_each(statements: str, **names: str) -> None:
        original(statements, **names)
        reached()

    migrations.execute_each = execute_each


POINTS: dict[str, Callable[[Any], None]] = {
    "W1": lambda it: around(mailbox, "post", before=it),  # after the change, before its letter
    "W2": lambda it: around(mailbox, "post", after=it),  # after the letter, before the commit
    "W3": _committed,  # after the commit, before the answer
    "R1": lambda it: around(KafkaBus, "publish", before=it),  # after reading
    "R2": lambda it: around(kafka, "_send_in_order", after=it),  # after one of the partitions
    "R3": lambda it: around(KafkaBus, "publish", after=it),  # all published, none deleted
    "R4": lambda it: around(Relay, "_round", after=it),  # deleted
    "R5": lambda it: around(KafkaBus, "publish", before=it),  # after reading, and another one leads by now
    "C1": lambda it: around(Delivery, "__call__", before=it),  # fetched
    "C2": lambda it: around(Delivery, "_react", before=it),  # in the inbox
    "C3": lambda it: around(Delivery, "_react", after=it),  # applied, not committed
    "C4": lambda it: around(Delivery, "__call__", after=it),  # committed here, not in Kafka
    "C5": lambda it: around(kafka, "_commit", after=it),  # committed in Kafka
    "C6": _joining,  # amid a rebalance: let in, and told nothing of partitions yet
    "C7": _halved,  # in search of the letter to blame
    "P1": lambda it: around(mailbox, "keep_partitions", after=it),  # partitions made and dropped, not committed
    "P2": _migrating,  # in the middle of a migration
}


async def _lose_the_lead() -> None:
    """End the relay's connection: another one leads while this one goes on sending what it holds."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headset-relay-lab'"
    )
    await connection.close()
