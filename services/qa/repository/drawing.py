"""How does a plan become a draw, with audits that are shared among its auditors: asked for, or by itself?"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from services.qa.domain.audits import person
from services.qa.domain.sampling import Part, Plan, auditors_of, parts_due, share
from services.qa.repository import audits, people, sampling
from services.qa.tables import sampling_plans, scheduled_draws
from shared.calendar import local_day
from shared.db import RowMapping, Tx
from shared.delivery import is_outage
from shared.ids import new_id
from shared.pages import Page, page

log = structlog.get_logger(__name__)

SCHEDULE = "schedule"
"""Who draws where nobody asked."""
AT_ONCE = 10
"""So many draws in one transaction, which others who draw wait for; what is left comes with the next turn."""


async def draw(
    tx: Tx, plan: Plan, seed: str, by: str, *, size: int | None, from_day: date | None, to_day: date | None
) -> dict[str, Any] | None:
    """Draw, and make the audits; None where no interaction is left that one of the auditors may audit."""
    period = {"from_day": from_day, "to_day": to_day}
    employees = await people.leads_of(tx, team=plan.filter.team, ids=plan.filter.employee_ids)
    leads = await people.leads_of(tx, ids=[one for auditor in plan.auditors if (one := person(auditor))])
    allowed_to = auditors_of(employees, plan.auditors, leads)
    chosen = await sampling.sample(tx, plan, allowed_to, seed=seed, size=size, **period)
    if chosen[0]["recording_id"] is None:
        return None
    drawn = {
        "id": new_id(), "plan_id": plan.id, "seed": seed, **period, "size": size or max(plan.size, int(chosen[0]["n"])),
        "frame_size": chosen[0]["frame_size"], "frame_hash": chosen[0]["frame_hash"],
        "sample": [row["recording_id"] for row in chosen], "drawn_at": tx.now, "drawn_by": by,
        "inclusion": [row["inclusion"] for row in chosen],
    }  # fmt: skip
    await sampling.add_draw(tx, drawn)
    auditors = share([allowed_to[row["employee_id"]] for row in chosen], plan.auditors)
    units = [
        audits.Unit(row["recording_id"], row["call_id"], row["employee_id"], auditor)
        for row, auditor in zip(chosen, auditors, strict=True)
    ]
    await audits.create(tx, plan.scorecard_id, units, by=by, draw_id=drawn["id"])
    return drawn


async def draw_what_is_due(tx: Tx) -> None:
    """Have each plan with a period drawn up to now, also for the time in which nobody was there to do it."""
    left = AT_ONCE
    open_plans = sampling_plans.c.period.is_not(None), sampling_plans.c.ended_at.is_(None)
    for row in await tx.all(select(sampling_plans).where(*open_plans).order_by(sampling_plans.c.id)):
        plan = sampling.shape(row)
        done = select(func.max(scheduled_draws.c.from_day)).where(scheduled_draws.c.plan_id == plan.id)
        for part in parts_due(plan, await tx.scalar(done), tx.now, tx.settings.zone):
            if not left:
                return
            left -= 1
            try:
                async with tx.connection.begin_nested():
                    await _draw_part(tx, plan, part)
            except DBAPIError as error:
                if is_outage(error):
                    raise
                # Its turn comes again; the other plans do not wait for it.
                log.error("scheduled_draw_failed", plan=str(plan.id), day=str(part.from_day), exc_info=error)
                break


async def _draw_part(tx: Tx, plan: Plan, part: Part) -> None:
    """What becomes of a part is kept once, drawn or not, so that it comes once."""
    period = {"from_day": part.from_day, "to_day": part.to_day}
    seed, auditors = part.seed(plan.id), await _who_is_there(tx, plan, local_day(tx.now, tx.settings.zone))
    await sampling.one_at_a_time(tx, plan.scorecard_id)
    drawn: RowMapping | dict[str, Any] | None = await sampling.drawn_before(tx, plan.id, seed, **period)
    if drawn is None and auditors:
        partly = plan.model_copy(update={"size": part.size, "auditors": auditors})
        drawn = await draw(tx, partly, seed, SCHEDULE, size=None, **period)
    outcome = "drawn" if drawn else "nothing_to_draw" if auditors else "no_auditor"
    kept = {"size": part.size, "due_at": part.due_at, "done_at": tx.now, "outcome": outcome}
    await tx.run(
        scheduled_draws.insert(), {"plan_id": plan.id, **period, **kept, "draw_id": drawn["id"] if drawn else None}
    )


async def _who_is_there(tx: Tx, plan: Plan, today: date) -> tuple[str, ...]:
    """The auditors of the plan without those who have left."""
    gone = await people.left_before(tx, today, ids=[one for auditor in plan.auditors if (one := person(auditor))])
    return tuple(auditor for auditor in plan.auditors if person(auditor) not in gone)


async def end(tx: Tx, id: UUID, at: datetime, by: str) -> None:
    await tx.run(sampling_plans.update().where(sampling_plans.c.id == id).values(ended_at=at, ended_by=by))


async def scheduled(tx: Tx, plan_id: UUID, shape: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    query = select(scheduled_draws).where(scheduled_draws.c.plan_id == plan_id)
    return await page(tx, query, [scheduled_draws.c.from_day], shape, limit=limit, cursor=cursor)
