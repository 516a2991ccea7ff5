"""Appraisals over HTTP: where they stand, where they stood, and why."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Select

from services.performance.domain.consequences import Outcome
from services.performance.domain.evidence import Evidence, behind
from services.performance.domain.explanation import Explanation, explain, outcome
from services.performance.repository import appraisals as repository
from services.performance.repository import evidence, history, ledger
from services.performance.repository.held import template_of
from services.performance.repository.people import seen_by
from services.performance.routes.language import Language
from services.performance.tables import appraisals as table
from shared.db import RowMapping, Tx
from shared.errors import NotFound
from shared.http import CurrentTx, service_router, tag
from shared.i18n import say
from shared.identity import Anyone, Principal
from shared.numbers import Number
from shared.pages import Cursor, Limit, Page, page

router = service_router("performance")

AsOf = Annotated[AwareDatetime | None, Query(description="As it stood at this time; now, unless told.")]


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
    low: Number | None
    high: Number | None
    """Ends of the 95 % interval of the total; null where one part is not known well enough to say."""
    grade: str | None
    outcome: Outcome | None
    """What follows from it; null until it is finalised."""
    revision: int
    """0 until it is finalised, then 1, and more with each correction."""
    version: int


class ExplanationView(Explanation):
    """Where an appraisal stands, and why: everything but the first six fields is rebuilt from the ledger."""

    id: UUID
    employee_id: UUID
    cycle: str
    cycle_id: UUID
    status: str
    version: int
    behind: dict[UUID, list[Evidence]]
    """Of each entry that was measured: the days, audits and examinations behind it, and what each of them moved."""
    words: list[str]
    """How the numbers come about, for people."""


class DecisionView(BaseModel):
    """What somebody decided about an appraisal."""

    at: AwareDatetime
    by: str
    what: str
    status: str
    reason: str | None
    evidence: UUID | None


def _view(row: RowMapping) -> AppraisalView:
    return _shown(row, repository.stored(row))


def _shown(row: RowMapping, result: Any, **other: Any) -> AppraisalView:
    dimensions = {name: DimensionView(score=d.score, weight=d.weight, n=d.n) for name, d in result.dimensions.items()}
    ends = result.interval
    return AppraisalView(
        **{**_head(row), "outcome": row["outcome"], "revision": row["revision"], **other}, dimensions=dimensions,
        total=result.total, low=ends and ends.low, high=ends and ends.high, grade=result.grade,
    )  # fmt: skip


def _head(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "employee_id": row["employee_id"],
        "cycle": row["code"],
        "cycle_id": row["cycle_id"],
        "status": row["status"],
        "version": row["version"],
    }


def visible(principal: Principal) -> Select[Any]:
    return repository.all_appraisals().where(seen_by(principal))


async def one_of(tx: Tx, principal: Principal, id: UUID) -> RowMapping:
    """The appraisal, or `NotFound` where this principal may not see it."""
    row = await tx.first(visible(principal).where(table.c.id == id))
    if row is None:
        raise NotFound("There is no appraisal {id} that you may see.", id=id)
    return row


async def one_appraisal_view(tx: Tx, principal: Principal, id: UUID) -> AppraisalView:
    return _view(await one_of(tx, principal, id))


@router.get("/appraisals")
async def list_appraisals(
    tx: CurrentTx,
    principal: Anyone,
    employee_id: UUID | None = None,
    cycle_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AppraisalView]:
    """Appraisals, the newest first: agents see their own, team leads their team's."""
    query = visible(principal)
    if employee_id is not None:
        query = query.where(table.c.employee_id == employee_id)
    if cycle_id is not None:
        query = query.where(table.c.cycle_id == cycle_id)
    return await page(tx, query, [table.c.id], _view, limit=limit, cursor=cursor)


@router.get("/appraisals/{id}")
async def one_appraisal(
    id: UUID, response: Response, tx: CurrentTx, principal: Anyone, as_of: AsOf = None
) -> AppraisalView:
    """One appraisal; with `as_of` rebuilt from what its ledger and its history held then."""
    row = await one_of(tx, principal, id)
    tag(response, row["version"])
    if as_of is None:
        return _view(row)
    past = outcome(template_of(row), await ledger.lines(tx, id, as_of))
    decided = await history.of(tx, id, as_of)
    status = decided[-1]["status"] if decided else "open"
    closings = [d for d in decided if d["what"] in ("finalised", "revised", "appeal_upheld")]
    follows = row["outcome"] if closings and row["finalised_at"] and len(closings) == row["revision"] else None
    return _shown(row, past, status=status, revision=len(closings), outcome=follows)


@router.get("/appraisals/{id}/history")
async def history_of_appraisal(id: UUID, tx: CurrentTx, principal: Anyone) -> list[DecisionView]:
    """Who decided what about it, when and why, the oldest first."""
    await one_of(tx, principal, id)
    return [DecisionView(**{name: row[name] for name in DecisionView.model_fields}) for row in await history.of(tx, id)]


@router.get("/appraisals/{id}/explanation")
async def explain_appraisal(
    id: UUID, response: Response, tx: CurrentTx, principal: Anyone, language: Language, as_of: AsOf = None
) -> ExplanationView:
    """The total, rebuilt from the ledger: which audit gave how many points, and what was taken back by which event.

    The contributions of the entries of a dimension add up to its score exactly, and the points of all entries to the
    total. What rounding leaves over is given, a millionth each, to the entries that lost most by being cut.
    """
    await repository.one_snapshot(tx)
    row = await one_of(tx, principal, id)
    explanation = explain(template_of(row), await ledger.lines(tx, id, as_of))
    found = await evidence.behind_entries(tx, row, explanation)
    tag(response, row["version"])
    return ExplanationView.model_construct(
        **_head(row),
        **{name: getattr(explanation, name) for name in Explanation.model_fields},
        behind=found,
        words=_words(explanation, language),
    )


@router.get("/appraisals/{id}/entries/{entry_id}/days/{day}")
async def facts_of_day(id: UUID, entry_id: UUID, day: date, tx: CurrentTx, principal: Anyone) -> list[Evidence]:
    """The single calls, cases, ratings, audits or examinations of one day behind an entry, and what each moved."""
    row = await one_of(tx, principal, id)
    found = await evidence.of_day(tx, row, entry_id, day)
    if found is None:
        raise NotFound("The appraisal {id} has no measured entry {entry}.", id=id, entry=entry_id)
    return behind(*found)


def _words(explanation: Explanation, language: str) -> list[str]:
    if not explanation.entries:
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
    if explanation.total is None:
        missing = ", ".join(name for name, d in explanation.dimensions.items() if d.score is None)
        return [*words, say(language, "There is no total while these have no score: {missing}.", missing=missing)]
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
    if better := explanation.better:
        words.append(
            say(
                language,
                "The grade {grade} begins at {least}: {more} more are needed.",
                grade=better.grade,
                least=better.at_least,
                more=better.total,
            )
        )
    return words
