"""What does a policy cost that writes one row? `python -m bench.one_row each|batch work training --port PORT`.

`headset work training`, to the bus, the inbox and the jobs, but all that it does about failed audits is to store a row
for each: by a statement for each, or by one for the batch. What is left to the worker when there is nothing to decide.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import text

import services.one as composition
from services.__main__ import main
from services.training.app import service as training
from shared.contracts.qa import AuditFailed
from shared.db import Tx
from shared.delivery import Delivered, bulk

_NOTE = text("""
    INSERT INTO training.audit_states (audit_id, revision, owed)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:revisions AS integer[]), CAST(:owed AS boolean[]))
    ON CONFLICT DO NOTHING
""")


@bulk
async def note_all(delivered: Sequence[Delivered[AuditFailed]], tx: Tx) -> None:
    events = sorted((event for event, _ in delivered), key=lambda event: event.audit_id)
    values = {"ids": [e.audit_id for e in events], "revisions": [e.revision for e in events]}
    await tx.run(_NOTE, {**values, "owed": [True] * len(events)})


async def note(event: AuditFailed, tx: Tx) -> None:
    await tx.run(_NOTE, {"ids": [event.audit_id], "revisions": [event.revision], "owed": [True]})


if __name__ == "__main__":
    policy = {"each": note, "batch": note_all}[sys.argv.pop(1)]
    measured = replace(training, policies={AuditFailed: [policy]})
    composition.named = lambda name: measured
    sys.exit(main())
