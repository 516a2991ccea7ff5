"""When something happens elsewhere, or time passes, what does training do?"""

from datetime import timedelta

from services.training.policies import appraisals, certificates, coaching, enrolment, planning, trainers
from services.training.watching import find_fails_not_coached
from shared.contracts.performance import AppraisalFinalised
from shared.contracts.qa import AuditDisputed, AuditFailed, AuditOverturned, AuditPassed, AuditRescored, FailuresListed
from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.db import Tx
from shared.delivery import Policies
from shared.people import PEOPLE_POLICIES
from shared.service import Job

POLICIES: Policies = {
    **PEOPLE_POLICIES,
    EmployeeStarted: [
        *PEOPLE_POLICIES[EmployeeStarted],
        enrolment.note_arrivals,
        coaching.find_missing_coaches,
        enrolment.enrol_newcomers,
    ],
    EmployeeChanged: [*PEOPLE_POLICIES[EmployeeChanged], coaching.find_missing_coaches, enrolment.enrol_newcomers],
    EmployeeLeft: [
        *PEOPLE_POLICIES[EmployeeLeft],
        coaching.replace_coaches,
        coaching.end_coaching_of,
        enrolment.end_learning_of,
        trainers.ask_for_trainers,
    ],
    AuditPassed: [coaching.remember_passes],
    AuditOverturned: [coaching.owe_only_what_stands],
    AuditRescored: [coaching.owe_only_what_stands],
    AuditDisputed: [coaching.wait_for_the_dispute],
    AuditFailed: [coaching.coach_what_was_missed],
    FailuresListed: [find_fails_not_coached],
    AppraisalFinalised: [appraisals.train_after_low_appraisals],
}
"""In one batch, bulk policies run in this order of events: what is known of an audit comes before its fail."""

DAILY = timedelta(hours=1)
"""Work of each day; once an hour, so that a restart loses no day. Each of them does a thing once."""


async def end_what_leavers_began(tx: Tx) -> None:
    """Who is to leave on a day that was told before has left when the day comes."""
    await coaching.end_coaching_of_leavers(tx)
    await enrolment.end_learning_of_leavers(tx)


JOBS = (
    Job("overdue", DAILY, coaching.mark_what_is_late),
    Job("coaches", DAILY, coaching.replace_coaches_gone_today),
    Job("leavers", DAILY, end_what_leavers_began),
    Job("trainers", DAILY, trainers.remind_of_abandoned_sessions),
    Job("enrolment", DAILY, enrolment.enrol_by_rule),
    Job("certificates", DAILY, certificates.warn_and_expire),
    Job("calendar", DAILY, planning.remind_of_deadlines),
    Job("tally", DAILY, planning.propose_needs_from_audits),
    Job("surveys", DAILY, planning.propose_needs_from_surveys),
)
