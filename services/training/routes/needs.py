"""Which training is asked for, and what becomes of it?"""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Response
from pydantic import Field, model_validator
from sqlalchemy import select

from services.training.domain import planning as rules
from services.training.domain.catalogue import Key, Words
from services.training.domain.planning import Money, NeedStatus, Origin, Period, Trainees
from services.training.domain.rules import Codes
from services.training.repository import catalogue, planning
from services.training.repository.rows import change, find, history
from services.training.routes.base import In, Out, Record, router
from services.training.tables.planning import needs
from shared.db import Tx
from shared.errors import Invalid
from shared.events import Code
from shared.http import CurrentTx, tag
from shared.identity import Anyone
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page


class NeedIn(In):
    """What should be trained in a period (`2027` or `2027-04`), and why."""

    origin: Origin = "department"
    period: Period
    department: Code | None = None
    title: Words
    course: Key | None = None
    competencies: Codes = ()
    trainees: Trainees = ()
    evidence: Annotated[dict[str, Any], Field(default_factory=dict, max_length=50)]


class NeedOut(NeedIn, Out):
    id: UUID
    origin_id: str | None
    status: NeedStatus
    priority: int | None
    budget: Number | None
    reason: str | None
    merged_into: UUID | None
    by: str
    version: int


class NeedDetail(NeedOut):
    history: list[Record]


class Assessment(In):
    """`merge`: like needs of the same period; their trainees and competencies become this one's."""

    priority: Annotated[int, Field(ge=1, le=100)]
    merge: Annotated[tuple[UUID, ...], Field(max_length=100)] = ()


class NeedDecision(In):
    approved: bool
    budget: Money | None = None
    reason: Words | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.approved and self.budget is None:
            raise ValueError("an approved need has a budget")
        if not self.approved and self.reason is None:
            raise ValueError("a returned need has a reason")
        return self


@router.get("/needs")
async def list_needs(
    tx: CurrentTx,
    period: str | None = None,
    status: NeedStatus | None = None,
    origin: Origin | None = None,
    department: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[NeedOut]:
    query = select(needs)
    wanted = {"period": period, "status": status, "origin": origin, "department": department}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(needs.c[column] == value)
    return await page(tx, query, [needs.c.id], NeedOut.of, limit=limit, cursor=cursor)


@router.post("/needs", status_code=201)
async def collect_need(new: NeedIn, tx: CurrentTx, requester: Anyone, response: Response) -> NeedDetail:
    """Ask for training; at any time."""
    if new.course and new.course not in await catalogue.current(tx, [new.course]):
        raise Invalid("There is no course {codes}; create it first.", codes=new.course)
    id = await planning.propose_need(tx, requester.sub, **new.model_dump())
    assert id is not None
    return await _need(id, tx, response)


@router.get("/needs/{id}")
async def need(id: UUID, tx: CurrentTx, response: Response) -> NeedDetail:
    return await _need(id, tx, response)


@router.post("/needs/{id}/assessment")
async def assess_need(id: UUID, new: Assessment, tx: CurrentTx, trainer: Anyone, response: Response) -> NeedDetail:
    """Give it a priority, and merge like needs into it."""
    rows = {one: await find(tx, needs, one, hold=True) for one in sorted({id, *new.merge})}
    row = rows.pop(id)
    rules.check_step(rules.NEED_STEPS, "assess", row["status"])
    trainees, competencies = set(row["trainees"]), set(row["competencies"])
    for other in rows.values():
        rules.check_step(rules.NEED_STEPS, "merge", other["status"])
        if other["period"] != row["period"] or (other["course"] or row["course"]) != (row["course"] or other["course"]):
            raise Invalid("Only needs of the same period and course are merged; {id} is not.", id=other["id"])
        trainees |= set(other["trainees"])
        competencies |= set(other["competencies"])
        await change(tx, needs, other["id"], trainer.sub, "merged", status="merged", merged_into=id)
    await change(
        tx, needs, id, trainer.sub, "assessed", status="assessed", priority=new.priority, trainees=sorted(trainees),
        competencies=sorted(competencies), course=row["course"] or next((o["course"] for o in rows.values()), None),
    )  # fmt: skip
    return await _need(id, tx, response)


@router.post("/needs/{id}/decision")
async def decide_need(id: UUID, new: NeedDecision, tx: CurrentTx, manager: Anyone, response: Response) -> NeedDetail:
    """Approve with a budget, or return with a reason; not one's own."""
    row = await find(tx, needs, id, hold=True)
    rules.check_step(rules.NEED_STEPS, "decide", row["status"])
    rules.check_other(row["by"], manager.sub)
    status = "approved" if new.approved else "returned"
    await change(tx, needs, id, manager.sub, status, status=status, budget=new.budget, reason=new.reason)
    return await _need(id, tx, response)


async def _need(id: UUID, tx: Tx, response: Response) -> NeedDetail:
    row = await find(tx, needs, id)
    tag(response, row["version"])
    return NeedDetail(**dict(row), history=await history(tx, id))
