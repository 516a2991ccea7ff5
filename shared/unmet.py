"""Which failed audits have led to nothing here, though they should have?

No service can look into the database of another. So qa lists what it failed more than an hour ago
(`qa.failures.listed.v1`), and who acts on fails compares. What is missing is kept in the table `unmet_fails` until it
is there, so that every replica knows of it, and also after the list has moved on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Column, DateTime, MetaData, Table, Uuid

from shared.contracts.qa import FailuresListed
from shared.db import Tx
from shared.delivery import Delivered
from shared.direct import text
from shared.service import MOST_BREACHES

UNMET_DDL = "CREATE TABLE {schema}.unmet_fails (audit_id uuid PRIMARY KEY, listed_at timestamptz NOT NULL);"


def unmet_table(metadata: MetaData) -> Table:
    return Table(
        "unmet_fails",
        metadata,
        Column("audit_id", Uuid, primary_key=True),
        Column("listed_at", DateTime(timezone=True), nullable=False),
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """`unmet`: SQL that says of `fail.audit_id` whether it has led to nothing here, though it should have."""

    unmet: str

    async def of(self, tx: Tx, audit_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Those of these failed audits that are unmet."""
        return await tx.column(
            text(f"SELECT fail.audit_id FROM unnest(CAST(:ids AS uuid[])) AS fail (audit_id) WHERE {self.unmet}"),
            {"ids": list(audit_ids)},
        )

    async def compare(self, delivered: Sequence[Delivered[FailuresListed]], tx: Tx) -> None:
        """Keep what is unmet of these lists; forget, of all that is kept, what is unmet no longer."""
        missing = await self.of(tx, sorted({id for event, _ in delivered for id in event.audit_ids}))
        await tx.run(text(f"DELETE FROM {tx.schema}.unmet_fails AS fail WHERE NOT ({self.unmet})"))
        await tx.run(
            text(f"""
            INSERT INTO {tx.schema}.unmet_fails (audit_id, listed_at)
            SELECT audit_id, :at FROM unnest(CAST(:ids AS uuid[])) AS fail (audit_id) ON CONFLICT DO NOTHING
            """),
            {"ids": sorted(missing), "at": tx.now},
        )

    async def breaches(self, tx: Tx) -> list[str]:
        """What is kept and unmet to this day, the longest known first."""
        found = await tx.column(
            text(f"""
            SELECT fail.audit_id FROM {tx.schema}.unmet_fails AS fail WHERE {self.unmet}
            ORDER BY fail.listed_at, fail.audit_id LIMIT :most
            """),
            {"most": MOST_BREACHES},
        )
        return [f"audit {id}" for id in found]
