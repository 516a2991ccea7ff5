"""Appraisal cycles over HTTP."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.engine import RowMapping

from services.performance.domain.templates import Template
from services.performance.repository import appraisals
from services.performance.repository import cycles as repository
from services.performance.tables import cycles as table
from shared.errors import IllegalState, NotFound
from shared.events import Code
from shared.http import CurrentTx, service_router, tag
from shared.identity import Anyone, Principal, allowed
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
    template: Template = Template()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("'from' lies after 'to'")
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
    version: int


def _view(row: RowMapping) -> CycleView:
    return CycleView(**{**row, "first": row["first_day"], "last": row["last_day"]})


@router.post("/cycles", status_code=201)
async def open_cycle(
    new: NewCycle,
    response: Response,
    tx: CurrentTx,
    principal: Annotated[Principal, Depends(allowed("manager", "hr"))],
) -> CycleView:
    """Open a cycle: everybody's appraisal begins, with the audits that were submitted in the period already."""
    await repository.wait_alone(tx)
    if await repository.has_code(tx, new.code):
        raise IllegalState("There is a cycle {code} already; choose another code.", code=new.code)
    other = await repository.overlapping(tx, new.kind, new.first, new.last)
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
        template=new.template.model_dump(mode="json"),
        opened_by=principal.sub,
        opened_at=tx.now,
    )
    await repository.appraise_everybody(tx, row["id"])
    await appraisals.book(tx, await appraisals.audits_between(tx, new.first, new.last))
    tag(response, row["version"])
    return _view(row)


@router.get("/cycles")
async def list_cycles(tx: CurrentTx, _: Anyone, limit: Limit = 50, cursor: Cursor = None) -> Page[CycleView]:
    """All cycles, the newest first."""
    return await page(tx, repository.all_cycles(), [table.c.id], _view, limit=limit, cursor=cursor)


@router.get("/cycles/{id}")
async def one_cycle(id: UUID, response: Response, tx: CurrentTx, _: Anyone) -> CycleView:
    """One cycle."""
    row = await repository.cycle(tx, id)
    if row is None:
        raise NotFound("There is no cycle {id}.", id=id)
    tag(response, row["version"])
    return _view(row)
