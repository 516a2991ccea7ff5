"""Surveys, and answers that nobody can trace."""

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.training.tables.base import metadata
from shared.direct import text

surveys = Table(
    "surveys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("course_id", Uuid),
    Column("questions", JSONB, nullable=False),
    Column("closes_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    Column("weighed_at", DateTime(timezone=True)),
    Index("surveys_by_course", "course_id", "id"),
    Index("surveys_to_weigh", "closes_at", postgresql_where=text("weighed_at IS NULL")),
)

survey_returns = Table(
    "survey_returns",
    metadata,
    Column("survey_id", Uuid, primary_key=True),
    Column("answered", ARRAY(Uuid), nullable=False),
    Column("answers", JSONB, nullable=False),
    Column("shown", JSONB, nullable=False),
)
"""Who answered and what was answered, as two lists in one row, each sorted by itself and written anew each time. So
there is no order, no time and no transaction by which an answer could be laid beside a name."""
