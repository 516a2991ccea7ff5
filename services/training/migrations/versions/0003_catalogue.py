"""Courses, programmes, enrolments, sessions, examinations and certificates; the courses that a centre begins with."""

import json

from shared.migrations import execute_each

revision = "0003"
down_revision = "0002"

# A range of text, so that "the same room" is an overlap and needs no extension.
DDL = """
CREATE TYPE {schema}.text_range AS RANGE (subtype = text, collation = "C");
CREATE TABLE {schema}.courses (
    id uuid PRIMARY KEY, code text NOT NULL, edition integer NOT NULL, current boolean NOT NULL, name_en text NOT NULL,
    name_zh text NOT NULL, subject text NOT NULL, method text NOT NULL, hours numeric NOT NULL CHECK (hours > 0),
    competencies text[] NOT NULL, documents text[] NOT NULL, examination jsonb, certificate jsonb
);
CREATE UNIQUE INDEX courses_by_code ON {schema}.courses (code, edition);
CREATE UNIQUE INDEX courses_current ON {schema}.courses (code) WHERE current;
CREATE TABLE {schema}.programmes (
    id uuid PRIMARY KEY, code text NOT NULL, name_en text NOT NULL, name_zh text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('pre_job', 'culture', 'coaching', 'plan')), courses text[] NOT NULL,
    who jsonb NOT NULL, active boolean NOT NULL, version integer NOT NULL
);
CREATE UNIQUE INDEX programmes_by_code ON {schema}.programmes (code);
CREATE TABLE {schema}.enrolments (
    id uuid PRIMARY KEY, employee_id uuid NOT NULL, course text NOT NULL, course_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('pre_job', 'culture', 'coaching', 'plan')),
    source text NOT NULL CHECK (source IN ('rule', 'plan', 'coaching', 'appraisal', 'hand')), source_id text NOT NULL,
    programme_id uuid, application_id uuid,
    status text NOT NULL CHECK (status IN ('enrolled', 'on_hold', 'completed', 'failed', 'cancelled')),
    created_at timestamptz NOT NULL, due_on date, completed_at timestamptz, documents text[] NOT NULL,
    version integer NOT NULL
);
CREATE UNIQUE INDEX enrolments_once ON {schema}.enrolments (employee_id, course, source, source_id);
CREATE INDEX enrolments_by_employee ON {schema}.enrolments (employee_id, id);
CREATE INDEX enrolments_by_course ON {schema}.enrolments (course, id);
CREATE INDEX enrolments_by_source ON {schema}.enrolments (source, source_id);
CREATE TABLE {schema}.sessions (
    id uuid PRIMARY KEY, course text NOT NULL, course_id uuid NOT NULL, trainer_id uuid NOT NULL,
    seats integer NOT NULL CHECK (seats > 0), status text NOT NULL CHECK (status IN ('planned', 'held', 'cancelled')),
    plan_entry_id uuid, version integer NOT NULL
);
CREATE INDEX sessions_by_course ON {schema}.sessions (course, id);
CREATE INDEX sessions_by_plan_entry ON {schema}.sessions (plan_entry_id);
CREATE TABLE {schema}.meetings (
    id uuid PRIMARY KEY, session_id uuid NOT NULL, room text NOT NULL, trainer_id uuid NOT NULL,
    starts_at timestamptz NOT NULL, ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    CONSTRAINT meetings_one_room EXCLUDE USING gist
        ({schema}.text_range(room, room, '[]') WITH &&, tstzrange(starts_at, ends_at) WITH &&),
    CONSTRAINT meetings_one_trainer EXCLUDE USING gist
        ({schema}.text_range(trainer_id::text, trainer_id::text, '[]') WITH &&, tstzrange(starts_at, ends_at) WITH &&)
);
CREATE INDEX meetings_by_session ON {schema}.meetings (session_id, starts_at);
CREATE TABLE {schema}.places (
    id uuid PRIMARY KEY, session_id uuid NOT NULL, enrolment_id uuid NOT NULL, employee_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('seated', 'waiting', 'withdrawn')), at timestamptz NOT NULL
);
CREATE UNIQUE INDEX places_once ON {schema}.places (session_id, employee_id);
CREATE INDEX places_by_enrolment ON {schema}.places (enrolment_id);
CREATE TABLE {schema}.attendances (
    meeting_id uuid, enrolment_id uuid, present boolean NOT NULL, at timestamptz NOT NULL, by text NOT NULL,
    PRIMARY KEY (meeting_id, enrolment_id)
);
CREATE INDEX attendances_by_enrolment ON {schema}.attendances (enrolment_id);
CREATE TABLE {schema}.examinations (
    id uuid PRIMARY KEY, enrolment_id uuid NOT NULL, employee_id uuid NOT NULL, course text NOT NULL,
    attempt integer NOT NULL, score numeric NOT NULL, passed boolean NOT NULL, answers jsonb, day date NOT NULL,
    at timestamptz NOT NULL, by text NOT NULL
);
CREATE UNIQUE INDEX examinations_once ON {schema}.examinations (enrolment_id, attempt);
CREATE INDEX examinations_by_employee ON {schema}.examinations (employee_id, id);
CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION ''attempts are never overwritten''; END';
CREATE TRIGGER examinations_stay BEFORE UPDATE OR DELETE ON {schema}.examinations
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change();
CREATE TABLE {schema}.certifications (
    id uuid PRIMARY KEY, employee_id uuid NOT NULL, course text NOT NULL, enrolment_id uuid NOT NULL,
    purpose text NOT NULL, score numeric, application_id uuid, granted_on date NOT NULL, valid_until date,
    revoked_on date, revoked_by text, reason text, expired_at timestamptz, version integer NOT NULL
);
CREATE UNIQUE INDEX certifications_once ON {schema}.certifications (enrolment_id);
CREATE INDEX certifications_by_employee ON {schema}.certifications (employee_id, course, id);
CREATE INDEX certifications_running ON {schema}.certifications (valid_until)
    WHERE expired_at IS NULL AND revoked_on IS NULL AND valid_until IS NOT NULL;
"""

