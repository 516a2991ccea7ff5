"""Is what a cell says understood, and refused when it could mean two things?"""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importing.values import UNITS, Rejected, YesOrNo, cleaned, direction, number, rating, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("109", 109), ("0", 0), ("12.5", 12.5), ("12,5", 12.5), ("0,125", 0.125), ("1:49", 109), ("0:01:49", 109),
        ("61:01", 3661), ("25:00:00", 90000), ("0:02:23.5", 143.5), ("0:02:23,25", 143.25), ("109s", 109),
        ("1 min 49 s", 109), ("1h 2m 3s", 3723), ("2分23秒", 143), ("1小时", 3600), ("１０９", 109), ("-0", 0),
    ],
)  # fmt: skip
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "1,234", "1.234,5", "1,234.5", "1'234", "1 234", "1E+05", "12:60", "1:60:00", "1:2:3:4", "-5", "-0:05", "abc",
        "0x10", "٣", "1e400", "9" * 500, "2000000", "1:", ":30", "=1+1", "nan", "inf", "²",
    ],
)  # fmt: skip
def test_unknown_durations_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        seconds(text)


def test_units_of_the_column() -> None:
    assert seconds("2.5", UNITS["minutes"]) == 150
    assert seconds("2:30", UNITS["minutes"]) == 150, "a clock says by itself what it counts"
    assert seconds("1500", UNITS["milliseconds"]) == 1.5
    assert seconds("1:05", UNITS["hh:mm"]) == 3900
    assert seconds("1:05:10", UNITS["hh:mm"]) == 3910


@given(st.integers(0, 999_999))
def test_durations_read_as_written(total: int) -> None:
    hours, rest = divmod(total, 3600)
    assert seconds(f"{hours}:{rest // 60:02}:{rest % 60:02}") == total
    assert seconds(f"{total // 60}:{total % 60:02}") == total
    assert seconds(str(total)) == total
    assert seconds(f"{total / 1000:.3f}") == total / 1000


@given(st.floats(0, 1_000_000).map(lambda value: round(value, 2)))
def test_decimals_read_as_written_with_point_or_comma(value: float) -> None:
    assert seconds(f"{value:.2f}") == seconds(f"{value:.2f}".replace(".", ",")) == value


@given(st.text(max_size=50) | st.from_regex(r"[-+0-9:.,hms ]{1,12}", fullmatch=True))
def test_a_cell_is_a_value_or_refused(text: str) -> None:
    for reader in (seconds, number, rating, direction, YesOrNo()):
        with contextlib.suppress(Rejected):
            reader(text)


@pytest.mark.parametrize("text", ["5", "5.0", "５"])
def test_ratings(text: str) -> None:
    assert rating(text) == 5


@pytest.mark.parametrize("text", ["0", "6", "4.5", "-1", "good", "10"])
def test_ratings_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        rating(text)


def test_yes_and_no() -> None:
    said = YesOrNo(no=["Handled elsewhere"])
    assert [said(text) for text in ("Y", "yes", "TRUE", "1", "是", "已接通", "Answered")] == [True] * 7
    words = ("n", "No", "false", "0", "否", "未接通", "No Answer", "not_answered", "handled  elsewhere")
    assert [said(text) for text in words] == [False] * len(words)
    with pytest.raises(Rejected, match="neither yes nor no"):
        said("perhaps")


def test_directions() -> None:
    assert [direction(text) for text in ("Inbound", "呼出", "internal")] == ["inbound", "outbound", "internal"]


@pytest.mark.parametrize(
    ("cell", "text"), [(" x ", "x"), ('="0012"', "0012"), ("'=cmd", "=cmd"), ("'tis", "'tis"), ("", "")]
)
def test_marks_of_spreadsheets_are_removed(cell: str, text: str) -> None:
    assert cleaned(cell) == text
