"""Sums of days tell when they changed last."""

from shared.migrations import execute_each

revision = "0011"
down_revision = "0010"

DAYS = "".join(
    f"ALTER TABLE {{schema}}.{source}_days ADD COLUMN changed_at timestamptz;\n"
    for source in ("call", "case", "rating", "audit", "training")
)


def upgrade() -> None:
    execute_each(DAYS, schema="performance")
