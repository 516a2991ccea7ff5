"""When something happens elsewhere, or a day has passed, what does recruiting do?"""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from services.recruiting.process.applications import apply_reports, expire_offers, leave
from services.recruiting.process.personal import erase_after_consent
from services.recruiting.process.reminders import remind_of_probations, remind_of_steps
from services.recruiting.repository import employments, measures, pipeline
from shared.contracts.performance import ProbationEvaluated
from shared.contracts.qa import AuditFailed, AuditOverturned, AuditPassed, AuditRescored, AuditRevised, AuditSubmitted
from shared.contracts.recruiting import EmployeeLeft
from shared.contracts.training import ExaminationFailed, ExaminationPassed, ExaminationResult
from shared.db import Tx
from shared.delivery import Policies
from shared.service import Job
from shared.weightings import WEIGHTINGS_POLICIES

_EXAMINED_AT = {"pre_job": 15, "culture": 16}


async def take_examination_result(event: ExaminationResult, tx: Tx) -> None:
    """Pre-job and culture examinations are what steps 15 and 16 wait for."""
    n = _EXAMINED_AT.get(event.purpose)
    if n:
        outcome = "passed" if isinstance(event, ExaminationPassed) else "failed"
        await _report(tx, n, event.employee_id, event.application_id, outcome, event.score)


async def take_probation_appraisal(event: ProbationEvaluated, tx: Tx) -> None:
    """The appraisal is what step 17 waits for; step 18 decides."""
    await _report(tx, 17, event.employee_id, None, "evaluated", event.total)


async def end_open_steps(event: EmployeeLeft, tx: Tx) -> None:
    """Nothing is open any more for somebody who leaves."""
    await leave(tx, event.employee_id, event.date)


async def note_audit(event: AuditSubmitted | AuditRevised, tx: Tx) -> None:
    """Audits of the first 90 days say how good a hire was. One overturned counts for nothing."""
    passed: bool | None = isinstance(event, AuditPassed)
    if isinstance(event, AuditRevised):
        passed = event.passed if isinstance(event, AuditRescored) else None
    submitted_at = event.submitted_at if isinstance(event, AuditSubmitted) else None
    await measures.note_audit(tx, event.audit_id, event.employee_id, event.revision, passed, submitted_at)


async def _report(
    tx: Tx, n: int, employee_id: UUID, application_id: UUID | None, outcome: str, score: Decimal | None
) -> None:
    """Keep the fact, and let it take effect if it is its turn."""
    assert tx.cause is not None
    await employments.note(tx, tx.cause.identity, tx.cause.time, n, employee_id, application_id, outcome, score)
    about = application_id or await employments.in_probation(tx, employee_id)
    if about and await pipeline.hold_application(tx, about):
        await apply_reports(tx, about)


POLICIES: Policies = {
    **WEIGHTINGS_POLICIES,
    ExaminationPassed: [take_examination_result],
    ExaminationFailed: [take_examination_result],
    ProbationEvaluated: [take_probation_appraisal],
    EmployeeLeft: [end_open_steps],
    AuditPassed: [note_audit],
    AuditFailed: [note_audit],
    AuditOverturned: [note_audit],
    AuditRescored: [note_audit],
}

JOBS = (
    Job("offers", timedelta(hours=1), expire_offers),
    Job("overdue", timedelta(minutes=15), remind_of_steps),
    Job("probations", timedelta(hours=1), remind_of_probations),
    Job("consent", timedelta(hours=1), erase_after_consent),
)
