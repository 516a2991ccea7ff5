"""Needs, plans, and the calendar of the year of training."""

import json

from shared.migrations import execute_each

revision = "0004"
down_revision = "0003"

DDL = """
CREATE TABLE {schema}.deadlines (
    key text PRIMARY KEY, position integer NOT NULL, who text NOT NULL, rule jsonb NOT NULL, name_en text NOT NULL,
    name_zh text NOT NULL, active boolean NOT NULL, version integer NOT NULL
);
CREATE TABLE {schema}.deadline_marks (
    key text, period text, at timestamptz NOT NULL, by text NOT NULL, PRIMARY KEY (key, period)
);
CREATE TABLE {schema}.needs (
    id uuid PRIMARY KEY,
    origin text NOT NULL CHECK (origin IN ('department', 'strategy', 'survey', 'appraisal', 'audits', 'ad_hoc')),
    origin_id text, period text NOT NULL, department text, title text NOT NULL, course text,
    competencies text[] NOT NULL, trainees uuid[] NOT NULL, evidence jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('collected', 'assessed', 'approved', 'returned', 'merged')),
    priority integer, budget numeric, reason text, merged_into uuid, by text NOT NULL, version integer NOT NULL
);
CREATE UNIQUE INDEX needs_once ON {schema}.needs (origin, origin_id);
CREATE INDEX needs_by_period ON {schema}.needs (period, id);
CREATE INDEX needs_by_status ON {schema}.needs (status, id);
CREATE TABLE {schema}.plans (
    id uuid PRIMARY KEY, kind text NOT NULL CHECK (kind IN ('year', 'month', 'department_month')), period text NOT NULL,
    department text NOT NULL, budget numeric NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'submitted', 'approved', 'returned', 'issued')), by text NOT NULL,
    decided_by text, issued_at timestamptz, version integer NOT NULL
);
CREATE UNIQUE INDEX plans_once ON {schema}.plans (kind, period, department);
CREATE TABLE {schema}.plan_entries (
    id uuid PRIMARY KEY, plan_id uuid NOT NULL, need_id uuid, objective text NOT NULL, content text NOT NULL,
    course text NOT NULL, responsible_id uuid, trainees uuid[] NOT NULL, trainer_id uuid, starts_at timestamptz,
    ends_at timestamptz, place text, budget numeric NOT NULL CHECK (budget >= 0), spent numeric NOT NULL,
    status text NOT NULL CHECK (status IN ('planned', 'executed', 'removed')), version integer NOT NULL
);
CREATE INDEX plan_entries_by_plan ON {schema}.plan_entries (plan_id, id);
CREATE TABLE {schema}.plan_changes (
    id uuid PRIMARY KEY, plan_id uuid NOT NULL, reason text NOT NULL, added jsonb NOT NULL, removed uuid[] NOT NULL,
    budget numeric, status text NOT NULL CHECK (status IN ('submitted', 'approved', 'returned')), by text NOT NULL,
    decided_by text, version integer NOT NULL
);
CREATE INDEX plan_changes_by_plan ON {schema}.plan_changes (plan_id, id);
CREATE TABLE {schema}.tallies (month date PRIMARY KEY, at timestamptz NOT NULL);
"""

# key, who, rule, English, Chinese
DEADLINES = (
    ("department_needs", "department", {"month": 10, "day": 31}, "Next year's needs of the department collected",
     "收集本部门下一年度培训需求"),
    ("department_needs_report", "trainer", {"after": "department_needs", "working_days": 2},
     "Needs of the departments summarised, analysed, reported", "汇总、分析并上报部门培训需求"),
    ("needs_handed_in", "department", {"month": 11, "day": 5},
     "Needs and suggestions handed to the training department", "向培训部门提交需求与建议"),
    ("needs_handed_in_report", "trainer", {"after": "needs_handed_in", "working_days": 2},
     "Handed-in needs summarised, analysed, reported", "汇总、分析并上报所提交的需求"),
    ("centre_needs", "trainer", {"month": 11, "day": 15}, "The centre's needs for next year collected",
     "收集中心下一年度培训需求"),
    ("centre_needs_report", "trainer", {"after": "centre_needs", "working_days": 2},
     "Needs of the centre summarised, analysed, reported", "汇总、分析并上报中心培训需求"),
    ("needs_assessed", "trainer", {"month": 11, "day": 30}, "Needs assessed and put in order", "评估培训需求并排序"),
    ("year_plan_drafted", "trainer", {"month": 12, "day": 10}, "Next year's centre plan drawn up",
     "制订中心下一年度训练计划"),
    ("year_plan_approved", "manager", {"month": 12, "day": 20}, "Yearly plan approved", "年度训练计划获批"),
    ("budget_submitted", "trainer", {"month": 12, "day": 31}, "Needs and budget submitted for approval",
     "培训需求及预算报批"),
    ("mid_year_changes", "trainer", {"month": 6, "day": 30}, "Additions and changes submitted for approval",
     "年中增补与变更报批"),
    ("month_needs", "department", {"day": 15, "opens_days_before": 10}, "Next month's needs and suggestions",
     "提交下月培训需求与建议"),
    ("month_needs_report", "trainer", {"after": "month_needs", "working_days": 2},
     "Next month's needs summarised, analysed, reported", "汇总、分析并上报下月培训需求"),
    ("month_plan_issued", "trainer", {"day": 25, "opens_days_before": 10}, "Next month's plan issued and filed",
     "下发并归档下月训练计划"),
    ("department_month_plan", "department", {"day": 30, "opens_days_before": 5}, "The department's own month plan",
     "各部门制订本部门月计划"),
)  # fmt: skip


def upgrade() -> None:
    execute_each(DDL, schema="training")
    from alembic import op
    from sqlalchemy import text

    for n, (key, who, rule, en, zh) in enumerate(DEADLINES):
        op.get_bind().execute(
            text("""
            INSERT INTO training.deadlines (key, position, who, rule, name_en, name_zh, active, version)
            VALUES (:key, :n, :who, CAST(:rule AS jsonb), :en, :zh, true, 1)
            """),
            {"key": key, "n": n, "who": who, "rule": json.dumps(rule), "en": en, "zh": zh},
        )
