"""What happened, according to one row of a call log?

One row becomes up to three events, or a reason why not: never both, and never a part of it. Everything here is pure;
the same row always gives the same events under the same identifiers.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from services.importing.mapping import Column, Columns
from services.importing.moments import Calendar, is_time_of_day
from services.importing.values import Rejected, YesOrNo, cleaned, direction, missing, rating, seconds, text_or_none
from shared.contracts.crm import CaseResolved, SatisfactionRated
from shared.contracts.telephony import CallEnded
from shared.events import Event
from shared.ids import id_for

T = TypeVar("T")
E = TypeVar("E", bound=Event)

_UNKEPT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What contracts refuse: control characters, and bytes that are no text in the encoding of the file."""

LONGEST = 128
"""Characters of a cell that is more than text."""
DATED = ("date", "time", "started_at", "answered_at", "ended_at", "opened_at", "closed_at", "rated_at")
"""Fields whose cells may hold a date."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one row says."""

    call_id: str
    agent_id: str | None
    at: datetime
    events: Sequence[Event]

    def letters(self, source: str, time: datetime | None = None) -> list[bytes]:
        """The events as CloudEvents in the structured mode, of the time of the call unless told.

        The identifier follows from the content, so that reading the row again gives the same letters. Fields that say
        nothing are left out: a contract that gains one does not change it.
        """
        envelope = f'"source":{json.dumps(source)},"time":"{(time or self.at).isoformat()}"'
        letters = []
        for event in self.events:
            data = event.model_dump_json(exclude_defaults=True)
            id = id_for(self.at, event.type, self.call_id, self.agent_id or "", data)
            letters.append(
                f'{{"specversion":"1.0","id":"{id}","type":"{event.type}",{envelope},"data":{data}}}'.encode()
            )
        return letters


class CallReader:
    """Reads the rows of one call log."""

    def __init__(self, columns: Columns, calendar: Calendar, yes_or_no: YesOrNo) -> None:
        self._columns = columns.by_field
        self._calendar = calendar
        self._yes_or_no = yes_or_no

    def read(self, cells: Sequence[str]) -> Call:
        """Raises `Rejected` when any part of the row cannot be taken. There are as many cells as headers."""
        row = Cells(self._columns, cells)
        call = self._call(row)
        events: list[Event] = [call]
        when, yes_or_no = self._calendar.moment, self._yes_or_no
        resolved, first_contact = row.read("resolved", yes_or_no), row.read("first_contact", yes_or_no)
        if resolved is not None and call.answered_at and call.agent_id:
            closed_at = row.read("closed_at", when) or call.started_at
            opened_at = row.read("opened_at", when) or closed_at
            if closed_at < opened_at:
                raise Rejected("the case was closed before it was opened")
            case = _checked(
                CaseResolved, case_id=row.text("case_id") or call.call_id, call_id=call.call_id, agent_id=call.agent_id,
                category=row.code("category") or call.topic, opened_at=opened_at, closed_at=closed_at,
                resolved=resolved, first_contact=first_contact,
            )  # fmt: skip
            events.append(case)
        stars = row.read("rating", rating)
        if stars is not None:
            if call.agent_id is None:
                raise Rejected("the call was rated, but the agent is missing")
            rated_at = row.read("rated_at", when) or call.started_at
            rated = {"call_id": call.call_id, "agent_id": call.agent_id, "rating": stars, "rated_at": rated_at}
            events.append(_checked(SatisfactionRated, **rated))
        return Call(call.call_id, call.agent_id, call.started_at, events)

    def _call(self, row: "Cells") -> CallEnded:
        call_id, agent_id = row.text("call_id"), row.text("agent_id")
        if call_id is None:
            raise Rejected("the call has no id")
        started_at = self._start(row)
        answered_at = row.read("answered_at", lambda text: self._calendar.moment(text, started_at))
        wait, talk, hold = row.seconds("wait_seconds"), row.seconds("talk_seconds"), row.seconds("hold_seconds")
        answered = row.read("answered", self._yes_or_no)
        abandoned = row.read("abandoned", self._yes_or_no)
        if answered is None:
            answered = not abandoned if abandoned is not None else answered_at is not None or bool(talk)
        if answered and agent_id is None:
            raise Rejected("the call was answered, but the agent is missing")
        if talk and not answered:
            raise Rejected("the call was not answered, yet there is a talk time")
        if answered_at is None:
            answered_at = _later(started_at, wait) if answered else None
        elif not answered:
            answered_at = None
        elif wait is None:
            wait = (answered_at - started_at).total_seconds()
        begun = answered_at or started_at
        ended_at = row.read("ended_at", lambda text: self._calendar.moment(text, begun))
        if ended_at is None:
            ended_at = _later(answered_at, talk, hold) if answered_at else _later(started_at, wait)
        elif talk is None and answered_at:
            talk = max(0.0, (ended_at - answered_at).total_seconds() - (hold or 0))
        if ended_at < started_at:
            raise Rejected("the call ended before it began")
        if answered_at and not started_at <= answered_at <= ended_at:
            raise Rejected("the call was answered before it began or after it ended")
        return _checked(
            CallEnded, call_id=call_id, agent_id=agent_id, customer_ref=row.text("customer_ref"),
            direction=row.read("direction", direction) or "inbound", queue=row.code("queue"), topic=row.code("topic"),
            started_at=started_at, answered_at=answered_at, ended_at=ended_at, wait_seconds=wait, talk_seconds=talk,
            hold_seconds=hold, wrap_up_seconds=row.seconds("wrap_up_seconds"),
            recording_uri=row.text("recording_uri", 2000),
        )  # fmt: skip

    def _start(self, row: "Cells") -> datetime:
        columns = self._columns
        clock = "time" if "time" in columns else "started_at" if "started_at" in columns else "date"
        apart = "date" in columns and (clock == "time" or (clock != "date" and is_time_of_day(row.text(clock) or "")))
        if not apart:
            found = row.read(clock, self._calendar.moment)
        else:
            day, since_midnight = row.read("date", self._calendar.date), row.read(clock, self._calendar.time_of_day)
            found = None if day is None or since_midnight is None else self._calendar.at(day, since_midnight)
        if found is None:
            raise Rejected("the date or the time is missing")
        return found


