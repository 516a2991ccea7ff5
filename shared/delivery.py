"""How is a letter handled exactly once, and what happens when that fails?

Letters come in batches. One transaction claims them in the inbox, runs the policies and writes what those emit. If it
fails because something is down, the whole batch is left to the bus to deliver again. If it fails because of a letter,
the batch is halved until that letter stands alone; it is tried three times and then buried as a dead letter, and its
neighbours go through.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import compress
from typing import Any, Generic, NamedTuple, TypeVar

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared import mailbox, metrics, spans, tracing
from shared.db import Database, Tx
from shared.events import Event, Letter, Unreadable

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)
LARGEST_BODY = 1024 * 1024
"""Bytes; a larger body is buried unread."""


class Delivered(NamedTuple, Generic[E]):
    """An event as a bulk policy gets it."""

    event: E
    letter: Letter


Policy = Callable[[Any, Tx], Awaitable[None]]
Policies = Mapping[type[Event], Sequence[Policy]]
"""Event → what this service does about it. A policy takes `(event, tx)`; one marked `@bulk` takes the list of all
events of that type in the batch, as `Delivered`, before the others have their turn."""


def bulk(policy: Policy) -> Policy:
    """Mark a policy for high rates.

    It must come to the same result whatever else of the batch was handled before it.
    """
    policy.bulk = True  # type: ignore[attr-defined]
    return policy


_OUTAGES = {
    "08",  # connection
    "28", "3D",  # refused to let us in: seen only on connecting
    "40",  # deadlock or serialisation
    "53",  # resources
    "57",  # operator intervention
    "58",  # system error
}  # fmt: skip


def is_outage(error: BaseException) -> bool:
    """Whether to wait and try again, because no letter is to blame.

    By SQLSTATE class, and with lock timeouts (55P03), idle transactions ended by the server (25P03) and a server that
    became a standby (25006); but not 57014, a statement that took too long.
    """
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == "57014":
            return False
        return error.connection_invalidated or state[:2] in _OUTAGES or state in {"55P03", "25P03", "25006"}
    return isinstance(error, (OSError, TimeoutError, PoolTimeout))


class TooManyDead(Exception):
    """So many letters in a row could not be handled that the fault is likely ours: stop, and let people look."""


class Delivery:
    """Brings letters to the policies of one service."""

    def __init__(
        self, db: Database, policies: Policies, *, attempts: int = 3, pause: float = 0.2, most_in_a_row: int = 20
    ) -> None:
        self._db = db
        self._wanted = {event.type: event for event in policies}
        self._policies = policies
        self._bulk = {event: [p for p in policies[event] if getattr(p, "bulk", False)] for event in policies}
        self._single = {event: [p for p in policies[event] if not getattr(p, "bulk", False)] for event in policies}
        self._attempts = attempts
        self._pause = pause
        self._most_in_a_row = most_in_a_row
        self._dead_in_a_row = 0

    @property
    def topics(self) -> frozenset[str]:
        return frozenset(event.kafka_topic for event in self._policies)

    async def __call__(self, letters: Sequence[Letter]) -> None:
        """Handle these letters, in this order; raise, with nothing done, where something is down."""
        opened: list[Delivered[Event]] = []
        unwanted = 0
        for letter in letters:
            try:
                event = self._open(letter)
            except Exception as error:  # opening asks nothing but the letter, so whatever goes wrong is its fault
                await self._bury(letter, describe(error), attempts=1)
                continue
            if event is None:
                unwanted += 1
            else:
                opened.append(Delivered(event, letter))
        if unwanted:
            metrics.EVENTS_HANDLED.labels(self._db.name, "other", "unwanted").inc(unwanted)
        if opened:
            await self._handle(opened)

    def _open(self, letter: Letter) -> Event | None:
        """The event; None where no policy of this service wants it."""
        letter.check()
        wanted = self._wanted.get(letter.type)
        if wanted is None:
            return None
        if len(letter.body) > LARGEST_BODY:
            raise Unreadable(f"the body has {len(letter.body)} bytes, more than {LARGEST_BODY}")
        return wanted.model_validate_json(letter.body)

    async def _handle(self, batch: Sequence[Delivered[Event]]) -> None:
        for attempt in range(1, self._attempts + 1):
            try:
                await self._in_one_transaction(batch)
            except Exception as error:
                if is_outage(error):
                    metrics.DELIVERY_RETRIES.labels(self._db.name, "outage").inc()
                    raise
                metrics.DELIVERY_RETRIES.labels(self._db.name, "bug").inc()
                log.warning(
                    "delivery_failed", service=self._db.name, letters=len(batch), attempt=attempt,
                    event_id=batch[0].letter.id, correlation_id=batch[0].letter.correlation_id,
                    error=type(error).__name__, exc_info=len(batch) == 1,
                )  # fmt: skip
                if len(batch) > 1:
                    middle = len(batch) // 2
                    await self._handle(batch[:middle])
                    await self._handle(batch[middle:])
                    return
                if attempt == self._attempts:
                    await self._give_up(batch[0].letter, error)
                    return
                await asyncio.sleep(self._pause * attempt)
            else:
                self._dead_in_a_row = 0
                return

    async def _in_one_transaction(self, batch: Sequence[Delivered[Event]]) -> None:
        with spans.around(self._db.name, "handle", letters := [d.letter for d in batch]) as traced:
            if traced is not letters:
                batch = [Delivered(d.event, letter) for d, letter in zip(batch, traced, strict=True)]
            async with self._db.transaction() as tx:
                first = await self._claim(batch, tx)
        handled = Counter(d.letter.type for d in first)
        delivered = Counter(d.letter.type for d in batch)
        for kind, n in delivered.items():
            metrics.EVENTS_HANDLED.labels(self._db.name, kind, "handled").inc(handled[kind])
            metrics.EVENTS_HANDLED.labels(self._db.name, kind, "repeated").inc(n - handled[kind])
        if first:
            oldest = min(d.letter.time for d in first).timestamp()
            metrics.EVENT_AGE_SECONDS.labels(self._db.name).observe(max(0.0, time.time() - oldest))

    async def _claim(self, batch: Sequence[Delivered[Event]], tx: Tx) -> Sequence[Delivered[Event]]:
        """Let the policies react to those of the batch that are new, which are returned."""
        new = await mailbox.claim(tx.connection, self._db.name, [d.letter for d in batch])
        first = batch if all(new) else list(compress(batch, new))
        await self._react(first, tx)
        return first

    async def _react(self, batch: Sequence[Delivered[Event]], tx: Tx) -> None:
        by_type: dict[type[Event], list[Delivered[Event]]] = {}
        for delivered in batch:
            by_type.setdefault(type(delivered.event), []).append(delivered)
        for event_type in self._policies:  # in the order in which the service names them
            if event_type in by_type:
                for policy in self._bulk[event_type]:
                    await policy(by_type[event_type], tx)
        if not any(self._single[event_type] for event_type in by_type):
            return
        for event, letter in batch:
            tx.cause = letter
            token = tracing.current.set(tracing.accepted(letter.headers.get("traceparent")))
            try:
                for policy in self._single[type(event)]:
                    await policy(event, tx)
            finally:
                tracing.current.reset(token)
        tx.cause = None

    async def _give_up(self, letter: Letter, error: Exception) -> None:
        await self._bury(letter, describe(error), self._attempts)
        self._dead_in_a_row += 1
        if self._dead_in_a_row > self._most_in_a_row:
            self._dead_in_a_row = 0
            raise TooManyDead(
                f"{self._most_in_a_row} letters in a row could not be handled; the last: {describe(error)}"
            )

    async def _bury(self, letter: Letter, reason: str, attempts: int) -> None:
        kind = letter.headers.get("ce_type", "")
        kind = kind if kind in self._wanted else "other"
        event_id = letter.headers.get("ce_id", "")[:200]
        log.error(
            "letter_buried", service=self._db.name, event_id=event_id, correlation_id=letter.correlation_id[:200],
            topic=letter.topic, type=kind,
        )  # fmt: skip
        table = self._db.metadata.tables[f"{self._db.name}.dead_letters"]
        async with self._db.engine.begin() as connection:
            await mailbox.bury(connection, table, letter, reason, attempts)
        metrics.EVENTS_HANDLED.labels(self._db.name, kind, "buried").inc()

    async def replay(self, letter: Letter, tx: Tx) -> None:
        """Handle one letter again, once, in this transaction; whatever goes wrong is raised."""
        event = self._open(letter)
        if event is not None:
            await self._claim([Delivered(event, letter)], tx)


def describe(error: Exception) -> str:
    """Why, without what the letter said: a reason is read by operators, and shown over HTTP."""
    if isinstance(error, ValidationError):
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in wrong)
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {type(error.orig).__name__} (SQLSTATE {getattr(error.orig, 'sqlstate', None)})"
    return f"{type(error).__name__}: {error}"[:500]
