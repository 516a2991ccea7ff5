"""Coaching rules become data, assignments get the rest of their life, and audits are remembered for both."""

from shared.migrations import execute_each

revision = "0002"
down_revision = "0001"

DDL = """
CREATE TABLE {schema}.arrivals (employee_id uuid PRIMARY KEY, started_on date NOT NULL, application_id uuid);
CREATE TABLE {schema}.records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject_id uuid NOT NULL, at timestamptz NOT NULL,
    actor text NOT NULL, action text NOT NULL, details jsonb NOT NULL
);
CREATE INDEX records_by_subject ON {schema}.records (subject_id, id);
CREATE TABLE {schema}.reminders (
    id uuid PRIMARY KEY, kind text NOT NULL, subject text NOT NULL, days_before integer NOT NULL, employee_id uuid,
    who text, due_on date NOT NULL, at timestamptz NOT NULL
);
CREATE UNIQUE INDEX reminders_once ON {schema}.reminders (kind, subject, days_before);
CREATE INDEX reminders_by_employee ON {schema}.reminders (employee_id, id);
CREATE TABLE {schema}.competencies (
    code text PRIMARY KEY, trainability text NOT NULL CHECK (trainability IN ('easy', 'harder', 'very_hard')),
    name_en text NOT NULL, name_zh text NOT NULL
);

ALTER TABLE {schema}.coaching_rules DROP CONSTRAINT coaching_rules_condition_check;
ALTER TABLE {schema}.coaching_rules
    ALTER COLUMN condition TYPE jsonb
        USING CASE condition WHEN 'critical_error' THEN '{{"critical": true}}'::jsonb ELSE '{{}}'::jsonb END,
    ADD COLUMN action text NOT NULL DEFAULT 'coaching' CHECK (action IN ('coaching', 'talk', 'course')),
    ADD COLUMN topic text, ADD COLUMN course text, ADD COLUMN coach_group uuid[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN cooldown_days integer NOT NULL DEFAULT 0 CHECK (cooldown_days >= 0),
    ADD COLUMN needs_approval boolean NOT NULL DEFAULT false, ADD COLUMN unless_open boolean NOT NULL DEFAULT false,
    ADD COLUMN active boolean NOT NULL DEFAULT true, ADD COLUMN version integer NOT NULL DEFAULT 1;
INSERT INTO {schema}.coaching_rules (id, key, condition, action, due_working_days, priority, coaches, name_en, name_zh)
VALUES
    ('01900000-0000-7000-8000-000000000203', 'hard_to_train', '{{"trainability": ["very_hard"]}}', 'talk', 5, 150,
     '{{team_lead,mentor}}', 'Very hard to train: a talk with the team lead, no course',
     '难以培养的素质：与主管面谈，不安排课程'),
    ('01900000-0000-7000-8000-000000000204', 'failed_again',
     '{{"trainability": ["easy", "harder"], "repeated": {{"times": 3, "audits": 5, "same": "competency"}}}}', 'course',
     20, 100, '{{}}',
     'Same competency failed in 3 of the last 5 audits: its course as well',
     '同一素质最近5次质检3次不合格：另加课程');
CREATE TABLE {schema}.coaching_firings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, day date NOT NULL,
    audit_id uuid NOT NULL, employee_id uuid NOT NULL, rule text NOT NULL, action text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('acted', 'suppressed')), reason text, competencies text[] NOT NULL,
    courses text[] NOT NULL, CHECK ((outcome = 'acted') = (reason IS NULL))
);
CREATE INDEX coaching_firings_by_audit ON {schema}.coaching_firings (audit_id, id);
CREATE INDEX coaching_firings_by_rule ON {schema}.coaching_firings (rule, id);
CREATE INDEX coaching_firings_acted ON {schema}.coaching_firings (employee_id, rule, day) WHERE outcome = 'acted';

ALTER TABLE {schema}.audit_states ADD COLUMN stage smallint NOT NULL DEFAULT 0, ADD COLUMN decided_on date,
    ADD COLUMN remaining text[];
CREATE TABLE {schema}.audit_results (
    audit_id uuid PRIMARY KEY, employee_id uuid NOT NULL, scorecard text NOT NULL, submitted_at timestamptz NOT NULL,
    score numeric NOT NULL, passed boolean NOT NULL, critical boolean NOT NULL, criteria text[] NOT NULL,
    competencies text[] NOT NULL, error_classes text[] NOT NULL
);
CREATE INDEX audit_results_by_employee ON {schema}.audit_results (employee_id, submitted_at, audit_id);
CREATE INDEX audit_results_by_time ON {schema}.audit_results (submitted_at, audit_id);

ALTER TABLE {schema}.coaching_assignments DROP CONSTRAINT coaching_assignments_status_check;
ALTER TABLE {schema}.coaching_assignments
    ADD CHECK (status IN ('proposed', 'assigned', 'acknowledged', 'in_progress', 'waiting', 'completed', 'followed_up',
                          'cancelled')),
    ADD COLUMN kind text NOT NULL DEFAULT 'coaching' CHECK (kind IN ('coaching', 'talk')), ADD COLUMN topic text,
    ADD COLUMN scorecard text NOT NULL DEFAULT '', ADD COLUMN submitted_on date,
    ADD COLUMN due_working_days integer, ADD COLUMN needs_approval boolean NOT NULL DEFAULT false,
    ADD COLUMN remaining_criteria text[], ADD COLUMN owed boolean, ADD COLUMN disputed boolean NOT NULL DEFAULT false,
    ADD COLUMN approved_at timestamptz, ADD COLUMN approved_by text, ADD COLUMN refused_at timestamptz,
    ADD COLUMN started_at timestamptz, ADD COLUMN escalated_to uuid, ADD COLUMN followed_up_at timestamptz,
    ADD COLUMN follow_up_audit_id uuid, ADD COLUMN follow_up_met boolean;
UPDATE {schema}.coaching_assignments AS it SET submitted_on = assigned_at::date,
    due_working_days = coalesce((SELECT due_working_days FROM {schema}.coaching_rules WHERE key = it.rule), 5),
    owed = status <> 'cancelled' AND NOT no_longer_owed;
ALTER TABLE {schema}.coaching_assignments
    ALTER COLUMN submitted_on SET NOT NULL, ALTER COLUMN due_working_days SET NOT NULL, ALTER COLUMN owed SET NOT NULL;
CREATE INDEX coaching_assignments_escalated ON {schema}.coaching_assignments (escalated_to, id);
DROP INDEX {schema}.coaching_assignments_pending;
CREATE INDEX coaching_assignments_pending ON {schema}.coaching_assignments (due_on)
    WHERE status IN ('assigned', 'acknowledged', 'in_progress') AND overdue_at IS NULL;
CREATE TABLE {schema}.coaching_items (
    id uuid PRIMARY KEY, assignment_id uuid NOT NULL, what text NOT NULL, due_on date, done_at timestamptz,
    by text NOT NULL
);
CREATE INDEX coaching_items_by_assignment ON {schema}.coaching_items (assignment_id, id);
CREATE TABLE {schema}.coaching_notes (
    id uuid PRIMARY KEY, assignment_id uuid NOT NULL, at timestamptz NOT NULL, by text NOT NULL,
    shared boolean NOT NULL, note text NOT NULL
);
CREATE INDEX coaching_notes_by_assignment ON {schema}.coaching_notes (assignment_id, id);
"""