class Cells:
    """The cells of one row, by field. A field without a column, or whose cell says nothing, is None."""

    __slots__ = ("_cells", "_columns")

    def __init__(self, columns: Mapping[str, Column], cells: Sequence[str]) -> None:
        self._columns = columns
        self._cells = cells

    def read(self, field: str, reader: Callable[[str], T]) -> T | None:
        """What this reader makes of the cell. Raises `Rejected` with the column."""
        column = self._columns.get(field)
        if column is None:
            return None
        text = cleaned(self._cells[column.index])
        if missing(text):
            return None
        try:
            return reader(self._checked(field, text, LONGEST))
        except Rejected as error:
            error.column = column.header
            raise

    def seconds(self, field: str) -> float | None:
        column = self._columns.get(field)
        return None if column is None else self.read(field, lambda text: seconds(text, column.unit))

    def text(self, field: str, most: int = LONGEST) -> str | None:
        """An identifier, as it came."""
        column = self._columns.get(field)
        text = None if column is None else text_or_none(cleaned(self._cells[column.index]))
        return text and self._checked(field, text, most)

    def code(self, field: str) -> str | None:
        """A code or a short name, its spaces evened."""
        column = self._columns.get(field)
        text = None if column is None else text_or_none(" ".join(cleaned(self._cells[column.index]).split()))
        return text and self._checked(field, text, 200)

    def _checked(self, field: str, text: str, most: int) -> str:
        if len(text) <= most and not _UNKEPT.search(text):
            return text
        error = Rejected("more than {most} characters, or some that are no text", most=most)
        error.column = self._columns[field].header
        raise error


def _later(moment: datetime, *durations: float | None) -> datetime:
    return moment + timedelta(seconds=sum(duration or 0 for duration in durations))


def _checked(kind: type[E], **values: Any) -> E:
    """The event, if its contract holds."""
    try:
        return kind(**values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = Rejected("{reason}", reason=wrong["msg"])
        reason.column = ".".join(map(str, wrong["loc"]))
        raise reason from error
