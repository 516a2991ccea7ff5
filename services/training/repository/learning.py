"""What happens when somebody learns: attends, acknowledges, is examined, completes, is certified?"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update

from services.training.domain.catalogue import Course, check_attempt, lacks
from services.training.repository.catalogue import course_of
from services.training.repository.rows import add, change, find, record
from services.training.repository.trainers import check_here, untaken
from services.training.tables.base import employees
from services.training.tables.catalogue import (
    certifications,
    courses,
    enrolments,
    examinations,
    meetings,
    places,
    programmes,
    sessions,
)
from shared.calendar import local_day
from shared.contracts.training import (
    AttendanceNoted,
    CertificationExpired,
    CertificationGranted,
    ExaminationFailed,
    ExaminationPassed,
)
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import IllegalState, Invalid
from shared.numbers import rounded


async def hours(tx: Tx, enrolment_ids: Sequence[UUID]) -> dict[UUID, Decimal]:
    """Enrolment → hours of the meetings that were attended."""
    rows = await tx.tuples(
        text("""
        SELECT a.enrolment_id, sum(extract(epoch FROM m.ends_at - m.starts_at) / 3600) AS hours
        FROM training.attendances AS a JOIN training.meetings AS m ON m.id = a.meeting_id
        WHERE a.enrolment_id = ANY(CAST(:ids AS uuid[])) AND a.present GROUP BY a.enrolment_id
        """),
        {"ids": enrolment_ids},
    )
    return {row.enrolment_id: rounded(row.hours) for row in rows}


async def attempts(tx: Tx, enrolment_id: UUID) -> Sequence[RowMapping]:
    return await tx.all(
        select(examinations).where(examinations.c.enrolment_id == enrolment_id).order_by(examinations.c.attempt)
    )


async def left(tx: Tx, enrolment: RowMapping) -> list[str]:
    """What is still to be done before this enrolment is completed."""
    if enrolment["status"] == "completed":
        return []
    course = course_of(await find(tx, courses, enrolment["course_id"]))
    attended = (await hours(tx, [enrolment["id"]])).get(enrolment["id"], Decimal(0))
    passed = any(attempt["passed"] for attempt in await attempts(tx, enrolment["id"]))
    return lacks(course, attended, enrolment["documents"], passed)


async def examine(
    tx: Tx, enrolment_id: UUID, *, score: Decimal | None, answers: Mapping[str, int] | None, by: str
) -> RowMapping:
    """Record an attempt, publish its result and complete what it completes.

    Raises `IllegalState` where no attempt is left or open, `Invalid` where the score cannot be told.
    """
    enrolment = await find(tx, enrolments, enrolment_id, hold=True)
    if enrolment["status"] != "enrolled":
        raise IllegalState("The enrolment is {state}; only who is enrolled can be examined.", state=enrolment["status"])
    course = course_of(await find(tx, courses, enrolment["course_id"]))
    if course.examination is None:
        raise Invalid("The course {course} has no examination.", course=course.code)
    before = await attempts(tx, enrolment_id)
    today = local_day(tx.now, tx.settings.zone)
    attempt = check_attempt(course.examination, before, today)
    reached = course.examination.mark(answers or {}) if score is None else score
    passed = reached >= course.examination.pass_mark
    row = await add(
        tx, examinations, by, enrolment_id=enrolment_id, employee_id=enrolment["employee_id"], course=course.code,
        attempt=attempt, score=reached, passed=passed, answers=dict(answers) if answers is not None else None,
        day=today, at=tx.now, by=by,
    )  # fmt: skip
    if not passed and attempt >= course.examination.attempts:
        enrolment = await change(tx, enrolments, enrolment_id, by, "failed", status="failed")
    await _tell(tx, enrolment, attempt, reached, passed)
    await progress(tx, enrolment_id, by=by)
    return row


async def _tell(tx: Tx, enrolment: RowMapping, attempt: int, score: Decimal, passed: bool) -> None:
    """Outside of programmes each attempt is told. A programme passes as a whole (see `progress`); its first fail, its
    second and so on are told once each, in whichever of its courses they come first."""
    if enrolment["programme_id"] is None:
        kind = ExaminationPassed if passed else ExaminationFailed
        tx.emit(kind(course=enrolment["course"], score=score, **_of(enrolment)))
        return
    if passed:
        return
    programme = await find(tx, programmes, enrolment["programme_id"], hold=True)
    told = await tx.scalar(
        text("""
        SELECT count(*) FROM training.examinations AS one JOIN training.enrolments AS it ON it.id = one.enrolment_id
        WHERE it.employee_id = :employee_id AND it.source = :source AND it.source_id = :source_id
          AND it.id <> :id AND one.attempt >= :attempt AND NOT one.passed
        """),
        {**{k: enrolment[k] for k in ("employee_id", "source", "source_id", "id")}, "attempt": attempt},
    )
    if not told:
        tx.emit(ExaminationFailed(course=programme["code"], score=score, **_of(enrolment)))


def _of(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in ("employee_id", "purpose", "application_id")}


async def progress(tx: Tx, enrolment_id: UUID, *, by: str) -> None:
    """Complete the enrolment if nothing is left to do: certify, and report the programme if it was its last course."""
    enrolment = await find(tx, enrolments, enrolment_id, hold=True)
    if enrolment["status"] != "enrolled" or await left(tx, enrolment):
        return
    enrolment = await change(tx, enrolments, enrolment_id, by, "completed", status="completed", completed_at=tx.now)
    course = course_of(await find(tx, courses, enrolment["course_id"]))
    if course.certificate is not None:
        await certify(tx, enrolment, course, by)
    if enrolment["programme_id"] is not None:
        await _complete_programme(tx, enrolment)


async def certify(tx: Tx, enrolment: RowMapping, course: Course, by: str) -> RowMapping:
    """Grant the course's certificate from today on."""
    assert course.certificate is not None
    today = local_day(tx.now, tx.settings.zone)
    best = max((one["score"] for one in await attempts(tx, enrolment["id"])), default=None)
    row = await add(
        tx, certifications, by, course=course.code, enrolment_id=enrolment["id"], score=best, granted_on=today,
        valid_until=course.certificate.last_day(today), version=1, **_of(enrolment),
    )  # fmt: skip
    tx.emit(certificate_event(CertificationGranted, row))
    return row


