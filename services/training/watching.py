"""What does training count, and what must always hold in it?"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.training.repository import coaching
from shared import metrics
from shared.contracts.qa import FailuresListed
from shared.db import Tx
from shared.delivery import Delivered, bulk
from shared.service import Check
from shared.unmet import Comparison

AGES = ((2, "0-2"), (5, "3-5"), (10, "6-10"), (30, "11-30"))
"""Open for at most so many days; and what to call that."""


def count_decided(told_at: Iterable[datetime], tx: Tx) -> None:
    """Training has decided about fails whose verdicts were told at these times."""
    for at in told_at:
        metrics.COACHING_SECONDS.observe(max(0.0, (tx.now - at).total_seconds()))


async def count_open_coaching(tx: Tx) -> None:
    counted = dict.fromkeys((*(name for _, name in AGES), "over 30"), 0)
    for days, n in await coaching.count_open(tx):
        counted[next((name for most, name in AGES if days <= most), "over 30")] += n
    for name, n in counted.items():
        metrics.OPEN_COACHING.labels(name).set(n)


FAILS = Comparison("""
    NOT EXISTS (SELECT FROM training.coaching_assignments AS made WHERE made.audit_id = fail.audit_id)
    AND NOT EXISTS (SELECT FROM training.coaching_firings AS fired WHERE fired.audit_id = fail.audit_id)
    AND NOT EXISTS (SELECT FROM training.audit_states AS known WHERE known.audit_id = fail.audit_id AND NOT known.owed)
""")
"""A rule that was suppressed for a reason has decided as well; what is not owed any more needs nothing."""


@bulk
async def find_fails_not_coached(delivered: Sequence[Delivered[FailuresListed]], tx: Tx) -> None:
    await FAILS.compare(delivered, tx)


GAUGES = (count_open_coaching,)
CHECKS = (Check("failed_audits_are_coached", FAILS.breaches),)
