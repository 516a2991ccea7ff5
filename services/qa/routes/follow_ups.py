"""Follow-ups over HTTP: after coaching, the same criteria are looked at on a later call."""

from datetime import datetime
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict

from services.qa.repository import audits, follow_ups, recordings, scorecards
from services.qa.repository.audits import Unit
from services.qa.routes.audits import AuditRead, check_may_audit, tagged
from services.qa.routes.router import router
from services.qa.routes.sight import Seen
from shared.errors import IllegalState, Invalid, NotFound
from shared.http import CurrentTx
from shared.identity import Anyone
from shared.pages import Cursor, Limit, Page


class FollowUp(BaseModel):
    """An audit that is owed. `audit_id`: the fail; `criteria`: what to look at; `asked_at`: when coaching was done."""

    id: UUID
    assignment_id: UUID
    audit_id: UUID
    employee_id: UUID
    criteria: list[str]
    asked_at: datetime


class TakenUp(BaseModel):
    """The later call to look at."""

    model_config = ConfigDict(extra="forbid")

    recording_id: UUID


@router.get("/follow-ups")
async def list_follow_ups(
    tx: CurrentTx, sight: Seen, employee_id: UUID | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[FollowUp]:
    """Those that are owed, oldest first: not made yet, and the fail they follow still stands."""
    return await follow_ups.owed(tx, employee_id, sight, lambda row: FollowUp(**row), limit=limit, cursor=cursor)


@router.post("/follow-ups/{id}/audit", status_code=201)
async def take_up(id: UUID, new: TakenUp, tx: CurrentTx, auditor: Anyone, response: Response) -> AuditRead:
    """Begin the audit of the same criteria, by the same version of the scorecard, on a call after the coaching."""
    owed = await follow_ups.find(tx, id)
    recording = await recordings.find(tx, new.recording_id)
    if recording is None:
        raise NotFound("There is no recording {id}.", id=new.recording_id)
    if recording["employee_id"] != owed["employee_id"] or recording["started_at"] <= owed["asked_at"]:
        raise Invalid(
            "Choose a call of the same employee that began after {asked_at}.",
            asked_at=owed["asked_at"].isoformat(), errors=[{"field": "recording_id", "message": str(new.recording_id)}],
        )  # fmt: skip
    await check_may_audit(tx, auditor, owed["employee_id"])
    failed = await audits.find(tx, owed["audit_id"])
    card = await scorecards.get(tx, failed.scorecard_id)
    unit = Unit(recording["id"], recording["call_id"], owed["employee_id"], auditor.sub)
    made = await audits.create(
        tx, card.id, [unit], by=auditor.sub, purpose="follow_up", follows=failed.id,
        focus=[c.key for c in card.criteria if c.key in owed["criteria"]] or None,
    )  # fmt: skip
    if not made:
        raise IllegalState("You audited this recording as a follow-up with {scorecard} already.", scorecard=card.label)
    [audit_id] = made
    await follow_ups.followed(tx, id, audit_id)
    return tagged(await audits.find(tx, audit_id), response)
