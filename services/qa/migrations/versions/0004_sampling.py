"""Samples are drawn by several methods, with probabilities that are kept, and by what customers said."""

from shared.migrations import execute_each

revision = "0004"
down_revision = "0003"

SAMPLING_DDL = """
ALTER TABLE {schema}.sampling_plans ADD COLUMN percent numeric(5, 2),
    ADD COLUMN method text NOT NULL DEFAULT 'simple', ADD COLUMN emphasis jsonb NOT NULL DEFAULT '[]';
ALTER TABLE {schema}.sampling_plans ALTER COLUMN method DROP DEFAULT, ALTER COLUMN emphasis DROP DEFAULT;
ALTER TABLE {schema}.draws ADD COLUMN inclusion float8[];
UPDATE {schema}.draws SET inclusion = array_fill(cardinality(sample) / frame_size::float8, ARRAY[cardinality(sample)]);
ALTER TABLE {schema}.draws ALTER COLUMN inclusion SET NOT NULL;
CREATE TABLE {schema}.ratings (
    call_id text COLLATE "C", agent_id text, rating integer NOT NULL, told_at timestamptz NOT NULL,
    told_by text COLLATE "C" NOT NULL, PRIMARY KEY (call_id, agent_id)
);
"""


def upgrade() -> None:
    execute_each(SAMPLING_DDL, schema="qa")
