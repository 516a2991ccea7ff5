"""Indicators earn points; audits, training and circumstances are known by employee and day."""

from shared.migrations import execute_each

revision = "0002"
down_revision = "0001"

DEFINITIONS = """
ALTER TABLE {schema}.indicators
    ADD levels jsonb, ADD target jsonb,
    ADD least_n integer NOT NULL DEFAULT 1, ADD guards text[] NOT NULL DEFAULT '{{}}',
    DROP CONSTRAINT indicators_source_check, DROP CONSTRAINT indicators_formula_check,
    ADD CHECK (source IN ('calls', 'cases', 'ratings', 'audits', 'training', 'manual')),
    ADD CHECK (formula IN ('count', 'sum', 'mean', 'rate', 'within'));
UPDATE {schema}.indicators SET formula = 'within' WHERE key = 'answered_within_20s';
UPDATE {schema}.indicators SET least_n = seed.n, levels = seed.levels::jsonb, target = seed.target::jsonb,
       guards = ARRAY['in_training']
FROM (VALUES
    ('speed_of_answer', 30, '[{{"value": 10, "points": 100}}, {{"value": 20, "points": 85}},
      {{"value": 60, "points": 50}}, {{"value": 120, "points": 0}}]', NULL),
    ('answered_within_20s', 30, '[{{"value": 0.5, "points": 0}}, {{"value": 0.8, "points": 85}},
      {{"value": 0.95, "points": 100}}]', NULL),
    ('handling_time', 30, NULL, '{{"value": 240, "below": 0.3, "above": 0.2}}'),
    ('resolution_rate', 30, '[{{"value": 0.5, "points": 0}}, {{"value": 0.8, "points": 80}},
      {{"value": 0.95, "points": 100}}]', NULL),
    ('first_contact_resolution', 30, '[{{"value": 0.4, "points": 0}}, {{"value": 0.7, "points": 80}},
      {{"value": 0.85, "points": 100}}]', NULL),
    ('satisfaction', 10, '[{{"value": 1, "points": 0}}, {{"value": 3, "points": 50}}, {{"value": 4, "points": 80}},
      {{"value": 5, "points": 100}}]', NULL)
) AS seed (key, n, levels, target) WHERE indicators.key = seed.key;
INSERT INTO {schema}.indicators
SELECT id::uuid, key, 1, '2000-01-01', source, formula, measure, base, 1, jsonb_build_object('en', en, 'zh', zh), unit,
       'more', levels::jsonb, NULL, n
FROM (VALUES
    ('0195f000-0000-7000-8000-000000000008', 'audit_score', 'audits', 'mean', 'score_sum', 'audits',
     'Audit score', '质检得分', 'points', 1, '[{{"value": 0, "points": 0}}, {{"value": 100, "points": 100}}]'),
    ('0195f000-0000-7000-8000-000000000009', 'accuracy_customer_critical', 'audits', 'rate',
     'free_of_customer_critical', 'audits', 'Share of audits without an error critical to the customer',
     '客户关键差错准确率', 'share', 5,
     '[{{"value": 0.6, "points": 0}}, {{"value": 0.9, "points": 80}}, {{"value": 1, "points": 100}}]'),
    ('0195f000-0000-7000-8000-00000000000a', 'accuracy_business_critical', 'audits', 'rate',
     'free_of_business_critical', 'audits', 'Share of audits without an error critical to the business',
     '业务关键差错准确率', 'share', 5,
     '[{{"value": 0.6, "points": 0}}, {{"value": 0.9, "points": 80}}, {{"value": 1, "points": 100}}]'),
    ('0195f000-0000-7000-8000-00000000000b', 'accuracy_compliance_critical', 'audits', 'rate',
     'free_of_compliance_critical', 'audits', 'Share of audits without an error critical to compliance',
     '合规关键差错准确率', 'share', 5,
     '[{{"value": 0.8, "points": 0}}, {{"value": 0.98, "points": 80}}, {{"value": 1, "points": 100}}]'),
    ('0195f000-0000-7000-8000-00000000000c', 'accuracy_other', 'audits', 'rate', 'free_of_other', 'audits',
     'Share of audits without an error of no critical class', '非关键差错准确率', 'share', 5,
     '[{{"value": 0.2, "points": 0}}, {{"value": 0.7, "points": 80}}, {{"value": 1, "points": 100}}]'),
    ('0195f000-0000-7000-8000-00000000000d', 'training_attendance', 'training', 'count', 'examinations',
     'examinations', 'Trainings attended to their examination', '参加培训并考核的次数', 'examinations', 1,
     '[{{"value": 0, "points": 0}}, {{"value": 1, "points": 60}}, {{"value": 3, "points": 90}},
       {{"value": 4, "points": 100}}]'),
    ('0195f000-0000-7000-8000-00000000000e', 'examination_score', 'training', 'mean', 'score_sum', 'scored',
     'Mean score of examinations', '考核平均分', 'points', 1,
     '[{{"value": 0, "points": 0}}, {{"value": 100, "points": 100}}]'),
    ('0195f000-0000-7000-8000-00000000000f', 'team_rating', 'manual', 'mean', 'rating_sum', 'raters',
     'Contribution to the team', '团队贡献评分', 'points of 5', 1,
     '[{{"value": 1, "points": 0}}, {{"value": 3, "points": 60}}, {{"value": 4, "points": 80}},
       {{"value": 5, "points": 100}}]'),
    ('0195f000-0000-7000-8000-000000000010', 'development_rating', 'manual', 'mean', 'rating_sum', 'raters',
     'Personal development', '个人发展评分', 'points of 5', 1,
     '[{{"value": 1, "points": 0}}, {{"value": 3, "points": 60}}, {{"value": 4, "points": 80}},
       {{"value": 5, "points": 100}}]'),
    ('0195f000-0000-7000-8000-000000000011', 'mentor_rating', 'manual', 'mean', 'rating_sum', 'raters',
     'What the mentor thinks', '导师评分', 'points of 5', 1,
     '[{{"value": 1, "points": 0}}, {{"value": 3, "points": 60}}, {{"value": 4, "points": 80}},
       {{"value": 5, "points": 100}}]')
) AS seed (id, key, source, formula, measure, base, en, zh, unit, n, levels);
"""

