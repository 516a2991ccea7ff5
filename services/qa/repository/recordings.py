"""Which calls were there to be audited?

One row for each interaction: call and agent together, as the newest copy told it. Calls that nobody answered, or that
somebody only listened in on, are kept too, because an older copy that says otherwise may still come; they are in no
list and no index of a list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)

from services.qa.repository.people import Sight
from services.qa.tables import NOBODY, agent_holders, employees, recordings
from shared.calendar import local_day
from shared.contracts.telephony import CallEnded
from shared.db import RowMapping, Tx
from shared.delivery import Delivered
from shared.direct import text
from shared.pages import Page, page, values_of
from shared.retention import AGES_FROM, left_out

# One statement for a batch, whatever it holds: new interactions, newer copies, older ones.
_KEEP = text("""
    INSERT INTO qa.recordings AS known
           (id, call_id, agent_id, day, started_at, answered_at, ended_at, direction, queue, topic,
            wait_ms, talk_ms, hold_ms, wrap_up_ms, recording_uri, customer_ref, told_at, told_by)
    SELECT uuidv7(), call_id, agent_id, CAST(started_at AT TIME ZONE CAST(:zone AS text) AS date),
           started_at, answered_at, ended_at, direction, queue, topic,
           CAST(wait * 1000 AS integer), CAST(talk * 1000 AS integer), CAST(hold * 1000 AS integer),
           CAST(wrap_up * 1000 AS integer), recording_uri, customer_ref, told_at, told_by
    FROM unnest(CAST(:calls AS text[]), CAST(:agents AS text[]), CAST(:started AS timestamptz[]),
                CAST(:answered AS timestamptz[]), CAST(:ended AS timestamptz[]), CAST(:directions AS text[]),
                CAST(:queues AS text[]), CAST(:topics AS text[]), CAST(:waits AS float8[]), CAST(:talks AS float8[]),
                CAST(:holds AS float8[]), CAST(:wrap_ups AS float8[]), CAST(:uris AS text[]),
                CAST(:customers AS text[]), CAST(:told_at AS timestamptz[]), CAST(:told_by AS text[]))
         AS told (call_id, agent_id, started_at, answered_at, ended_at, direction, queue, topic,
                  wait, talk, hold, wrap_up, recording_uri, customer_ref, told_at, told_by)
    ON CONFLICT (call_id, agent_id) DO UPDATE SET
           (day, started_at, answered_at, ended_at, direction, queue, topic, wait_ms, talk_ms, hold_ms, wrap_up_ms,
            recording_uri, customer_ref, told_at, told_by)
         = (excluded.day, excluded.started_at, excluded.answered_at, excluded.ended_at, excluded.direction,
            excluded.queue, excluded.topic, excluded.wait_ms, excluded.talk_ms, excluded.hold_ms,
            excluded.wrap_up_ms, excluded.recording_uri, excluded.customer_ref, excluded.told_at, excluded.told_by)
    WHERE (known.told_at, known.told_by) < (excluded.told_at, excluded.told_by)
""")

# Agents of answered calls, each found by one step down the index, and of those the ones whom nobody knows yet.
_UNKNOWN_AGENTS = text("""
    WITH RECURSIVE told (agent_id) AS (
        SELECT min(agent_id) FROM qa.recordings WHERE answered_at IS NOT NULL
        UNION ALL
        SELECT (SELECT min(next.agent_id) FROM qa.recordings AS next
                WHERE next.answered_at IS NOT NULL AND next.agent_id > told.agent_id)
        FROM told WHERE told.agent_id IS NOT NULL
    )
    SELECT agent_id, CAST('-infinity' AS date) AS valid_from, CAST('infinity' AS date) AS valid_to FROM told
    WHERE agent_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM qa.employee_logins AS login WHERE login.agent_id = told.agent_id)
""")


async def keep(tx: Tx, delivered: Iterable[Delivered[CallEnded]]) -> None:
    """Have each interaction as the newest copy tells it, by time and then id of the letter."""
    newest: dict[tuple[str, str], Delivered[CallEnded]] = {}
    for copy in delivered:
        key = (copy.event.call_id, copy.event.agent_id or NOBODY)
        other = newest.setdefault(key, copy)
        if other is not copy and (other.letter.time, other.letter.id) < (copy.letter.time, copy.letter.id):
            newest[key] = copy
    days = ((key, local_day(copy.event.started_at, tx.settings.zone)) for key, copy in newest.items())
    for key in await left_out(tx, recordings.fullname, days):
        del newest[key]
    if not newest:
        return
    keys = sorted(newest)  # one order everywhere: no deadlocks
    calls = [newest[key].event for key in keys]
    letters = [newest[key].letter for key in keys]
    await tx.run(
        _KEEP,
        {
            "zone": tx.settings.timezone,
            "calls": [call_id for call_id, _ in keys],
            "agents": [agent_id for _, agent_id in keys],
            "started": [call.started_at for call in calls],
            "answered": [None if call.listened_in else call.answered_at for call in calls],
            "ended": [call.ended_at for call in calls],
            "directions": [call.direction for call in calls],
            "queues": [call.queue for call in calls],
            "topics": [call.topic for call in calls],
            "waits": [call.wait_seconds for call in calls],
            "talks": [call.talk_seconds for call in calls],
            "holds": [call.hold_seconds for call in calls],
            "wrap_ups": [call.wrap_up_seconds for call in calls],
            "uris": [call.recording_uri for call in calls],
            "customers": [call.customer_ref for call in calls],
            "told_at": [letter.time for letter in letters],
            "told_by": [letter.id for letter in letters],
        },
    )


# What a draw has chosen has an audit: its own, or one that the auditor had already.
ERASE = text(f"""
    WITH gone AS (
        DELETE FROM qa.recordings WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM qa.recordings AS old WHERE {AGES_FROM} >= :since AND {AGES_FROM} < :until
               AND NOT EXISTS (SELECT FROM qa.audits WHERE recording_id = old.id)
               AND NOT EXISTS (SELECT FROM qa.calibrations WHERE recording_id = old.id)
            ORDER BY {AGES_FROM} LIMIT :most FOR UPDATE))
        RETURNING id, call_id, agent_id, {AGES_FROM} AS aged
    ), unsaid AS (
        DELETE FROM qa.transcripts USING gone WHERE recording_id = gone.id
    ), unrated AS (
        DELETE FROM qa.ratings AS rating USING gone
        WHERE (rating.call_id, rating.agent_id) = (gone.call_id, gone.agent_id)
    )
    SELECT count(*), max(aged) FROM gone
