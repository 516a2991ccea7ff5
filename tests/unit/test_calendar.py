"""Which days count as working days, and where a deadline falls."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.calendar import WorkingDays, add_working_days, is_working_day, local_day


@pytest.mark.parametrize(
    ("day", "cn", "weekdays"),
    [
        ("2026-03-02", True, True),  # a Monday
        ("2026-03-07", False, False),  # a Saturday
        ("2026-02-17", False, True),  # spring festival
        ("2026-02-14", True, False),  # a Saturday worked for it
        ("2026-10-10", True, False),  # a Saturday worked for the national holiday
    ],
)
def test_working_days(day: str, cn: bool, weekdays: bool) -> None:
    assert is_working_day(date.fromisoformat(day), "cn") is cn
    assert is_working_day(date.fromisoformat(day), "weekdays") is weekdays


@pytest.mark.parametrize("day", [date(1999, 10, 1), date(2099, 10, 1)])
def test_years_the_calendar_does_not_know_go_by_the_week(day: date) -> None:
    assert is_working_day(day, "cn") is (day.weekday() < 5)


@pytest.mark.parametrize(
    ("day", "count", "calendar", "due"),
    [
        ("2026-03-02", 2, "cn", "2026-03-04"),
        ("2026-03-06", 2, "cn", "2026-03-10"),  # over a weekend
        ("2026-03-07", 1, "cn", "2026-03-09"),  # from a Saturday
        ("2026-02-13", 2, "cn", "2026-02-24"),  # one worked Saturday, then the festival
        ("2026-02-13", 2, "weekdays", "2026-02-17"),
        ("2026-09-30", 5, "cn", "2026-10-13"),  # over the national holiday, with the worked Saturday after it
        ("2026-12-31", 1, "cn", "2027-01-01"),  # into a year the calendar does not know: a Friday
    ],
)
def test_deadlines(day: str, count: int, calendar: WorkingDays, due: str) -> None:
    assert add_working_days(date.fromisoformat(day), count, calendar) == date.fromisoformat(due)


def test_the_day_is_the_centres() -> None:
    late = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)
    assert local_day(late, ZoneInfo("Asia/Shanghai")) == date(2026, 3, 3)
    assert local_day(late, ZoneInfo("America/New_York")) == date(2026, 3, 2)
