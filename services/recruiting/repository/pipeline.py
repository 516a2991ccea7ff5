"""Where are requisitions and applications, and how is it stored that one of them moved?

Locks are taken in one order everywhere: the requisition, then its applications by id, then employees.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Select, bindparam, select, true

from services.recruiting.domain.steps import STEP, Scope
from services.recruiting.domain.walk import Actor, Moved, State
from services.recruiting.tables import applications, requisitions, step_history
from shared.calendar import add_working_days, local_day
from shared.db import RowMapping, Tx
from shared.direct import text


@dataclass(frozen=True, slots=True)
class Requisition:
    """A requisition as it is stored, and where it is."""

    state: State
    department: str | None
    role: str
    headcount: int
    reason: str
    replaces: UUID | None
    needed_on: date
    pay_band: str | None
    authors: tuple[str, ...]
    profile_id: UUID | None
    created_at: datetime
    version: int

    @property
    def id(self) -> UUID:
        return self.state.id


@dataclass(frozen=True, slots=True)
class Application:
    """An application as it is stored, and where it is."""

    state: State
    candidate_id: UUID
    channel: str
    resume_ref: str | None
    given: dict[str, Any] | None
    internal: bool
    reason: str | None
    score: Decimal | None
    medical: str | None
    proposed_at: datetime | None
    applied_at: datetime
    version: int

    @property
    def id(self) -> UUID:
        return self.state.id


_requisition = select(requisitions).where(requisitions.c.id == bindparam("id"))
_requisition_locked = _requisition.with_for_update()
_requisition_shared = _requisition.with_for_update(read=True)
_application = (
    select(applications, requisitions.c.done.label("inherited"), requisitions.c.status.label("requisition_status"))
    .join_from(applications, requisitions, applications.c.requisition_id == requisitions.c.id)
)  # fmt: skip
_one = _application.where(applications.c.id == bindparam("id"))
_one_locked = _one.with_for_update(of=applications)

_MOVE = """
    WITH state AS (
        UPDATE recruiting.{table}
        SET status = :status, done = CAST(:done AS smallint[]), step = CAST(:step AS smallint),
            version = version + 1 {extra}
        WHERE id = :id
    ), closed AS (
        DELETE FROM recruiting.open_steps WHERE record_id = :id AND step = ANY (CAST(:closed AS smallint[]))
    ), opened AS (
        INSERT INTO recruiting.open_steps (record_id, step, record, requisition_id, application_id, owner, entered_at,
                                           due_on)
        SELECT :id, step, record, :requisition, CAST(:application AS uuid), owner, :at, due_on
        FROM unnest(CAST(:opened AS smallint[]), CAST(:opened_records AS text[]), CAST(:owners AS text[]),
                    CAST(:dues AS date[])) AS given (step, record, owner, due_on)
    ), handed_in AS (
        INSERT INTO recruiting.hand_ins (requisition_id, application_id, step, at, actor, outcome, fields)
        SELECT :requisition, CAST(:application AS uuid), CAST(:n AS smallint), :at, :actor, CAST(:outcome AS text),
               CAST(:fields AS jsonb)
        WHERE CAST(:fields AS jsonb) IS NOT NULL
    )
    INSERT INTO recruiting.step_history (at, record, requisition_id, application_id, step, move, outcome, reason,
                                         status, actor, side, cause)
    SELECT :at, record, :requisition, CAST(:application AS uuid), step, move, outcome, CAST(:reason AS text), :status,
           :actor, side, CAST(:cause AS text)
    FROM unnest(CAST(:records AS text[]), CAST(:steps AS smallint[]), CAST(:moves AS text[]), CAST(:outcomes AS text[]),
                CAST(:sides AS text[])) AS given (record, step, move, outcome, side)
