"""Who read personal data is written down."""

from shared.migrations import execute_each
from shared.reads import READS_DDL

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    execute_each(READS_DDL, schema="training")
