"""Old calls may be erased."""

from shared.migrations import execute_each
from shared.retention import AGES_FROM, RETENTION_DDL

revision = "0010"
down_revision = "0009"

# Where there are very many calls, it is there already: docs/operations.md.
BY_AGE = f"CREATE INDEX IF NOT EXISTS call_facts_by_age ON {{schema}}.call_facts (({AGES_FROM}));"


def upgrade() -> None:
    execute_each(RETENTION_DDL + BY_AGE, schema="performance")
