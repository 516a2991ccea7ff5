"""Which definitions of indicators hold?"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert

from services.performance.domain.indicators import Definition, Indicator, Level, Target
from services.performance.repository import facts
from services.performance.tables import indicators
from shared.db import RowMapping, Tx
from shared.errors import IllegalState
from shared.ids import new_id


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


async def add(tx: Tx, new: Definition) -> RowMapping:
    """A new version; it must not hold from before the newest one does."""
    newest = await tx.first(
        select(indicators).where(indicators.c.key == new.indicator).order_by(indicators.c.version.desc()).limit(1)
    )
    if newest and new.valid_from <= newest["valid_from"]:
        raise IllegalState(
            "Version {version} of {indicator} holds from {day}; a new version has to hold from a later day.",
            version=newest["version"], indicator=new.indicator, day=newest["valid_from"],
        )  # fmt: skip
    if new.limit is not None:
        await facts.count_within(tx, new.limit, new.valid_from)
    told = new.model_dump(mode="json")
    row = await tx.first(
        insert(indicators)
        .values(
            id=new_id(),
            key=new.indicator,
            version=newest["version"] + 1 if newest else 1,
            **{name: told[name] for name in ("names", "levels", "target")},
            **{
                name: getattr(new, name)
                for name in (
                    "valid_from", "source", "formula", "measure", "base", "scale", "unit", "direction", "least_n"
                )
            },
            guards=list(new.guards),
        )
        .returning(indicators)
    )  # fmt: skip
    assert row is not None
    return row


def indicator(row: RowMapping) -> Indicator:
    levels = row["levels"] and tuple(Level.model_validate(level) for level in row["levels"])
    target = row["target"] and Target.model_validate(row["target"])
    return Indicator(**{**row, "levels": levels, "target": target, "guards": tuple(row["guards"])})


async def by_version(tx: Tx, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], Indicator]:
    """These versions of these indicators."""
    query = select(indicators).where(tuple_(indicators.c.key, indicators.c.version).in_(wanted))
    return {(row["key"], row["version"]): indicator(row) for row in await tx.all(query)}
