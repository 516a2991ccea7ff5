"""Do the tables in the code match what the migrations of training make?"""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.training.tables import metadata
from shared.db import engine_url


def _differences(connection: Any) -> list[Any]:
    def ours(_: Any, name: str | None, kind: str, *__: Any) -> bool:
        # The mailbox is partitioned, and `shared` has its own tests.
        return not (kind == "table" and (name or "").startswith(("inbox", "outbox", "alembic_version")))

    def here(name: str | None, kind: str, _: Any) -> bool:
        return kind != "schema" or name == "training"

    options = {"include_schemas": True, "include_name": here, "include_object": ours, "compare_type": True}
    context = MigrationContext.configure(connection, opts=options)
    return compare_metadata(context, metadata)


async def test_tables_and_migrations_agree(migrated: str) -> None:
    engine = create_async_engine(engine_url(migrated))
    async with engine.connect() as connection:
        found = await connection.run_sync(_differences)
    await engine.dispose()
    assert found == []
