"""The table of steps, proven; and a machine of chance that walks it for thousands of steps."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.recruiting.domain.places import Reserved, check_places, to_propose
from services.recruiting.domain.steps import AS_A_WHOLE, RUNNING, STATUSES, STEP, STEPS, Outcome, Scope
from services.recruiting.domain.walk import (
    Actor,
    Moved,
    Rules,
    State,
    apply,
    as_a_whole,
    choices,
    moves,
    open_steps,
    refusal,
    replay,
)  # fmt: skip
from shared.contracts.recruiting import ApplicationAdvanced
from shared.errors import Forbidden, IllegalState, Invalid

# What the issue says, written down a second time: a -> b means that b needs a.
NEEDS = {
    1: set(), 2: {1, 3}, 3: {1}, 4: {1, 3}, 5: {2, 4}, 6: {5}, 7: {6}, 8: {7}, 9: {8}, 10: {8, 9}, 11: {9, 10},
    12: {11}, 13: {12}, 14: {12}, 15: {13, 14}, 16: {14}, 17: {15, 16}, 18: {17}, 19: {18}, 20: {19}, 21: set(),
    22: set(),
}  # fmt: skip
CALL_CENTRE = {1, 3, 5, 8, 10, 11, 13, 15, 17, 18, 21}
BOTH = Actor("both", frozenset({"call_centre", "hr"}))
MACHINE = Actor("training", frozenset({"system"}))
DEFAULT = Rules()


def outcome_of(n: int, key: str) -> Outcome:
    found = STEP[n].outcome(key)
    assert found
    return found


def begin(scope: Scope, inherited: set[int] | frozenset[int] = frozenset()) -> State:
    id = uuid4()
    return State.begin(scope, id, id, inherited)


def successors(state: State) -> Iterator[State]:
    for n, outcomes in choices(state, DEFAULT).items():
        for outcome in outcomes:
            yield apply(state, n, outcome)
    for step in STEPS:
        for outcome in step.outcomes:
            if (
                outcome.system
                and refusal(state, step.n, outcome.key, MACHINE, DEFAULT) is None
                and step.scope == state.scope
            ):
                yield apply(state, step.n, outcome)
    for outcome in AS_A_WHOLE[state.scope]:
        if as_a_whole(state, outcome.key):
            yield apply(state, None, outcome)


def reachable(start: State) -> set[State]:
    found, todo = {start}, [start]
    while todo:
        for state in successors(todo.pop()):
            if state not in found:
                found.add(state)
                todo.append(state)
    return found


def test_what_must_be_done_before_is_as_the_issue_says() -> None:
    assert {step.n: set(step.before) for step in STEPS} == NEEDS
    assert {step.n for step in STEPS if step.owner == "call_centre"} == CALL_CENTRE
    assert len(STEPS) == 22
    assert len(CALL_CENTRE) == 11
    assert {step.n: step.record for step in STEPS} == {
        n: "requisition" if n < 5 or n > 20 else "application" if n < 13 else "employment" for n in range(1, 23)
    }


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.n))
def test_rows_are_consistent(step: Any) -> None:
    statuses = STATUSES[step.scope]
    assert step.during <= set(statuses)
    assert step.days > 0
    assert all(STEP[n].scope in ("requisition", step.scope) for n in step.before)
    assert any(outcome.completes for outcome in step.outcomes)
    for outcome in step.outcomes:
        leads = outcome.completes or outcome.to or outcome.reopens
        stays = outcome.key in {"recorded", "fit", "deferred", "offered", "failed"}
        assert bool(leads) != stays, f"{step.n} {outcome.key} leads nowhere"
        assert outcome.to is None or outcome.to in statuses
        assert (outcome.when or frozenset()) <= set(statuses)
        assert set(outcome.needs) <= set(step.form.model_fields)
        assert all(STEP[n].scope == step.scope and n < step.n for n in outcome.reopens)


def test_every_step_status_and_outcome_is_reached() -> None:
    requisitions = reachable(begin("requisition"))
    applications = reachable(begin("application", {1, 2, 3, 4}))
    for scope, states in (("requisition", requisitions), ("application", applications)):
        assert {n for state in states for n in open_steps(state, DEFAULT)} == {s.n for s in STEPS if s.scope == scope}
        assert {state.status for state in states} == set(STATUSES[scope])  # type: ignore[index]
    for state in applications:
        assert bool(choices(state, DEFAULT)) == (state.status in RUNNING), state
    ends = {state.status for state in requisitions if not choices(state, DEFAULT)}
    assert ends == set()  # a requisition can always be reopened or closed
    offered = {(n, o.key) for s in requisitions | applications for n, os in choices(s, DEFAULT).items() for o in os}
    assert offered == {(step.n, o.key) for step in STEPS for o in step.outcomes if not o.system}


def test_who_passes_everything_ends_confirmed_and_graded() -> None:
    requisition = begin("requisition")
    for n, key in ((1, "approved"), (3, "described"), (2, "published"), (4, "chosen")):
        assert refusal(requisition, n, key, BOTH, DEFAULT) is None
        requisition = apply(requisition, n, outcome_of(n, key))
    application = begin("application", requisition.done)
    statuses = []
    while open_steps(application, DEFAULT):
        n = open_steps(application, DEFAULT)[0]
        good = next(o for o in STEP[n].outcomes if o.completes and o.key != "skipped")
        application = apply(application, n, good)
        statuses.append(application.status)
    assert (application.status, application.done) == ("graded", frozenset(range(5, 21)))
    assert list(dict.fromkeys(statuses)) == ["open", "hired", "probation", "confirmed", "graded"]


def test_verifying_first_is_a_setting() -> None:
    state = begin("application", {2, 4})
    for n in (5, 6, 7, 8):
        state = apply(state, n, outcome_of(n, STEP[n].outcomes[0].key))
    assert open_steps(state, DEFAULT) == (9,)
    waived = Rules(frozenset({(9, 10)}))
    assert open_steps(state, waived) == (9, 10)
    passed = apply(state, 10, outcome_of(10, "pass"))
    assert open_steps(passed, waived) == (9,)  # 11 still needs it


def test_an_internal_candidate_skips_9_and_12_only() -> None:
    state = begin("application", {2, 4})
    for n in (9, 12):
        assert isinstance(refusal(state, n, "skipped", BOTH, DEFAULT), Invalid)  # not for people to say
        state = apply(state, n, outcome_of(n, "skipped"))
    walked = []
    while state.status == "open":
        [n] = open_steps(state, DEFAULT)
        walked.append(n)
        state = apply(state, n, next(o for o in STEP[n].outcomes if o.completes))
    assert walked == [5, 6, 7, 8, 10, 11]
    assert state.status == "hired"
    assert open_steps(state, DEFAULT) == (13, 14)


def test_refusals_say_whose_and_what_next() -> None:
    state = begin("application", {2, 4})
    hr = Actor("hr-1", frozenset({"hr"}))
    refused = refusal(state, 5, "pass", hr, DEFAULT)
    assert isinstance(refused, Forbidden)
    assert "call_centre" in str(refused)
    early = refusal(state, 6, "notified", hr, DEFAULT)
    assert isinstance(early, IllegalState)
    assert "5 screen_resumes (call_centre): pass, reserve, reject" in str(early)
    assert refusal(state, 5, "pass", Actor("a", frozenset({"admin"})), DEFAULT) is None
    assert isinstance(refusal(state, 5, "pass", Actor("x", frozenset()), DEFAULT), Forbidden)


def test_reserve_list() -> None:
    ids = [uuid4() for _ in range(4)]
    at = datetime(2026, 3, 2, tzinfo=UTC)
    reserve = [
        Reserved(ids[0], False, Decimal(99), at, False),
        Reserved(ids[1], True, Decimal(70), at, False),
        Reserved(ids[2], True, Decimal(80), at, False),
        Reserved(ids[3], True, None, at, False),
    ]
    assert to_propose(5, 3, reserve) == [ids[2], ids[1]]
    assert to_propose(2, 2, reserve) == []
    proposed = [Reserved(ids[2], True, Decimal(80), at, True), *reserve[:2]]
    assert to_propose(3, 2, proposed) == []
    assert to_propose(4, 2, proposed) == [ids[1]]


class Recruiting(RuleBasedStateMachine):
    """Requisitions and applications under random actors, outcomes and repeats."""

    requisitions = Bundle("requisitions")
    applications = Bundle("applications")
    records = requisitions | applications

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[UUID, State] = {}
        self.starts: dict[UUID, State] = {}
        self.history: dict[UUID, list[Moved]] = {}
        self.headcount: dict[UUID, int] = {}
        self.told: list[tuple[UUID, int | None, str]] = []

    @initialize(target=requisitions, headcount=st.integers(1, 3))
    def begin_with(self, headcount: int) -> UUID:
        return self.plan(headcount, 9)

    @precondition(lambda self: len(self.headcount) < 3)
    @rule(target=requisitions, headcount=st.integers(1, 3), steps=st.integers(0, 4))
    def plan(self, headcount: int, steps: int) -> UUID:
        state = begin("requisition")
        self.headcount[state.id] = headcount
        id = self._begin(state)
        self.go_on(id, steps, 1)
        return id

    @precondition(lambda self: len(self.states) < 8)
    @rule(target=applications, requisition=requisitions, internal=st.booleans())
    def apply_for(self, requisition: UUID, internal: bool) -> UUID:
        parent = self.states[requisition]
        state = State.begin("application", uuid4(), parent.id, parent.done)
        id = self._begin(state)
        for n in (9, 12) if internal else ():
            self._record(self.states[id], n, outcome_of(n, "skipped"))
        return id

    @rule(id=requisitions | applications | applications, steps=st.integers(1, 9), pick=st.integers(0, 9))
    def go_on(self, id: UUID, steps: int, pick: int) -> None:
        """The right people do what is to be done, and at the end perhaps something else."""
        for left in range(steps, 0, -1):
            possible = choices(self._now(id), DEFAULT)
            good = [(n, o) for n, outcomes in possible.items() for o in outcomes if o.completes]
            other = [(n, o) for n, outcomes in possible.items() for o in outcomes]
            for n, outcome in [other[pick % len(other)]] if other and left == 1 and pick > 6 else good[:1]:
                self._try(id, n, outcome, BOTH)

    @rule(
        id=records, n=st.integers(1, 22), pick=st.integers(0, 6), near=st.booleans(), twice=st.booleans(),
        sides=st.sampled_from([(), ("hr",), ("call_centre",), ("admin",), ("call_centre", "hr")]),
    )  # fmt: skip
    def complete(self, id: UUID, n: int, pick: int, near: bool, twice: bool, sides: tuple[Any, ...]) -> None:
        """Anybody tries anything, also twice; the table decides."""
        at_hand = sorted(choices(self._now(id), DEFAULT))
        n = at_hand[n % len(at_hand)] if near and at_hand else n
        for _ in range(2 if twice else 1):
            self._try(id, n, STEP[n].outcomes[pick % len(STEP[n].outcomes)], Actor("somebody", frozenset(sides)))

    def _try(self, id: UUID, n: int, outcome: Outcome, actor: Actor) -> None:
        state = self._now(id)
        if STEP[n].scope != state.scope or refusal(state, n, outcome.key, actor, DEFAULT) is not None:
            return
        assert STEP[n].owner in actor.sides or "admin" in actor.sides
        assert not outcome.system
        assert not state.paused
        if outcome.when is None:
            assert NEEDS[n] <= state.done | state.inherited, "before its time"
            assert n not in state.done, "a second time"
        if n == 11 and outcome.key == "pass":
            try:
                check_places(self.headcount[state.requisition_id], self._listed(state.requisition_id), 1)
            except IllegalState:
                return
        self._record(state, n, outcome)

    @rule(
        id=records, key=st.sampled_from(["withdrawn", "left", "proposed", "filled", "unfilled", "requisition_closed"])
    )
    def whole(self, id: UUID, key: str) -> None:
        state = self._now(id)
        outcome = as_a_whole(state, key)
        if outcome:
            self._record(state, None, outcome)

    @invariant()
    def lists_keep_within_what_was_approved(self) -> None:
        for id, headcount in self.headcount.items():
            assert self._listed(id) <= headcount

    @invariant()
    def history_replays_to_the_same_state(self) -> None:
        for id, state in self.states.items():
            again = replay(self.starts[id], [(line.n, line.move, line.outcome) for line in self.history[id]])
            assert (again.status, again.done) == (state.status, state.done)

    @invariant()
    def history_tells_what_is_open(self) -> None:
        for id, state in self.states.items():
            at_hand: set[int] = set()
            for line in self.history[id]:
                assert line.n is not None or line.move == "noted"
                if line.move == "entered" and line.n:
                    assert line.n not in at_hand
                    at_hand.add(line.n)
                elif line.move in ("left", "closed") and line.n:
                    at_hand.remove(line.n)
            assert at_hand == set(open_steps(state, DEFAULT))

    @invariant()
    def every_decision_is_told_once(self) -> None:
        decided = [
            (id, line.n, line.outcome)
            for id, lines in self.history.items() for line in lines
            if line.outcome and line.move != "closed" and self._tells(id, line)
        ]  # fmt: skip
        assert sorted(map(str, decided)) == sorted(map(str, self.told))

    def _tells(self, id: UUID, line: Moved) -> bool:
        outcomes = STEP[line.n].outcomes if line.n else AS_A_WHOLE[self.states[id].scope]
        return any(outcome.key == line.outcome and outcome.tells for outcome in outcomes)

    def _now(self, id: UUID) -> State:
        """An application sees what its requisition has done, from the moment that it has."""
        state = self.states[id]
        parent = self.states[state.requisition_id]
        if state.scope == "application" and state.inherited != parent.done:
            before, state = state, State(**{f: getattr(state, f) for f in State.__slots__} | {"inherited": parent.done})
            was, now = open_steps(before, DEFAULT), open_steps(state, DEFAULT)
            self.history[id] += [Moved(n, "entered") for n in now if n not in was]
            self.states[id] = state
        if state.scope == "application":
            state = State(**{f: getattr(state, f) for f in State.__slots__} | {"paused": parent.status == "held"})
        return state

    def _listed(self, requisition: UUID) -> int:
        return sum(state.listed for state in self.states.values() if state.requisition_id == requisition)

    def _begin(self, state: State) -> UUID:
        self.states[state.id] = self.starts[state.id] = state
        self.history[state.id] = [Moved(n, "entered") for n in open_steps(state, DEFAULT)]
        return state.id

    def _record(self, state: State, n: int | None, outcome: Outcome) -> None:
        after = apply(state, n, outcome)
        self.history[state.id] += moves(state, after, n, outcome, DEFAULT)
        self.states[state.id] = State(**{f: getattr(after, f) for f in State.__slots__} | {"paused": False})
        if outcome.tells:
            self.told.append((state.id, n, outcome.key))


TestRecruiting = Recruiting.TestCase
TestRecruiting.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


def test_events_of_steps_carry_codes_only() -> None:
    assert set(ApplicationAdvanced.model_fields) == {
        "application_id", "requisition_id", "step", "outcome", "reason", "actor",
    }  # fmt: skip
