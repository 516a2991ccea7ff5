"""Who gave up which login is found in the history."""

from shared.migrations import execute_each

revision = "0007"
down_revision = "0006"

DDL = """
CREATE INDEX employee_history_by_login ON {schema}.employee_history ((before ->> 'agent_id'))
    WHERE before ->> 'agent_id' IS NOT NULL;
"""


def upgrade() -> None:
    execute_each(DDL, schema="recruiting")
