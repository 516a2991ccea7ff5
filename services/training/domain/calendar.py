"""When is what due in the year of training?

The calendar is data: each deadline is a row with a rule. A rule says on which day of the year or of each month
something is due, or so many working days after another deadline, and how long before its window opens. Days are the
centre's, working days those of its calendar. A fixed date stays where it is, also on a holiday, unless `shift` moves it
to the working day before or after.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.calendar import WorkingDays, add_working_days, is_working_day

State = Literal["upcoming", "open", "met", "missed", "met_late"]
REMINDERS = (7, 1)
"""Days before."""


class DeadlineRule(BaseModel):
    """Due on `month`-`day`, on `day` of every month without `month` (its last day where it is shorter), or
    `working_days` after the deadline `after`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: Annotated[int, Field(ge=1, le=12)] | None = None
    day: Annotated[int, Field(ge=1, le=31)] | None = None
    after: str | None = None
    working_days: Annotated[int, Field(ge=1, le=100)] | None = None
    opens_days_before: Annotated[int, Field(ge=0, le=366)] = 30
    shift: Literal["none", "before", "after"] = "none"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.day is None) == (self.after is None) or (self.after is None) != (self.working_days is None):
            raise ValueError("give day, with or without month, or after with working_days")
        return self


@dataclass(frozen=True, slots=True)
class Deadline:
    """One deadline of one period: `2026` or `2026-03`."""

    key: str
    period: str
    opens_on: date
    due_on: date

    def state(self, today: date, done_on: date | None) -> State:
        if done_on is not None:
            return "met" if done_on <= self.due_on else "met_late"
        if today > self.due_on:
            return "missed"
        return "open" if today >= self.opens_on else "upcoming"


def deadlines(year: int, rules: Mapping[str, DeadlineRule], calendar: WorkingDays) -> list[Deadline]:
    """All of this year's periods, by day. Raises `ValueError` where `after` leads nowhere or in a circle."""
    made: dict[str, list[Deadline]] = {}

    def make(key: str, above: tuple[str, ...] = ()) -> list[Deadline]:
        if key in above or key not in rules:
            raise ValueError(f"the deadline {key} comes after itself, or is unknown")
        if key not in made:
            rule = rules[key]
            if rule.after is not None:
                made[key] = [
                    Deadline(
                        key, one.period, one.due_on, add_working_days(one.due_on, rule.working_days or 1, calendar)
                    )
                    for one in make(rule.after, (*above, key))
                ]
            else:
                months: Iterable[int] = [rule.month] if rule.month else range(1, 13)
                made[key] = [_fixed(key, rule, year, month, calendar) for month in months]
        return made[key]

    found = [one for key in rules for one in make(key)]
    order = {key: n for n, key in enumerate(rules)}
    return sorted(found, key=lambda one: (one.due_on, order[one.key]))


def _fixed(key: str, rule: DeadlineRule, year: int, month: int, calendar: WorkingDays) -> Deadline:
    due = date(year, month, min(rule.day or 1, monthrange(year, month)[1]))
    step = {"none": 0, "before": -1, "after": 1}[rule.shift]
    while step and not is_working_day(due, calendar):
        due += timedelta(days=step)
    period = f"{year}" if rule.month else f"{year}-{month:02}"
    return Deadline(key, period, due - timedelta(days=rule.opens_days_before), due)


def ics(entries: Iterable[tuple[Deadline, str, str]], stamp: str) -> str:
    """The deadlines, each with its name and who keeps it, as iCalendar (RFC 5545): all-day events, folded lines."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Headset//Training calendar//EN", "CALSCALE:GREGORIAN"]
    for one, name, who in entries:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{one.key}-{one.period}@headset",
            f"DTSTAMP:{stamp}",
            f"DTSTART;VALUE=DATE:{one.due_on:%Y%m%d}",
            f"DTEND;VALUE=DATE:{one.due_on + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_escaped(name)}",
            f"DESCRIPTION:{_escaped(who)}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(_folded(line) + "\r\n" for line in lines)


def _escaped(text: str) -> str:
    text = "\n".join(text.splitlines())  # a bare CR ends a line for some readers, and what follows would be theirs
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> str:
    """No line is longer than 75 octets, and no character is cut in two."""
    parts, size = [""], 0
    for character in line:
        width = len(character.encode())
        if size + width > 75:
            parts.append(" ")
            size = 1
        parts[-1] += character
        size += width
    return "\r\n".join(parts)