def certificate_event(
    kind: type[CertificationGranted] | type[CertificationExpired], row: RowMapping
) -> CertificationGranted | CertificationExpired:
    return kind(
        course=row["course"], score=row["score"], certification_id=row["id"], valid_until=row["valid_until"], **_of(row)
    )


async def _complete_programme(tx: Tx, enrolment: RowMapping) -> None:
    programme = await find(tx, programmes, enrolment["programme_id"], hold=True)
    result = await tx.first(
        text("""
        SELECT bool_and(it.status = 'completed') AS done,
               sum(course.hours * best.score)
                   / nullif(sum(course.hours) FILTER (WHERE best.score IS NOT NULL), 0) AS score
        FROM training.enrolments AS it JOIN training.courses AS course ON course.id = it.course_id
        LEFT JOIN LATERAL (
            SELECT max(score) AS score FROM training.examinations WHERE enrolment_id = it.id
        ) AS best ON true
        WHERE it.employee_id = :employee_id AND it.source = :source AND it.source_id = :source_id
        """),
        {name: enrolment[name] for name in ("employee_id", "source", "source_id")},
    )
    if result and result["done"]:
        score = None if result["score"] is None else rounded(result["score"])
        tx.emit(ExaminationPassed(course=programme["code"], score=score, **_of(enrolment)))


# Sessions


async def plan_session(
    tx: Tx, course: RowMapping, trainer_id: UUID, seats: int, times: Sequence[Mapping[str, Any]], *, by: str,
    plan_entry_id: UUID | None = None,
) -> RowMapping:  # fmt: skip
    """A session with its meetings. Raises `IllegalState` where room or trainer are taken, or the trainer is gone."""
    await check_here(tx, trainer_id, max(time["starts_at"] for time in times))
    row = await add(
        tx, sessions, by, course=course["code"], course_id=course["id"], trainer_id=trainer_id, seats=seats,
        status="planned", plan_entry_id=plan_entry_id, version=1,
    )  # fmt: skip
    for time in times:
        async with untaken(tx, time["starts_at"]):
            await add(tx, meetings, by, session_id=row["id"], trainer_id=trainer_id, **time)
    return row


async def take_place(tx: Tx, session_id: UUID, enrolment: RowMapping, *, by: str) -> RowMapping:
    """A seat, or a place on the waiting list if none is left; who has one keeps it."""
    session = await find(tx, sessions, session_id, hold=True)  # so that the last seat is given once
    if session["status"] != "planned":
        raise IllegalState("The session is {state}; only a planned one can be joined.", state=session["status"])
    if session["course"] != enrolment["course"] or enrolment["status"] != "enrolled":
        raise IllegalState("Only who is enrolled in {course} can join its sessions.", course=session["course"])
    mine = await tx.first(
        select(places).where(places.c.session_id == session_id, places.c.employee_id == enrolment["employee_id"])
    )
    if mine and mine["status"] != "withdrawn":
        return mine
    if mine:  # back in line, at its end
        await tx.run(places.delete().where(places.c.id == mine["id"]))
    taken = await _seated(tx, session_id)
    return await add(
        tx, places, by, session_id=session_id, enrolment_id=enrolment["id"], employee_id=enrolment["employee_id"],
        status="seated" if taken < session["seats"] else "waiting", at=tx.now,
    )  # fmt: skip


