"""Who read personal data is written down."""

from shared.migrations import execute_each
from shared.reads import READS_DDL

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    execute_each(READS_DDL, schema="recruiting")
