"""Coaching that ended because the employee had left; the newest known revision of each appraisal."""

from shared.migrations import execute_each

revision = "0010"
down_revision = "0009"

DDL = """
ALTER TABLE {schema}.coaching_assignments ADD employee_left boolean NOT NULL DEFAULT false;
CREATE TABLE {schema}.appraisals (appraisal_id uuid PRIMARY KEY, revision integer NOT NULL);
"""


def upgrade() -> None:
    execute_each(DDL, schema="training")
