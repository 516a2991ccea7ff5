"""Indicators over HTTP: what they are, and what they come to for somebody."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import RowMapping

from services.performance.domain.indicators import Direction, Formula, Source
from services.performance.repository import facts
from services.performance.repository import indicators as repository
from services.performance.repository.people import sees
from services.performance.routes.language import Language
from services.performance.tables import indicators as table
from shared.errors import Invalid, NotFound
from shared.http import CurrentTx, service_router
from shared.identity import Anyone, Principal, allowed
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


class IntervalView(BaseModel):
    """Both ends of a 95 % Wilson score interval."""

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


class ValuesView(BaseModel):
    """The indicators of one employee over days of the centre, both inclusive."""

    model_config = ConfigDict(populate_by_name=True)

    employee_id: UUID
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    items: list[ValueView]


@router.get("/indicators")
async def list_indicators(
    tx: CurrentTx, _: Anyone, language: Language, limit: Limit = 50, cursor: Cursor = None
) -> Page[IndicatorView]:
    """Every version of every indicator."""

    def view(row: RowMapping) -> IndicatorView:
        return IndicatorView(**row, indicator=row["key"], name=row["names"][language])

    keys = [table.c.key, table.c.version]
    return await page(tx, repository.all_versions(), keys, view, limit=limit, cursor=cursor, newest_first=False)


@router.get("/indicators/values")
async def indicator_values(
    tx: CurrentTx,
    principal: Annotated[Principal, Depends(allowed("agent", "team_lead", "manager", "hr", "service"))],
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
    holding = await repository.holding(tx, last)
    sums = {
        source: await facts.sums(tx, source, employee_id, first, last)
        for source in sorted({indicator.source for indicator in holding})
    }
    items = []
    for indicator in holding:
        value, n, interval = indicator.of(sums[indicator.source])
        items.append(
            ValueView(
                indicator=indicator.key,
                version=indicator.version,
                name=indicator.names[language],
                unit=indicator.unit,
                direction=indicator.direction,
                value=value,
                n=n,
                interval=IntervalView(low=interval.low, high=interval.high) if interval else None,
            )
        )
    return ValuesView(employee_id=employee_id, first=first, last=last, items=items)