EXAMINATION = {"questions": [], "pass_mark": 80, "attempts": 2, "days_between": 1}

# code, Chinese, English, method, hours, competencies, documents
COURSES: tuple[tuple[str, str, str, str, int, list[str], list[str]], ...] = (
    ("product_knowledge", "产品知识", "Product knowledge", "online", 10,
     ["customer_service_knowledge", "professional_knowledge", "applying_product_knowledge",
      "interpreting_customer_information", "providing_fitting_solution"], []),
    ("customer_psychology", "客户心理", "Customer psychology", "workshop", 6,
     ["calming_emotion", "listening_and_empathy", "understanding_customer_needs", "coping_with_pressure"], []),
    ("communication", "沟通技巧", "Communication", "workshop", 8,
     ["interpersonal_communication", "flexible_standard_language", "negotiating_to_agreement", "teamwork"], []),
    ("service_process", "服务流程", "Service process", "online", 8, ["service_awareness", "initiative"], []),
    ("problem_solving", "问题解决策略", "Problem-solving strategies", "simulated_calls", 8,
     ["problem_solving", "flexibility", "reflective_practice"], []),
    ("culture_and_policy", "企业文化与制度", "Company culture and policy", "online", 4, [],
     ["service_rules", "data_protection"]),
)  # fmt: skip

PROGRAMMES = (
    ("pre_job", "岗前培训", "Pre-job training", "pre_job", [course[0] for course in COURSES[:5]]),
    ("culture", "企业文化与制度培训", "Culture and policy training", "culture", ["culture_and_policy"]),
)


def upgrade() -> None:
    execute_each(DDL, schema="training")
    from alembic import op
    from sqlalchemy import text

    connection = op.get_bind()
    for n, (code, zh, en, method, hours, competencies, documents) in enumerate(COURSES):
        connection.execute(
            text("""
            INSERT INTO training.courses (id, code, edition, current, name_en, name_zh, subject, method, hours,
                                          competencies, documents, examination)
            VALUES (CAST(:id AS uuid), :code, 1, true, :en, :zh, :code, :method, :hours, :competencies, :documents,
                    CAST(:examination AS jsonb))
            """),
            {"id": f"01900000-0000-7000-8000-0000000003{n:02}", "code": code, "en": en, "zh": zh, "method": method,
             "hours": hours, "competencies": competencies, "documents": documents,
             "examination": json.dumps(EXAMINATION)},
        )  # fmt: skip
    for n, (code, zh, en, purpose, courses) in enumerate(PROGRAMMES):
        connection.execute(
            text("""
            INSERT INTO training.programmes (id, code, name_en, name_zh, purpose, courses, who, active, version)
            VALUES (CAST(:id AS uuid), :code, :en, :zh, :purpose, :courses, CAST(:who AS jsonb), true, 1)
            """),
            {"id": f"01900000-0000-7000-8000-0000000004{n:02}", "code": code, "en": en, "zh": zh, "purpose": purpose,
             "courses": courses, "who": json.dumps({"newcomer_days": 30})},
        )  # fmt: skip
