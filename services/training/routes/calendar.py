"""When is what due in the year of training, and was it done?"""

from datetime import date, timedelta
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from sqlalchemy import insert, select, update

from services.training.domain.calendar import DeadlineRule, State, deadlines, ics
from services.training.domain.catalogue import Key, Words
from services.training.domain.planning import Period
from services.training.repository import planning
from services.training.repository.rows import missing
from services.training.routes.base import In, Out, router
from services.training.tables.planning import deadlines as deadline_rows
from shared.calendar import is_working_day, local_day
from shared.errors import Invalid
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone
from shared.pages import Cursor, Limit, Page, page


class DeadlineOut(Out):
    """`due_on`: the last day; `last_working_day`: the last day up to it on which people work."""

    key: str
    period: str
    who: str
    name_en: str
    name_zh: str
    opens_on: date
    due_on: date
    last_working_day: date
    state: State
    done_on: date | None


class CalendarOut(Out):
    year: int
    items: list[DeadlineOut]


class DeadlineRuleIn(In):
    who: Words
    rule: DeadlineRule
    name_en: Words
    name_zh: Words
    active: bool = True


class DeadlineRuleOut(DeadlineRuleIn, Out):
    key: str
    version: int


Year = Annotated[int, Query(ge=2000, le=2100)]


@router.get("/calendar")
async def calendar(tx: CurrentTx, year: Year) -> CalendarOut:
    """Every deadline of the year, by day: when its window opens and closes, and whether it was met."""
    today = local_day(tx.now, tx.settings.zone)
    items = []
    for one, row, done_on in await planning.calendar(tx, year):
        last = one.due_on
        while not is_working_day(last, tx.settings.working_days):
            last -= timedelta(days=1)
        items.append(
            DeadlineOut(
                key=one.key, period=one.period, who=row["who"], name_en=row["name_en"], name_zh=row["name_zh"],
                opens_on=one.opens_on, due_on=one.due_on, last_working_day=last, state=one.state(today, done_on),
                done_on=done_on,
            )
        )  # fmt: skip
    return CalendarOut(year=year, items=items)


@router.get("/calendar.ics", response_class=Response)
async def calendar_ics(tx: CurrentTx, year: Year, language: Literal["en", "zh"] | None = None) -> Response:
    """The same for other calendars (RFC 5545)."""
    name = f"name_{language or tx.settings.language}"
    entries = [(one, row[name], row["who"]) for one, row, _done in await planning.calendar(tx, year)]
    return Response(ics(entries, f"{tx.now:%Y%m%dT%H%M%SZ}"), media_type="text/calendar; charset=utf-8")


@router.post("/calendar/{key}/{period}/completion")
async def deadline_done(key: str, period: Period, tx: CurrentTx, person: Anyone) -> DeadlineOut:
    """What the deadline asks for is done. Again changes nothing, the first day stands. Plans mark theirs themselves."""
    found = [
        one
        for one in await planning.calendar(tx, int(period[:4]))
        if (one.deadline.key, one.deadline.period) == (key, period)
    ]
    if not found:
        raise missing(f"{key}/{period}")
    await planning.mark(tx, key, period, person.sub)
    shown = await calendar(tx, int(period[:4]))
    return next(item for item in shown.items if (item.key, item.period) == (key, period))


@router.get("/deadlines")
async def list_deadlines(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[DeadlineRuleOut]:
    """The rules that the calendar goes by."""
    keys = [deadline_rows.c.key]
    return await page(
        tx, select(deadline_rows), keys, DeadlineRuleOut.of, limit=limit, cursor=cursor, newest_first=False
    )


@router.put("/deadlines/{key}")
async def change_deadline(
    key: Key, new: DeadlineRuleIn, tx: CurrentTx, trainer: Anyone, request: Request, response: Response
) -> DeadlineRuleOut:
    """Change a deadline of the calendar, or add one."""
    rows = {row["key"]: row for row in await tx.all(select(deadline_rows).with_for_update())}
    version = rows[key]["version"] if key in rows else 0
    check_match(request, version)
    wanted = {k: DeadlineRule.model_validate(row["rule"]) for k, row in rows.items()} | {key: new.rule}
    try:
        deadlines(tx.now.year, wanted, tx.settings.working_days)
    except ValueError as error:
        raise Invalid("The deadline cannot be found: {reason}.", reason=error) from error
    values = {**new.model_dump(mode="json"), "version": version + 1}
    if key in rows:
        await tx.run(update(deadline_rows).where(deadline_rows.c.key == key).values(values))
    else:
        await tx.run(insert(deadline_rows).values(key=key, position=len(rows), **values))
    tag(response, version + 1)
    return DeadlineRuleOut(key=key, version=version + 1, **new.model_dump())
