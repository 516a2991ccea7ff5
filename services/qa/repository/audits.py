"""Which audits are there, and what was decided about each, when and by whom?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import ColumnElement, FromClause, and_, bindparam, false, func, or_, select, true, tuple_

from services.qa.domain.audits import Audit, Decision, Purpose, Ruled, Rules, Status
from services.qa.domain.scoring import Answer, Answers
from services.qa.repository.people import Sight
from services.qa.tables import audit_history, audit_rules, audits, disputes, employees
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import NotFound
from shared.ids import new_id
from shared.numbers import Number
from shared.pages import Page, page, values_of

_answers = TypeAdapter(dict[str, Answer])
_marks = TypeAdapter(dict[str, Number])
_by_id = select(audits).where(audits.c.id == bindparam("id"))
_by_id_locked = _by_id.with_for_update()
_newest_rules = select(audit_rules).order_by(audit_rules.c.version.desc()).limit(1)
_newest_rules_locked = _newest_rules.with_for_update()
_with_rules = (
    select(audits, select(_newest_rules.subquery().c.rules).scalar_subquery().label("rules"))
    .where(audits.c.id == bindparam("id"))
    .with_for_update(of=audits)
)

# A voided audit keeps its place in `audits_once`, which the release before names as its arbiter: so what is made after
# it stands in its place by `moved_from`, of which there is one, and is the last of a row of such.
_CREATE = text("""
    WITH RECURSIVE given AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:recordings AS uuid[]), CAST(:calls AS text[]),
                             CAST(:employees AS uuid[]), CAST(:auditors AS text[]))
             AS given (id, recording_id, call_id, employee_id, auditor_id)
    ), there AS (
        SELECT given.id AS new_id, audits.id, audits.status
        FROM given JOIN qa.audits USING (recording_id, auditor_id)
        WHERE audits.scorecard_id = CAST(:scorecard AS uuid) AND audits.purpose = CAST(:purpose AS text)
          AND audits.moved_from IS NULL
        UNION ALL
        SELECT there.new_id, audits.id, audits.status FROM there JOIN qa.audits ON audits.moved_from = there.id
    ), voided AS (
        SELECT new_id AS id, id AS moved_from FROM there
        WHERE status = 'voided' AND NOT EXISTS (SELECT FROM qa.audits WHERE audits.moved_from = there.id)
    ), made AS (
        INSERT INTO qa.audits (id, recording_id, call_id, employee_id, scorecard_id, auditor_id, purpose, draw_id,
                               status, version, revision, answers, critical_errors, created_at, focus, follows,
                               calibration_id, moved_from)
        SELECT id, recording_id, call_id, employee_id, CAST(:scorecard AS uuid), auditor_id, CAST(:purpose AS text),
               CAST(:draw AS uuid), 'draft', 1, 0, '{}', '{}', CAST(:at AS timestamptz),
               CAST(:focus AS text[]), CAST(:follows AS uuid), CAST(:calibration AS uuid), moved_from
        FROM given LEFT JOIN voided USING (id)
        ON CONFLICT DO NOTHING
        RETURNING *
    )
    INSERT INTO qa.audit_history (id, audit_id, at, actor, action, status_after, revision, new_revision,
                                  critical_errors)
    SELECT uuidv7(), id, created_at, CAST(:actor AS text), 'created', status, revision, false, critical_errors FROM made
    RETURNING audit_id
