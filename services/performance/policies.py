"""When something happens elsewhere, what does performance do?"""

from collections.abc import Sequence

from services.performance.domain.facts import call_fact, case_fact, rating_fact
from services.performance.repository import appraisals, cycles, facts
from shared.calendar import local_day
from shared.contracts.crm import CaseResolved, SatisfactionRated
from shared.contracts.qa import AuditFailed, AuditOverturned, AuditPassed, AuditRescored, AuditSubmitted
from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.contracts.telephony import CallEnded
from shared.db import Tx
from shared.delivery import Delivered, Policies, bulk
from shared.people import PEOPLE_POLICIES


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
    await cycles.appraise(tx, employees)
    await appraisals.book(tx, await appraisals.audits_of(tx, employees))


async def spare_leavers(event: EmployeeLeft, tx: Tx) -> None:
    """Drop the appraisal of whoever left before the cycle began."""
    await cycles.wait_together(tx)
    await cycles.appraise(tx, [event.employee_id])


async def enter_audit(event: AuditSubmitted, tx: Tx) -> None:
    """Enter the score of a submitted audit into the ledger."""
    assert tx.cause is not None
    day = local_day(event.submitted_at, tx.settings.zone)
    if await appraisals.know_revision(tx, event, tx.cause.id, event.score, day):
        await appraisals.book(tx, [event.audit_id])


async def take_audit_back(event: AuditOverturned, tx: Tx) -> None:
    """Reverse the entry of an audit that counts for nothing any more."""
    assert tx.cause is not None
    if await appraisals.know_revision(tx, event, tx.cause.id, None):
        await appraisals.book(tx, [event.audit_id])


async def enter_audit_anew(event: AuditRescored, tx: Tx) -> None:
    """Reverse the entry of an audit and enter its new score."""
    assert tx.cause is not None
    if await appraisals.know_revision(tx, event, tx.cause.id, event.score):
        await appraisals.book(tx, [event.audit_id])


POLICIES: Policies = {
    CallEnded: [count_calls],
    CaseResolved: [count_cases],
    SatisfactionRated: [count_ratings],
    EmployeeStarted: [*PEOPLE_POLICIES[EmployeeStarted], begin_appraisals],
    EmployeeChanged: [*PEOPLE_POLICIES[EmployeeChanged], begin_appraisals],
    EmployeeLeft: [*PEOPLE_POLICIES[EmployeeLeft], spare_leavers],
    AuditPassed: [enter_audit],
    AuditFailed: [enter_audit],
    AuditOverturned: [take_audit_back],
    AuditRescored: [enter_audit_anew],
}
