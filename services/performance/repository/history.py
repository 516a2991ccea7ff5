"""Who decided what about an appraisal, when and why? Written once, never changed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from services.performance.tables import history
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_id


async def note(
    tx: Tx, appraisals: Sequence[UUID], *, by: str, what: str, status: str, reason: str | None = None,
    evidence: UUID | None = None,
) -> None:  # fmt: skip
    """`status` is that of the appraisal from now on."""
    await tx.run(
        text("""
        INSERT INTO performance.history (id, appraisal_id, at, by, what, status, reason, evidence)
        SELECT id, appraisal_id, :at, :by, :what, :status, :reason, :evidence
        FROM unnest(CAST(:ids AS uuid[]), CAST(:appraisals AS uuid[])) AS new (id, appraisal_id)
        """),
        {
            "ids": [new_id() for _ in appraisals], "appraisals": list(appraisals), "at": tx.now, "by": by,
            "what": what, "status": status, "reason": reason, "evidence": evidence,
        },
    )  # fmt: skip


async def of(tx: Tx, appraisal_id: UUID, as_of: datetime | None = None) -> Sequence[RowMapping]:
    """All that was decided up to then, the oldest first."""
    query = select(history).where(history.c.appraisal_id == appraisal_id).order_by(history.c.id)
    return await tx.all(query if as_of is None else query.where(history.c.at <= as_of))