# `error_classes` are those of all criteria that failed, `lasting_classes` those of failed criteria that are not fatal:
# an audit that passes after a dispute has no fatal fail any more.
AUDITS = """
ALTER TABLE {schema}.audits
    ADD auditor_id text, ADD error_classes text[] NOT NULL DEFAULT '{{}}',
    ADD lasting_classes text[] NOT NULL DEFAULT '{{}}', ADD competencies text[] NOT NULL DEFAULT '{{}}';
ALTER TABLE {schema}.audit_revisions ADD passed boolean, ADD possible numeric, ADD told_at timestamptz;
DROP INDEX {schema}.audits_by_employee;
CREATE INDEX audits_by_employee ON {schema}.audits (employee_id, submitted_on);
CREATE TABLE {schema}.audit_days (
    employee_id uuid, day date, audits bigint NOT NULL DEFAULT 0, score_sum numeric NOT NULL DEFAULT 0,
    free_of_customer_critical bigint NOT NULL DEFAULT 0, free_of_business_critical bigint NOT NULL DEFAULT 0,
    free_of_compliance_critical bigint NOT NULL DEFAULT 0, free_of_other bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (employee_id, day)
) WITH (fillfactor = 80);
INSERT INTO {schema}.audit_days
SELECT audit.employee_id, audit.submitted_on, count(*), sum(newest.score), count(*), count(*), count(*), count(*)
FROM {schema}.audits audit JOIN LATERAL (
    SELECT score FROM {schema}.audit_revisions WHERE audit_id = audit.audit_id ORDER BY revision DESC LIMIT 1
) newest ON newest.score IS NOT NULL
WHERE audit.submitted_on IS NOT NULL GROUP BY 1, 2;
"""

TRAINING = """
CREATE TABLE {schema}.training_facts (
    event_id text COLLATE "C" PRIMARY KEY, employee_id uuid NOT NULL, day date NOT NULL, course text NOT NULL,
    purpose text NOT NULL, passed boolean NOT NULL, score numeric
);
CREATE INDEX training_facts_by_employee ON {schema}.training_facts (employee_id, day);
CREATE TABLE {schema}.training_days (
    employee_id uuid, day date, examinations bigint NOT NULL, passed bigint NOT NULL, scored bigint NOT NULL,
    score_sum numeric NOT NULL, PRIMARY KEY (employee_id, day)
) WITH (fillfactor = 80);
"""

PEOPLE = """
CREATE TABLE {schema}.circumstances (
    id uuid PRIMARY KEY, employee_id uuid NOT NULL,
    circumstance text NOT NULL CHECK (circumstance IN ('part_time', 'in_training')),
    first_day date NOT NULL, last_day date, noted_by text NOT NULL, noted_at timestamptz NOT NULL,
    CHECK (first_day <= last_day)
);
CREATE INDEX circumstances_by_employee ON {schema}.circumstances (employee_id, id);
CREATE TABLE {schema}.careers (employee_id uuid PRIMARY KEY, started_on date NOT NULL, application_id uuid);
INSERT INTO {schema}.careers SELECT employee_id, min(since), NULL FROM {schema}.employee_logins GROUP BY 1;
CREATE INDEX call_facts_by_day ON {schema}.call_facts USING brin (day);
"""


def upgrade() -> None:
    for statements in (DEFINITIONS, AUDITS, TRAINING, PEOPLE):
        execute_each(statements, schema="performance")
