"""Dead letters may be discarded, with who decided it and why."""

from shared.mailbox import DISCARDS_DDL
from shared.migrations import execute_each

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    execute_each(DISCARDS_DDL, schema="qa")
