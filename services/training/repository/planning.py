"""Needs, plans and deadlines."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from services.training.domain.calendar import Deadline, DeadlineRule, deadlines
from services.training.repository.rows import change, record
from services.training.repository.trainers import entry_needs_trainer
from services.training.tables import planning as tables
from services.training.tables.surveys import surveys
from shared.calendar import local_day
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id


class Dated(NamedTuple):
    """A deadline with its row, and the day on which what it asks for was done."""

    deadline: Deadline
    row: RowMapping
    done_on: date | None


async def calendar(tx: Tx, *years: int) -> list[Dated]:
    """All deadlines of these years."""
    rows = {row["key"]: row for row in await tx.all(select(tables.deadlines).order_by(tables.deadlines.c.position))}
    rules = {key: DeadlineRule.model_validate(row["rule"]) for key, row in rows.items()}
    marks = {
        (row["key"], row["period"]): local_day(row["at"], tx.settings.zone)
        for row in await tx.all(select(tables.deadline_marks))
    }
    return [
        Dated(one, rows[one.key], marks.get((one.key, one.period)))
        for year in years
        for one in deadlines(year, rules, tx.settings.working_days)
        if rows[one.key]["active"]
    ]


async def mark(tx: Tx, key: str, period: str, by: str) -> None:
    """What this deadline asks for is done; the first time stands."""
    await tx.run(
        insert(tables.deadline_marks).values(key=key, period=period, at=tx.now, by=by).on_conflict_do_nothing()
    )


async def propose_need(tx: Tx, actor: str, **values: Any) -> UUID | None:
    """Collect a need once for its origin; None if it was there."""
    row = {
        "id": new_id(), "department": None, "course": None, "competencies": [], "trainees": [], "evidence": {},
        "status": "collected", "by": actor, "version": 1, **values,
    }  # fmt: skip
    id: UUID | None = await tx.scalar(
        insert(tables.needs).values(row).on_conflict_do_nothing().returning(tables.needs.c.id)
    )
    if id is not None:
        await record(tx, id, actor, "collected", values)
    return id


async def hold_need(tx: Tx, **where: Any) -> RowMapping | None:
    """The need with these values, locked until the transaction ends."""
    return await tx.first(select(tables.needs).filter_by(**where).with_for_update())


async def change_need(tx: Tx, id: UUID, actor: str, action: str, **values: Any) -> RowMapping:
    return await change(tx, tables.needs, id, actor, action, **values)


async def entries(tx: Tx, plan_id: UUID, *, hold: bool = False) -> Sequence[RowMapping]:
    it = tables.plan_entries
    query = (
        select(it, entry_needs_trainer(tx)).where(it.c.plan_id == plan_id, it.c.status != "removed").order_by(it.c.id)
    )
    return await tx.all(query.with_for_update() if hold else query)


async def actual(tx: Tx, plan_id: UUID) -> Sequence[RowMapping]:
    """Each entry: how many sessions were held, who attended, who passed, what was spent, against what was planned."""
    return await tx.all(
        text("""
        SELECT entry.id, entry.objective, entry.course, entry.status, entry.budget, entry.spent,
               cardinality(entry.trainees) AS planned,
               (SELECT count(*) FROM training.sessions WHERE plan_entry_id = entry.id AND status = 'held') AS held,
               (SELECT count(DISTINCT a.enrolment_id) FROM training.attendances AS a
                    JOIN training.meetings AS m ON m.id = a.meeting_id
                    JOIN training.sessions AS s ON s.id = m.session_id
                WHERE s.plan_entry_id = entry.id AND a.present) AS attended,
               (SELECT count(*) FROM training.enrolments AS it
                WHERE it.source = 'plan' AND it.source_id = entry.id::text AND it.status = 'completed') AS passed
        FROM training.plan_entries AS entry WHERE entry.plan_id = :plan_id AND entry.status <> 'removed'
        ORDER BY entry.id
        """),
        {"plan_id": plan_id},
    )


async def tallied(tx: Tx, month: date) -> bool:
    """Note that this month was counted; whether it had been."""
    made = insert(tables.tallies).values(month=month, at=tx.now).on_conflict_do_nothing()
    return await tx.scalar(made.returning(tables.tallies.c.month)) is None


async def hold_closed_surveys(tx: Tx) -> Sequence[RowMapping]:
    """Closed surveys at which nobody has looked yet, with what is shown of their answers and the course's code."""
    return await tx.all(
        text("""
        SELECT survey.id, survey.title, survey.questions, returns.shown, course.code AS course
        FROM training.surveys AS survey JOIN training.survey_returns AS returns ON returns.survey_id = survey.id
        LEFT JOIN training.courses AS course ON course.id = survey.course_id
        WHERE survey.weighed_at IS NULL AND survey.closes_at <= :now
        ORDER BY survey.id FOR UPDATE OF survey, returns
        """),
        {"now": tx.now},
    )


async def mark_weighed(tx: Tx, survey_id: UUID) -> None:
    await tx.run(update(surveys).where(surveys.c.id == survey_id).values(weighed_at=tx.now))


def near(dated: Sequence[Dated], today: date, days: int) -> list[Dated]:
    """What is due within so many days and not done."""
    return [
        one for one in dated
        if one.done_on is None and timedelta(0) <= one.deadline.due_on - today <= timedelta(days=days)
    ]  # fmt: skip
