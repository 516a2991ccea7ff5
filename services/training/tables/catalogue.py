"""Courses, programmes, enrolments, sessions, examinations, certificates."""

from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.training.tables.base import metadata
from shared.direct import text

courses = Table(
    "courses",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("edition", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("hours", Numeric, nullable=False),
    Column("competencies", ARRAY(Text), nullable=False),
    Column("documents", ARRAY(Text), nullable=False),
    Column("examination", JSONB(none_as_null=True)),
    Column("certificate", JSONB(none_as_null=True)),
    Index("courses_by_code", "code", "edition", unique=True),
    Index("courses_current", "code", unique=True, postgresql_where=text("current")),
)

programmes = Table(
    "programmes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("courses", ARRAY(Text), nullable=False),
    Column("who", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("programmes_by_code", "code", unique=True),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("course", Text, nullable=False),
    Column("course_id", Uuid, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("programme_id", Uuid),
    Column("application_id", Uuid),
    Column("status", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("due_on", Date),
    Column("completed_at", DateTime(timezone=True)),
    Column("documents", ARRAY(Text), nullable=False),
    Column("version", Integer, nullable=False),
    Column("reason", Text),
    Index("enrolments_once", "employee_id", "course", "source", "source_id", unique=True),
    Index("enrolments_by_employee", "employee_id", "id"),
    Index("enrolments_by_course", "course", "id"),
    Index("enrolments_by_source", "source", "source_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("course", Text, nullable=False),
    Column("course_id", Uuid, nullable=False),
    Column("trainer_id", Uuid, nullable=False),
    Column("seats", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("plan_entry_id", Uuid),
    Column("version", Integer, nullable=False),
    Index("sessions_by_course", "course", "id"),
    Index("sessions_by_plan_entry", "plan_entry_id"),
)

meetings = Table(
    "meetings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("session_id", Uuid, nullable=False),
    Column("room", Text, nullable=False),
    Column("trainer_id", Uuid, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Index("meetings_by_session", "session_id", "starts_at"),
)
"""No room and no trainer is in two meetings at once: exclusion constraints of the migration."""

places = Table(
    "places",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("session_id", Uuid, nullable=False),
    Column("enrolment_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("places_once", "session_id", "employee_id", unique=True),
    Index("places_by_enrolment", "enrolment_id"),
)
"""Who has a seat in a session, or waits for one: in the order of the ids."""

attendances = Table(
    "attendances",
    metadata,
    Column("meeting_id", Uuid, primary_key=True),
    Column("enrolment_id", Uuid, primary_key=True),
    Column("present", Boolean, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Index("attendances_by_enrolment", "enrolment_id"),
)

examinations = Table(
    "examinations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("enrolment_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("course", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("score", Numeric, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("answers", JSONB(none_as_null=True)),
    Column("day", Date, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Index("examinations_once", "enrolment_id", "attempt", unique=True),
    Index("examinations_by_employee", "employee_id", "id"),
)
"""Attempts. Only ever added to; a trigger refuses anything else."""

certifications = Table(
    "certifications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("course", Text, nullable=False),
    Column("enrolment_id", Uuid, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("score", Numeric),
    Column("application_id", Uuid),
    Column("granted_on", Date, nullable=False),
    Column("valid_until", Date),
    Column("revoked_on", Date),
    Column("revoked_by", Text),
    Column("reason", Text),
    Column("expired_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Index("certifications_once", "enrolment_id", unique=True),
    Index("certifications_by_employee", "employee_id", "course", "id"),
    Index(
        "certifications_running",
        "valid_until",
        postgresql_where=text("expired_at IS NULL AND revoked_on IS NULL AND valid_until IS NOT NULL"),
    ),
)
