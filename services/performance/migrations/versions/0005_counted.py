"""Calls within any limit, attendance at training, what rescored audits still miss, and how people came here."""

from shared.migrations import execute_each

revision = "0005"
down_revision = "0004"

LIMITS = """
CREATE TABLE {schema}.call_limits (seconds integer PRIMARY KEY);
CREATE TABLE {schema}.call_limit_days (
    agent_id text, day date, queue text, seconds integer, calls bigint NOT NULL,
    PRIMARY KEY (agent_id, day, queue, seconds)
) WITH (fillfactor = 80);
"""

AUDITS = """
ALTER TABLE {schema}.audit_revisions ADD error_classes text[], ADD competencies text[];
ALTER TABLE {schema}.careers ADD source_channel text;
"""

ATTENDANCE = """
CREATE TABLE {schema}.attendance_facts (
    meeting_id uuid, employee_id uuid, told_at timestamptz NOT NULL, letter_id text COLLATE "C" NOT NULL,
    day date NOT NULL, course text NOT NULL, present boolean NOT NULL, minutes integer NOT NULL,
    PRIMARY KEY (meeting_id, employee_id)
);
CREATE INDEX attendance_facts_by_employee ON {schema}.attendance_facts (employee_id, day);
ALTER TABLE {schema}.training_days
    ALTER examinations SET DEFAULT 0, ALTER passed SET DEFAULT 0, ALTER scored SET DEFAULT 0,
    ALTER score_sum SET DEFAULT 0, ADD meetings bigint NOT NULL DEFAULT 0, ADD attended bigint NOT NULL DEFAULT 0,
    ADD minutes bigint NOT NULL DEFAULT 0;
"""

# Where people are appraised already, attendance counts from tomorrow on: what came before, nobody told performance.
# A definition of the centre's own stands.
INDICATOR = """
INSERT INTO {schema}.indicators
SELECT '0195f000-0000-7000-8000-000000000012', key, 2,
       CASE WHEN EXISTS (SELECT FROM {schema}.employees) THEN current_date + 1 ELSE date '2000-01-02' END,
       source, 'rate', 'attended', 'meetings', 1,
       jsonb_build_object('en', 'Share of training meetings attended', 'zh', '培训出勤率'), 'share', 'more',
       '[{{"value": 0.5, "points": 0}}, {{"value": 0.8, "points": 70}}, {{"value": 1, "points": 100}}]', NULL, 1
FROM {schema}.indicators WHERE key = 'training_attendance' GROUP BY key, source HAVING max(version) = 1;
"""


def upgrade() -> None:
    for statements in (LIMITS, AUDITS, ATTENDANCE, INDICATOR):
        execute_each(statements, schema="performance")
