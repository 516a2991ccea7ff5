"""Competency profiles may have the weights that experts came to."""

from shared.migrations import execute_each
from shared.weightings import WEIGHTINGS_DDL

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    execute_each(WEIGHTINGS_DDL + "ALTER TABLE {schema}.job_profiles ADD COLUMN weighed_by jsonb;", schema="recruiting")
