"""Needs, plans, and the calendar they follow."""

from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.training.tables.base import metadata

deadlines = Table(
    "deadlines",
    metadata,
    Column("key", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("who", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
"""The calendar as data: see `services.training.domain.calendar`."""

deadline_marks = Table(
    "deadline_marks",
    metadata,
    Column("key", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
)
"""What was done for which deadline, and when first."""

needs = Table(
    "needs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("origin_id", Text),
    Column("period", Text, nullable=False),
    Column("department", Text),
    Column("title", Text, nullable=False),
    Column("course", Text),
    Column("competencies", ARRAY(Text), nullable=False),
    Column("trainees", ARRAY(Uuid), nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", Integer),
    Column("budget", Numeric),
    Column("reason", Text),
    Column("merged_into", Uuid),
    Column("by", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Index("needs_once", "origin", "origin_id", unique=True),
    Index("needs_by_period", "period", "id"),
    Index("needs_by_status", "status", "id"),
)

appraisals = Table(
    "appraisals",
    metadata,
    Column("appraisal_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
)
"""The newest revision that was heard of, also where nothing was needed: an older one may still come."""

plans = Table(
    "plans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("budget", Numeric, nullable=False),
    Column("status", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("decided_by", Text),
    Column("issued_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Index("plans_once", "kind", "period", "department", unique=True),
)
"""`department` is empty for the plan of the whole centre."""

plan_entries = Table(
    "plan_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("plan_id", Uuid, nullable=False),
    Column("need_id", Uuid),
    Column("objective", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("course", Text, nullable=False),
    Column("responsible_id", Uuid),
    Column("trainees", ARRAY(Uuid), nullable=False),
    Column("trainer_id", Uuid),
    Column("starts_at", DateTime(timezone=True)),
    Column("ends_at", DateTime(timezone=True)),
    Column("place", Text),
    Column("budget", Numeric, nullable=False),
    Column("spent", Numeric, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Index("plan_entries_by_plan", "plan_id", "id"),
)

plan_changes = Table(
    "plan_changes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("plan_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("added", JSONB, nullable=False),
    Column("removed", ARRAY(Uuid), nullable=False),
    Column("budget", Numeric),
    Column("status", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("decided_by", Text),
    Column("version", Integer, nullable=False),
    Index("plan_changes_by_plan", "plan_id", "id"),
)

tallies = Table(
    "tallies",
    metadata,
    Column("month", Date, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
)
"""Months whose failed competencies were counted."""
