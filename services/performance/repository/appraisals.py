"""Where does each appraisal stand, and what makes it move?"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from services.performance.domain.chain import Head
from services.performance.domain.facts import audit_errors, error_classes
from services.performance.domain.ledger import (
    POOL,
    Booked,
    Counted,
    Movement,
    Revision,
    Tally,
    movements,
    standings,
    tally,
)
from services.performance.domain.templates import (
    ADJUSTMENT,
    AUDIT_INDICATOR,
    Dimension,
    Result,
    Template,
    result,
)
from services.performance.repository import closing, ledger
from services.performance.repository.cycles import SHARED_LOCK
from services.performance.repository.held import Held, hold, template_of
from services.performance.tables import appraisals, audits, cycles, employees
from shared.contracts.performance import AppraisalUpdated
from shared.contracts.qa import AuditRescored, AuditRevised, AuditSubmitted
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id
from shared.statistics import Interval


def all_appraisals() -> Select[Any]:
    """Appraisals with their cycle's code and template, joined to the employees."""
    return (
        select(appraisals, cycles.c.code, cycles.c.kind, cycles.c.template, cycles.c.first_day, cycles.c.last_day)
        .join(cycles, cycles.c.id == appraisals.c.cycle_id)
        .join(employees, employees.c.employee_id == appraisals.c.employee_id)
    )


def stored(row: RowMapping) -> Result:
    """What a row of `all_appraisals` says the appraisal comes to."""
    template = template_of(row)
    scores = {name: row["scores"].get(name, {"score": None, "n": 0}) for name in template.dimensions}
    dimensions = {
        name: Dimension(
            template.dimensions[name], None if known["score"] is None else Decimal(known["score"]), known["n"]
        )
        for name, known in scores.items()
    }
    interval = None if row["low"] is None else Interval(row["low"], row["high"])
    return Result(dimensions, row["total"], row["grade"], interval)


