"""Are dates and times read as their writer meant them, and refused when that cannot be told?"""

import contextlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importing.moments import Calendar, Order, date_in, order_named, order_of
from services.importing.values import Rejected
from shared.errors import CannotStart

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NINE = datetime(2021, 1, 31, 1, 12, 58, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2021-01-31 09:12:58", "2021-01-31T09:12:58", "2021-01-31T01:12:58Z", "2021-01-31 09:12:58+08:00",
        "2021/1/31 9:12:58", "2021.1.31 9:12:58", "31/01/2021 9:12:58 AM", "31.01.2021 09:12:58", "31-1-21 09:12:58",
        "2021年1月31日 9时12分58秒", "2021/1/31 上午 9:12:58", "2021/1/31 上午9:12:58", "20210131091258",
        "20210131 091258",
        "Jan 31, 2021 9:12:58 AM", "31-Jan-2021 09:12:58", "31 January 2021, 09:12:58", "1612055578", "1612055578000",
        "２０２１-01-31 09:12:58",
    ],
)  # fmt: skip
def test_ways_to_write_a_moment(text: str) -> None:
    assert Calendar(SHANGHAI, "dmy").moment(text) == NINE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2021-02-30 10:00:00", "impossible date"), ("31/02/2021 10:00", "impossible date"),
        ("2021-01-31 25:00:00", "impossible time"), ("2021-01-31 24:00:00", "impossible time"),
        ("2021-01-31 10:60", "impossible time"), ("2021-01-31 0:30 PM", "impossible time"),
        ("44197", "not a date with a time"), ("44197.38", "not a date with a time"), ("2021-01-31", "not a date with"),
        ("yesterday 10:00", "unknown date"), ("31/Foo/2021 10:00", "unknown date"),
        ("1900-01-00 10:00", "impossible date"),
        ("0001-01-01 00:00:00", "the year"), ("9999-12-31 23:59:59", "the year"), ("31/01.2021 10:00", "unknown date"),
    ],
)  # fmt: skip
def test_impossible_and_unknown_moments_are_refused(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        Calendar(SHANGHAI, "dmy").moment(text)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("12:00 AM", 0),
        ("12:30 am", 0.5),
        ("1:00 p.m.", 13),
        ("12:00 PM", 12),
        ("0:15", 0.25),
        ("下午12:00", 12),
        ("13:00 PM", 13),
    ],
)
def test_times_of_twelve_hours(text: str, hours: float) -> None:
    assert Calendar(SHANGHAI, None).time_of_day(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["912", "91258", "9", "9.12", "33145", "9:1"])
def test_numbers_are_no_times(text: str) -> None:
    with pytest.raises(Rejected):
        Calendar(SHANGHAI, None).time_of_day(text)


def test_a_date_may_have_midnight_behind_it() -> None:
    calendar = Calendar(SHANGHAI, None)
    assert calendar.date("2021-01-31 00:00:00") == calendar.date("2021-01-31") == date(2021, 1, 31)
    with pytest.raises(Rejected, match="unknown date"):
        calendar.date("2021-01-31 10:00:00")


def test_a_time_alone_is_the_next_one() -> None:
    calendar = Calendar(SHANGHAI, None)
    start = datetime(2021, 1, 31, 15, 59, 50, tzinfo=UTC)  # ten seconds before midnight
    assert calendar.moment("23:59:55", start) == start + timedelta(seconds=5)
    assert calendar.moment("00:00:05", start) == start + timedelta(seconds=15)


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["2021-01-02", "20210203", "Jan 3, 2021"], None),
        (["03/04/2021", "13/04/2021"], "dmy"),
        (["03/04/2021", "04/13/2021"], "mdy"),
        (["03/04/2021", "4/31/2021", "99/99/2021", "n/a", "4/13/2021"], "mdy"),  # the impossible have no say
        (["01/01/2021", "02/02/2021"], "dmy"),  # either way the same
        (["03.04.2021"], "dmy"),
        (["03.04.2021", "04.13.2021"], "mdy"),
        (["1/31/21", "12/1/21", "3/31/21"], "mdy"),
    ],
)
def test_the_order_is_decided_by_all_dates(dates: list[str], order: Order | None) -> None:
    assert order_of(dates) == order