""")

# The row changes, and so is locked, before the history and the outbox tell of it.
_SAVE = text("""
    WITH changed AS (
        UPDATE qa.audits
        SET status = CAST(:status AS text), version = :version, revision = :revision,
            answers = coalesce(CAST(:answers AS jsonb), answers), raw_score = CAST(:raw_score AS numeric),
            score = CAST(:score AS numeric), result = CAST(:result AS text),
            critical_errors = CAST(:critical_errors AS text[]), submitted_at = CAST(:submitted_at AS timestamptz),
            fatal_hit = :fatal_hit, failed = CAST(:failed AS text[]), marks = CAST(:marks AS jsonb),
            accuracy = CAST(:accuracy AS jsonb), released_at = CAST(:released_at AS timestamptz),
            acknowledged_at = CAST(:acknowledged_at AS timestamptz)
        WHERE id = :id
        RETURNING new.*, old.status AS status_before, old.score AS score_before,
                  new.revision > old.revision AS new_revision
    )
    INSERT INTO qa.audit_history (id, audit_id, at, actor, action, reason, status_before, status_after, revision,
                                  new_revision, score_before, raw_score, score, result, critical_errors, answers)
    SELECT uuidv7(), id, CAST(:at AS timestamptz), CAST(:actor AS text), CAST(:action AS text), CAST(:reason AS text),
           status_before, status, revision, new_revision, score_before, raw_score, score, result, critical_errors,
           CASE WHEN new_revision THEN answers END
    FROM changed
""")


@dataclass(frozen=True, slots=True)
class Unit:
    """An interaction that somebody is to audit."""

    recording_id: UUID
    call_id: str
    employee_id: UUID
    auditor_id: str


async def create(
    tx: Tx,
    scorecard_id: UUID,
    units: Sequence[Unit],
    *,
    by: str,
    draw_id: UUID | None = None,
    purpose: Purpose = "standard",
    focus: Sequence[str] | None = None,
    follows: UUID | None = None,
    calibration_id: UUID | None = None,
) -> set[UUID]:
    """Ids of the audits made; none for a unit that this auditor has with this scorecard already and was not voided."""
    made = await tx.column(
        _CREATE,
        {
            "scorecard": scorecard_id,
            "draw": draw_id,
            "purpose": purpose,
            "focus": None if focus is None else list(focus),
            "follows": follows,
            "calibration": calibration_id,
            "at": tx.now,
            "actor": by,
            "ids": [new_id() for _ in units],
            "recordings": [unit.recording_id for unit in units],
            "calls": [unit.call_id for unit in units],
            "employees": [unit.employee_id for unit in units],
            "auditors": [unit.auditor_id for unit in units],
        },
    )
    return set(made)


async def find(tx: Tx, id: UUID, *, to_change: bool = False) -> Audit:
    """The audit, `to_change` locked until the transaction ends. Raises `NotFound`."""
    row = await tx.first(_by_id_locked if to_change else _by_id, {"id": id})
    if row is None:
        raise absent(id)
    return shape(row)


async def find_with_rules(tx: Tx, id: UUID) -> tuple[Audit, Rules]:
    """The audit, locked, and the newest rules, in one way to the database and back. Raises `NotFound`."""
    row = await tx.first(_with_rules, {"id": id})
    if row is None:
        raise absent(id)
    found = dict(row)
    rules = found.pop("rules")
    return shape(found), Rules(**rules)


def absent(id: UUID) -> NotFound:
    """Also for those from whom the audit is hidden."""
    return NotFound("There is no audit {id}.", id=id)


def shape(row: Mapping[Any, Any]) -> Audit:
    return Audit(
        **{**row, "answers": _answers.validate_python(row["answers"]), "marks": _marks.validate_python(row["marks"])}
    )


async def save_answers(tx: Tx, audit: Audit) -> None:
    """Keep the answers of a draft. No decision yet, so no history."""
    await tx.run(
        text("UPDATE qa.audits SET answers = CAST(:answers AS jsonb), version = :version WHERE id = :id"),
        {"answers": _as_json(audit.answers), "version": audit.version, "id": audit.id},
    )


async def save(tx: Tx, audit: Audit, action: str, *, by: str, reason: str | None = None, answers: bool = False) -> None:
    """Keep what was decided, with its history; the answers only where they changed."""
    await tx.run(
        _SAVE,
        {
            "id": audit.id,
            "status": audit.status,
            "version": audit.version,
            "revision": audit.revision,
            "answers": _as_json(audit.answers) if answers else None,
            "raw_score": audit.raw_score,
            "score": audit.score,
            "result": audit.result,
            "critical_errors": list(audit.critical_errors),
            "submitted_at": audit.submitted_at,
            "fatal_hit": audit.fatal_hit,
            "failed": list(audit.failed),
            "marks": _marks.dump_json(dict(audit.marks)).decode(),
            "accuracy": to_json(audit.accuracy).decode(),
            "released_at": audit.released_at,
            "acknowledged_at": audit.acknowledged_at,
            "at": tx.now,
            "actor": by,
            "action": action,
            "reason": reason,
        },
    )


async def add_moved(tx: Tx, audit: Audit, *, by: str, reason: str) -> None:
    """Keep an audit that was moved to another employee, with its history."""
    row = {column.name: getattr(audit, column.name) for column in audits.c}
    listed = {name: list(row[name]) for name in ("critical_errors", "failed")}
    told = {"answers": _answers.dump_python(dict(audit.answers), mode="json", exclude_none=True)}
    marks = {"marks": _marks.dump_python(dict(audit.marks), mode="json"), "accuracy": dict(audit.accuracy)}
    await tx.run(audits.insert(), {**row, **listed, **told, **marks})
    kept = {name: row[name] for name in ("revision", "raw_score", "score", "result")}
    await tx.run(
        audit_history.insert(),
        {
            **kept, **told, "critical_errors": listed["critical_errors"], "id": new_id(), "audit_id": audit.id,
            "at": tx.now, "actor": by, "action": "moved", "reason": reason, "status_after": audit.status,
            "new_revision": True,
        },
    )  # fmt: skip


async def rules(tx: Tx, *, to_change: bool = False) -> tuple[int, Rules]:
    """Version and rules, the newest, `to_change` locked."""
    row = await tx.first(_newest_rules_locked if to_change else _newest_rules)
    assert row is not None  # a migration put it there
    return row["version"], Rules(**row["rules"])


async def change_rules(tx: Tx, version: int, new: Rules, by: str) -> None:
    await tx.run(
        audit_rules.insert(),
        {"version": version, "rules": new.model_dump(), "changed_at": tx.now, "changed_by": by},
    )


def _as_json(answers: Answers) -> str:
    return _answers.dump_json(dict(answers), exclude_none=True).decode()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which audits to list."""

    employee_id: UUID | None = None
    auditor_id: str | None = None
    recording_id: UUID | None = None
    scorecard_id: UUID | None = None
    draw_id: UUID | None = None
    status: Status | None = None
    calibration_id: UUID | None = None


