"""What do people add to appraisals: ratings, appeals, plans, circumstances?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.performance.tables import (
    appeals,
    appraisals,
    circumstances,
    cycles,
    employees,
    improvement_plans,
    ratings,
)
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id


async def person(tx: Tx, employee_id: UUID) -> RowMapping | None:
    return await tx.first(select(employees).where(employees.c.employee_id == employee_id))


async def appraisal(tx: Tx, id: UUID) -> RowMapping | None:
    """An appraisal with its cycle, locked against finalisation."""
    query = (
        select(appraisals, cycles.c.status.label("cycle_status"), cycles.c.template, cycles.c.last_day)
        .join(cycles, cycles.c.id == appraisals.c.cycle_id)
        .where(appraisals.c.id == id)
        .with_for_update(of=appraisals)
    )
    return await tx.first(query)


async def rate(tx: Tx, appraisal_id: UUID, indicator: str, rater: str, kind: str, value: Any) -> None:
    await tx.run(
        insert(ratings).values(
            id=new_id(),
            appraisal_id=appraisal_id,
            indicator=indicator,
            rater=rater,
            kind=kind,
            value=value,
            given_at=tx.now,
        )
    )


async def raters(tx: Tx, appraisal_id: UUID, indicator: str) -> set[str]:
    rows = await tx.column(
        select(ratings.c.rater).where(ratings.c.appraisal_id == appraisal_id, ratings.c.indicator == indicator)
    )
    return set(rows)


def all_appeals() -> Select[Any]:
    return (
        select(appeals, appraisals.c.employee_id)
        .join(appraisals, appraisals.c.id == appeals.c.appraisal_id)
        .join(employees, employees.c.employee_id == appraisals.c.employee_id)
    )


async def file_appeal(tx: Tx, **values: Any) -> UUID | None:
    """None where the entry was appealed against already."""
    id = new_id()
    made: UUID | None = await tx.scalar(
        insert(appeals)
        .values(id=id, filed_at=tx.now, **values)
        .on_conflict_do_nothing(index_elements=["entry_id"])
        .returning(appeals.c.id)
    )
    return made


async def decide(tx: Tx, id: UUID, **values: Any) -> None:
    await tx.run(
        update(appeals)
        .where(appeals.c.id == id)
        .values(**values, decided_at=tx.now, version=appeals.c.version + 1)
    )  # fmt: skip


def all_plans() -> Select[Any]:
    return select(improvement_plans).join(
        employees, employees.c.employee_id == improvement_plans.c.employee_id, isouter=True
    )


async def change_plan(tx: Tx, id: UUID, checkpoints: Sequence[dict[str, Any]], status: str) -> None:
    await tx.run(
        update(improvement_plans)
        .where(improvement_plans.c.id == id)
        .values(checkpoints=list(checkpoints), status=status, version=improvement_plans.c.version + 1)
    )


def all_circumstances() -> Select[Any]:
    return select(circumstances)


async def note_circumstance(tx: Tx, **values: Any) -> RowMapping:
    row = await tx.first(insert(circumstances).values(id=new_id(), noted_at=tx.now, **values).returning(circumstances))
    assert row is not None
    return row


_verified = select(appraisals, cycles.c.template).join(cycles, cycles.c.id == appraisals.c.cycle_id)


async def appraisal_rows(tx: Tx, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Appraisals with what their ledgers must agree with, in pages, for those who verify them."""
    query = _verified.where(and_(appraisals.c.id > after) if after else text("true"))
    return await tx.all(query.order_by(appraisals.c.id).limit(limit))


async def appraisals_named(tx: Tx, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """As `appraisal_rows`, these."""
    return await tx.all(_verified.where(appraisals.c.id.in_(ids))) if ids else []


async def one_snapshot_at(tx: Tx) -> datetime:
    """All reads see the same moment, which is answered. Must be the first statement."""
    await tx.run(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    return tx.now
