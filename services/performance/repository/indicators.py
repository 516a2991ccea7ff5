"""Which definitions of indicators hold?"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.engine import RowMapping

from services.performance.domain.indicators import Indicator
from services.performance.tables import indicators
from shared.db import Tx


def all_versions() -> Select[Any]:
    return select(indicators)


async def holding(tx: Tx, day: date) -> Sequence[Indicator]:
    """The version of each indicator that holds on this day, by its place in the catalogue."""
    newest = (
        select(indicators)
        .ext(distinct_on(indicators.c.key))
        .where(indicators.c.valid_from <= day)
        .order_by(indicators.c.key, indicators.c.valid_from.desc(), indicators.c.version.desc())
    )
    return sorted((indicator(row) for row in await tx.all(newest)), key=lambda i: i.id)


def indicator(row: RowMapping) -> Indicator:
    return Indicator(**row)
