"""What is known of the people of a cycle, to compare how they were appraised?"""

from collections import Counter
from typing import Any
from uuid import UUID

from services.performance.domain.fairness import Person
from shared.db import Tx
from shared.direct import text


async def grades(tx: Tx, cycle_id: UUID) -> Counter[str]:
    """How many have each grade."""
    rows: Any = await tx.tuples(
        text("""
        SELECT grade, count(*) FROM performance.appraisals
        WHERE cycle_id = :cycle AND grade IS NOT NULL GROUP BY 1
        """),
        {"cycle": cycle_id},
    )
    return Counter(dict(list(map(tuple, rows))))


async def people(tx: Tx, cycle_id: UUID) -> list[Person]:
    """Everybody in the cycle."""
    rows: Any = await tx.tuples(
        text("""
        SELECT appraisal.id, appraisal.total, appraisal.low, appraisal.high, appraisal.grade, person.team,
               person.team_lead_id, cycle.last_day - career.started_on, career.source_channel
        FROM performance.appraisals appraisal
        JOIN performance.cycles cycle ON cycle.id = appraisal.cycle_id
        JOIN performance.employees person ON person.employee_id = appraisal.employee_id
        LEFT JOIN performance.careers career ON career.employee_id = appraisal.employee_id
        WHERE appraisal.cycle_id = :cycle ORDER BY appraisal.id
        """),
        {"cycle": cycle_id},
    )
    return [
        Person(str(id), total, low, high, grade, team, str(lead) if lead else None, days, channel)
        for id, total, low, high, grade, team, lead, days, channel in rows
    ]


async def rated(tx: Tx, cycle_id: UUID) -> dict[str, list[float]]:
    """Manager → the mean of what each person whom they rated got from them, by their newest ratings."""
    rows: Any = await tx.tuples(
        text("""
        SELECT rater, avg(value)::float8 FROM (
            SELECT DISTINCT ON (rating.appraisal_id, rating.indicator, rating.rater)
                   rating.appraisal_id, rating.rater, rating.value
            FROM performance.ratings rating JOIN performance.appraisals appraisal ON appraisal.id = rating.appraisal_id
            WHERE appraisal.cycle_id = :cycle AND rating.kind = 'manager'
            ORDER BY rating.appraisal_id, rating.indicator, rating.rater, rating.id DESC) AS newest
        GROUP BY rater, appraisal_id ORDER BY rater, appraisal_id
        """),
        {"cycle": cycle_id},
    )
    found: dict[str, list[float]] = {}
    for rater, mean in rows:
        found.setdefault(rater, []).append(mean)
    return found
