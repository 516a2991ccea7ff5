"""What happens to interviews: another round, another time, a score sheet handed in?"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from services.recruiting.domain.forms import Meeting
from services.recruiting.domain.interviews import Sheet, marks, weighted
from services.recruiting.domain.walk import Actor
from services.recruiting.process.applications import competencies_of, hold
from services.recruiting.repository import pipeline, selection
from services.recruiting.repository.pipeline import Application
from shared.db import RowMapping, Tx
from shared.errors import Forbidden, IllegalState, Invalid, NotFound


async def another_round(tx: Tx, application_id: UUID, meeting: Meeting) -> UUID:
    """A further interview, beside those before; from step 7 until the hiring list is decided."""
    application = await hold(tx, application_id)
    _check_choosing(application)
    return await selection.add_interview(tx, application_id, meeting)


async def reschedule(tx: Tx, id: UUID, meeting: Meeting, reason: str, actor: Actor) -> None:
    """Another time, place or panel. Sheets that are handed in stay."""
    interview = await _held(tx, id)
    if interview["status"] != "scheduled":
        raise IllegalState("The interview is {status}; only one still to come is moved.", status=interview["status"])
    panel = [sheet.member for sheet in await panel_of(tx, id)]
    await selection.reschedule(tx, interview, panel, meeting, reason, actor.sub)


async def write_sheet(
    tx: Tx, id: UUID, scores: Mapping[str, Decimal], papers: Mapping[str, Decimal], hand_in: bool, actor: Actor
) -> None:
    """A member of the panel writes their sheet; handed in, it is locked."""
    interview = await _held(tx, id)
    own = next((sheet for sheet in await panel_of(tx, id) if sheet.member == actor.sub), None)
    if own is None:
        raise Forbidden("You are not on the panel of this interview; its members are named by step 7 or a new time.")
    if own.handed_in:
        raise IllegalState("Your score sheet is handed in and locked.")
    application = await hold(tx, interview["application_id"])
    _check_choosing(application)
    profile = await competencies_of(tx, application)
    known = {line.competency for line in profile}
    if strange := sorted(set(scores) - known):
        raise Invalid(
            "The profile of this requisition has no {strange}; it has {known}.",
            errors=[{"field": f"scores.{key}", "message": "not in the profile"} for key in strange],
            strange=", ".join(strange), known=", ".join(sorted(known)),
        )  # fmt: skip
    if hand_in and (lacking := sorted(known - set(scores))):
        raise Invalid(
            "A sheet that is handed in scores every competency; {lacking} are missing.",
            errors=[{"field": f"scores.{key}", "message": "is missing"} for key in lacking], lacking=", ".join(lacking),
        )  # fmt: skip
    await selection.write_sheet(tx, id, actor.sub, scores, papers, tx.now if hand_in else None)
    if hand_in:
        sheets = (await selection.sheets(tx, application_ids=[application.id])).get(application.id, [])
        await selection.set_score(tx, application.id, weighted(marks(profile, sheets)))


async def panel_of(tx: Tx, id: UUID) -> list[Sheet]:
    """The sheets of one interview, one for each member of its panel."""
    found = await selection.sheets(tx, interview_id=id)
    return [sheet for sheets in found.values() for sheet in sheets]


async def _held(tx: Tx, id: UUID) -> RowMapping:
    """The interview, with its application locked before it. Raises `NotFound`."""
    there = await selection.interview(tx, id)
    if there and await pipeline.hold_application(tx, there["application_id"]):
        interview = await selection.interview(tx, id, hold=True)
        assert interview is not None
        return interview
    raise NotFound("No interview has the id {id}.", id=id)


def _check_choosing(application: Application) -> None:
    state = application.state
    if state.status not in ("open", "reserve") or 7 not in state.done or 11 in state.done:
        raise IllegalState(
            "The application is {status}, its steps {done} are done; interviews are held between steps 7 and 11.",
            status=state.status, done=", ".join(map(str, sorted(state.done))) or "none",
        )  # fmt: skip
