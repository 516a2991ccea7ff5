"""How does recruiting read and write employees?"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.recruiting.domain.employees import Employee, differences
from services.recruiting.tables import employee_history, employees
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.identity import Principal

_FIELDS = [field.name for field in fields(Employee)]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of employees is narrowed to; None is no limit. `employed_on`: there on that day."""

    agent_id: str | None = None
    team: str | None = None
    role: str | None = None
    team_lead_id: UUID | None = None
    employed_on: date | None = None


def visible_to(principal: Principal) -> ColumnElement[bool] | None:
    """Which employees somebody may see; None for all. Agents see themselves, team leads also their team."""
    if principal.sees == "all":
        return None
    me = principal.employee_id
    if me is None:
        return false()
    own = employees.c.id == me
    return or_(own, employees.c.team_lead_id == me) if principal.sees == "team" else own


def listing(filters: Filters, principal: Principal) -> Select[Any]:
    query = select(employees)
    seen = visible_to(principal)
    if seen is not None:
        query = query.where(seen)
    for column in ("agent_id", "team", "role", "team_lead_id"):
        wanted = getattr(filters, column)
        if wanted is not None:
            query = query.where(employees.c[column] == wanted)
    if (day := filters.employed_on) is not None:
        query = query.where(employees.c.since <= day, or_(employees.c.left_on.is_(None), employees.c.left_on > day))
    return query


def employee_of(row: RowMapping) -> Employee:
    return Employee(**{field: row[field] for field in _FIELDS})


async def find(tx: Tx, id: UUID, principal: Principal) -> Employee | None:
    """The employee, if there and visible to this principal."""
    row = await tx.first(listing(Filters(), principal).where(employees.c.id == id))
    return employee_of(row) if row else None


async def hold(tx: Tx, id: UUID) -> Employee | None:
    """The employee, locked until the transaction ends."""
    row = await tx.first(select(employees).where(employees.c.id == id).with_for_update())
    return employee_of(row) if row else None


class Holder(NamedTuple):
    """Who holds a login, and the day from which it is free; None where that is not known."""

    id: UUID
    free_from: date | None


# A state of an employee lasts until the next one, or until they leave. Others heard of it with its first day, also
# where they leave before: for others the login is theirs from that day on, until it is somebody else's.
_HOLDER = text("""
    SELECT id, free_from FROM (
        SELECT id, CASE WHEN left_on IS NOT NULL THEN greatest(left_on, holds_from) END AS free_from
        FROM recruiting.employees WHERE agent_id = :login
        UNION ALL
        SELECT one.id, greatest(least(until, left_on), coalesce(CAST(gave.before ->> 'holds_from' AS date), until))
        FROM recruiting.employee_history AS gave
        JOIN recruiting.employees AS one ON one.id = gave.employee_id
        CROSS JOIN LATERAL (
            SELECT CAST(after ->> 'holds_from' AS date) AS until FROM recruiting.employee_history AS last
            WHERE last.employee_id = gave.employee_id AND last.id <= gave.id AND after ->> 'holds_from' IS NOT NULL
            ORDER BY last.id DESC LIMIT 1
        ) AS next
        WHERE gave.before ->> 'agent_id' = :login
    ) AS held
    WHERE id <> :besides AND (free_from IS NULL OR free_from > :day)
    ORDER BY free_from DESC NULLS FIRST LIMIT 1
""")


async def holder_of(tx: Tx, agent_id: str, day: date, *, besides: UUID) -> Holder | None:
    """Who else holds this login on that day or later. Until the transaction ends nobody can come to hold it."""
    await tx.run(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:login, 0))"), {"login": f"recruiting.login.{agent_id}"}
    )
    row = await tx.first(_HOLDER, {"login": agent_id, "day": day, "besides": besides})
    return Holder(**row) if row else None


async def known(tx: Tx, ids: Collection[UUID]) -> set[UUID]:
    """Those of the ids that belong to employees."""
    found = await tx.column(select(employees.c.id).where(employees.c.id.in_(ids)))
    return set(found)


async def add(tx: Tx, employee: Employee, actor: str) -> bool:
    """Store a new employee; False if the id is taken."""
    added = await tx.scalar(
        insert(employees)
        .values(asdict(employee))
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(employees.c.id)
    )
    if added:
        await _remember(tx, None, employee, "started", actor)
    return added is not None


async def save(tx: Tx, before: Employee, after: Employee, action: Literal["changed", "left"], actor: str) -> Employee:
    """Store a change under the next version."""
    after = replace(after, version=before.version + 1)
    await tx.run(update(employees).where(employees.c.id == after.id).values(asdict(after)))
    await _remember(tx, before, after, action, actor)
    return after


async def first_state(tx: Tx, id: UUID) -> dict[str, Any]:
    """What the employee was entered as, as JSON."""
    state: dict[str, Any] = await tx.scalar(
        select(employee_history.c.after)
        .where(employee_history.c.employee_id == id)
        .order_by(employee_history.c.id)
        .limit(1)
    )
    return state


def history(id: UUID) -> Select[Any]:
    return select(employee_history).where(employee_history.c.employee_id == id)


async def _remember(tx: Tx, before: Employee | None, after: Employee, action: str, actor: str) -> None:
    old, new = differences(before, after)
    await tx.run(
        insert(employee_history).values(
            employee_id=after.id, at=tx.now, actor=actor, action=action, before=old, after=new
        )
    )
