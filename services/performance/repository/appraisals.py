"""Where does each appraisal stand, and what is in its ledger?"""

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.engine import RowMapping

from services.performance.domain.explanation import Line, Reversal
from services.performance.domain.ledger import Booked, Movement, Revision, movements
from services.performance.domain.templates import (
    AUDIT_DIMENSION,
    AUDIT_INDICATOR,
    Dimension,
    Result,
    Standing,
    Template,
    result,
)
from services.performance.repository.cycles import SHARED_LOCK
from services.performance.tables import appraisals, audits, cycles, employees, ledger_entries
from shared.contracts.performance import AppraisalUpdated
from shared.contracts.qa import AuditRevised, AuditSubmitted
from shared.db import Tx


def all_appraisals() -> Select[Any]:
    """Appraisals with their cycle's code and template, joined to the employees."""
    return (
        select(appraisals, cycles.c.code, cycles.c.template)
        .join(cycles, cycles.c.id == appraisals.c.cycle_id)
        .join(employees, employees.c.employee_id == appraisals.c.employee_id)
    )


def stored(row: RowMapping) -> Result:
    """What a row of `all_appraisals` says the appraisal comes to."""
    template = Template.model_validate(row["template"])
    scores = {name: row["scores"].get(name, {"score": None, "n": 0}) for name in template.dimensions}
    dimensions = {
        name: Dimension(
            template.dimensions[name], None if known["score"] is None else Decimal(known["score"]), known["n"]
        )
        for name, known in scores.items()
    }
    return Result(dimensions, row["total"], row["grade"])


