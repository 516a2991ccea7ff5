"""What happens at the steps of a requisition, and to its places?"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from services.recruiting.domain.forms import ChannelChoice, ChannelCost, JobAnalysis, Plan, PlanDecision, Publication
from services.recruiting.domain.places import Reserved, to_propose
from services.recruiting.domain.steps import STEP, Outcome
from services.recruiting.domain.walk import Actor, Moved, State, as_a_whole, open_steps
from services.recruiting.process.record import begin, check_may, read_form, record, record_whole, rules_of, system
from services.recruiting.repository import employees, pipeline, selection
from services.recruiting.repository import requisitions as repository
from services.recruiting.repository.pipeline import Requisition
from shared.calendar import local_day
from shared.db import Tx
from shared.errors import Forbidden, IllegalState, Invalid, NotFound
from shared.ids import new_id


@dataclass(frozen=True, slots=True)
class Case:
    """A requisition, locked, with what is being recorded on it."""

    tx: Tx
    requisition: Requisition
    outcome: Outcome
    form: Any
    actor: Actor


async def plan(tx: Tx, wanted: Plan, actor: Actor) -> UUID:
    """Hand in a headcount plan; somebody else approves it by step 1."""
    await _check_leaver(tx, wanted)
    id = new_id()
    state = State.begin("requisition", id, id)
    await repository.add(tx, state, wanted, actor.sub)
    await begin(tx, state, actor)
    return id


async def complete(tx: Tx, id: UUID, n: int, body: Mapping[str, Any], actor: Actor) -> None:
    """Record an outcome of a step of a requisition."""
    held = await hold(tx, id)
    outcome = check_may(held.state, n, str(body.get("outcome", "")), actor, tx)
    form = read_form(n, body, outcome)
    effect = EFFECTS.get(n)
    if effect:
        await effect(Case(tx, held, outcome, form, actor))
    fields = form.model_dump(mode="json", exclude={"outcome", "reason"})
    after = await record(tx, held.state, n, outcome, actor, reason=form.reason, fields=fields)
    if after.status in ("closed", "cancelled"):
        await _end_applications(tx, id, actor)
    elif after.status == "open":
        if outcome.completes:
            await _open_to_applications(tx, after, actor)
        await settle_places(tx, replace(held, state=after), actor, freed=False)


async def hold(tx: Tx, id: UUID, *, shared: bool = False) -> Requisition:
    """The requisition, locked. Raises `NotFound`."""
    held = await pipeline.hold_requisition(tx, id, shared=shared)
    if held is None:
        raise NotFound("No requisition has the id {id}.", id=id)
    return held


async def settle_places(tx: Tx, requisition: Requisition, actor: Actor, *, freed: bool) -> None:
    """A requisition, which is locked, is filled when as many have accepted as were approved, and open again when not.

    Where a place became free, the first of the reserve list are proposed, one for each free place; deciding stays with
    step 11.
    """
    listed, accepted = await pipeline.places(tx, requisition.id)
    state = requisition.state
    full = accepted >= requisition.headcount
    if as_a_whole(state, "filled" if full else "unfilled"):
        state = await record_whole(tx, state, "filled" if full else "unfilled", system())
    if not freed or state.status != "open":
        return
    waiting = await pipeline.hold_applications(tx, requisition.id, statuses=["reserve"])
    reserve = [
        Reserved(one.id, 10 in one.state.done, one.score, one.applied_at, one.proposed_at is not None)
        for one in waiting
        if 8 in one.state.done
    ]
    states = {one.id: one.state for one in waiting}
    for id in to_propose(requisition.headcount, listed, reserve):
        await selection.set_proposed(tx, id)
        await record_whole(tx, states[id], "proposed", actor)


async def _end_applications(tx: Tx, id: UUID, actor: Actor) -> None:
    for application in await pipeline.hold_applications(tx, id, statuses=["open", "reserve"]):
        await selection.close_offer(tx, application.id, "void")
        await record_whole(tx, application.state, "requisition_closed", actor, reason="requisition_closed")


async def _open_to_applications(tx: Tx, requisition: State, actor: Actor) -> None:
    """A step of a requisition may be what its applications waited for."""
    if requisition.done.isdisjoint(STEP[5].before):
        return
    rules = rules_of(tx.settings)
    for application in await pipeline.hold_applications(tx, requisition.id, statuses=["open"]):
        state = replace(application.state, inherited=requisition.done)
        at_hand = open_steps(state, rules)
        entered = [Moved(n, "entered") for n in at_hand if n not in open_steps(application.state, rules)]
        if entered:
            await pipeline.move(tx, state, entered, at_hand, actor)


async def _check_leaver(tx: Tx, wanted: Plan) -> None:
    if wanted.replaces and not await employees.known(tx, [wanted.replaces]):
        raise Invalid(
            "`replaces` must name an employee.",
            errors=[{"field": "replaces", "message": "no employee has this id"}],
        )


async def _plan(case: Case) -> None:
    author = case.actor.sub in case.requisition.authors
    if case.outcome.key == "approved" and author:
        raise Forbidden("Whoever wrote a headcount plan does not approve it; ask somebody else of the call centre.")
    form: PlanDecision = case.form
    if case.outcome.key == "submitted" and form.plan:
        await _check_leaver(case.tx, form.plan)
        await repository.replan(case.tx, case.requisition.id, form.plan, {*case.requisition.authors, case.actor.sub})


async def _publish(case: Case) -> None:
    form: Publication = case.form
    today = local_day(case.tx.now, case.tx.settings.zone)
    if form.closes_on and form.closes_on < today:
        raise Invalid(
            "A posting cannot have closed already; today is {today}.",
            errors=[{"field": "closes_on", "message": "has passed"}], today=today,
        )  # fmt: skip
    await repository.publish(case.tx, case.requisition.id, form.model_dump(include={"title", "text", "closes_on"}))


async def _pin(case: Case) -> None:
    form: JobAnalysis = case.form
    if form.profile_id is None or await repository.profile(case.tx, form.profile_id) is None:
        raise Invalid(
            "`profile_id` must name a job profile; make one by POST /recruiting/job-profiles.",
            errors=[{"field": "profile_id", "message": "no job profile has this id"}],
        )
    await repository.pin_profile(case.tx, case.requisition.id, form.profile_id)


async def _choose(case: Case) -> None:
    form: ChannelChoice = case.form
    await set_channels(case.tx, case.requisition.id, form.channels or [])


async def set_channels(tx: Tx, id: UUID, chosen: Sequence[ChannelCost]) -> None:
    """Choose channels, or state anew what they cost. Raises `Invalid` for unknown ones."""
    unknown = await repository.unknown_channels(tx, {one.channel for one in chosen})
    if unknown:
        raise Invalid(
            "Nobody knows the channels {unknown}; GET /recruiting/channels lists those there are.",
            errors=[{"field": "channels", "message": "unknown channel"}], unknown=", ".join(sorted(unknown)),
        )  # fmt: skip
    await repository.set_channels(tx, id, chosen)


async def add_channels(tx: Tx, id: UUID, chosen: Sequence[ChannelCost]) -> None:
    """Channels that come later, or what channels cost in the end."""
    held = await hold(tx, id)
    if 4 not in held.state.done:
        raise IllegalState(
            "Channels are chosen by step 4 first; the requisition is {status}.", status=held.state.status
        )
    await set_channels(tx, id, chosen)


EFFECTS: Mapping[int, Callable[[Case], Awaitable[None]]] = {1: _plan, 2: _publish, 3: _pin, 4: _choose}
