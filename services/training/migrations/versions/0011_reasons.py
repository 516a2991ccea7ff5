"""Why an enrolment is as it is, where what asked for it asks no more."""

from shared.migrations import execute_each

revision = "0011"
down_revision = "0010"

DDL = """
ALTER TABLE {schema}.enrolments ADD reason text;
"""


def upgrade() -> None:
    execute_each(DDL, schema="training")
