"""Surveys on courses and on assessment, whose answers nobody can trace."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, TypeAdapter, model_validator
from sqlalchemy import insert, select, update

from services.training.domain.catalogue import Key, Words
from services.training.domain.surveys import LEAST, Answer, SurveyQuestion, check_answers, results
from services.training.repository import catalogue
from services.training.repository.rows import add, find
from services.training.routes.base import In, Out, router
from services.training.tables.base import employees
from services.training.tables.catalogue import courses
from services.training.tables.surveys import survey_returns, surveys
from shared.db import Tx
from shared.errors import Forbidden, IllegalState
from shared.http import CurrentTx
from shared.identity import Anyone, Principal
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page


class SurveyIn(In):
    """`course`: asks those who learned in this edition of a course; `assessment`: asks every employee."""

    kind: Literal["course", "assessment"]
    title: Words
    course_id: UUID | None = None
    questions: Annotated[tuple[SurveyQuestion, ...], Field(min_length=1, max_length=50)]
    closes_at: AwareDatetime

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "course") != (self.course_id is not None):
            raise ValueError("a survey on a course, and no other, has a course_id")
        if len({question.key for question in self.questions}) < len(self.questions):
            raise ValueError("two questions have the same key")
        return self


class SurveyOut(Out):
    id: UUID
    kind: Literal["course", "assessment"]
    title: str
    course_id: UUID | None
    questions: list[SurveyQuestion]
    closes_at: datetime
    version: int


class AnswersIn(In):
    answers: Annotated[dict[Key, Answer], Field(min_length=1, max_length=50)]


class Thanks(Out):
    answered: bool


class ResultOut(Out):
    """Of a question that fewer than five answered, nothing is shown."""

    key: str
    n: int | None
    mean: Number | None
    counts: dict[str, int] | None
    texts: list[str] | None


class ResultsOut(Out):
    """`n`: how many answers are counted here. Results move on with every fifth answer, so that nobody can tell one
    answer by the difference; null while there are fewer than five."""

    survey_id: UUID
    n: int | None
    questions: list[ResultOut]


@router.get("/surveys")
async def list_surveys(
    tx: CurrentTx, course_id: UUID | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[SurveyOut]:
    query = select(surveys)
    if course_id is not None:
        query = query.where(surveys.c.course_id == course_id)
    return await page(tx, query, [surveys.c.id], SurveyOut.of, limit=limit, cursor=cursor)


@router.post("/surveys", status_code=201)
async def create_survey(new: SurveyIn, tx: CurrentTx, trainer: Anyone) -> SurveyOut:
    if new.course_id is not None:
        await find(tx, courses, new.course_id)
    values = new.model_dump(mode="json") | {"course_id": new.course_id, "closes_at": new.closes_at}
    row = await add(tx, surveys, trainer.sub, version=1, **values)
    await tx.run(insert(survey_returns).values(survey_id=row["id"], answered=[], answers=[], shown=[]))
    return SurveyOut(**row)


@router.get("/surveys/{id}")
async def survey(id: UUID, tx: CurrentTx) -> SurveyOut:
    return SurveyOut(**await find(tx, surveys, id))


@router.put("/surveys/{id}/answer")
async def answer(id: UUID, new: AnswersIn, tx: CurrentTx, principal: Anyone) -> Thanks:
    """Answer, once. A PUT, because an Idempotency-Key would store who sent which answer."""
    row = await find(tx, surveys, id)
    if row["closes_at"] <= tx.now:
        raise IllegalState("The survey is closed; thank you all the same.")
    me = await _participant(row, tx, principal)
    check_answers(_questions(row), new.answers)
    returns = await tx.first(select(survey_returns).where(survey_returns.c.survey_id == id).with_for_update())
    assert returns is not None
    if me in returns["answered"]:
        raise IllegalState("You have answered this survey; everybody answers once.")
    answers = sorted([*returns["answers"], new.answers], key=lambda one: json.dumps(one, sort_keys=True))
    shown = answers if len(answers) % LEAST == 0 else returns["shown"]
    values = {"answered": sorted([*returns["answered"], me]), "answers": answers, "shown": shown}
    await tx.run(update(survey_returns).where(survey_returns.c.survey_id == id).values(values))
    return Thanks(answered=True)


@router.get("/surveys/{id}/results")
async def survey_results(id: UUID, tx: CurrentTx) -> ResultsOut:
    """What was answered, once at least five have."""
    row = await find(tx, surveys, id)
    shown = await tx.scalar(select(survey_returns.c.shown).where(survey_returns.c.survey_id == id)) or []
    if not shown:
        return ResultsOut(survey_id=id, n=None, questions=[])
    questions = [ResultOut(**one) for one in results(_questions(row), shown)]
    return ResultsOut(survey_id=id, n=len(shown), questions=questions)


def _questions(row: Any) -> list[SurveyQuestion]:
    return TypeAdapter(list[SurveyQuestion]).validate_python(row["questions"])


async def _participant(row: Any, tx: Tx, principal: Principal) -> UUID:
    """Who asks, if the survey asks them."""
    me = principal.employee_id
    if me is not None and row["kind"] == "course" and me in await catalogue.learners(tx, row["course_id"]):
        return me
    if me is not None and row["kind"] == "assessment":
        here = select(employees.c.employee_id).where(employees.c.employee_id == me, employees.c.left_on.is_(None))
        if await tx.scalar(here):
            return me
    raise Forbidden("Only those whom the survey asks can answer: who took part in the course, or works here.")
