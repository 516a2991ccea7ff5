"""When was it? Dates and times of day as people write them, in a zone, become moments in UTC.

Which of the first two numbers of 03/04/2021 is the day is decided once for a whole file, from all of its dates, or not
at all: `Order`. A time that a clock put forward skips is refused; of one that comes twice, the earlier is taken.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from services.importing.values import Rejected, plain_width, shown
from shared.errors import CannotStart

Order = Literal["dmy", "mdy", "ymd"]
ORDERS: tuple[Order, ...] = get_args(Order)

_YEAR_FIRST = re.compile(
    r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{4})年(\d{1,2})月(\d{1,2})日?|(\d{4})(\d\d)(\d\d)", re.ASCII
)
_THREE = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})", re.ASCII)
_DAY_MONTH_NAME = re.compile(r"(\d{1,2})[-/ .]+([A-Za-z]{3,9})[-/ .,]+(\d{4}|\d{2})", re.ASCII)
_MONTH_NAME_DAY = re.compile(r"([A-Za-z]{3,9})[- .]+(\d{1,2})(?:st|nd|rd|th)?[-, ]+(\d{4})", re.ASCII)
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: str(n) for n, name in enumerate(_MONTH_NAMES, 1)}
_TIME = re.compile(
    r"(上午|下午)?\s*(\d{1,2})[:时点](\d\d)(?:[:分](\d\d)(?:[.,](\d{1,9}))?)?[分秒]?\s*(?:([AaPp])\.?[Mm]\.?)?",
    re.ASCII,
)
_SIX_DIGITS = re.compile(r"^(\d\d)(\d\d)(\d\d)$", re.ASCII)
_WITH_COLONS = r"\1:\2:\3"
_DATE_AND_TIME = re.compile(r"(.*?\S)(?:\s+|(?<=\d)T|(?<=^\d{8}))((?:上午|下午)?\s*\d{1,2}[:时点].*|\d{6})")
_UNIX = re.compile(r"1\d{9}(?:\d{3})?", re.ASCII)

_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_REMEMBERED = 100_000


def order_named(name: str) -> Order:
    """The order that `dmy`, `d/m/y`, `DD.MM.YYYY` or `%d/%m/%Y` asks for; `CannotStart` otherwise."""
    letters = re.sub(r"(.)\1*", r"\1", re.sub(r"[^dmy]", "", name.lower()))
    if letters not in ORDERS:
        raise CannotStart("There is no date format {name}; say dmy, mdy or ymd.", name=name)
    return letters


def is_time_of_day(text: str) -> bool:
    """Whether the text is a time of day, without a date."""
    return _TIME.fullmatch(_SIX_DIGITS.sub(_WITH_COLONS, plain_width(text))) is not None


def date_in(text: str) -> str:
    """The part of the text that is the date, without the time of day."""
    parts = _DATE_AND_TIME.fullmatch(text) if 10 < len(text) < 100 else None
    return parts[1].rstrip(",") if parts else text


@lru_cache(_REMEMBERED)
def readings(text: str) -> Mapping[Order, date]:
    """Each way to read a date whose parts do not say which they are; empty for other dates, and for none."""
    parts = _THREE.fullmatch(plain_width(text))
    if not parts:
        return {}
    a, _, b, c = parts.groups()
    ways: dict[Order, tuple[str, str, str]] = {"dmy": (c, b, a), "mdy": (c, a, b)}
    if len(c) == 2:
        ways["ymd"] = (a, b, c)
    return {order: found for order, (y, m, d) in ways.items() if (found := _date(y, m, d))}


def order_of(texts: Iterable[str]) -> Order | None:
    """The one order in which all these dates can be read; None when none of them depends on it.

    Dates impossible in any order have no say. Raises `CannotStart` when the others leave it open, or contradict each
    other.
    """
    left = set(ORDERS)
    unclear: str | None = None
    witness: dict[frozenset[Order], str] = {}
    for text in texts:
        ways = readings(text)
        if not ways:
            continue
        left &= ways.keys()
        witness.setdefault(frozenset(ways), text)
        if len(set(ways.values())) > 1 and "." not in text:  # with dots write those who put the day first
            unclear = unclear or text
        if not left:
            one, other = list(witness.values())[-2:]
            raise CannotStart(
                "The dates contradict each other: {one} and {other} have day and month in different places. "
                "Say which order holds with --date-format; the others are then rejected.",
                one=shown(one), other=shown(other),
            )  # fmt: skip
    if len(left) > 1 and unclear:
        raise CannotStart(
            "The date {text} can be read in more than one way, and no other date of the file decides. "
            "Say which: --date-format dmy, mdy or ymd.",
            text=shown(unclear),
        )  # fmt: skip
    return next(order for order in ORDERS if order in left) if witness else None


class Calendar:
    """Reads dates and times of one file. What it has read once it remembers, for files repeat themselves."""

    def __init__(self, zone: ZoneInfo, order: Order | None) -> None:
        self.zone = zone
        self.order = order
        self.date = lru_cache(_REMEMBERED)(self._whole_date)
        self.time_of_day = lru_cache(_REMEMBERED)(_time)
        self._midnight = lru_cache(_REMEMBERED)(self._even_midnight)

    def moment(self, text: str, after: datetime | None = None) -> datetime:
        """A date with a time of day, or a count of seconds or milliseconds since 1970, in UTC.

        A time of day alone is the next such time from `after` on.
        """
        if len(text) >= 16 and text[10] in "T ":
            try:
                return self._absolute(datetime.fromisoformat(text))
            except ValueError:
                pass
        if _UNIX.fullmatch(text):
            return datetime.fromtimestamp(int(text[:10]), UTC) + timedelta(milliseconds=int(text[10:] or 0))
        if after is not None and is_time_of_day(text):
            day, time = after.astimezone(self.zone).date(), self.time_of_day(text)
            found = self.at(day, time)
            return found if found >= after else self.at(day + timedelta(days=1), time)
        parts = _DATE_AND_TIME.fullmatch(text)
        if not parts:
            raise Rejected("{text} is not a date with a time of day", text=shown(text))
        return self.at(self.date(parts[1].rstrip(",")), self.time_of_day(parts[2]))

    def at(self, day: date, since_midnight: timedelta) -> datetime:
        """This time of day on this day, in UTC. Raises `Rejected` when the clocks skipped it."""
        midnight = self._midnight(day)
        if midnight is not None:
            return midnight + since_midnight
        naive = datetime.combine(day, time()) + since_midnight
        found = naive.replace(tzinfo=self.zone).astimezone(UTC)
        if found.astimezone(self.zone).replace(tzinfo=None) != naive:
            raise Rejected(
                "{time} does not exist in {zone}: the clocks were put forward", time=naive, zone=self.zone.key
            )
        return found

    def _even_midnight(self, day: date) -> datetime | None:
        """The day's beginning in UTC; None if the clocks are put forward or back on it."""
        _check_year(day.year)
        begin = datetime.combine(day, time(), self.zone)
        even = begin.utcoffset() == begin.replace(hour=23, minute=59, second=59).utcoffset()
        return begin.astimezone(UTC) if even else None

    def _absolute(self, found: datetime) -> datetime:
        if found.tzinfo is None:
            return self.at(found.date(), found - datetime.combine(found.date(), time()))
        _check_year(found.year)
        return found.astimezone(UTC)

    def _whole_date(self, text: str) -> date:
        """A calendar day. A time of day behind it has to be midnight."""
        parts = _DATE_AND_TIME.fullmatch(text)
        if parts and not _time(parts[2]):
            text = parts[1].rstrip(",")
        text = plain_width(text)
        if parts := _YEAR_FIRST.fullmatch(text):
            found = _date(*(part for part in parts.groups() if part and part.isdigit()))
        elif parts := _THREE.fullmatch(text):
            found = readings(text).get(self.order) if self.order else None
        elif (parts := _DAY_MONTH_NAME.fullmatch(text)) and (month := _MONTHS.get(parts[2][:3].lower())):
            found = _date(parts[3], month, parts[1])
        elif (parts := _MONTH_NAME_DAY.fullmatch(text)) and (month := _MONTHS.get(parts[1][:3].lower())):
            found = _date(parts[3], month, parts[2])
        else:
            raise Rejected("unknown date format {text}", text=shown(text))
        if found is None:
            raise Rejected("impossible date {text}", text=shown(text))
        return found


def _check_year(year: int) -> None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise Rejected("the year {year} lies outside {first} to {last}", year=year, first=_FIRST_YEAR, last=_LAST_YEAR)


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return None


def _time(text: str) -> timedelta:
    """The time of day as what has passed since midnight."""
    parts = _TIME.fullmatch(_SIX_DIGITS.sub(_WITH_COLONS, plain_width(text)))
    if not parts:
        raise Rejected("unknown time format {text}", text=shown(text))
    hours, minutes, seconds = int(parts[2]), int(parts[3]), int(parts[4] or 0)
    half = {"上午": "a", "下午": "p"}.get(parts[1], (parts[6] or "").lower())
    if half and 1 <= hours <= 12:
        hours = hours % 12 + (12 if half == "p" else 0)
    elif (half == "a" and hours > 12) or (half == "p" and hours == 0) or hours > 23:
        raise Rejected("impossible time {text}", text=shown(text))
    if minutes > 59 or seconds > 59:
        raise Rejected("impossible time {text}", text=shown(text))
    microseconds = int((parts[5] or "").ljust(6, "0")[:6])
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=microseconds)
