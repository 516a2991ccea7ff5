"""Coaching rules: read, changed, tried; and the log of their firings."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field, model_validator
from sqlalchemy import select

from services.training.domain.catalogue import Key, Words
from services.training.domain.rules import Action, Coach, Condition, Reason, Trainability
from services.training.repository import catalogue
from services.training.repository.coaching import rule_of
from services.training.repository.people import sight
from services.training.repository.rows import add, change, find, history
from services.training.repository.trials import try_rule
from services.training.routes.base import In, Out, Record, router
from services.training.tables.coaching import coaching_firings, coaching_rules, competencies
from shared.db import Tx
from shared.errors import IllegalState, Invalid
from shared.http import CurrentTx, check_match, tag
from shared.identity import Anyone
from shared.pages import Cursor, Limit, Page, page


class RuleIn(In):
    """Which failed audits call for what, by whom, within how many working days. The highest priority acts."""

    key: Key
    name_en: Words
    name_zh: Words
    condition: Condition = Condition()
    action: Action = "coaching"
    topic: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    course: Key | None = None
    coaches: Annotated[tuple[Coach, ...], Field(max_length=3)] = ("mentor", "team_lead")
    coach_group: Annotated[tuple[UUID, ...], Field(max_length=200)] = ()
    due_working_days: Annotated[int, Field(ge=1, le=250)] = 5
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    cooldown_days: Annotated[int, Field(ge=0, le=3650)] = 0
    needs_approval: bool = False
    unless_open: bool = False
    active: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if ("group" in self.coaches) != bool(self.coach_group):
            raise ValueError("coaches holds group exactly if coach_group names somebody")
        if self.course and self.action != "course":
            raise ValueError("only the action course has a course")
        if self.action != "course" and not self.coaches:
            raise ValueError("coaches is empty; say who coaches")
        return self


class RuleOut(RuleIn, Out):
    id: UUID
    version: int


class RuleWithHistory(RuleOut):
    history: list[Record]


class TrialIn(In):
    """A past period, both days included."""

    from_: Annotated[date, Field(alias="from")]
    to: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) <= self.to - self.from_ <= timedelta(days=1100):
            raise ValueError("to lies before from, or more than three years after it")
        return self


class Example(Out):
    audit_id: UUID
    employee_id: UUID
    submitted_at: datetime
    reason: Reason | None


class TrialOut(Out):
    """What the rule would have done. `met`: failed audits that meet its condition; `acted` and the suppressed add up to
    it. `examples`: the first hundred."""

    rule: str
    audits: int
    met: int
    acted: int
    suppressed: dict[Reason, int]
    employees: int
    competencies: dict[str, int]
    courses: dict[str, int]
    examples: list[Example]


class FiringOut(Out):
    id: int
    at: datetime
    day: date
    audit_id: UUID
    employee_id: UUID
    rule: str
    action: Action
    outcome: Literal["acted", "suppressed"]
    reason: Reason | None
    competencies: list[str]
    courses: list[str]


class CompetencyOut(Out):
    code: str
    trainability: Trainability
    name_en: str
    name_zh: str


@router.get("/coaching-rules")
async def rules(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[RuleOut]:
    """The rules that coaching goes by, the highest priority first."""
    keys = [coaching_rules.c.priority, coaching_rules.c.id]
    return await page(tx, select(coaching_rules), keys, RuleOut.of, limit=limit, cursor=cursor)


@router.get("/coaching-rules/{id}")
async def rule(id: UUID, tx: CurrentTx, response: Response) -> RuleWithHistory:
    row = await find(tx, coaching_rules, id)
    tag(response, row["version"])
    return RuleWithHistory(**dict(row), history=await history(tx, id))


@router.post("/coaching-rules", status_code=201)
async def create_rule(new: RuleIn, tx: CurrentTx, trainer: Anyone, response: Response) -> RuleOut:
    """A new rule. Created with `active` false it does nothing, and can be tried."""
    await _check(tx, new, None)
    row = await add(tx, coaching_rules, trainer.sub, version=1, **_values(new))
    tag(response, 1)
    return RuleOut(**row)


@router.put("/coaching-rules/{id}")
async def change_rule(
    id: UUID, new: RuleIn, tx: CurrentTx, trainer: Anyone, request: Request, response: Response
) -> RuleOut:
    """Change a rule. It acts on audits from now on; what it did before stays."""
    before = await find(tx, coaching_rules, id, hold=True)
    check_match(request, before["version"])
    await _check(tx, new, id)
    row = await change(tx, coaching_rules, id, trainer.sub, "changed", **_values(new))
    tag(response, row["version"])
    return RuleOut(**row)


@router.post("/coaching-rules/{id}/trial")
async def trial(id: UUID, period: TrialIn, tx: CurrentTx) -> TrialOut:
    """What the rule would have done over a past period, as if it were active. Nothing is done."""
    row = await find(tx, coaching_rules, id)
    zone = tx.settings.zone
    since = datetime.combine(period.from_, time(), zone)
    until = datetime.combine(period.to + timedelta(days=1), time(), zone)
    found = await try_rule(rule_of(row), since, until, tx)
    acted = found.outcomes.pop("acted", 0)
    return TrialOut.model_validate(
        {
            "rule": row["key"], "audits": found.audits, "met": found.met, "acted": acted,
            "suppressed": dict(found.outcomes), "employees": len(found.employees),
            "competencies": dict(found.competencies.most_common()), "courses": dict(found.courses.most_common()),
            "examples": [dict(zip(Example.model_fields, one, strict=True)) for one in found.examples],
        }
    )  # fmt: skip


@router.get("/coaching-firings")
async def firings(
    tx: CurrentTx,
    watcher: Anyone,
    rule: str | None = None,
    audit_id: UUID | None = None,
    employee_id: UUID | None = None,
    outcome: Literal["acted", "suppressed"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FiringOut]:
    """Every rule whose condition an audit met: it acted, or was suppressed for a reason. The newest first."""
    query = select(coaching_firings)
    seen = sight(watcher, coaching_firings.c.employee_id)
    if seen is not None:
        query = query.where(seen)
    wanted = {"rule": rule, "audit_id": audit_id, "employee_id": employee_id, "outcome": outcome}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(coaching_firings.c[column] == value)
    return await page(tx, query, [coaching_firings.c.id], FiringOut.of, limit=limit, cursor=cursor)


@router.get("/competencies")
async def list_competencies(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[CompetencyOut]:
    """What can be lacking, and how well it can be trained."""
    keys = [competencies.c.code]
    return await page(tx, select(competencies), keys, CompetencyOut.of, limit=limit, cursor=cursor, newest_first=False)


async def _check(tx: Tx, new: RuleIn, id: UUID | None) -> None:
    same = await tx.scalar(select(coaching_rules.c.id).where(coaching_rules.c.key == new.key))
    if same is not None and same != id:
        raise IllegalState("There is a rule with the key {key}; change that one, or take another key.", key=new.key)
    if new.course and not await catalogue.current(tx, [new.course]):
        raise Invalid("There is no course {codes}; create it first.", codes=new.course)


def _values(new: RuleIn) -> dict[str, Any]:
    return new.model_dump() | {"condition": new.condition.model_dump(mode="json", exclude_defaults=True)}
