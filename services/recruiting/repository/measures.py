"""How is recruiting doing? Counted from staff, from the history of steps, and from what QA and performance reported."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, insert, select

from services.recruiting.domain.funnel import FIRST_DAYS, Hire, Passage, Source
from services.recruiting.domain.structure import Target
from services.recruiting.tables import target_shares
from shared.db import Tx
from shared.direct import text


async def staff(tx: Tx, day: date) -> dict[tuple[str | None, str], int]:
    """How many work here on this day, by department and role."""
    rows = await tx.all(
        text("""
        SELECT department, role, count(*) AS n FROM recruiting.employees
        WHERE since <= :day AND (left_on IS NULL OR left_on > :day) GROUP BY department, role
        """),
        {"day": day},
    )
    return {(row["department"], row["role"]): row["n"] for row in rows}


async def targets(tx: Tx) -> list[Target]:
    rows = await tx.all(select(target_shares).order_by(target_shares.c.department, target_shares.c.role))
    return [Target(row["department"], row["role"] or None, row["of"], row["share"]) for row in rows]


async def set_targets(tx: Tx, given: Sequence[Target]) -> None:
    """These and no others; whoever does the same at the same time waits."""
    await tx.run(text("LOCK TABLE recruiting.target_shares IN SHARE ROW EXCLUSIVE MODE"))
    await tx.run(delete(target_shares))
    rows = [{"department": t.department, "role": t.role or "", "of": t.of, "share": t.share} for t in given]
    if rows:
        await tx.run(insert(target_shares), rows)


# Each line that enters a step ends with the next line of the same record that leaves or closes it.
_VISITS = """
    WITH lines AS (
        SELECT step, move, at, lead(at) OVER visit AS until, lead(move) OVER visit AS how,
               lead(outcome) OVER visit AS outcome
        FROM recruiting.step_history
        WHERE requisition_id = :id AND step IS NOT NULL AND move IN ('entered', 'left', 'closed')
        WINDOW visit AS (PARTITION BY application_id, step ORDER BY id)
    ), visits AS (
        SELECT step, how, outcome, extract(epoch FROM until - at) / 86400 AS days FROM lines WHERE move = 'entered'
    ), outcomes AS (
        SELECT step, jsonb_object_agg(outcome, n) AS outcomes
        FROM (SELECT step, outcome, count(*) AS n FROM visits WHERE how = 'left' GROUP BY step, outcome) AS counted
        GROUP BY step
    )
    SELECT step, count(*) AS entered, count(*) FILTER (WHERE how = 'left') AS left,
           count(*) FILTER (WHERE how = 'closed') AS closed, count(*) FILTER (WHERE how IS NULL) AS open,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90,
           coalesce(min(o.outcomes::text), '{}')::jsonb AS outcomes
    FROM visits LEFT JOIN outcomes AS o USING (step) GROUP BY step ORDER BY step
"""


async def passages(tx: Tx, requisition_id: UUID) -> list[Passage]:
    """How the steps of a requisition and of its applications were passed, in their order; those that nobody reached
    are not in it."""
    rows = await tx.all(text(_VISITS), {"id": requisition_id})
    return [
        Passage(
            row["step"], row["entered"], row["left"], row["closed"], row["open"], row["outcomes"],
            _days(row["median"]), _days(row["p90"]),
        )
        for row in rows
    ]  # fmt: skip


def _days(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(value).quantize(Decimal("0.01"))


async def days_to_fill(tx: Tx, requisition_id: UUID) -> Decimal | None:
    """From the first approval until it was filled last; None while it is not."""
    found = await tx.scalar(
        text("""
        SELECT extract(epoch FROM max(at) FILTER (WHERE outcome = 'filled')
                                  - min(at) FILTER (WHERE step = 1 AND outcome = 'approved')) / 86400
        FROM recruiting.step_history
        WHERE requisition_id = :id AND application_id IS NULL AND EXISTS (
            SELECT FROM recruiting.requisitions WHERE id = :id AND status IN ('filled', 'closed')
        )
        """),
        {"id": requisition_id},
    )
    return _days(found)


async def sources(tx: Tx, requisition_id: UUID) -> list[Source]:
    """The channels chosen, and those by which applications came."""
    rows = await tx.all(
        text("""
        SELECT channel, cost, coalesce(applications, 0) AS applications, coalesce(hired, 0) AS hired
        FROM (SELECT channel, cost FROM recruiting.requisition_channels WHERE requisition_id = :id) AS chosen
        FULL JOIN (
            SELECT a.channel, count(*) AS applications, count(e.application_id) AS hired
            FROM recruiting.applications a LEFT JOIN recruiting.employments e ON e.application_id = a.id
            WHERE a.requisition_id = :id GROUP BY a.channel
        ) AS came USING (channel)
        ORDER BY channel
        """),
        {"id": requisition_id},
    )
    return [Source(row["channel"], row["cost"], row["applications"], row["hired"]) for row in rows]


async def hires(tx: Tx, requisition_id: UUID) -> list[Hire]:
    """Whom the requisition hired. Probation is passed with step 18, and is not by those who ended before that."""
    rows = await tx.all(
        text("""
        SELECT a.channel,
               CASE WHEN 18 = ANY (a.done) THEN true
                    WHEN 14 = ANY (a.done) AND a.status IN ('ended', 'left') THEN false END AS passed,
               (SELECT r.score FROM recruiting.reports r WHERE r.employee_id = e.employee_id AND r.step = 17
                ORDER BY r.at DESC, r.event_id DESC LIMIT 1) AS appraisal,
               ARRAY(SELECT DISTINCT s.member FROM recruiting.score_sheets s
                     WHERE s.application_id = a.id AND s.handed_in_at IS NOT NULL) AS interviewers,
               q.audits, q.audits_passed
        FROM recruiting.employments e JOIN recruiting.applications a ON a.id = e.application_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS audits, count(*) FILTER (WHERE h.passed) AS audits_passed
            FROM recruiting.hire_audits h
            WHERE h.employee_id = e.employee_id AND h.passed IS NOT NULL
              AND (h.submitted_at AT TIME ZONE :zone)::date >= e.starts_on
              AND (h.submitted_at AT TIME ZONE :zone)::date < e.starts_on + CAST(:days AS integer)
        ) AS q
        WHERE e.requisition_id = :id
        """),
        {"id": requisition_id, "zone": tx.settings.timezone, "days": FIRST_DAYS},
    )
    return [
        Hire(r["channel"], r["interviewers"], r["passed"], r["appraisal"], r["audits"], r["audits_passed"])
        for r in rows
    ]


async def note_audit(
    tx: Tx, audit_id: UUID, employee_id: UUID, revision: int, passed: bool | None, submitted_at: datetime | None
) -> None:
    """Keep what QA said of an audit: the highest revision holds, whatever comes first."""
    await tx.run(
        text("""
        INSERT INTO recruiting.hire_audits AS known (audit_id, employee_id, revision, passed, submitted_at)
        VALUES (:audit_id, :employee_id, :revision, CAST(:passed AS boolean), CAST(:submitted_at AS timestamptz))
        ON CONFLICT (audit_id) DO UPDATE SET
            submitted_at = least(known.submitted_at, excluded.submitted_at),
            passed = CASE WHEN excluded.revision > known.revision THEN excluded.passed ELSE known.passed END,
            revision = greatest(known.revision, excluded.revision)
        """),
        {
            "audit_id": audit_id, "employee_id": employee_id, "revision": revision, "passed": passed,
            "submitted_at": submitted_at,
        },
    )  # fmt: skip
