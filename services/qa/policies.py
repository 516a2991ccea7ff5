"""When something happens elsewhere, or time passes, what does qa do?"""

from collections.abc import Sequence
from datetime import timedelta

from services.qa.repository import checks, drawing, follow_ups, ratings, recordings
from shared.contracts.crm import CaseResolved, SatisfactionRated
from shared.contracts.telephony import CallEnded
from shared.contracts.training import CoachingCompleted
from shared.db import Tx
from shared.delivery import Delivered, Policies, bulk
from shared.people import PEOPLE_POLICIES
from shared.retention import erasing
from shared.service import Job
from shared.weightings import WEIGHTINGS_POLICIES


@bulk
async def keep_recordings(delivered: Sequence[Delivered[CallEnded]], tx: Tx) -> None:
    """Have every interaction there to be audited, as its newest copy tells it, whether its agent is known or not."""
    await recordings.keep(tx, delivered)


@bulk
async def keep_ratings(delivered: Sequence[Delivered[SatisfactionRated]], tx: Tx) -> None:
    """Know what customers said, for plans that draw by it."""
    await ratings.keep(tx, delivered)


@bulk
async def keep_cases(delivered: Sequence[Delivered[CaseResolved]], tx: Tx) -> None:
    """Know how long the cases that calls led to took, for checks of promised times."""
    await checks.keep_cases(tx, delivered)


@bulk
async def follow_coaching_up(delivered: Sequence[Delivered[CoachingCompleted]], tx: Tx) -> None:
    """Ask for an audit of the same criteria on a later call, to see whether the coaching worked."""
    await follow_ups.ask(tx, delivered)


POLICIES: Policies = {
    **PEOPLE_POLICIES,
    **WEIGHTINGS_POLICIES,
    CallEnded: [keep_recordings],
    SatisfactionRated: [keep_ratings],
    CaseResolved: [keep_cases],
    CoachingCompleted: [follow_coaching_up],
}

JOBS = (
    Job("draws", timedelta(minutes=5), drawing.draw_what_is_due),
    Job("transcripts", timedelta(hours=1), checks.drop_old_transcripts),
    erasing(recordings.ERASE),
)
