"""Ratings by people, appeals, improvement plans, and who decided what when; weightings by experts."""

import json
from pathlib import Path

from alembic import op
from sqlalchemy import text

from shared.migrations import execute_each

revision = "0004"
down_revision = "0003"

TABLES = """
CREATE TABLE {schema}.ratings (
    id uuid PRIMARY KEY, appraisal_id uuid NOT NULL REFERENCES {schema}.appraisals, indicator text NOT NULL,
    rater text NOT NULL, kind text NOT NULL CHECK (kind IN ('self', 'manager', 'peer', 'mentor')),
    value numeric NOT NULL, given_at timestamptz NOT NULL
);
CREATE INDEX ratings_by_appraisal ON {schema}.ratings (appraisal_id, indicator, rater, id);
CREATE TABLE {schema}.history (
    id uuid PRIMARY KEY, appraisal_id uuid NOT NULL REFERENCES {schema}.appraisals, at timestamptz NOT NULL,
    by text NOT NULL, what text NOT NULL, status text NOT NULL, reason text, evidence uuid
);
CREATE INDEX history_by_appraisal ON {schema}.history (appraisal_id, id);
CREATE TABLE {schema}.appeals (
    id uuid PRIMARY KEY, appraisal_id uuid NOT NULL REFERENCES {schema}.appraisals,
    entry_id uuid NOT NULL REFERENCES {schema}.ledger_entries, filed_by text NOT NULL, filed_at timestamptz NOT NULL,
    reason text NOT NULL, status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'upheld', 'rejected')),
    decided_by text, decided_at timestamptz, decision text, points numeric, new_entry_id uuid,
    version integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX appeals_once ON {schema}.appeals (entry_id);
CREATE INDEX appeals_by_appraisal ON {schema}.appeals (appraisal_id, id);
CREATE TABLE {schema}.improvement_plans (
    id uuid PRIMARY KEY, appraisal_id uuid NOT NULL REFERENCES {schema}.appraisals, employee_id uuid NOT NULL,
    competencies text[] NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'met', 'not_met', 'not_owed')),
    opened_at timestamptz NOT NULL, checkpoints jsonb NOT NULL, version integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX improvement_plans_once ON {schema}.improvement_plans (appraisal_id);
CREATE INDEX improvement_plans_by_employee ON {schema}.improvement_plans (employee_id, id);
CREATE TABLE {schema}.weightings (
    id uuid PRIMARY KEY, code text NOT NULL, version integer NOT NULL, hierarchy jsonb NOT NULL,
    judgements jsonb NOT NULL, result jsonb, made_by text NOT NULL, made_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX weightings_once ON {schema}.weightings (code, version);
CREATE FUNCTION {schema}.never_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;
CREATE TRIGGER only_append BEFORE UPDATE OR DELETE ON {schema}.history
    FOR EACH ROW EXECUTE FUNCTION {schema}.never_changes();
CREATE TRIGGER only_append BEFORE UPDATE OR DELETE ON {schema}.ratings
    FOR EACH ROW EXECUTE FUNCTION {schema}.never_changes();
"""


def upgrade() -> None:
    execute_each(TABLES, schema="performance")
    shipped = json.loads(Path(__file__).with_name("0004_weightings.json").read_text(encoding="utf-8"))
    for index in shipped:
        op.get_bind().execute(
            text("""
            INSERT INTO performance.weightings (id, code, version, hierarchy, judgements, made_by, made_at)
            VALUES (CAST(:id AS uuid), :code, 1, CAST(:hierarchy AS jsonb), '[]', 'headset', '2026-01-01 00:00+08')
            """),
            {"id": index["id"], "code": index["code"], "hierarchy": json.dumps(index["hierarchy"])},
        )
