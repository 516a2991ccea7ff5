"""How recruiting is doing, over HTTP: structure, funnel, what is overdue."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from services.recruiting.domain.funnel import Hire, Quality, Rate, by_channel, by_interviewer, quality
from services.recruiting.domain.steps import STEP, Owner, Record
from services.recruiting.domain.structure import Target, Whole, check_targets, compare
from services.recruiting.repository import due, measures, pipeline
from services.recruiting.tables import open_steps
from shared.calendar import local_day
from shared.db import Tx
from shared.errors import NotFound
from shared.events import Code
from shared.http import CurrentTx, service_router
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

router = service_router("recruiting")


class GroupOut(BaseModel):
    """People of a role, or of a department where `role` is null. Shares are 0 to 1 of `whole` people: of the
    department, or of all staff. `gap` is how many people lack until the target is met; negative, too many."""

    id: str
    department: str | None
    role: str | None
    n: int
    of: Whole
    whole: int
    share: Number | None
    target: Number | None
    gap: Number | None


class StructureOut(BaseModel):
    """Staff on a day: each department, followed by its roles."""

    id: date
    n: int
    items: list[GroupOut]


class TargetIn(BaseModel):
    """A share, 0 to 1, that a role should have of its department or of all staff; without one, a department."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    department: Code
    role: Code | None = None
    of: Whole = "department"
    share: Annotated[Number, Field(ge=0, le=1, max_digits=5, decimal_places=4)]


class TargetsIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    targets: Annotated[list[TargetIn], Field(max_length=500)]


class RateOut(BaseModel):
    """`successes` of `n`, with both ends of the 95 % Wilson interval; null where n is 0."""

    successes: int
    n: int
    rate: Number | None
    low: Number | None
    high: Number | None

    @classmethod
    def of(cls, rate: Rate) -> "RateOut":
        low, high = rate.interval or (None, None)
        return cls(successes=rate.successes, n=rate.n, rate=rate.rate, low=low, high=high)


class PassageOut(BaseModel):
    """A step, over all visits; one that opened again was entered again. `left` by an outcome of its own (`yielded`: by
    one that completes it), `closed` because the record ended elsewhere, `open` still. Days are calendar days."""

    id: str
    n: int
    owner: Owner
    record: Record
    entered: int
    left: int
    closed: int
    open: int
    outcomes: dict[str, int]
    yielded: RateOut
    median_days: Number | None
    p90_days: Number | None


class SourceOut(BaseModel):
    """A channel; `yielded` says how many of its applications ended in an accepted offer."""

    id: str
    channel: str
    cost: Number | None
    applications: int
    yielded: RateOut
    cost_per_application: Number | None
    cost_per_hire: Number | None


class QualityOut(BaseModel):
    """Of those hired: how many passed probation, of those with whom that is decided; how many of their audits in the
    first 90 days passed; the mean of their probation appraisals."""

    hired: int
    probation_passed: RateOut
    audits_passed: RateOut
    appraised: int
    mean_appraisal: Number | None

    @classmethod
    def of(cls, found: Quality) -> "QualityOut":
        return cls(
            hired=found.hired, probation_passed=RateOut.of(found.probation), audits_passed=RateOut.of(found.audits),
            appraised=found.appraised, mean_appraisal=found.mean_appraisal,
        )  # fmt: skip


class QualitiesOut(BaseModel):
    """Somebody whom several interviewers scored counts for each of them."""

    all: QualityOut
    by_channel: dict[str, QualityOut]
    by_interviewer: dict[str, QualityOut]

    @classmethod
    def of(cls, hires: list[Hire]) -> "QualitiesOut":
        def shown(found: Mapping[str, Quality]) -> dict[str, QualityOut]:
            return {key: QualityOut.of(one) for key, one in found.items()}

        return cls(
            all=QualityOut.of(quality(hires)), by_channel=shown(by_channel(hires)),
            by_interviewer=shown(by_interviewer(hires)),
        )  # fmt: skip


