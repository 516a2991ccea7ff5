"""Weightings are published, also those that were judged before."""

from shared.migrations import execute_each

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    execute_each("ALTER TABLE {schema}.weightings ADD COLUMN published_at timestamptz;", schema="performance")
