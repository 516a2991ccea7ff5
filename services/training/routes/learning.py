"""Sessions and who is in them, examinations, certificates, reminders."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Request, Response
from pydantic import AwareDatetime, Field, model_validator
from sqlalchemy import or_, select

from services.training.domain.catalogue import Key, Purpose, Words
from services.training.repository import catalogue, learning, people, trainers
from services.training.repository.rows import change, find, missing
from services.training.routes.base import In, Out, router
from services.training.routes.catalogue import visible
from services.training.tables.base import reminders
from services.training.tables.catalogue import (
    attendances,
    certifications,
    enrolments,
    examinations,
    meetings,
    places,
    sessions,
)
from shared.calendar import local_day
from shared.db import Tx
from shared.errors import Forbidden, IllegalState, Invalid, NotFound
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone, Principal
from shared.numbers import Number, Score
from shared.pages import Cursor, Limit, Page, page


class MeetingIn(In):
    room: Words
    starts_at: AwareDatetime
    ends_at: AwareDatetime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends_at is not after starts_at")
        return self


class SessionIn(In):
    """A course held once: by this trainer, at these times and places, for so many."""

    course: Key
    trainer_id: UUID
    seats: Annotated[int, Field(ge=1, le=1000)]
    meetings: Annotated[tuple[MeetingIn, ...], Field(min_length=1, max_length=100)]


class MeetingOut(MeetingIn, Out):
    id: UUID


class SessionOut(Out):
    """`needs_trainer`: the trainer is gone on the day of a meeting to come; see `/trainers` for who could take over."""

    id: UUID
    course: str
    course_id: UUID
    trainer_id: UUID
    seats: int
    status: Literal["planned", "held", "cancelled"]
    plan_entry_id: UUID | None
    needs_trainer: bool
    version: int


class TrainerIn(In):
    trainer_id: UUID


class TrainerOut(Out):
    """Somebody who could take the session over. `held`: so many sessions of the course; `certified`: holds a valid
    certificate for it; `meetings`: so many to come as a trainer."""

    employee_id: UUID
    held: int
    certified: bool
    meetings: int
    role: str | None
    team: str | None


class TrainersOut(Out):
    items: list[TrainerOut]


class PlaceOut(Out):
    id: UUID
    session_id: UUID
    enrolment_id: UUID
    employee_id: UUID
    status: Literal["seated", "waiting", "withdrawn"]
    at: datetime


class AttendanceOut(Out):
    meeting_id: UUID
    enrolment_id: UUID
    present: bool


class SessionDetail(SessionOut):
    """`places` in the order in which they were taken; an agent sees only their own."""

    meetings: list[MeetingOut]
    places: list[PlaceOut]
    attendances: list[AttendanceOut]


class PlaceIn(In):
    enrolment_id: UUID


class AttendanceIn(In):
    """Employee → whether they were there."""

    present: Annotated[dict[UUID, bool], Field(min_length=1, max_length=1000)]


class ExaminationIn(In):
    """One attempt: `answers` (question → index of the choice) of the employee, or the `score` an examiner gave."""

    enrolment_id: UUID
    answers: Annotated[dict[Key, int], Field(max_length=200)] | None = None
    score: Score | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.answers is None) == (self.score is None):
            raise ValueError("give either answers or a score")
        return self


class ExaminationOut(Out):
    id: UUID
    enrolment_id: UUID
    employee_id: UUID
    course: str
    attempt: int
    score: Number
    passed: bool
    day: date
    at: datetime
    by: str


class CertificationOut(Out):
    """Valid from `granted_on` up to and including `valid_until`, unless revoked."""

    id: UUID
    employee_id: UUID
    course: str
    enrolment_id: UUID
    purpose: Purpose
    score: Number | None
    granted_on: date
    valid_until: date | None
    revoked_on: date | None
    revoked_by: str | None
    reason: str | None
    version: int


class Revocation(In):
    reason: Words


class CertificationIn(In):
    """A certificate for an enrolment whose course has none of its own, or was completed before it had one."""

    enrolment_id: UUID


class ReminderOut(Out):
    """What is due: a certificate (`subject` its id) or a deadline (`subject` its key and period; for a session that
    needs another trainer `session_trainer`, the session and who is gone)."""

    id: UUID
    kind: Literal["certification", "deadline"]
    subject: str
    days_before: int
    employee_id: UUID | None
    who: str | None
    due_on: date
    at: datetime


@router.get("/sessions")
async def list_sessions(
    tx: CurrentTx,
    course: str | None = None,
    needs_trainer: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SessionOut]:
    """Sessions, the newest first; with `needs_trainer` those whose trainer is gone by then."""
    wanting = trainers.needs_trainer(tx)
    query = select(sessions, wanting.label("needs_trainer"))
    if course is not None:
        query = query.where(sessions.c.course == course)
    if needs_trainer is not None:
        query = query.where(wanting if needs_trainer else ~wanting)
    return await page(tx, query, [sessions.c.id], SessionOut.of, limit=limit, cursor=cursor)


@router.post("/sessions", status_code=201)
async def create_session(new: SessionIn, tx: CurrentTx, trainer: Anyone, response: Response) -> SessionDetail:
    """Plan a session. Refused where room or trainer are taken, or the trainer is gone by then."""
    known = await catalogue.current(tx, [new.course])
    if new.course not in known:
        raise NotFound("There is no course {code}.", code=new.course)
    times = [meeting.model_dump() for meeting in new.meetings]
    row = await learning.plan_session(tx, known[new.course], new.trainer_id, new.seats, times, by=trainer.sub)
    return await _session(row["id"], tx, trainer, response)


@router.get("/sessions/{id}")
async def session(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> SessionDetail:
    return await _session(id, tx, principal, response)


@router.get("/sessions/{id}/trainers")
async def propose_trainers(id: UUID, tx: CurrentTx) -> TrainersOut:
    """Who could take the session over: qualified, here until its last meeting and free at its times. Best first."""
    found = await trainers.proposals(tx, await find(tx, sessions, id))
    return TrainersOut(items=[TrainerOut.of(row) for row in found])


@router.put("/sessions/{id}/trainer")
async def hand_over(
    id: UUID, new: TrainerIn, tx: CurrentTx, manager: Anyone, request: Request, response: Response
) -> SessionDetail:
    """Give the meetings to come to another trainer, proposed or not. Refused where that one is gone or elsewhere."""
    row = await find(tx, sessions, id, hold=True)
    check_match(request, row["version"])
    await trainers.hand_over(tx, row, new.trainer_id, by=manager.sub)
    return await _session(id, tx, manager, response)


@router.post("/sessions/{id}/cancellation")
async def cancel_session(id: UUID, tx: CurrentTx, trainer: Anyone, response: Response) -> SessionDetail:
    """Give up a session that was not held: room and trainer are free again. Again changes nothing."""
    row = await find(tx, sessions, id, hold=True)
    if row["status"] == "held":
        raise IllegalState("The session is {state}; only a planned one can be cancelled.", state="held")
    if row["status"] == "planned":
        await change(tx, sessions, id, trainer.sub, "cancelled", status="cancelled")
        await tx.run(meetings.delete().where(meetings.c.session_id == id))
    return await _session(id, tx, trainer, response)


@router.post("/sessions/{id}/places", status_code=201)
async def take_place(id: UUID, new: PlaceIn, tx: CurrentTx, principal: Anyone) -> PlaceOut:
    """A seat for this enrolment, or a place on the waiting list. Again changes nothing."""
    enrolment = await visible(tx, new.enrolment_id, principal)
    return PlaceOut(**await learning.take_place(tx, id, enrolment, by=principal.sub))


@router.post("/sessions/{id}/places/{place_id}/withdrawal")
async def give_up_place(id: UUID, place_id: UUID, tx: CurrentTx, principal: Anyone) -> PlaceOut:
    """Give the seat to whoever waits longest. Again changes nothing."""
    await find(tx, sessions, id, hold=True)
    row = await find(tx, places, place_id)
    if row["session_id"] != id:
        raise missing(place_id)
    await visible(tx, row["enrolment_id"], principal)
    if row["status"] != "withdrawn":
        await learning.give_up_place(tx, row, by=principal.sub)
    return PlaceOut(**await find(tx, places, place_id))


@router.post("/sessions/{id}/meetings/{meeting_id}/attendance")
async def attendance(
    id: UUID, meeting_id: UUID, noted: AttendanceIn, tx: CurrentTx, principal: Anyone, response: Response
) -> SessionDetail:
    """Who was there: noted by the session's trainer. What was noted before is corrected."""
    row = await find(tx, sessions, id, hold=True)
    if principal.sees != "all" and principal.employee_id != row["trainer_id"]:
        raise Forbidden("Attendance is noted by the session's trainer.")
    if principal.employee_id in noted.present:
        raise Forbidden("Nobody notes their own attendance.")
    meeting = await find(tx, meetings, meeting_id)
    if meeting["session_id"] != id:
        raise missing(meeting_id)
    await learning.note_attendance(tx, meeting, noted.present, by=principal.sub)
    return await _session(id, tx, principal, response)


