"""The process over HTTP: which steps there are, whose they are, and where each outcome leads."""

from typing import Any

from pydantic import BaseModel

from services.recruiting.domain.steps import STEPS, Outcome, Owner, Record, Scope, Status, Step
from shared.http import service_router
from shared.identity import Anyone
from shared.pages import Page

router = service_router("recruiting")


class OutcomeOut(BaseModel):
    """What a step may come to: whether that completes it, to which status it leads (null: as before), which steps it
    opens again, and which fields it needs."""

    key: str
    completes: bool
    to: Status | None
    reopens: list[int]
    needs: list[str]

    @classmethod
    def of(cls, outcome: Outcome) -> "OutcomeOut":
        return cls(
            key=outcome.key,
            completes=outcome.completes,
            to=outcome.to,
            reopens=sorted(outcome.reopens),
            needs=list(outcome.needs),
        )


class StepOut(BaseModel):
    """A step. `id` is its key; only `owner` completes it; `fields` is the JSON Schema of what is handed in."""

    id: str
    n: int
    key: str
    owner: Owner
    scope: Scope
    record: Record
    name_en: str
    name_zh: str
    finished_when: str
    before: list[int]
    during: list[Status]
    days: int
    outcomes: list[OutcomeOut]
    fields: dict[str, Any]

    @classmethod
    def of(cls, step: Step) -> "StepOut":
        return cls(
            id=step.key, n=step.n, key=step.key, owner=step.owner, scope=step.scope, record=step.record,
            name_en=step.name_en, name_zh=step.name_zh, finished_when=step.finished_when, before=sorted(step.before),
            during=sorted(step.during), days=step.days, fields=step.form.model_json_schema(),
            outcomes=[OutcomeOut.of(outcome) for outcome in step.outcomes if not outcome.system],
        )  # fmt: skip


_STEPS: Page[StepOut] = Page(items=[StepOut.of(step) for step in STEPS], next_cursor=None)


@router.get("/steps")
async def steps(_: Anyone) -> Page[StepOut]:
    """The 22 steps from headcount plan to graded employee, in time order."""
    return _STEPS
