"""What does performance count, and what must always hold in it?"""

from collections.abc import Sequence
from uuid import UUID

from services.performance.commands import verify_appraisals, verify_some
from services.performance.domain.chain import Fault
from shared.contracts.qa import FailuresListed
from shared.db import Tx
from shared.delivery import Delivered, bulk
from shared.service import MOST_BREACHES, Check
from shared.unmet import Comparison

FAILS = Comparison("""(
    NOT EXISTS (SELECT FROM performance.audit_revisions AS told WHERE told.audit_id = fail.audit_id)
    OR (SELECT told.score IS NOT NULL FROM performance.audit_revisions AS told
        WHERE told.audit_id = fail.audit_id ORDER BY told.revision DESC LIMIT 1)
       AND EXISTS (
           SELECT FROM performance.audits AS known
           WHERE known.audit_id = fail.audit_id AND (known.submitted_on IS NULL OR EXISTS (
               SELECT FROM performance.appraisals AS appraisal
               JOIN performance.cycles AS cycle ON cycle.id = appraisal.cycle_id
               WHERE appraisal.employee_id = known.employee_id AND appraisal.finalised_at IS NULL
                 AND cycle.status <> 'finalised'
                 AND known.submitted_on BETWEEN cycle.first_day AND cycle.last_day
                 AND (cycle.employee_id IS NULL OR cycle.employee_id = known.employee_id)
                 AND NOT EXISTS (SELECT FROM performance.ledger_entries AS entry
                                 WHERE entry.appraisal_id = appraisal.id AND entry.audit_id = known.audit_id))))
)""")
"""Never heard of; or, as long as a score stands, known without the day it belongs to, or without an entry in an open
appraisal of that day. Where there is no such appraisal it waits for one, as it should."""


@bulk
async def find_fails_not_entered(delivered: Sequence[Delivered[FailuresListed]], tx: Tx) -> None:
    await FAILS.compare(delivered, tx)


class _Rounds:
    """Ledgers are added up a page at a time, round after round; one that was wrong is looked at each time."""

    def __init__(self) -> None:
        self._after: UUID | None = None
        self._wrong: dict[UUID, Fault] = {}

    async def __call__(self, tx: Tx) -> list[str]:
        again, self._wrong = list(self._wrong), {}
        faults, self._after = await verify_some(tx, again, self._after)
        for fault in faults[:MOST_BREACHES]:
            self._wrong.setdefault(fault.appraisal_id, fault)
        return [_words(fault) for fault in self._wrong.values()]


async def _all_ledgers(tx: Tx) -> list[str]:
    _, faults = await verify_appraisals(tx)
    return [_words(fault) for fault in faults[:MOST_BREACHES]]


def _words(fault: Fault) -> str:
    return f"appraisal {fault.appraisal_id}, line {fault.seq}: {fault.reason}"


CHECKS = (
    Check("failed_audits_are_entered", FAILS.breaches),
    Check("ledgers_add_up", _Rounds(), find_all=_all_ledgers),
)
