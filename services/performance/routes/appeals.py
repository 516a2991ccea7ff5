"""Appeals and improvement plans over HTTP."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from services.performance.domain.appeals import check_impartial, check_window, upheld
from services.performance.repository import appraisals as book
from services.performance.repository import cycles, history, ledger
from services.performance.repository import life as repository
from services.performance.repository.held import hold, template_of
from services.performance.repository.people import seen_by
from services.performance.tables import appeals as table
from services.performance.tables import improvement_plans as plans
from shared.db import RowMapping, Tx
from shared.errors import IllegalState, NotFound
from shared.http import CurrentTx, check_match, service_router, tag
from shared.identity import Anyone, Principal
from shared.numbers import Number, Score
from shared.pages import Cursor, Limit, Page, page

router = service_router("performance")

Words = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]


class NewAppeal(BaseModel):
    """Against one entry of one's own appraisal."""

    model_config = ConfigDict(extra="forbid")

    appraisal_id: UUID
    entry_id: UUID
    reason: Words


class AppealDecision(BaseModel):
    """Upheld: the entry is taken back, and where `points` are set an entry with these stands in its place."""

    model_config = ConfigDict(extra="forbid")

    upheld: bool
    reason: Words
    points: Score | None = None


class AppealView(BaseModel):
    id: UUID
    appraisal_id: UUID
    employee_id: UUID
    entry_id: UUID
    filed_at: AwareDatetime
    reason: str
    status: Literal["open", "upheld", "rejected"]
    decided_by: str | None
    decided_at: AwareDatetime | None
    decision: str | None
    """Why it was decided so."""
    points: Number | None
    new_entry_id: UUID | None
    version: int


class Checkpoint(BaseModel):
    n: int
    due_on: str
    result: Literal["met", "not_met"] | None
    by: str | None
    at: AwareDatetime | None
    note: str | None


class PlanView(BaseModel):
    """What somebody with a low appraisal works on, and when it is looked at."""

    id: UUID
    appraisal_id: UUID
    employee_id: UUID
    competencies: list[str]
    status: Literal["open", "met", "not_met", "not_owed"]
    opened_at: AwareDatetime
    checkpoints: list[Checkpoint]
    version: int


class CheckpointResult(BaseModel):
    model_config = ConfigDict(extra="forbid")

    result: Literal["met", "not_met"]
    note: Words | None = None


async def _one(tx: Tx, principal: Principal, id: UUID, *, locked: bool = False) -> RowMapping:
    query = repository.all_appeals().where(table.c.id == id, seen_by(principal))
    row = await tx.first(query.with_for_update(of=table) if locked else query)
    if row is None:
        raise NotFound("There is no appeal {id} that you may see.", id=id)
    return row


@router.post("/appeals", status_code=201)
async def appeal(new: NewAppeal, response: Response, tx: CurrentTx, principal: Anyone) -> AppealView:
    """Ask for an entry to be looked at again, within the window that the cycle's template gives."""
    row = await repository.appraisal(tx, new.appraisal_id)
    if row is None or row["employee_id"] != principal.employee_id:
        raise NotFound("There is no appraisal {id} of yours.", id=new.appraisal_id)
    check_window(row["finalised_at"], template_of(row).appeal_days, tx.now)
    entry = await ledger.entry(tx, new.entry_id)
    if entry is None or entry.appraisal_id != new.appraisal_id:
        raise NotFound("The appraisal {id} has no entry {entry}.", id=new.appraisal_id, entry=new.entry_id)
    if entry.reversed_by is not None:
        raise IllegalState("The entry {entry} counts no more; there is nothing to appeal against.", entry=entry.id)
    id = await repository.file_appeal(
        tx, appraisal_id=new.appraisal_id, entry_id=new.entry_id, filed_by=principal.sub, reason=new.reason
    )
    if id is None:
        raise IllegalState("There is an appeal against the entry {entry} already.", entry=new.entry_id)
    await history.note(tx, [new.appraisal_id], by=principal.sub, what="appealed", status=row["status"], evidence=id)
    view = AppealView.model_validate(await _one(tx, principal, id))
    tag(response, view.version)
    return view


