"""Appraisal cycles over HTTP."""

from asyncio import to_thread
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.performance.domain.consequences import BandShare, distribution
from services.performance.domain.fairness import FairnessReport, report
from services.performance.domain.templates import PROBATION, Result, Template
from services.performance.repository import appraisals, calculation, closing, fairness, weightings
from services.performance.repository import cycles as repository
from services.performance.repository.held import Held, template_of
from services.performance.tables import cycles as table
from shared.db import RowMapping, Tx
from shared.errors import IllegalState, NotFound
from shared.events import Code
from shared.http import CurrentTx, service_router, tag
from shared.identity import Anyone
from shared.ids import new_id
from shared.pages import Cursor, Limit, Page, page

router = service_router("performance")

Kind = Literal["quarterly", "yearly", "probation"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class NewCycle(BaseModel):
    """A period, both days inclusive, and the rules by which people are appraised in it."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name | None = None
    kind: Kind
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    template: Template | None = None
    employee_id: UUID | None = None
    """Whose probation it is; for no other kind."""
    weighting_id: UUID | None = None
    """A weighting by experts whose first level gives the weights of the dimensions."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("'from' lies after 'to'")
        if (self.kind == "probation") != (self.employee_id is not None):
            raise ValueError("a probation has an employee, and no other kind of cycle has one")
        return self


class CycleView(BaseModel):
    """A cycle."""

    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    code: str
    name: str | None
    kind: Kind
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    status: str
    template: Template
    employee_id: UUID | None
    weighting_id: UUID | None
    calibrated_at: AwareDatetime | None
    finalised_at: AwareDatetime | None
    version: int


class Calculated(BaseModel):
    """How many appraisals were looked at."""

    appraisals: int


def _view(row: RowMapping) -> CycleView:
    return CycleView(**{**row, "first": row["first_day"], "last": row["last_day"]})


@router.post("/cycles", status_code=201)
async def open_cycle(
    new: NewCycle,
    response: Response,
    tx: CurrentTx,
    principal: Anyone,
) -> CycleView:
    """Open a cycle: everybody's appraisal begins, with the audits that were submitted in the period already."""
    await repository.wait_alone(tx)
    template = new.template or (PROBATION if new.employee_id else Template())
    if new.weighting_id is not None:
        template = template.weighed(await weightings.first_level(tx, new.weighting_id))
    if await repository.has_code(tx, new.code):
        raise IllegalState("There is a cycle {code} already; choose another code.", code=new.code)
    other = await repository.overlapping(tx, new.kind, new.first, new.last, new.employee_id)
    if other is not None:
        raise IllegalState(
            "The open cycle {code} of the same kind shares days with this one; choose other days.", code=other
        )
    row = await repository.add(
        tx,
        id=new_id(),
        code=new.code,
        name=new.name,
        kind=new.kind,
        first_day=new.first,
        last_day=new.last,
        template=template.model_dump(mode="json"),
        weighting_id=new.weighting_id,
        employee_id=new.employee_id,
        opened_by=principal.sub,
        opened_at=tx.now,
    )
    await repository.appraise_everybody(tx, row["id"])
    await appraisals.book(tx, await appraisals.audits_between(tx, new.first, new.last))
    await appraisals.carry(tx, kind=new.kind)
    tag(response, row["version"])
    return _view(row)


@router.get("/cycles")
async def list_cycles(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[CycleView]:
    """All cycles, the newest first."""
    return await page(tx, repository.all_cycles(), [table.c.id], _view, limit=limit, cursor=cursor)


@router.get("/cycles/{id}")
async def one_cycle(id: UUID, response: Response, tx: CurrentTx) -> CycleView:
    """One cycle."""
    row = await repository.cycle(tx, id)
    if row is None:
        raise NotFound("There is no cycle {id}.", id=id)
    tag(response, row["version"])
    return _view(row)


async def _locked(tx: Tx, id: UUID, *allowed: str) -> RowMapping:
    """The cycle, alone, if it is in one of these states; nothing is booked meanwhile."""
    await repository.wait_alone(tx)
    row = await repository.cycle(tx, id)
    if row is None:
        raise NotFound("There is no cycle {id}.", id=id)
    if row["status"] not in allowed:
        raise IllegalState(
            "The cycle {code} is {status}; this is for cycles that are {allowed}.",
            code=row["code"], status=row["status"], allowed=" or ".join(allowed),
        )  # fmt: skip
    return row


@router.post("/cycles/{id}/calculation")
async def calculate_cycle(id: UUID, tx: CurrentTx, principal: Anyone) -> Calculated:
    """Measure all indicators by the facts of the period, and book what changed. As often as one likes."""
    row = await _locked(tx, id, "open", "calibrated")
    return Calculated(appraisals=await calculation.calculate(tx, row, by=principal.sub))


@router.post("/cycles/{id}/calibration")
async def calibrate_cycle(id: UUID, response: Response, tx: CurrentTx, principal: Anyone) -> CycleView:
    """End the ratings, measure, and let managers compare: from now on totals can be adjusted, with a reason."""
    row = await _locked(tx, id, "open")

    async def advance(held: Mapping[UUID, Held], _: Mapping[UUID, Result]) -> None:
        await closing.advance(tx, list(held), by=principal.sub, what="calibrated", status="calibrated")

    await calculation.calculate(tx, row, by=principal.sub, then=advance)
    row = await repository.change(tx, id, status="calibrated", calibrated_by=principal.sub, calibrated_at=tx.now)
    tag(response, row["version"])
    return _view(row)


@router.post("/cycles/{id}/finalisation")
async def finalise_cycle(id: UUID, response: Response, tx: CurrentTx, principal: Anyone) -> CycleView:
    """Measure a last time and close every appraisal: grades stand, what follows from them is published."""
    row = await _locked(tx, id, "open", "calibrated")

    async def close(held: Mapping[UUID, Held], results: Mapping[UUID, Result]) -> None:
        causes = dict.fromkeys(held, str(id))
        await closing.close(tx, list(held.values()), results, causes, by=principal.sub, what="finalised")

    await calculation.calculate(tx, row, by=principal.sub, quiet=True, then=close)
    row = await repository.change(tx, id, status="finalised", finalised_by=principal.sub, finalised_at=tx.now)
    tag(response, row["version"])
    return _view(row)


@router.get("/cycles/{id}/grades")
async def grades_of_cycle(id: UUID, tx: CurrentTx) -> list[BandShare]:
    """How many have which grade, beside the guidance. Nobody is moved to fit it."""
    row = await repository.cycle(tx, id)
    if row is None:
        raise NotFound("There is no cycle {id}.", id=id)
    return distribution(template_of(row), await fairness.grades(tx, id))


@router.get("/cycles/{id}/fairness")
async def fairness_of_cycle(
    id: UUID, tx: CurrentTx,
    seed: Annotated[int, Query(ge=0, le=2**31)] = 1,
) -> FairnessReport:  # fmt: skip
    """Who was appraised how: by team, manager, tenure and source channel; and how far ranks can be relied upon."""
    if await repository.cycle(tx, id) is None:
        raise NotFound("There is no cycle {id}.", id=id)
    people = await fairness.people(tx, id)
    return await to_thread(report, people, seed, await fairness.rated(tx, id))
