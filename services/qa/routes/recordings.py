"""Recordings over HTTP: the answered calls that telephony told of."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.qa.repository import recordings
from services.qa.repository.people import Sight, sees
from services.qa.repository.recordings import Wanted
from services.qa.routes.router import router
from services.qa.routes.sight import Seen
from services.qa.tables import NOBODY
from shared.db import RowMapping, Tx
from shared.errors import NotFound
from shared.events import Code, ExternalId
from shared.http import CurrentTx
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page


class RecordingRead(BaseModel):
    """An answered call, of one agent. `employee_id` is null as long as it waits for its agent to become known."""

    id: UUID
    call_id: str
    agent_id: str | None
    employee_id: UUID | None
    day: date
    started_at: datetime
    answered_at: datetime
    ended_at: datetime
    direction: str
    queue: str | None
    topic: str | None
    wait_seconds: Number | None
    talk_seconds: Number | None
    hold_seconds: Number | None
    wrap_up_seconds: Number | None
    recording_uri: str | None
    customer_ref: str | None


def _read(row: RowMapping) -> RecordingRead:
    seconds = {
        f"{part}_seconds": None if row[f"{part}_ms"] is None else Decimal(row[f"{part}_ms"]) / 1000
        for part in ("wait", "talk", "hold", "wrap_up")
    }
    return RecordingRead(**{**row, "agent_id": None if row["agent_id"] == NOBODY else row["agent_id"], **seconds})


@router.get("/recordings")
async def list_recordings(
    tx: CurrentTx,
    sight: Seen,
    employee_id: UUID | None = None,
    agent_id: ExternalId | None = None,
    call_id: ExternalId | None = None,
    team: Code | None = None,
    queue: Code | None = None,
    waiting: Annotated[bool, Query(description="Only those whose agent is not known yet.")] = False,
    from_day: Annotated[date | None, Query(alias="from", description="First day, in the centre.")] = None,
    to_day: Annotated[date | None, Query(alias="to", description="Last day, in the centre.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RecordingRead]:
    """Answered calls, newest first; an agent sees their own, a team lead also those of the team."""
    wanted = Wanted(employee_id, agent_id, call_id, team, queue, waiting, from_day, to_day)
    return await recordings.listed(tx, wanted, sight, _read, limit=limit, cursor=cursor)


@router.get("/recordings/{id}")
async def read_recording(id: UUID, tx: CurrentTx, sight: Seen) -> RecordingRead:
    return _read(await seen_recording(tx, id, sight))


async def seen_recording(tx: Tx, id: UUID, sight: Sight) -> RowMapping:
    """Raises `NotFound`, also for those from whom it is hidden."""
    row = await recordings.find(tx, id)
    if row is None or not await sees(tx, sight, row["employee_id"]):
        raise NotFound("There is no recording {id}.", id=id)
    return row
