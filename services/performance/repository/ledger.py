"""What is in the ledgers, and how does a line get there?"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.performance.domain.chain import HASHED, Head, link
from services.performance.domain.explanation import Line, Reversal
from services.performance.domain.ledger import Basis, Movement, Tally
from services.performance.domain.templates import AUDIT_INDICATOR
from services.performance.tables import ledger_entries
from shared import direct
from shared.db import RowMapping, Tx
from shared.direct import text

_TYPES = {
    "id": "uuid", "appraisal_id": "uuid", "dimension": "text", "indicator": "text", "kind": "text", "audit_id": "uuid",
    "revision": "integer", "event_id": "text", "value": "numeric", "at": "timestamptz", "reverses": "uuid",
    "reversed_by": "uuid", "basis": "text", "points": "numeric", "n": "integer", "weight": "numeric",
    "low": "numeric", "high": "numeric", "actor": "text", "indicator_version": "integer", "refers_to": "uuid",
    "seq": "integer", "hash": "bytea",
}  # fmt: skip
"""A movement, field by field, and its place in the chain."""
_FEW = 50
"""Up to so many lines one statement is quicker; from there on COPY, three times as quick with a thousand."""
_INSERT = text(f"""
INSERT INTO performance.ledger_entries ({", ".join(_TYPES)})
SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {type}[])" for name, type in _TYPES.items())})
""")
_REVERSE = text("""
UPDATE performance.ledger_entries entry SET reversed_by = reversal.id
FROM unnest(CAST(:entries AS uuid[]), CAST(:reversals AS uuid[])) AS reversal (entry_id, id)
WHERE entry.id = reversal.entry_id
""")


def linked(heads: dict[UUID, Head], added: Sequence[Movement]) -> list[tuple[Any, ...]]:
    """These lines as they stand in the table, each in the chain of its appraisal, whose head moves on."""
    rows = []
    for movement in added:
        length, before = heads[movement.appraisal_id]
        content = (*movement, length + 1)
        hash = link(before, dict(zip(_TYPES, content, strict=False)))
        heads[movement.appraisal_id] = Head(length + 1, hash)
        rows.append((*content, hash))
    return rows


async def write(tx: Tx, added: Sequence[Movement], rows: Sequence[tuple[Any, ...]]) -> None:
    """Add lines, `linked`, to the ledgers of locked appraisals."""
    if not added:
        return
    taken_back = {m.reverses: m.id for m in added if m.reverses}
    if taken_back:  # first, for an audit or indicator has at most one entry that stands
        await tx.run(_REVERSE, {"entries": list(taken_back), "reversals": list(taken_back.values())})
    if len(rows) <= _FEW:
        await tx.run(_INSERT, dict(zip(_TYPES, map(list, zip(*rows, strict=True)), strict=True)))
        return
    await direct.copy(tx.connection, tx.schema, "ledger_entries", list(_TYPES), rows)


async def tallies(tx: Tx, pooled: Mapping[UUID, bool], *, but: Basis | None = None) -> dict[UUID, list[Tally]]:
    """What stands in these appraisals, each of which pools points of audits or not; without what rests on `but`."""
    found: dict[UUID, list[Tally]] = {id: [] for id in pooled}
    rows: Any = await tx.tuples(
        text("""
        SELECT appraisal_id, dimension, indicator, count(*), sum(w), sum(w * p), sum(w * w), sum(w * w * p),
               sum(w * w * p * p), CASE count(*) WHEN 1 THEN min(low) END, CASE count(*) WHEN 1 THEN min(high) END
        FROM (SELECT appraisal_id, dimension, indicator, low, high, points AS p,
                     CASE WHEN indicator = :pool AND appraisal_id = ANY(CAST(:pooled AS uuid[])) THEN weight
                          ELSE 1 END AS w
              FROM performance.ledger_entries
              WHERE appraisal_id = ANY(CAST(:ids AS uuid[])) AND kind = 'entry' AND reversed_by IS NULL
                AND basis IS DISTINCT FROM :but) AS counted
        GROUP BY 1, 2, 3
        """),
        {"ids": list(pooled), "pooled": [id for id in pooled if pooled[id]], "pool": AUDIT_INDICATOR, "but": but},
    )
    for id, *added_up in rows:
        found[id].append(Tally(*added_up))
    return found


async def measured(tx: Tx, appraisals: Sequence[UUID]) -> dict[UUID, dict[str, Movement]]:
    """The entries of indicators that stand, by indicator."""
    names = ", ".join(Movement._fields)
    found: dict[UUID, dict[str, Movement]] = {id: {} for id in appraisals}
    rows: Any = await tx.tuples(
        text(f"""
        SELECT {names} FROM performance.ledger_entries
        WHERE appraisal_id = ANY(CAST(:ids AS uuid[])) AND kind = 'entry' AND basis = 'indicator'
          AND reversed_by IS NULL
        """),
        {"ids": list(appraisals)},
    )
    for row in rows:
        entry = Movement(*row)
        found[entry.appraisal_id][entry.indicator] = entry
    return found


async def entry(tx: Tx, id: UUID) -> Movement | None:
    """One entry, as it was booked."""
    row = await tx.first(
        select(*(ledger_entries.c[name] for name in Movement._fields)).where(
            ledger_entries.c.id == id, ledger_entries.c.kind == "entry"
        )
    )
    return Movement(**row) if row else None


async def lines(tx: Tx, appraisal_id: UUID, as_of: datetime | None = None) -> list[Line]:
    """The entries of the ledger, oldest first, with their evidence and their reversals; as they stood then, if told."""
    rows: Any = await tx.tuples(_LINES, {"id": appraisal_id, "as_of": as_of})
    found = []
    for *own, later, revision, event_id, at, by in rows:
        own.insert(_REVERSAL, Reversal(later, revision, event_id, at, by) if later else None)
        found.append(Line._make(own))
    return found


_REVERSAL = Line._fields.index("reversal")
_LINES = text("""
SELECT entry.id, entry.dimension, entry.indicator, entry.audit_id, entry.revision, entry.event_id, audit.call_id,
       audit.scorecard, entry.value, entry.at, entry.basis, entry.points, entry.n, entry.weight, entry.low, entry.high,
       entry.actor, entry.indicator_version, entry.refers_to,
       reversal.id, reversal.revision, reversal.event_id, reversal.at, reversal.actor
FROM performance.ledger_entries entry
LEFT JOIN performance.audits audit ON audit.audit_id = entry.audit_id
LEFT JOIN performance.ledger_entries reversal
  ON reversal.id = entry.reversed_by AND (CAST(:as_of AS timestamptz) IS NULL OR reversal.at <= :as_of)
WHERE entry.appraisal_id = :id AND entry.kind = 'entry'
  AND (CAST(:as_of AS timestamptz) IS NULL OR entry.at <= :as_of)
ORDER BY entry.seq
""")


async def chained(tx: Tx, appraisals: Sequence[UUID]) -> Sequence[RowMapping]:
    """Every line of these appraisals with its hash, by appraisal and number."""
    names: Any = [ledger_entries.c[name] for name in (*HASHED, "reversed_by", "hash")]
    query = select(*names).where(ledger_entries.c.appraisal_id.in_(appraisals))
    return await tx.all(query.order_by(ledger_entries.c.appraisal_id, ledger_entries.c.seq))
