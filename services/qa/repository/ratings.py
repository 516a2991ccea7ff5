"""What did customers say of a call?"""

from collections.abc import Sequence

from shared.contracts.crm import SatisfactionRated
from shared.db import Tx
from shared.delivery import Delivered
from shared.direct import text

_KEEP = text("""
    INSERT INTO qa.ratings AS known (call_id, agent_id, rating, told_at, told_by)
    SELECT * FROM unnest(CAST(:calls AS text[]), CAST(:agents AS text[]), CAST(:ratings AS integer[]),
                         CAST(:told_at AS timestamptz[]), CAST(:told_by AS text[]))
    ON CONFLICT (call_id, agent_id) DO UPDATE SET (rating, told_at, told_by)
         = (excluded.rating, excluded.told_at, excluded.told_by)
    WHERE (known.told_at, known.told_by) < (excluded.told_at, excluded.told_by)
""")


async def keep(tx: Tx, delivered: Sequence[Delivered[SatisfactionRated]]) -> None:
    """The newest copy of each rating, by time and then id of the letter."""
    newest: dict[tuple[str, str], Delivered[SatisfactionRated]] = {}
    for copy in sorted(delivered, key=lambda copy: (copy.letter.time, copy.letter.id)):
        newest[copy.event.call_id, copy.event.agent_id] = copy
    copies = [newest[key] for key in sorted(newest)]  # one order everywhere: no deadlocks
    await tx.run(
        _KEEP,
        {
            "calls": [copy.event.call_id for copy in copies],
            "agents": [copy.event.agent_id for copy in copies],
            "ratings": [copy.event.rating for copy in copies],
            "told_at": [copy.letter.time for copy in copies],
            "told_by": [copy.letter.id for copy in copies],
        },
    )
