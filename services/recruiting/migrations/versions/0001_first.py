"""The tables that recruiting began with."""

from shared.mailbox import MAILBOX_DDL
from shared.migrations import execute_each

revision = "0001"
down_revision = None

EMPLOYEES_DDL = """
CREATE TABLE {schema}.employees (
    id uuid PRIMARY KEY, agent_id text, name text, department text, role text NOT NULL, team text, team_lead_id uuid,
    mentor_id uuid, since date NOT NULL, holds_from date NOT NULL, left_on date, version integer NOT NULL
);
CREATE INDEX employees_by_agent ON {schema}.employees (agent_id, id);
CREATE INDEX employees_by_team ON {schema}.employees (team, id);
CREATE INDEX employees_by_role ON {schema}.employees (role, id);
CREATE INDEX employees_by_lead ON {schema}.employees (team_lead_id, id);
CREATE UNIQUE INDEX employees_one_login ON {schema}.employees (agent_id) WHERE left_on IS NULL;
CREATE TABLE {schema}.employee_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, employee_id uuid NOT NULL, at timestamptz NOT NULL,
    actor text NOT NULL, action text NOT NULL, before jsonb, after jsonb NOT NULL
);
CREATE INDEX employee_history_by_employee ON {schema}.employee_history (employee_id, id);
"""


def upgrade() -> None:
    execute_each(MAILBOX_DDL, schema="recruiting")
    execute_each(EMPLOYEES_DDL, schema="recruiting")
