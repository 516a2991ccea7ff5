"""Coaches who stand in for those who have left; surveys that were looked at for what they ask for."""

from shared.migrations import execute_each

revision = "0006"
down_revision = "0005"

DDL = """
ALTER TABLE {schema}.coaching_assignments ADD stand_in boolean NOT NULL DEFAULT false;
ALTER TABLE {schema}.surveys ADD weighed_at timestamptz;
CREATE INDEX surveys_to_weigh ON {schema}.surveys (closes_at) WHERE weighed_at IS NULL;
"""


def upgrade() -> None:
    execute_each(DDL, schema="training")
