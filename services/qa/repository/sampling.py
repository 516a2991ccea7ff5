"""Which plans for sampling are there, and what was drawn by them?"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.engine import RowMapping

from services.qa.domain.sampling import Plan
from services.qa.repository.recordings import HELD
from services.qa.tables import agent_holders, audits, draws, recordings, sampling_plans
from shared.db import Tx
from shared.errors import NotFound
from shared.pages import Page, page

# SHA-256 over the ids of the frame in their order, each as its 16 bytes.
_frame_hash = literal_column("encode(sha256(coalesce(string_agg(uuid_send(id), '' ORDER BY id), '')), 'hex')", Text)


async def add(tx: Tx, plan: Plan) -> None:
    await tx.run(
        sampling_plans.insert(),
        {**dict(plan), "filter": plan.filter.model_dump(mode="json"), "auditors": list(plan.auditors)},
    )


async def get(tx: Tx, id: UUID) -> Plan:
    """Raises `NotFound`."""
    row = await tx.first(select(sampling_plans).where(sampling_plans.c.id == id))
    if row is None:
        raise NotFound("There is no sampling plan {id}.", id=id)
    return shape(row)


def shape(row: RowMapping) -> Plan:
    return Plan(**row)


async def listed(tx: Tx, *, limit: int, cursor: str | None) -> Page[Plan]:
    return await page(tx, select(sampling_plans), [sampling_plans.c.id], shape, limit=limit, cursor=cursor)


async def one_at_a_time(tx: Tx, scorecard_id: UUID) -> None:
    """Wait for whoever else draws for this scorecard, lest both draw the same interaction."""
    await tx.run(
        text("SELECT pg_advisory_xact_lock(hashtextextended('qa.draws.' || :scorecard, 0))"),
        {"scorecard": str(scorecard_id)},
    )


async def drawn_before(
    tx: Tx, plan_id: UUID, seed: str, from_day: date | None, to_day: date | None
) -> RowMapping | None:
    return await tx.first(
        select(draws).where(
            draws.c.plan_id == plan_id,
            draws.c.seed == seed,
            draws.c.from_day.is_not_distinct_from(from_day),
            draws.c.to_day.is_not_distinct_from(to_day),
        )
    )


async def sample(
    tx: Tx,
    plan: Plan,
    employees: Collection[UUID],
    *,
    seed: str,
    size: int,
    from_day: date | None,
    to_day: date | None,
) -> Sequence[RowMapping]:
    """A simple random sample of the answered interactions of these employees that nobody audited by this scorecard.

    Interactions rank by SHA-256 of `seed/recording id`; the first are the sample: the same seed and frame give the same
    one, in any language. Rows of recording_id, call_id, employee_id, each with `frame_size` and `frame_hash`; for an
    empty frame one row with neither recording nor employee.
    """
    asked = [
        (plan.filter.queue, recordings.c.queue.__eq__),
        (plan.filter.topic, recordings.c.topic.__eq__),
        (from_day, recordings.c.day.__ge__),
        (to_day, recordings.c.day.__le__),
    ]
    frame = (
        select(recordings.c.id, recordings.c.call_id, agent_holders.c.employee_id)
        .join(agent_holders, HELD)
        .where(
            recordings.c.answered_at.is_not(None),
            agent_holders.c.employee_id == any_(bindparam("people", list(employees), ARRAY(Uuid))),
            *(compare(value) for value, compare in asked if value is not None),
            ~exists().where(audits.c.recording_id == recordings.c.id, audits.c.scorecard_id == plan.scorecard_id),
        )
        .cte("frame")
    )
    whole = select(func.count().label("frame_size"), _frame_hash.label("frame_hash")).select_from(frame).subquery()
    rank = func.sha256(func.convert_to(literal(f"{seed}/", Text) + cast(frame.c.id, Text), "UTF8")).label("rank")
    first = select(frame, rank).order_by(rank).limit(size).subquery()
    return await tx.all(
        select(whole, first.c.id.label("recording_id"), first.c.call_id, first.c.employee_id)
        .select_from(whole.outerjoin(first, true()))
        .order_by(first.c.rank)
    )


async def add_draw(tx: Tx, draw: dict[str, Any]) -> None:
    await tx.run(draws.insert(), draw)


async def audits_of(tx: Tx, draw: RowMapping | dict[str, Any]) -> Sequence[RowMapping]:
    """The audits that a draw made, in the order of the sample."""
    return await tx.all(
        select(audits)
        .where(audits.c.draw_id == draw["id"])
        .order_by(func.array_position(literal(draw["sample"], ARRAY(Uuid)), audits.c.recording_id))
    )


async def draws_of(tx: Tx, plan_id: UUID, shape: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    query = select(draws).where(draws.c.plan_id == plan_id)
    return await page(tx, query, [draws.c.id], shape, limit=limit, cursor=cursor)
