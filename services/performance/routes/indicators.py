"""Indicators over HTTP: what they are, and what they come to for somebody."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from services.performance.domain.indicators import (
    SUMS,
    Definition,
    Direction,
    Formula,
    Guard,
    Indicator,
    Level,
    Source,
    Target,
    Value,
    limit_of,
)
from services.performance.repository import facts
from services.performance.repository import indicators as repository
from services.performance.repository.people import sees
from services.performance.routes.language import Language
from services.performance.tables import indicators as table
from shared.db import RowMapping
from shared.errors import Invalid, NotFound
from shared.http import CurrentTx, service_router
from shared.identity import Anyone
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

router = service_router("performance")


class IndicatorView(BaseModel):
    """One version of an indicator's definition; it holds from `valid_from` until the next version does."""

    id: UUID
    indicator: str
    version: int
    valid_from: date
    source: Source
    formula: Formula
    measure: str
    base: str
    name: str
    names: dict[str, str]
    unit: str
    direction: Direction
    scale: Number
    levels: list[Level] | None
    target: Target | None
    least_n: int
    guards: list[Guard]
    limit: int | None
    """Seconds, of a share within a limit."""


class IntervalView(BaseModel):
    """Both ends of a 95 % interval."""

    low: Number
    high: Number


class ValueView(BaseModel):
    """What an indicator comes to; null where `n` is 0."""

    indicator: str
    version: int
    name: str
    unit: str
    direction: Direction
    value: Number | None
    n: int
    interval: IntervalView | None
    points: Number | None
    """0 to 100; null where the indicator is not scored, or rests on less than its least n."""


class ValuesView(BaseModel):
    """The indicators of one employee over days of the centre, both inclusive."""

    model_config = ConfigDict(populate_by_name=True)

    employee_id: UUID
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    items: list[ValueView]


@router.get("/indicators")
async def list_indicators(
    tx: CurrentTx, language: Language, limit: Limit = 50, cursor: Cursor = None
) -> Page[IndicatorView]:
    """Every version of every indicator."""
    keys = [table.c.key, table.c.version]
    return await page(
        tx, repository.all_versions(), keys, lambda row: _view(row, language),
        limit=limit, cursor=cursor, newest_first=False,
    )  # fmt: skip


def _view(row: RowMapping, language: str) -> IndicatorView:
    return IndicatorView(**row, indicator=row["key"], name=row["names"][language], limit=limit_of(row["measure"]))


@router.post("/indicators", status_code=201)
async def define_indicator(new: Definition, tx: CurrentTx, language: Language) -> IndicatorView:
    """A new indicator, or a new version of one: it holds for appraisals whose last day is not before `valid_from`."""
    return _view(await repository.add(tx, new), language)


@router.get("/indicators/values")
async def indicator_values(
    tx: CurrentTx,
    principal: Anyone,
    language: Language,
    employee_id: UUID,
    first: Annotated[date, Query(alias="from")],
    last: Annotated[date, Query(alias="to")],
) -> ValuesView:
    """What the facts of these days come to, by the definitions that hold on the last of them.

    An employee's facts are those of the logins while the employee held them.
    """
    if first > last:
        raise Invalid(
            "The first day lies after the last; exchange them.",
            errors=[{"field": "from", "message": "lies after 'to'"}],
        )
    if not await sees(tx, principal, employee_id):
        raise NotFound("There is no employee {id} that you may see.", id=employee_id)
    items = []
    groups: dict[tuple[Source, tuple[Guard, ...]], list[Indicator]] = {}
    for indicator in await repository.holding(tx, last):
        if indicator.source != "manual":  # what people rate belongs to an appraisal, not to days
            groups.setdefault((indicator.source, indicator.guards), []).append(indicator)
    for (source, guards), asked in groups.items():
        pairs = frozenset((i.measure, i.base) for i in asked if i.needs_spread)
        names = SUMS[source].union(i.measure for i in asked)
        known = await facts.sums(tx, source, [employee_id], first, last, guards=guards, pairs=pairs, names=names)
        sums, spreads = known[employee_id]
        for indicator in asked:
            found = indicator.of(sums, spreads.get((indicator.measure, indicator.base)))
            items.append(_value(indicator, found, language))
    return ValuesView(employee_id=employee_id, first=first, last=last, items=items)


def _value(indicator: Indicator, found: Value, language: str) -> ValueView:
    value, n, interval = found
    scored = value is not None and indicator.scored and n >= indicator.least_n
    return ValueView(
        indicator=indicator.key,
        version=indicator.version,
        name=indicator.names[language],
        unit=indicator.unit,
        direction=indicator.direction,
        value=value,
        n=n,
        interval=IntervalView(low=interval.low, high=interval.high) if interval else None,
        points=indicator.points(value) if value is not None and scored else None,
    )
