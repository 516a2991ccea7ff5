"""How are the data of a candidate taken away, or handed to them?"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from services.recruiting.domain.walk import Actor
from services.recruiting.process.applications import withdraw
from services.recruiting.process.record import system
from services.recruiting.repository import candidates, employees, personal
from shared.calendar import local_day
from shared.db import Tx
from shared.errors import IllegalState, NotFound

_MOST = 100
_BEFORE_A_CONTRACT = ("open", "reserve", "hired")


async def erase(tx: Tx, id: UUID, reason: str, actor: Actor) -> datetime:
    """Take away what identifies a candidate; when that was done. All counts stay.

    Whatever they have under way is withdrawn first. The name of somebody who worked here goes with it; that of somebody
    who applied from within stays while they are here. Done already, nothing happens. Raises `IllegalState` for somebody
    whom an application brought here and who is here still: their data are those of an employee.
    """
    today = local_day(tx.now, tx.settings.zone)
    await _existing(tx, id)
    if await personal.works_here(tx, id, today):
        raise IllegalState("This candidate works here; their data can be erased once they have left.")
    for application in await personal.applications_of(tx, id):
        if application["status"] in _BEFORE_A_CONTRACT:
            await withdraw(tx, application["id"], reason, actor)
    await candidates.known_by(tx, await personal.keys_of(tx, id))  # nobody can apply as this candidate from here on
    candidate = await candidates.hold(tx, id)
    assert candidate is not None
    if erased_at := candidate["erased_at"]:
        return cast(datetime, erased_at)
    own = await personal.applications_of(tx, id)
    if any(application["status"] in _BEFORE_A_CONTRACT for application in own):
        raise IllegalState("This candidate applied again at this moment; try again.")
    said: list[dict[str, Any]] = [dict(candidate), *(application["given"] or {} for application in own)]
    ids = {id, *(application["id"] for application in own)}
    name = {one["name"] for one in said if one.get("name")}
    if candidate["employee_id"]:
        employee = await employees.hold(tx, candidate["employee_id"])
        if employee and employee.left_on and employee.left_on <= today:
            ids.add(employee.id)
            name |= {employee.name} if employee.name else set()
            await personal.erase_name(tx, employee.id)
    reached_by = {one[field] for one in said for field in ("phone", "email") if one.get(field)}
    reached_by |= {application["resume_ref"] for application in own if application["resume_ref"]}
    await personal.erase_candidate(tx, id)
    await personal.erase_letters(tx, personal.Traces(tuple(name), tuple(reached_by), tuple(ids)))
    return tx.now


async def erase_after_consent(tx: Tx) -> None:
    """Consent that ran out does the same by itself."""
    for id in await personal.consent_over(tx, local_day(tx.now, tx.settings.zone), _MOST):
        await erase(tx, id, "consent_ended", system())


async def export(tx: Tx, id: UUID) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The candidate, and all rows about them by table."""
    candidate = await _existing(tx, id)
    own = [candidate["employee_id"]] if candidate["employee_id"] else []
    candidate["known_by"] = sorted(await personal.keys_of(tx, id))
    return candidate, await personal.everything(tx, id, own)


async def _existing(tx: Tx, id: UUID) -> dict[str, Any]:
    row = await candidates.candidate(tx, id)
    if row is None:
        raise NotFound("No candidate has the id {id}.", id=id)
    return dict(row)
