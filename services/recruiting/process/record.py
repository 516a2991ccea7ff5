"""How is an outcome recorded? The state moves, its history is written, the world is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from services.recruiting.domain.steps import SKIPPED_BY_INTERNAL, STEP, Outcome, Tells
from services.recruiting.domain.walk import (
    Actor,
    Moved,
    Rules,
    State,
    apply,
    as_a_whole,
    missing,
    moves,
    open_steps,
    refusal,
)  # fmt: skip
from services.recruiting.repository import pipeline
from services.recruiting.repository.pipeline import Application
from shared.calendar import local_day
from shared.contracts.recruiting import (
    ApplicationAdvanced,
    ApplicationRejected,
    ApplicationWithdrawn,
    RequisitionAdvanced,
    StepTaken,
)
from shared.db import Tx
from shared.errors import FieldError, IllegalState, Invalid
from shared.fields import Said
from shared.settings import Settings

T = TypeVar("T", bound=BaseModel)

TELLS: Mapping[Tells, type[StepTaken]] = {
    "advanced": ApplicationAdvanced,
    "rejected": ApplicationRejected,
    "withdrawn": ApplicationWithdrawn,
}


@dataclass(frozen=True, slots=True)
class Case:
    """An application, locked, with what is being recorded on it."""

    tx: Tx
    application: Application
    n: int
    outcome: Outcome
    form: Any
    actor: Actor

    @property
    def id(self) -> UUID:
        return self.application.id

    @property
    def today(self) -> date:
        return local_day(self.tx.now, self.tx.settings.zone)


def system(name: str = "recruiting") -> Actor:
    """Who acts where no person does: a service."""
    return Actor(name, frozenset({"system"}))


def rules_of(settings: Settings) -> Rules:
    return Rules(frozenset() if settings.verify_before_second_interview else frozenset({(9, 10)}))


def check_may(state: State, n: int, outcome: str, actor: Actor, tx: Tx) -> Outcome:
    """The outcome, if this actor may record it now. Raises what the domain refuses with."""
    refused = refusal(state, n, outcome, actor, rules_of(tx.settings))
    if refused:
        raise refused
    found = STEP[n].outcome(outcome)
    assert found is not None
    return found


def read_form(n: int, body: Mapping[str, Any], outcome: Outcome) -> Any:
    """What was handed in, as the form of this step. Raises `Invalid`."""
    form = shaped(STEP[n].form, body)
    lacking = missing(outcome, {field: getattr(form, field) for field in type(form).model_fields})
    if lacking:
        raise lacking
    return form


def shaped(model: type[T], values: Mapping[str, Any]) -> T:
    """The values as this model. Raises `Invalid` with what is wrong with which field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong: list[FieldError] = [
            {"field": ".".join(map(str, e["loc"])) or "body", "message": Said.of(e)}
            for e in error.errors(include_url=False, include_input=False)
        ]
        raise Invalid("Some fields are not valid; see errors.", errors=wrong) from error


async def begin(tx: Tx, state: State, actor: Actor, *, skip: bool = False) -> State:
    """Write the first lines of a record just stored; an internal candidate may `skip` what the table lets them."""
    rules = rules_of(tx.settings)
    moved: list[Moved] = []
    for n in sorted(SKIPPED_BY_INTERNAL) if skip else ():
        skipped = STEP[n].outcome("skipped")
        assert skipped is not None
        state = apply(state, n, skipped)
        moved.append(Moved(n, "noted", "skipped"))
    at_hand = open_steps(state, rules)
    moved += [Moved(n, "entered") for n in at_hand]
    await pipeline.move(tx, state, moved, at_hand, actor)
    return state


async def record(
    tx: Tx, before: State, n: int | None, outcome: Outcome, actor: Actor, *,
    reason: str | None = None, fields: Mapping[str, Any] | None = None,
) -> State:  # fmt: skip
    """Record an outcome that is allowed, keep what was handed in with it, and tell the world."""
    rules = rules_of(tx.settings)
    after = apply(before, n, outcome)
    kept = {field: value for field, value in (fields or {}).items() if value not in (None, [], {})}
    await pipeline.move(
        tx, after, moves(before, after, n, outcome, rules), open_steps(after, rules), actor,
        reason=reason, handed_in=pipeline.HandIn(n, outcome.key, kept) if n and kept else None,
    )  # fmt: skip
    if outcome.tells:
        about = {"requisition_id": after.requisition_id, "step": n, "outcome": outcome.key, "reason": reason}
        if after.scope == "requisition":
            tx.emit(RequisitionAdvanced(actor=actor.sub, **about))
        else:
            tx.emit(TELLS[outcome.tells](actor=actor.sub, application_id=after.id, **about))
    return after


async def record_whole(tx: Tx, before: State, key: str, actor: Actor, *, reason: str | None = None) -> State:
    """Record what concerns a record as a whole. Raises `IllegalState` where it is too late for that."""
    outcome = as_a_whole(before, key)
    if outcome is None:
        raise IllegalState(
            "The {scope} is {status}; {outcome} is not possible any more.",
            scope=before.scope, status=before.status, outcome=key,
        )  # fmt: skip
    return await record(tx, before, None, outcome, actor, reason=reason)
