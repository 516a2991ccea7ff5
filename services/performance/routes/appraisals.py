"""Appraisals over HTTP: where they stand, and why."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Response
from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.engine import RowMapping

from services.performance.domain.explanation import Explanation, explain
from services.performance.domain.templates import Template
from services.performance.repository import appraisals as repository
from services.performance.repository.people import seen_by
from services.performance.routes.language import Language
from services.performance.tables import appraisals as table
from shared.db import Tx
from shared.errors import NotFound
from shared.http import CurrentTx, service_router, tag
from shared.i18n import say
from shared.identity import Principal, allowed
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

router = service_router("performance")

Reader = Annotated[Principal, Depends(allowed("agent", "team_lead", "manager", "hr", "service"))]


class DimensionView(BaseModel):
    """A dimension: its score, null where nothing is known, its weight in percent, and how many entries it rests on."""

    score: Number | None
    weight: Number
    n: int


class AppraisalView(BaseModel):
    """Where an appraisal stands."""

    id: UUID
    employee_id: UUID
    cycle: str
    cycle_id: UUID
    status: str
    dimensions: dict[str, DimensionView]
    total: Number | None
    grade: str | None
    version: int


class ExplanationView(Explanation):
    """Where an appraisal stands, and why: everything but the first six fields is rebuilt from the ledger."""

    id: UUID
    employee_id: UUID
    cycle: str
    cycle_id: UUID
    status: str
    version: int
    words: list[str]
    """How the numbers come about, for people."""


def _view(row: RowMapping) -> AppraisalView:
    result = repository.stored(row)
    dimensions = {name: DimensionView(score=d.score, weight=d.weight, n=d.n) for name, d in result.dimensions.items()}
    return AppraisalView(**_head(row), dimensions=dimensions, total=result.total, grade=result.grade)


def _head(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "employee_id": row["employee_id"],
        "cycle": row["code"],
        "cycle_id": row["cycle_id"],
        "status": row["status"],
        "version": row["version"],
    }


def _visible(principal: Principal) -> Select[Any]:
    return repository.all_appraisals().where(seen_by(principal))


async def _one(tx: Tx, principal: Principal, id: UUID) -> RowMapping:
    row = await tx.first(_visible(principal).where(table.c.id == id))
    if row is None:
        raise NotFound("There is no appraisal {id} that you may see.", id=id)
    return row


@router.get("/appraisals")
async def list_appraisals(
    tx: CurrentTx,
    principal: Reader,
    employee_id: UUID | None = None,
    cycle_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AppraisalView]:
    """Appraisals, the newest first: agents see their own, team leads their team's."""
    query = _visible(principal)
    if employee_id is not None:
        query = query.where(table.c.employee_id == employee_id)
    if cycle_id is not None:
        query = query.where(table.c.cycle_id == cycle_id)
    return await page(tx, query, [table.c.id], _view, limit=limit, cursor=cursor)


@router.get("/appraisals/{id}")
async def one_appraisal(id: UUID, response: Response, tx: CurrentTx, principal: Reader) -> AppraisalView:
    """One appraisal."""
    row = await _one(tx, principal, id)
    tag(response, row["version"])
    return _view(row)


@router.get("/appraisals/{id}/explanation")
async def explain_appraisal(
    id: UUID, response: Response, tx: CurrentTx, principal: Reader, language: Language
) -> ExplanationView:
    """The total, rebuilt from the ledger: which audit gave how many points, and what was taken back by which event.

    The contributions of the entries of a dimension add up to its score exactly, and the points of all entries to the
    total. What rounding leaves over is given, a millionth each, to the entries that lost most by being cut.
    """
    await repository.one_snapshot(tx)
    row = await _one(tx, principal, id)
    explanation = explain(Template.model_validate(row["template"]), await repository.lines(tx, id))
    tag(response, row["version"])
    return ExplanationView(
        **_head(row),
        **{name: getattr(explanation, name) for name in Explanation.model_fields},
        words=_words(explanation, language),
    )


def _words(explanation: Explanation, language: str) -> list[str]:
    if explanation.total is None:
        return [say(language, "Nothing has been entered yet, so there is no score and no total.")]
    words = [
        say(
            language,
            "The score of {dimension} is {score}: the mean of {n} entries.",
            dimension=name,
            score=dimension.score,
            n=dimension.n,
        )
        for name, dimension in explanation.dimensions.items()
        if dimension.score is not None
    ]
    words.append(
        say(
            language,
            "The total is {total}, grade {grade}: the mean of the scores that are known, by their weights. A dimension "
            "without a score is left out and the other weights count for more; it is never taken as 0.",
            total=explanation.total,
            grade=explanation.grade,
        )
    )
    words.append(
        say(
            language,
            "Contributions add up to the score exactly; what rounding leaves over goes, a millionth each, to the "
            "entries that lost most by it.",
        )
    )
    return words
