"""Who is who, and who may see whom?"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Column, ColumnElement, false, or_, select
from sqlalchemy.dialects.postgresql import insert

from services.training.domain.rules import Person
from services.training.tables.base import employees
from shared.contracts.recruiting import EmployeeStarted
from shared.db import Tx
from shared.direct import text
from shared.identity import Principal


def sight(principal: Principal, *columns: Column[UUID]) -> ColumnElement[bool] | None:
    """Which rows somebody may see; None for all. Else those with themselves in one of the columns, for who leads a team
    also those with one of theirs in the first."""
    if principal.sees == "all":
        return None
    me = principal.employee_id
    if me is None:
        return false()
    seen = [column == me for column in columns]
    if principal.sees == "team":
        seen.append(columns[0].in_(select(employees.c.employee_id).where(employees.c.team_lead_id == me)))
    return or_(*seen)


async def leads(tx: Tx, lead_id: UUID, employee_id: UUID) -> bool:
    """Whether this is the lead of that employee's team."""
    query = select(employees.c.employee_id).where(employees.c.employee_id == employee_id)
    return await tx.scalar(query.where(employees.c.team_lead_id == lead_id)) is not None


async def hold(tx: Tx, employee_ids: Collection[UUID], day: date, *, known: bool = False) -> dict[UUID, Person]:
    """These employees, held until the transaction ends, with mentor and lead unless these are gone on that day, and
    whether they are themselves.

    Who is not known gets an empty row: so news of them has to wait for us, or we for it, and no assignment misses its
    coach because both came at once. With `known`, only those who are known already.
    """
    ids = sorted(employee_ids)
    found = await _hold(tx, ids, day)
    absent = [id for id in ids if id not in found]
    if absent and not known:
        await tx.run(insert(employees).on_conflict_do_nothing(), [{"employee_id": id} for id in absent])
        found = await _hold(tx, ids, day)
    return found


async def _hold(tx: Tx, ids: Sequence[UUID], day: date) -> dict[UUID, Person]:
    rows = await tx.all(
        text("""
        SELECT one.employee_id,
               CASE WHEN mentor.left_on <= :day THEN NULL ELSE one.mentor_id END AS mentor_id,
               CASE WHEN lead.left_on <= :day THEN NULL ELSE one.team_lead_id END AS team_lead_id,
               one.role, one.team, arrival.started_on, coalesce(one.left_on <= :day, false) AS gone
        FROM training.employees AS one
        LEFT JOIN training.employees AS mentor ON mentor.employee_id = one.mentor_id
        LEFT JOIN training.employees AS lead ON lead.employee_id = one.team_lead_id
        LEFT JOIN training.arrivals AS arrival ON arrival.employee_id = one.employee_id
        WHERE one.employee_id = ANY(CAST(:ids AS uuid[]))
        ORDER BY one.employee_id
        FOR SHARE OF one
        """),
        {"day": day, "ids": ids},
    )
    return {row["employee_id"]: Person(**row) for row in rows}


async def everybody(tx: Tx, day: date) -> dict[UUID, Person]:
    """All employees, as they are now, who had not left before this day."""
    rows = await tx.all(
        text("""
        SELECT employee_id, mentor_id, team_lead_id, role, team, started_on
        FROM training.employees LEFT JOIN training.arrivals USING (employee_id)
        WHERE left_on IS NULL OR left_on > :day
        """),
        {"day": day},
    )
    return {row["employee_id"]: Person(**row) for row in rows}


async def note_arrivals(tx: Tx, events: Mapping[UUID, EmployeeStarted]) -> None:
    """Keep the first day and the application of each; the earliest day stands."""
    rows = [events[id] for id in sorted(events)]
    await tx.run(
        text("""
        INSERT INTO training.arrivals AS known (employee_id, started_on, application_id)
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS date[]), CAST(:applications AS uuid[]))
        ON CONFLICT (employee_id) DO UPDATE SET
            started_on = least(known.started_on, excluded.started_on),
            application_id = coalesce(known.application_id, excluded.application_id)
        """),
        {
            "ids": [e.employee_id for e in rows],
            "days": [e.date for e in rows],
            "applications": [e.application_id for e in rows],
        },
    )