class FunnelOut(BaseModel):
    """`days_to_fill` counts from the approval to the day on which the last place was accepted; null until then."""

    id: UUID
    steps: list[PassageOut]
    channels: list[SourceOut]
    days_to_fill: Number | None
    quality: QualitiesOut


class OverdueOut(BaseModel):
    """A step open beyond `due_on`, the last day allowed for it."""

    id: str
    step: int
    key: str
    owner: Owner
    record: Record
    record_id: UUID
    requisition_id: UUID
    application_id: UUID | None
    due_on: date
    days_overdue: int
    reminded: bool


@router.get("/structure")
async def structure(tx: CurrentTx, day: date | None = None) -> StructureOut:
    """How staff is spread over departments and roles, beside the target shares; today unless told."""
    return await _structure(tx, day or local_day(tx.now, tx.settings.zone))


@router.put("/structure/targets")
async def set_targets(body: TargetsIn, tx: CurrentTx) -> StructureOut:
    """Replace all target shares by these."""
    targets = [Target(**target.model_dump()) for target in body.targets]
    check_targets(targets)
    await measures.set_targets(tx, targets)
    return await _structure(tx, local_day(tx.now, tx.settings.zone))


@router.get("/requisitions/{id}/funnel")
async def funnel(id: UUID, tx: CurrentTx) -> FunnelOut:
    """What became of the applications: step by step, by channel, and of those hired."""
    if await pipeline.requisition(tx, id) is None:
        raise NotFound("No requisition has the id {id}.", id=id)
    return FunnelOut(
        id=id,
        steps=[
            PassageOut(
                id=STEP[one.n].key, n=one.n, owner=STEP[one.n].owner, record=STEP[one.n].record, entered=one.entered,
                left=one.left, closed=one.closed, open=one.open, outcomes=dict(one.outcomes),
                yielded=RateOut.of(one.yielded), median_days=one.median_days, p90_days=one.p90_days,
            )
            for one in await measures.passages(tx, id)
        ],
        channels=[
            SourceOut(
                id=one.channel, channel=one.channel, cost=one.cost, applications=one.applications,
                yielded=RateOut.of(one.yielded), cost_per_application=one.cost_per_application,
                cost_per_hire=one.cost_per_hire,
            )
            for one in await measures.sources(tx, id)
        ],
        days_to_fill=await measures.days_to_fill(tx, id),
        quality=QualitiesOut.of(await measures.hires(tx, id)),
    )  # fmt: skip


@router.get("/overdue-steps")
async def overdue_steps(
    tx: CurrentTx,
    owner: Owner | None = None,
    step: Annotated[int | None, Query(ge=1, le=22)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OverdueOut]:
    """Steps open beyond the working days allowed for them, the longest overdue first."""
    today = local_day(tx.now, tx.settings.zone)
    keys = [open_steps.c.due_on, open_steps.c.record_id, open_steps.c.step]

    def shape(row: Any) -> OverdueOut:
        return OverdueOut(
            id=f"{row['record_id']}:{row['step']}", key=STEP[row["step"]].key, reminded=row["reminded_at"] is not None,
            days_overdue=(today - row["due_on"]).days,
            **{name: row[name] for name in OverdueOut.model_fields if name in row},
        )  # fmt: skip

    query = due.overdue(today, owner=owner, step=step)
    return await page(tx, query, keys, shape, limit=limit, cursor=cursor, newest_first=False)


async def _structure(tx: Tx, day: date) -> StructureOut:
    counts = await measures.staff(tx, day)
    groups = compare(counts, await measures.targets(tx))
    items = [
        GroupOut(
            id=f"{group.department or ''}/{group.role or ''}",
            **{name: getattr(group, name) for name in GroupOut.model_fields if name != "id"},
        )
        for group in groups
    ]
    return StructureOut(id=day, n=sum(counts.values()), items=items)
