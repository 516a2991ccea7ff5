"""When somebody starts, changes or is appraised, which courses are theirs?"""

from collections.abc import Sequence

from services.training.repository import catalogue, people
from shared.calendar import local_day
from shared.contracts.performance import AppraisalFinalised
from shared.contracts.recruiting import EmployeeStarted
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
    known = await people.hold(tx, {event.employee_id for event, _ in delivered}, today, known=True)
    await catalogue.enrol_by_programmes(tx, known.values(), today, actor=US)


async def enrol_by_rule(tx: Tx) -> None:
    """Tenure grows without an event: look at everybody."""
    today = local_day(tx.now, tx.settings.zone)
    here = (await people.everybody(tx, today)).values()
    await catalogue.enrol_by_programmes(tx, here, today, actor=US)


async def train_after_low_appraisals(event: AppraisalFinalised, tx: Tx) -> None:
    """Programmes that go by the appraisal enrol those below their mark, once for each appraisal."""
    if event.total is None:
        return
    today = local_day(tx.now, tx.settings.zone)
    known = await people.hold(tx, [event.employee_id], today, known=True)
    appraisals = {event.employee_id: (event.appraisal_id, event.total)}
    await catalogue.enrol_by_programmes(tx, known.values(), today, actor=US, appraisals=appraisals)
