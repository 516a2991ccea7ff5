"""What recruiting is measured by: target shares, audits of those hired, and what it reminded of already."""

from shared.migrations import execute_each

revision = "0003"
down_revision = "0002"

WATCHING_DDL = """
CREATE TABLE {schema}.target_shares (
    department text NOT NULL, role text NOT NULL, "of" text NOT NULL, share numeric(5, 4) NOT NULL,
    PRIMARY KEY (department, role)
);
CREATE TABLE {schema}.hire_audits (
    audit_id uuid PRIMARY KEY, employee_id uuid NOT NULL, revision integer NOT NULL, passed boolean,
    submitted_at timestamptz
);
CREATE INDEX hire_audits_by_employee ON {schema}.hire_audits (employee_id, submitted_at);
CREATE TABLE {schema}.probation_reminders (
    application_id uuid NOT NULL, ends_on date NOT NULL, days smallint NOT NULL, reminded_at timestamptz NOT NULL,
    PRIMARY KEY (application_id, ends_on, days)
);
"""

# The sources leave 20 % of technical support open.
TARGETS = """
INSERT INTO {schema}.target_shares (department, role, "of", share) VALUES
    ('customer_service', 'agent', 'department', 0.70), ('customer_service', 'senior_agent', 'department', 0.20),
    ('customer_service', 'supervisor', 'department', 0.10),
    ('technical_support', 'specialist', 'department', 0.60), ('technical_support', 'lead', 'department', 0.20),
    ('data_analytics', '', 'all_staff', 0.15),
    ('data_analytics', 'analyst', 'all_staff', 0.10), ('data_analytics', 'lead', 'all_staff', 0.05);
"""


def upgrade() -> None:
    execute_each(WATCHING_DDL, schema="recruiting")
    execute_each(TARGETS, schema="recruiting")