async def one_snapshot(tx: Tx) -> None:
    """Have all reads of this transaction see the same moment. Must be its first statement."""
    await tx.run(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


async def lines(tx: Tx, appraisal_id: UUID) -> list[Line]:
    """The entries of the ledger, oldest first, with their evidence and their reversals."""
    entry, reversal = ledger_entries, ledger_entries.alias("reversal")
    query = (
        select(
            *(entry.c[name] for name in ("id", "dimension", "indicator", "audit_id", "revision", "event_id")),
            *(entry.c[name] for name in ("value", "at", "reversed_by")),
            audits.c.call_id,
            audits.c.scorecard,
            reversal.c.revision.label("later_revision"),
            reversal.c.event_id.label("later_event"),
            reversal.c.at.label("later_at"),
        )
        .join(audits, audits.c.audit_id == entry.c.audit_id)
        .outerjoin(reversal, reversal.c.id == entry.c.reversed_by)
        .where(entry.c.appraisal_id == appraisal_id, entry.c.kind == "entry")
        .order_by(entry.c.at, entry.c.id)
    )
    return [
        Line(
            id=row["id"],
            dimension=row["dimension"],
            indicator=row["indicator"],
            audit_id=row["audit_id"],
            revision=row["revision"],
            event_id=row["event_id"],
            call_id=row["call_id"],
            scorecard=row["scorecard"],
            value=row["value"],
            at=row["at"],
            reversal=row["reversed_by"]
            and Reversal(
                id=row["reversed_by"],
                revision=row["later_revision"],
                event_id=row["later_event"],
                at=row["later_at"],
            ),
        )
        for row in await tx.all(query)
    ]


async def know_revision(
    tx: Tx, event: AuditSubmitted | AuditRevised, event_id: str, score: Decimal | None, day: date | None = None
) -> bool:
    """Keep what became of an audit; False where this revision was known already.

    `day` is the local day of submission. Locks the audit, so that two of its events are handled one after the other.
    """
    submitted = event if isinstance(event, AuditSubmitted) else None
    known = await tx.scalar(
        text(f"""
        WITH audit AS (
            INSERT INTO performance.audits AS known (audit_id, employee_id, submitted_on, call_id, scorecard)
            SELECT CAST(:audit_id AS uuid), CAST(:employee_id AS uuid), CAST(:day AS date), CAST(:call_id AS text),
                   CAST(:scorecard AS text)
            FROM {SHARED_LOCK}
            ON CONFLICT (audit_id) DO UPDATE SET
                submitted_on = coalesce(known.submitted_on, excluded.submitted_on),
                call_id = coalesce(known.call_id, excluded.call_id),
                scorecard = coalesce(known.scorecard, excluded.scorecard)
        )
        INSERT INTO performance.audit_revisions (audit_id, revision, event_id, score)
        VALUES (:audit_id, :revision, :event_id, :score)
        ON CONFLICT DO NOTHING RETURNING true
        """),
        {
            "audit_id": event.audit_id,
            "employee_id": event.employee_id,
            "day": day,
            "call_id": submitted and submitted.call_id,
            "scorecard": submitted and submitted.scorecard,
            "revision": event.revision,
            "event_id": event_id,
            "score": score,
        },
    )
    return bool(known)


async def audits_between(tx: Tx, first: date, last: date) -> Sequence[UUID]:
    """Audits submitted on these days, both inclusive."""
    found = await tx.run(select(audits.c.audit_id).where(audits.c.submitted_on.between(first, last)))
    return found.scalars().all()


async def audits_of(tx: Tx, employees: Sequence[UUID]) -> Sequence[UUID]:
    """Audits of these employees."""
    found = await tx.run(
        text("SELECT audit_id FROM performance.audits WHERE employee_id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": list(employees)},
    )
    return found.scalars().all()


async def book(tx: Tx, audit_ids: Sequence[UUID]) -> None:
    """Bring the ledgers into agreement with all that is known of these audits, and publish what that changed.

    An audit belongs to the appraisals of its employee in the open cycles that hold the day it was submitted. It waits
    while it was not submitted as far as we know, while the employee is unknown, and while there is no such cycle.
    """
    if not audit_ids:
        return
    held = {row["id"]: row for row in await tx.all(_HOLD, {"audits": audit_ids})}
    if not held:
        return
    known = await tx.all(_REVISIONS, {"audits": audit_ids, "appraisals": list(held)})
    added: list[Movement] = []
    for (appraisal_id, audit_id), revisions in groupby(known, lambda row: (row["appraisal_id"], row["audit_id"])):
        added += movements(
            appraisal_id,
            audit_id,
            [
                Revision(
                    row["revision"],
                    row["event_id"],
                    row["score"],
                    Booked(row["entry_id"], row["reversed_by"] is not None) if row["entry_id"] else None,
                )
                for row in revisions
            ],
            dimension=AUDIT_DIMENSION,
            indicator=AUDIT_INDICATOR,
            at=tx.now,
        )
    if added:
        await _append(tx, added)
        causes = {movement.appraisal_id: tx.cause.id if tx.cause else movement.event_id for movement in added}
        await _update(tx, held, causes)


# Locks the appraisals, and begins those of employees who left before the cycle did but were audited in it.
_HOLD = text("""
WITH held AS (
    INSERT INTO performance.appraisals AS appraisal (cycle_id, employee_id)
    SELECT DISTINCT cycle.id, person.employee_id
    FROM performance.audits audit
    JOIN performance.employees person ON person.employee_id = audit.employee_id AND person.known_at IS NOT NULL
    JOIN performance.cycles cycle
      ON cycle.status = 'open' AND audit.submitted_on BETWEEN cycle.first_day AND cycle.last_day
    WHERE audit.audit_id = ANY(CAST(:audits AS uuid[]))
    ORDER BY 1, 2
    ON CONFLICT (cycle_id, employee_id) DO UPDATE SET status = appraisal.status
    RETURNING id, cycle_id, employee_id
)
SELECT held.id, held.employee_id, cycle.code, cycle.template
FROM held JOIN performance.cycles cycle ON cycle.id = held.cycle_id
""")

_REVISIONS = text("""
SELECT appraisal.id AS appraisal_id, audit.audit_id, revision.revision, revision.event_id, revision.score,
       entry.id AS entry_id, entry.reversed_by
FROM performance.appraisals appraisal
JOIN performance.cycles cycle ON cycle.id = appraisal.cycle_id
JOIN performance.audits audit
  ON audit.employee_id = appraisal.employee_id AND audit.submitted_on BETWEEN cycle.first_day AND cycle.last_day
JOIN performance.audit_revisions revision ON revision.audit_id = audit.audit_id
LEFT JOIN performance.ledger_entries entry
  ON entry.appraisal_id = appraisal.id AND entry.audit_id = audit.audit_id
 AND entry.revision = revision.revision AND entry.kind = 'entry'
WHERE audit.audit_id = ANY(CAST(:audits AS uuid[])) AND appraisal.id = ANY(CAST(:appraisals AS uuid[]))
ORDER BY appraisal.id, audit.audit_id, revision.revision
""")

_LEDGER_TYPES = {
    "id": "uuid", "appraisal_id": "uuid", "dimension": "text", "indicator": "text", "kind": "text", "audit_id": "uuid",
    "revision": "integer", "event_id": "text", "value": "numeric", "reverses": "uuid", "reversed_by": "uuid",
    "at": "timestamptz",
}  # fmt: skip
_INSERT = text(f"""
INSERT INTO performance.ledger_entries ({", ".join(_LEDGER_TYPES)})
SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {type}[])" for name, type in _LEDGER_TYPES.items())})
""")


async def _append(tx: Tx, added: Sequence[Movement]) -> None:
    taken_back = {m.reverses: m.id for m in added if m.reverses}
    if taken_back:  # first, for an audit has at most one entry that stands
        await tx.run(
            text("""
            UPDATE performance.ledger_entries entry SET reversed_by = reversal.id
            FROM unnest(CAST(:entries AS uuid[]), CAST(:reversals AS uuid[])) AS reversal (entry_id, id)
            WHERE entry.id = reversal.entry_id
            """),
            {"entries": list(taken_back), "reversals": list(taken_back.values())},
        )
    await tx.run(_INSERT, {name: [getattr(m, name) for m in added] for name in _LEDGER_TYPES})


async def _update(tx: Tx, held: dict[UUID, RowMapping], causes: dict[UUID, str]) -> None:
    """Add up these ledgers, store what they come to, and publish it."""
    standings: dict[UUID, dict[str, Standing]] = {id: {} for id in causes}
    for row in await tx.all(
        text("""
        SELECT appraisal_id, dimension, sum(value) AS sum, count(*) AS n FROM performance.ledger_entries
        WHERE appraisal_id = ANY(CAST(:ids AS uuid[])) AND kind = 'entry' AND reversed_by IS NULL
        GROUP BY appraisal_id, dimension
        """),
        {"ids": list(causes)},
    ):
        standings[row["appraisal_id"]][row["dimension"]] = Standing(row["sum"], row["n"])
    results = {
        id: result(Template.model_validate(held[id]["template"]), standing) for id, standing in standings.items()
    }
    await tx.run(
        text("""
        UPDATE performance.appraisals appraisal
           SET scores = now.scores::jsonb, total = now.total, grade = now.grade, version = version + 1
          FROM unnest(CAST(:ids AS uuid[]), CAST(:scores AS text[]), CAST(:totals AS numeric[]),
                      CAST(:grades AS text[])) AS now (id, scores, total, grade)
         WHERE appraisal.id = now.id
        """),
        {
            "ids": list(results),
            "scores": [
                json.dumps(
                    {
                        name: {"score": None if d.score is None else str(d.score), "n": d.n}
                        for name, d in r.dimensions.items()
                    }
                )
                for r in results.values()
            ],
            "totals": [r.total for r in results.values()],
            "grades": [r.grade for r in results.values()],
        },
    )
    tx.emit(
        *(
            AppraisalUpdated(
                appraisal_id=id,
                employee_id=held[id]["employee_id"],
                cycle=held[id]["code"],
                dimensions={name: d.score for name, d in r.dimensions.items()},
                total=r.total,
                grade=r.grade,
                cause=causes[id],
            )
            for id, r in results.items()
        )
    )
