"""How long are calls kept, and how does one that was erased not count again?

With `HEADSET_CALL_RETENTION_DAYS`, each service that keeps calls erases them a day after that many days, counted from
the day of the call, or from that on which its newest copy was told if that is later. Before anything of a day is
erased, the horizon moves past it: from then on a copy of a call before the horizon changes a call that is there, and is
left out where there is none, for that one may have been erased. What was told of before the horizon also took place
before it; so whatever a later copy corrects, an erased call does not come back.

Who takes calls holds the horizon until the end of the transaction, and it moves in a transaction that erases nothing:
so nobody takes a call by a horizon that erasing has passed, and nobody waits for long.
"""

from collections.abc import Iterable, Set
from datetime import date, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Column, Date, MetaData, Table, Text, TextClause

from shared import metrics
from shared.calendar import local_day
from shared.db import Tx
from shared.direct import text
from shared.service import Job

log = structlog.get_logger(__name__)

AT_ONCE = 10_000
"""So many calls in one transaction, 29 million a day."""

RETENTION_DDL = """
CREATE TABLE {schema}.call_retention (what text PRIMARY KEY, day date NOT NULL);
INSERT INTO {schema}.call_retention VALUES ('horizon', '0001-01-01'), ('erased', '0001-01-01');
"""


def retention_table(metadata: MetaData) -> Table:
    """Two days. `horizon`: unknown calls are taken from it on; `erased`: what ages from before it was looked at."""
    return Table(
        "call_retention", metadata, Column("what", Text, primary_key=True), Column("day", Date, nullable=False)
    )


AGES_FROM = "greatest(day, (told_at AT TIME ZONE 'UTC')::date)"
"""The day from which a call's age is counted, out of the columns of a table of calls; an index is over it."""

Call = tuple[str, str]
"""Call id and login."""


async def left_out(tx: Tx, table: str, days: Iterable[tuple[Call, date]]) -> Set[Call]:
    """Which of these calls, given with their days, are not to be taken into this table, because they are too old.

    Where nothing is ever erased, no day is asked for.
    """
    horizon = await tx.scalar(text(f"SELECT day FROM {tx.schema}.call_retention WHERE what = 'horizon' FOR SHARE"))
    old = sorted(call for call, day in days if day < horizon) if horizon > date.min else []
    too_old = metrics.CALLS_LEFT_OUT.labels(tx.schema)  # there from the first call on, so that the first time is a rise
    if not old:
        return frozenset()
    # Locked, so that what is there stays there until this copy has changed it.
    there: Any = await tx.tuples(
        text(f"""
        SELECT known.call_id, known.agent_id FROM {table} AS known
        JOIN unnest(CAST(:calls AS text[]), CAST(:agents AS text[])) AS old (call_id, agent_id)
          ON (known.call_id, known.agent_id) = (old.call_id, old.agent_id)
        ORDER BY known.call_id, known.agent_id FOR UPDATE OF known
        """),
        {"calls": [call_id for call_id, _ in old], "agents": [agent_id for _, agent_id in old]},
    )
    unknown = set(old).difference((call_id, agent_id) for call_id, agent_id in there)
    tx.on_commit(partial(too_old.inc, len(unknown)))
    return unknown


def erasing(erase: TextClause) -> Job:
    """The job that erases old calls.

    `erase` erases calls that age from a day between `:since` and before `:until`, the oldest first, at most `:most`,
    and answers with their number and the last such day. What it leaves, it leaves for good.
    """

    async def run(tx: Tx) -> None:
        days = tx.settings.call_retention_days
        if days is None:
            return
        rows: Any = await tx.tuples(text(f"SELECT what, day FROM {tx.schema}.call_retention"))
        marks: dict[str, date] = dict(rows)
        # A day more: the day on which a copy was told may be another one in the centre than in UTC.
        until = max(marks["horizon"], date(1, 1, 2)) - timedelta(days=1)
        found: Any = await tx.tuples(erase, {"since": marks["erased"], "until": until, "most": AT_ONCE})
        [(number, last)] = found
        await _move(tx, "erased", last if number else until)
        if number:
            tx.on_commit(partial(_tell, tx.schema, number, last, until))
        elif (horizon := local_day(tx.now, tx.settings.zone) - timedelta(days=days)) > marks["horizon"]:
            await tx.run(text(f"LOCK TABLE {tx.schema}.call_retention IN EXCLUSIVE MODE"))  # `left_out` holds a share
            await _move(tx, "horizon", horizon)

    return Job("old calls", timedelta(seconds=30), run)


async def _move(tx: Tx, what: str, day: date) -> None:
    """On, never back."""
    move = f"UPDATE {tx.schema}.call_retention SET day = :day WHERE what = :what AND day < :day"
    await tx.run(text(move), {"what": what, "day": day})


def _tell(service: str, number: int, last: date, until: date) -> None:
    metrics.CALLS_ERASED.labels(service).inc(number)
    log.info("calls_erased", service=service, calls=number, day=str(last), until=str(until))
