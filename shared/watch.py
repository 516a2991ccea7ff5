"""What does a service say of itself out of its database: what waits, what is open, what is not as it must be?

Every worker of a service looks for itself and says the same as the others: over replicas take `max`, not `sum`. What
looking costs is bounded: queries that an index answers, counts that end at `MOST`, a time limit on each, and pauses
that do not depend on who scrapes how often.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared import metrics
from shared.db import Database, Tx
from shared.direct import text
from shared.service import Check, Service

log = structlog.get_logger(__name__)

MOST = 10_000
OUTBOX_SECONDS = 300
"""No letter may wait longer in an outbox."""
SHOWN = 20
"""Breaches of one invariant that get a line each in the log."""

Look = Callable[[Database, Service], Awaitable[None]]


async def watch(
    db: Database, service: Service, pause: Callable[[float], Awaitable[None]], stopped: Callable[[], bool]
) -> None:
    """Look until stopped: often at the mailbox, every ten minutes at the business and at what must always hold."""

    async def repeat(kind: str, every: float, look: Look) -> None:
        while not stopped():
            await _look(kind, look, db, service)
            await pause(every)

    await asyncio.gather(
        repeat("mailbox", 15.0, look_at_mailbox),
        repeat("business", 600.0, look_at_business),
        repeat("invariants", 600.0, look_at_invariants),
    )


async def _look(kind: str, look: Look, db: Database, service: Service) -> None:
    try:
        await look(db, service)
        metrics.LOOKED.labels(db.name, kind).set_to_current_time()
    except Exception as error:  # an alert says that nobody has looked; what was seen last stays as it is
        log.warning("look_failed", service=db.name, kind=kind, error=f"{type(error).__name__}: {error}"[:300])


async def look_at_mailbox(db: Database, _: Service) -> None:
    async with db.transaction() as tx:
        rows, oldest, dead = await _mailbox(tx)
    metrics.OUTBOX_ROWS.labels(db.name).set(rows)
    metrics.OUTBOX_OLDEST_SECONDS.labels(db.name).set(oldest)
    metrics.DEAD_LETTERS.labels(db.name).set(dead)


async def look_at_business(db: Database, service: Service) -> None:
    for gauge in service.gauges:
        async with db.transaction() as tx:
            await _hurry(tx)
            await gauge(tx)


async def look_at_invariants(db: Database, service: Service) -> None:
    for check in (OUTBOX_MOVES, *service.checks):
        async with db.transaction() as tx:
            await _hurry(tx)
            broken = await check.find(tx)
        metrics.BREACHES.labels(db.name, check.name).set(len(broken))
        for what in broken[:SHOWN]:
            log.error("invariant_broken", service=db.name, invariant=check.name, what=what, of=len(broken))


async def _hurry(tx: Tx) -> None:
    """Who only looks must not hold up those who work."""
    await tx.run(text("SET LOCAL statement_timeout = '20s'"))


async def _mailbox(tx: Tx) -> tuple[int, float, int]:
    """Letters in the outbox, age of the oldest in seconds, and dead letters that nobody has dealt with."""
    await _hurry(tx)
    row = await tx.first(
        text(f"""
        SELECT (SELECT count(*) FROM (SELECT FROM {tx.schema}.outbox LIMIT :most) AS waiting) AS rows,
               (SELECT extract(epoch FROM clock_timestamp() - created_at) FROM {tx.schema}.outbox
                ORDER BY id LIMIT 1) AS oldest,
               (SELECT count(*) FROM (
                   SELECT FROM {tx.schema}.dead_letters
                   WHERE replayed_at IS NULL AND discarded_at IS NULL LIMIT :most) AS dead) AS dead
        """),
        {"most": MOST},
    )
    assert row is not None
    return row["rows"], max(0.0, float(row["oldest"] or 0)), row["dead"]


async def _stuck(tx: Tx) -> list[str]:
    rows, oldest, _ = await _mailbox(tx)
    return [f"{rows} letters wait, the oldest for {oldest:.0f} s"] if oldest > OUTBOX_SECONDS else []


OUTBOX_MOVES = Check("outbox_moves", _stuck)
"""No letter waits in the outbox for more than five minutes."""
