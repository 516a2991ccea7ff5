"""Who is reminded of what as days pass? Each once, and of nothing that has meanwhile been done."""

from datetime import timedelta

from services.recruiting.repository import due
from shared.calendar import local_day
from shared.contracts.recruiting import ProbationEnding, StepOverdue
from shared.db import Tx

AHEAD = (30, 14, 0)
"""Days before the end of a probation."""
_MOST = 1000


async def remind_of_steps(tx: Tx) -> None:
    """Tell of steps that became overdue."""
    today = local_day(tx.now, tx.settings.zone)
    for row in await due.take_overdue(tx, today, _MOST):
        tx.emit(StepOverdue(**row))


async def remind_of_probations(tx: Tx) -> None:
    """Tell of probations about to end: of the nearest of the days only, where several have passed unsaid."""
    today = local_day(tx.now, tx.settings.zone)
    for row in await due.probations(tx, today + timedelta(days=max(AHEAD))):
        ends_on = row["probation_ends_on"]
        days = min(ahead for ahead in AHEAD if (ends_on - today).days <= ahead)
        if await due.note_probation(tx, row["application_id"], ends_on, days):
            tx.emit(
                ProbationEnding(
                    application_id=row["application_id"], employee_id=row["employee_id"], ends_on=ends_on, days=days
                )
            )
