"""Where does qa keep what it knows?"""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.direct import text
from shared.mailbox import mailbox_tables
from shared.people import people_tables
from shared.reads import reads_table
from shared.retention import AGES_FROM, retention_table
from shared.weightings import weightings_table

metadata = MetaData(schema="qa")

mailbox_tables(metadata)
reads_table(metadata)
weightings_table(metadata)
retention_table(metadata)
employees, employee_logins, agent_holders = people_tables(metadata)

NOBODY = ""
"""The `agent_id` of calls that telephony reported without an agent: part of a key, so not null."""

Moment = DateTime(timezone=True)
Points = Numeric(5, 2)

_answered = text("answered_at IS NOT NULL")

recordings = Table(
    "recordings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("call_id", Text(collation="C"), nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("ended_at", Moment, nullable=False),
    Column("direction", Text, nullable=False),
    Column("queue", Text),
    Column("topic", Text),
    Column("wait_ms", Integer),
    Column("talk_ms", Integer),
    Column("hold_ms", Integer),
    Column("wrap_up_ms", Integer),
    Column("recording_uri", Text),
    Column("customer_ref", Text),
    Column("told_at", Moment, nullable=False),
    Column("told_by", Text(collation="C"), nullable=False),
    # What arrives late finds its row by the unique key, what is erased by its age; the other two are those of lists, in
    # their order. Calls that nobody answered are in neither.
    Index("recordings_once", "call_id", "agent_id", unique=True),
    Index("recordings_by_age", text(AGES_FROM)),
    Index("recordings_by_day", "day", "started_at", "id", postgresql_where=_answered),
    Index("recordings_by_agent", "agent_id", "day", "started_at", "id", postgresql_where=_answered),
    # Only calls in vain and calls back: with all calls in it, keeping them took a tenth longer.
    Index(
        "recordings_by_customer",
        "customer_ref",
        "started_at",
        postgresql_where=text("customer_ref IS NOT NULL AND (answered_at IS NULL OR direction = 'outbound')"),
    ),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text(collation="C"), primary_key=True),
    Column("call_id", Text(collation="C")),
    Column("category", Text),
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment, nullable=False),
    Column("told_at", Moment, nullable=False),
    Column("told_by", Text(collation="C"), nullable=False),
    Index("cases_by_call", "call_id", postgresql_where=text("call_id IS NOT NULL")),
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("recording_id", Uuid, ForeignKey(recordings.c.id), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("turns", JSONB, nullable=False),
    Column("handed_in_at", Moment, nullable=False),
    Column("handed_in_by", Text, nullable=False),
    Index("transcripts_by_age", "handed_in_at"),
)

check_rules = Table(
    "check_rules",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("rules", JSONB, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Text, nullable=False),
)

