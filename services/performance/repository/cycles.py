"""Which cycles are there, and who is appraised in them?

Whether an audit comes before or after its employee is known or its cycle is opened must not matter. So opening a cycle
and getting to know employees take a lock alone, what is booked for audits shares it: whoever comes second sees what the
first one did.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from services.performance.domain.templates import PROBATION
from services.performance.tables import cycles
from shared.contracts.recruiting import EmployeeStarted
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id

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


async def overlapping(tx: Tx, kind: str, first: date, last: date, employee_id: UUID | None) -> str | None:
    """The code of a cycle of this kind (and employee) that is not finalised and shares a day with these."""
    found: str | None = await tx.scalar(
        select(cycles.c.code).where(
            cycles.c.status != "finalised",
            cycles.c.kind == kind,
            cycles.c.first_day <= last,
            cycles.c.last_day >= first,
            cycles.c.employee_id.is_not_distinct_from(employee_id),
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
      AND (cycle.employee_id IS NULL OR cycle.employee_id = person.employee_id)
"""


async def change(tx: Tx, id: UUID, **values: Any) -> RowMapping:
    row = await tx.first(
        update(cycles).where(cycles.c.id == id).values(**values, version=cycles.c.version + 1).returning(cycles)
    )
    assert row is not None
    return row


async def know_careers(tx: Tx, told: Sequence[EmployeeStarted]) -> None:
    """Keep since when each of these employees has been here, by which application and through which channel."""
    known: dict[UUID, tuple[date, UUID | None, str | None]] = {}
    for event in told:
        since, by, through = known.get(event.employee_id, (event.date, None, None))
        known[event.employee_id] = (
            min(since, event.date), by or event.application_id, through or event.source_channel
        )  # fmt: skip
    ids = sorted(known)
    days, applications, channels = zip(*(known[id] for id in ids), strict=True)
    await tx.run(
        text("""
        INSERT INTO performance.careers AS career (employee_id, started_on, application_id, source_channel)
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS date[]), CAST(:applications AS uuid[]),
                             CAST(:channels AS text[]))
        ON CONFLICT (employee_id) DO UPDATE SET
               started_on = least(career.started_on, excluded.started_on),
               application_id = coalesce(career.application_id, excluded.application_id),
               source_channel = coalesce(career.source_channel, excluded.source_channel)
        """),
        {"ids": ids, "days": list(days), "applications": list(applications), "channels": list(channels)},
    )


async def begin_probation(tx: Tx, employee_id: UUID, day: date) -> None:
    """Open the probation of somebody who was hired, once. It ends when it is finalised, or after its longest time."""
    await tx.run(
        insert(cycles)
        .values(
            id=new_id(),
            code=f"probation-{employee_id}",
            kind="probation",
            first_day=day,
            last_day=day + LONGEST_PROBATION,
            template=PROBATION.model_dump(mode="json"),
            employee_id=employee_id,
            opened_by="recruiting",
            opened_at=tx.now,
        )
        .on_conflict_do_nothing(index_elements=["code"])
    )


LONGEST_PROBATION = timedelta(days=183)
"""Six months, the most that labour law of China knows."""


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
          AND NOT EXISTS (SELECT FROM performance.ratings rating WHERE rating.appraisal_id = appraisal.id)
          AND NOT EXISTS (SELECT FROM performance.history decision WHERE decision.appraisal_id = appraisal.id)
        """),
        ids,
    )
