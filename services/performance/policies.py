"""When something happens elsewhere, what does performance do?"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

from services.performance.domain.facts import attendance_fact, call_fact, case_fact, rating_fact, training_fact
from services.performance.repository import appraisals, cycles, facts, weightings
from services.performance.watching import find_fails_not_entered
from shared import metrics
from shared.calendar import local_day
from shared.contracts.crm import CaseResolved, SatisfactionRated
from shared.contracts.qa import (
    AuditFailed,
    AuditOverturned,
    AuditPassed,
    AuditRescored,
    AuditRevised,
    AuditSubmitted,
    FailuresListed,
)
from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.contracts.telephony import CallEnded
from shared.contracts.training import AttendanceNoted, ExaminationFailed, ExaminationPassed
from shared.db import Tx
from shared.delivery import Delivered, Policies, bulk
from shared.people import PEOPLE_POLICIES
from shared.retention import erasing
from shared.service import Job


@bulk
async def count_calls(delivered: Sequence[Delivered[CallEnded]], tx: Tx) -> None:
    zone = tx.settings.zone
    found = (call_fact(event, letter.time, letter.id, zone) for event, letter in delivered)
    await facts.record(tx, facts.CALLS, [fact for fact in found if fact is not None])


@bulk
async def count_cases(delivered: Sequence[Delivered[CaseResolved]], tx: Tx) -> None:
    zone = tx.settings.zone
    await facts.record(tx, facts.CASES, [case_fact(event, letter.time, letter.id, zone) for event, letter in delivered])


@bulk
async def count_ratings(delivered: Sequence[Delivered[SatisfactionRated]], tx: Tx) -> None:
    zone = tx.settings.zone
    await facts.record(
        tx, facts.RATINGS, [rating_fact(event, letter.time, letter.id, zone) for event, letter in delivered]
    )


@bulk
async def begin_appraisals(delivered: Sequence[Delivered[EmployeeStarted]], tx: Tx) -> None:
    """Have new employees appraised in the open cycles, with the audits that came before they were known."""
    employees = sorted({event.employee_id for event, _ in delivered})
    await cycles.wait_alone(tx)
    await cycles.know_careers(tx, [event for event, _ in delivered])
    for event, _ in delivered:
        if type(event) is EmployeeStarted and event.application_id is not None:  # a change is no beginning
            await cycles.begin_probation(tx, event.employee_id, event.date)
    await cycles.appraise(tx, employees)
    await appraisals.book(tx, await appraisals.audits_of(tx, employees))


async def spare_leavers(event: EmployeeLeft, tx: Tx) -> None:
    """Drop the appraisal of whoever left before the cycle began."""
    await cycles.wait_together(tx)
    await cycles.appraise(tx, [event.employee_id])


async def enter_audit(event: AuditSubmitted, tx: Tx) -> None:
    """Enter the score of a submitted audit into the ledger."""
    day = local_day(event.submitted_at, tx.settings.zone)
    await _book(event, tx, event.score, day)


async def take_audit_back(event: AuditOverturned, tx: Tx) -> None:
    """Reverse the entry of an audit that counts for nothing any more."""
    await _book(event, tx, None)


async def enter_audit_anew(event: AuditRescored, tx: Tx) -> None:
    """Reverse the entry of an audit and enter its new score."""
    await _book(event, tx, event.score)


async def _book(event: AuditSubmitted | AuditRevised, tx: Tx, score: Decimal | None, day: date | None = None) -> None:
    assert tx.cause is not None
    if await appraisals.know_revision(tx, event, tx.cause.id, score, day):
        await facts.recount_audits(tx, event.audit_id)
        await appraisals.book(tx, [event.audit_id])
        if isinstance(event, AuditFailed):
            age = max(0.0, (tx.now - tx.cause.time).total_seconds())
            tx.on_commit(partial(metrics.APPRAISAL_SECONDS.observe, age))


@bulk
async def count_examinations(delivered: Sequence[Delivered[ExaminationPassed | ExaminationFailed]], tx: Tx) -> None:
    zone = tx.settings.zone
    await facts.record_training(
        tx, [training_fact(event, letter.id, local_day(letter.time, zone)) for event, letter in delivered]
    )


@bulk
async def count_attendance(delivered: Sequence[Delivered[AttendanceNoted]], tx: Tx) -> None:
    zone = tx.settings.zone
    await facts.record(
        tx, facts.ATTENDANCE, [attendance_fact(event, letter.time, letter.id, zone) for event, letter in delivered]
    )


POLICIES: Policies = {
    CallEnded: [count_calls],
    CaseResolved: [count_cases],
    SatisfactionRated: [count_ratings],
    EmployeeStarted: [*PEOPLE_POLICIES[EmployeeStarted], begin_appraisals],
    EmployeeChanged: [*PEOPLE_POLICIES[EmployeeChanged], begin_appraisals],
    EmployeeLeft: [*PEOPLE_POLICIES[EmployeeLeft], spare_leavers],
    ExaminationPassed: [count_examinations],
    ExaminationFailed: [count_examinations],
    AttendanceNoted: [count_attendance],
    AuditPassed: [enter_audit],
    AuditFailed: [enter_audit],
    AuditOverturned: [take_audit_back],
    AuditRescored: [enter_audit_anew],
    FailuresListed: [find_fails_not_entered],
}

JOBS = (
    Job("weightings", timedelta(hours=1), weightings.publish),  # those judged before the release that began to do so
    erasing(facts.ERASE_CALLS),
)
