"""How do letters get from the outbox to the bus, all of them, each person's in order?

One leader for each service, by an advisory lock of its own connection, reads the oldest rows, publishes them and then
deletes them by their ids. There is no cursor: what is not yet published is what is still there, so a transaction that
commits late is found when it appears.

While somebody holds a snapshot for long (a backup), deleted rows cannot be cleaned away and reading past them grows
slow. Therefore the floor: no row at or below it can appear any more. The order of its three steps is what makes that
true, and it rests on every writer having its transaction number before it takes an id (`mailbox.post`):

1. `high` = last id given out;
2. in a later statement, `mark` = a transaction number of our own: whoever holds an id up to `high` has a smaller one;
3. once every transaction below `mark` has ended, the floor is `high`, or lies below the first row that is left.
"""

import asyncio
import contextlib
import time
from typing import Any

import asyncpg
import structlog
from pydantic_core import from_json

from shared import metrics, spans
from shared.bus import EventBus
from shared.db import Database
from shared.events import Letter

log = structlog.get_logger(__name__)

BATCH = 1000
FAST_POLL = 0.005
"""Seconds between looks while letters of other processes have been coming in."""
SLOW_POLL = 0.1
"""Seconds between looks when nothing came for a while; a commit in this process wakes the relay at once."""
FLOOR_EVERY = 1.0
"""Seconds between the steps that raise the floor."""
CALM_AFTER = 2.0
"""Seconds without a letter after which looks get rarer."""


class Relay:
    """Publishes the outbox of one service, if it is the leader."""

    def __init__(self, db: Database, bus: EventBus, *, sole_writer: bool = False) -> None:
        """`sole_writer`: only this process writes to the outbox, so each commit wakes the relay."""
        self._db = db
        self._bus = bus
        self._polls = (1.0, 1.0) if sole_writer else (FAST_POLL, SLOW_POLL)
        self._woken = asyncio.Event()
        self._stopping = False
        self._connection: Any = None
        self._leads = False
        self._floor = 0
        self._high: tuple[int, int] | None = None
        self._floor_due = 0.0
        db.on_commit = self.wake

    def wake(self) -> None:
        """Look now. Who does not lead looks at its own pace: a commit is no reason to ask for the lock."""
        if self._leads:
            self._woken.set()

    def stop(self) -> None:
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Relay until stopped; failures are waited out."""
        busy_until = 0.0
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            found_by_looking = not self._woken.is_set()
            self._woken.clear()
            try:
                carried = await self._round()
                failures = 0
            except Exception as error:
                failures += 1
                metrics.RELAY_FAILURES.labels(self._db.name).inc()
                log.warning("relay_failed", service=self._db.name, error=f"{type(error).__name__}: {error}")
                await self._resign()
                await self._pause(min(5.0, 0.1 * 2 ** min(failures, 6)))
                continue
            # Another process writes here, and cannot wake us; what this one wrote has woken us by now.
            if carried and found_by_looking and not self._woken.is_set():
                busy_until = loop.time() + CALM_AFTER
            if carried < BATCH:
                fast, slow = self._polls
                await self._pause(fast if loop.time() < busy_until else slow)
        await self.close()

    async def close(self) -> None:
        """Let another process lead."""
        await self._resign()

    async def drain(self) -> int:
        """Relay until the outbox is empty; how many letters that were. For commands and tests."""
        total = 0
        while carried := await self._round():
            total += carried
        return total

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _round(self) -> int:
        """Publish one batch; 0 when there was nothing or another process is the leader."""
        if not await self._is_leader():
            return 0
        rows = await self._connection.fetch(
            f"SELECT id, topic, key, headers, payload FROM {self._db.name}.outbox "
            f"WHERE id > $1 ORDER BY id LIMIT {BATCH}",
            self._floor,
        )
        if time.monotonic() >= self._floor_due:
            self._floor_due = time.monotonic() + FLOOR_EVERY
            await self._raise_floor()
        if not rows:
            return 0
        letters = [Letter(topic, key, from_json(headers), body) for _, topic, key, headers, body in rows]
        with spans.around(self._db.name, "publish", letters) as traced:
            await self._bus.publish(traced)
        ids = [row["id"] for row in rows]
        await self._connection.execute(f"DELETE FROM {self._db.name}.outbox WHERE id = ANY($1::bigint[])", ids)
        metrics.EVENTS_PUBLISHED.labels(self._db.name).inc(len(rows))
        return len(rows)

    async def _is_leader(self) -> bool:
        if self._connection is None or self._connection.is_closed():
            self._leads = False
            engine = self._db.engine
            _, where = engine.dialect.create_connect_args(engine.url)
            self._connection = await asyncpg.connect(
                **where, timeout=10, command_timeout=60,
                server_settings={
                    "application_name": f"headset-relay-{self._db.name}",
                    # A leader that hangs, or whose machine is gone, must not lead for ever.
                    "idle_session_timeout": "300s", "tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5",
                    "tcp_keepalives_count": "3",
                },
            )  # fmt: skip
            self._floor, self._high = 0, None
        if not self._leads:
            self._leads = await self._connection.fetchval(
                "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", f"{self._db.name}.outbox"
            )
            metrics.RELAY_LEADER.labels(self._db.name).set(int(self._leads))
        return self._leads

    async def _raise_floor(self) -> None:
        """One of the steps that the module's text numbers."""
        if self._high is None:
            high = await self._connection.fetchval(
                f"SELECT last_value FROM {self._db.name}.outbox_id_seq WHERE is_called"
            )
            if high is None or high <= self._floor:
                return
            mark = await self._connection.fetchval("SELECT pg_current_xact_id()::text::bigint")
            self._high = (high, mark)
            return
        high, mark = self._high
        ended = await self._connection.fetchval(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > $1", mark
        )
        if ended:
            left = await self._connection.fetchval(
                f"SELECT min(id) FROM {self._db.name}.outbox WHERE id > $1 AND id <= $2", self._floor, high
            )
            self._floor = high if left is None else left - 1
            self._high = None

    async def _resign(self) -> None:
        connection, self._connection = self._connection, None
        self._leads = False
        metrics.RELAY_LEADER.labels(self._db.name).set(0)
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)
