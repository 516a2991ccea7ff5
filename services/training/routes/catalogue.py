"""Courses, programmes and enrolments."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field
from sqlalchemy import select

from services.training.domain.catalogue import (
    Course,
    EnrolmentStatus,
    Key,
    Purpose,
    Source,
    WhoLearns,
    Words,
)
from services.training.repository import catalogue, learning, people
from services.training.repository.catalogue import Wish
from services.training.repository.rows import add, change, find, history, missing
from services.training.routes.base import In, Out, Record, router
from services.training.tables.catalogue import courses, enrolments, programmes
from shared.db import Tx
from shared.errors import Forbidden, IllegalState
from shared.events import Code
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone, Principal
from shared.ids import new_id
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page


class CourseOut(Course, Out):
    """`edition` counts the versions of a code; `current` is the newest."""

    id: UUID
    edition: int
    current: bool


class ProgrammeIn(In):
    """Courses that belong together. `who` says whom it enrols by itself."""

    code: Key
    name_en: Words
    name_zh: Words
    purpose: Purpose
    courses: Annotated[tuple[Key, ...], Field(min_length=1, max_length=50)]
    who: WhoLearns = WhoLearns()
    active: bool = True


class ProgrammeOut(ProgrammeIn, Out):
    id: UUID
    version: int


class EnrolmentIn(In):
    """By hand. `reference`: what it goes back to, e.g. the id of an appraisal; the same one enrols once."""

    employee_id: UUID
    course: Key
    purpose: Purpose = "plan"
    due_on: date | None = None
    application_id: UUID | None = None
    reference: Code | None = None


class EnrolmentOut(Out):
    """`reason`: `appraisal_revised` where the appraisal that asked for it is not low any more. What had not begun is
    cancelled with it, what had goes on."""

    id: UUID
    employee_id: UUID
    course: str
    course_id: UUID
    purpose: Purpose
    source: Source
    source_id: str
    programme_id: UUID | None
    application_id: UUID | None
    status: EnrolmentStatus
    created_at: datetime
    due_on: date | None
    completed_at: datetime | None
    documents: list[str]
    reason: str | None
    version: int


class EnrolmentDetail(EnrolmentOut):
    """`hours`: attended; `left`: what is still to be done before it is completed."""

    hours: Number
    left: list[str]
    history: list[Record]


class Documents(In):
    documents: Annotated[tuple[Code, ...], Field(min_length=1, max_length=100)]


@router.get("/courses")
async def list_courses(
    tx: CurrentTx,
    principal: Anyone,
    code: str | None = None,
    subject: str | None = None,
    current: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CourseOut]:
    """Courses in all editions, the newest first. Only who runs training sees the answers of examinations."""
    query = select(courses)
    for column, wanted in {"code": code, "subject": subject, "current": current}.items():
        if wanted is not None:
            query = query.where(courses.c[column] == wanted)
    return await page(tx, query, [courses.c.id], lambda row: _course(row, principal), limit=limit, cursor=cursor)


@router.get("/courses/{id}")
async def course(id: UUID, tx: CurrentTx, principal: Anyone) -> CourseOut:
    return _course(await find(tx, courses, id), principal)


@router.post("/courses", status_code=201)
async def create_course(new: Course, tx: CurrentTx, trainer: Anyone) -> CourseOut:
    """A new course; with a code that is known, its next edition. Who is enrolled goes on with theirs."""
    return _course(await catalogue.publish(tx, new, trainer.sub), trainer)


@router.get("/programmes")
async def list_programmes(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[ProgrammeOut]:
    return await page(tx, select(programmes), [programmes.c.id], ProgrammeOut.of, limit=limit, cursor=cursor)


@router.get("/programmes/{id}")
async def programme(id: UUID, tx: CurrentTx, response: Response) -> ProgrammeOut:
    row = await find(tx, programmes, id)
    tag(response, row["version"])
    return ProgrammeOut(**row)


@router.post("/programmes", status_code=201)
async def create_programme(new: ProgrammeIn, tx: CurrentTx, trainer: Anyone, response: Response) -> ProgrammeOut:
    """Courses for a role; for new agents at least 40 hours."""
    if await tx.scalar(select(programmes.c.id).where(programmes.c.code == new.code)):
        raise IllegalState("There is a programme with the code {code}; change that one.", code=new.code)
    await catalogue.check(tx, new.purpose, new.courses)
    row = await add(tx, programmes, trainer.sub, version=1, **new.model_dump(mode="json"))
    tag(response, 1)
    return ProgrammeOut(**row)


@router.put("/programmes/{id}")
async def change_programme(
    id: UUID, new: ProgrammeIn, tx: CurrentTx, trainer: Anyone, request: Request, response: Response
) -> ProgrammeOut:
    before = await find(tx, programmes, id, hold=True)
    check_match(request, before["version"])
    if new.code != before["code"]:
        raise IllegalState("The code of a programme stays {code}.", code=before["code"])
    await catalogue.check(tx, new.purpose, new.courses)
    row = await change(tx, programmes, id, trainer.sub, "changed", **new.model_dump(mode="json"))
    tag(response, row["version"])
    return ProgrammeOut(**row)


@router.get("/enrolments")
async def list_enrolments(
    tx: CurrentTx,
    principal: Anyone,
    employee_id: UUID | None = None,
    course: str | None = None,
    purpose: Purpose | None = None,
    status: EnrolmentStatus | None = None,
    application_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EnrolmentOut]:
    """Enrolments, the newest first: one's own, for team leads also the team's."""
    query = select(enrolments)
    seen = people.sight(principal, enrolments.c.employee_id)
    if seen is not None:
        query = query.where(seen)
    wanted = {"employee_id": employee_id, "course": course, "purpose": purpose, "status": status}
    for column, value in {**wanted, "application_id": application_id}.items():
        if value is not None:
            query = query.where(enrolments.c[column] == value)
    return await page(tx, query, [enrolments.c.id], EnrolmentOut.of, limit=limit, cursor=cursor)


@router.get("/enrolments/{id}")
async def enrolment(id: UUID, tx: CurrentTx, principal: Anyone, response: Response) -> EnrolmentDetail:
    return await _detail(await visible(tx, id, principal), tx, response)


@router.post("/enrolments", status_code=201)
async def enrol(new: EnrolmentIn, tx: CurrentTx, principal: Anyone, response: Response) -> EnrolmentDetail:
    """Enrol somebody by hand."""
    if principal.sees != "all":
        me = principal.employee_id
        if me is None or not await people.leads(tx, me, new.employee_id):
            raise Forbidden("Team leads enrol employees of their own team.")
    wish = Wish(
        new.employee_id, new.course, new.purpose, "hand", new.reference or str(new_id()), new.due_on,
        application_id=new.application_id,
    )  # fmt: skip
    return await _detail(await catalogue.enrol_one(tx, wish, principal.sub), tx, response)


@router.post("/enrolments/{id}/documents")
async def acknowledge_documents(
    id: UUID, read: Documents, tx: CurrentTx, principal: Anyone, response: Response
) -> EnrolmentDetail:
    """The employee has read these documents. Again changes nothing."""
    row = await visible(tx, id, principal, hold=True)
    if principal.employee_id != row["employee_id"]:
        raise Forbidden("Only the employee who is enrolled acknowledges documents.")
    asked = (await find(tx, courses, row["course_id"]))["documents"]
    strange = sorted(set(read.documents) - set(asked))
    if strange:
        raise IllegalState("The course does not ask for {documents}.", documents=", ".join(strange))
    known = sorted({*row["documents"], *read.documents})
    if known != row["documents"]:
        await change(tx, enrolments, id, principal.sub, "documents_acknowledged", documents=known)
        await learning.progress(tx, id, by=principal.sub)
    return await _detail(await find(tx, enrolments, id), tx, response)


@router.post("/enrolments/{id}/cancellation")
async def cancel(id: UUID, tx: CurrentTx, trainer: Anyone, response: Response) -> EnrolmentDetail:
    """Take somebody off a course, and give their seats to who waits; again changes nothing. What coaching asked for
    follows its audit instead."""
    seats = await learning.places_ahead(tx, [id])
    row = await find(tx, enrolments, id, hold=True)
    if row["status"] != "cancelled":
        if row["status"] not in ("enrolled", "on_hold") or row["source"] == "coaching":
            raise IllegalState(
                "The enrolment is {state}; only an open one that no coaching asked for is cancelled.",
                state=row["status"],
            )
        row = await change(tx, enrolments, id, trainer.sub, "cancelled", status="cancelled", reason=None)
        for place in seats:
            await learning.give_up_place(tx, place, by=trainer.sub)
    return await _detail(row, tx, response)


async def visible(tx: Tx, id: UUID, principal: Principal, *, hold: bool = False) -> Any:
    """The enrolment, if there and visible to this principal; otherwise `NotFound`."""
    query = select(enrolments).where(enrolments.c.id == id)
    seen = people.sight(principal, enrolments.c.employee_id)
    if seen is not None:
        query = query.where(seen)
    row = await tx.first(query.with_for_update() if hold else query)
    if row is None:
        raise missing(id)
    return row


async def _detail(row: Any, tx: Tx, response: Response) -> EnrolmentDetail:
    tag(response, row["version"])
    attended = (await learning.hours(tx, [row["id"]])).get(row["id"], Decimal(0))
    return EnrolmentDetail(
        **dict(row), hours=attended, left=await learning.left(tx, row), history=await history(tx, row["id"])
    )


def _course(row: Any, principal: Principal) -> CourseOut:
    shown = CourseOut(**row)
    if shown.examination is None or principal.sees == "all":
        return shown
    # Read by whoever is to be examined: without what is right.
    hidden = [question.model_copy(update={"answer": None}) for question in shown.examination.questions]
    return shown.model_copy(update={"examination": shown.examination.model_copy(update={"questions": tuple(hidden)})})
