"""When somebody starts, changes or leaves, which courses are theirs?"""

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from services.training.domain.rules import Person
from services.training.repository import catalogue, learning, people
from shared.calendar import local_day
from shared.contracts.recruiting import EmployeeLeft, EmployeeStarted
from shared.db import Tx
from shared.delivery import Delivered, bulk

US = "training"


@bulk
async def note_arrivals(delivered: Sequence[Delivered[EmployeeStarted]], tx: Tx) -> None:
    """Remember first days, for tenure and newcomers."""
    earliest: dict[object, EmployeeStarted] = {}
    for event, _ in delivered:
        known = earliest.get(event.employee_id)
        if known is None or event.date < known.date or (event.application_id and not known.application_id):
            earliest[event.employee_id] = event
    await people.note_arrivals(tx, {event.employee_id: event for event in earliest.values()})


@bulk
async def enrol_newcomers(delivered: Sequence[Delivered[EmployeeStarted]], tx: Tx) -> None:
    """Whoever a programme asks for, new employees first of all, is enrolled in its courses, once."""
    today = local_day(tx.now, tx.settings.zone)
    here = await _here(tx, {event.employee_id for event, _ in delivered}, today)
    await catalogue.enrol_by_programmes(tx, here, today, actor=US)


async def enrol_by_rule(tx: Tx) -> None:
    """Tenure grows without an event: look at everybody."""
    today = local_day(tx.now, tx.settings.zone)
    here = (await people.everybody(tx, today)).values()
    await catalogue.enrol_by_programmes(tx, here, today, actor=US)


async def _here(tx: Tx, employee_ids: Collection[UUID], today: date) -> list[Person]:
    known = await people.hold(tx, employee_ids, today, known=True)
    return [person for person in known.values() if not person.gone]


async def end_learning_of(event: EmployeeLeft, tx: Tx) -> None:
    """Who has left learns no more. After `note_leaving`."""
    await _end_learning(tx, event.employee_id)


async def end_learning_of_leavers(tx: Tx) -> None:
    """Also those whose last day was told before it came, and whoever was enrolled by hand or plan after it."""
    await _end_learning(tx)


async def _end_learning(tx: Tx, employee_id: UUID | None = None) -> None:
    """Seats in sessions to come go to whoever waits longest, and courses that are not done end."""
    today = local_day(tx.now, tx.settings.zone)
    for place in await learning.places_of_leavers(tx, today, employee_id):
        await learning.give_up_place(tx, place, by=US)
    await catalogue.end_of_leavers(tx, today, employee_id, actor=US)
