"""Is every requisition and application where the table of steps has a place for it?"""

from collections.abc import Sequence
from typing import Any

from services.recruiting.domain.steps import Scope
from shared.db import Tx
from shared.direct import text

# Each status, and each step, that occurs is found by one step down an index; so what this costs grows with how many
# different ones there are, not with the rows.
_DISTINCT = """
    WITH RECURSIVE there (value) AS (
        (SELECT {column} FROM recruiting.{table} ORDER BY {column} LIMIT 1)
        UNION ALL
        SELECT (SELECT {column} FROM recruiting.{table} WHERE {column} > there.value ORDER BY {column} LIMIT 1)
        FROM there WHERE there.value IS NOT NULL
    )
    SELECT value FROM there WHERE value IS NOT NULL
"""


async def strangers(
    tx: Tx, scope: Scope, statuses: Sequence[str], steps: Sequence[int], most: int
) -> Sequence[tuple[Any, ...]]:
    """Id, status and step of records whose status or open step is none of these."""
    table = f"{scope}s"
    found: dict[Any, tuple[Any, ...]] = {}
    for column, known in (("status", statuses), ("step", steps)):
        there = await tx.column(text(_DISTINCT.format(column=column, table=table)))
        for value in set(there) - set(known):
            query = f"SELECT id, status, step FROM recruiting.{table} WHERE {column} = :value ORDER BY id LIMIT :most"
            found |= {row.id: tuple(row) for row in await tx.tuples(text(query), {"value": value, "most": most})}
    return list(found.values())