ratings = Table(
    "ratings",
    metadata,
    Column("call_id", Text(collation="C"), primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("rating", Integer, nullable=False),
    Column("told_at", Moment, nullable=False),
    Column("told_by", Text(collation="C"), nullable=False),
)

scorecards = Table(
    "scorecards",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("passing_score", Points, nullable=False),
    Column("fatal", Text, nullable=False),
    Column("sections", JSONB, nullable=False),
    Column("criteria", JSONB, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("weighting", Text, nullable=False),
    Column("not_applicable", Text, nullable=False),
    Column("cap", Points),
    Column("weighed_by", JSONB(none_as_null=True)),
    UniqueConstraint("code", "version", name="scorecards_once"),
)

scorecard_drafts = Table(
    "scorecard_drafts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("scorecard", JSONB, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Text, nullable=False),
)

sampling_plans = Table(
    "sampling_plans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scorecard_id", Uuid, ForeignKey(scorecards.c.id), nullable=False),
    Column("filter", JSONB, nullable=False),
    Column("size", Integer, nullable=False),
    Column("auditors", ARRAY(Text), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("percent", Points),
    Column("method", Text, nullable=False),
    Column("emphasis", JSONB, nullable=False),
    Column("period", Text),
    Column("ended_at", Moment),
    Column("ended_by", Text),
    Index("sampling_plans_by_schedule", "id", postgresql_where=text("period IS NOT NULL AND ended_at IS NULL")),
)

draws = Table(
    "draws",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("plan_id", Uuid, ForeignKey(sampling_plans.c.id), nullable=False),
    Column("seed", Text, nullable=False),
    Column("from_day", Date),
    Column("to_day", Date),
    Column("size", Integer, nullable=False),
    Column("frame_size", Integer, nullable=False),
    Column("frame_hash", Text, nullable=False),
    Column("sample", ARRAY(Uuid), nullable=False),
    Column("drawn_at", Moment, nullable=False),
    Column("drawn_by", Text, nullable=False),
    Column("inclusion", ARRAY(Double), nullable=False),
    UniqueConstraint("plan_id", "seed", "from_day", "to_day", name="draws_once", postgresql_nulls_not_distinct=True),
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("recording_id", Uuid, ForeignKey(recordings.c.id), nullable=False),
    Column("scorecard_id", Uuid, ForeignKey(scorecards.c.id), nullable=False),
    Column("auditors", ARRAY(Text), nullable=False),
    Column("expert", Text),
    Column("seed", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Index("calibrations_by_recording", "recording_id"),
)

scheduled_draws = Table(
    "scheduled_draws",
    metadata,
    Column("plan_id", Uuid, ForeignKey(sampling_plans.c.id), primary_key=True),
    Column("from_day", Date, primary_key=True),
    Column("to_day", Date, nullable=False),
    Column("size", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("done_at", Moment, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("draw_id", Uuid, ForeignKey(draws.c.id)),
)

audits = Table(
    "audits",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("recording_id", Uuid, ForeignKey(recordings.c.id), nullable=False),
    Column("call_id", Text, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("scorecard_id", Uuid, ForeignKey(scorecards.c.id), nullable=False),
    Column("auditor_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("draw_id", Uuid, ForeignKey(draws.c.id)),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("answers", JSONB, nullable=False),
    Column("raw_score", Points),
    Column("score", Points),
    Column("result", Text),
    Column("critical_errors", ARRAY(Text), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("submitted_at", Moment),
    Column("fatal_hit", Boolean, nullable=False),
    Column("failed", ARRAY(Text), nullable=False),
    Column("marks", JSONB, nullable=False),
    Column("accuracy", JSONB, nullable=False),
    Column("released_at", Moment),
    Column("acknowledged_at", Moment),
    Column("focus", ARRAY(Text)),
    Column("follows", Uuid),
    Column("moved_from", Uuid),
    Column("calibration_id", Uuid, ForeignKey(calibrations.c.id)),
    # An audit that was moved to the right employee, or made after a voided one, stands beside that one.
    Index(
        "audits_once",
        "recording_id",
        "scorecard_id",
        "auditor_id",
        "purpose",
        unique=True,
        postgresql_where=text("moved_from IS NULL"),
    ),
    Index("audits_by_recording", "recording_id"),
    Index("audits_moved_once", "moved_from", unique=True, postgresql_where=text("moved_from IS NOT NULL")),
    Index("audits_that_calibrate", "calibration_id", postgresql_where=text("calibration_id IS NOT NULL")),
    Index("audits_that_follow", "follows", postgresql_where=text("follows IS NOT NULL")),
    Index("audits_by_employee", "employee_id", "id"),
    Index("audits_by_auditor", "auditor_id", "id"),
    Index("audits_by_status", "status", "id"),
    Index("audits_failed", "released_at", "id", postgresql_where=text("result = 'failed'")),
    Index("audits_by_draw", "draw_id", "id", postgresql_where=text("draw_id IS NOT NULL")),
)

audit_history = Table(
    "audit_history",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("audit_id", Uuid, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text),
    Column("status_before", Text),
    Column("status_after", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("new_revision", Boolean, nullable=False),
    Column("score_before", Points),
    Column("raw_score", Points),
    Column("score", Points),
    Column("result", Text),
    Column("critical_errors", ARRAY(Text), nullable=False),
    Column("answers", JSONB),
    Index("audit_history_by_audit", "audit_id", "id"),
)

disputes = Table(
    "disputes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("audit_id", Uuid, ForeignKey(audits.c.id), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("comment", Text),
    Column("criteria", ARRAY(Text), nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", Text),
    Column("outcome", Text),
    Column("decision_reason", Text),
    Column("decision_comment", Text),
    Column("outcomes", JSONB),
    Index("disputes_by_audit", "audit_id", "id"),
    Index("disputes_one_open", "audit_id", unique=True, postgresql_where=text("decided_at IS NULL")),
)

audit_rules = Table(
    "audit_rules",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("rules", JSONB, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Text, nullable=False),
)

follow_ups = Table(
    "follow_ups",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("assignment_id", Uuid, nullable=False),
    Column("audit_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("criteria", ARRAY(Text), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("followed_by", Uuid),
    Index("follow_ups_once", "assignment_id", unique=True),
    Index("follow_ups_open", "id", postgresql_where=text("followed_by IS NULL")),
)
