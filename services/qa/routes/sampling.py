"""Sampling over HTTP: plans, and draws that make audits."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.qa.domain.audits import Status
from services.qa.domain.estimates import Unit, acceptance, size_for_margin, weighted_mean
from services.qa.domain.sampling import NewPlan, Plan, Size
from services.qa.repository import drawing, sampling, scorecards
from services.qa.routes.router import router
from shared.db import RowMapping
from shared.errors import FieldError, IllegalState, Invalid
from shared.events import Code
from shared.http import CurrentTx
from shared.identity import Anyone
from shared.ids import new_id
from shared.pages import Cursor, Limit, Page


class NewDraw(BaseModel):
    """`seed` decides the sample. `from` and `to`: days of the centre, both included. `size`: else that of the plan."""

    model_config = ConfigDict(extra="forbid")

    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | Code
    size: Size | None = None
    from_day: Annotated[date | None, Field(alias="from")] = None
    to_day: Annotated[date | None, Field(alias="to")] = None


class DrawnAudit(BaseModel):
    id: UUID
    recording_id: UUID
    employee_id: UUID
    auditor_id: str
    status: Status


class DrawSummary(BaseModel):
    """What was drawn from. `frame_hash`: SHA-256 over the ids of the frame in their order, 16 bytes each.

    `inclusion`: how likely each of the sample was to be drawn.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    id: UUID
    plan_id: UUID
    seed: str
    from_day: Annotated[date | None, Field(alias="from")]
    to_day: Annotated[date | None, Field(alias="to")]
    size: int
    frame_size: int
    frame_hash: str
    sample: list[UUID]
    inclusion: list[float]
    drawn_at: datetime
    drawn_by: str


class Draw(DrawSummary):
    """A draw with the audits that it made, in the order of the sample (recording ids)."""

    audits: list[DrawnAudit]


class ScheduledDraw(BaseModel):
    """What became of one period, or one day of it.

    `size`: what was to be drawn, at least. `due_at` and `done_at` lie apart where nobody was there to draw, and it was
    caught up. `nothing_to_draw`: no call was left that an auditor of the plan may audit; `no_auditor`: all have left.
    """

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    from_day: Annotated[date, Field(alias="from")]
    to_day: Annotated[date, Field(alias="to")]
    size: int
    due_at: datetime
    done_at: datetime
    outcome: Literal["drawn", "nothing_to_draw", "no_auditor"]
    draw_id: UUID | None


@router.post("/sampling-plans", status_code=201)
async def make_plan(new: NewPlan, tx: CurrentTx, principal: Anyone) -> Plan:
    """Lay down which interactions are drawn, by which scorecard and by whom they are audited."""
    await scorecards.get(tx, new.scorecard_id)
    if new.method == "risk_weighted" and not new.emphasis:
        wrong: FieldError = {"field": "emphasis", "message": "[]"}
        raise Invalid("Say by emphasis what is risky, or choose another method.", errors=[wrong])
    plan = Plan(
        **{**dict(new), "auditors": tuple(dict.fromkeys(new.auditors))},
        id=new_id(), created_at=tx.now, created_by=principal.sub,
    )  # fmt: skip
    await sampling.add(tx, plan)
    return plan


