"""Where is what identifies a candidate, and how is it taken away?"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from services.recruiting.tables import (
    applications,
    candidate_keys,
    candidates,
    contracts,
    documents,
    employee_history,
    employees,
    employments,
    hand_ins,
    interviews,
    offers,
    score_sheets,
    step_history,
)  # fmt: skip
from shared.db import RowMapping, Tx
from shared.direct import text


@dataclass(frozen=True, slots=True)
class Traces:
    """By what a person may be found in letters and answers: words of theirs, and ids that stand for them."""

    name: tuple[str, ...]
    reached_by: tuple[str, ...]
    ids: tuple[UUID, ...]


async def keys_of(tx: Tx, candidate_id: UUID) -> dict[Any, bytes]:
    rows = await tx.all(select(candidate_keys).where(candidate_keys.c.candidate_id == candidate_id))
    return {row["kind"]: row["digest"] for row in rows}


async def applications_of(tx: Tx, candidate_id: UUID) -> Sequence[RowMapping]:
    return await tx.all(
        select(applications).where(applications.c.candidate_id == candidate_id).order_by(applications.c.id)
    )


async def works_here(tx: Tx, candidate_id: UUID, today: date) -> bool:
    """Whether an application of theirs led to an employment that goes on."""
    found = await tx.scalar(text(f"SELECT {_WORKS_HERE.format(candidate=':id')}"), {"id": candidate_id, "today": today})
    return bool(found)


_WORKS_HERE = """EXISTS (
    SELECT FROM recruiting.applications a JOIN recruiting.employments e ON e.application_id = a.id
    JOIN recruiting.employees w ON w.id = e.employee_id
    WHERE a.candidate_id = {candidate} AND 14 = ANY (a.done) AND (w.left_on IS NULL OR w.left_on > :today)
)"""


async def consent_over(tx: Tx, today: date, most: int) -> Sequence[UUID]:
    """Candidates whose consent has run out and who neither work here nor are about to, the longest first."""
    rows = await tx.all(
        text(f"""
        SELECT c.id FROM recruiting.candidates c
        WHERE c.erased_at IS NULL AND c.consent_until < :today AND NOT {_WORKS_HERE.format(candidate="c.id")}
          AND NOT EXISTS (SELECT FROM recruiting.applications a WHERE a.candidate_id = c.id AND a.status = 'hired')
        ORDER BY c.consent_until, c.id LIMIT :most
        """),
        {"today": today, "most": most},
    )
    return [row["id"] for row in rows]


async def erase_candidate(tx: Tx, candidate_id: UUID) -> None:
    """Name, numbers, addresses and keys, what was said at each application, and what was handed in with its steps."""
    await tx.run(
        update(candidates)
        .where(candidates.c.id == candidate_id)
        .values(name=None, phone=None, email=None, erased_at=tx.now, version=candidates.c.version + 1)
    )
    await tx.run(candidate_keys.delete().where(candidate_keys.c.candidate_id == candidate_id))
    own = select(applications.c.id).where(applications.c.candidate_id == candidate_id)
    await tx.run(update(hand_ins).where(hand_ins.c.application_id.in_(own)).values(fields={}))
    await tx.run(
        update(applications)
        .where(applications.c.candidate_id == candidate_id)
        .values(given=None, resume_ref=None, version=applications.c.version + 1)
    )


async def erase_name(tx: Tx, employee_id: UUID) -> None:
    """The name of somebody who worked here, in their record and its history."""
    await tx.run(
        update(employees)
        .where(employees.c.id == employee_id, employees.c.name.is_not(None))
        .values(name=None, version=employees.c.version + 1)
    )
    await tx.run(
        text("""
        UPDATE recruiting.employee_history
        SET before = CASE WHEN before ? 'name' THEN before || '{"name": null}' ELSE before END,
            after = CASE WHEN after ? 'name' THEN after || '{"name": null}' ELSE after END
        WHERE employee_id = :id AND (before ? 'name' OR after ? 'name')
        """),
        {"id": employee_id},
    )


async def erase_letters(tx: Tx, traces: Traces) -> None:
    """In dead letters and in answers kept for repeated requests.

    A dead letter with a name, a number or an address in it is emptied, and is not for replay any more: no event may
    hold those. An answer is emptied where it has a number or an address, or the name and an id; a name alone may be
    that of somebody else.
    """
    await tx.run(
        text("""
        UPDATE recruiting.dead_letters
        SET payload = '', key = '', headers = '{}', reason = 'erased', replayed_at = coalesce(replayed_at, :now),
            replayed_by = coalesce(replayed_by, 'erasure'), discard_reason = left(discard_reason, 0) || 'erased'
        WHERE EXISTS (
            SELECT FROM unnest(CAST(:words AS bytea[])) AS word
            WHERE position(word IN payload) > 0 OR position(word IN convert_to(headers::text, 'UTF8')) > 0
               OR position(word IN convert_to(reason, 'UTF8')) > 0 OR position(word IN convert_to(key, 'UTF8')) > 0
               OR position(word IN convert_to(discard_reason, 'UTF8')) > 0
        )
        """),
        {"words": _spellings([*traces.name, *traces.reached_by]), "now": tx.now},
    )
    await tx.run(
        text("""
        UPDATE recruiting.idempotency_keys SET body = '{}'
        WHERE EXISTS (SELECT FROM unnest(CAST(:reached_by AS bytea[])) AS word WHERE position(word IN body) > 0)
           OR EXISTS (SELECT FROM unnest(CAST(:name AS bytea[])) AS word WHERE position(word IN body) > 0)
          AND EXISTS (SELECT FROM unnest(CAST(:ids AS bytea[])) AS id WHERE position(id IN body) > 0)
        """),
        {
            "reached_by": _spellings(traces.reached_by),
            "name": _spellings(traces.name),
            "ids": [str(id).encode() for id in traces.ids],
        },
    )


def _spellings(words: Collection[str]) -> list[bytes]:
    """As the words stand in JSON, with other than ASCII characters as they are and escaped. Single characters are no
    traces: they are everywhere."""
    traces = [word for word in words if len(word) > 1]
    return sorted({json.dumps(word, ensure_ascii=plain)[1:-1].encode() for word in traces for plain in (False, True)})


async def everything(tx: Tx, candidate_id: UUID, employee_ids: Collection[UUID]) -> dict[str, list[dict[str, Any]]]:
    """All rows about a candidate, by table."""
    own = select(applications.c.id).where(applications.c.candidate_id == candidate_id)
    queries = {
        "applications": select(applications).where(applications.c.candidate_id == candidate_id),
        "steps": select(step_history).where(step_history.c.application_id.in_(own)).order_by(step_history.c.id),
        "hand_ins": select(hand_ins).where(hand_ins.c.application_id.in_(own)).order_by(hand_ins.c.id),
        "interviews": select(interviews).where(interviews.c.application_id.in_(own)).order_by(interviews.c.id),
        "score_sheets": select(score_sheets).where(
            score_sheets.c.application_id.in_(own), score_sheets.c.handed_in_at.is_not(None)
        ),
        "documents": select(documents).where(documents.c.application_id.in_(own)),
        "offers": select(offers).where(offers.c.application_id.in_(own)).order_by(offers.c.id),
        "employments": select(employments).where(employments.c.application_id.in_(own)),
        "contracts": select(contracts).where(contracts.c.candidate_id == candidate_id).order_by(contracts.c.id),
        "employees": select(employees).where(employees.c.id.in_(employee_ids)),
        "employee_history": select(employee_history)
        .where(employee_history.c.employee_id.in_(employee_ids))
        .order_by(employee_history.c.id),
    }
    return {name: [dict(row) for row in await tx.all(query)] for name, query in queries.items()}
