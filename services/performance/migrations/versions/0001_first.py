"""The tables that performance began with."""

from shared.mailbox import MAILBOX_DDL
from shared.migrations import execute_each
from shared.people import PEOPLE_DDL

revision = "0001"
down_revision = None


def upgrade() -> None:
    execute_each(MAILBOX_DDL, schema="performance")
    execute_each(PEOPLE_DDL, schema="performance")
