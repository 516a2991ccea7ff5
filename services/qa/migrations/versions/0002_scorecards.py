"""Scorecards state their policies, and grow as drafts before they are published."""

from shared.migrations import execute_each

revision = "0002"
down_revision = "0001"

SCORECARDS_DDL = """
ALTER TABLE {schema}.scorecards ADD COLUMN weighting text NOT NULL DEFAULT 'question',
    ADD COLUMN not_applicable text NOT NULL DEFAULT 'redistributed', ADD COLUMN cap numeric(5, 2);
ALTER TABLE {schema}.scorecards ALTER COLUMN weighting DROP DEFAULT, ALTER COLUMN not_applicable DROP DEFAULT;
CREATE TABLE {schema}.scorecard_drafts (
    id uuid PRIMARY KEY, version integer NOT NULL, scorecard jsonb NOT NULL, created_at timestamptz NOT NULL,
    created_by text NOT NULL, changed_at timestamptz NOT NULL, changed_by text NOT NULL
);
"""


def upgrade() -> None:
    execute_each(SCORECARDS_DDL, schema="qa")
