"""Which sessions want another trainer, and who could hold them?

Nothing is stored about it: a session wants a trainer as long as the one it has is known to be gone by then. So it does
not matter in which order leaving and planning were told, and what is taken back takes the mark with it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Exists, Label, Select, and_, cast, func, select, update
from sqlalchemy.exc import IntegrityError

from services.training.repository.rows import change
from services.training.tables.base import employees
from services.training.tables.catalogue import meetings, sessions
from services.training.tables.planning import plan_entries
from shared.calendar import local_day
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import IllegalState

PROPOSED = 20
"""So many trainers at the most are proposed."""


def _gone(tx: Tx, *columns: ColumnElement[Any]) -> Select[Any]:
    """Of meetings to come whose trainer is gone on their day."""
    return (
        select(*columns)
        .join_from(meetings, employees, employees.c.employee_id == meetings.c.trainer_id)
        .where(meetings.c.starts_at > tx.now, employees.c.left_on <= _day(tx, meetings.c.starts_at))
    )


def _day(tx: Tx, at: ColumnElement[datetime]) -> ColumnElement[date]:
    return cast(func.timezone(tx.settings.zone.key, at), Date)


def needs_trainer(tx: Tx) -> Exists:
    """Of a session: whether it needs another trainer."""
    return _gone(tx, meetings.c.id).where(meetings.c.session_id == sessions.c.id).exists()


def entry_needs_trainer(tx: Tx) -> Label[bool]:
    """Of a plan's entry that is still to be executed: whether its trainer is gone by then, or today where it has no
    time."""
    ends_on = _day(tx, func.coalesce(plan_entries.c.ends_at, tx.now))
    gone = select(employees.c.employee_id).where(
        employees.c.employee_id == plan_entries.c.trainer_id, employees.c.left_on <= ends_on
    )
    return and_(plan_entries.c.status == "planned", gone.exists()).label("needs_trainer")


async def abandoned(tx: Tx) -> Sequence[RowMapping]:
    """Sessions that need another trainer: `session_id`, the `trainer_id` who is gone, and the first `day` without."""
    which = (meetings.c.session_id, meetings.c.trainer_id)
    first = func.min(_day(tx, meetings.c.starts_at)).label("day")
    return await tx.all(_gone(tx, *which, first).group_by(*which).order_by(*which))


async def check_here(tx: Tx, trainer_id: UUID, last: datetime) -> None:
    """Raise `IllegalState` for a trainer who is known to be gone at that time."""
    left_on: date | None = await tx.scalar(select(employees.c.left_on).where(employees.c.employee_id == trainer_id))
    if left_on and left_on <= local_day(last, tx.settings.zone):
        raise IllegalState(
            "The trainer {trainer} is gone from {left_on} on; choose another one.", trainer=trainer_id, left_on=left_on
        )


@asynccontextmanager
async def untaken(tx: Tx, starts_at: datetime) -> AsyncIterator[None]:
    """Store a meeting. Raises `IllegalState` where its room or trainer are taken."""
    try:
        async with tx.connection.begin_nested():
            yield
    except IntegrityError as error:
        if "meetings_one_" not in str(error.orig):
            raise
        if "meetings_one_room" in str(error.orig):
            raise IllegalState(
                "The room is taken at {time}; choose another time or room.", time=starts_at.isoformat()
            ) from error
        raise IllegalState(
            "The trainer is taken at {time}; choose another time or trainer.", time=starts_at.isoformat()
        ) from error


async def to_come(tx: Tx, session_id: UUID) -> Sequence[RowMapping]:
    """The meetings of a session that have not begun. Raises `IllegalState` where there are none."""
    query = select(meetings).where(meetings.c.session_id == session_id, meetings.c.starts_at > tx.now)
    found = await tx.all(query.order_by(meetings.c.starts_at))
    if not found:
        raise IllegalState("The session has no meeting to come; only one that has changes its trainer.")
    return found


async def hand_over(tx: Tx, session: RowMapping, trainer_id: UUID, *, by: str) -> None:
    """Give the meetings to come to this trainer; those that have begun stay with who held them.

    Raises `IllegalState` for a trainer who is gone by then, or is elsewhere at one of these times.
    """
    ahead = await to_come(tx, session["id"])
    if {session["trainer_id"], *(one["trainer_id"] for one in ahead)} == {trainer_id}:
        return
    await check_here(tx, trainer_id, ahead[-1]["starts_at"])
    for meeting in ahead:
        async with untaken(tx, meeting["starts_at"]):
            await tx.run(update(meetings).where(meetings.c.id == meeting["id"]).values(trainer_id=trainer_id))
    await change(tx, sessions, session["id"], by, "trainer_changed", trainer_id=trainer_id)


async def proposals(tx: Tx, session: RowMapping) -> Sequence[RowMapping]:
    """Who could take the session over, those first who held the course most often, then those with the fewest meetings
    to come. Proposed is who is qualified, that is held the course before or holds a valid certificate for it; is here
    until the last meeting; is nowhere else at the time; and does not learn in it."""
    ahead = await to_come(tx, session["id"])
    return await tx.all(
        text("""
        WITH qualified AS (
            SELECT employee_id, max(held) AS held, bool_or(certified) AS certified FROM (
                SELECT trainer_id AS employee_id, count(*) AS held, false AS certified FROM training.sessions
                WHERE course = :course AND status = 'held' GROUP BY trainer_id
                UNION ALL
                SELECT employee_id, 0, true FROM training.certifications
                WHERE course = :course AND revoked_on IS NULL AND (valid_until IS NULL OR valid_until >= :day)
            ) AS reasons GROUP BY employee_id
        )
        SELECT who.employee_id, who.held, who.certified, one.role, one.team,
               (SELECT count(*) FROM training.meetings AS m
                WHERE m.trainer_id = who.employee_id AND m.starts_at > :now) AS meetings
        FROM qualified AS who LEFT JOIN training.employees AS one ON one.employee_id = who.employee_id
        WHERE who.employee_id <> :trainer AND (one.left_on IS NULL OR one.left_on > :day)
          AND NOT EXISTS (
              SELECT FROM training.places AS place WHERE place.session_id = :session
                AND place.employee_id = who.employee_id AND place.status <> 'withdrawn')
          AND NOT EXISTS (
              SELECT FROM training.meetings AS theirs JOIN training.meetings AS ours
                ON tstzrange(theirs.starts_at, theirs.ends_at) && tstzrange(ours.starts_at, ours.ends_at)
              WHERE theirs.trainer_id = who.employee_id AND ours.id = ANY(CAST(:ahead AS uuid[])))
        ORDER BY who.held DESC, meetings, who.employee_id LIMIT :limit
        """),
        {
            "course": session["course"],
            "session": session["id"],
            "trainer": session["trainer_id"],
            "day": local_day(ahead[-1]["starts_at"], tx.settings.zone),
            "now": tx.now,
            "ahead": [one["id"] for one in ahead],
            "limit": PROPOSED,
        },
    )
