"""The schema, the mailbox, the employees, and what every subject shares."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Index, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared.mailbox import mailbox_tables
from shared.people import people_tables
from shared.reads import reads_table
from shared.unmet import unmet_table

metadata = MetaData(schema="training")

mailbox_tables(metadata)
reads_table(metadata)
employees, employee_logins, agent_holders = people_tables(metadata)
unmet_table(metadata)

arrivals = Table(
    "arrivals",
    metadata,
    Column("employee_id", Uuid, primary_key=True),
    Column("started_on", Date, nullable=False),
    Column("application_id", Uuid),
)
"""The first day of each employee, and the application they came by."""

records = Table(
    "records",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("subject_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Index("records_by_subject", "subject_id", "id"),
)
"""Who did what to which need, plan, course, enrolment and so on. Only ever added to."""

reminders = Table(
    "reminders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("days_before", Integer, nullable=False),
    Column("employee_id", Uuid),
    Column("who", Text),
    Column("due_on", Date, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("reminders_once", "kind", "subject", "days_before", unique=True),
    Index("reminders_by_employee", "employee_id", "id"),
)
"""What somebody was reminded of: of one thing once for each distance in days."""
