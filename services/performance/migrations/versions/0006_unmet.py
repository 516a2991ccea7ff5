"""Fails that qa lists and that have led to nothing here."""

from shared.migrations import execute_each
from shared.unmet import UNMET_DDL

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    execute_each(UNMET_DDL, schema="performance")
