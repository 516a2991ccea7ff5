"""What is known of the audits of each employee?"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.training.domain.coaching import Audit
from services.training.domain.rules import Failed, Repeat, Result, Rule
from services.training.repository.rows import add_all
from shared.contracts.qa import AuditSubmitted
from shared.db import RowMapping, Tx
from shared.direct import text

_COLUMNS = """result.audit_id, result.employee_id, result.scorecard, result.submitted_at, result.score, result.passed,
    result.critical, result.criteria, result.competencies, result.error_classes, state.remaining"""
_STANDING = """training.audit_results AS result LEFT JOIN training.audit_states AS state USING (audit_id)
    WHERE coalesce(state.owed, result.passed)"""


def result_of(event: AuditSubmitted, *, passed: bool) -> Result:
    failed = tuple(Failed(f.criterion, f.competency, f.error_class) for f in event.failed_criteria)
    return Result(
        event.audit_id, event.employee_id, event.scorecard, event.submitted_at, event.score, passed,
        bool(event.critical_errors), failed,
    )  # fmt: skip


def _result(row: Sequence[Any]) -> Result:
    criteria, competencies, classes, remaining = row[7:11]
    failed = map(Failed, criteria, competencies, classes) if criteria else ()
    return Result(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6],
        tuple(failed) if remaining is None else tuple(one for one in failed if one.criterion in remaining),
    )  # fmt: skip


async def note_results(tx: Tx, results: Iterable[Result]) -> set[UUID]:
    """Keep what these audits found; the ids of those that were not known yet."""
    rows = [
        {
            "audit_id": r.audit_id, "employee_id": r.employee_id, "scorecard": r.scorecard,
            "submitted_at": r.submitted_at, "score": r.score, "passed": r.passed, "critical": r.critical,
            "criteria": [f.criterion for f in r.failed], "competencies": [f.competency for f in r.failed],
            "error_classes": [f.error_class for f in r.failed],
        }
        for r in sorted(results, key=lambda r: r.audit_id)
    ]  # fmt: skip
    added = await add_all(tx, "audit_results", rows, conflict="DO NOTHING", returning="audit_id")
    return {row["audit_id"] for row in added}


async def note_states(tx: Tx, audits: Mapping[UUID, Audit]) -> dict[UUID, Audit]:
    """Keep each fact unless a newer one is known; answer the newest, and hold the audits until the transaction ends."""
    rows = [
        {"audit_id": id, "revision": a.revision, "owed": a.owed, "stage": a.stage, "decided_on": a.decided_on,
         "remaining": a.remaining}
        for id, a in sorted(audits.items())
    ]  # fmt: skip
    newest = await add_all(
        tx,
        "audit_states",
        rows,
        conflict="""(audit_id) DO UPDATE SET (revision, owed, stage, decided_on, remaining) = (
            SELECT revision, owed, stage, decided_on, remaining FROM (VALUES
                (known.revision, known.owed, known.stage, known.decided_on, known.remaining),
                (excluded.revision, excluded.owed, excluded.stage, excluded.decided_on, excluded.remaining)
            ) AS facts (revision, owed, stage, decided_on, remaining)
            ORDER BY revision DESC, stage DESC, owed LIMIT 1)""",
        returning="audit_id, revision, owed, stage, decided_on, remaining",
    )
    return {row["audit_id"]: Audit(**{k: v for k, v in row.items() if k != "audit_id"}) for row in newest}


def repeats(rules: Iterable[Rule]) -> list[Repeat]:
    return [rule.condition.repeated for rule in rules if rule.condition.repeated]


async def before(tx: Tx, audits: Sequence[Result], wanted: Sequence[Repeat]) -> dict[UUID, list[Result]]:
    """Employee → the standing audits that rules with these conditions look back at, the newest first.

    The audits that are asked for are among them.
    """
    if not wanted or not audits:
        return {}
    audits_back = max((repeat.audits or 0 for repeat in wanted), default=0)
    days_back = max((repeat.days or 0 for repeat in wanted), default=0)
    asked: dict[UUID, list[datetime]] = {}
    for audit in audits:
        asked.setdefault(audit.employee_id, []).append(audit.submitted_at)
    rows = await tx.tuples(
        text(f"""
        SELECT one.* FROM unnest(CAST(:ids AS uuid[]), CAST(:untils AS timestamptz[]), CAST(:sinces AS timestamptz[]),
                                 CAST(:counts AS integer[])) AS wanted (id, until, since, count)
        CROSS JOIN LATERAL (
            SELECT {_COLUMNS} FROM {_STANDING} AND result.employee_id = wanted.id
               AND result.submitted_at <= wanted.until
               AND result.submitted_at >= least(wanted.since, coalesce((
                   SELECT result.submitted_at FROM {_STANDING} AND result.employee_id = wanted.id
                      AND result.submitted_at <= wanted.until
                    ORDER BY result.submitted_at DESC OFFSET wanted.count - 1 LIMIT 1), '-infinity'))
        ) AS one
        ORDER BY one.submitted_at DESC, one.audit_id DESC
        """),
        {
            "ids": list(asked),
            "untils": [max(times) for times in asked.values()],
            "sinces": [min(times) - timedelta(days=days_back) if days_back else max(times) for times in asked.values()],
            "counts": [audits_back + len(times) for times in asked.values()],
        },
    )
    found: dict[UUID, list[Result]] = {}
    for row in rows:
        one = _result(row)
        found.setdefault(one.employee_id, []).append(one)
    return found


async def standing(tx: Tx, since: datetime, until: datetime) -> AsyncIterator[Sequence[Result]]:
    """All standing audits submitted in this time, in the order of submission, in parts."""
    query = text(f"""
        SELECT {_COLUMNS} FROM {_STANDING} AND result.submitted_at >= :since AND result.submitted_at < :until
        ORDER BY result.submitted_at, result.audit_id
        """)
    async with tx.connection.stream(query, {"since": since, "until": until}) as rows:
        async for part in rows.partitions(5000):
            yield [_result(row) for row in part]


async def tally(tx: Tx, since: datetime, until: datetime) -> Sequence[RowMapping]:
    """Competency → how many standing audits there were, how many failed it, and of how many employees."""
    return await tx.all(
        text(f"""
        WITH audits AS MATERIALIZED (
            SELECT {_COLUMNS} FROM {_STANDING} AND result.submitted_at >= :since AND result.submitted_at < :until
        )
        SELECT failed.competency, (SELECT count(*) FROM audits) AS audits, count(DISTINCT audit_id) AS failed,
               array_agg(DISTINCT employee_id) AS employees
        FROM audits CROSS JOIN LATERAL unnest(criteria, competencies) AS failed (criterion, competency)
        WHERE remaining IS NULL OR failed.criterion = ANY(remaining)
        GROUP BY failed.competency ORDER BY count(DISTINCT audit_id) DESC, failed.competency
        """),
        {"since": since, "until": until},
    )


async def last_acted(tx: Tx, employee_ids: Sequence[UUID], rules: Sequence[str]) -> dict[tuple[UUID, str], date]:
    """Employee and rule → the last day on which the rule acted."""
    if not rules:
        return {}
    rows = await tx.tuples(
        text("""
        SELECT employee_id, rule, max(day) AS day FROM training.coaching_firings
        WHERE outcome = 'acted' AND employee_id = ANY(CAST(:ids AS uuid[])) AND rule = ANY(CAST(:rules AS text[]))
        GROUP BY employee_id, rule
        """),
        {"ids": employee_ids, "rules": rules},
    )
    return {(row.employee_id, row.rule): row.day for row in rows}
