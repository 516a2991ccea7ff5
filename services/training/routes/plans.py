"""Which training is planned, approved, held and paid?"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Request, Response
from pydantic import AwareDatetime, Field, TypeAdapter, model_validator
from sqlalchemy import insert, select

from services.training.domain import planning as rules
from services.training.domain.catalogue import Key, Words
from services.training.domain.planning import Money, Period, PlanKind, PlanStatus, Trainees
from services.training.repository import catalogue, learning, planning
from services.training.repository.catalogue import Wish
from services.training.repository.rows import add, change, find, history, missing, record
from services.training.routes.base import In, Out, Record, router
from services.training.tables.base import employees
from services.training.tables.planning import needs, plan_changes, plan_entries, plans
from shared.db import Tx
from shared.errors import IllegalState, Invalid
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone
from shared.ids import new_id
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]


class EntryIn(In):
    objective: Words
    content: Words
    course: Key
    responsible_id: UUID | None = None
    trainees: Trainees = ()
    trainer_id: UUID | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    place: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    budget: Money
    need_id: UUID | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.starts_at is None) != (self.ends_at is None) or (self.starts_at or 0) >= (self.ends_at or 1):  # type: ignore[operator]
            raise ValueError("give both starts_at and ends_at, in this order, or neither")
        return self


class EntryOut(EntryIn, Out):
    """`needs_trainer`: it is not executed yet, and its trainer is gone by then."""

    id: UUID
    spent: Number
    status: Literal["planned", "executed", "removed"]
    needs_trainer: bool
    version: int


class PlanIn(In):
    """`draft_from_needs`: with an entry for each approved need of the period that names a course."""

    kind: PlanKind
    period: Period
    department: Text = ""
    budget: Money
    draft_from_needs: bool = True


class PlanOut(Out):
    id: UUID
    kind: PlanKind
    period: str
    department: str
    budget: Number
    status: PlanStatus
    by: str
    decided_by: str | None
    issued_at: datetime | None
    version: int


class ChangeOut(Out):
    id: UUID
    reason: str
    added: list[EntryIn]
    removed: list[UUID]
    budget: Number | None
    status: Literal["submitted", "approved", "returned"]
    by: str
    decided_by: str | None


class PlanDetail(PlanOut):
    """`cost`: what its entries cost together."""

    cost: Number
    entries: list[EntryOut]
    changes: list[ChangeOut]
    history: list[Record]


class Decision(In):
    approved: bool
    reason: Words | None = None


class ChangeIn(In):
    """What should be different in an approved plan, in the middle of the year or for an ad-hoc need."""

    reason: Words
    added: Annotated[tuple[EntryIn, ...], Field(max_length=200)] = ()
    removed: Annotated[tuple[UUID, ...], Field(max_length=200)] = ()
    budget: Money | None = None


class Execution(In):
    """`seats`: for a course that is attended, a session is planned at the entry's time and place."""

    seats: Annotated[int, Field(ge=1, le=1000)] | None = None


class Expense(In):
    amount: Money
    reason: Words


class Actual(Out):
    """One entry, planned against actual. `held`: sessions; `planned`, `attended` and `passed`: people."""

    id: UUID
    objective: str
    course: str
    status: str
    planned: int
    held: int
    attended: int
    passed: int
    budget: Number
    spent: Number


class ActualOut(Out):
    planned: int
    attended: int
    passed: int
    budget: Number
    spent: Number
    entries: list[Actual]


@router.get("/plans")
async def list_plans(
    tx: CurrentTx,
    kind: PlanKind | None = None,
    period: str | None = None,
    status: PlanStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PlanOut]:
    query = select(plans)
    for column, value in {"kind": kind, "period": period, "status": status}.items():
        if value is not None:
            query = query.where(plans.c[column] == value)
    return await page(tx, query, [plans.c.id], PlanOut.of, limit=limit, cursor=cursor)