async def listed(tx: Tx, wanted: Wanted, sight: Sight, shape: Any, *, limit: int, cursor: str | None) -> Page[Any]:
    """Newest first. Whoever sees some employees only does not see drafts, and gets the newest of each, merged."""
    query = select(audits).where(*_conditions(audits, wanted), _not_blind(sight))
    if not sight.everything:
        seen = select(employees.c.employee_id).where(sight.covers()).subquery("seen")
        one = audits.alias("one")
        newest = (
            select(one.c.id)
            .where(one.c.employee_id == seen.c.employee_id, _told_of(one, sight), *_conditions(one, wanted))
            .order_by(one.c.id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            newest = newest.where(tuple_(one.c.id) < values_of(cursor, [audits.c.id]))
        each = newest.lateral("newest")
        query = query.where(audits.c.id.in_(select(each.c.id).select_from(seen.join(each, true()))))
    return await page(tx, query, [audits.c.id], shape, limit=limit, cursor=cursor)


def _not_blind(sight: Sight) -> ColumnElement[bool]:
    """Of a calibration whoever takes part sees their own audit only, and others none, until all have handed in."""
    return or_(
        audits.c.calibration_id.is_(None),
        audits.c.auditor_id == sight.sub,
        ~handing_in(audits.c.calibration_id),
    )


def handing_in(calibration_id: Any) -> ColumnElement[bool]:
    """Whether somebody in this calibration has not handed in yet."""
    other = audits.alias("other")
    # Not `exists`: PostgreSQL would put all the open audits that there are into one hash.
    going_on = select(func.bool_or(other.c.status == "draft")).where(other.c.calibration_id == calibration_id)
    return func.coalesce(going_on.scalar_subquery(), false())


async def blind(tx: Tx, audit: Audit, sight: Sight) -> bool:
    """Whether the audit is hidden from this one because its calibration is still going on."""
    if audit.calibration_id is None or audit.auditor_id == sight.sub:
        return False
    return bool(await tx.scalar(select(handing_in(audit.calibration_id))))


def _told_of(audit: FromClause, sight: Sight) -> ColumnElement[bool]:
    """Released, or waiting for a release by the one who looks."""
    waiting = and_(audit.c.status == "unreleased", audit.c.employee_id.is_distinct_from(sight.me))
    return or_(audit.c.released_at.is_not(None), waiting)


def _conditions(audit: FromClause, wanted: Wanted) -> list[ColumnElement[bool]]:
    asked = {
        "employee_id": wanted.employee_id,
        "auditor_id": wanted.auditor_id,
        "recording_id": wanted.recording_id,
        "scorecard_id": wanted.scorecard_id,
        "draw_id": wanted.draw_id,
        "status": wanted.status,
        "calibration_id": wanted.calibration_id,
    }
    return [audit.c[name] == value for name, value in asked.items() if value is not None]


async def history(tx: Tx, audit_id: UUID, *, verdicts: bool) -> Sequence[RowMapping]:
    """What happened to an audit, oldest first; of the verdicts only those that made a new revision."""
    query = select(audit_history).where(audit_history.c.audit_id == audit_id).order_by(audit_history.c.id)
    return await tx.all(query.where(audit_history.c.new_revision) if verdicts else query)


@dataclass(frozen=True, slots=True)
class Objection:
    """What an employee objects to."""

    reason: str
    comment: str | None
    criteria: Sequence[str]


async def open_dispute(tx: Tx, audit_id: UUID, objection: Objection, by: str) -> None:
    row = {"reason": objection.reason, "comment": objection.comment, "criteria": list(objection.criteria)}
    await tx.run(disputes.insert(), {"id": new_id(), "audit_id": audit_id, "opened_at": tx.now, "opened_by": by, **row})


async def disputed(tx: Tx, audit_id: UUID) -> Sequence[str]:
    """The criteria of the open dispute, none where it is about all of them, or where there is none."""
    is_open = disputes.c.audit_id == audit_id, disputes.c.decided_at.is_(None)
    found: Sequence[str] | None = await tx.scalar(select(disputes.c.criteria).where(*is_open))
    return found or ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a dispute ended, as a whole and for each criterion."""

    outcome: Decision
    reason: str
    comment: str | None
    ruled: Sequence[Ruled]


async def close_dispute(tx: Tx, audit_id: UUID, verdict: Verdict, by: str) -> None:
    decided = {"outcome": verdict.outcome, "decision_reason": verdict.reason, "decision_comment": verdict.comment}
    await tx.run(
        disputes.update()
        .where(disputes.c.audit_id == audit_id, disputes.c.decided_at.is_(None))
        .values(**decided, decided_at=tx.now, decided_by=by, outcomes=[ruled._asdict() for ruled in verdict.ruled])
    )


async def disputes_before(tx: Tx, audit_id: UUID) -> int:
    found: int = await tx.scalar(select(func.count()).where(disputes.c.audit_id == audit_id))
    return found


async def disputes_of(tx: Tx, audit_id: UUID) -> Sequence[RowMapping]:
    return await tx.all(select(disputes).where(disputes.c.audit_id == audit_id).order_by(disputes.c.id))
