"""Dead letters may be discarded, with who decided it and why."""

from shared.mailbox import DISCARDS_DDL
from shared.migrations import execute_each

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    execute_each(DISCARDS_DDL, schema="recruiting")
