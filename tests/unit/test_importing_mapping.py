"""Are columns found under the names that other systems give them, and asked for when they are not?"""

from pathlib import Path

import pytest

from services.importing.mapping import NEEDED, columns, known, pairs, read_mapping_file
from services.importing.values import UNITS, WORDINGS
from shared.errors import CannotStart

SAMPLE = [
    "Call Id", "Agent", "Date", "Time", "Topic", "Answered (Y/N)", "Resolved", "Speed of answer in seconds",
    "AvgTalkDuration", "Satisfaction rating",
]  # fmt: skip
CHINESE = ["流水号", "坐席", "日期", "时间", "业务类型", "是否接通", "是否解决", "等待时长（秒）", "通话时长", "满意度"]
FIELDS = [
    "call_id",
    "agent_id",
    "date",
    "time",
    "topic",
    "answered",
    "resolved",
    "wait_seconds",
    "talk_seconds",
    "rating",
]


def found(headers: list[str], **chosen: str) -> dict[str, str]:
    return {name: column.header for name, column in columns(headers, "calls", chosen).by_field.items()}


@pytest.mark.parametrize(
    "headers", [SAMPLE, CHINESE, [h.upper() for h in SAMPLE], [f" {h.replace(' ', '_')} " for h in SAMPLE]]
)
def test_headers_in_their_wordings(headers: list[str]) -> None:
    assert found(headers) == dict(zip(FIELDS, [header.strip() for header in headers], strict=True))
    assert known(headers, "calls", {}) == len(headers)


def test_the_names_of_our_own_fields_are_known() -> None:
    for kind in NEEDED:
        missing = [field for field in WORDINGS[kind] if known([field], kind, {}) == 0]
        assert not missing


def test_a_more_exact_name_goes_first() -> None:
    assert found(["Call Id", "Agent", "Agent Login", "Start time", "Answered"])["agent_id"] == "Agent Login"


def test_units() -> None:
    headers = ["Call Id", "Agent", "Start time", "Talk time (min)", "Hold time in ms", "等待时长分钟", "ACW (hh:mm)"]
    by_field = columns(headers, "calls", {}).by_field
    units = [by_field[f"{name}_seconds"].unit for name in ("talk", "hold", "wait", "wrap_up")]
    assert units == [UNITS[name] for name in ("minutes", "milliseconds", "minutes", "hh:mm")]


def test_a_choice_goes_before_names() -> None:
    headers = [*SAMPLE, "Handled by", "Time"]
    chosen = pairs(["agent_id=Handled by", "time=#4", "rating="], "calls")
    mapped = columns(headers, "calls", chosen)
    assert mapped.by_field["agent_id"].header == "Handled by"
    assert mapped.by_field["time"].index == 3
    assert "rating" not in mapped.by_field
    assert mapped.unused == ["Agent", "Satisfaction rating", "Time"]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(
        CannotStart, match=r"No column was found for agent_id, answered/.*The columns are: Call Id, Date, Foo\."
    ):
        columns(["Call Id", "Date", "Foo"], "calls", {})


def test_two_columns_of_one_name() -> None:
    with pytest.raises(CannotStart, match="2 columns are called 'Agent'; say which"):
        columns([*SAMPLE, "Agent"], "calls", {})


@pytest.mark.parametrize("option", ["agent_id", "agent=Agent", "agent_id=Nobody"])
def test_choices_that_are_none(option: str) -> None:
    with pytest.raises(CannotStart):
        columns(SAMPLE, "calls", pairs([option], "calls"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.toml", 'date_format = "dmy"\nyes = ["handled"]\n[columns]\nagent_id = "Handled by"\n'),
        ("m.json", '\ufeff{"date_format": "dmy", "yes": ["handled"], "columns": {"agent_id": "Handled by"}}'),
    ],
)
def test_mapping_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    profile = read_mapping_file(tmp_path / name)
    assert (profile.columns, profile.date_format, profile.yes) == ({"agent_id": "Handled by"}, "dmy", ["handled"])


@pytest.mark.parametrize("text", ["colums = 1", "[[", '{"columns": ["a"]}'])
def test_mapping_files_that_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "m.toml"
    file.write_text(text)
    with pytest.raises(CannotStart, match=r"m\.toml"):
        read_mapping_file(file)
    with pytest.raises(CannotStart, match="Cannot read"):
        read_mapping_file(tmp_path / "none.toml")
