"""The ledger holds entries of every kind, chained by hash; cycles and appraisals have a life."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from alembic import op

from shared.migrations import execute_each

revision = "0003"
down_revision = "0002"

LIFE = """
ALTER TABLE {schema}.cycles
    ADD employee_id uuid, ADD calibrated_by text, ADD calibrated_at timestamptz, ADD finalised_by text,
    ADD finalised_at timestamptz, ADD weighting_id uuid,
    ADD CHECK (status IN ('open', 'calibrated', 'finalised'));
ALTER TABLE {schema}.appraisals
    ADD low numeric, ADD high numeric, ADD ledger_length integer NOT NULL DEFAULT 0,
    ADD ledger_head bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    ADD revision integer NOT NULL DEFAULT 0, ADD finalised_at timestamptz, ADD acknowledged_at timestamptz,
    ADD outcome jsonb, ADD carried boolean NOT NULL DEFAULT false,
    ADD CHECK (status IN ('open', 'calibrated', 'finalised', 'acknowledged'));
CREATE INDEX appraisals_carried ON {schema}.appraisals (employee_id) WHERE carried;
"""

LEDGER = """
ALTER TABLE {schema}.ledger_entries
    ALTER audit_id DROP NOT NULL, ALTER revision DROP NOT NULL, ALTER event_id DROP NOT NULL,
    ADD basis text NOT NULL DEFAULT 'audit' CHECK (basis IN ('audit', 'indicator', 'appeal', 'adjustment')),
    ADD points numeric, ADD n integer NOT NULL DEFAULT 1, ADD weight numeric NOT NULL DEFAULT 100,
    ADD low numeric, ADD high numeric, ADD actor text NOT NULL DEFAULT 'system', ADD indicator_version integer,
    ADD refers_to uuid, ADD seq integer, ADD hash bytea;
"""
STRICT = """
ALTER TABLE {schema}.ledger_entries
    ALTER points SET NOT NULL, ALTER seq SET NOT NULL, ALTER hash SET NOT NULL,
    ADD CHECK ((basis = 'audit') = (audit_id IS NOT NULL)), ADD CHECK ((audit_id IS NULL) = (revision IS NULL));
CREATE UNIQUE INDEX ledger_entries_in_order ON {schema}.ledger_entries (appraisal_id, seq);
CREATE UNIQUE INDEX ledger_entries_measured ON {schema}.ledger_entries (appraisal_id, indicator)
    WHERE kind = 'entry' AND basis = 'indicator' AND reversed_by IS NULL;
CREATE INDEX ledger_entries_by_reference ON {schema}.ledger_entries (refers_to) WHERE refers_to IS NOT NULL;
DROP INDEX {schema}.ledger_entries_by_appraisal;
ALTER TABLE {schema}.ledger_entries ENABLE TRIGGER only_append;
"""


def upgrade() -> None:
    execute_each(LIFE, schema="performance")
    execute_each(LEDGER, schema="performance")
    _chain()
    execute_each(STRICT, schema="performance")


def _chain() -> None:
    """Number and chain what was booked before, as `domain.chain` did when this was written."""
    connection: Any = op.get_bind()
    connection.exec_driver_sql("ALTER TABLE performance.ledger_entries DISABLE TRIGGER only_append")
    connection.exec_driver_sql("UPDATE performance.ledger_entries SET points = value")
    rows = connection.exec_driver_sql(
        "SELECT * FROM performance.ledger_entries ORDER BY appraisal_id, at, kind, id"
    ).mappings()
    heads: dict[UUID, tuple[int, bytes]] = {}
    for row in rows.all():
        seq, previous = heads.get(row["appraisal_id"], (0, bytes(32)))
        content = {k: v for k, v in {**row, "seq": seq + 1}.items() if k not in ("hash", "reversed_by")}
        told = {name: _told(value) for name, value in content.items()}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        hashed = sha256(previous + text.encode()).digest()
        heads[row["appraisal_id"]] = (seq + 1, hashed)
        connection.exec_driver_sql(
            f"UPDATE performance.ledger_entries SET seq = {seq + 1}, hash = '\\x{hashed.hex()}' "
            f"WHERE id = '{row['id']}'"
        )
    for appraisal, (length, head) in heads.items():
        connection.exec_driver_sql(
            f"UPDATE performance.appraisals SET ledger_length = {length}, ledger_head = '\\x{head.hex()}' "
            f"WHERE id = '{appraisal}'"
        )


def _told(value: Any) -> Any:
    match value:
        case Decimal():
            return format(value.normalize(), "f") if value else "0"
        case UUID():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value