""")
"""Interactions that nobody audits and nothing refers to, with what was said in them and how they were rated."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which recordings to list. `from_day` and `to_day` are days of the centre, both included."""

    employee_id: UUID | None = None
    agent_id: str | None = None
    call_id: str | None = None
    team: str | None = None
    queue: str | None = None
    waiting: bool = False
    from_day: date | None = None
    to_day: date | None = None


HELD = and_(
    agent_holders.c.agent_id == recordings.c.agent_id,
    agent_holders.c.valid_from <= recordings.c.day,
    recordings.c.day < agent_holders.c.valid_to,
)
"""Joins recordings with whoever held the login on the day of the call."""

_with_employee = select(
    recordings,
    select(agent_holders.c.employee_id).where(HELD).correlate(recordings).scalar_subquery().label("employee_id"),
)


def standing(interaction: FromClause) -> ColumnElement[bool]:
    """Answered, and, for one without an agent, with no other copy that names who answered."""
    named = recordings.alias("named")
    return and_(
        interaction.c.answered_at.is_not(None),
        or_(
            interaction.c.agent_id != NOBODY,
            ~exists().where(
                named.c.call_id == interaction.c.call_id, named.c.agent_id != NOBODY, named.c.answered_at.is_not(None)
            ),
        ),
    )


async def find(tx: Tx, id: UUID) -> RowMapping | None:
    """The recording with the `employee_id` whose it is, null while the agent is not known."""
    return await tx.first(_with_employee.where(recordings.c.id == id, standing(recordings)))


async def listed(tx: Tx, wanted: Wanted, sight: Sight, shape: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    """Newest first. Where only some agents count, the newest of each are merged: what it costs grows with the agents
    and the page, not with the calls."""
    keys = [recordings.c.day, recordings.c.started_at, recordings.c.id]
    query = _with_employee.where(*_conditions(recordings, wanted))
    reach = _reach(wanted, sight)
    if reach is not None:
        one = recordings.alias("one")
        order = [one.c[key.name] for key in keys]
        newest = (
            select(one.c.id)
            .where(
                one.c.agent_id == reach.c.agent_id,
                one.c.day >= reach.c.valid_from,
                one.c.day < reach.c.valid_to,
                *_conditions(one, wanted),
            )
            .order_by(*(column.desc() for column in order))
            .limit(limit + 1)
        )
        if cursor is not None:
            newest = newest.where(tuple_(*order) < values_of(cursor, keys))
        each = newest.lateral("newest")
        query = query.where(recordings.c.id.in_(select(each.c.id).select_from(reach.join(each, true()))))
    return await page(tx, query, keys, shape, limit=limit, cursor=cursor)


async def count_waiting(tx: Tx, most: int) -> int:
    """Answered calls whose agent has a login that nobody is known to have; counted up to `most`."""
    unknown = _UNKNOWN_AGENTS.columns(literal_column("agent_id", Text)).subquery("unknown")
    waiting = select(recordings.c.agent_id).where(recordings.c.answered_at.is_not(None))
    waiting = waiting.where(recordings.c.agent_id == unknown.c.agent_id, recordings.c.agent_id != NOBODY)
    found: int = await tx.scalar(select(func.count()).select_from(waiting.limit(most).subquery()))
    return found


def _conditions(interaction: FromClause, wanted: Wanted) -> Sequence[ColumnElement[bool]]:
    asked = [
        (wanted.agent_id, interaction.c.agent_id.__eq__),
        (wanted.call_id, interaction.c.call_id.__eq__),
        (wanted.queue, interaction.c.queue.__eq__),
        (wanted.from_day, interaction.c.day.__ge__),
        (wanted.to_day, interaction.c.day.__le__),
    ]
    return [standing(interaction), *(compare(value) for value, compare in asked if value is not None)]


def _reach(wanted: Wanted, sight: Sight) -> FromClause | None:
    """Logins, with the days on which they count; None where all do."""
    people: list[ColumnElement[bool]] = []
    if not sight.everything:
        people.append(sight.covers())
    if wanted.employee_id is not None:
        people.append(employees.c.employee_id == wanted.employee_id)
    if wanted.team is not None:
        people.append(employees.c.team == wanted.team)
    if wanted.waiting:
        if people:  # of unknown agents nobody knows the team
            return select(agent_holders).where(false()).subquery("reach")
        return _UNKNOWN_AGENTS.columns(
            literal_column("agent_id", Text), agent_holders.c.valid_from, agent_holders.c.valid_to
        ).subquery("reach")
    if not people:
        return None
    held_by = agent_holders.join(employees, employees.c.employee_id == agent_holders.c.employee_id)
    return select(agent_holders).select_from(held_by).where(*people).subquery("reach")
