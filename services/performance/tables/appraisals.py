"""Where do appraisals stand, what is in their ledgers, and who decided what?"""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.performance.tables.base import metadata
from services.performance.tables.facts import audits
from shared.direct import text


def _at(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=null)


cycles = Table(
    "cycles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("name", Text),
    Column("kind", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("template", JSONB, nullable=False),
    Column("status", Text, nullable=False, server_default="open"),
    Column("opened_by", Text, nullable=False),
    _at("opened_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("employee_id", Uuid),
    Column("calibrated_by", Text),
    _at("calibrated_at", null=True),
    Column("finalised_by", Text),
    _at("finalised_at", null=True),
    Column("weighting_id", Uuid),
    Index("cycles_by_code", "code", unique=True),
)
appraisals = Table(
    "appraisals",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.uuidv7()),
    Column("cycle_id", Uuid, ForeignKey(cycles.c.id), nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("status", Text, nullable=False, server_default="open"),
    Column("scores", JSONB, nullable=False, server_default="{}"),
    Column("total", Numeric),
    Column("grade", Text),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("low", Numeric),
    Column("high", Numeric),
    Column("ledger_length", Integer, nullable=False, server_default="0"),
    Column("ledger_head", LargeBinary, nullable=False, server_default=text("decode(repeat('00', 32), 'hex')")),
    Column("revision", Integer, nullable=False, server_default="0"),
    _at("finalised_at", null=True),
    _at("acknowledged_at", null=True),
    Column("outcome", JSONB),
    Column("carried", Boolean, nullable=False, server_default="false"),
    Index("appraisals_once", "cycle_id", "employee_id", unique=True),
    Index("appraisals_by_cycle", "cycle_id", "id"),
    Index("appraisals_by_employee", "employee_id", "id"),
    Index("appraisals_carried", "employee_id", postgresql_where=text("carried")),
)

_entry = "kind = 'entry'"
_live = f"{_entry} AND reversed_by IS NULL"
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("appraisal_id", Uuid, ForeignKey(appraisals.c.id), nullable=False),
    Column("dimension", Text, nullable=False),
    Column("indicator", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("audit_id", Uuid, ForeignKey(audits.c.audit_id)),
    Column("revision", Integer),
    Column("event_id", Text),
    Column("value", Numeric, nullable=False),
    Column("reverses", Uuid, ForeignKey("performance.ledger_entries.id")),
    Column("reversed_by", Uuid),
    _at("at"),
    Column("basis", Text, nullable=False, server_default="audit"),
    Column("points", Numeric, nullable=False),
    Column("n", Integer, nullable=False, server_default="1"),
    Column("weight", Numeric, nullable=False, server_default="100"),
    Column("low", Numeric),
    Column("high", Numeric),
    Column("actor", Text, nullable=False, server_default="system"),
    Column("indicator_version", Integer),
    Column("refers_to", Uuid),
    Column("seq", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("ledger_entries_live", "appraisal_id", "audit_id", unique=True, postgresql_where=text(_live)),
    Index(
        "ledger_entries_once", "appraisal_id", "audit_id", "revision", unique=True, postgresql_where=text(_entry)
    ),
    Index(
        "ledger_entries_measured", "appraisal_id", "indicator", unique=True,
        postgresql_where=text(f"{_entry} AND basis = 'indicator' AND reversed_by IS NULL"),
    ),
    Index("ledger_entries_by_reversed", "reverses", unique=True),
    Index("ledger_entries_by_reference", "refers_to", postgresql_where=text("refers_to IS NOT NULL")),
    Index("ledger_entries_in_order", "appraisal_id", "seq", unique=True),
)  # fmt: skip

ratings = Table(
    "ratings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("appraisal_id", Uuid, ForeignKey(appraisals.c.id), nullable=False),
    Column("indicator", Text, nullable=False),
    Column("rater", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Numeric, nullable=False),
    _at("given_at"),
    Index("ratings_by_appraisal", "appraisal_id", "indicator", "rater", "id"),
)
history = Table(
    "history",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("appraisal_id", Uuid, ForeignKey(appraisals.c.id), nullable=False),
    _at("at"),
    Column("by", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("evidence", Uuid),
    Index("history_by_appraisal", "appraisal_id", "id"),
)
appeals = Table(
    "appeals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("appraisal_id", Uuid, ForeignKey(appraisals.c.id), nullable=False),
    Column("entry_id", Uuid, ForeignKey(ledger_entries.c.id), nullable=False),
    Column("filed_by", Text, nullable=False),
    _at("filed_at"),
    Column("reason", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="open"),
    Column("decided_by", Text),
    _at("decided_at", null=True),
    Column("decision", Text),
    Column("points", Numeric),
    Column("new_entry_id", Uuid),
    Column("version", Integer, nullable=False, server_default="1"),
    Index("appeals_once", "entry_id", unique=True),
    Index("appeals_by_appraisal", "appraisal_id", "id"),
)
improvement_plans = Table(
    "improvement_plans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("appraisal_id", Uuid, ForeignKey(appraisals.c.id), nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("competencies", ARRAY(Text), nullable=False),
    Column("status", Text, nullable=False, server_default="open"),
    _at("opened_at"),
    Column("checkpoints", JSONB, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Index("improvement_plans_once", "appraisal_id", unique=True),
    Index("improvement_plans_by_employee", "employee_id", "id"),
)