@pytest.mark.parametrize("dates", [["03/04/2021", "05/06/2021"], ["21/1/31", "21/3/31"]])
def test_an_open_order_is_asked_for(dates: list[str]) -> None:
    with pytest.raises(CannotStart, match=r"more than one way.*--date-format"):
        order_of(dates)


def test_contradicting_dates_are_named() -> None:
    with pytest.raises(CannotStart, match="'13/04/2021' and '04/13/2021'"):
        order_of(["01/02/2021", "13/04/2021", "04/13/2021"])


@pytest.mark.parametrize(
    ("name", "order"),
    [("dmy", "dmy"), ("DD.MM.YYYY", "dmy"), ("%m/%d/%Y", "mdy"), ("yyyy-mm-dd", "ymd"), ("M/D/YY", "mdy")],
)
def test_names_of_orders(name: str, order: str) -> None:
    assert order_named(name) == order


def test_an_order_that_is_none() -> None:
    with pytest.raises(CannotStart, match="no date format"):
        order_named("ydm")


def test_a_skipped_time_is_refused_and_a_doubled_one_is_the_earlier() -> None:
    calendar = Calendar(BERLIN, None)
    with pytest.raises(Rejected, match="does not exist in Europe/Berlin"):
        calendar.moment("2021-03-28 02:30:00")
    assert calendar.moment("2021-03-28 03:00:00") == datetime(2021, 3, 28, 1, tzinfo=UTC)
    assert calendar.moment("2021-10-31 02:30:00") == datetime(2021, 10, 31, 0, 30, tzinfo=UTC)
    assert calendar.moment("2021-10-31 03:00:00") == datetime(2021, 10, 31, 2, tzinfo=UTC)


ZONES = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Gaza",
    "UTC",
]
_calendars = {(name, order): Calendar(ZoneInfo(name), order) for name in ZONES for order in ("dmy", "mdy")}


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2037-12-31")).map(
        lambda moment: moment.replace(microsecond=0)
    ),
)
def test_local_times_agree_with_the_zone(name: str, local: datetime) -> None:
    """Against the plain way, on days when the clocks change, too."""
    zone = ZoneInfo(name)
    expected = local.replace(tzinfo=zone).astimezone(UTC)
    exists = expected.astimezone(zone).replace(tzinfo=None) == local
    try:
        assert _calendars[name, "dmy"].moment(local.isoformat(" ")) == expected
        assert exists
    except Rejected:
        assert not exists


@given(st.dates(date(1971, 1, 1), date(2099, 12, 31)), st.times().map(lambda t: t.replace(microsecond=0)))
def test_moments_read_as_written(day: date, clock: time) -> None:
    written = {
        "dmy": [f"{day:%d/%m/%Y}", f"{day.day}.{day.month}.{day.year}", f"{day:%d-%m-%Y}"],
        "mdy": [f"{day:%m/%d/%Y}", f"{day.month}/{day.day}/{day.year}"],
    }
    clocks = [f"{clock}", f"{clock.hour}:{clock:%M:%S}", f"{clock:%I:%M:%S %p}", f"{clock:%H%M%S}"]
    expected = datetime.combine(day, clock, UTC)
    for order, dates in written.items():
        calendar = _calendars["UTC", order]
        for text in [*dates, f"{day}", f"{day:%Y%m%d}", f"{day.year}年{day.month}月{day.day}日"]:
            assert date_in(text) == text
            assert calendar.date(text) == day
            for time_text in clocks:
                assert calendar.moment(f"{text} {time_text}") == expected
                assert date_in(f"{text} {time_text}") == text


@given(st.text(max_size=40) | st.from_regex(r"[-/.:T0-9apmAPM上午下 ]{1,24}", fullmatch=True))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    calendar = _calendars["Europe/Berlin", "mdy"]
    for reader in (calendar.moment, calendar.date, calendar.time_of_day, lambda text: calendar.moment(text, NINE)):
        with contextlib.suppress(Rejected):
            reader(text)
    date_in(text)
    order_of([text.replace(".", "/")] if "." in text else [])
