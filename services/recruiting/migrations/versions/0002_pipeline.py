"""Requisitions, applications and employments, and the steps they go through. What each table is for: `tables.py`."""

from shared.migrations import execute_each

revision = "0002"
down_revision = "0001"

PIPELINE_DDL = """
CREATE TABLE {schema}.channels (
    key text PRIMARY KEY, name_en text NOT NULL, name_zh text NOT NULL
);
CREATE TABLE {schema}.job_profiles (
    id uuid PRIMARY KEY, key text NOT NULL, version integer NOT NULL, title text NOT NULL, description text NOT
    NULL, competencies jsonb NOT NULL, created_at timestamptz NOT NULL, created_by text NOT NULL
);
CREATE UNIQUE INDEX job_profiles_by_key ON {schema}.job_profiles (key, version);
CREATE TABLE {schema}.requisitions (
    id uuid PRIMARY KEY, department text, role text NOT NULL, headcount integer NOT NULL, reason text NOT NULL,
    replaces uuid, needed_on date NOT NULL, pay_band text, authors text[] NOT NULL, profile_id uuid, status text
    NOT NULL, done smallint[] NOT NULL, step smallint, created_at timestamptz NOT NULL, version integer NOT NULL
);
CREATE INDEX requisitions_by_role ON {schema}.requisitions (role, id);
CREATE INDEX requisitions_by_status ON {schema}.requisitions (status, id);
CREATE TABLE {schema}.postings (
    id uuid PRIMARY KEY, requisition_id uuid NOT NULL, title text NOT NULL, text text NOT NULL, closes_on date,
    published_at timestamptz NOT NULL
);
CREATE INDEX postings_by_requisition ON {schema}.postings (requisition_id, id);
CREATE TABLE {schema}.requisition_channels (
    requisition_id uuid NOT NULL, channel text NOT NULL, cost numeric(12, 2) NOT NULL, added_at timestamptz NOT
    NULL, PRIMARY KEY (requisition_id, channel)
);
CREATE TABLE {schema}.candidates (
    id uuid PRIMARY KEY, name text, phone text, email text, employee_id uuid, consent_until date NOT NULL,
    created_at timestamptz NOT NULL, erased_at timestamptz, version integer NOT NULL
);
CREATE INDEX candidates_by_consent ON {schema}.candidates (consent_until) WHERE erased_at IS NULL;
CREATE INDEX candidates_by_employee ON {schema}.candidates (employee_id);
CREATE TABLE {schema}.candidate_keys (
    kind text NOT NULL, digest bytea NOT NULL, candidate_id uuid NOT NULL, PRIMARY KEY (kind, digest)
);
CREATE INDEX candidate_keys_by_candidate ON {schema}.candidate_keys (candidate_id);
CREATE TABLE {schema}.applications (
    id uuid PRIMARY KEY, requisition_id uuid NOT NULL, candidate_id uuid NOT NULL, channel text NOT NULL,
    resume_ref text, given jsonb, internal boolean NOT NULL, status text NOT NULL, done smallint[] NOT NULL,
    step smallint, reason text, score numeric(7, 4), medical text, proposed_at timestamptz, applied_at
    timestamptz NOT NULL, version integer NOT NULL, listed boolean GENERATED ALWAYS AS (11 = ANY (done) AND
    status NOT IN ('rejected', 'withdrawn', 'declined')) STORED
);
CREATE INDEX applications_by_candidate ON {schema}.applications (candidate_id, id);
CREATE INDEX applications_by_requisition ON {schema}.applications (requisition_id, id);
CREATE INDEX applications_by_requisition_status ON {schema}.applications (requisition_id, status, id);
CREATE INDEX applications_by_requisition_status_step ON {schema}.applications (requisition_id, status, step, id);
CREATE INDEX applications_by_requisition_step ON {schema}.applications (requisition_id, step, id);
CREATE INDEX applications_by_status ON {schema}.applications (status, id);
CREATE INDEX applications_by_status_step ON {schema}.applications (status, step, id);
CREATE INDEX applications_by_step ON {schema}.applications (step, id);
CREATE INDEX applications_listed ON {schema}.applications (requisition_id) WHERE listed;
CREATE TABLE {schema}.employments (
    application_id uuid PRIMARY KEY, requisition_id uuid NOT NULL, employee_id uuid, internal boolean NOT NULL,
    role text NOT NULL, department text, team text, team_lead_id uuid, mentor_id uuid, starts_on date,
    probation_ends_on date, extended boolean NOT NULL, grade text, pay_band text, ended_on date, began_at
    timestamptz NOT NULL
);
CREATE INDEX employments_by_employee ON {schema}.employments (employee_id);
CREATE INDEX employments_by_probation_end ON {schema}.employments (probation_ends_on);
CREATE TABLE {schema}.interviews (
    id uuid PRIMARY KEY, application_id uuid NOT NULL, round integer NOT NULL, starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL, place text NOT NULL, papers text[] NOT NULL, status text NOT NULL, version
    integer NOT NULL
);
CREATE INDEX interviews_by_time ON {schema}.interviews (starts_at);
CREATE UNIQUE INDEX interviews_once ON {schema}.interviews (application_id, round);
CREATE TABLE {schema}.interview_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, interview_id uuid NOT NULL, at timestamptz NOT NULL,
    actor text NOT NULL, reason text NOT NULL, before jsonb NOT NULL, after jsonb NOT NULL
);
CREATE INDEX interview_changes_by_interview ON {schema}.interview_changes (interview_id, id);
CREATE TABLE {schema}.score_sheets (
    interview_id uuid NOT NULL, member text NOT NULL, application_id uuid NOT NULL, scores jsonb NOT NULL,
    papers jsonb NOT NULL, handed_in_at timestamptz, PRIMARY KEY (interview_id, member)
);
CREATE INDEX score_sheets_by_application ON {schema}.score_sheets (application_id);
CREATE INDEX score_sheets_by_member ON {schema}.score_sheets (member);
CREATE TABLE {schema}.documents (
    application_id uuid NOT NULL, document text NOT NULL, status text NOT NULL, verifier text NOT NULL, at
    timestamptz NOT NULL, PRIMARY KEY (application_id, document)
);
CREATE TABLE {schema}.offers (
    id uuid PRIMARY KEY, application_id uuid NOT NULL, made_at timestamptz NOT NULL, expires_on date NOT NULL,
    status text NOT NULL, decided_at timestamptz
);
CREATE INDEX offers_by_application ON {schema}.offers (application_id, id);
CREATE INDEX offers_by_expiry ON {schema}.offers (expires_on) WHERE status = 'open';
CREATE UNIQUE INDEX offers_open ON {schema}.offers (application_id) WHERE status = 'open';
CREATE TABLE {schema}.contracts (
    id uuid PRIMARY KEY, application_id uuid NOT NULL, employee_id uuid NOT NULL, candidate_id uuid NOT NULL,
    step smallint NOT NULL, kind text NOT NULL, starts_on date NOT NULL, ends_on date, probation_ends_on date,
    pay numeric(12, 2), probation_pay numeric(12, 2), rules text NOT NULL, signed_at timestamptz NOT NULL
);
CREATE INDEX contracts_by_application ON {schema}.contracts (application_id, id);
CREATE INDEX contracts_by_candidate ON {schema}.contracts (candidate_id);
CREATE INDEX contracts_by_employee ON {schema}.contracts (employee_id);
CREATE TABLE {schema}.reports (
    event_id text PRIMARY KEY, at timestamptz NOT NULL, step smallint NOT NULL, employee_id uuid NOT NULL,
    application_id uuid, outcome text NOT NULL, score numeric(7, 2), applied_at timestamptz
);
CREATE INDEX reports_waiting ON {schema}.reports (employee_id) WHERE applied_at IS NULL;
CREATE INDEX reports_waiting_application ON {schema}.reports (application_id) WHERE applied_at IS NULL;
CREATE TABLE {schema}.hand_ins (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, requisition_id uuid NOT NULL, application_id uuid, step
    smallint NOT NULL, at timestamptz NOT NULL, actor text NOT NULL, outcome text NOT NULL, fields jsonb NOT
    NULL
);
CREATE INDEX hand_ins_by_application ON {schema}.hand_ins (application_id, id);
CREATE INDEX hand_ins_by_requisition ON {schema}.hand_ins (requisition_id, id);
CREATE TABLE {schema}.list_proposals (
    requisition_id uuid NOT NULL, step smallint NOT NULL, digest bytea NOT NULL, actor text NOT NULL, at
    timestamptz NOT NULL, PRIMARY KEY (requisition_id, step, digest, actor)
);
CREATE TABLE {schema}.step_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, record text NOT NULL,
    requisition_id uuid NOT NULL, application_id uuid, step smallint, move text NOT NULL, outcome text, reason
    text, status text NOT NULL, actor text NOT NULL, side text NOT NULL, cause text
);
CREATE INDEX step_history_by_application ON {schema}.step_history (application_id, id);
CREATE INDEX step_history_by_requisition ON {schema}.step_history (requisition_id, id);
CREATE INDEX step_history_of_requisition ON {schema}.step_history (requisition_id, id) WHERE application_id IS NULL;
CREATE TABLE {schema}.open_steps (
    record_id uuid NOT NULL, step smallint NOT NULL, record text NOT NULL, requisition_id uuid NOT NULL,
    application_id uuid, owner text NOT NULL, entered_at timestamptz NOT NULL, due_on date NOT NULL, reminded_at
    timestamptz, PRIMARY KEY (record_id, step)
);
CREATE INDEX open_steps_by_due ON {schema}.open_steps (due_on, record_id, step);
"""

CHANNELS = """
INSERT INTO {schema}.channels (key, name_en, name_zh) VALUES
    ('website', 'own website', '公司官网'), ('job_board', 'job board', '招聘网站'),
    ('social', 'social media', '社交媒体'), ('referral', 'referral by staff', '内部推荐'),
    ('internal', 'internal application', '内部应聘'), ('campus', 'campus', '校园招聘'),
    ('agency', 'agency', '猎头及中介'), ('job_fair', 'job fair', '招聘会'), ('walk_in', 'walk-in', '上门应聘');
"""


def upgrade() -> None:
    execute_each(PIPELINE_DDL, schema="recruiting")
    execute_each(CHANNELS, schema="recruiting")
