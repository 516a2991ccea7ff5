"""What is one fact about an agent, as it is counted?

Durations become whole milliseconds, so that sums are exact in whatever order they are built. Null is unknown and never
0. Each fact begins with what it is about, then when and by which letter it was told: of two copies the one told later
wins (time, then letter id). A day is the day in the centre: of a call when it started, of a case when it was closed, of
a rating when it was given, of a meeting when it began.
"""

from collections.abc import Iterable
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from shared.calendar import local_day
from shared.contracts.crm import CaseResolved, SatisfactionRated
from shared.contracts.qa import AuditSubmitted, FailedCriterion
from shared.contracts.telephony import CallEnded
from shared.contracts.training import AttendanceNoted, ExaminationFailed, ExaminationPassed

UNKNOWN = ""
"""Stands for an unknown queue or category where it is part of a key; no real one is empty."""


class CallFact(NamedTuple):
    """An ended call that reached this agent."""

    call_id: str
    agent_id: str
    told_at: datetime
    letter_id: str
    day: date
    queue: str
    answered: bool
    wait_ms: int | None
    talk_ms: int | None
    hold_ms: int | None
    wrap_up_ms: int | None


class CaseFact(NamedTuple):
    """A closed case and who had it."""

    case_id: str
    told_at: datetime
    letter_id: str
    agent_id: str
    day: date
    category: str
    resolved: bool
    first_contact: bool | None


class RatingFact(NamedTuple):
    """What a customer thought of this agent in a call."""

    call_id: str
    agent_id: str
    told_at: datetime
    letter_id: str
    day: date
    rating: int


class TrainingFact(NamedTuple):
    """The result of an examination; two results never have one event."""

    event_id: str
    employee_id: UUID
    day: date
    course: str
    purpose: str
    passed: bool
    score: Decimal | None


class AttendanceFact(NamedTuple):
    """Whether an employee was at a meeting where they had a seat; `minutes`, as long as it took, if they were."""

    meeting_id: UUID
    employee_id: UUID
    told_at: datetime
    letter_id: str
    day: date
    course: str
    present: bool
    minutes: int


class AuditErrors(NamedTuple):
    """Which classes of errors an audit found: of all criteria that failed, and of those that are not fatal."""

    all: list[str]
    lasting: list[str]


def audit_errors(event: AuditSubmitted) -> AuditErrors:
    lasting = [c for c in event.failed_criteria if c.criterion not in event.critical_errors]
    return AuditErrors(error_classes(event.failed_criteria), error_classes(lasting))


def error_classes(failed: Iterable[FailedCriterion]) -> list[str]:
    """The classes of these errors; those of no critical class are `other`."""
    return sorted({"other" if c.error_class == "none" else c.error_class for c in failed})


def training_fact(event: ExaminationPassed | ExaminationFailed, event_id: str, day: date) -> TrainingFact:
    passed = isinstance(event, ExaminationPassed)
    return TrainingFact(event_id, event.employee_id, day, event.course, event.purpose, passed, event.score)


def attendance_fact(event: AttendanceNoted, told_at: datetime, letter_id: str, zone: tzinfo) -> AttendanceFact:
    minutes = round((event.ends_at - event.starts_at).total_seconds() / 60) if event.present else 0
    day = local_day(event.starts_at, zone)
    return AttendanceFact(
        event.meeting_id, event.employee_id, told_at, letter_id, day, event.course, event.present, minutes
    )


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def call_fact(event: CallEnded, told_at: datetime, letter_id: str, zone: tzinfo) -> CallFact | None:
    """None for a call that reached nobody, or that somebody only listened in on: it is a fact about nobody."""
    if event.agent_id is None or event.listened_in:
        return None
    return CallFact(
        event.call_id,
        event.agent_id,
        told_at,
        letter_id,
        local_day(event.started_at, zone),
        event.queue or UNKNOWN,
        event.answered_at is not None,
        milliseconds(event.wait_seconds),
        milliseconds(event.talk_seconds),
        milliseconds(event.hold_seconds),
        milliseconds(event.wrap_up_seconds),
    )


def case_fact(event: CaseResolved, told_at: datetime, letter_id: str, zone: tzinfo) -> CaseFact:
    return CaseFact(
        event.case_id,
        told_at,
        letter_id,
        event.agent_id,
        local_day(event.closed_at, zone),
        event.category or UNKNOWN,
        event.resolved,
        event.first_contact,
    )


def rating_fact(event: SatisfactionRated, told_at: datetime, letter_id: str, zone: tzinfo) -> RatingFact:
    return RatingFact(event.call_id, event.agent_id, told_at, letter_id, local_day(event.rated_at, zone), event.rating)
