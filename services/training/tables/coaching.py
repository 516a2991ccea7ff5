"""Rules, what audits found, assignments and all that happens to them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.training.tables.base import metadata
from shared.direct import text

competencies = Table(
    "competencies",
    metadata,
    Column("code", Text, primary_key=True),
    Column("trainability", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
)

coaching_rules = Table(
    "coaching_rules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("condition", JSONB, nullable=False),
    Column("due_working_days", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("coaches", ARRAY(Text), nullable=False),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("topic", Text),
    Column("course", Text),
    Column("coach_group", ARRAY(Uuid), nullable=False),
    Column("cooldown_days", Integer, nullable=False),
    Column("needs_approval", Boolean, nullable=False),
    Column("unless_open", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("coaching_rules_by_key", "key", unique=True),
    Index("coaching_rules_by_priority", "priority", "id"),
)

coaching_firings = Table(
    "coaching_firings",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("day", Date, nullable=False),
    Column("audit_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("rule", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("competencies", ARRAY(Text), nullable=False),
    Column("courses", ARRAY(Text), nullable=False),
    Index("coaching_firings_by_audit", "audit_id", "id"),
    Index("coaching_firings_by_rule", "rule", "id"),
    Index("coaching_firings_acted", "employee_id", "rule", "day", postgresql_where=text("outcome = 'acted'")),
)
"""Every rule whose condition was met: it acted, or was suppressed for a reason. Only ever added to."""

audit_states = Table(
    "audit_states",
    metadata,
    Column("audit_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("owed", Boolean, nullable=False),
    Column("stage", SmallInteger, nullable=False),
    Column("decided_on", Date),
    Column("remaining", ARRAY(Text)),
)
"""The newest fact about each audit, also where it came before the fail it is about. Its row is locked by whoever
handles anything about the audit."""

audit_results = Table(
    "audit_results",
    metadata,
    Column("audit_id", Uuid, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("scorecard", Text, nullable=False),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    Column("score", Numeric, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("criteria", ARRAY(Text), nullable=False),
    Column("competencies", ARRAY(Text), nullable=False),
    Column("error_classes", ARRAY(Text), nullable=False),
    Index("audit_results_by_employee", "employee_id", "submitted_at", "audit_id"),
    Index("audit_results_by_time", "submitted_at", "audit_id"),
)
"""What each submitted audit found; the three arrays go together, one place for each failed criterion."""

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
    Column("kind", Text, nullable=False),
    Column("topic", Text),
    Column("scorecard", Text, nullable=False),
    Column("submitted_on", Date, nullable=False),
    Column("due_working_days", Integer, nullable=False),
    Column("needs_approval", Boolean, nullable=False),
    Column("remaining_criteria", ARRAY(Text)),
    Column("owed", Boolean, nullable=False),
    Column("disputed", Boolean, nullable=False),
    Column("approved_at", DateTime(timezone=True)),
    Column("approved_by", Text),
    Column("refused_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("escalated_to", Uuid),
    Column("followed_up_at", DateTime(timezone=True)),
    Column("follow_up_audit_id", Uuid),
    Column("follow_up_met", Boolean),
    Column("stand_in", Boolean, nullable=False, server_default=text("false")),
    Column("employee_left", Boolean, nullable=False, server_default=text("false")),
    Index("coaching_assignments_by_audit", "audit_id", unique=True),
    Index("coaching_assignments_by_employee", "employee_id", "id"),
    Index("coaching_assignments_by_coach", "coach_id", "id"),
    Index("coaching_assignments_by_status", "status", "id"),
    Index("coaching_assignments_escalated", "escalated_to", "id"),
    Index(
        "coaching_assignments_pending",
        "due_on",
        postgresql_where=text("status IN ('assigned', 'acknowledged', 'in_progress') AND overdue_at IS NULL"),
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

coaching_items = Table(
    "coaching_items",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("assignment_id", Uuid, nullable=False),
    Column("what", Text, nullable=False),
    Column("due_on", Date),
    Column("done_at", DateTime(timezone=True)),
    Column("by", Text, nullable=False),
    Index("coaching_items_by_assignment", "assignment_id", "id"),
)
"""What coach and employee agreed to do."""

coaching_notes = Table(
    "coaching_notes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("assignment_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Index("coaching_notes_by_assignment", "assignment_id", "id"),
)
"""A note that is not shared is seen by who wrote it, and by nobody else."""
