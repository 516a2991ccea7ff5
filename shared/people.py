"""Who works here? Each service's own projection of the employees that recruiting owns.

A login of the telephony system belongs to one employee at a time and may move on to another. Facts from telephony
carry the login; whose fact it was is answered by the day it happened on, through the view `agent_holders`. The first
holder of a login also has what came before, for nobody else ever had it: so calls of an agent nobody knows simply wait
in their table, and are there when the agent becomes known, in whatever order things arrive.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, DateTime, Index, MetaData, Table, Text, Uuid

from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.db import Tx
from shared.delivery import Delivered, Policies, bulk
from shared.direct import text


def people_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """`employees`, `employee_logins` and the view `agent_holders` of the service whose tables these are.

    The view has one row for each stretch of days, `valid_from` up to before `valid_to`, on which an employee held a
    login. Migrations make it.
    """
    employees = Table(
        "employees",
        metadata,
        Column("employee_id", Uuid, primary_key=True),
        Column("agent_id", Text),
        Column("department", Text),
        Column("role", Text),
        Column("team", Text),
        Column("team_lead_id", Uuid),
        Column("mentor_id", Uuid),
        Column("known_at", DateTime(timezone=True)),
        Column("left_on", Date),
        Index("employees_by_team", "team"),
        Index("employees_by_lead", "team_lead_id"),
    )
    logins = Table(
        "employee_logins",
        metadata,
        Column("agent_id", Text, primary_key=True),
        Column("since", Date, primary_key=True),
        Column("employee_id", Uuid, primary_key=True),
        Index("employee_logins_by_employee", "employee_id"),
    )
    holders = Table(
        "agent_holders",
        MetaData(schema=metadata.schema),  # a view: not for those who compare tables with migrations
        Column("agent_id", Text),
        Column("employee_id", Uuid),
        Column("valid_from", Date),
        Column("valid_to", Date),
    )
    return employees, logins, holders


PEOPLE_DDL = """
CREATE TABLE {schema}.employees (
    employee_id uuid PRIMARY KEY, agent_id text, department text, role text, team text, team_lead_id uuid,
    mentor_id uuid, known_at timestamptz, left_on date
);
CREATE INDEX employees_by_team ON {schema}.employees (team);
CREATE INDEX employees_by_lead ON {schema}.employees (team_lead_id);
CREATE TABLE {schema}.employee_logins (
    agent_id text, since date, employee_id uuid, PRIMARY KEY (agent_id, since, employee_id)
);
CREATE INDEX employee_logins_by_employee ON {schema}.employee_logins (employee_id);
CREATE VIEW {schema}.agent_holders AS
    SELECT agent_id, employee_id,
           CASE WHEN row_number() OVER w = 1 THEN '-infinity' ELSE since END AS valid_from,
           coalesce(lead(since) OVER w, 'infinity') AS valid_to
    FROM {schema}.employee_logins
    WINDOW w AS (PARTITION BY agent_id ORDER BY since, employee_id);
"""
"""What the first migration of each projecting service runs; later changes are migrations of their own."""


@bulk
async def know_employees(delivered: Sequence[Delivered[EmployeeStarted]], tx: Tx) -> None:
    """Keep the newest of what is known of each employee, and every login with its first day."""
    newest: dict[UUID, tuple[datetime, str, EmployeeStarted]] = {}
    for event, letter in delivered:
        stamp = (letter.time, letter.id, event)
        newest[event.employee_id] = max(newest.get(event.employee_id, stamp), stamp, key=lambda s: s[:2])
    people = [newest[id] for id in sorted(newest)]
    columns: dict[str, list[Any]] = {
        "ids": [e.employee_id for _, _, e in people],
        "agents": [e.agent_id for _, _, e in people],
        "departments": [e.department for _, _, e in people],
        "roles": [e.role for _, _, e in people],
        "teams": [e.team for _, _, e in people],
        "leads": [e.team_lead_id for _, _, e in people],
        "mentors": [e.mentor_id for _, _, e in people],
        "times": [at for at, _, _ in people],
    }
    await tx.run(
        text(f"""
        INSERT INTO {tx.schema}.employees AS known
               (employee_id, agent_id, department, role, team, team_lead_id, mentor_id, known_at)
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:agents AS text[]), CAST(:departments AS text[]),
                             CAST(:roles AS text[]), CAST(:teams AS text[]), CAST(:leads AS uuid[]),
                             CAST(:mentors AS uuid[]), CAST(:times AS timestamptz[]))
        ON CONFLICT (employee_id) DO UPDATE SET
               (agent_id, department, role, team, team_lead_id, mentor_id, known_at)
             = (excluded.agent_id, excluded.department, excluded.role, excluded.team, excluded.team_lead_id,
                excluded.mentor_id, excluded.known_at)
        WHERE known.known_at IS NULL OR known.known_at < excluded.known_at
        """),
        columns,
    )
    held = sorted({(e.agent_id, e.date, e.employee_id) for e, _ in delivered if e.agent_id})
    await tx.run(
        text(f"""
        INSERT INTO {tx.schema}.employee_logins (agent_id, since, employee_id)
        SELECT * FROM unnest(CAST(:agents AS text[]), CAST(:days AS date[]), CAST(:ids AS uuid[]))
        ON CONFLICT DO NOTHING
        """),
        {"agents": [a for a, _, _ in held], "days": [d for _, d, _ in held], "ids": [i for _, _, i in held]},
    )


async def note_leaving(event: EmployeeLeft, tx: Tx) -> None:
    """Remember the first day without the employee, also when this comes before anything else about them."""
    await tx.run(
        text(f"""
        INSERT INTO {tx.schema}.employees (employee_id, left_on) VALUES (:id, :day)
        ON CONFLICT (employee_id) DO UPDATE SET left_on = excluded.left_on
        """),
        {"id": event.employee_id, "day": event.date},
    )


PEOPLE_POLICIES: Policies = {
    EmployeeStarted: [know_employees],
    EmployeeChanged: [know_employees],
    EmployeeLeft: [note_leaving],
}
"""For each service that keeps the projection, to be merged into its own."""
