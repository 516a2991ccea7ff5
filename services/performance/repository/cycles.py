"""Which cycles are there, and who is appraised in them?

Whether an audit comes before or after its employee is known or its cycle is opened must not matter. So opening a cycle
and getting to know employees take a lock alone, what is booked for audits shares it: whoever comes second sees what the
first one did.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping

from services.performance.tables import cycles
from shared.db import Tx

_LOCK = "hashtextextended('performance.cycles', 0)"
SHARED_LOCK = f"pg_advisory_xact_lock_shared({_LOCK})"
"""SQL that the first statement for an audit evaluates."""


def all_cycles() -> Select[Any]:
    return select(cycles)


async def cycle(tx: Tx, id: UUID) -> RowMapping | None:
    return await tx.first(select(cycles).where(cycles.c.id == id))


async def wait_alone(tx: Tx) -> None:
    """Wait for all who share the lock, and hold them up until this transaction ends."""
    await tx.run(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


async def wait_together(tx: Tx) -> None:
    """Wait for whoever has the lock alone, and hold up the next."""
    await tx.run(text(f"SELECT {SHARED_LOCK}"))


async def overlapping(tx: Tx, kind: str, first: date, last: date) -> str | None:
    """The code of an open cycle of this kind that shares a day with these."""
    found: str | None = await tx.scalar(
        select(cycles.c.code).where(
            cycles.c.status == "open", cycles.c.kind == kind, cycles.c.first_day <= last, cycles.c.last_day >= first
        )
    )
    return found


async def has_code(tx: Tx, code: str) -> bool:
    return bool(await tx.scalar(select(exists().where(cycles.c.code == code))))


async def add(tx: Tx, **values: Any) -> RowMapping:
    row = await tx.first(insert(cycles).values(**values).returning(cycles))
    assert row is not None
    return row


_WANTED = """
    FROM performance.cycles cycle CROSS JOIN performance.employees person
    WHERE cycle.status = 'open' AND person.known_at IS NOT NULL
      AND (person.left_on IS NULL OR person.left_on > cycle.first_day)
"""


async def appraise_everybody(tx: Tx, cycle_id: UUID) -> None:
    """Begin the appraisals of a new cycle: of all known employees who had not left before its first day."""
    await tx.run(
        text(f"""
        INSERT INTO performance.appraisals (cycle_id, employee_id)
        SELECT cycle.id, person.employee_id {_WANTED} AND cycle.id = :cycle
        """),
        {"cycle": cycle_id},
    )


async def appraise(tx: Tx, employees: Sequence[UUID]) -> None:
    """Have these employees appraised in those open cycles in which they should be, and in no other.

    An appraisal in which something was ever booked stays.
    """
    ids = {"ids": sorted(employees)}
    await tx.run(
        text(f"""
        INSERT INTO performance.appraisals (cycle_id, employee_id)
        SELECT cycle.id, person.employee_id {_WANTED} AND person.employee_id = ANY(CAST(:ids AS uuid[]))
        ORDER BY cycle.id, person.employee_id
        ON CONFLICT DO NOTHING
        """),
        ids,
    )
    await tx.run(
        text("""
        DELETE FROM performance.appraisals appraisal USING performance.cycles cycle, performance.employees person
        WHERE cycle.id = appraisal.cycle_id AND cycle.status = 'open'
          AND person.employee_id = appraisal.employee_id AND person.left_on <= cycle.first_day
          AND person.employee_id = ANY(CAST(:ids AS uuid[]))
          AND NOT EXISTS (SELECT FROM performance.ledger_entries line WHERE line.appraisal_id = appraisal.id)
        """),
        ids,
    )
