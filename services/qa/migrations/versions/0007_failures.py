"""Fails that stand are listed by the time of their release."""

from shared.migrations import execute_each

revision = "0007"
down_revision = "0006"

DDL = """
CREATE INDEX audits_failed ON {schema}.audits (released_at, id) WHERE result = 'failed';
"""


def upgrade() -> None:
    execute_each(DDL, schema="qa")
