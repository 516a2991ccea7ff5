"""The tables that qa began with, and the scorecards it ships."""

import json
from pathlib import Path

from alembic import op
from sqlalchemy import text

from shared.mailbox import MAILBOX_DDL
from shared.migrations import execute_each
from shared.people import PEOPLE_DDL

revision = "0001"
down_revision = None

QA_DDL = """
CREATE TABLE {schema}.recordings (
    id uuid PRIMARY KEY, call_id text COLLATE "C" NOT NULL, agent_id text NOT NULL, day date NOT NULL,
    started_at timestamptz NOT NULL, answered_at timestamptz, ended_at timestamptz NOT NULL, direction text NOT NULL,
    queue text, topic text, wait_ms integer, talk_ms integer, hold_ms integer, wrap_up_ms integer, recording_uri text,
    customer_ref text, told_at timestamptz NOT NULL, told_by text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX recordings_once ON {schema}.recordings (call_id, agent_id);
CREATE INDEX recordings_by_day ON {schema}.recordings (day, started_at, id) WHERE answered_at IS NOT NULL;
CREATE INDEX recordings_by_agent ON {schema}.recordings (agent_id, day, started_at, id) WHERE answered_at IS NOT NULL;
CREATE TABLE {schema}.scorecards (
    id uuid PRIMARY KEY, code text NOT NULL, version integer NOT NULL, name_en text NOT NULL, name_zh text NOT NULL,
    passing_score numeric(5, 2) NOT NULL, fatal text NOT NULL, sections jsonb NOT NULL, criteria jsonb NOT NULL,
    published_at timestamptz NOT NULL, published_by text NOT NULL, CONSTRAINT scorecards_once UNIQUE (code, version)
);
CREATE TABLE {schema}.sampling_plans (
    id uuid PRIMARY KEY, name text NOT NULL, scorecard_id uuid NOT NULL REFERENCES {schema}.scorecards,
    filter jsonb NOT NULL, size integer NOT NULL, auditors text[] NOT NULL, created_at timestamptz NOT NULL,
    created_by text NOT NULL
);
CREATE TABLE {schema}.draws (
    id uuid PRIMARY KEY, plan_id uuid NOT NULL REFERENCES {schema}.sampling_plans, seed text NOT NULL, from_day date,
    to_day date, size integer NOT NULL, frame_size integer NOT NULL, frame_hash text NOT NULL, sample uuid[] NOT NULL,
    drawn_at timestamptz NOT NULL, drawn_by text NOT NULL,
    CONSTRAINT draws_once UNIQUE NULLS NOT DISTINCT (plan_id, seed, from_day, to_day)
);
CREATE TABLE {schema}.audits (
    id uuid PRIMARY KEY, recording_id uuid NOT NULL REFERENCES {schema}.recordings, call_id text NOT NULL,
    employee_id uuid NOT NULL, scorecard_id uuid NOT NULL REFERENCES {schema}.scorecards, auditor_id text NOT NULL,
    purpose text NOT NULL, draw_id uuid REFERENCES {schema}.draws, status text NOT NULL, version integer NOT NULL,
    revision integer NOT NULL, answers jsonb NOT NULL, raw_score numeric(5, 2), score numeric(5, 2), result text,
    critical_errors text[] NOT NULL, created_at timestamptz NOT NULL, submitted_at timestamptz,
    CONSTRAINT audits_once UNIQUE (recording_id, scorecard_id, auditor_id, purpose)
);
CREATE INDEX audits_by_employee ON {schema}.audits (employee_id, id);
CREATE INDEX audits_by_auditor ON {schema}.audits (auditor_id, id);
CREATE INDEX audits_by_status ON {schema}.audits (status, id);
CREATE INDEX audits_by_draw ON {schema}.audits (draw_id, id) WHERE draw_id IS NOT NULL;
CREATE TABLE {schema}.audit_history (
    id uuid PRIMARY KEY, audit_id uuid NOT NULL, at timestamptz NOT NULL, actor text NOT NULL, action text NOT NULL,
    reason text, status_before text, status_after text NOT NULL, revision integer NOT NULL,
    new_revision boolean NOT NULL, score_before numeric(5, 2), raw_score numeric(5, 2), score numeric(5, 2),
    result text, critical_errors text[] NOT NULL, answers jsonb
);
CREATE INDEX audit_history_by_audit ON {schema}.audit_history (audit_id, id);
CREATE TABLE {schema}.disputes (
    id uuid PRIMARY KEY, audit_id uuid NOT NULL REFERENCES {schema}.audits, opened_at timestamptz NOT NULL,
    opened_by text NOT NULL, reason text NOT NULL, comment text, criteria text[] NOT NULL, decided_at timestamptz,
    decided_by text, outcome text, decision_reason text, decision_comment text
);
CREATE INDEX disputes_by_audit ON {schema}.disputes (audit_id, id);
CREATE UNIQUE INDEX disputes_one_open ON {schema}.disputes (audit_id) WHERE decided_at IS NULL;
"""


def upgrade() -> None:
    execute_each(MAILBOX_DDL, schema="qa")
    execute_each(PEOPLE_DDL, schema="qa")
    execute_each(QA_DDL, schema="qa")
    shipped = Path(__file__).with_name("0001_scorecards.json").read_text(encoding="utf-8")
    for card in json.loads(shipped):
        op.get_bind().execute(
            text("""
            INSERT INTO qa.scorecards (id, code, version, name_en, name_zh, passing_score, fatal, sections, criteria,
                                       published_at, published_by)
            VALUES (CAST(:id AS uuid), :code, 1, :name_en, :name_zh, CAST(:passing_score AS numeric), :fatal,
                    CAST(:sections AS jsonb), CAST(:criteria AS jsonb), '2026-01-01 00:00+08', 'headset')
            """),
            {
                **card,
                "sections": json.dumps(card["sections"]),
                "criteria": json.dumps(card["criteria"]),
            },
        )
