"""Which audits stand failed?"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from services.qa.tables import audits
from shared.db import RowMapping, Tx


async def failures(tx: Tx, after: tuple[datetime, UUID], until: datetime, most: int) -> Sequence[RowMapping]:
    """Audits whose fail stands, released before `until`, in order of release, after this one."""
    return await tx.all(
        select(audits.c.id, audits.c.released_at)
        .where(audits.c.result == "failed", audits.c.released_at < until)
        .where(tuple_(audits.c.released_at, audits.c.id) > after)
        .order_by(audits.c.released_at, audits.c.id)
        .limit(most)
    )
