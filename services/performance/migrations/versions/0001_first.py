"""The tables that performance began with."""

from shared.mailbox import MAILBOX_DDL
from shared.migrations import execute_each
from shared.people import PEOPLE_DDL

revision = "0001"
down_revision = None

# Ids from outside compare by bytes: cheaper, and new ones mostly go to the right edge of the index.
FACTS = """
CREATE TABLE {schema}.call_facts (
    call_id text COLLATE "C", agent_id text, told_at timestamptz NOT NULL, letter_id text COLLATE "C" NOT NULL,
    day date NOT NULL, queue text NOT NULL, answered boolean NOT NULL,
    wait_ms integer, talk_ms integer, hold_ms integer, wrap_up_ms integer,
    PRIMARY KEY (call_id, agent_id)
);
CREATE TABLE {schema}.case_facts (
    case_id text COLLATE "C" PRIMARY KEY, told_at timestamptz NOT NULL, letter_id text COLLATE "C" NOT NULL,
    agent_id text NOT NULL, day date NOT NULL, category text NOT NULL, resolved boolean NOT NULL,
    first_contact boolean
);
CREATE TABLE {schema}.rating_facts (
    call_id text COLLATE "C", agent_id text, told_at timestamptz NOT NULL, letter_id text COLLATE "C" NOT NULL,
    day date NOT NULL, rating smallint NOT NULL,
    PRIMARY KEY (call_id, agent_id)
);
"""

# Days are changed again and again, never in a column that has an index: room on the page keeps that cheap.
DAYS = """
CREATE TABLE {schema}.call_days (
    agent_id text, day date, queue text,
    calls bigint NOT NULL, answered bigint NOT NULL, waits bigint NOT NULL, wait_ms bigint NOT NULL,
    within_20s bigint NOT NULL, talks bigint NOT NULL, talk_ms bigint NOT NULL, holds bigint NOT NULL,
    hold_ms bigint NOT NULL, wrap_ups bigint NOT NULL, wrap_up_ms bigint NOT NULL, handling_ms bigint NOT NULL,
    PRIMARY KEY (agent_id, day, queue)
) WITH (fillfactor = 60);
CREATE TABLE {schema}.case_days (
    agent_id text, day date, category text,
    cases bigint NOT NULL, resolved bigint NOT NULL, contacts_known bigint NOT NULL,
    resolved_at_first_contact bigint NOT NULL,
    PRIMARY KEY (agent_id, day, category)
) WITH (fillfactor = 60);
CREATE TABLE {schema}.rating_days (
    agent_id text, day date, ratings bigint NOT NULL, rating_sum bigint NOT NULL,
    PRIMARY KEY (agent_id, day)
) WITH (fillfactor = 60);
"""

INDICATORS = """
CREATE TABLE {schema}.indicators (
    id uuid PRIMARY KEY, key text NOT NULL, version integer NOT NULL, valid_from date NOT NULL,
    source text NOT NULL CHECK (source IN ('calls', 'cases', 'ratings')),
    formula text NOT NULL CHECK (formula IN ('count', 'sum', 'mean', 'rate')),
    measure text NOT NULL, base text NOT NULL, scale numeric NOT NULL, names jsonb NOT NULL, unit text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('more', 'less', 'near'))
);
CREATE UNIQUE INDEX indicators_by_key ON {schema}.indicators (key, version);
INSERT INTO {schema}.indicators
SELECT id::uuid, key, 1, '2000-01-01', source, formula, measure, base, scale,
       jsonb_build_object('en', en, 'zh', zh), unit, direction
FROM (VALUES
    ('0195f000-0000-7000-8000-000000000001', 'calls_answered', 'calls', 'count', 'answered', 'calls', 1,
     'Calls answered', '接听电话数', 'calls', 'more'),
    ('0195f000-0000-7000-8000-000000000002', 'speed_of_answer', 'calls', 'mean', 'wait_ms', 'waits', 0.001,
     'Mean speed of answer', '平均应答速度', 'seconds', 'less'),
    ('0195f000-0000-7000-8000-000000000003', 'answered_within_20s', 'calls', 'rate', 'within_20s', 'waits', 1,
     'Share answered within 20 seconds', '20 秒内应答率', 'share', 'more'),
    ('0195f000-0000-7000-8000-000000000004', 'handling_time', 'calls', 'mean', 'handling_ms', 'talks', 0.001,
     'Mean handling time', '平均处理时长', 'seconds', 'near'),
    ('0195f000-0000-7000-8000-000000000005', 'resolution_rate', 'cases', 'rate', 'resolved', 'cases', 1,
     'Resolution rate', '问题解决率', 'share', 'more'),
    ('0195f000-0000-7000-8000-000000000006', 'first_contact_resolution', 'cases', 'rate',
     'resolved_at_first_contact', 'contacts_known', 1,
     'First-contact resolution', '首次解决率', 'share', 'more'),
    ('0195f000-0000-7000-8000-000000000007', 'satisfaction', 'ratings', 'mean', 'rating_sum', 'ratings', 1,
     'Customer satisfaction', '客户满意度', 'points of 5', 'more')
) AS seed (id, key, source, formula, measure, base, scale, en, zh, unit, direction);
"""