"""
_MOVES = {
    "requisition": text(_MOVE.format(table="requisitions", extra="")),
    "application": text(_MOVE.format(table="applications", extra=", reason = coalesce(CAST(:reason AS text), reason)")),
}


def requisition_of(row: RowMapping) -> Requisition:
    state = State("requisition", row["id"], row["id"], row["status"], frozenset(row["done"]))
    return Requisition(
        state, row["department"], row["role"], row["headcount"], row["reason"], row["replaces"], row["needed_on"],
        row["pay_band"], tuple(row["authors"]), row["profile_id"], row["created_at"], row["version"],
    )  # fmt: skip


def application_of(row: RowMapping) -> Application:
    state = State(
        "application", row["id"], row["requisition_id"], row["status"], frozenset(row["done"]),
        inherited=frozenset(row["inherited"]), paused=row["requisition_status"] == "held",
    )  # fmt: skip
    return Application(
        state, row["candidate_id"], row["channel"], row["resume_ref"], row["given"], row["internal"], row["reason"],
        row["score"], row["medical"], row["proposed_at"], row["applied_at"], row["version"],
    )  # fmt: skip


async def requisition(tx: Tx, id: UUID) -> Requisition | None:
    row = await tx.first(_requisition, {"id": id})
    return requisition_of(row) if row else None


async def hold_requisition(tx: Tx, id: UUID, *, shared: bool = False) -> Requisition | None:
    """The requisition, locked until the transaction ends; `shared` with others who only need it to stay as it is."""
    row = await tx.first(_requisition_shared if shared else _requisition_locked, {"id": id})
    return requisition_of(row) if row else None


async def application(tx: Tx, id: UUID) -> Application | None:
    row = await tx.first(_one, {"id": id})
    return application_of(row) if row else None


async def hold_application(tx: Tx, id: UUID) -> Application | None:
    row = await tx.first(_one_locked, {"id": id})
    return application_of(row) if row else None


async def requisition_id_of(tx: Tx, application_id: UUID) -> UUID | None:
    found: UUID | None = await tx.scalar(
        select(applications.c.requisition_id).where(applications.c.id == application_id)
    )
    return found


async def hold_applications(
    tx: Tx, requisition_id: UUID, *, ids: Collection[UUID] | None = None, statuses: Collection[str] | None = None
) -> list[Application]:
    """Applications for this requisition, locked in the order of their ids."""
    query = _application.where(applications.c.requisition_id == requisition_id)
    if ids is not None:
        query = query.where(applications.c.id.in_(ids))
    if statuses is not None:
        query = query.where(applications.c.status.in_(statuses))
    rows = await tx.all(query.order_by(applications.c.id).with_for_update(of=applications))
    return [application_of(row) for row in rows]


async def places(tx: Tx, requisition_id: UUID) -> tuple[int, int]:
    """How many are on the hiring list, and how many of those have accepted. Exact while the requisition is locked."""
    row = await tx.first(
        text("""
        SELECT count(*) AS listed, count(*) FILTER (WHERE status <> 'open') AS accepted
        FROM recruiting.applications WHERE requisition_id = :id AND listed
        """),
        {"id": requisition_id},
    )
    assert row is not None
    return row["listed"], row["accepted"]


@dataclass(frozen=True, slots=True)
class HandIn:
    """What was handed in with an outcome of a step."""

    n: int
    outcome: str
    fields: Mapping[str, Any]


async def move(
    tx: Tx, after: State, moved: Sequence[Moved], now_open: Sequence[int], actor: Actor, *,
    reason: str | None = None, handed_in: HandIn | None = None,
) -> None:  # fmt: skip
    """Store a state, what led to it, what was handed in with it and what is open now, in one statement."""
    today = local_day(tx.now, tx.settings.zone)
    opened = [m.n for m in moved if m.move == "entered" and m.n]
    await tx.run(
        _MOVES[after.scope],
        {
            "id": after.id,
            "requisition": after.requisition_id,
            "application": after.id if after.scope == "application" else None,
            "status": after.status,
            "done": sorted(after.done),
            "step": min(now_open, default=None),
            "at": tx.now,
            "reason": reason,
            "actor": actor.sub,
            "cause": tx.cause.id if tx.cause else None,
            "closed": [m.n for m in moved if m.move in ("left", "closed") and m.n],
            "opened": opened,
            "opened_records": [STEP[n].record for n in opened],
            "owners": [STEP[n].owner for n in opened],
            "dues": [add_working_days(today, STEP[n].days, tx.settings.working_days) for n in opened],
            "records": [_record(after.scope, m.n) for m in moved],
            "steps": [m.n for m in moved],
            "moves": [m.move for m in moved],
            "outcomes": [m.outcome for m in moved],
            "sides": [actor.side_for(STEP[m.n] if m.n else None) or min(actor.sides) for m in moved],
            "n": handed_in.n if handed_in else None,
            "outcome": handed_in.outcome if handed_in else None,
            "fields": to_json(handed_in.fields).decode() if handed_in else None,
        },
    )


def _record(scope: Scope, n: int | None) -> str:
    return STEP[n].record if n else scope


def history(*, requisition_id: UUID | None = None, application_id: UUID | None = None) -> Select[Any]:
    """The history of a requisition alone, or of an application."""
    if application_id:
        return select(step_history).where(step_history.c.application_id == application_id)
    return select(step_history).where(
        step_history.c.requisition_id == requisition_id, step_history.c.application_id.is_(None)
    )


async def outcome_before(tx: Tx, application_id: UUID, n: int, outcome: str) -> bool:
    """Whether this outcome was recorded at this step before."""
    found = await tx.scalar(
        select(true())
        .select_from(step_history)
        .where(step_history.c.application_id == application_id, step_history.c.step == n)
        .where(step_history.c.outcome == outcome)
        .limit(1)
    )
    return found is True
