"""When a trainer leaves, who has to hear of it?"""

from services.training.repository import trainers
from services.training.repository.rows import remind
from shared.calendar import local_day
from shared.contracts.recruiting import EmployeeLeft
from shared.db import Tx

REMINDERS = (60, 7, 1)
"""Days before the first meeting without a trainer."""


async def ask_for_trainers(_event: EmployeeLeft, tx: Tx) -> None:
    """The managers hear of sessions that need another trainer. After `note_leaving`."""
    await remind_of_abandoned_sessions(tx)


async def remind_of_abandoned_sessions(tx: Tx) -> None:
    """Once at each distance, as long as it is so."""
    today = local_day(tx.now, tx.settings.zone)
    for row in await trainers.abandoned(tx):
        days = (row["day"] - today).days
        if days <= max(REMINDERS):
            await remind(
                tx, kind="deadline", subject=f"session_trainer:{row['session_id']}:{row['trainer_id']}", who="manager",
                due_on=row["day"], days_before=min(distance for distance in REMINDERS if days <= distance),
            )  # fmt: skip
