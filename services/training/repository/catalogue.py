"""Courses, programmes and who is enrolled."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, update

from services.training.domain.catalogue import Course, Purpose, Source, WhoLearns, check_programme
from services.training.domain.coaching import DISPUTED, Audit
from services.training.domain.rules import Person
from services.training.repository.rows import add, add_all, change
from services.training.tables.base import employees
from services.training.tables.catalogue import courses, enrolments, programmes
from shared.calendar import local_day
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import Invalid, NotFound
from shared.ids import new_id


class Wish(NamedTuple):
    """An enrolment to be made, once for each source."""

    employee_id: UUID
    course: str
    purpose: Purpose
    source: Source
    source_id: str
    due_on: date | None = None
    programme_id: UUID | None = None
    application_id: UUID | None = None


def course_of(row: RowMapping) -> Course:
    return Course.model_validate({name: row[name] for name in Course.model_fields})


async def current(tx: Tx, codes: Iterable[str]) -> dict[str, RowMapping]:
    """Code → the newest edition."""
    rows = await tx.all(select(courses).where(courses.c.current, courses.c.code.in_(list(codes))))
    return {row["code"]: row for row in rows}


async def publish(tx: Tx, course: Course, actor: str) -> RowMapping:
    """Store the next edition. Raises `Invalid` if a pre-job programme would become too short with it."""
    before = await tx.first(select(courses).where(courses.c.code == course.code, courses.c.current).with_for_update())
    if before:
        await tx.run(update(courses).where(courses.c.id == before["id"]).values(current=False))
    edition = before["edition"] + 1 if before else 1
    row = await add(
        tx, courses, actor, edition=edition, current=True, **course.model_dump(mode="json") | {"hours": course.hours}
    )
    with_it = await tx.all(select(programmes).where(programmes.c.courses.contains([course.code]), programmes.c.active))
    for programme in with_it:
        await check(tx, programme["purpose"], programme["courses"])
    return row


async def check(tx: Tx, purpose: Purpose, codes: Sequence[str]) -> None:
    """Raise `Invalid` unless these courses exist and make a programme for this purpose."""
    known = await current(tx, codes)
    unknown = [code for code in codes if code not in known]
    if unknown:
        raise Invalid("There is no course {codes}; create it first.", codes=", ".join(unknown))
    check_programme(purpose, {code: known[code]["hours"] for code in known})


async def courses_by_competency(tx: Tx) -> dict[str, str]:
    """Competency → the course that teaches it; of several the first by code."""
    rows = await tx.tuples(text("SELECT code, competencies FROM training.courses WHERE current ORDER BY code DESC"))
    return {competency: row.code for row in rows for competency in row.competencies}


async def enrol(tx: Tx, wishes: Sequence[Wish], *, actor: str) -> list[UUID]:
    """Enrol in the newest edition of each course; what was wished before from the same source stays as it is."""
    known = await current(tx, {wish.course for wish in wishes})
    rows = [
        {"id": new_id(), **wish._asdict(), "course_id": known[wish.course]["id"], "status": "enrolled",
         "created_at": tx.now, "documents": [], "version": 1}
        for wish in sorted(set(wishes), key=lambda wish: (wish.employee_id, wish.course, wish.source_id))
        if wish.course in known
    ]  # fmt: skip
    added = await add_all(tx, "enrolments", rows, conflict="DO NOTHING", returning="id, source, source_id")
    await add_all(
        tx,
        "records",
        [
            {"subject_id": row["id"], "at": tx.now, "actor": actor, "action": "enrolled",
             "details": {"source": row["source"], "source_id": row["source_id"]}}
            for row in added
        ],
    )  # fmt: skip
    return [row["id"] for row in added]


async def enrol_one(tx: Tx, wish: Wish, actor: str) -> RowMapping:
    """As `enrol`, answering the enrolment. Raises `NotFound` for an unknown course."""
    if wish.course not in await current(tx, [wish.course]):
        raise NotFound("There is no course {code}.", code=wish.course)
    await enrol(tx, [wish], actor=actor)
    it = enrolments.c
    row = await tx.first(
        select(enrolments).where(
            it.employee_id == wish.employee_id, it.course == wish.course, it.source == wish.source,
            it.source_id == wish.source_id,
        )
    )  # fmt: skip
    assert row is not None
    return row


async def open_of(tx: Tx, employee_ids: Collection[UUID]) -> list[tuple[UUID, str]]:
    """Employee and course of the enrolments that are not done."""
    rows = await tx.tuples(
        text("""
        SELECT employee_id, course FROM training.enrolments
        WHERE employee_id = ANY(CAST(:ids AS uuid[])) AND status IN ('enrolled', 'on_hold')
        """),
        {"ids": list(employee_ids)},
    )
    return [(row.employee_id, row.course) for row in rows]


async def follow_audits(tx: Tx, audits: Mapping[UUID, Audit]) -> None:
    """Courses that rules asked for because of these audits: given up, held or taken up again, unless done, or the
    employee has left."""
    wanted = {
        str(id): "cancelled" if not audit.owed else "on_hold" if audit.stage == DISPUTED else "enrolled"
        for id, audit in audits.items()
    }
    await tx.run(
        text("""
        UPDATE training.enrolments AS it SET status = wanted.status, version = version + 1
        FROM unnest(CAST(:ids AS text[]), CAST(:statuses AS text[])) AS wanted (id, status)
        WHERE it.source = 'coaching' AND it.source_id = wanted.id AND it.status <> wanted.status
          AND it.status IN ('enrolled', 'on_hold', 'cancelled')
          AND NOT EXISTS (
              SELECT FROM training.employees AS one
              WHERE one.employee_id = it.employee_id AND one.left_on <= :today)
        """),
        {
            "ids": list(wanted),
            "statuses": list(wanted.values()),
            "today": local_day(tx.now, tx.settings.zone),
        },
    )


async def end_of_leavers(tx: Tx, today: date, employee_id: UUID | None = None, *, actor: str) -> None:
    """Cancel what employees who have left, this one or any, did not complete."""
    it = enrolments.c
    query = select(it.id).join(employees, employees.c.employee_id == it.employee_id).order_by(it.id)
    query = query.where(it.status.in_(("enrolled", "on_hold")), employees.c.left_on <= today)
    if employee_id is not None:
        query = query.where(it.employee_id == employee_id)
    for row in await tx.tuples(query.with_for_update(of=enrolments)):
        await change(tx, enrolments, row.id, actor, "left", status="cancelled", reason=None)


async def enrol_by_programmes(
    tx: Tx,
    who: Iterable[Person],
    today: date,
    *,
    actor: str,
    appraisals: Mapping[UUID, tuple[UUID, Decimal]] | None = None,
) -> list[UUID]:
    """Enrol those of these employees whom a programme asks for. With `appraisals` (employee → appraisal and its total),
    only programmes that go by the appraisal."""
    found = [
        (row, WhoLearns.model_validate(row["who"]))
        for row in await tx.all(select(programmes).where(programmes.c.active))
    ]
    applications: dict[UUID, UUID] = {}
    people = list(who)
    if any(row["purpose"] in ("pre_job", "culture") for row, _ in found):
        rows = await tx.tuples(
            text("""
            SELECT employee_id, application_id FROM training.arrivals
            WHERE application_id IS NOT NULL AND employee_id = ANY(CAST(:ids AS uuid[]))
            """),
            {"ids": [person.employee_id for person in people]},
        )
        applications = {row.employee_id: row.application_id for row in rows}
    wishes = []
    for programme, condition in found:
        if (condition.appraisal_below is None) != (appraisals is None):
            continue
        for person in people:
            appraisal, total = (appraisals or {}).get(person.employee_id, (None, None))
            if not condition.fits(person, today, total):
                continue
            of_new = programme["purpose"] in ("pre_job", "culture")
            wishes += [
                Wish(
                    person.employee_id, course, programme["purpose"], "appraisal" if appraisal else "rule",
                    f"{programme['id']}:{appraisal}" if appraisal else str(programme["id"]),
                    programme_id=programme["id"],
                    application_id=applications.get(person.employee_id) if of_new else None,
                )
                for course in programme["courses"]
            ]  # fmt: skip
    return await enrol(tx, wishes, actor=actor)


async def learners(tx: Tx, course_id: UUID) -> set[UUID]:
    """Who took part in this edition of a course: attended a meeting, sat the examination, or completed it."""
    rows = await tx.tuples(
        text("""
        SELECT DISTINCT it.employee_id FROM training.enrolments AS it
        WHERE it.course_id = :course_id AND (
            it.status = 'completed'
            OR EXISTS (SELECT FROM training.attendances AS a WHERE a.enrolment_id = it.id AND a.present)
            OR EXISTS (SELECT FROM training.examinations AS e WHERE e.enrolment_id = it.id))
        """),
        {"course_id": course_id},
    )
    return {row.employee_id for row in rows}
