"""Audits are released, acknowledged, voided, moved and followed up, and keep what each criterion came to."""

from shared.migrations import execute_each

revision = "0003"
down_revision = "0002"

AUDITS_DDL = """
ALTER TABLE {schema}.audits
    ADD COLUMN fatal_hit boolean NOT NULL DEFAULT false, ADD COLUMN failed text[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN marks jsonb NOT NULL DEFAULT '{{}}', ADD COLUMN accuracy jsonb NOT NULL DEFAULT '{{}}',
    ADD COLUMN released_at timestamptz, ADD COLUMN acknowledged_at timestamptz, ADD COLUMN focus text[],
    ADD COLUMN follows uuid, ADD COLUMN moved_from uuid;
UPDATE {schema}.audits SET released_at = submitted_at, fatal_hit = critical_errors <> '{{}}'
    WHERE submitted_at IS NOT NULL;
ALTER TABLE {schema}.audits DROP CONSTRAINT audits_once;
CREATE UNIQUE INDEX audits_once ON {schema}.audits (recording_id, scorecard_id, auditor_id, purpose)
    WHERE moved_from IS NULL;
CREATE UNIQUE INDEX audits_moved_once ON {schema}.audits (moved_from) WHERE moved_from IS NOT NULL;
CREATE INDEX audits_that_follow ON {schema}.audits (follows) WHERE follows IS NOT NULL;
CREATE TABLE {schema}.audit_rules (
    version integer PRIMARY KEY, rules jsonb NOT NULL, changed_at timestamptz NOT NULL, changed_by text NOT NULL
);
INSERT INTO {schema}.audit_rules VALUES
    (1, '{{"release": false, "dispute_days": 14, "disputes": 1}}', '2026-01-01 00:00+08', 'headset');
CREATE TABLE {schema}.follow_ups (
    id uuid PRIMARY KEY, assignment_id uuid NOT NULL, audit_id uuid NOT NULL, employee_id uuid NOT NULL,
    criteria text[] NOT NULL, asked_at timestamptz NOT NULL, followed_by uuid
);
CREATE UNIQUE INDEX follow_ups_once ON {schema}.follow_ups (assignment_id);
CREATE INDEX follow_ups_open ON {schema}.follow_ups (id) WHERE followed_by IS NULL;
"""


def upgrade() -> None:
    execute_each(AUDITS_DDL, schema="qa")
