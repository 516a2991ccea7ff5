"""What does recruiting count, and what must always hold in it?"""

from services.recruiting.domain.steps import STATUSES, STEPS
from services.recruiting.repository import due, pipeline_shape
from shared import metrics
from shared.calendar import local_day
from shared.db import Tx
from shared.service import MOST_BREACHES, Check


async def count_overdue_steps(tx: Tx) -> None:
    counted = await due.count_overdue(tx, local_day(tx.now, tx.settings.zone))
    for step, owner in {(step.n, step.owner) for step in STEPS} | set(counted):
        metrics.OVERDUE_STEPS.labels(str(step), owner).set(counted.get((step, owner), 0))


async def _unknown_steps(tx: Tx) -> list[str]:
    """Nobody is at a step, or in a status, that the table of steps does not have."""
    found: list[str] = []
    for scope, statuses in STATUSES.items():
        steps = [step.n for step in STEPS if step.scope == scope]
        strangers = await pipeline_shape.strangers(tx, scope, statuses, steps, MOST_BREACHES)
        found += [f"{scope} {id}: status {status}, step {step}" for id, status, step in strangers]
    return found[:MOST_BREACHES]


GAUGES = (count_overdue_steps,)
CHECKS = (Check("steps_are_known", _unknown_steps),)
