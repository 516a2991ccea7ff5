"""Numbers over HTTP: pass rate and accuracy, each with how many audits it rests on and how sure it is."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from services.qa.domain.numbers import Rate, Tally, standings
from services.qa.domain.scorecards import Key
from services.qa.repository import numbers
from services.qa.repository.numbers import By, Wanted
from services.qa.routes.router import router
from services.qa.routes.sight import Seen
from shared.errors import FieldError, Invalid
from shared.events import Code
from shared.http import CurrentTx
from shared.numbers import Number


class RateRead(BaseModel):
    """`good` of `n`; the rate from 0 to 1 and both ends of its 95 % Wilson interval, null where n is 0."""

    n: int
    good: int
    rate: Number | None
    low: Number | None
    high: Number | None


class Numbers(BaseModel):
    """Of one group. `accuracy`: by error class, audits without such an error out of those that looked for one.

    `better_than` and `worse_than`: from how many of the other groups the interval of the pass rate parts. Groups whose
    intervals overlap are not ranked: what differs may be chance.
    """

    key: str | None
    passed: RateRead
    accuracy: dict[str, RateRead]
    better_than: int
    worse_than: int


class Week(BaseModel):
    """Of one group in the week that begins on this Monday."""

    key: str | None
    week: date
    passed: RateRead
    accuracy: dict[str, RateRead]


async def wanted(
    by: By,
    from_day: Annotated[date, Query(alias="from", description="First day of the calls, in the centre.")],
    to_day: Annotated[date, Query(alias="to", description="Last day; at most a year after the first.")],
    scorecard: Annotated[Key | None, Query(description="Code; needed for numbers by criterion.")] = None,
    team: Code | None = None,
    queue: Code | None = None,
    employee_id: UUID | None = None,
) -> Wanted:
    wrong: FieldError
    if not 0 <= (to_day - from_day).days <= 366:
        wrong = {"field": "to", "message": str(to_day)}
        raise Invalid("The period ends before it begins, or is longer than a year.", errors=[wrong])
    if by == "criterion" and scorecard is None:
        wrong = {"field": "scorecard", "message": ""}
        raise Invalid("Numbers by criterion need the code of a scorecard.", errors=[wrong])
    return Wanted(by, from_day, to_day, scorecard, team, queue, employee_id)


Asked = Annotated[Wanted, Depends(wanted)]


@router.get("/numbers")
async def read_numbers(tx: CurrentTx, asked: Asked, sight: Seen) -> list[Numbers]:
    """Of a period, for each agent, team, queue or criterion; agents see their own, team leads also their team's."""
    tallies = await numbers.tallies(tx, asked, sight, weekly=False)
    placed = standings([tally.passed for tally in tallies])
    return [
        Numbers(key=tally.key, **_rates(tally), better_than=better, worse_than=worse)
        for tally, (better, worse) in zip(tallies, placed, strict=True)
    ]


@router.get("/numbers/weeks")
async def read_weeks(tx: CurrentTx, asked: Asked, sight: Seen) -> list[Week]:
    """The same by week, for the trend; weeks without audits are left out."""
    tallies = await numbers.tallies(tx, asked, sight, weekly=True)
    return [Week(key=tally.key, week=tally.week or asked.from_day, **_rates(tally)) for tally in tallies]


def _rates(tally: Tally) -> dict[str, RateRead | dict[str, RateRead]]:
    return {"passed": _read(tally.passed), "accuracy": {name: _read(rate) for name, rate in tally.accuracy.items()}}


def _read(rate: Rate) -> RateRead:
    low, high = rate.interval or (None, None)
    return RateRead(n=rate.n, good=rate.good, rate=rate.rate, low=low, high=high)
