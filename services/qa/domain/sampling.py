"""What is drawn to be audited, and how is the work shared?"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.qa.domain.audits import may_audit, person
from services.qa.domain.scorecards import Words
from shared.events import Code, ExternalId, Seconds
from shared.numbers import Number

Size = Annotated[int, Field(ge=1, le=10_000)]
Days = Annotated[int, Field(ge=0, le=36_500)]
Rating = Annotated[int, Field(ge=1, le=5)]
Method = Literal["simple", "stratified", "spread", "risk_weighted"]
Period = Literal["week", "month", "quarter"]
SETTLED = timedelta(hours=2)
"""After the end of a day its last calls are still coming in; only then it is drawn from."""


class Filter(BaseModel):
    """Which interactions come into the frame; what is null does not restrict it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    team: Code | None = None
    queue: Code | None = None
    topic: Code | None = None
    tenure_days_at_least: Days | None = None
    tenure_days_at_most: Days | None = None
    talk_seconds_at_least: Seconds | None = None
    talk_seconds_at_most: Seconds | None = None
    rated_at_most: Rating | None = None
    employee_ids: Annotated[tuple[UUID, ...], Field(max_length=1000)] | None = None


class Emphasis(BaseModel):
    """Interactions for which all that is given here holds are drawn `factor` times as likely as others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factor: Annotated[int, Field(ge=2, le=20)]
    tenure_days_at_most: Days | None = None
    talk_seconds_at_least: Seconds | None = None
    rated_at_most: Rating | None = None
    queue: Code | None = None
    topic: Code | None = None


PROBATION = Emphasis(factor=2, tenure_days_at_most=90)
"""New employees in probation get more."""


class NewPlan(BaseModel):
    """What a person writes of a sampling plan.

    A draw has `size` interactions, or `percent` of the frame if that is more. `auditors`: each as in `sub`. `emphasis`:
    who is drawn more often; where several hold, their factors multiply. `method`:

    `simple`: at random. `stratified`: at random, each agent with their share, to the next whole number. `spread`:
    evenly over the period, by the time of the call. `risk_weighted`: as simple, but `emphasis` must say what is risky.

    With a `period` the plan draws by itself, `size` a period: at the beginning of each period from the one before; by
    the method `spread` each day from the day before, an even part of `size`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Words
    scorecard_id: UUID
    filter: Filter = Filter()
    size: Size
    percent: Annotated[Number, Field(gt=0, le=100, decimal_places=2)] | None = None
    method: Method = "simple"
    emphasis: Annotated[tuple[Emphasis, ...], Field(max_length=4)] = (PROBATION,)
    period: Period | None = None
    auditors: Annotated[tuple[ExternalId, ...], Field(min_length=1, max_length=100)]


class Plan(NewPlan):
    """A sampling plan. From `ended_at` on it no longer draws by itself."""

    id: UUID
    created_at: AwareDatetime
    created_by: str
    ended_at: AwareDatetime | None = None
    ended_by: str | None = None


class Part(NamedTuple):
    """What a plan draws at once: `size` of the calls of these days of the centre, both included, when it is due."""

    from_day: date
    to_day: date
    size: int
    due_at: datetime

    def seed(self, plan_id: UUID) -> str:
        """The same whoever draws, and whenever: the plan and the first day."""
        return f"{plan_id}/{self.from_day}"


def parts_due(plan: Plan, after: date | None, now: datetime, zone: tzinfo) -> Iterator[Part]:
    """What the plan is to draw by now, in order, without the days up to `after`, which were drawn.

    The first period is the one in which the plan was made, by the method `spread` from that day on.
    """
    if plan.period is None:
        return
    made_on = plan.created_at.astimezone(zone).date()
    first, last = _period_of(plan.period, made_on)
    while _due_at(first, zone) <= now:
        days = (last - first).days + 1
        if plan.method == "spread":
            bounds = [plan.size * n // days for n in range(days + 1)]
            each = [(first + timedelta(n), first + timedelta(n), bounds[n + 1] - bounds[n]) for n in range(days)]
        else:
            each = [(first, last, plan.size)]
        for from_day, to_day, size in each:
            new = to_day >= made_on and (after is None or from_day > after)
            due_at = _due_at(to_day, zone)
            if new and (size or plan.percent) and due_at <= now:
                yield Part(from_day, to_day, size, due_at)
        first, last = _period_of(plan.period, last + timedelta(1))


def _due_at(last: date, zone: tzinfo) -> datetime:
    return datetime.combine(last + timedelta(1), time(), zone) + SETTLED


def _period_of(period: Period, day: date) -> tuple[date, date]:
    """First and last day of the week (from Monday), month or quarter in which this day lies."""
    if period == "week":
        first = day - timedelta(day.weekday())
        return first, first + timedelta(6)
    months = 1 if period == "month" else 3
    month = (day.month - 1) // months * months + 1
    first = day.replace(month=month, day=1)
    after = (first + timedelta(31 * months)).replace(day=1)  # 31 days a month lead into the next, but not past it
    return first, after - timedelta(1)


Leads = Mapping[UUID, UUID | None]
"""Employee → their team lead."""


def auditors_of(employees: Leads, auditors: Sequence[str], auditors_leads: Leads) -> dict[UUID, frozenset[str]]:
    """Who of the auditors may audit each employee; employees whom none may audit are left out."""
    mine = {auditor: auditors_leads.get(me) if (me := person(auditor)) else None for auditor in auditors}
    allowed = {
        employee: frozenset(auditor for auditor in auditors if may_audit(auditor, mine[auditor], employee, lead))
        for employee, lead in employees.items()
    }
    return {employee: some for employee, some in allowed.items() if some}


def share(units: Sequence[Collection[str]], auditors: Sequence[str]) -> list[str]:
    """The auditor of each unit, given who may audit it, as equally as that allows.

    Each unit goes to the least busy of those who may. Then work is handed on, along the shortest chain of auditors
    each of whom may take something from the one before, as long as somebody has two more than another whom a chain
    reaches; where nobody is barred, loads differ by one at the most. The same input gives the same answer.
    """
    held: dict[str, list[int]] = {auditor: [] for auditor in auditors}
    for n, allowed in enumerate(units):
        held[min((a for a in auditors if a in allowed), key=lambda a: len(held[a]))].append(n)
    while chain := _chain(units, held):
        for giver, taker in pairwise(chain):
            moved = next(n for n in held[giver] if taker in units[n])
            held[giver].remove(moved)
            held[taker].append(moved)
    assigned = {n: auditor for auditor, numbers in held.items() for n in numbers}
    return [assigned[n] for n in range(len(units))]


def _chain(units: Sequence[Collection[str]], held: dict[str, list[int]]) -> list[str] | None:
    """From somebody busy to somebody with at least two units less, each able to take over from the one before."""
    least = min(map(len, held.values()))
    for busiest in (a for a in held if len(held[a]) - least >= 2):
        chains = [[busiest]]
        seen = {busiest}
        for chain in chains:
            for taker in held:
                if taker not in seen and any(taker in units[n] for n in held[chain[-1]]):
                    if len(held[busiest]) - len(held[taker]) >= 2:
                        return [*chain, taker]
                    seen.add(taker)
                    chains.append([*chain, taker])
    return None
