"""Is a letter put together, recognised and refused as it should be?"""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared import tracing
from shared.events import UNDATED, Event, Letter, Unreadable
from shared.ids import id_for, new_id
from tests.lab import Counted

SOME = "0c1a185f-094b-4daa-a1bb-8f4d4adb835c"
AT = datetime(2026, 3, 2, 23, 30, tzinfo=timezone(timedelta(hours=-5)))


def letter(**changes: str | None) -> Letter:
    headers: dict[str, str | None] = {
        "ce_id": str(uuid4()),
        "ce_type": "t",
        "ce_source": "s",
        "ce_time": AT.isoformat(),
    }
    headers |= {f"ce_{name}": value for name, value in changes.items()}
    return Letter("topic", "key", {name: value for name, value in headers.items() if value is not None}, b"{}")


def test_a_sealed_letter_holds_what_cloudevents_ask_for() -> None:
    sealed = Letter.seal(Counted(thing="a", n=1), source="qa", at=AT)
    sealed.check()
    assert (sealed.topic, sealed.key, sealed.type) == ("test.things", "a", "test.thing.counted.v1")
    assert sealed.headers["ce_source"] == "qa"
    assert not {"ce_correlationid", "ce_causationid"} & sealed.headers.keys()
    assert tracing.accepted(sealed.headers["traceparent"])
    assert sealed.time == AT
    assert Counted.model_validate_json(sealed.body) == Counted(thing="a", n=1)


def test_a_chain_keeps_its_correlation_and_names_each_cause() -> None:
    first = Letter.seal(Counted(thing="a", n=1), source="qa", at=AT)
    second = Letter.seal(Counted(thing="a", n=2), source="qa", at=AT, because=first)
    third = Letter.seal(Counted(thing="a", n=3), source="qa", at=AT, because=second)
    assert second.headers["ce_causationid"] == first.id
    assert third.headers["ce_causationid"] == second.id
    assert third.headers["ce_correlationid"] == first.id
    assert first.correlation_id == second.correlation_id == third.correlation_id == first.id
    assert len({one.headers["traceparent"][3:35] for one in (first, second, third)}) == 1
    assert len({one.headers["traceparent"] for one in (first, second, third)}) == 3


def test_an_id_that_is_a_uuid_is_the_identity() -> None:
    id = str(new_id())
    assert letter(id=id).identity == letter(id=id, source="other").identity == id


@pytest.mark.parametrize("id", ["1", "x" * 128, "通话-1", SOME.upper(), SOME.replace("-", ""), f"{{{SOME}}}"])
def test_any_other_id_is_one_of_its_source(id: str) -> None:
    assert letter(id=id).identity == letter(id=id, time=None, recordedtime="x").identity
    assert letter(id=id).identity != letter(id=id, source="other").identity
    assert letter(id=id).identity != letter(id=id + "0").identity


def test_source_and_id_do_not_run_into_each_other() -> None:
    assert letter(source="ab", id="c").identity != letter(source="a", id="bc").identity


def test_the_day_in_the_inbox() -> None:
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    assert letter(id=str(id_for(noon, "x"))).inbox_key[0] == date(2026, 5, 5)
    assert letter(id="no uuid").inbox_key[0] == date(2026, 3, 3)  # half past eleven at night, five hours behind UTC
    assert letter(id=str(uuid4())).inbox_key[0] == date(2026, 3, 3)
    assert letter(id="no uuid", time=None, recordedtime=AT.isoformat()).inbox_key[0] == UNDATED


def test_the_time_is_the_publishers_else_when_it_came() -> None:
    assert letter(time=None, recordedtime="2026-03-02T09:00:00Z").time == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert letter(recordedtime="2020-01-01T00:00:00Z").time == AT
    assert letter(time="2026-03-02T09:00:00.123456789+08:00").time.microsecond == 123456


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None}, {"id": ""}, {"type": None}, {"source": None}, {"time": None}, {"time": ""}, {"time": "now"},
        {"time": "2026-03-02"}, {"time": "2026-03-02T09:00:00"}, {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:00:00-14:00"}, {"time": None, "recordedtime": "2026"},
    ],
)  # fmt: skip
def test_an_envelope_that_does_not_hold_is_unreadable(wrong: dict[str, str | None]) -> None:
    with pytest.raises(Unreadable):
        letter(**wrong).check()


@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_checking_says_yes_or_unreadable_and_nothing_else(time: str, id: str, source: str) -> None:
    one = letter(time=time, id=id, source=source)
    try:
        one.check()
    except Unreadable:
        return
    assert one.inbox_key[0] >= UNDATED or one.time.year < 1971


def test_an_event_is_frozen_and_forgets_what_it_does_not_know() -> None:
    event = Counted.model_validate({"thing": "a", "n": 1, "name": "Zhang San"})
    assert b"Zhang" not in event.to_bytes()
    with pytest.raises(ValidationError):
        event.n = 2  # type: ignore[misc]


def test_two_events_cannot_have_one_name() -> None:
    with pytest.raises(TypeError, match="two events are called"):

        class Again(Event):
            type: ClassVar[str] = Counted.type
            kafka_topic: ClassVar[str] = "test.things"
            key: ClassVar[str] = "thing"


@pytest.mark.parametrize("thing", ["", "x" * 129, "a\0", "a\nb", "\x7f", 5, None])
def test_identifiers_from_outside_have_limits(thing: Any) -> None:
    with pytest.raises(ValidationError):
        Counted(thing=thing, n=1)
