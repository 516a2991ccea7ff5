"""Which day is it in the centre, and which days are worked?

Calendar rules live in the centre's time zone. Working days follow the public calendar of China (make-up days
included) where it is known, else Monday to Friday.
"""

from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

WorkingDays = Literal["cn", "weekdays"]


def local_day(at: datetime, zone: tzinfo) -> date:
    """The day on which this moment falls in the centre."""
    return at.astimezone(zone).date()


@lru_cache(maxsize=4096)  # the library looks through all its holidays each time
def is_working_day(day: date, calendar: WorkingDays = "cn") -> bool:
    """Whether people work on this day. Years that the calendar of China does not know yet go by the week alone."""
    if calendar == "cn":
        import chinese_calendar  # here, because its tables are large

        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:
            pass
    return day.weekday() < 5


def add_working_days(day: date, count: int, calendar: WorkingDays = "cn") -> date:
    """The working day that is `count` (at least 1) working days after this one."""
    while count > 0:
        day += timedelta(days=1)
        if is_working_day(day, calendar):
            count -= 1
    return day
