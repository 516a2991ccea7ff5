"""Where does training keep what it knows?"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.mailbox import mailbox_tables
from shared.people import people_tables

metadata = MetaData(schema="training")

mailbox_tables(metadata)
employees, employee_logins, agent_holders = people_tables(metadata)

coaching_rules = Table(
    "coaching_rules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("due_working_days", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("coaches", ARRAY(Text), nullable=False),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Index("coaching_rules_by_key", "key", unique=True),
    Index("coaching_rules_by_priority", "priority", "id"),
)

audit_states = Table(
    "audit_states",
    metadata,
    Column("audit_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("owed", Boolean, nullable=False),
)
"""The newest fact about each audit, also where it came before the fail it is about. Its row is locked by whoever
handles anything about the audit."""

coaching_assignments = Table(
    "coaching_assignments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("audit_id", Uuid, nullable=False),
    Column("audit_revision", Integer, nullable=False),
    Column("recording_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("coach_id", Uuid),
    Column("rule", Text, nullable=False),
    Column("competencies", ARRAY(Text), nullable=False),
    Column("failed_criteria", JSONB, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("assigned_at", DateTime(timezone=True), nullable=False),
    Column("status", Text, nullable=False),
    Column("acknowledged_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    Column("completed_by", Text),
    Column("cancelled_at", DateTime(timezone=True)),
    Column("overdue_at", DateTime(timezone=True)),
    Column("no_longer_owed", Boolean, nullable=False),
    Column("note", Text),
    Column("version", Integer, nullable=False),
    Index("coaching_assignments_by_audit", "audit_id", unique=True),
    Index("coaching_assignments_by_employee", "employee_id", "id"),
    Index("coaching_assignments_by_coach", "coach_id", "id"),
    Index("coaching_assignments_by_status", "status", "id"),
    Index(
        "coaching_assignments_pending",
        "due_on",
        postgresql_where=text("status IN ('assigned', 'acknowledged') AND overdue_at IS NULL"),
    ),
)

coaching_history = Table(
    "coaching_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("assignment_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB, nullable=False),
    Column("cause", Text),
    Index("coaching_history_by_assignment", "assignment_id", "id"),
)
"""Only ever added to. `cause` is the id of the event that brought the change about."""
