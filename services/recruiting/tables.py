"""Where does recruiting keep what it knows?"""

from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Index, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.mailbox import mailbox_tables

metadata = MetaData(schema="recruiting")

mailbox_tables(metadata)

employees = Table(
    "employees",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("agent_id", Text),
    Column("name", Text),
    Column("department", Text),
    Column("role", Text, nullable=False),
    Column("team", Text),
    Column("team_lead_id", Uuid),
    Column("mentor_id", Uuid),
    Column("since", Date, nullable=False),
    Column("holds_from", Date, nullable=False),
    Column("left_on", Date),
    Column("version", Integer, nullable=False),
    Index("employees_by_agent", "agent_id", "id"),
    Index("employees_by_team", "team", "id"),
    Index("employees_by_role", "role", "id"),
    Index("employees_by_lead", "team_lead_id", "id"),
    Index("employees_one_login", "agent_id", unique=True, postgresql_where=text("left_on IS NULL")),
)

employee_history = Table(
    "employee_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("employee_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("before", JSONB(none_as_null=True)),
    Column("after", JSONB, nullable=False),
    Index("employee_history_by_employee", "employee_id", "id"),
)
"""Only ever added to."""
