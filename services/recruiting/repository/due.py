"""What is late, or nearly?"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select

from services.recruiting.domain.steps import Owner
from services.recruiting.tables import open_steps, requisitions
from shared.db import RowMapping, Tx
from shared.direct import text

# Steps of applications wait without blame while their requisition is on hold.
_LATE = """
    FROM recruiting.open_steps o JOIN recruiting.requisitions r ON r.id = o.requisition_id
    WHERE o.due_on < :today AND (o.application_id IS NULL OR r.status <> 'held')
"""


def overdue(today: date, *, owner: Owner | None = None, step: int | None = None) -> Select[Any]:
    """Steps whose last day allowed has passed."""
    query = (
        select(open_steps)
        .join(requisitions, requisitions.c.id == open_steps.c.requisition_id)
        .where(open_steps.c.due_on < today)
        .where(or_(open_steps.c.application_id.is_(None), requisitions.c.status != "held"))
    )
    if owner:
        query = query.where(open_steps.c.owner == owner)
    if step:
        query = query.where(open_steps.c.step == step)
    return query


async def count_overdue(tx: Tx, today: date) -> dict[tuple[int, str], int]:
    """How many are overdue, by step and owner."""
    rows = await tx.all(
        text(f"SELECT o.step, o.owner, count(*) AS n {_LATE} GROUP BY o.step, o.owner"), {"today": today}
    )
    return {(row["step"], row["owner"]): row["n"] for row in rows}


async def take_overdue(tx: Tx, today: date, most: int) -> Sequence[RowMapping]:
    """Overdue steps that nobody was reminded of, marked as reminded; one being completed now is left alone."""
    return await tx.all(
        text(f"""
        WITH late AS (
            SELECT o.record_id, o.step {_LATE} AND o.reminded_at IS NULL
            ORDER BY o.due_on, o.record_id, o.step LIMIT :most FOR UPDATE OF o SKIP LOCKED
        )
        UPDATE recruiting.open_steps o SET reminded_at = :now FROM late
        WHERE o.record_id = late.record_id AND o.step = late.step
        RETURNING o.record_id, o.step, o.requisition_id, o.application_id, o.owner, o.due_on
        """),
        {"today": today, "now": tx.now, "most": most},
    )


async def probations(tx: Tx, until: date) -> Sequence[RowMapping]:
    """Employments in probation, with no decision yet, whose probation ends by this day; each is held as it is."""
    return await tx.all(
        text("""
        SELECT e.application_id, e.employee_id, e.probation_ends_on
        FROM recruiting.employments e JOIN recruiting.applications a ON a.id = e.application_id
        WHERE e.probation_ends_on <= :until AND a.status = 'probation' AND e.employee_id IS NOT NULL
        ORDER BY e.application_id FOR SHARE OF a SKIP LOCKED
        """),
        {"until": until},
    )


async def note_probation(tx: Tx, application_id: UUID, ends_on: date, days: int) -> bool:
    """Whether this is the first time that it is said."""
    first = await tx.scalar(
        text("""
        INSERT INTO recruiting.probation_reminders (application_id, ends_on, days, reminded_at)
        VALUES (:application_id, :ends_on, :days, :now) ON CONFLICT DO NOTHING RETURNING true
        """),
        {"application_id": application_id, "ends_on": ends_on, "days": days, "now": tx.now},
    )
    return first is True
