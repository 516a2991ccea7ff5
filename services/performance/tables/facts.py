"""Which facts are kept, and which sums of each day?

Facts, one row each, and beside them sums for each agent or employee and day, changed in the same transaction.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.performance.tables.base import metadata
from shared.direct import text
from shared.retention import AGES_FROM

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
    Index("call_facts_by_day", "day", postgresql_using="brin"),
    Index("call_facts_by_age", text(AGES_FROM)),
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


def _changed() -> Column[datetime]:
    """When this day changed last; null where it has not since before releases that note it."""
    return Column("changed_at", DateTime(timezone=True))


def _days(name: str, *by: str, sums: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("agent_id", Text, primary_key=True),
        Column("day", Date, primary_key=True),
        *(Column(column, Text, primary_key=True) for column in by),
        *(Column(column, BigInteger, nullable=False) for column in sums),
        _changed(),
    )


call_days = _days(
    "call_days",
    "queue",
    sums=(
        "calls", "answered", "waits", "wait_ms", "within_20s", "talks", "talk_ms", "holds", "hold_ms", "wrap_ups",
        "wrap_up_ms", "handling_ms",
    ),
)  # fmt: skip
call_limits = Table("call_limits", metadata, Column("seconds", Integer, primary_key=True, autoincrement=False))
"""Limits, beside 20 seconds, within which answered calls are counted, because an indicator asks for it."""
call_limit_days = Table(
    "call_limit_days",
    metadata,
    Column("agent_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("queue", Text, primary_key=True),
    Column("seconds", Integer, primary_key=True),
    Column("calls", BigInteger, nullable=False),
)
case_days = _days("case_days", "category", sums=("cases", "resolved", "contacts_known", "resolved_at_first_contact"))
rating_days = _days("rating_days", sums=("ratings", "rating_sum"))

_NONE = text("'{}'")
audits = Table(
    "audits",
    metadata,
    Column("audit_id", Uuid, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("submitted_on", Date),
    Column("call_id", Text),
    Column("scorecard", Text),
    Column("auditor_id", Text),
    Column("error_classes", ARRAY(Text), nullable=False, server_default=_NONE),
    Column("lasting_classes", ARRAY(Text), nullable=False, server_default=_NONE),
    Column("competencies", ARRAY(Text), nullable=False, server_default=_NONE),
    Index("audits_by_day", "submitted_on"),
    Index("audits_by_employee", "employee_id", "submitted_on"),
)
audit_revisions = Table(
    "audit_revisions",
    metadata,
    Column("audit_id", Uuid, ForeignKey(audits.c.audit_id), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("score", Numeric),
    Column("passed", Boolean),
    Column("possible", Numeric),
    Column("told_at", DateTime(timezone=True)),
    Column("error_classes", ARRAY(Text)),
    Column("competencies", ARRAY(Text)),
)
audit_days = Table(
    "audit_days",
    metadata,
    Column("employee_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("audits", BigInteger, nullable=False, server_default="0"),
    Column("score_sum", Numeric, nullable=False, server_default="0"),
    *(
        Column(f"free_of_{name}", BigInteger, nullable=False, server_default="0")
        for name in ("customer_critical", "business_critical", "compliance_critical", "other")
    ),
    _changed(),
)
training_facts = Table(
    "training_facts",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("course", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("score", Numeric),
    Index("training_facts_by_employee", "employee_id", "day"),
)
training_days = Table(
    "training_days",
    metadata,
    Column("employee_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("examinations", BigInteger, nullable=False, server_default="0"),
    Column("passed", BigInteger, nullable=False, server_default="0"),
    Column("scored", BigInteger, nullable=False, server_default="0"),
    Column("score_sum", Numeric, nullable=False, server_default="0"),
    Column("meetings", BigInteger, nullable=False, server_default="0"),
    Column("attended", BigInteger, nullable=False, server_default="0"),
    Column("minutes", BigInteger, nullable=False, server_default="0"),
    _changed(),
)
attendance_facts = Table(
    "attendance_facts",
    metadata,
    Column("meeting_id", Uuid, primary_key=True),
    Column("employee_id", Uuid, primary_key=True),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Column("letter_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("course", Text, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("minutes", Integer, nullable=False),
    Index("attendance_facts_by_employee", "employee_id", "day"),
)
circumstances = Table(
    "circumstances",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("circumstance", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date),
    Column("noted_by", Text, nullable=False),
    Column("noted_at", DateTime(timezone=True), nullable=False),
    Index("circumstances_by_employee", "employee_id", "id"),
)
careers = Table(
    "careers",
    metadata,
    Column("employee_id", Uuid, primary_key=True),
    Column("started_on", Date, nullable=False),
    Column("application_id", Uuid),
    Column("source_channel", Text),
)
