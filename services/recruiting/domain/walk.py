"""How does a record walk the table of steps? What is open, who may record which outcome, and what is it then?

The only code that walks the rows of `steps`. It takes a state and returns another; what was handed in, and what else
has to hold at a step, is not its business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from services.recruiting.domain.steps import (
    AS_A_WHOLE,
    STATUSES,
    STEP,
    STEPS,
    WITHOUT_PLACE,
    Outcome,
    Scope,
    Status,
    Step,
)
from shared.errors import Forbidden, IllegalState, Invalid, Problem

Side = Literal["call_centre", "hr", "admin", "system"]
Move = Literal["entered", "stayed", "left", "closed", "noted"]

_OF_AN_APPLICATION = frozenset(step.n for step in STEPS if step.record == "application")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and for which sides."""

    sub: str
    sides: frozenset[Side]

    def side_for(self, step: Step | None) -> Side | None:
        """On whose behalf they act on this step; None if they may not. On no step in particular, anybody may."""
        if step is None:
            return min(self.sides, default=None)
        for side in (step.owner, "admin", "system"):
            if side in self.sides:
                return side
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a centre may set about the order: pairs (a, b) of the table where b need not wait for a."""

    waived: frozenset[tuple[int, int]] = frozenset()

    def before(self, step: Step) -> frozenset[int]:
        return frozenset(n for n in step.before if (n, step.n) not in self.waived)


@dataclass(frozen=True, slots=True)
class State:
    """Where a requisition, or an application with its employment, is.

    `inherited` are the steps done on the requisition of an application; `paused` while that is on hold.
    """

    scope: Scope
    id: UUID
    requisition_id: UUID
    status: Status
    done: frozenset[int] = frozenset()
    inherited: frozenset[int] = frozenset()
    paused: bool = False

    @classmethod
    def begin(cls, scope: Scope, id: UUID, requisition_id: UUID, inherited: Iterable[int] = ()) -> "State":
        return cls(scope, id, requisition_id, STATUSES[scope][0], inherited=frozenset(inherited))

    @property
    def listed(self) -> bool:
        """Whether it has a place on the hiring list."""
        return self.scope == "application" and 11 in self.done and self.status not in WITHOUT_PLACE


@dataclass(frozen=True, slots=True)
class Moved:
    """One line of the history."""

    n: int | None
    move: Move
    outcome: str | None = None


def open_steps(state: State, rules: Rules) -> tuple[int, ...]:
    """The steps that are open, in order."""
    known = state.done | state.inherited
    return tuple(
        step.n
        for step in STEPS
        if step.scope == state.scope
        and step.n not in state.done
        and state.status in step.during
        and rules.before(step) <= known
    )


def choices(state: State, rules: Rules) -> dict[int, list[Outcome]]:
    """What may come next: by step, the outcomes that people may record in this state."""
    if state.paused:
        return {}
    at_hand = set(open_steps(state, rules))
    found = {
        step.n: [o for o in step.outcomes if not o.system and _possible(o, step.n in at_hand, state.status)]
        for step in STEPS
        if step.scope == state.scope
    }
    return {n: outcomes for n, outcomes in found.items() if outcomes}


def refusal(state: State, n: int, key: str, actor: Actor, rules: Rules) -> Problem | None:
    """Why this actor may not record this outcome at this step now; None if they may."""
    step = STEP[n]
    if actor.side_for(step) is None:
        return Forbidden(
            "Step {n} ({key}) belongs to {owner}; ask them, or sign in as somebody with the role {owner}.",
            n=n, key=step.key, owner=step.owner,
        )  # fmt: skip
    outcome = step.outcome(key)
    if outcome is None or (outcome.system and "system" not in actor.sides):
        return Invalid(
            "Step {n} ({key}) has no outcome {outcome}; it has {outcomes}.",
            errors=[{"field": "outcome", "message": "unknown at this step"}],
            n=n, key=step.key, outcome=key, outcomes=", ".join(o.key for o in step.outcomes if not o.system),
        )  # fmt: skip
    if state.paused:
        return IllegalState("The requisition is on hold; its applications go on once it is reopened (step 1).")
    if not _possible(outcome, n in open_steps(state, rules), state.status):
        return IllegalState(
            "The {scope} is {status}, and {outcome} is not possible at step {n} ({key}); what may come next: {next}.",
            scope=state.scope, status=state.status, outcome=key, n=n, key=step.key, next=describe(state, rules),
        )  # fmt: skip
    return None


def describe(state: State, rules: Rules) -> str:
    """What may come next, as text: `8 conduct_interview (call_centre): pass, reject; …`."""
    return "; ".join(
        f"{n} {STEP[n].key} ({STEP[n].owner}): {', '.join(o.key for o in outcomes)}"
        for n, outcomes in choices(state, rules).items()
    ) or "nothing"  # fmt: skip


def as_a_whole(state: State, key: str) -> Outcome | None:
    """The outcome of this name that concerns the record as a whole, if it is possible now."""
    return next((o for o in AS_A_WHOLE[state.scope] if o.key == key and state.status in (o.when or ())), None)


def apply(state: State, n: int | None, outcome: Outcome) -> State:
    """The state after this outcome of step `n`, or of the record as a whole where `n` is None."""
    done = (state.done | ({n} if outcome.completes and n else set())) - outcome.reopens
    status = outcome.to or state.status
    if status == "open" and state.scope == "requisition" and 1 not in done:
        status = "planned"  # reopened, and not approved yet
    if status == "open" and state.scope == "application" and done >= _OF_AN_APPLICATION:
        status = "hired"
    return replace(state, status=status, done=done)


def moves(before: State, after: State, n: int | None, outcome: Outcome, rules: Rules) -> list[Moved]:
    """The lines of the history that tell of this change."""
    was, now = open_steps(before, rules), open_steps(after, rules)
    here: Move = "noted" if n not in was else "stayed" if n in now else "left"
    return [
        Moved(n, here, outcome.key),
        *(Moved(m, "closed", outcome.key) for m in was if m not in now and m != n),
        *(Moved(m, "entered") for m in now if m not in was),
    ]


def replay(begin: State, lines: Iterable[tuple[int | None, str, str | None]]) -> State:
    """The state that a history, as (step, move, outcome), leads to."""
    state = begin
    for n, move, key in lines:
        if move in ("stayed", "left", "noted") and key is not None:
            state = apply(state, n, _named(state.scope, n, key))
    return state


def _named(scope: Scope, n: int | None, key: str) -> Outcome:
    outcomes = STEP[n].outcomes if n else AS_A_WHOLE[scope]
    return next(outcome for outcome in outcomes if outcome.key == key)


def _possible(outcome: Outcome, is_open: bool, status: Status) -> bool:
    return is_open if outcome.when is None else status in outcome.when


def missing(outcome: Outcome, given: Mapping[str, object]) -> Problem | None:
    """Why this cannot be handed in, for want of fields; None if it can."""
    fields = [field for field in outcome.needs if given.get(field) is None]
    if not fields:
        return None
    return Invalid(
        "The outcome {outcome} needs {fields}.",
        errors=[{"field": field, "message": f"is needed for {outcome.key}"} for field in fields],
        outcome=outcome.key, fields=", ".join(fields),
    )  # fmt: skip
