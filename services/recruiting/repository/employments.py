"""What an accepted offer leads to: employments, contracts, and what other services report of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.recruiting.domain.forms import Contract
from services.recruiting.tables import contracts, employments, reports
from shared.db import RowMapping, Tx
from shared.ids import new_id


async def begin(tx: Tx, application_id: UUID, requisition_id: UUID, values: dict[str, Any]) -> None:
    await tx.run(
        insert(employments).values(
            application_id=application_id, requisition_id=requisition_id, extended=False, began_at=tx.now, **values
        )
    )


async def employment(tx: Tx, application_id: UUID) -> RowMapping | None:
    return await tx.first(select(employments).where(employments.c.application_id == application_id))


async def alter(tx: Tx, application_id: UUID, **values: Any) -> None:
    await tx.run(update(employments).where(employments.c.application_id == application_id).values(**values))


async def sign(tx: Tx, contract: Contract, **values: Any) -> None:
    await tx.run(insert(contracts).values(id=new_id(), signed_at=tx.now, **contract.model_dump(), **values))


async def had_probation(tx: Tx, candidate_id: UUID, employee_id: UUID) -> bool:
    """Whether a contract with a probation was signed with this person before."""
    found = await tx.scalar(
        select(func.count())
        .select_from(contracts)
        .where(or_(contracts.c.candidate_id == candidate_id, contracts.c.employee_id == employee_id))
        .where(contracts.c.probation_ends_on.is_not(None))
    )
    return bool(found)


async def contracts_of(tx: Tx, application_id: UUID) -> Sequence[RowMapping]:
    return await tx.all(select(contracts).where(contracts.c.application_id == application_id).order_by(contracts.c.id))


async def note(
    tx: Tx, event_id: str, at: datetime, step: int, employee_id: UUID, application_id: UUID | None, outcome: str,
    score: Decimal | None,
) -> None:  # fmt: skip
    """Keep what another service reported."""
    await tx.run(
        insert(reports)
        .values(
            event_id=event_id, at=at, step=step, employee_id=employee_id, application_id=application_id,
            outcome=outcome, score=score,
        )
        .on_conflict_do_nothing()
    )  # fmt: skip


async def waiting(tx: Tx, application_id: UUID, employee_id: UUID | None) -> Sequence[RowMapping]:
    """Reports that had no turn yet, in the order in which things happened."""
    return await tx.all(
        select(reports)
        .where(or_(reports.c.application_id == application_id, reports.c.employee_id == employee_id))
        .where(reports.c.applied_at.is_(None))
        .order_by(reports.c.at, reports.c.event_id)
    )


async def in_probation(tx: Tx, employee_id: UUID) -> UUID | None:
    """The newest application that made somebody an employee, or gave them their present place."""
    found: UUID | None = await tx.scalar(
        select(employments.c.application_id)
        .where(employments.c.employee_id == employee_id)
        .order_by(employments.c.application_id.desc())
        .limit(1)
    )
    return found


async def mark_applied(tx: Tx, event_id: str) -> None:
    await tx.run(update(reports).where(reports.c.event_id == event_id).values(applied_at=tx.now))
