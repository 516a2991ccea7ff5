"""Where may a process fail? The crash points, by name, as wrappers around what the product does there.

They are put around the product by `entry`, in the processes of the fault tests only: the product itself has no switch
for failing. A name that the product no longer has is an error at once.

W: a request writes. R: the relay publishes. C: a worker handles letters. P: upkeep of the database.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from shared import kafka, mailbox, migrations
from shared.db import Database, Tx
from shared.delivery import Delivery
from shared.events import Letter
from shared.kafka import KafkaBus
from shared.relay import Relay

HANG = 3.0
"""Seconds."""

Reached = Callable[[], Awaitable[None]]


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


def _migrating(reached: Reached) -> None:
    original = migrations.execute_each

    def execute_each(statements: str, **names: str) -> None:
        original(statements, **names)
        with suppress(StopIteration):
            reached().__await__().send(None)  # by hand, for this is no coroutine: only `exit` makes sense here

    migrations.execute_each = execute_each


POINTS: dict[str, Callable[[Reached], None]] = {
    "W1": lambda it: around(mailbox, "post", before=it),  # after the change, before its letter
    "W2": lambda it: around(mailbox, "post", after=it),  # after the letter, before the commit
    "W3": _committed,  # after the commit, before the answer
    "R1": lambda it: around(KafkaBus, "publish", before=it),  # after reading
    "R2": lambda it: around(kafka, "_send_in_order", after=it),  # after one of the partitions
    "R3": lambda it: around(KafkaBus, "publish", after=it),  # all published, none deleted
    "R4": lambda it: around(Relay, "_round", after=it),  # deleted
    "C1": lambda it: around(Delivery, "__call__", before=it),  # fetched
    "C2": lambda it: around(Delivery, "_react", before=it),  # in the inbox
    "C3": lambda it: around(Delivery, "_react", after=it),  # applied, not committed
    "C4": lambda it: around(Delivery, "__call__", after=it),  # committed here, not in Kafka
    "C5": lambda it: around(kafka, "_commit", after=it),  # committed in Kafka
    "C7": _halved,  # in search of the letter to blame
    "P1": lambda it: around(mailbox, "keep_partitions", after=it),  # partitions made and dropped, not committed
    "P2": _migrating,  # in the middle of a migration
}


class Bug(Exception):
    """What the product takes for a fault of its own."""


def arm(point: str, action: str, nth: int) -> None:
    """At the `nth` time that this point is reached, once: `exit`, `bug`, `outage`, `hang` or `zombie`."""
    times = 0

    async def reached() -> None:
        nonlocal times
        times += 1
        if times != nth:
            return
        print(f"reached {point} {action}", flush=True)
        match action:
            case "exit":
                os._exit(137)
            case "bug":
                raise Bug(point)
            case "outage":
                raise ConnectionError(point)
            case "hang":
                await asyncio.sleep(HANG)
            case "zombie":
                await _lose_the_lead()
                await asyncio.sleep(HANG)

    POINTS[point](reached)


async def _lose_the_lead() -> None:
    """End the relay's connection: another one leads while this one goes on sending what it holds."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headset-relay-lab'"
    )
    await connection.close()
