"""The tables that training began with, and the rules that coaching goes by."""

from shared.mailbox import MAILBOX_DDL
from shared.migrations import execute_each
from shared.people import PEOPLE_DDL

revision = "0001"
down_revision = None

COACHING_DDL = """
CREATE TABLE {schema}.coaching_rules (
    id uuid PRIMARY KEY, key text NOT NULL, condition text NOT NULL CHECK (condition IN ('critical_error', 'any_fail')),
    due_working_days integer NOT NULL CHECK (due_working_days > 0), priority integer NOT NULL, coaches text[] NOT NULL,
    name_en text NOT NULL, name_zh text NOT NULL
);
CREATE UNIQUE INDEX coaching_rules_by_key ON {schema}.coaching_rules (key);
CREATE INDEX coaching_rules_by_priority ON {schema}.coaching_rules (priority, id);
INSERT INTO {schema}.coaching_rules (id, key, condition, due_working_days, priority, coaches, name_en, name_zh) VALUES
    ('01900000-0000-7000-8000-000000000201', 'critical_error', 'critical_error', 2, 200, '{{mentor,team_lead}}',
     'Critical error: coaching within 2 working days', '致命差错：2个工作日内辅导'),
    ('01900000-0000-7000-8000-000000000202', 'any_fail', 'any_fail', 5, 100, '{{mentor,team_lead}}',
     'Failed audit: coaching within 5 working days', '质检不合格：5个工作日内辅导');
CREATE TABLE {schema}.audit_states (audit_id uuid PRIMARY KEY, revision integer NOT NULL, owed boolean NOT NULL);
CREATE TABLE {schema}.coaching_assignments (
    id uuid PRIMARY KEY, audit_id uuid NOT NULL, audit_revision integer NOT NULL, recording_id uuid NOT NULL,
    employee_id uuid NOT NULL, coach_id uuid CHECK (coach_id <> employee_id), rule text NOT NULL,
    competencies text[] NOT NULL, failed_criteria jsonb NOT NULL, due_on date NOT NULL,
    assigned_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('assigned', 'acknowledged', 'completed', 'cancelled')),
    acknowledged_at timestamptz, completed_at timestamptz, completed_by text, cancelled_at timestamptz,
    overdue_at timestamptz, no_longer_owed boolean NOT NULL, note text, version integer NOT NULL
);
CREATE UNIQUE INDEX coaching_assignments_by_audit ON {schema}.coaching_assignments (audit_id);
CREATE INDEX coaching_assignments_by_employee ON {schema}.coaching_assignments (employee_id, id);
CREATE INDEX coaching_assignments_by_coach ON {schema}.coaching_assignments (coach_id, id);
CREATE INDEX coaching_assignments_by_status ON {schema}.coaching_assignments (status, id);
CREATE INDEX coaching_assignments_pending ON {schema}.coaching_assignments (due_on)
    WHERE status IN ('assigned', 'acknowledged') AND overdue_at IS NULL;
CREATE TABLE {schema}.coaching_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, assignment_id uuid NOT NULL, at timestamptz NOT NULL,
    actor text NOT NULL, action text NOT NULL, before jsonb, after jsonb NOT NULL, cause text
);
CREATE INDEX coaching_history_by_assignment ON {schema}.coaching_history (assignment_id, id);
"""


def upgrade() -> None:
    execute_each(MAILBOX_DDL, schema="training")
    execute_each(PEOPLE_DDL, schema="training")
    execute_each(COACHING_DDL, schema="training")