@router.get("/examinations")
async def list_examinations(
    tx: CurrentTx,
    principal: Anyone,
    employee_id: UUID | None = None,
    enrolment_id: UUID | None = None,
    course: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExaminationOut]:
    """Attempts, the newest first."""
    query = select(examinations)
    seen = people.sight(principal, examinations.c.employee_id)
    if seen is not None:
        query = query.where(seen)
    for column, wanted in {"employee_id": employee_id, "enrolment_id": enrolment_id, "course": course}.items():
        if wanted is not None:
            query = query.where(examinations.c[column] == wanted)
    return await page(tx, query, [examinations.c.id], ExaminationOut.of, limit=limit, cursor=cursor)


@router.get("/examinations/{id}")
async def examination(id: UUID, tx: CurrentTx, principal: Anyone) -> ExaminationOut:
    row = await find(tx, examinations, id)
    await visible(tx, row["enrolment_id"], principal)
    return ExaminationOut(**row)


@router.post("/examinations", status_code=201)
async def examine(new: ExaminationIn, tx: CurrentTx, principal: Anyone) -> ExaminationOut:
    """An attempt: the employee answers, or a trainer gives the score. It is kept as it is for ever."""
    enrolment = await visible(tx, new.enrolment_id, principal)
    mine = principal.employee_id == enrolment["employee_id"]
    if new.score is not None and (mine or principal.sees != "all"):
        raise Forbidden("Only a trainer or a manager gives a score, and nobody to themselves.")
    if new.answers is not None and not mine:
        raise Forbidden("Only who is examined answers.")
    row = await learning.examine(tx, new.enrolment_id, score=new.score, answers=new.answers, by=principal.sub)
    return ExaminationOut(**row)


