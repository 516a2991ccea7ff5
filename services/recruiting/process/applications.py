"""What happens at the steps of an application: taken in, walked, withdrawn?"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.recruiting.domain.candidates import Contact, keys, match
from services.recruiting.domain.forms import (
    Appointment,
    Document,
    DocumentStatus,
    Meeting,
    Offering,
    ReasonCode,
    Verification,
)  # fmt: skip
from services.recruiting.domain.interviews import Competency, marks
from services.recruiting.domain.places import check_places
from services.recruiting.domain.steps import RUNNING, STEP, Outcome
from services.recruiting.domain.walk import Actor, State, open_steps
from services.recruiting.process import employments
from services.recruiting.process.record import (
    Case,
    begin,
    check_may,
    read_form,
    record,
    record_whole,
    rules_of,
    shaped,
    system,
)  # fmt: skip
from services.recruiting.process.requisitions import hold as hold_requisition
from services.recruiting.process.requisitions import settle_places
from services.recruiting.repository import candidates, employees, pipeline, requisitions, selection
from services.recruiting.repository import employments as employed
from services.recruiting.repository.pipeline import Application, Requisition
from shared.calendar import local_day
from shared.db import Tx
from shared.errors import Forbidden, IllegalState, Invalid, NotFound
from shared.events import Code
from shared.ids import new_id

DOCUMENTS: tuple[Document, ...] = get_args(Document)
_TOUCHES_PLACES = frozenset(range(10, 15))
"""Steps at which a place may be taken, accepted or freed: they lock the requisition first."""


class NewApplication(BaseModel):
    """A candidate for a requisition: somebody new by `contact`, somebody who works here by `employee_id`.

    `consent_until` is the last day to which they let us keep their data.
    """

    model_config = ConfigDict(extra="forbid")

    candidate: Contact = Contact()
    employee_id: UUID | None = None
    resume_ref: Code | None = None
    channel: Code
    consent_until: date


class Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    application_id: UUID
    outcome: Literal["pass", "reserve", "reject"]
    reason: ReasonCode | None = None


class Decisions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decisions: Annotated[list[Decision], Field(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class Received:
    """An application taken in: whose, by what we knew them, who else it may be, and what they said differently."""

    id: UUID
    candidate_id: UUID
    known_by: tuple[str, ...]
    perhaps: tuple[UUID, ...]
    differs: tuple[str, ...]


async def receive(tx: Tx, requisition_id: UUID, new: NewApplication, actor: Actor) -> Received:
    """Take in an application; possible from step 4 on, until the posting closes."""
    requisition = await hold_requisition(tx, requisition_id, shared=True)
    await _check_takes(tx, requisition, new)
    contact = new.candidate
    if new.employee_id:
        worker = await employees.hold(tx, new.employee_id)
        if worker is None or (worker.left_on and worker.left_on <= local_day(tx.now, tx.settings.zone)):
            raise Invalid(
                "`employee_id` must name somebody who works here.",
                errors=[{"field": "employee_id", "message": "nobody with this id works here"}],
            )
        contact = contact.model_copy(update={"name": contact.name or worker.name})
    known_as = keys(contact, new.employee_id)
    if not known_as:
        raise Invalid(
            "A candidate needs a phone number, an e-mail address or an identity number.",
            errors=[{"field": "candidate", "message": "cannot be known again"}],
        )

    found = await candidates.known_by(tx, known_as)
    kinds = await candidates.kinds_of(tx, list(found.values()))
    who = match(known_as, found, kinds)
    differs: dict[str, str] = {}
    if who.id is None:
        candidate_id = new_id()
        await candidates.add(tx, candidate_id, contact, new.employee_id, new.consent_until)
        await candidates.add_keys(tx, candidate_id, known_as)
    else:
        candidate_id = who.id
        there = await candidates.hold(tx, candidate_id)
        assert there is not None
        said = contact.model_dump(exclude={"identity_number"}, exclude_none=True)
        differs = {field: value for field, value in said.items() if value != there[field]}
        if await candidates.running_for(tx, candidate_id, requisition_id, sorted(RUNNING)):
            raise IllegalState(
                "This candidate has an application for this requisition under way (candidate {id}).", id=candidate_id
            )
        await candidates.extend_consent(tx, candidate_id, new.consent_until)
        new_kinds = {kind: key for kind, key in known_as.items() if kind not in kinds.get(candidate_id, ())}
        await candidates.add_keys(tx, candidate_id, new_kinds)

    state = State.begin("application", new_id(), requisition_id, requisition.state.done)
    values = {
        "candidate_id": candidate_id, "channel": new.channel, "resume_ref": new.resume_ref, "given": differs or None,
        "internal": new.employee_id is not None,
    }  # fmt: skip
    await candidates.apply(tx, state, values)
    skip = new.employee_id is not None and tx.settings.internal_candidates_skip
    await begin(tx, state, actor, skip=skip)
    return Received(state.id, candidate_id, who.by, who.perhaps, tuple(sorted(differs)))


async def complete(tx: Tx, id: UUID, n: int, body: Mapping[str, Any], actor: Actor) -> Application:
    """Record an outcome of a step of an application. Where a list has rules of its own, this is a list of one."""
    after = await _complete(tx, id, n, body, actor) or await pipeline.application(tx, id)
    assert after is not None
    return after


async def _complete(tx: Tx, id: UUID, n: int, body: Mapping[str, Any], actor: Actor) -> Application | None:
    """What became of the application, where that is known without reading it again."""
    if n in (10, 11):
        one = await pipeline.application(tx, id)
        if one is None:
            raise _nothing(id)
        form = read_form(n, body, check_may(one.state, n, str(body.get("outcome", "")), actor, tx))
        decision = Decision(application_id=id, outcome=form.outcome, reason=form.reason)
        await decide(tx, one.state.requisition_id, n, [decision], actor, comment=form.comment)
        return None
    requisition, application = await _hold(tx, id, with_requisition=n in _TOUCHES_PLACES)
    outcome = check_may(application.state, n, str(body.get("outcome", "")), actor, tx)
    form = read_form(n, body, outcome)
    after = await _walk(tx, application, n, outcome, form, actor, requisition)
    if n in EFFECTS or requisition or after.status != application.state.status:
        return None
    return replace(application, state=after, reason=form.reason or application.reason, version=application.version + 1)


async def complete_as_system(
    tx: Tx, application: Application, n: int, outcome: str, fields: Mapping[str, Any], by: str
) -> None:
    """Record what another service, or the calendar, brought about; the application is locked, and it is its turn."""
    actor = system(by)
    checked = check_may(application.state, n, outcome, actor, tx)
    form = STEP[n].form.model_validate({"outcome": outcome, **fields})
    requisition = await hold_requisition(tx, application.state.requisition_id) if n in _TOUCHES_PLACES else None
    await _walk(tx, application, n, checked, form, actor, requisition)


async def _walk(
    tx: Tx, application: Application, n: int, outcome: Outcome, form: Any, actor: Actor, requisition: Requisition | None
) -> State:
    effect = EFFECTS.get(n)
    if effect:
        outcome = await effect(Case(tx, application, n, outcome, form, actor)) or outcome
    fields = form.model_dump(mode="json", exclude={"outcome", "reason"})
    after = await record(tx, application.state, n, outcome, actor, reason=form.reason, fields=fields)
    await _follow(tx, application, after, actor, requisition)
    return after


async def _follow(tx: Tx, before: Application, after: State, actor: Actor, requisition: Requisition | None) -> None:
    """What a new state brings with it beside its own history."""
    if after.status == "hired" and before.state.status != "hired":
        assert requisition is not None
        await employments.begin(tx, before, requisition)
    if after.status not in RUNNING:
        await selection.close_offer(tx, after.id, "void")
    if requisition and (after.listed, after.status) != (before.state.listed, before.state.status):
        gave_up = after.status not in RUNNING and (before.state.listed or before.proposed_at is not None)
        await settle_places(tx, requisition, actor, freed=gave_up and not after.listed)
    if after.status == "probation":
        await apply_reports(tx, after.id)


async def apply_reports(tx: Tx, application_id: UUID) -> None:
    """Let what training and performance reported take effect, each at the turn of its step."""
    employment = await employed.employment(tx, application_id)
    waiting = await employed.waiting(tx, application_id, employment["employee_id"] if employment else None)
    for report in waiting:
        application = await pipeline.hold_application(tx, application_id)
        assert application is not None
        n = report["step"]
        if n in application.state.done:  # it says again what is known
            await employed.mark_applied(tx, report["event_id"])
        elif n in open_steps(application.state, rules_of(tx.settings)):
            await employed.mark_applied(tx, report["event_id"])
            by = "performance" if n == 17 else "training"
            await complete_as_system(tx, application, n, report["outcome"], {"score": report["score"]}, by)
            return await apply_reports(tx, application_id)  # others may have waited for this
    return None


async def withdraw(tx: Tx, id: UUID, reason: str, actor: Actor) -> None:
    """The candidate withdraws; possible until a contract is signed."""
    requisition, application = await _hold(tx, id, with_requisition=True)
    if application.state.status in ("probation", "confirmed"):
        raise IllegalState(
            "A contract is signed; whoever leaves now does so by POST /recruiting/employees/{id}/departure.",
            id=(await _employee_of(tx, id)) or "…",
        )
    after = await record_whole(tx, application.state, "withdrawn", actor, reason=reason)
    await _follow(tx, application, after, actor, requisition)


async def leave(tx: Tx, employee_id: UUID, day: date) -> None:
    """Somebody who works here leaves: whatever they have under way, as a candidate or in probation, ends."""
    for _, id in await candidates.of_employee(tx, employee_id, sorted(RUNNING)):
        requisition, application = await _hold(tx, id, with_requisition=True)
        before = application.state
        if before.status not in RUNNING:
            continue
        whole = "withdrawn" if before.status in ("open", "reserve") else "left"
        after = await record_whole(tx, before, whole, system(), reason="left")
        if whole == "left":
            await employed.alter(tx, id, ended_on=day)
        await _follow(tx, application, after, system(), requisition)


async def decide(
    tx: Tx, requisition_id: UUID, n: int, decisions: Sequence[Decision], actor: Actor, *, comment: str | None = None
) -> bool:
    """Decide a list, all or none; False where it waits for a second decider.

    At step 11 no more pass than were approved, and nobody whose documents do not match. Who scored a candidate does not
    decide alone at step 10: the list takes effect when somebody else hands in the same.
    """
    if STEP[n].owner not in actor.sides and "admin" not in actor.sides:
        raise Forbidden(
            "Step {n} ({key}) belongs to {owner}; ask them, or sign in as somebody with the role {owner}.",
            n=n, key=STEP[n].key, owner=STEP[n].owner,
        )  # fmt: skip
    ids = {decision.application_id for decision in decisions}
    if len(ids) < len(decisions):
        raise Invalid(
            "Each application is decided once in a list.",
            errors=[{"field": "decisions", "message": "an application is in it twice"}],
        )
    requisition = await hold_requisition(tx, requisition_id) if n in _TOUCHES_PLACES else None
    held = {one.id: one for one in await pipeline.hold_applications(tx, requisition_id, ids=ids)}
    if absent := ids - set(held):
        raise NotFound(
            "These are no applications for this requisition: {ids}.", ids=", ".join(map(str, sorted(absent)))
        )
    outcomes = []
    for index, decision in enumerate(decisions):
        try:
            outcome = check_may(held[decision.application_id].state, n, decision.outcome, actor, tx)
            read_form(n, {"outcome": decision.outcome, "reason": decision.reason}, outcome)
        except (IllegalState, Invalid) as refused:
            refused.errors = [
                {"field": f"decisions.{index}", "message": str(refused), "id": str(decision.application_id)}
            ]
            raise
        outcomes.append(outcome)
    passing = [held[d.application_id] for d in decisions if d.outcome == "pass"]
    if n == 11 and requisition:
        await _check_places(tx, requisition, passing)
    alone = n == 10 and await selection.scored_by(tx, ids, actor.sub)
    if alone and not await requisitions.second(tx, requisition_id, n, decisions, actor.sub):
        return False
    freed = False
    for decision, outcome in zip(decisions, outcomes, strict=True):
        before = held[decision.application_id]
        fields = {"comment": comment}
        after = await record(tx, before.state, n, outcome, actor, reason=decision.reason, fields=fields)
        freed = freed or (before.proposed_at is not None and after.status == "rejected")
        if after.status == "hired":
            assert requisition is not None
            await employments.begin(tx, before, requisition)
    if requisition:
        await settle_places(tx, requisition, actor, freed=freed)
    return True


async def expire_offers(tx: Tx) -> None:
    """Offers whose last day has passed free their places."""
    for id in await selection.offers_expired(tx, local_day(tx.now, tx.settings.zone)):
        _, application = await _hold(tx, id, with_requisition=True)
        if 12 in open_steps(application.state, rules_of(tx.settings)) and not application.state.paused:
            await complete_as_system(tx, application, 12, "expired", {}, "recruiting")


async def set_documents(
    tx: Tx, application: Application, given: Mapping[Document, DocumentStatus], actor: Actor
) -> None:
    """Note how far the documents are; possible while the candidate is being chosen."""
    if application.state.status not in ("open", "reserve"):
        raise IllegalState(
            "The application is {status}; documents are verified while it is open.", status=application.state.status
        )
    await selection.set_documents(tx, application.id, given, actor.sub)


async def hold(tx: Tx, id: UUID) -> Application:
    """The application, locked. Raises `NotFound`."""
    return (await _hold(tx, id, with_requisition=False))[1]


async def _hold(tx: Tx, id: UUID, *, with_requisition: bool) -> tuple[Requisition | None, Application]:
    requisition = None
    if with_requisition:
        requisition_id = await pipeline.requisition_id_of(tx, id)
        requisition = await pipeline.hold_requisition(tx, requisition_id) if requisition_id else None
    application = await pipeline.hold_application(tx, id)
    if application is None:
        raise _nothing(id)
    return requisition, application


def _nothing(id: UUID) -> NotFound:
    return NotFound("No application has the id {id}.", id=id)


async def _employee_of(tx: Tx, application_id: UUID) -> UUID | None:
    employment = await employed.employment(tx, application_id)
    return employment["employee_id"] if employment else None


async def _check_takes(tx: Tx, requisition: Requisition, new: NewApplication) -> None:
    """Raise unless this requisition takes applications today, through this channel, kept with consent."""
    status, done = requisition.state.status, requisition.state.done
    if status != "open" or 4 not in done:
        raise IllegalState(
            "The requisition is {status} and takes no applications; it does while it is open, from step 4 on.",
            status=status,
        )
    today = local_day(tx.now, tx.settings.zone)
    posting = await requisitions.posting(tx, requisition.id)
    if posting and posting["closes_on"] and posting["closes_on"] < today:
        raise IllegalState("The posting closed on {day}.", day=posting["closes_on"])
    if new.channel not in await requisitions.costs(tx, requisition.id):
        raise Invalid(
            "The requisition does not use the channel {channel}; POST it to /recruiting/requisitions/{id}/channels.",
            errors=[{"field": "channel", "message": "not a channel of this requisition"}],
            channel=new.channel, id=requisition.id,
        )  # fmt: skip
    if new.consent_until < today:
        raise Invalid(
            "The consent has run out already; today is {today}.",
            errors=[{"field": "consent_until", "message": "has passed"}], today=today,
        )  # fmt: skip


async def _check_places(tx: Tx, requisition: Requisition, passing: Sequence[Application]) -> None:
    """Raise `IllegalState` if these cannot all go on the hiring list."""
    listed, _ = await pipeline.places(tx, requisition.id)
    check_places(requisition.headcount, listed, len(passing))
    for document in await selection.documents_of(tx, [one.id for one in passing]):
        if document["status"] == "mismatch":
            raise IllegalState(
                "The document {document} of application {id} does not match; correct it by PUT "
                "/recruiting/applications/{id}/documents/{document}, or reject.",
                document=document["document"], id=document["application_id"],
            )  # fmt: skip


async def _schedule(case: Case) -> None:
    form: Appointment = case.form
    if case.outcome.key == "scheduled":
        meeting = shaped(Meeting, form.model_dump(exclude={"outcome", "reason", "comment"}))
        await selection.add_interview(case.tx, case.id, meeting)


async def _conclude(case: Case) -> None:
    """An interview counts as held when every member of the panel has handed in."""
    if case.outcome.key == "no_show":
        await selection.finish_round(case.tx, case.id, "no_show")
    if case.outcome.key != "pass":
        return
    sheets = (await selection.sheets(case.tx, application_ids=[case.id])).get(case.id, [])
    missed = {row["id"] for row in await selection.rounds(case.tx, case.id) if row["status"] == "no_show"}
    lacking = sorted({sheet.member for sheet in sheets if not sheet.handed_in and sheet.interview_id not in missed})
    if lacking:
        raise IllegalState(
            "{count} score sheets are not handed in yet (PUT /recruiting/interviews/{{id}}/sheet), of: {members}.",
            count=len(lacking), members=", ".join(lacking),
        )  # fmt: skip
    profile = await competencies_of(case.tx, case.application)
    below = [mark.competency for mark in marks(profile, sheets) if mark.below]
    if below and case.form.reason is None:
        raise IllegalState("Below the least score: {below}. Reject, or pass with a reason.", below=", ".join(below))
    await selection.finish_round(case.tx, case.id, "held")


async def _verify(case: Case) -> None:
    form: Verification = case.form
    if form.documents:
        await set_documents(case.tx, case.application, form.documents, case.actor)
    there = {row["document"]: row["status"] for row in await selection.documents_of(case.tx, [case.id])}
    if case.outcome.key == "verified" and any(there.get(document) != "verified" for document in DOCUMENTS):
        raise IllegalState(
            "Verified means that all of {documents} are; they are: {there}.",
            documents=", ".join(DOCUMENTS), there=", ".join(f"{d} {there.get(d, 'missing')}" for d in DOCUMENTS),
        )  # fmt: skip
    if case.outcome.key == "mismatch" and "mismatch" not in there.values():
        raise IllegalState("Say in `documents` which of them does not match.")


async def _offer(case: Case) -> None:
    form: Offering = case.form
    tx, id, outcome = case.tx, case.id, case.outcome.key
    if outcome in ("fit", "unfit", "deferred"):
        return await selection.set_medical(tx, id, outcome)
    offer = await selection.offer(tx, id)
    if outcome == "offered":
        if case.application.medical != "fit":
            raise IllegalState(
                "An offer needs a medical result of fit; it is {medical}.",
                medical=case.application.medical or "unknown",
            )
        if offer:
            raise IllegalState("An offer is open until {day}.", day=offer["expires_on"])
        assert form.expires_on is not None
        if form.expires_on < case.today:
            raise Invalid(
                "An offer cannot have expired already; today is {today}.",
                errors=[{"field": "expires_on", "message": "has passed"}], today=case.today,
            )  # fmt: skip
        return await selection.make_offer(tx, id, form.expires_on)
    if outcome == "reject":
        return await selection.close_offer(tx, id, "void")
    if offer is None:
        raise IllegalState("No offer is open; record the outcomes fit and offered first.")
    if outcome == "accepted" and offer["expires_on"] < case.today:
        raise IllegalState("The offer expired on {day}.", day=offer["expires_on"])
    if outcome == "expired" and offer["expires_on"] >= case.today:
        raise IllegalState("The offer is open until {day}.", day=offer["expires_on"])
    return await selection.close_offer(tx, id, outcome)


async def competencies_of(tx: Tx, application: Application) -> list[Competency]:
    """The profile that the requisition of an application pins."""
    requisition = await pipeline.requisition(tx, application.state.requisition_id)
    assert requisition is not None
    return await requisitions.competencies(tx, requisition.profile_id)


EFFECTS: Mapping[int, Callable[[Case], Awaitable[Outcome | None]]] = {
    7: _schedule, 8: _conclude, 9: _verify, 12: _offer, **employments.EFFECTS,
}  # fmt: skip
