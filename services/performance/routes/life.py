"""What do people do with appraisals? Rate, adjust with a reason, acknowledge; note what keeps facts from counting."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.performance.domain.appeals import RaterKind, rater_kind
from services.performance.domain.indicators import LEAST_PEERS, Guard
from services.performance.domain.ledger import Movement
from services.performance.domain.templates import ADJUSTMENT
from services.performance.repository import appraisals as book
from services.performance.repository import calculation, closing, cycles, history, indicators
from services.performance.repository import life as repository
from services.performance.repository.held import hold, template_of
from services.performance.repository.people import sees
from services.performance.routes.appraisals import AppraisalView, one_appraisal_view, one_of
from services.performance.tables import circumstances as circumstances_table
from shared.db import Tx
from shared.errors import Forbidden, IllegalState, Invalid, NotFound
from shared.http import CurrentTx, service_router
from shared.identity import Anyone
from shared.ids import new_id
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

router = service_router("performance")

Words = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]


class NewRating(BaseModel):
    """1 is worst, 5 best. Rating again replaces what one said before; both are kept."""

    model_config = ConfigDict(extra="forbid")

    indicator: str
    value: Annotated[Number, Field(ge=1, le=5, max_digits=3)]


class RatingView(BaseModel):
    """What one kind of raters says; never who."""

    indicator: str
    kind: RaterKind
    n: int
    mean: Number | None
    """Null for fewer than three peers."""


class Adjustment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    points: Annotated[Number, Field(ge=-20, le=20, max_digits=5, decimal_places=2)]
    """By how much the total moves."""
    reason: Words


class NewCircumstance(BaseModel):
    """From `first` to `last` (open: null), both inclusive, facts do not count for indicators with this guard."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    employee_id: UUID
    circumstance: Guard
    first: date = Field(alias="from")
    last: date | None = Field(None, alias="to")


class CircumstanceView(NewCircumstance):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: UUID
    noted_by: str
    noted_at: AwareDatetime


@router.post("/appraisals/{id}/ratings", status_code=201)
async def rate(id: UUID, new: NewRating, tx: CurrentTx, principal: Anyone) -> list[RatingView]:
    """Rate somebody: oneself, one's people, or a peer of one's team, while the cycle is open."""
    await cycles.wait_together(tx)
    row = await repository.appraisal(tx, id)
    me = principal.employee_id
    if row is None or me is None:
        raise NotFound("There is no appraisal {id} that you may see.", id=id)
    rated, rater = await repository.person(tx, row["employee_id"]), await repository.person(tx, me)
    assert rated is not None
    kind = rater_kind(
        me, rated=row["employee_id"], lead=rated["team_lead_id"], mentor=rated["mentor_id"],
        manager=principal.sees == "all", team=rated["team"], own_team=rater["team"] if rater else None,
        hand=new.indicator,
    )  # fmt: skip
    if row["cycle_status"] != "open":
        raise IllegalState("The cycle is {status}; one can rate while it is open.", status=row["cycle_status"])
    by_hand = {
        indicator.key
        for _, indicator in calculation.counted(template_of(row), await indicators.holding(tx, row["last_day"]))
        if indicator.source == "manual"
    }
    if new.indicator not in by_hand:
        raise Invalid(
            "Nobody rates {indicator} here; one can rate {known}.",
            indicator=new.indicator, known=", ".join(sorted(by_hand)),
            errors=[{"field": "indicator", "message": new.indicator}],
        )  # fmt: skip
    await repository.rate(tx, id, new.indicator, principal.sub, kind, new.value)
    if kind != "self":
        return []
    await history.note(tx, [id], by=principal.sub, what="self_appraised", status=row["status"])
    return [one for one in await _ratings(tx, id) if one.kind == "self"]


@router.get("/appraisals/{id}/ratings")
async def ratings_of(id: UUID, tx: CurrentTx, principal: Anyone) -> list[RatingView]:
    """What the kinds of raters say, without names."""
    await one_of(tx, principal, id)
    return await _ratings(tx, id)


async def _ratings(tx: Tx, id: UUID) -> list[RatingView]:
    found = []
    for (_, indicator), kinds in sorted((await calculation.ratings(tx, [id])).items()):
        for kind, (n, total) in sorted(kinds.items()):
            shown = kind != "peer" or n >= LEAST_PEERS
            mean = (total / n).quantize(Decimal("0.01")) if shown else None
            found.append(RatingView.model_validate({"indicator": indicator, "kind": kind, "n": n, "mean": mean}))
    return found


@router.post("/appraisals/{id}/adjustments", status_code=201)
async def adjust(id: UUID, new: Adjustment, tx: CurrentTx, principal: Anyone) -> AppraisalView:
    """Move a total in calibration, with a reason that is kept."""
    await cycles.wait_together(tx)
    held = await hold(tx, "appraisal.id = :id AND cycle.status = 'calibrated'", id=id)
    if not held:
        raise IllegalState(
            "One can adjust appraisals of a cycle that is calibrated and not finalised; {id} is not.", id=id
        )
    if principal.employee_id == held[id].employee_id:
        raise Forbidden("Nobody adjusts their own appraisal.")
    line = Movement(
        new_id(), id, ADJUSTMENT, ADJUSTMENT, "entry", None, None, None, new.points, tx.now, basis="adjustment",
        points=new.points, low=new.points, high=new.points, actor=principal.sub,
    )  # fmt: skip
    await history.note(
        tx, [id], by=principal.sub, what="adjusted", status="calibrated", reason=new.reason, evidence=line.id
    )
    await book.settle(tx, held, [line], {id: str(line.id)})
    return await one_appraisal_view(tx, principal, id)


@router.post("/appraisals/{id}/acknowledgement")
async def acknowledge(id: UUID, tx: CurrentTx, principal: Anyone) -> AppraisalView:
    """The appraised has seen it, which is not to agree with it."""
    row = await repository.appraisal(tx, id)
    if row is None or row["employee_id"] != principal.employee_id:
        raise NotFound("There is no appraisal {id} of yours.", id=id)
    if row["status"] not in ("finalised", "acknowledged"):
        raise IllegalState("The appraisal is {status}; one acknowledges it when it is finalised.", status=row["status"])
    if row["status"] == "finalised":
        await closing.advance(tx, [id], by=principal.sub, what="acknowledged", status="acknowledged")
    return await one_appraisal_view(tx, principal, id)


@router.post("/circumstances", status_code=201)
async def note_circumstance(new: NewCircumstance, tx: CurrentTx, principal: Anyone) -> CircumstanceView:
    """Somebody works part-time or is in training for a while."""
    if new.last is not None and new.first > new.last:
        raise Invalid("The first day lies after the last; exchange them.")
    if not await sees(tx, principal, new.employee_id):
        raise NotFound("There is no employee {id} that you may see.", id=new.employee_id)
    row = await repository.note_circumstance(
        tx, employee_id=new.employee_id, circumstance=new.circumstance, first_day=new.first, last_day=new.last,
        noted_by=principal.sub,
    )  # fmt: skip
    return CircumstanceView(**{**row, "first": row["first_day"], "last": row["last_day"]})


@router.get("/circumstances")
async def list_circumstances(
    tx: CurrentTx, employee_id: UUID | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[CircumstanceView]:
    """All of them, the newest first."""
    query = repository.all_circumstances()
    if employee_id is not None:
        query = query.where(circumstances_table.c.employee_id == employee_id)
    return await page(
        tx, query, [circumstances_table.c.id],
        lambda row: CircumstanceView(**{**row, "first": row["first_day"], "last": row["last_day"]}),
        limit=limit, cursor=cursor,
    )  # fmt: skip