@router.get("/certifications")
async def list_certifications(
    tx: CurrentTx,
    principal: Anyone,
    employee_id: UUID | None = None,
    course: str | None = None,
    as_of: date | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CertificationOut]:
    """Certificates, the newest first; with `as_of` those that were valid on that day."""
    it = certifications.c
    query = select(certifications)
    seen = people.sight(principal, it.employee_id)
    if seen is not None:
        query = query.where(seen)
    if as_of is not None:
        query = query.where(it.granted_on <= as_of)
        query = query.where(or_(it.valid_until.is_(None), it.valid_until >= as_of))
        query = query.where(or_(it.revoked_on.is_(None), it.revoked_on > as_of))
    for column, wanted in {"employee_id": employee_id, "course": course}.items():
        if wanted is not None:
            query = query.where(it[column] == wanted)
    return await page(tx, query, [it.id], CertificationOut.of, limit=limit, cursor=cursor)


@router.get("/certifications/{id}")
async def certification(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> CertificationOut:
    row = await find(tx, certifications, id)
    await visible(tx, row["enrolment_id"], principal)
    tag(response, row["version"])
    return CertificationOut(**row)


@router.post("/certifications", status_code=201)
async def certify(new: CertificationIn, tx: CurrentTx, trainer: Anyone) -> CertificationOut:
    """Certify a completed enrolment by its course as it is now. There is one certificate for each enrolment."""
    enrolment = await find(tx, enrolments, new.enrolment_id, hold=True)
    if enrolment["status"] != "completed":
        raise IllegalState("The enrolment is {state}; only a completed one is certified.", state=enrolment["status"])
    there = await tx.first(select(certifications).where(certifications.c.enrolment_id == enrolment["id"]))
    if there:
        return CertificationOut(**there)
    known = (await catalogue.current(tx, [enrolment["course"]]))[enrolment["course"]]
    course = catalogue.course_of(known)
    if course.certificate is None:
        raise Invalid("The course {course} has no certificate; add one in its next edition.", course=course.code)
    return CertificationOut(**await learning.certify(tx, enrolment, course, trainer.sub))


@router.post("/certifications/{id}/revocation")
async def revoke(id: UUID, body: Revocation, tx: CurrentTx, trainer: Anyone, response: Response) -> CertificationOut:
    """It is valid no more, from today. Again changes nothing, the first reason stays."""
    row = await find(tx, certifications, id, hold=True)
    if row["revoked_on"] is None:
        today = local_day(tx.now, tx.settings.zone)
        row = await change(
            tx, certifications, id, trainer.sub, "revoked", revoked_on=today, revoked_by=trainer.sub, reason=body.reason
        )
    tag(response, row["version"])
    return CertificationOut(**row)


@router.get("/reminders")
async def list_reminders(
    tx: CurrentTx,
    principal: Anyone,
    kind: Literal["certification", "deadline"] | None = None,
    employee_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReminderOut]:
    """What people were reminded of, the newest first: of one's own, for team leads also the team's; of deadlines,
    all."""
    it = reminders.c
    query = select(reminders)
    seen = people.sight(principal, it.employee_id)
    if seen is not None:
        query = query.where(or_(seen, it.employee_id.is_(None)))
    for column, wanted in {"kind": kind, "employee_id": employee_id}.items():
        if wanted is not None:
            query = query.where(it[column] == wanted)
    return await page(tx, query, [it.id], ReminderOut.of, limit=limit, cursor=cursor)


async def _session(id: UUID, tx: Tx, principal: Principal, response: Response) -> SessionDetail:
    row = await tx.first(select(sessions, trainers.needs_trainer(tx).label("needs_trainer")).where(sessions.c.id == id))
    if row is None:
        raise missing(id)
    tag(response, row["version"])
    at = await tx.all(select(meetings).where(meetings.c.session_id == id).order_by(meetings.c.starts_at))
    who = select(places).where(places.c.session_id == id).order_by(places.c.id)
    if principal.employee_id != row["trainer_id"]:
        seen = people.sight(principal, places.c.employee_id)
        who = who if seen is None else who.where(seen)
    shown = await tx.all(who)
    there = await tx.all(
        select(attendances).where(
            attendances.c.meeting_id.in_([meeting["id"] for meeting in at]),
            attendances.c.enrolment_id.in_([place["enrolment_id"] for place in shown]),
        )
    )
    return SessionDetail(
        **dict(row), meetings=[MeetingOut.of(meeting) for meeting in at],
        places=[PlaceOut(**place) for place in shown], attendances=[AttendanceOut.of(one) for one in there],
    )  # fmt: skip