APPRAISALS = """
CREATE TABLE {schema}.cycles (
    id uuid PRIMARY KEY, code text NOT NULL, name text,
    kind text NOT NULL CHECK (kind IN ('quarterly', 'yearly', 'probation')),
    first_day date NOT NULL, last_day date NOT NULL, template jsonb NOT NULL, status text NOT NULL DEFAULT 'open',
    opened_by text NOT NULL, opened_at timestamptz NOT NULL, version integer NOT NULL DEFAULT 1,
    CHECK (first_day <= last_day)
);
CREATE UNIQUE INDEX cycles_by_code ON {schema}.cycles (code);
CREATE TABLE {schema}.appraisals (
    id uuid PRIMARY KEY DEFAULT uuidv7(), cycle_id uuid NOT NULL REFERENCES {schema}.cycles, employee_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'open', scores jsonb NOT NULL DEFAULT '{{}}', total numeric, grade text,
    version integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX appraisals_once ON {schema}.appraisals (cycle_id, employee_id);
CREATE INDEX appraisals_by_cycle ON {schema}.appraisals (cycle_id, id);
CREATE INDEX appraisals_by_employee ON {schema}.appraisals (employee_id, id);
CREATE TABLE {schema}.audits (
    audit_id uuid PRIMARY KEY, employee_id uuid NOT NULL, submitted_on date, call_id text, scorecard text
);
CREATE INDEX audits_by_day ON {schema}.audits (submitted_on);
CREATE INDEX audits_by_employee ON {schema}.audits (employee_id);
CREATE TABLE {schema}.audit_revisions (
    audit_id uuid REFERENCES {schema}.audits, revision integer, event_id text NOT NULL, score numeric,
    PRIMARY KEY (audit_id, revision)
);
CREATE TABLE {schema}.ledger_entries (
    id uuid PRIMARY KEY, appraisal_id uuid NOT NULL REFERENCES {schema}.appraisals, dimension text NOT NULL,
    indicator text NOT NULL, kind text NOT NULL CHECK (kind IN ('entry', 'reversal')),
    audit_id uuid NOT NULL REFERENCES {schema}.audits, revision integer NOT NULL, event_id text NOT NULL,
    value numeric NOT NULL, reverses uuid REFERENCES {schema}.ledger_entries, reversed_by uuid,
    at timestamptz NOT NULL,
    CHECK ((kind = 'reversal') = (reverses IS NOT NULL)), CHECK (kind = 'entry' OR reversed_by IS NULL)
);
CREATE UNIQUE INDEX ledger_entries_live ON {schema}.ledger_entries (appraisal_id, audit_id)
    WHERE kind = 'entry' AND reversed_by IS NULL;
CREATE UNIQUE INDEX ledger_entries_once ON {schema}.ledger_entries (appraisal_id, audit_id, revision)
    WHERE kind = 'entry';
CREATE UNIQUE INDEX ledger_entries_by_reversed ON {schema}.ledger_entries (reverses);
CREATE INDEX ledger_entries_by_appraisal ON {schema}.ledger_entries (appraisal_id, id);
"""

# What is booked stays as it is: the one change allowed is to note, once, which line reversed it.
APPEND_ONLY = """
CREATE FUNCTION {schema}.only_append() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.reversed_by IS NULL AND to_jsonb(OLD) - 'reversed_by' = to_jsonb(NEW) - 'reversed_by' THEN
            RETURN NEW; END IF; END IF;  -- one line: statements end where a semicolon ends a line
    RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE TRIGGER only_append BEFORE UPDATE OR DELETE ON {schema}.ledger_entries
    FOR EACH ROW EXECUTE FUNCTION {schema}.only_append();
"""


def upgrade() -> None:
    for statements in (MAILBOX_DDL, PEOPLE_DDL, FACTS, DAYS, INDICATORS, APPRAISALS):
        execute_each(statements, schema="performance")
    execute_each(APPEND_ONLY, schema="performance")
