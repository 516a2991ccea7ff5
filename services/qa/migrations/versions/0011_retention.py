"""Old calls may be erased, if nothing refers to them."""

from shared.migrations import execute_each
from shared.retention import AGES_FROM, RETENTION_DDL

revision = "0011"
down_revision = "0010"

# Where there are very many calls, they are there already: docs/operations.md.
INDEXES = f"""
CREATE INDEX IF NOT EXISTS recordings_by_age ON {{schema}}.recordings (({AGES_FROM}));
CREATE INDEX IF NOT EXISTS audits_by_recording ON {{schema}}.audits (recording_id);
CREATE INDEX IF NOT EXISTS calibrations_by_recording ON {{schema}}.calibrations (recording_id);
"""


def upgrade() -> None:
    execute_each(RETENTION_DDL + INDEXES, schema="qa")
