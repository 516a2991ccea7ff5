"""What happens when appraisals are closed, or revised afterwards? What follows from them, for many at a time."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.performance.domain.consequences import Outcome, checkpoints, consequences, needed
from services.performance.domain.templates import Result
from services.performance.repository import history
from services.performance.repository.held import Held
from shared.calendar import local_day
from shared.contracts.performance import AppraisalFinalised, ProbationEvaluated
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id


async def close(
    tx: Tx,
    held: Sequence[Held],
    results: Mapping[UUID, Result],
    causes: Mapping[UUID, str],
    *,
    by: str,
    what: str,
    reason: str | None = None,
) -> None:
    """Store and publish these appraisals as final, with what follows from them; what was owed before and is not any
    more is taken back."""
    if not held:
        return
    before = await _before(tx, held)
    outcomes = {
        one.id: consequences(one.template, before[one.id]["role"], [results[one.id].grade, *before[one.id]["grades"]])
        for one in held
    }
    low = [one for one in held if outcomes[one.id].improve]
    missed = await _missed(tx, [one.id for one in low])
    asked = {
        one.id: needed(missed.get(one.id, {}), {name: d.score for name, d in results[one.id].dimensions.items()})
        for one in low
    }
    await _store(tx, held, outcomes)
    await _plan(tx, held, asked)
    await history.note(tx, [one.id for one in held], by=by, what=what, status="finalised", reason=reason)
    for one in held:
        tx.emit(*_told(one, results[one.id], outcomes[one.id], asked.get(one.id, ()), causes[one.id]))


def _told(one: Held, result: Result, outcome: Outcome, asked: tuple[str, ...], cause: str) -> list[Any]:
    common: dict[str, Any] = {
        "appraisal_id": one.id, "employee_id": one.employee_id, "cycle": one.code, "total": result.total,
        "dimensions": {name: d.score for name, d in result.dimensions.items()}, "grade": result.grade, "cause": cause,
    }  # fmt: skip
    ends = result.interval
    told: list[Any] = [
        AppraisalFinalised.model_construct(
            **common, revision=one.revision + 1, low=ends and ends.low, high=ends and ends.high, bonus=outcome.bonus,
            commended=outcome.commended, promotion=outcome.promotion, competencies=asked, ledger=one.head.hash.hex(),
        )
    ]  # fmt: skip
    if one.kind == "probation":
        told.append(ProbationEvaluated(**common))
    return told


async def _before(tx: Tx, held: Sequence[Held]) -> dict[UUID, RowMapping]:
    """Role, and the grades of the finalised cycles of the same kind before, the newest first."""
    rows = await tx.all(
        text("""
        SELECT appraisal.id, person.role, coalesce(earlier.grades, '{}') AS grades
        FROM performance.appraisals appraisal
        JOIN performance.cycles cycle ON cycle.id = appraisal.cycle_id
        JOIN performance.employees person ON person.employee_id = appraisal.employee_id
        LEFT JOIN LATERAL (
            SELECT array_agg(theirs.grade ORDER BY other.first_day DESC) AS grades
            FROM performance.appraisals theirs JOIN performance.cycles other ON other.id = theirs.cycle_id
            WHERE theirs.employee_id = appraisal.employee_id AND other.kind = cycle.kind
              AND other.status = 'finalised' AND other.first_day < cycle.first_day
        ) earlier ON true
        WHERE appraisal.id = ANY(CAST(:ids AS uuid[]))
        """),
        {"ids": [one.id for one in held]},
    )
    return {row["id"]: row for row in rows}


async def _missed(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """How often audits that stand in these appraisals found each competency wanting."""
    found: dict[UUID, dict[str, int]] = {}
    if ids:
        rows: Any = await tx.tuples(
            text("""
            SELECT line.appraisal_id, competency, count(*)
            FROM performance.ledger_entries line JOIN performance.audits audit USING (audit_id)
            JOIN performance.audit_revisions revision USING (audit_id, revision),
                 unnest(coalesce(revision.competencies, audit.competencies)) AS competency
            WHERE line.appraisal_id = ANY(CAST(:ids AS uuid[])) AND line.kind = 'entry' AND line.reversed_by IS NULL
            GROUP BY 1, 2
            """),
            {"ids": list(ids)},
        )
        for id, competency, n in rows:
            found.setdefault(id, {})[competency] = n
    return found


async def _store(tx: Tx, held: Sequence[Held], outcomes: Mapping[UUID, Outcome]) -> None:
    await tx.run(
        text("""
        UPDATE performance.appraisals appraisal
           SET outcome = now.outcome::jsonb, revision = revision + 1, version = version + 1,
               status = 'finalised', acknowledged_at = NULL, finalised_at = coalesce(finalised_at, :now)
          FROM unnest(CAST(:ids AS uuid[]), CAST(:outcomes AS text[])) AS now (id, outcome)
         WHERE appraisal.id = now.id
        """),
        {
            "now": tx.now,
            "ids": [one.id for one in held],
            "outcomes": [outcomes[one.id].model_dump_json() for one in held],
        },
    )


async def _plan(tx: Tx, held: Sequence[Held], asked: Mapping[UUID, tuple[str, ...]]) -> None:
    """Have an improvement plan for each of those who need one, and end those that are not owed any more."""
    await tx.run(
        text("""
        UPDATE performance.improvement_plans SET status = 'not_owed', version = version + 1
        WHERE appraisal_id = ANY(CAST(:ids AS uuid[])) AND status = 'open'
        """),
        {"ids": [one.id for one in held if one.id not in asked]},
    )
    day = local_day(tx.now, tx.settings.zone)
    rows = [one for one in held if one.id in asked]
    if not rows:
        return
    await tx.run(
        text("""
        INSERT INTO performance.improvement_plans AS plan
               (id, appraisal_id, employee_id, competencies, opened_at, checkpoints)
        SELECT id, appraisal_id, employee_id, ARRAY(SELECT jsonb_array_elements_text(competencies::jsonb)), :now,
               checkpoints::jsonb
        FROM unnest(CAST(:ids AS uuid[]), CAST(:appraisals AS uuid[]), CAST(:employees AS uuid[]),
                    CAST(:competencies AS text[]), CAST(:checkpoints AS text[]))
             AS new (id, appraisal_id, employee_id, competencies, checkpoints)
        ON CONFLICT (appraisal_id) DO UPDATE SET competencies = excluded.competencies, version = plan.version + 1,
               status = CASE WHEN plan.status = 'not_owed' THEN 'open' ELSE plan.status END
        """),
        {
            "now": tx.now,
            "ids": [new_id() for _ in rows],
            "appraisals": [one.id for one in rows],
            "employees": [one.employee_id for one in rows],
            "competencies": [json.dumps(asked[one.id]) for one in rows],
            "checkpoints": [json.dumps(checkpoints(one.template, day)) for one in rows],
        },
    )


async def advance(tx: Tx, ids: Sequence[UUID], *, by: str, what: str, status: str) -> None:
    """Move these appraisals on to this state."""
    await tx.run(
        text("""
        UPDATE performance.appraisals SET status = :status, version = version + 1,
               acknowledged_at = CASE WHEN :status = 'acknowledged' THEN CAST(:now AS timestamptz) END
        WHERE id = ANY(CAST(:ids AS uuid[]))
        """),
        {"ids": list(ids), "status": status, "now": tx.now},
    )
    await history.note(tx, ids, by=by, what=what, status=status)
