"""What does qa count, and what does it list for the others to compare?"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.qa.repository import recordings, standing
from shared import metrics
from shared.contracts.qa import AuditFailed, AuditPassed, FailuresListed
from shared.db import Tx
from shared.service import Job

GRAVEST_FIRST = ("customer_critical", "business_critical", "compliance_critical", "none")
OUTCOMES = ("upheld", "revised", "overturned", "wrong_agent")
PATIENCE = timedelta(hours=1)
"""After which a fail must have led to coaching and an entry."""
_LISTED_FOR = timedelta(days=1)
_MOST = 1000

# Counters that stand at nothing are there as well, so that the first time shows as a rise.
metrics.AUDITS.labels("passed", "none")
for _error_class in GRAVEST_FIRST:
    metrics.AUDITS.labels("failed", _error_class)
for _outcome in OUTCOMES:
    metrics.DISPUTES.labels(_outcome)


def count_audit(event: AuditPassed | AuditFailed) -> None:
    found = {failed.error_class for failed in event.failed_criteria}
    passed = isinstance(event, AuditPassed)
    gravest = "none" if passed else next((name for name in GRAVEST_FIRST if name in found), "none")
    metrics.AUDITS.labels("passed" if passed else "failed", gravest).inc()


async def count_waiting_calls(tx: Tx) -> None:
    metrics.WAITING_CALLS.set(await recordings.count_waiting(tx, 10_000))


async def list_failures(tx: Tx) -> None:
    """Say which audits of the last day have stood failed for an hour, so that who missed one finds out."""
    until = tx.now - PATIENCE
    async for ids in failures(tx, until - _LISTED_FOR, until):
        tx.emit(FailuresListed(until=until, audit_ids=tuple(ids)))


async def failures(tx: Tx, since: datetime, until: datetime) -> AsyncIterator[Sequence[UUID]]:
    """Audits released in this span, `until` excluded, that stand failed; in pages."""
    after = (since, UUID(int=0))
    while rows := await standing.failures(tx, after, until, _MOST):
        yield [row["id"] for row in rows]
        after = (rows[-1]["released_at"], rows[-1]["id"])


GAUGES = (count_waiting_calls,)
JOBS = (Job("failures", timedelta(minutes=10), list_failures),)