async def one_snapshot(tx: Tx) -> None:
    """Have all reads of this transaction see the same moment. Must be its first statement."""
    await tx.run(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


async def know_revision(
    tx: Tx, event: AuditSubmitted | AuditRevised, event_id: str, score: Decimal | None, day: date | None = None
) -> bool:
    """Keep what became of an audit; False where this revision was known already.

    `day` is the local day of submission. Locks the audit, so that two of its events are handled one after the other.
    """
    assert tx.cause is not None
    submitted = event if isinstance(event, AuditSubmitted) else None
    errors = audit_errors(submitted) if submitted else None
    still = event.failed_criteria if isinstance(event, AuditRescored) else None
    competencies = sorted({c.competency for c in submitted.failed_criteria}) if submitted else []
    passed = event.type == "qa.audit.passed.v1" if submitted else isinstance(event, AuditRescored) and event.passed
    known = await tx.scalar(
        text(f"""
        WITH audit AS (
            INSERT INTO performance.audits AS known
                   (audit_id, employee_id, submitted_on, call_id, scorecard, auditor_id, error_classes,
                    lasting_classes, competencies)
            SELECT CAST(:audit_id AS uuid), CAST(:employee_id AS uuid), CAST(:day AS date), CAST(:call_id AS text),
                   CAST(:scorecard AS text), CAST(:auditor_id AS text), CAST(:errors AS text[]),
                   CAST(:lasting AS text[]), CAST(:competencies AS text[])
            FROM {SHARED_LOCK}
            ON CONFLICT (audit_id) DO UPDATE SET
                (submitted_on, call_id, scorecard, auditor_id, error_classes, lasting_classes, competencies)
              = (SELECT excluded.submitted_on, excluded.call_id, excluded.scorecard, excluded.auditor_id,
                        excluded.error_classes, excluded.lasting_classes, excluded.competencies
                  WHERE known.submitted_on IS NULL
                 UNION ALL
                 SELECT known.submitted_on, known.call_id, known.scorecard, known.auditor_id, known.error_classes,
                        known.lasting_classes, known.competencies
                  WHERE known.submitted_on IS NOT NULL)
        )
        INSERT INTO performance.audit_revisions
               (audit_id, revision, event_id, score, passed, possible, told_at, error_classes, competencies)
        VALUES (:audit_id, :revision, :event_id, :score, :passed, :possible, :told_at,
                CAST(:still_errors AS text[]), CAST(:still_competencies AS text[]))
        ON CONFLICT DO NOTHING RETURNING true
        """),
        {
            "audit_id": event.audit_id,
            "employee_id": event.employee_id,
            "day": day,
            "call_id": submitted and submitted.call_id,
            "scorecard": submitted and submitted.scorecard,
            "auditor_id": submitted and submitted.auditor_id,
            "errors": errors.all if errors else [],
            "lasting": errors.lasting if errors else [],
            "competencies": competencies,
            "revision": event.revision,
            "event_id": event_id,
            "score": score,
            "passed": passed,
            "possible": event.possible_points,
            "told_at": tx.cause.time,
            "still_errors": None if still is None else error_classes(still),
            "still_competencies": None if still is None else sorted({c.competency for c in still}),
        },
    )
    return bool(known)


async def audits_between(tx: Tx, first: date, last: date) -> Sequence[UUID]:
    """Audits submitted on these days, both inclusive."""
    return await tx.column(select(audits.c.audit_id).where(audits.c.submitted_on.between(first, last)))


async def audits_of(tx: Tx, employees: Sequence[UUID]) -> Sequence[UUID]:
    """Audits of these employees."""
    return await tx.column(
        text("SELECT audit_id FROM performance.audits WHERE employee_id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": list(employees)},
    )


async def book(tx: Tx, audit_ids: Sequence[UUID]) -> None:
    """Bring the ledgers into agreement with all that is known of these audits, and publish what that changed.

    An audit belongs to the appraisals of its employee in the cycles that hold the day it was submitted. It waits while
    it was not submitted as far as we know, while the employee is unknown, and while there is no such cycle. What it
    does in a cycle that is closed, the template of the cycle says.
    """
    if not audit_ids:
        return
    await tx.run(_BEGIN, {"audits": audit_ids})
    held = await hold(
        tx,
        """
        EXISTS (SELECT FROM performance.audits audit WHERE audit.audit_id = ANY(CAST(:audits AS uuid[]))
                AND audit.employee_id = appraisal.employee_id
                AND audit.submitted_on BETWEEN cycle.first_day AND cycle.last_day)
        AND appraisal.employee_id IN (
            SELECT employee_id FROM performance.audits WHERE audit_id = ANY(CAST(:audits AS uuid[])))
        AND (cycle.employee_id IS NULL OR cycle.employee_id = appraisal.employee_id)
        """,
        audits=audit_ids,
    )
    if not held:
        return
    known = await tx.all(_REVISIONS, {"audits": audit_ids, "appraisals": list(held)})
    added: list[Movement] = []
    carried: set[UUID] = set()
    for (appraisal_id, audit_id), rows in groupby(known, lambda row: (row["appraisal_id"], row["audit_id"])):
        appraisal = held[appraisal_id]
        revisions = [_revision(row) for row in rows if row["entry_id"] or appraisal.takes(row["told_at"])]
        if appraisal.closed and appraisal.template.corrections == "current":
            carried.add(appraisal_id)
            continue
        added += movements(
            appraisal_id, audit_id, revisions,
            dimension=appraisal.template.audit_dimension, indicator=AUDIT_INDICATOR, at=tx.now,
        )  # fmt: skip
    causes = {m.appraisal_id: tx.cause.id if tx.cause else m.event_id or "" for m in added}
    await settle(tx, held, added, causes)
    if carried:
        await tx.run(
            text("UPDATE performance.appraisals SET carried = true WHERE id = ANY(CAST(:ids AS uuid[]))"),
            {"ids": list(carried)},
        )
        await carry(tx, employees={held[id].employee_id for id in carried})


def _revision(row: RowMapping) -> Revision:
    booked = Booked(row["entry_id"], row["reversed_by"] is not None) if row["entry_id"] else None
    actor = row["auditor_id"] if row["revision"] == 1 and row["auditor_id"] else "qa"
    return Revision(row["revision"], row["event_id"], row["score"], booked, row["possible"] or POOL, actor)


# Begins the appraisals of employees who left before the cycle did but were audited in it.
_BEGIN = text("""
INSERT INTO performance.appraisals (cycle_id, employee_id)
SELECT DISTINCT cycle.id, person.employee_id
FROM performance.audits audit
JOIN performance.employees person ON person.employee_id = audit.employee_id AND person.known_at IS NOT NULL
JOIN performance.cycles cycle
  ON cycle.status <> 'finalised' AND audit.submitted_on BETWEEN cycle.first_day AND cycle.last_day
 AND (cycle.employee_id IS NULL OR cycle.employee_id = person.employee_id)
WHERE audit.audit_id = ANY(CAST(:audits AS uuid[]))
ORDER BY 1, 2
ON CONFLICT DO NOTHING
""")

# What an appeal decided stays decided.
_REVISIONS = text("""
SELECT appraisal.id AS appraisal_id, audit.audit_id, audit.auditor_id, revision.revision, revision.event_id,
       revision.score, revision.possible, revision.told_at, entry.id AS entry_id, entry.reversed_by
FROM performance.appraisals appraisal
JOIN performance.cycles cycle ON cycle.id = appraisal.cycle_id
JOIN performance.audits audit
  ON audit.employee_id = appraisal.employee_id AND audit.submitted_on BETWEEN cycle.first_day AND cycle.last_day
JOIN performance.audit_revisions revision ON revision.audit_id = audit.audit_id
LEFT JOIN performance.ledger_entries entry
  ON entry.appraisal_id = appraisal.id AND entry.audit_id = audit.audit_id
 AND entry.revision = revision.revision AND entry.kind = 'entry'
WHERE audit.audit_id = ANY(CAST(:audits AS uuid[])) AND appraisal.id = ANY(CAST(:appraisals AS uuid[]))
  AND NOT EXISTS (
      SELECT FROM performance.appeals appeal JOIN performance.ledger_entries named ON named.id = appeal.entry_id
      WHERE appeal.appraisal_id = appraisal.id AND named.audit_id = audit.audit_id AND appeal.status = 'upheld')
ORDER BY appraisal.id, audit.audit_id, revision.revision
""")


async def settle(
    tx: Tx, held: Mapping[UUID, Held], added: Sequence[Movement], causes: Mapping[UUID, str], *,
    by: str = "qa", what: str = "revised", reason: str | None = None,
) -> None:  # fmt: skip
    """Add these lines, add up the ledgers of `causes`, store what they come to, and publish it.

    A closed appraisal is revised by that: `by` whom, by `what` and why is kept.
    """
    if not causes:
        return
    heads = {id: held[id].head for id in causes}
    await ledger.write(tx, added, ledger.linked(heads, added))
    found = await ledger.tallies(tx, {id: held[id].template.pooled for id in causes})
    results = {id: come_to(held[id].template, known) for id, known in found.items()}
    await conclude(tx, held, heads, results, causes, by=by, what=what, reason=reason)


async def conclude(
    tx: Tx, held: Mapping[UUID, Held], heads: Mapping[UUID, Head], results: Mapping[UUID, Result],
    causes: Mapping[UUID, str], *, quiet: bool = False, by: str = "qa", what: str = "revised",
    reason: str | None = None,
) -> None:  # fmt: skip
    """Store what ledgers that have grown to these heads come to, and publish it unless told not to."""
    if not results:
        return
    for id, head in heads.items():
        held[id].head = head
    await _store(tx, results, heads)
    if quiet:
        return
    closed = [held[id] for id in results if held[id].closed]
    await closing.close(tx, closed, results, causes, by=by, what=what, reason=reason)
    tx.emit(
        *(
            AppraisalUpdated(
                appraisal_id=id,
                employee_id=held[id].employee_id,
                cycle=held[id].code,
                dimensions={name: d.score for name, d in r.dimensions.items()},
                total=r.total,
                grade=r.grade,
                cause=causes[id],
            )
            for id, r in results.items()
            if not held[id].closed
        )
    )


def come_to(template: Template, known: Sequence[Tally]) -> Result:
    return result(template, *standings(known))


async def _store(tx: Tx, results: Mapping[UUID, Result], heads: Mapping[UUID, Head]) -> None:
    await tx.run(
        text("""
        UPDATE performance.appraisals appraisal
           SET scores = now.scores::jsonb, total = now.total, grade = now.grade, low = now.low, high = now.high,
               ledger_length = now.length, ledger_head = now.head, version = version + 1
          FROM unnest(CAST(:ids AS uuid[]), CAST(:scores AS text[]), CAST(:totals AS numeric[]),
                      CAST(:grades AS text[]), CAST(:lows AS numeric[]), CAST(:highs AS numeric[]),
                      CAST(:lengths AS integer[]), CAST(:heads AS bytea[]))
               AS now (id, scores, total, grade, low, high, length, head)
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
            "lows": [r.interval and r.interval.low for r in results.values()],
            "highs": [r.interval and r.interval.high for r in results.values()],
            "lengths": [heads[id].length for id in results],
            "heads": [heads[id].hash for id in results],
        },
    )


async def carry(tx: Tx, *, employees: set[UUID] | None = None, kind: str | None = None) -> None:
    """Bring what closed appraisals would have moved by into the open ones that follow, as adjustments.

    Of these employees, or of all for one kind of cycle. Where no cycle follows yet, it waits for one.
    """
    closed = await hold(
        tx,
        """
        appraisal.carried AND (CAST(:kind AS text) IS NULL OR cycle.kind = :kind)
        AND (CAST(:employees AS uuid[]) IS NULL OR appraisal.employee_id = ANY(CAST(:employees AS uuid[])))
        """,
        kind=kind,
        employees=None if employees is None else list(employees),
    )
    for appraisal in closed.values():
        following = await hold(
            tx,
            """
            appraisal.id = (
                SELECT later.id
                FROM performance.appraisals later JOIN performance.cycles their ON their.id = later.cycle_id
                WHERE later.employee_id = :employee AND their.kind = :kind AND their.status <> 'finalised'
                  AND their.first_day > (SELECT last_day FROM performance.cycles WHERE id = :cycle)
                ORDER BY their.first_day LIMIT 1)
            """,
            employee=appraisal.employee_id,
            kind=appraisal.kind,
            cycle=appraisal.cycle_id,
        )
        for current in following.values():
            owed = await _owed(tx, appraisal)
            if owed:
                cause = tx.cause.id if tx.cause else str(appraisal.id)
                line = Movement(
                    new_id(), current.id, ADJUSTMENT, ADJUSTMENT, "entry", None, None, cause, owed, tx.now,
                    basis="adjustment", points=owed, low=owed, high=owed, actor="qa", refers_to=appraisal.id,
                )  # fmt: skip
                await settle(tx, following, [line], {current.id: cause})


async def _owed(tx: Tx, closed: Held) -> Decimal:
    """By how much the closed total would differ, knowing all that counts today, less what was adjusted already."""
    pooled = closed.template.pooled
    [known] = (await ledger.tallies(tx, {closed.id: pooled})).values()
    stood = come_to(closed.template, known).total
    fates = await tx.all(_FATES, {"appraisal": closed.id})
    newest: dict[UUID, RowMapping] = {}
    for row in fates:
        if closed.takes(row["told_at"]):
            newest[row["audit_id"]] = row
    dimension = closed.template.audit_dimension
    [now] = (await ledger.tallies(tx, {closed.id: pooled}, but="audit")).values()
    now += [
        tally(Counted(dimension, AUDIT_INDICATOR, row["score"], row["possible"] or POOL), pooled=pooled)
        for row in newest.values()
        if row["score"] is not None
    ]
    would = come_to(closed.template, now).total
    if stood is None or would is None:
        return Decimal(0)
    done = await tx.scalar(
        text("""
        SELECT coalesce(sum(points), 0) FROM performance.ledger_entries
        WHERE refers_to = :id AND basis = 'adjustment' AND kind = 'entry' AND reversed_by IS NULL
        """),
        {"id": closed.id},
    )
    return would - stood - Decimal(done)


_FATES = text("""
SELECT audit.audit_id, revision.score, revision.possible, revision.told_at
FROM performance.appraisals appraisal
JOIN performance.cycles cycle ON cycle.id = appraisal.cycle_id
JOIN performance.audits audit
  ON audit.employee_id = appraisal.employee_id AND audit.submitted_on BETWEEN cycle.first_day AND cycle.last_day
JOIN performance.audit_revisions revision ON revision.audit_id = audit.audit_id
WHERE appraisal.id = :appraisal
  AND NOT EXISTS (
      SELECT FROM performance.appeals appeal JOIN performance.ledger_entries named ON named.id = appeal.entry_id
      WHERE appeal.appraisal_id = appraisal.id AND named.audit_id = audit.audit_id AND appeal.status = 'upheld')
ORDER BY audit.audit_id, revision.revision
""")