@router.get("/sampling-plans")
async def list_plans(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[Plan]:
    return await sampling.listed(tx, limit=limit, cursor=cursor)


@router.get("/sampling-plans/{id}")
async def read_plan(id: UUID, tx: CurrentTx) -> Plan:
    return await sampling.get(tx, id)


@router.post("/sampling-plans/{id}/end")
async def end_plan(id: UUID, tx: CurrentTx, principal: Anyone) -> Plan:
    """No more draws by itself; what was drawn stays, and one can still draw by hand."""
    plan = await sampling.get(tx, id, to_change=True)
    if plan.period is None or plan.ended_at is not None:
        raise IllegalState("The plan does not draw by itself; what can be done with it now: draws.")
    await drawing.end(tx, id, tx.now, principal.sub)
    return plan.model_copy(update={"ended_at": tx.now, "ended_by": principal.sub})


@router.get("/sampling-plans/{id}/periods")
async def list_periods(id: UUID, tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[ScheduledDraw]:
    """What the plan drew by itself, or could not, the newest first."""
    plan = await sampling.get(tx, id)
    return await drawing.scheduled(tx, plan.id, lambda row: ScheduledDraw(**row), limit=limit, cursor=cursor)


@router.post("/sampling-plans/{id}/draws", status_code=201, responses={200: {"description": "Drawn before."}})
async def draw(id: UUID, new: NewDraw, tx: CurrentTx, principal: Anyone, response: Response) -> Draw:
    """Draw interactions and share them among the auditors; the same seed and period again answers what was drawn."""
    if new.from_day and new.to_day and new.to_day < new.from_day:
        raise Invalid("The period ends before it begins.", errors=[{"field": "to", "message": str(new.to_day)}])
    plan = await sampling.get(tx, id)
    seed, period = str(new.seed), {"from_day": new.from_day, "to_day": new.to_day}
    await sampling.one_at_a_time(tx, plan.scorecard_id)
    if before := await sampling.drawn_before(tx, plan.id, seed, **period):
        response.status_code = 200
        return _read(before, await sampling.audits_of(tx, before))
    drawn = await drawing.draw(tx, plan, seed, principal.sub, size=new.size, **period)
    if drawn is None:
        raise IllegalState("No interaction is left to draw from; widen the plan or the period, or wait for calls.")
    return _read(drawn, await sampling.audits_of(tx, drawn))


@router.get("/sampling-plans/{id}/draws")
async def list_draws(id: UUID, tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[DrawSummary]:
    """What was drawn by this plan, newest first; `GET /qa/audits?draw_id=` has the audits."""
    plan = await sampling.get(tx, id)
    return await sampling.draws_of(tx, plan.id, lambda row: DrawSummary(**row), limit=limit, cursor=cursor)


class EstimateRead(BaseModel):
    """A mean over the whole frame, as the audited part of the sample tells it, with a 95 % interval.

    Null, and null ends, where too few were audited to say; `n` of them were.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int


class Told(BaseModel):
    """What a draw tells of its frame: mean score, 0 to 100 or the cap, and rate of passes, 0 to 1."""

    draw_id: UUID
    frame_size: int
    score: EstimateRead
    pass_rate: EstimateRead


@router.get("/sampling-plans/{id}/draws/{draw_id}/estimate")
async def estimate(id: UUID, draw_id: UUID, tx: CurrentTx) -> Told:
    """Weighted back by the probabilities of the draw (Horvitz-Thompson); audits without a score are left out."""
    drawn = await sampling.draw_of(tx, id, draw_id)
    inclusion = dict(zip(drawn["sample"], drawn["inclusion"], strict=True))
    judged = [a for a in await sampling.audits_of(tx, drawn) if a["score"] is not None]
    values = [(float(a["score"]), float(a["result"] == "passed"), inclusion[a["recording_id"]]) for a in judged]

    def over_frame(units: list[Unit], most: float | None) -> EstimateRead:
        found = weighted_mean(units, drawn["frame_size"])
        if found is None:
            return EstimateRead(mean=None, low=None, high=None, n=0)
        low = None if found.low is None else max(0.0, found.low)
        high = found.high if most is None or found.high is None else min(most, found.high)
        return EstimateRead(mean=found.mean, low=low, high=high, n=found.n)

    return Told(
        draw_id=draw_id,
        frame_size=drawn["frame_size"],
        score=over_frame([Unit(score, chance) for score, _, chance in values], None),
        pass_rate=over_frame([Unit(passed, chance) for _, passed, chance in values], 1.0),
    )


class SampleSize(BaseModel):
    size: int


class AcceptancePoint(BaseModel):
    """Where `rate` of all fail, a plan accepts with this probability."""

    rate: float
    accepted: float


@router.get("/sample-size")
async def sample_size(
    margin: Annotated[float, Query(ge=0.0001, le=0.5, description="Half the width of the 95 % interval, as 0.05.")],
    population: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    expected: Annotated[float, Query(gt=0, lt=1, description="The rate that one expects; 0.5 is the safest.")] = 0.5,
) -> SampleSize:
    """How many to audit for a rate to be known this well."""
    return SampleSize(size=size_for_margin(margin, population, expected))


@router.get("/operating-characteristic")
async def operating_characteristic(
    n: Annotated[int, Query(ge=1, le=2000, description="Audited.")],
    c: Annotated[int, Query(ge=0, le=100, description="Accepted with at most so many fails.")],
) -> list[AcceptancePoint]:
    """What an acceptance plan can tell: how likely it accepts where so many of all fail, from 0 to 0.2."""
    return [AcceptancePoint(rate=k / 200, accepted=acceptance(n, c, k / 200)) for k in range(41)]


def _read(drawn: RowMapping | dict[str, Any], made: Sequence[RowMapping]) -> Draw:
    return Draw(**drawn, audits=[DrawnAudit(**audit) for audit in made])
