"""Several auditors judge one interaction, blind, to see how well they agree."""

from shared.migrations import execute_each

revision = "0005"
down_revision = "0004"

CALIBRATIONS_DDL = """
CREATE TABLE {schema}.calibrations (
    id uuid PRIMARY KEY, recording_id uuid NOT NULL REFERENCES {schema}.recordings,
    scorecard_id uuid NOT NULL REFERENCES {schema}.scorecards, auditors text[] NOT NULL, expert text,
    seed integer NOT NULL, created_at timestamptz NOT NULL, created_by text NOT NULL
);
ALTER TABLE {schema}.audits ADD COLUMN calibration_id uuid REFERENCES {schema}.calibrations;
CREATE INDEX audits_that_calibrate ON {schema}.audits (calibration_id) WHERE calibration_id IS NOT NULL;
"""


def upgrade() -> None:
    execute_each(CALIBRATIONS_DDL, schema="qa")