async def _seated(tx: Tx, session_id: UUID) -> int:
    return int(
        await tx.scalar(
            text("SELECT count(*) FROM training.places WHERE session_id = :id AND status = 'seated'"),
            {"id": session_id},
        )
    )


async def give_up_place(tx: Tx, place: RowMapping, *, by: str) -> None:
    """Withdraw; the first who waits gets the seat."""
    session = await find(tx, sessions, place["session_id"], hold=True)
    await tx.run(update(places).where(places.c.id == place["id"]).values(status="withdrawn"))
    await record(tx, place["id"], by, "withdrawn", {})
    if await _seated(tx, session["id"]) >= session["seats"]:
        return
    first = await tx.first(
        select(places)
        .where(places.c.session_id == session["id"], places.c.status == "waiting")
        .order_by(places.c.id)
        .limit(1)
    )
    if first:
        await tx.run(update(places).where(places.c.id == first["id"]).values(status="seated"))
        await record(tx, first["id"], by, "moved_up", {})


async def places_of_leavers(tx: Tx, today: date, employee_id: UUID | None = None) -> Sequence[RowMapping]:
    """Seats, and places in line for one, that employees who have left, this one or any, have in sessions to come."""
    query = _ahead(tx).join(employees, employees.c.employee_id == places.c.employee_id)
    query = query.where(employees.c.left_on <= today)
    return await tx.all(query if employee_id is None else query.where(places.c.employee_id == employee_id))


async def places_ahead(tx: Tx, enrolment_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Seats, and places in line for one, that these enrolments have in sessions to come; the sessions are held."""
    return await tx.all(_ahead(tx).where(places.c.enrolment_id.in_(enrolment_ids)))


def _ahead(tx: Tx) -> Select[Any]:
    begun = select(meetings.c.id).where(meetings.c.session_id == sessions.c.id, meetings.c.starts_at <= tx.now)
    return (
        select(places)
        .join(sessions, sessions.c.id == places.c.session_id)
        .where(places.c.status != "withdrawn", sessions.c.status == "planned", ~begun.exists())
        .order_by(sessions.c.id, places.c.id)
        .with_for_update(of=sessions)
    )


async def note_attendance(tx: Tx, meeting: RowMapping, present: Mapping[UUID, bool], *, by: str) -> None:
    """Who of those with a seat was there; employee → present. What was noted before is corrected, with a record. All
    of it is published."""
    if meeting["starts_at"] > tx.now:
        raise IllegalState("The meeting has not begun yet; attendance is noted when it has.")
    seated = {
        row["employee_id"]: row["enrolment_id"]
        for row in await tx.all(
            select(places).where(places.c.session_id == meeting["session_id"], places.c.status == "seated")
        )
    }
    strangers = [str(id) for id in present if id not in seated]
    if strangers:
        raise Invalid("These employees have no seat in the session: {ids}.", ids=", ".join(strangers))
    course = (await find(tx, sessions, meeting["session_id"]))["course"]
    for employee, there in sorted(present.items()):
        await tx.run(
            text("""
            INSERT INTO training.attendances (meeting_id, enrolment_id, present, at, by)
            VALUES (:meeting, :enrolment, :present, :at, :by)
            ON CONFLICT (meeting_id, enrolment_id) DO UPDATE SET present = excluded.present, at = excluded.at,
                by = excluded.by
            """),
            {"meeting": meeting["id"], "enrolment": seated[employee], "present": there, "at": tx.now, "by": by},
        )
        await record(tx, seated[employee], by, "attendance", {"meeting_id": meeting["id"], "present": there})
        tx.emit(
            AttendanceNoted(
                employee_id=employee, course=course, enrolment_id=seated[employee], meeting_id=meeting["id"],
                starts_at=meeting["starts_at"], ends_at=meeting["ends_at"], present=there,
            )
        )  # fmt: skip
    await tx.run(update(sessions).where(sessions.c.id == meeting["session_id"]).values(status="held"))
    for enrolment_id in sorted(seated[employee] for employee in present):
        await progress(tx, enrolment_id, by=by)


async def expiring(tx: Tx, until: date) -> Sequence[RowMapping]:
    """Certificates that run out up to that day and were not reported as expired; `renewed` where a newer one stands."""
    return await tx.all(
        text("""
        SELECT it.*, EXISTS (
            SELECT FROM training.certifications AS newer
            WHERE newer.employee_id = it.employee_id AND newer.course = it.course AND newer.id > it.id
              AND newer.revoked_on IS NULL AND (newer.valid_until IS NULL OR newer.valid_until > it.valid_until)
        ) AS renewed
        FROM training.certifications AS it
        WHERE it.expired_at IS NULL AND it.revoked_on IS NULL AND it.valid_until <= :until
        ORDER BY it.id FOR UPDATE OF it
        """),
        {"until": until},
    )


async def mark_expired(tx: Tx, id: UUID) -> None:
    await tx.run(update(certifications).where(certifications.c.id == id).values(expired_at=tx.now))
