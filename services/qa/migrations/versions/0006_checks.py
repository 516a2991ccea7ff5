"""Calls are checked by machine, plans draw by themselves, disputes are decided for each criterion."""

import json
from pathlib import Path

from alembic import op
from sqlalchemy import text

from shared.migrations import execute_each

revision = "0006"
down_revision = "0005"

CHECKS_DDL = """
CREATE INDEX recordings_by_customer ON {schema}.recordings (customer_ref, started_at)
    WHERE customer_ref IS NOT NULL AND (answered_at IS NULL OR direction = 'outbound');
CREATE TABLE {schema}.cases (
    case_id text COLLATE "C" PRIMARY KEY, call_id text COLLATE "C", category text, opened_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL, told_at timestamptz NOT NULL, told_by text COLLATE "C" NOT NULL
);
CREATE INDEX cases_by_call ON {schema}.cases (call_id) WHERE call_id IS NOT NULL;
CREATE TABLE {schema}.transcripts (
    recording_id uuid PRIMARY KEY REFERENCES {schema}.recordings, version integer NOT NULL, turns jsonb NOT NULL,
    handed_in_at timestamptz NOT NULL, handed_in_by text NOT NULL
);
CREATE INDEX transcripts_by_age ON {schema}.transcripts (handed_in_at);
CREATE TABLE {schema}.check_rules (
    version integer PRIMARY KEY, rules jsonb NOT NULL, changed_at timestamptz NOT NULL, changed_by text NOT NULL
);
ALTER TABLE {schema}.sampling_plans ADD COLUMN period text, ADD COLUMN ended_at timestamptz, ADD COLUMN ended_by text;
CREATE INDEX sampling_plans_by_schedule ON {schema}.sampling_plans (id) WHERE period IS NOT NULL AND ended_at IS NULL;
CREATE TABLE {schema}.scheduled_draws (
    plan_id uuid REFERENCES {schema}.sampling_plans, from_day date, to_day date NOT NULL, size integer NOT NULL,
    due_at timestamptz NOT NULL, done_at timestamptz NOT NULL, outcome text NOT NULL,
    draw_id uuid REFERENCES {schema}.draws, PRIMARY KEY (plan_id, from_day)
);
ALTER TABLE {schema}.disputes ADD COLUMN outcomes jsonb;
"""


def upgrade() -> None:
    execute_each(CHECKS_DDL, schema="qa")
    shipped = Path(__file__).with_name("0006_checks.json").read_text(encoding="utf-8")
    op.get_bind().execute(
        text("INSERT INTO qa.check_rules VALUES (1, CAST(:rules AS jsonb), '2026-01-01 00:00+08', 'headset')"),
        {"rules": json.dumps({"checks": json.loads(shipped), "transcript_days": 180})},
    )
