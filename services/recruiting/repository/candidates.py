"""Who applies, who is known already, and with what they applied."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from services.recruiting.domain.candidates import Contact, KeyKind
from services.recruiting.domain.walk import State
from services.recruiting.tables import applications, candidate_keys, candidates, requisitions
from shared.db import RowMapping, Tx
from shared.direct import text


async def known_by(tx: Tx, keys: Mapping[KeyKind, bytes]) -> dict[KeyKind, UUID]:
    """Whom these keys belong to. Until the transaction ends nobody else can come to have them."""
    for lock in sorted(f"recruiting.candidate.{kind}.{digest.hex()}" for kind, digest in keys.items()):
        await tx.run(text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 0))"), {"lock": lock})
    rows = await tx.all(
        text("""
        SELECT kind, candidate_id FROM recruiting.candidate_keys
        JOIN unnest(CAST(:kinds AS text[]), CAST(:digests AS bytea[])) AS given (kind, digest) USING (kind, digest)
        """),
        {"kinds": list(keys), "digests": list(keys.values())},
    )
    return {row["kind"]: row["candidate_id"] for row in rows}


async def kinds_of(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, set[KeyKind]]:
    """Which kinds of keys these candidates have."""
    rows = await tx.all(select(candidate_keys).where(candidate_keys.c.candidate_id.in_(ids)))
    found: dict[UUID, set[KeyKind]] = {}
    for row in rows:
        found.setdefault(row["candidate_id"], set()).add(row["kind"])
    return found


async def candidate(tx: Tx, id: UUID) -> RowMapping | None:
    return await tx.first(select(candidates).where(candidates.c.id == id))


async def hold(tx: Tx, id: UUID) -> RowMapping | None:
    return await tx.first(select(candidates).where(candidates.c.id == id).with_for_update())


async def add(tx: Tx, id: UUID, contact: Contact, employee_id: UUID | None, consent_until: date) -> None:
    await tx.run(
        insert(candidates).values(
            id=id, name=contact.name, phone=contact.phone, email=contact.email, employee_id=employee_id,
            consent_until=consent_until, created_at=tx.now, version=1,
        )
    )  # fmt: skip


async def add_keys(tx: Tx, id: UUID, keys: Mapping[KeyKind, bytes]) -> None:
    """Keys that belong to nobody yet."""
    for kind in sorted(keys):
        await tx.run(
            insert(candidate_keys).values(kind=kind, digest=keys[kind], candidate_id=id).on_conflict_do_nothing()
        )


async def extend_consent(tx: Tx, id: UUID, until: date) -> None:
    await tx.run(
        update(candidates)
        .where(candidates.c.id == id, candidates.c.consent_until < until)
        .values(consent_until=until, version=candidates.c.version + 1)
    )


async def become_employee(tx: Tx, id: UUID, employee_id: UUID) -> None:
    await tx.run(update(candidates).where(candidates.c.id == id).values(employee_id=employee_id))


async def apply(tx: Tx, state: State, values: Mapping[str, Any]) -> None:
    """Store a new application; its first move is stored by `pipeline.move`."""
    await tx.run(
        insert(applications).values(
            id=state.id, requisition_id=state.requisition_id, status=state.status, done=sorted(state.done),
            applied_at=tx.now, version=0, **values,
        )
    )  # fmt: skip


async def running_for(tx: Tx, candidate_id: UUID, requisition_id: UUID, statuses: Sequence[str]) -> UUID | None:
    """An application of this candidate for this requisition that is under way."""
    found: UUID | None = await tx.scalar(
        select(applications.c.id)
        .where(applications.c.candidate_id == candidate_id, applications.c.requisition_id == requisition_id)
        .where(applications.c.status.in_(statuses))
        .limit(1)
    )
    return found


async def of_employee(tx: Tx, employee_id: UUID, statuses: Sequence[str]) -> list[tuple[UUID, UUID]]:
    """(requisition, application) that somebody has under way here, as a candidate or in probation, in lock order."""
    rows = await tx.all(
        text("""
        SELECT a.requisition_id, a.id FROM recruiting.applications a
        WHERE a.status = ANY (CAST(:statuses AS text[]))
          AND (a.candidate_id IN (SELECT id FROM recruiting.candidates WHERE employee_id = :id)
               OR a.id IN (SELECT application_id FROM recruiting.employments WHERE employee_id = :id))
        ORDER BY a.requisition_id, a.id
        """),
        {"id": employee_id, "statuses": list(statuses)},
    )
    return [(row["requisition_id"], row["id"]) for row in rows]


async def former(tx: Tx, candidate_id: UUID, *, besides: UUID | None) -> Sequence[RowMapping]:
    """Applications of this candidate before, newest first: for what, how far, and why it ended. At most 50."""
    return await tx.all(
        select(
            applications.c.id.label("application_id"), applications.c.requisition_id, requisitions.c.role,
            applications.c.status, applications.c.reason, applications.c.applied_at,
            literal_column("""(SELECT h.step FROM recruiting.step_history h WHERE h.application_id = applications.id
                               AND h.move = 'left' ORDER BY h.id DESC LIMIT 1)""").label("step"),
        )
        .join_from(applications, requisitions, requisitions.c.id == applications.c.requisition_id)
        .where(applications.c.candidate_id == candidate_id, applications.c.id != besides)
        .order_by(applications.c.id.desc())
        .limit(50)
    )  # fmt: skip


def listing(*, requisition_id: UUID | None, step: int | None, status: str | None) -> Select[Any]:
    """Applications; every combination of filters has an index that ends in the id."""
    query = select(applications)
    for column, wanted in ((applications.c.requisition_id, requisition_id), (applications.c.step, step),
                           (applications.c.status, status)):  # fmt: skip
        if wanted is not None:
            query = query.where(column == wanted)
    return query