@router.post("/plans", status_code=201)
async def create_plan(new: PlanIn, tx: CurrentTx, author: Anyone, response: Response) -> PlanDetail:
    """Draft a plan from the approved needs of its period, the most urgent first. Refused over budget."""
    rules.fits(new.kind, new.period, new.department)
    same = (plans.c.kind == new.kind) & (plans.c.period == new.period) & (plans.c.department == new.department)
    if await tx.scalar(select(plans.c.id).where(same)):
        raise IllegalState("There is a plan for {period} already; change that one.", period=new.period)
    values = new.model_dump(exclude={"draft_from_needs"})
    row = await add(tx, plans, author.sub, status="draft", by=author.sub, version=1, **values)
    if new.draft_from_needs:
        wanted = select(needs).where(
            needs.c.period == new.period, needs.c.status == "approved", needs.c.course.is_not(None)
        )
        if new.department:
            wanted = wanted.where(needs.c.department == new.department)
        for one in await tx.all(wanted.order_by(needs.c.priority, needs.c.id)):
            await _add_entry(
                tx, row["id"],
                {"objective": one["title"], "content": one["title"], "course": one["course"],
                 "trainees": one["trainees"], "budget": one["budget"], "need_id": one["id"]},
            )  # fmt: skip
    return await _within_budget(row["id"], tx, response)


@router.get("/plans/{id}")
async def plan(id: UUID, tx: CurrentTx, response: Response) -> PlanDetail:
    return await _plan(id, tx, response)


@router.post("/plans/{id}/entries", status_code=201)
async def add_entry(
    id: UUID, new: EntryIn, tx: CurrentTx, author: Anyone, request: Request, response: Response
) -> PlanDetail:
    """Add to a draft. Refused over budget."""
    await _step(id, "edit", tx, request)
    await _check_courses(tx, [new])
    await _add_entry(tx, id, new.model_dump())
    await change(tx, plans, id, author.sub, "entry_added")
    return await _within_budget(id, tx, response)


@router.put("/plans/{id}/entries/{entry_id}")
async def change_entry(
    id: UUID, entry_id: UUID, new: EntryIn, tx: CurrentTx, author: Anyone, request: Request, response: Response
) -> PlanDetail:
    """Change an entry of a draft. Refused over budget."""
    await _step(id, "edit", tx, request)
    await _check_courses(tx, [new])
    await _entry(id, entry_id, tx)
    await change(tx, plan_entries, entry_id, author.sub, "changed", **new.model_dump())
    await change(tx, plans, id, author.sub, "entry_changed")
    return await _within_budget(id, tx, response)


@router.post("/plans/{id}/submission")
async def submit_plan(id: UUID, tx: CurrentTx, author: Anyone, request: Request, response: Response) -> PlanDetail:
    await _step(id, "submit", tx, request)
    await change(tx, plans, id, author.sub, "submitted", status="submitted", by=author.sub)
    return await _within_budget(id, tx, response)


@router.post("/plans/{id}/decision")
async def decide_plan(
    id: UUID, new: Decision, tx: CurrentTx, manager: Anyone, request: Request, response: Response
) -> PlanDetail:
    """Approve a submitted plan, or return it; not one's own."""
    row = await _step(id, "decide", tx, request)
    rules.check_other(row["by"], manager.sub)
    await _becomes(row, "approved" if new.approved else "returned", tx, manager.sub, decided_by=manager.sub)
    if new.reason:
        await record(tx, id, manager.sub, "reason", {"reason": new.reason})
    return await _within_budget(id, tx, response)


@router.post("/plans/{id}/issue")
async def issue_plan(id: UUID, tx: CurrentTx, trainer: Anyone, request: Request, response: Response) -> PlanDetail:
    """Issue and file an approved plan."""
    row = await _step(id, "issue", tx, request)
    await _becomes(row, "issued", tx, trainer.sub, issued_at=tx.now)
    return await _plan(id, tx, response)


