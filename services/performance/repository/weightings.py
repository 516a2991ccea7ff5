"""Which weightings are there, in which versions?"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from services.performance.domain.weightings import Weighting
from services.performance.tables import weightings
from shared.contracts.performance import WeightingPublished
from shared.db import RowMapping, Tx
from shared.errors import IllegalState, NotFound


def all_weightings() -> Select[Any]:
    return select(weightings)


async def weighting(tx: Tx, id: UUID) -> RowMapping:
    row = await tx.first(select(weightings).where(weightings.c.id == id))
    if row is None:
        raise NotFound("There is no weighting {id}.", id=id)
    return row


async def newest(tx: Tx, code: str) -> RowMapping | None:
    query = select(weightings).where(weightings.c.code == code).order_by(weightings.c.version.desc()).limit(1)
    return await tx.first(query)


async def add(tx: Tx, code: str, **values: Any) -> RowMapping:
    """A new version."""
    version = select(func.coalesce(func.max(weightings.c.version), 0) + 1).where(weightings.c.code == code)
    row = await tx.first(
        insert(weightings).values(code=code, version=version.scalar_subquery(), **values).returning(weightings)
    )
    assert row is not None
    return row


async def publish(tx: Tx) -> None:
    """Tell the others of every version that has weights and that they were not told of: a new one, or one of before."""
    judged = func.jsonb_typeof(weightings.c.result) == "object"
    rows = await tx.all(
        update(weightings)
        .where(judged, weightings.c.published_at.is_(None))
        .values(published_at=tx.now)
        .returning(weightings)
    )
    for row in rows:
        result = Weighting.model_validate(row["result"])
        tx.emit(
            WeightingPublished(
                weighting_id=row["id"], code=row["code"], version=row["version"],
                first=result.first, second=result.second,
            )
        )  # fmt: skip


async def first_level(tx: Tx, id: UUID) -> dict[str, Decimal]:
    """Weights of the first level, in percent. Raises `IllegalState` where no experts have judged yet."""
    row = await weighting(tx, id)
    if row["result"] is None:
        raise IllegalState(
            "The weighting {code}, version {version}, has no weights: experts have to judge it first.",
            code=row["code"], version=row["version"],
        )  # fmt: skip
    return {code: Decimal(str(weight)) for code, weight in row["result"]["first"].items()}
