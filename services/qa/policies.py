"""When something happens elsewhere, what does qa do?"""

from collections.abc import Sequence

from services.qa.repository import recordings
from shared.contracts.telephony import CallEnded
from shared.db import Tx
from shared.delivery import Delivered, Policies, bulk
from shared.people import PEOPLE_POLICIES


@bulk
async def keep_recordings(delivered: Sequence[Delivered[CallEnded]], tx: Tx) -> None:
    """Have every interaction there to be audited, as its newest copy tells it, whether its agent is known or not."""
    await recordings.keep(tx, delivered)


POLICIES: Policies = {**PEOPLE_POLICIES, CallEnded: [keep_recordings]}