@router.post("/plans/{id}/changes", status_code=201)
async def request_change(
    id: UUID, new: ChangeIn, tx: CurrentTx, author: Anyone, request: Request, response: Response
) -> PlanDetail:
    """Ask for additions and changes to an approved plan; they hold once approved."""
    await _step(id, "change", tx, request)
    await _check_courses(tx, new.added)
    for entry_id in new.removed:
        await _entry(id, entry_id, tx)
    values = new.model_dump(mode="json") | {"removed": new.removed, "budget": new.budget}
    await add(tx, plan_changes, author.sub, plan_id=id, status="submitted", by=author.sub, version=1, **values)
    return await _plan(id, tx, response)


@router.post("/plans/{id}/changes/{change_id}/decision")
async def decide_change(
    id: UUID, change_id: UUID, new: Decision, tx: CurrentTx, manager: Anyone, response: Response
) -> PlanDetail:
    """Approve a change, which is then made, or return it; not one's own. Refused over budget."""
    await _step(id, "change", tx)
    wanted = await find(tx, plan_changes, change_id, hold=True)
    if wanted["plan_id"] != id:
        raise missing(change_id)
    if wanted["status"] != "submitted":
        raise IllegalState("The change is {state}; only a submitted one is decided.", state=wanted["status"])
    rules.check_other(wanted["by"], manager.sub)
    status = "approved" if new.approved else "returned"
    await change(tx, plan_changes, change_id, manager.sub, status, status=status, decided_by=manager.sub)
    if new.approved:
        for entry_id in wanted["removed"]:
            await _entry(id, entry_id, tx)
            await change(tx, plan_entries, entry_id, manager.sub, "removed", status="removed")
        for entry in TypeAdapter(list[EntryIn]).validate_python(wanted["added"]):
            await _add_entry(tx, id, entry.model_dump())
        values = {} if wanted["budget"] is None else {"budget": wanted["budget"]}
        await change(tx, plans, id, manager.sub, "changed", **values)
    return await _within_budget(id, tx, response)


@router.post("/plans/{id}/entries/{entry_id}/execution")
async def execute_entry(
    id: UUID, entry_id: UUID, new: Execution, tx: CurrentTx, trainer: Anyone, response: Response
) -> PlanDetail:
    """Enrol the trainees, and plan the session where the course is attended. Only of an approved plan, and once."""
    await _step(id, "execute", tx)
    entry = await _entry(id, entry_id, tx)
    if entry["status"] != "planned":
        raise IllegalState("The entry is {state}; only a planned one is executed.", state=entry["status"])
    known = (await catalogue.current(tx, [entry["course"]]))[entry["course"]]
    wishes = [Wish(one, entry["course"], "plan", "plan", str(entry_id)) for one in entry["trainees"]]
    await catalogue.enrol(tx, wishes, actor=trainer.sub)
    if catalogue.course_of(known).attended or new.seats:
        if not (entry["starts_at"] and entry["trainer_id"] and entry["place"]):
            raise Invalid(
                "The course {course} is attended: the entry needs trainer, time and place.", course=entry["course"]
            )
        time = {"room": entry["place"], "starts_at": entry["starts_at"], "ends_at": entry["ends_at"]}
        seats = new.seats or max(1, len(entry["trainees"]))
        await learning.plan_session(
            tx, known, entry["trainer_id"], seats, [time], by=trainer.sub, plan_entry_id=entry_id
        )
    await change(tx, plan_entries, entry_id, trainer.sub, "executed", status="executed")
    return await _plan(id, tx, response)


