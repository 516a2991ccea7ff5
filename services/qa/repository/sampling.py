"""Which plans for sampling are there, and what was drawn by them?"""

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Numeric,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from services.qa.domain.sampling import Emphasis, Filter, Plan
from services.qa.repository.recordings import HELD
from services.qa.tables import agent_holders, audits, draws, employee_logins, ratings, recordings, sampling_plans
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import NotFound
from shared.pages import Page, page

# SHA-256 over the ids of the frame in their order, each as its 16 bytes.
_frame_hash = literal_column("encode(sha256(coalesce(string_agg(uuid_send(id), '' ORDER BY id), '')), 'hex')", Text)


_OF_TENURE = ("tenure_days_at_least", "tenure_days_at_most")


async def add(tx: Tx, plan: Plan) -> None:
    nested = plan.model_dump(mode="json", include={"filter", "emphasis"})
    await tx.run(sampling_plans.insert(), {**dict(plan), **nested, "auditors": list(plan.auditors)})


async def get(tx: Tx, id: UUID, *, to_change: bool = False) -> Plan:
    """Raises `NotFound`."""
    query = select(sampling_plans).where(sampling_plans.c.id == id)
    row = await tx.first(query.with_for_update() if to_change else query)
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
    size: int | None,
    from_day: date | None,
    to_day: date | None,
) -> Sequence[RowMapping]:
    """A sample of the answered interactions of these employees that nobody audited by this scorecard.

    Interactions are put in the order of the method, those that it does not tell apart by SHA-256 of `seed/recording
    id`; the same seed and frame give the same sample, in any language. `simple` with equal weights takes the first n.
    All others take n points at equal distances along the sum of the weights, from a start that the seed decides: so
    each interaction is drawn with probability n · weight / whole weight exactly, and each stretch of the order, such as
    an agent or a day, gets its share to the next whole number (systematic sampling with unequal probabilities; W. G.
    Madow, Annals of Mathematical Statistics 20 (1949), 333-354). Those for whom that would be above 1 are certain, and
    the others are drawn for the places that are left.

    Rows of recording_id, call_id, employee_id and inclusion probability, each with `frame_size`, `frame_hash` and `n`;
    for an empty frame one row with neither recording nor employee.
    """
    frame = _frame(plan, employees, from_day, to_day)
    exact = size is not None
    totals = (
        select(
            func.count().label("frame_size"),
            _frame_hash.label("frame_hash"),
            (func.min(frame.c.weight) == func.max(frame.c.weight)).label("equal"),
            func.least(
                func.count(),
                size if exact else func.greatest(plan.size, func.ceil(func.count() * (plan.percent or 0) / 100)),
            ).label("n"),
        )
        .select_from(frame)
        .cte("totals")
    )
    rank = func.sha256(func.convert_to(literal(f"{seed}/", Text) + cast(frame.c.id, Text), "UTF8"))
    order = {
        "stratified": [frame.c.employee_id, rank],
        "spread": [frame.c.started_at, rank],
    }.get(plan.method, [rank])
    limit = _limit(frame, totals)
    drawable = case((frame.c.weight <= limit.c.weight, frame.c.weight), else_=0)
    ranked = (
        select(
            frame,
            drawable.label("drawable"),
            func.row_number().over(order_by=order).label("place"),
            func.sum(drawable).over(order_by=order, rows=(None, 0)).label("upto"),
        )
        .select_from(frame.join(limit, true()))
        .cte("ranked")
    )
    whole, n = cast(limit.c.whole, Numeric), cast(limit.c.n, Numeric)
    start = func.mod(literal(_number_of(seed), Numeric), whole)

    def points_below(weight: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.ceil((weight * n - start) / whole)

    certain = ranked.c.drawable == 0
    hit = or_(certain, points_below(ranked.c.upto) > points_below(ranked.c.upto - ranked.c.drawable))
    at_random = and_(totals.c.equal, literal(plan.method == "simple"))
    chosen = (
        select(
            ranked,
            case((certain, 1.0), else_=cast(ranked.c.weight * n / whole, Double)).label("inclusion"),
        )
        .select_from(ranked.join(totals, true()).join(limit, true()))
        .where(or_(totals.c.n == totals.c.frame_size, case((at_random, ranked.c.place <= totals.c.n), else_=hit)))
        .subquery("chosen")
    )
    return await tx.all(
        select(
            totals.c.frame_size,
            totals.c.frame_hash,
            totals.c.n,
            chosen.c.id.label("recording_id"),
            chosen.c.call_id,
            chosen.c.employee_id,
            case((totals.c.n == totals.c.frame_size, 1.0), else_=chosen.c.inclusion).label("inclusion"),
        )
        .select_from(totals.outerjoin(chosen, true()))
        .order_by(chosen.c.place)
    )


def _limit(frame: CTE, totals: CTE) -> CTE:
    """The greatest weight that can be drawn by chance; whatever has a greater one is certain.

    One row: the weight, the sum `whole` of the weights up to it, and the `n` that are left beside the certain ones.
    """
    classes = (
        select(frame.c.weight, func.count().label("units"), func.sum(frame.c.weight).label("sum"))
        .group_by(frame.c.weight)
        .cte("classes")
    )
    upwards = select(
        classes.c.weight,
        func.sum(classes.c.sum).over(order_by=classes.c.weight).label("whole"),
        (func.sum(classes.c.units).over() - func.sum(classes.c.units).over(order_by=classes.c.weight)).label("certain"),
    ).cte("upwards")
    left = totals.c.n - upwards.c.certain
    return (
        select(upwards.c.weight, upwards.c.whole, left.label("n"))
        .select_from(upwards.join(totals, true()))
        .where(upwards.c.weight * left <= upwards.c.whole)
        .order_by(upwards.c.weight.desc())
        .limit(1)
        .cte("greatest")
    )


def _number_of(seed: str) -> Decimal:
    return Decimal(int.from_bytes(sha256(seed.encode()).digest()[:8]))


def _frame(plan: Plan, employees: Collection[UUID], from_day: date | None, to_day: date | None) -> CTE:
    """What may be drawn: id, call_id, employee_id, started_at, and the weight that the plan's emphasis gives."""
    first_day = (
        select(employee_logins.c.employee_id, func.min(employee_logins.c.since).label("day"))
        .group_by(employee_logins.c.employee_id)
        .subquery("first_day")
    )
    rated = and_(ratings.c.call_id == recordings.c.call_id, ratings.c.agent_id == recordings.c.agent_id)
    tenure = recordings.c.day - first_day.c.day
    conditions = {
        "queue": recordings.c.queue.__eq__,
        "topic": recordings.c.topic.__eq__,
        "tenure_days_at_least": tenure.__ge__,
        "tenure_days_at_most": tenure.__le__,
        "talk_seconds_at_least": lambda seconds: recordings.c.talk_ms >= seconds * 1000,
        "talk_seconds_at_most": lambda seconds: recordings.c.talk_ms <= seconds * 1000,
        "rated_at_most": ratings.c.rating.__le__,
    }

    def holds(asked: Filter | Emphasis) -> list[ColumnElement[bool]]:
        given = {name: getattr(asked, name, None) for name in conditions}
        return [conditions[name](value) for name, value in given.items() if value is not None]

    weight: ColumnElement[Any] = literal(1, Integer)
    for emphasis in plan.emphasis:
        weight = weight * case((and_(true(), *holds(emphasis)), emphasis.factor), else_=1)
    period = [
        *([recordings.c.day >= from_day] if from_day else []),
        *([recordings.c.day <= to_day] if to_day else []),
    ]
    # Joined only where the plan asks for them: a frame can have millions of interactions.
    source: FromClause = recordings.join(agent_holders, HELD)
    asked: list[Filter | Emphasis] = [plan.filter, *plan.emphasis]
    if any(getattr(one, name, None) is not None for one in asked for name in _OF_TENURE):
        source = source.join(first_day, first_day.c.employee_id == agent_holders.c.employee_id)
    if any(one.rated_at_most is not None for one in asked):
        source = source.outerjoin(ratings, rated)
    return (
        select(
            recordings.c.id,
            recordings.c.call_id,
            agent_holders.c.employee_id,
            recordings.c.started_at,
            weight.label("weight"),
        )
        .select_from(source)
        .where(
            recordings.c.answered_at.is_not(None),
            agent_holders.c.employee_id == any_(bindparam("people", list(employees), ARRAY(Uuid))),
            *period,
            *holds(plan.filter),
            ~exists().where(
                audits.c.recording_id == recordings.c.id,
                audits.c.scorecard_id == plan.scorecard_id,
                audits.c.purpose != "calibration",
            ),
        )
        .cte("frame")
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


async def draw_of(tx: Tx, plan_id: UUID, id: UUID) -> RowMapping:
    """Raises `NotFound`."""
    row = await tx.first(select(draws).where(draws.c.plan_id == plan_id, draws.c.id == id))
    if row is None:
        raise NotFound("The sampling plan {plan} has no draw {id}.", plan=plan_id, id=id)
    return row
