"""How were the competencies met before and after coaching, and where there was none?"""

from datetime import date, datetime, time, timedelta
from typing import Literal

from sqlalchemy import Text as TextType
from sqlalchemy import column as column_of
from sqlalchemy import text

from services.training.domain.effect import Change, Effect
from shared.db import Tx
from shared.pages import Page, cursor_of, values_of

By = Literal["competency", "coach", "course"]

_COACHED = {
    "competency": "competency",
    "coach": "coalesce(it.coach_id::text, it.completed_by)",
}
_FROM_COACHING = """
    SELECT {key} AS key, it.employee_id, competency, split_part(it.scorecard, '@', 1) AS card,
           result.submitted_at AS index_at, it.completed_at AS done_at
    FROM training.coaching_assignments AS it JOIN training.audit_results AS result USING (audit_id)
    CROSS JOIN LATERAL unnest(it.competencies) AS competency
    WHERE it.completed_at >= :since AND it.completed_at < :until AND NOT it.no_longer_owed"""
_FROM_COURSES = """
    SELECT it.course AS key, it.employee_id, competency, split_part(result.scorecard, '@', 1) AS card,
           result.submitted_at AS index_at, it.completed_at AS done_at
    FROM training.enrolments AS it JOIN training.courses AS course ON course.id = it.course_id
    JOIN training.audit_results AS result ON result.audit_id::text = it.source_id
    CROSS JOIN LATERAL (SELECT DISTINCT competency FROM unnest(result.competencies) AS competency
                        WHERE competency = ANY(course.competencies)) AS failed
    WHERE it.source = 'coaching' AND it.status = 'completed'
      AND it.completed_at >= :since AND it.completed_at < :until"""

_QUERY = """
WITH audits AS NOT MATERIALIZED (
    SELECT result.*, split_part(result.scorecard, '@', 1) AS card, state.remaining
    FROM training.audit_results AS result LEFT JOIN training.audit_states AS state USING (audit_id)
    WHERE coalesce(state.owed, result.passed)
), coached AS MATERIALIZED ({coached}
), delays AS (
    SELECT competency, avg(done_at - index_at) AS delay FROM coached GROUP BY competency
), others AS MATERIALIZED (
    SELECT DISTINCT ON (one.employee_id, competency) one.employee_id, competency, one.card,
           one.submitted_at AS index_at, one.submitted_at + delays.delay AS done_at
    FROM audits AS one CROSS JOIN LATERAL unnest(one.competencies) AS competency JOIN delays USING (competency)
    WHERE one.submitted_at >= :since AND one.submitted_at < :until
      AND NOT EXISTS (SELECT FROM training.coaching_assignments AS it
          WHERE it.employee_id = one.employee_id AND competency = ANY(it.competencies)
            AND it.completed_at BETWEEN one.submitted_at - CAST(:span AS interval)
                                    AND one.submitted_at + 2 * CAST(:span AS interval))
      AND NOT EXISTS (SELECT FROM training.enrolments AS it JOIN training.courses AS course ON course.id = it.course_id
          WHERE it.employee_id = one.employee_id AND competency = ANY(course.competencies)
            AND it.completed_at BETWEEN one.submitted_at - CAST(:span AS interval)
                                    AND one.submitted_at + 2 * CAST(:span AS interval))
    ORDER BY one.employee_id, competency, one.submitted_at
), cases AS (
    SELECT key, true AS coached, employee_id, competency, card, index_at, done_at FROM coached
    UNION ALL
    SELECT keys.key, false, others.employee_id, competency, card, index_at, done_at
    FROM (SELECT DISTINCT key, competency FROM coached) AS keys JOIN others USING (competency)
)
SELECT key, coached, count(*), sum(before.met), sum(before.n), sum(later.met), sum(later.n)
FROM cases
CROSS JOIN LATERAL (
    SELECT count(*) AS n, count(*) FILTER (WHERE cases.competency <> ALL(one.competencies)) AS met FROM audits AS one
    WHERE one.employee_id = cases.employee_id AND one.card = cases.card
      AND one.submitted_at BETWEEN cases.index_at - CAST(:span AS interval) AND cases.index_at
) AS before
CROSS JOIN LATERAL (
    SELECT count(*) AS n, count(*) FILTER (WHERE cases.competency <> ALL(one.competencies)) AS met FROM audits AS one
    WHERE one.employee_id = cases.employee_id AND one.card = cases.card
      AND one.submitted_at > cases.done_at AND one.submitted_at <= cases.done_at + CAST(:span AS interval)
) AS later
GROUP BY key, coached ORDER BY key
"""


async def effects(
    tx: Tx, by: By, since: date | None, until: date | None, days: int, *, limit: int, cursor: str | None
) -> Page[Effect]:
    """One effect for each competency, coach or course with coaching completed in this period, by key.

    An audit by the same scorecard meets a competency if none of its criteria failed. Before is up to and including
    the audit that was failed, for the coached and the others alike. The others failed the same competency in the period
    and completed neither coaching nor a course in it; what comes after begins as long after their fail as, on
    average, coaching was completed.
    """
    zone = tx.settings.zone
    first = since or date(2000, 1, 1)
    last = until or tx.now.astimezone(zone).date()
    coached = _FROM_COURSES if by == "course" else _FROM_COACHING.format(key=_COACHED[by])
    rows = await tx.tuples(
        text(_QUERY.format(coached=coached)),
        {
            "since": datetime.combine(first, time(), zone),
            "until": datetime.combine(last + timedelta(days=1), time(), zone),
            "span": timedelta(days=days),
        },
    )
    found: dict[str, dict[bool, Change]] = {}
    for row in rows:
        found.setdefault(row.key, {})[row.coached] = Change.of(*map(int, row[2:7]))
    behind = values_of(cursor, [column_of("key", TextType)])[0] if cursor else ""
    keys = [key for key in sorted(found) if key > behind]
    items = [_effect(key, found[key]) for key in keys[:limit]]
    return Page(items=items, next_cursor=cursor_of([keys[limit - 1]]) if len(keys) > limit else None)


def _effect(key: str, changes: dict[bool, Change]) -> Effect:
    coached, others = changes[True], changes.get(False) or Change.of(0, 0, 0, 0, 0)
    known = coached.difference is not None and others.difference is not None
    net = coached.difference - others.difference if known else None  # type: ignore[operator]
    return Effect(key=key, coached=coached, not_coached=others, net=net)