@router.get("/appeals")
async def list_appeals(
    tx: CurrentTx, principal: Anyone, appraisal_id: UUID | None = None,
    status: Literal["open", "upheld", "rejected"] | None = None, limit: Limit = 50, cursor: Cursor = None,
) -> Page[AppealView]:  # fmt: skip
    """Appeals, the newest first: one's own, one's team's, or all."""
    query = repository.all_appeals().where(seen_by(principal))
    if appraisal_id is not None:
        query = query.where(table.c.appraisal_id == appraisal_id)
    if status is not None:
        query = query.where(table.c.status == status)
    return await page(tx, query, [table.c.id], AppealView.model_validate, limit=limit, cursor=cursor)


@router.get("/appeals/{id}")
async def one_appeal(id: UUID, response: Response, tx: CurrentTx, principal: Anyone) -> AppealView:
    """One appeal."""
    view = AppealView.model_validate(await _one(tx, principal, id))
    tag(response, view.version)
    return view


@router.post("/appeals/{id}/decision")
async def decide_appeal(
    id: UUID, decision: AppealDecision, request: Request, response: Response, tx: CurrentTx,
    principal: Anyone,
) -> AppealView:  # fmt: skip
    """Decide, by somebody who neither made the entry nor rated for it nor appealed."""
    await cycles.wait_together(tx)
    row = await _one(tx, principal, id, locked=True)
    check_match(request, row["version"])
    if row["status"] != "open":
        raise IllegalState("The appeal is {status} already.", status=row["status"])
    held = await hold(tx, "appraisal.id = :id", id=row["appraisal_id"])
    entry = await ledger.entry(tx, row["entry_id"])
    assert entry is not None
    makers = {entry.actor, row["filed_by"], str(row["employee_id"])}
    makers |= await repository.raters(tx, entry.appraisal_id, entry.indicator)
    check_impartial(principal.sub, makers)
    lines = []
    if decision.upheld:
        if entry.reversed_by is not None:
            raise IllegalState("The entry counts no more: its reason was corrected meanwhile. Reject the appeal.")
        lines = upheld(entry, points=decision.points, appeal_id=id, at=tx.now, by=principal.sub)
    await repository.decide(
        tx, id, status="upheld" if decision.upheld else "rejected", decided_by=principal.sub,
        decision=decision.reason, points=decision.points if decision.upheld else None,
        new_entry_id=lines[1].id if len(lines) > 1 else None,
    )  # fmt: skip
    status = held[entry.appraisal_id].status
    what = "appeal_upheld" if decision.upheld else "appeal_rejected"
    if lines:
        await book.settle(
            tx, held, lines, {entry.appraisal_id: str(id)}, by=principal.sub, what=what, reason=decision.reason
        )
    else:
        await history.note(
            tx, [entry.appraisal_id], by=principal.sub, what=what, status=status, reason=decision.reason, evidence=id
        )
    view = AppealView.model_validate(await _one(tx, principal, id))
    tag(response, view.version)
    return view


@router.get("/improvement-plans")
async def list_plans(
    tx: CurrentTx, principal: Anyone, employee_id: UUID | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[PlanView]:
    """Improvement plans, the newest first."""
    query = repository.all_plans().where(seen_by(principal))
    if employee_id is not None:
        query = query.where(plans.c.employee_id == employee_id)
    return await page(tx, query, [plans.c.id], PlanView.model_validate, limit=limit, cursor=cursor)


@router.post("/improvement-plans/{id}/checkpoints/{n}")
async def check_plan(
    id: UUID, n: int, new: CheckpointResult, request: Request, response: Response, tx: CurrentTx,
    principal: Anyone,
) -> PlanView:  # fmt: skip
    """Look at a plan. With the last checkpoint it ends, as that one says."""
    query = repository.all_plans().where(plans.c.id == id, seen_by(principal)).with_for_update(of=plans)
    row = await tx.first(query)
    if row is None or row["employee_id"] == principal.employee_id:
        raise NotFound("There is no plan {id} of one of your people.", id=id)
    check_match(request, row["version"])
    if row["status"] != "open":
        raise IllegalState("The plan is {status}; nothing more is looked at.", status=row["status"])
    checkpoints: list[dict[str, Any]] = row["checkpoints"]
    due = next((c for c in checkpoints if c["result"] is None), None)
    if due is None or due["n"] != n:
        raise IllegalState("Checkpoint {n} is next.", n=due["n"] if due else 0)
    due |= {"result": new.result, "note": new.note, "by": principal.sub, "at": tx.now.isoformat()}
    last = all(c["result"] for c in checkpoints)
    await repository.change_plan(tx, id, checkpoints, new.result if last else "open")
    view = PlanView.model_validate(await tx.first(query))
    tag(response, view.version)
    return view
