"""What is booked when the fate of an audit changes?

An audit has revisions: submitted, then perhaps rescored or overturned. The highest known one says whether it counts and
with which score. In the ledger of an appraisal each revision that counts, or once counted, is an entry, and each entry
that a higher revision superseded is reversed. So the entries, and which of them stand, depend only on which revisions
are known, not on the order they came in: a revision that comes late is entered and reversed at once.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Literal, NamedTuple
from uuid import UUID

from shared.ids import new_id

Kind = Literal["entry", "reversal"]


class Booked(NamedTuple):
    """An entry that is in the ledger already."""

    id: UUID
    reversed: bool


class Revision(NamedTuple):
    """What became of an audit, and the entry it led to so far."""

    number: int
    event_id: str
    score: Decimal | None
    """None: the audit counts for nothing."""
    booked: Booked | None = None


class Movement(NamedTuple):
    """A new line of the ledger. A reversal has the value of the entry that it takes back."""

    id: UUID
    appraisal_id: UUID
    dimension: str
    indicator: str
    kind: Kind
    audit_id: UUID
    revision: int
    """Of the event behind this line: for a reversal, the one that superseded the entry."""
    event_id: str
    value: Decimal
    at: datetime
    reverses: UUID | None = None
    reversed_by: UUID | None = None


def movements(
    appraisal_id: UUID,
    audit_id: UUID,
    revisions: Sequence[Revision],
    *,
    dimension: str,
    indicator: str,
    at: datetime,
) -> list[Movement]:
    """What must be added to the ledger of this appraisal so that it agrees with the revisions known of this audit."""

    def line(id: UUID, kind: Kind, cause: Revision, value: Decimal) -> Movement:
        number, event_id, _, _ = cause
        return Movement(id, appraisal_id, dimension, indicator, kind, audit_id, number, event_id, value, at)

    added: list[Movement] = []
    known = sorted(revisions, key=lambda revision: revision.number)
    for this, superseding in zip_longest(known, known[1:]):
        if this.score is None:
            continue
        entry, reversal = this.booked, None
        entry_id = entry.id if entry else new_id()
        if superseding and not (entry and entry.reversed):
            reversal = line(new_id(), "reversal", superseding, this.score)._replace(reverses=entry_id)
        if entry is None:
            new = line(entry_id, "entry", this, this.score)
            added.append(new._replace(reversed_by=reversal.id) if reversal else new)
        if reversal:
            added.append(reversal)
    return added
