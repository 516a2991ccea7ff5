"""Surveys whose answers nobody can trace."""

from shared.migrations import execute_each

revision = "0005"
down_revision = "0004"

DDL = """
CREATE TABLE {schema}.surveys (
    id uuid PRIMARY KEY, kind text NOT NULL CHECK (kind IN ('course', 'assessment')), title text NOT NULL,
    course_id uuid, questions jsonb NOT NULL, closes_at timestamptz NOT NULL, version integer NOT NULL,
    CHECK ((kind = 'course') = (course_id IS NOT NULL))
);
CREATE INDEX surveys_by_course ON {schema}.surveys (course_id, id);
CREATE TABLE {schema}.survey_returns (
    survey_id uuid PRIMARY KEY, answered uuid[] NOT NULL, answers jsonb NOT NULL, shown jsonb NOT NULL
);
"""


def upgrade() -> None:
    execute_each(DDL, schema="training")
