"""As days pass, which certificates run out?"""

from datetime import timedelta

from services.training.repository import learning
from services.training.repository.rows import remind
from shared.calendar import local_day
from shared.contracts.training import CertificationExpired
from shared.db import Tx

WARNINGS = (60, 30, 7)
"""Days before the last day."""


async def warn_and_expire(tx: Tx) -> None:
    """Warn once at each distance, and report once what has run out; what was renewed in time is neither."""
    today = local_day(tx.now, tx.settings.zone)
    for row in await learning.expiring(tx, today + timedelta(days=max(WARNINGS))):
        days = (row["valid_until"] - today).days
        if days < 0:
            await learning.mark_expired(tx, row["id"])
            if not row["renewed"]:
                tx.emit(learning.certificate_event(CertificationExpired, row))
        elif not row["renewed"]:
            await remind(
                tx, kind="certification", subject=str(row["id"]), employee_id=row["employee_id"],
                days_before=min(distance for distance in WARNINGS if days <= distance), due_on=row["valid_until"],
            )  # fmt: skip
