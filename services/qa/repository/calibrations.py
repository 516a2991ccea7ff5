"""Which calibrations are there, and what was handed in?"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, any_, cast, func, or_, select, true

from services.qa.domain.audits import Audit
from services.qa.domain.calibrations import Given, HandIn, Interaction, Session
from services.qa.repository import scorecards as cards
from services.qa.repository.audits import handing_in, shape
from services.qa.tables import audits, calibrations, scorecards
from shared.db import RowMapping, Tx
from shared.errors import NotFound
from shared.pages import Page, page

AT_MOST = 50
"""So many sessions back a coefficient goes."""


async def add(tx: Tx, session: Session) -> None:
    row = {column.name: getattr(session, column.name) for column in calibrations.c}
    await tx.run(calibrations.insert(), {**row, "auditors": list(session.auditors)})


async def find(tx: Tx, id: UUID) -> Session:
    """Raises `NotFound`."""
    row = await tx.first(select(calibrations).where(calibrations.c.id == id))
    if row is None:
        raise NotFound("There is no calibration {id}.", id=id)
    return Session(**row)


async def listed(
    tx: Tx, takes_part: str | None, going_on: bool | None, shape: Any, *, limit: int, cursor: str | None
) -> Page[Any]:
    """Newest first, with the `statuses` of their audits; `takes_part`: only where this one does, or made it."""
    query = _with_statuses().where(*([] if takes_part is None else [_takes_part(takes_part)]))
    if going_on is not None:
        query = query.where(handing_in(calibrations.c.id) == going_on)
    return await page(tx, query, [calibrations.c.id], shape, limit=limit, cursor=cursor)


async def with_statuses(tx: Tx, id: UUID, takes_part: str | None) -> RowMapping:
    """One of the list. Raises `NotFound`."""
    query = _with_statuses().where(calibrations.c.id == id)
    row = await tx.first(query if takes_part is None else query.where(_takes_part(takes_part)))
    if row is None:
        raise NotFound("There is no calibration {id}.", id=id)
    return row


def _with_statuses() -> Any:
    statuses = (
        select(func.jsonb_object_agg(audits.c.auditor_id, audits.c.status))
        .where(audits.c.calibration_id == calibrations.c.id)
        .correlate(calibrations)
        .scalar_subquery()
    )
    return select(calibrations, statuses.label("statuses"))


def _takes_part(sub: str) -> ColumnElement[bool]:
    c = calibrations.c
    return or_(any_(c.auditors) == sub, c.expert == sub, c.created_by == sub)


async def drafts(tx: Tx, id: UUID) -> list[Audit]:
    """Those that were not handed in, locked until the transaction ends."""
    query = select(audits).where(audits.c.calibration_id == id, audits.c.status == "draft").order_by(audits.c.id)
    return [shape(row) for row in await tx.all(query.with_for_update())]


async def so_far(tx: Tx, session: Session, code: str) -> dict[UUID, Interaction]:
    """The finished sessions with any version of this scorecard up to this one, by id, the newest `AT_MOST`."""
    query = (
        select(calibrations)
        .join(scorecards, scorecards.c.id == calibrations.c.scorecard_id)
        .where(scorecards.c.code == code, calibrations.c.id <= session.id, ~handing_in(calibrations.c.id))
        .order_by(calibrations.c.id.desc())
        .limit(AT_MOST)
    )
    sessions = [Session(**row) for row in await tx.all(query)]
    handed_in = await _handed_in(tx, [one.id for one in sessions])
    versions = {id: await cards.get(tx, id) for id in {one.scorecard_id for one in sessions}}
    found = {}
    for one in sessions:
        all = [HandIn(audit, versions[one.scorecard_id]) for audit in handed_in.get(one.id, [])]
        expert = next((hand_in for hand_in in all if hand_in.audit.auditor_id == one.expert), None)
        found[one.id] = Interaction(one.created_at, [hand_in for hand_in in all if hand_in is not expert], expert)
    return found


async def _handed_in(tx: Tx, ids: Collection[UUID]) -> dict[UUID, list[Audit]]:
    query = select(audits).where(audits.c.calibration_id.in_(ids), audits.c.status == "submitted")
    found: dict[UUID, list[Audit]] = {}
    for row in await tx.all(query.order_by(audits.c.auditor_id)):
        found.setdefault(row["calibration_id"], []).append(shape(row))
    return found


async def scores(tx: Tx, from_day: date, to_day: date, code: str | None) -> Sequence[Given]:
    """What was scored in the finished sessions that began on these days of the centre."""
    day = cast(func.timezone(tx.settings.timezone, calibrations.c.created_at), Date)
    query = (
        select(
            calibrations.c.id.label("session"),
            calibrations.c.created_at.label("at"),
            audits.c.auditor_id.label("auditor"),
            calibrations.c.expert.is_not_distinct_from(audits.c.auditor_id).label("expert"),
            audits.c.score,
        )
        .select_from(
            calibrations.join(audits, audits.c.calibration_id == calibrations.c.id).join(
                scorecards, scorecards.c.id == calibrations.c.scorecard_id
            )
        )
        .where(
            day.between(from_day, to_day),
            audits.c.status == "submitted",
            audits.c.score.is_not(None),
            ~handing_in(calibrations.c.id),
            true() if code is None else scorecards.c.code == code,
        )
        .order_by(calibrations.c.id, audits.c.auditor_id)
    )
    return [Given(**{**row, "score": float(row["score"])}) for row in await tx.all(query)]
