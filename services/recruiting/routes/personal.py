"""Personal data over HTTP: handed to whom they are about, and erased."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from services.recruiting.process import personal as process
from services.recruiting.routes.who import Acting
from shared.http import CurrentTx, service_router

router = service_router("recruiting")


class ErasedOut(BaseModel):
    id: UUID
    erased_at: datetime


class ExportOut(BaseModel):
    """All that is stored about a candidate. `records` has the rows of each table as they are; scores of interviews only
    when handed in. `erased_at` says since when nothing in them identifies anybody."""

    id: UUID
    name: str | None
    phone: str | None
    email: str | None
    known_by: list[str]
    employee_id: UUID | None
    consent_until: date
    created_at: datetime
    erased_at: datetime | None
    records: dict[str, list[dict[str, Any]]]


@router.post("/candidates/{id}/erasure")
async def erase(id: UUID, tx: CurrentTx, actor: Acting) -> ErasedOut:
    """Take away what identifies a candidate. What they have under way is withdrawn; counts and history stay, without
    them. Not possible while they work here."""
    return ErasedOut(id=id, erased_at=await process.erase(tx, id, "erasure", actor))


@router.get("/candidates/{id}/export")
async def export(id: UUID, tx: CurrentTx) -> ExportOut:
    """All that is stored about a candidate, to be handed to them."""
    candidate, records = await process.export(tx, id)
    return ExportOut(**candidate, records=records)
