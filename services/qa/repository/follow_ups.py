"""Which audits were asked for to see whether coaching worked?"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select

from services.qa.repository.people import Sight
from services.qa.tables import audits, employees, follow_ups
from shared.contracts.training import CoachingCompleted
from shared.db import RowMapping, Tx
from shared.delivery import Delivered
from shared.direct import text
from shared.errors import NotFound
from shared.pages import Page, page

# Twice is once. What training does not name, the failed criteria of the audit say.
_ASK = text("""
    INSERT INTO qa.follow_ups (id, assignment_id, audit_id, employee_id, criteria, asked_at)
    SELECT uuidv7(), assignment_id, told.audit_id, told.employee_id,
           CASE WHEN told.criteria = '' THEN coalesce(audits.failed, '{}')
                ELSE string_to_array(told.criteria, chr(9)) END,
           asked_at
    FROM unnest(CAST(:assignments AS uuid[]), CAST(:audits AS uuid[]), CAST(:employees AS uuid[]),
                CAST(:criteria AS text[]), CAST(:asked AS timestamptz[]))
         AS told (assignment_id, audit_id, employee_id, criteria, asked_at)
    LEFT JOIN qa.audits ON audits.id = told.audit_id
    ORDER BY assignment_id
    ON CONFLICT (assignment_id) DO NOTHING
""")


async def ask(tx: Tx, delivered: Sequence[Delivered[CoachingCompleted]]) -> None:
    """One follow-up for each coaching that was completed."""
    told = {event.assignment_id: (event, letter) for event, letter in reversed(delivered)}
    await tx.run(
        _ASK,
        {
            "assignments": list(told),
            "audits": [event.audit_id for event, _ in told.values()],
            "employees": [event.employee_id for event, _ in told.values()],
            "criteria": ["\t".join(event.criteria) for event, _ in told.values()],
            "asked": [letter.time for _, letter in told.values()],
        },
    )


def _owed() -> Sequence[ColumnElement[bool]]:
    """Not followed yet, and the fail that it follows still stands."""
    fail = exists().where(audits.c.id == follow_ups.c.audit_id, audits.c.result == "failed")
    return follow_ups.c.followed_by.is_(None), fail


async def find(tx: Tx, id: UUID) -> RowMapping:
    """One that is owed, locked until the transaction ends. Raises `NotFound`."""
    row = await tx.first(select(follow_ups).where(follow_ups.c.id == id, *_owed()).with_for_update(of=follow_ups))
    if row is None:
        raise NotFound("There is no follow-up {id} that is owed.", id=id)
    return row


async def followed(tx: Tx, id: UUID, audit_id: UUID) -> None:
    await tx.run(follow_ups.update().where(follow_ups.c.id == id).values(followed_by=audit_id))


async def owed(
    tx: Tx, employee_id: UUID | None, sight: Sight, shape: Any, *, limit: int, cursor: str | None
) -> Page[Any]:
    """Oldest first."""
    query = select(follow_ups).where(*_owed())
    if employee_id is not None:
        query = query.where(follow_ups.c.employee_id == employee_id)
    if not sight.everything:
        query = query.where(follow_ups.c.employee_id.in_(select(employees.c.employee_id).where(sight.covers())))
    return await page(tx, query, [follow_ups.c.id], shape, limit=limit, cursor=cursor, newest_first=False)