# The iceberg model; the complaint desk's competencies and the grouping below knowledge and skill are derived.
COMPETENCIES = """
easy|customer_service_knowledge|Customer-service knowledge|客户服务专业知识
easy|interpersonal_communication|Interpersonal communication|人际沟通
easy|problem_solving|Problem solving|解决问题能力
easy|professional_knowledge|Professional knowledge|专业知识
easy|interpreting_customer_information|Interpreting customer information|客户信息解读
easy|applying_product_knowledge|Applying product knowledge|产品知识运用
easy|understanding_customer_needs|Understanding customer needs|理解客户需求
easy|providing_fitting_solution|Providing the fitting product or service|提供适合产品或服务
easy|calming_emotion|Calming emotion|安抚情绪
easy|listening_and_empathy|Listening and empathy|倾听与换位思考
easy|flexible_standard_language|Flexible use of standard language|标准用语灵活运用
easy|negotiating_to_agreement|Negotiating to agreement|协商达成共识
harder|service_awareness|Service awareness|客户服务意识
harder|initiative|Initiative|主动性
harder|flexibility|Flexibility|灵活性
harder|teamwork|Teamwork|团队协作
harder|reflective_practice|Reflective practice|反思实践
harder|coping_with_pressure|Coping with pressure|压力承受
very_hard|achievement_motive|Achievement motive|成就动机
very_hard|self_confidence|Self-confidence|自信
very_hard|self_control|Self-control|自我控制
very_hard|influence|Influence|影响力
very_hard|innovation|Innovation|创新性
"""


def upgrade() -> None:
    execute_each(DDL, schema="training")
    rows = ", ".join(
        "('{1}', '{0}', '{2}', '{3}')".format(*line.split("|")) for line in COMPETENCIES.strip().splitlines()
    )
    execute_each(
        "INSERT INTO {schema}.competencies (code, trainability, name_en, name_zh) VALUES " + rows, schema="training"
    )
