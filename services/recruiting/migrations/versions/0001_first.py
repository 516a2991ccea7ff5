"""The tables that recruiting began with."""

from shared.mailbox import MAILBOX_DDL
from shared.migrations import execute_each


revision = "0001"
down_revision = None


def upgrade() -> None:
    execute_each(MAILBOX_DDL, schema="recruiting")

