"""Criteria may have the weights that experts came to."""

from shared.migrations import execute_each
from shared.weightings import WEIGHTINGS_DDL

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    execute_each(WEIGHTINGS_DDL + "ALTER TABLE {schema}.scorecards ADD COLUMN weighed_by jsonb;", schema="qa")
