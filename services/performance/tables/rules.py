"""By which rules are people appraised? Definitions of indicators, and weightings by experts."""

from sqlalchemy import Column, Date, DateTime, Index, Integer, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.performance.tables.base import metadata
from shared.direct import text

indicators = Table(
    "indicators",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("source", Text, nullable=False),
    Column("formula", Text, nullable=False),
    Column("measure", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("scale", Numeric, nullable=False),
    Column("names", JSONB, nullable=False),
    Column("unit", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("levels", JSONB),
    Column("target", JSONB),
    Column("least_n", Integer, nullable=False, server_default="1"),
    Column("guards", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Index("indicators_by_key", "key", "version", unique=True),
)
weightings = Table(
    "weightings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("hierarchy", JSONB, nullable=False),
    Column("judgements", JSONB, nullable=False),
    Column("result", JSONB),
    Column("made_by", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("published_at", DateTime(timezone=True)),
    Index("weightings_once", "code", "version", unique=True),
)
