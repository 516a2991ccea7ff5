"""Run by Alembic; connection and target come from `shared.migrations`."""

from alembic import context

context.run_migrations()