@router.post("/plans/{id}/entries/{entry_id}/expenses")
async def spend(
    id: UUID, entry_id: UUID, new: Expense, tx: CurrentTx, trainer: Anyone, response: Response
) -> PlanDetail:
    """Note what an executed entry cost."""
    await _step(id, "execute", tx)
    entry = await _entry(id, entry_id, tx)
    if entry["status"] != "executed":
        raise IllegalState("The entry is {state}; only an executed one has costs.", state=entry["status"])
    await record(tx, entry_id, trainer.sub, "expense", new.model_dump(mode="json"))
    await change(tx, plan_entries, entry_id, trainer.sub, "spent", spent=entry["spent"] + new.amount)
    return await _plan(id, tx, response)


@router.get("/plans/{id}/actual")
async def actual(id: UUID, tx: CurrentTx) -> ActualOut:
    """Actual against plan: held, attended, passed, spent."""
    await find(tx, plans, id)
    rows = await planning.actual(tx, id)
    sums = {name: sum((row[name] for row in rows), 0) for name in ("planned", "attended", "passed", "budget", "spent")}
    return ActualOut(**sums, entries=[Actual(**row) for row in rows])


async def _step(id: UUID, step: str, tx: Tx, request: Request | None = None) -> Any:
    """The plan, held, if this can be done with it now."""
    row = await find(tx, plans, id, hold=True)
    if request is not None:
        check_match(request, row["version"])
    rules.check_step(rules.PLAN_STEPS, step, row["status"])
    return row


async def _becomes(row: Any, status: PlanStatus, tx: Tx, actor: str, **values: Any) -> None:
    """Give the plan this status, and mark the deadline that it keeps by that."""
    await change(tx, plans, row["id"], actor, status, status=status, **values)
    key = rules.DEADLINES.get((status, row["kind"]))
    if key is None:
        return
    if row["kind"] == "department_month":  # kept when every department has issued its own
        issued = select(plans.c.department).where(
            plans.c.kind == row["kind"], plans.c.period == row["period"], plans.c.status == "issued"
        )
        here = select(employees.c.department).where(
            employees.c.department.not_in(issued), employees.c.left_on.is_(None)
        )
        if await tx.scalar(here.limit(1)):
            return
    await planning.mark(tx, key, _before(row["period"]), actor)


def _before(period: str) -> str:
    """The period in which the plan for this one is due: the year or the month before."""
    if len(period) == 4:
        return str(int(period) - 1)
    return f"{rules.month_after(date(int(period[:4]), int(period[5:]), 1), -1):%Y-%m}"


async def _check_courses(tx: Tx, entries: Any) -> None:
    known = await catalogue.current(tx, {entry.course for entry in entries})
    unknown = sorted({entry.course for entry in entries} - set(known))
    if unknown:
        raise Invalid("There is no course {codes}; create it first.", codes=", ".join(unknown))


async def _add_entry(tx: Tx, plan_id: UUID, values: dict[str, Any]) -> None:
    row = {"id": new_id(), "plan_id": plan_id, "spent": Decimal(0), "status": "planned", "version": 1, **values}
    await tx.run(insert(plan_entries).values(row))


async def _entry(plan_id: UUID, entry_id: UUID, tx: Tx) -> Any:
    row = await find(tx, plan_entries, entry_id, hold=True)
    if row["plan_id"] != plan_id or row["status"] == "removed":
        raise missing(entry_id)
    return row


async def _within_budget(id: UUID, tx: Tx, response: Response) -> PlanDetail:
    row = await find(tx, plans, id)
    rules.check_budget(row["budget"], await planning.entries(tx, id))
    return await _plan(id, tx, response)


async def _plan(id: UUID, tx: Tx, response: Response) -> PlanDetail:
    row = await find(tx, plans, id)
    tag(response, row["version"])
    entries = await planning.entries(tx, id)
    changes = await tx.all(select(plan_changes).where(plan_changes.c.plan_id == id).order_by(plan_changes.c.id))
    return PlanDetail(
        **dict(row), cost=sum((entry["budget"] for entry in entries), Decimal(0)),
        entries=[EntryOut.of(entry) for entry in entries],
        changes=[ChangeOut.of(one) for one in changes], history=await history(tx, id),
    )  # fmt: skip
