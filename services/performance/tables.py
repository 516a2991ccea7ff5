"""Where does performance keep what it knows?

Facts, one row each, and beside them sums for each agent and day that are changed in the same statement; the ledger of
each appraisal, and what is known of the audits behind it. Migrations make the tables; columns, keys and indexes here
and there are compared by a test.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.mailbox import mailbox_tables
from shared.people import people_tables

metadata = MetaData(schema="performance")

mailbox_tables(metadata)
employees, employee_logins, agent_holders = people_tables(metadata)

call_facts = Table(
    "call_facts",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Column("letter_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("queue", Text, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("wait_ms", Integer),
    Column("talk_ms", Integer),
    Column("hold_ms", Integer),
    Column("wrap_up_ms", Integer),
)
case_facts = Table(
    "case_facts",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Column("letter_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("category", Text, nullable=False),
    Column("resolved", Boolean, nullable=False),
    Column("first_contact", Boolean),
)
rating_facts = Table(
    "rating_facts",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Column("letter_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("rating", SmallInteger, nullable=False),
)


def _days(name: str, *by: str, sums: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("agent_id", Text, primary_key=True),
        Column("day", Date, primary_key=True),
        *(Column(column, Text, primary_key=True) for column in by),
        *(Column(column, BigInteger, nullable=False) for column in sums),
    )


call_days = _days(
    "call_days",
    "queue",
    sums=(
        "calls", "answered", "waits", "wait_ms", "within_20s", "talks", "talk_ms", "holds", "hold_ms", "wrap_ups",
        "wrap_up_ms", "handling_ms",
    ),
)  # fmt: skip
case_days = _days("case_days", "category", sums=("cases", "resolved", "contacts_known", "resolved_at_first_contact"))
rating_days = _days("rating_days", sums=("ratings", "rating_sum"))

indicators = Table(
    "indicators",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("source", Text, nullable=False),
    Column("formula", Text, nullable=False),
    Column("measure", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("scale", Numeric, nullable=False),
    Column("names", JSONB, nullable=False),
    Column("unit", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Index("indicators_by_key", "key", "version", unique=True),
)

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
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
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
    Index("appraisals_once", "cycle_id", "employee_id", unique=True),
    Index("appraisals_by_cycle", "cycle_id", "id"),
    Index("appraisals_by_employee", "employee_id", "id"),
)

audits = Table(
    "audits",
    metadata,
    Column("audit_id", Uuid, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("submitted_on", Date),
    Column("call_id", Text),
    Column("scorecard", Text),
    Index("audits_by_day", "submitted_on"),
    Index("audits_by_employee", "employee_id"),
)
audit_revisions = Table(
    "audit_revisions",
    metadata,
    Column("audit_id", Uuid, ForeignKey(audits.c.audit_id), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("score", Numeric),
)

_live = text("kind = 'entry' AND reversed_by IS NULL")
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("appraisal_id", Uuid, ForeignKey(appraisals.c.id), nullable=False),
    Column("dimension", Text, nullable=False),
    Column("indicator", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("audit_id", Uuid, ForeignKey(audits.c.audit_id), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("reverses", Uuid, ForeignKey("performance.ledger_entries.id")),
    Column("reversed_by", Uuid),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ledger_entries_live", "appraisal_id", "audit_id", unique=True, postgresql_where=_live),
    Index(
        "ledger_entries_once",
        "appraisal_id",
        "audit_id",
        "revision",
        unique=True,
        postgresql_where=text("kind = 'entry'"),
    ),
    Index("ledger_entries_by_reversed", "reverses", unique=True),
    Index("ledger_entries_by_appraisal", "appraisal_id", "id"),
)
