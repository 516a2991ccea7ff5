"""Does a row become the events that it tells of, all of them or none, and the same ones each time?"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importing.mapping import columns
from services.importing.moments import Calendar
from services.importing.rows import Call, CallReader
from services.importing.values import Rejected, YesOrNo
from shared.contracts.crm import CaseResolved, SatisfactionRated
from shared.contracts.telephony import CallEnded
from shared.events import REGISTRY

HEADERS = [
    "Call Id", "Agent", "Date", "Time", "Topic", "Answered (Y/N)", "Resolved", "Speed of answer in seconds",
    "AvgTalkDuration", "Satisfaction rating",
]  # fmt: skip
ANSWERED = ["ID0001", "Diane", "2021-01-01", "9:12:58", "Contract related", "Y", "Y", "109", "0:02:23", "3"]
MISSED = ["ID0002", "Diane", "2021-01-01", "9:12:58", "Contract related", "N", "N", "", "", ""]


def reader(headers: Sequence[str] = HEADERS, zone: str = "Asia/Shanghai") -> CallReader:
    return CallReader(columns(headers, "calls", {}), Calendar(ZoneInfo(zone), None), YesOrNo())


def read(row: Sequence[str], **changes: str) -> Call:
    """The row with some cells changed, by header."""
    headers = [*HEADERS, *(header for header in changes if header not in HEADERS)]
    cells = dict(zip(HEADERS, row, strict=True)) | changes
    return reader(headers).read([cells[header] for header in headers])


def call_of(row: Sequence[str], **changes: str) -> CallEnded:
    [call] = [event for event in read(row, **changes).events if isinstance(event, CallEnded)]
    return call


def at(hour: int, minute: int, second: int) -> datetime:
    return datetime(2021, 1, 1, hour, minute, second, tzinfo=UTC)


def test_an_answered_call() -> None:
    call = read(ANSWERED)
    began = at(1, 12, 58)
    assert call.events == [
        CallEnded(
            call_id="ID0001", agent_id="Diane", topic="Contract related", started_at=began, answered_at=at(1, 14, 47),
            ended_at=at(1, 17, 10), wait_seconds=109, talk_seconds=143,
        ),
        CaseResolved(
            case_id="ID0001", call_id="ID0001", agent_id="Diane", category="Contract related", opened_at=began,
            closed_at=began, resolved=True,
        ),
        SatisfactionRated(call_id="ID0001", agent_id="Diane", rating=3, rated_at=began),
    ]  # fmt: skip


def test_a_call_nobody_answered() -> None:
    call = read(MISSED)
    assert call.events == [
        CallEnded(
            call_id="ID0002", agent_id="Diane", topic="Contract related", started_at=at(1, 12, 58), answered_at=None,
            ended_at=at(1, 12, 58),
        )
    ]  # fmt: skip
    assert read(MISSED, Agent="").agent_id is None


def test_everything_a_log_may_say() -> None:
    more = {
        "Queue": " Technical  Support ", "Direction": "呼出", "Customer Id": "0012", "Hold": "10", "Wrap-up": "0:20",
        "Recording": "recordings://1", "Case Id": "K1", "Category": "fault", "First contact": "是",
        "Case opened at": "2020-12-31 10:00:00", "Case closed at": "2021-01-02 10:00:00",
        "Rated at": "2021-01-03 10:00",
    }  # fmt: skip
    call, case, rated = read(ANSWERED, **more).events
    assert isinstance(call, CallEnded)
    assert isinstance(case, CaseResolved)
    assert isinstance(rated, SatisfactionRated)
    assert (call.queue, call.direction, call.customer_ref) == ("Technical Support", "outbound", "0012")
    assert (call.hold_seconds, call.wrap_up_seconds, call.recording_uri) == (10, 20, "recordings://1")
    assert call.ended_at == at(1, 17, 20), "start, wait, talk, hold"
    assert (case.case_id, case.category, case.first_contact) == ("K1", "fault", True)
    assert (case.opened_at.day, case.closed_at.day, rated.rated_at.day) == (31, 2, 3)


def test_times_instead_of_durations() -> None:
    headers = ["Call Id", "Agent", "Started at", "Answered at", "Ended at", "Hold"]
    one = reader(headers)
    call = one.read(["1", "a", "2021-01-01 23:59:50", "2021-01-02 00:00:00", "2021-01-02 00:01:40", "20"]).events[0]
    assert isinstance(call, CallEnded)
    assert (call.wait_seconds, call.talk_seconds, call.hold_seconds) == (10, 80, 20)
    same = one.read(["1", "a", "2021-01-01 23:59:50", "00:00:00", "00:01:40", "20"]).events[0]
    assert same == call, "a time of day is the next one"
    missed = one.read(["1", "a", "2021-01-01 23:59:50", "", "2021-01-02 00:00:00", ""]).events[0]
    assert isinstance(missed, CallEnded)
    assert (missed.answered_at, missed.wait_seconds, missed.ended_at) == (None, None, call.answered_at)


def test_a_date_and_a_start_of_day() -> None:
    one = reader(["Call Id", "Agent", "Date", "Start time", "Talk"])
    assert one.read(["1", "a", "2021-01-01", "9:12:58", "5"]).at == at(1, 12, 58)
    assert one.read(["1", "a", "2021-01-01", "2021-01-01 9:12:58", "5"]).at == at(1, 12, 58)


def test_answered_by_other_words() -> None:
    assert call_of(ANSWERED, **{"Answered (Y/N)": "", "Abandoned": "no"}).answered_at
    assert call_of(ANSWERED, **{"Answered (Y/N)": ""}).answered_at, "who talked has answered"
    assert not call_of(MISSED, **{"Answered (Y/N)": "", "AvgTalkDuration": "0"}).answered_at


def test_what_telephony_does_not_know_is_null() -> None:
    call = call_of(ANSWERED, **{"Speed of answer in seconds": "-", "AvgTalkDuration": "N/A"})
    assert (call.wait_seconds, call.talk_seconds) == (None, None)
    assert call.started_at == call.answered_at == call.ended_at


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Agent": ""}, "the agent is missing"),
        ({"Agent": "NULL"}, "the agent is missing"),
        ({"Agent": "None"}, "the agent is missing"),
        ({"Call Id": " "}, "has no id"),
        ({"Date": "2021-02-30"}, "impossible date '2021-02-30'"),
        ({"Date": ""}, "the date or the time is missing"),
        ({"Date": "1" + " " * 90_000 + "1"}, "more than 128 characters"),
        ({"Time": "25:00"}, "impossible time '25:00'"),
        ({"Speed of answer in seconds": "1,234"}, "unknown number format '1,234'"),
        ({"AvgTalkDuration": "two minutes"}, "unknown number format"),
        ({"Satisfaction rating": "6"}, "is not one of 1, 2, 3, 4, 5"),
        ({"Satisfaction rating": "0"}, "is not one of 1, 2, 3, 4, 5"),
        ({"Answered (Y/N)": "maybe"}, "neither yes nor no"),
        ({"Answered (Y/N)": "N"}, "yet there is a talk time"),
        ({"Resolved": "?"}, "neither yes nor no"),
        ({"Topic": "a\x00b"}, "that are no text"),
        ({"Call Id": "x" * 129}, "more than 128 characters"),
        ({"Agent": "\udce5"}, "no text"),
        ({"Ended at": "2021-01-01 09:00:00"}, "ended before it began"),
        ({"Ended at": "2021-01-01 09:13:00"}, "answered before it began or after it ended"),
        ({"Case opened at": "2021-01-05 09:00:00"}, "closed before it was opened"),
    ],
)
def test_a_row_that_is_wrong_somewhere_is_refused_whole(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        read(ANSWERED, **changes)


def test_a_rating_needs_an_agent() -> None:
    assert len(read(MISSED, **{"Satisfaction rating": "1"}).events) == 2
    with pytest.raises(Rejected, match="rated, but the agent is missing"):
        read(MISSED, **{"Satisfaction rating": "1", "Agent": ""})


def test_the_refusal_names_the_column() -> None:
    with pytest.raises(Rejected) as refused:
        read(ANSWERED, AvgTalkDuration="x")
    assert refused.value.column == "AvgTalkDuration"


def test_letters_are_the_same_each_time_and_differ_with_what_they_say() -> None:
    letters = read(ANSWERED).letters("import/calls")
    assert letters == read(ANSWERED).letters("import/calls")
    ids = [json.loads(letter)["id"] for letter in letters]
    assert len(set(ids)) == 3
    other = [json.loads(letter)["id"] for letter in read(ANSWERED, Topic="Billing").letters("import/calls")]
    assert [one == two for one, two in zip(ids, other, strict=True)] == [False, False, True]


def test_letters_are_what_the_contracts_ask_for() -> None:
    call = read(ANSWERED)
    for letter, event in zip(call.letters("import/calls"), call.events, strict=True):
        envelope = json.loads(letter)
        assert {key: envelope[key] for key in ("specversion", "source", "time")} == {
            "specversion": "1.0", "source": "import/calls", "time": "2021-01-01T01:12:58+00:00",
        }  # fmt: skip
        assert REGISTRY[envelope["type"]].model_validate(envelope["data"]) == event


_said: dict[str, st.SearchStrategy[str]] = {
    "Date": st.sampled_from(["2021-01-01", "2021-02-30", "1/2/21", "2021-03-28"]),
    "Time": st.sampled_from(["9:00", "02:30:00", "25:00", "3:00 PM"]),
    "Answered (Y/N)": st.sampled_from(["Y", "N", "?"]),
    "Resolved": st.sampled_from(["Y", "N"]),
    "Satisfaction rating": st.sampled_from(["1", "5", "6", "3.5"]),
}
_ALL = [*HEADERS, "Answered at", "Ended at", "Hold", "ACW", "Queue", "Direction", "Customer Id", "Recording", "Case Id",
        "First contact", "Case opened at", "Rated at"]  # fmt: skip
_anything = st.sampled_from(["", "NULL", "1", "12,5", "2021-01-01 10:00", "10:00", "1e9"]) | st.text(max_size=12)


@given(st.tuples(*(_said.get(header, st.nothing()) | _anything for header in _ALL)))
def test_any_row_is_events_or_one_reason(row: tuple[str, ...]) -> None:
    try:
        call = _reader.read(row)
    except Rejected:
        return
    sent: list[Any] = [json.loads(letter) for letter in call.letters("import/calls")]
    assert [REGISTRY[one["type"]].model_validate(one["data"]) for one in sent] == call.events
    assert isinstance(call.events[0], CallEnded)
    assert len({event.type for event in call.events}) == len(call.events)


_reader = reader(_ALL, "Europe/Berlin")
