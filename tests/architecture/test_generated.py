"""Is what is generated from the code as the code has it?"""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from services.all import SERVICES
from shared.service import Service
from tools import catalogue

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "tool", ["schemas", "asyncapi", "flows", "settings_table", "pipeline_picture", "strimzi", "authorisation"]
)
def test_generated_files_are_up_to_date(tool: str) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_sentence_is_in_the_chinese_catalogue() -> None:
    assert catalogue.wrong() == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_tables_are_what_migrations_make(service: Service, migrated: str) -> None:
    def differences(connection: Connection) -> list[object]:
        def ours(name: str | None, kind: str, _: object) -> bool:
            return kind != "schema" or name == service.name

        context = MigrationContext.configure(
            connection,
            opts={"include_schemas": True, "include_name": ours, "version_table_schema": service.name},
        )
        return list(compare_metadata(context, service.metadata))

    engine = create_async_engine(make_url(migrated).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    # Partitions are tables of their own to the database, not to us.
    assert [d for d in found if not ("remove_table" in str(d) and "inbox_" in str(d))] == []
