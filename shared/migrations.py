"""How does a service's schema come to be what the code expects?

Alembic, one history for each service, its version table in the service's own schema. Two processes that migrate at
once wait for each other; a statement that would wait long for a lock gives up, and nothing is changed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.db import engine_url
from shared.direct import text
from shared.errors import CannotStart

OLDEST_SERVER = 180000
"""PostgreSQL 18: bulk upserts rest on `RETURNING old.*` (docs/decisions/0004)."""
PATIENCE = "5s"
"""How long a migration waits for a lock; meanwhile all others wait behind it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A service's schema: its name, where it is, and its migrations."""

    name: str
    url: str
    metadata: MetaData
    migrations: Path


async def migrate(schema: Schema) -> str:
    """Bring the schema to the newest revision, which is answered.

    Raises `CannotStart` for a server that is too old or a schema that is newer than this release.
    """
    engine = create_async_engine(engine_url(schema.url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            server = await connection.scalar(text("SELECT current_setting('server_version_num')::int"))
            if server < OLDEST_SERVER:
                raise CannotStart(
                    "PostgreSQL 18 or newer is needed; {database} runs {version}.",
                    database=engine.url.host, version=server // 10000,
                )  # fmt: skip
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{schema.name}.migrations"}
            )
            await connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            if await _revision(connection, schema.name) == newest(schema):
                return newest(schema)
            if not await connection.scalar(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": schema.name}):
                await connection.execute(text(f"CREATE SCHEMA {schema.name}"))
            return await connection.run_sync(_upgrade, schema)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":
            raise
        raise CannotStart(
            "A table of {service} is in use, so nothing was migrated; try again when less is going on.",
            service=schema.name,
        ) from error
    finally:
        await engine.dispose()


def newest(schema: Schema) -> str:
    """The newest revision that this release knows, read off the file names: `0001_first.py` → `0001`.

    Alembic itself is loaded only where there is something to migrate.
    """
    return max(file.name.split("_")[0] for file in (schema.migrations / "versions").glob("[0-9]*_*.py"))


async def _revision(connection: Any, name: str) -> str | None:
    there = await connection.scalar(
        text("SELECT to_regclass(:table) IS NOT NULL"), {"table": f"{name}.alembic_version"}
    )
    if not there:
        return None
    found: str | None = await connection.scalar(text(f"SELECT version_num FROM {name}.alembic_version"))
    return found


def _upgrade(connection: Any, schema: Schema) -> str:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(schema.migrations))
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs("head", revision)  # what `alembic upgrade head` itself calls

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(
            connection=connection, target_metadata=schema.metadata, version_table_schema=schema.name,
            transactional_ddl=True,
        )  # fmt: skip
        try:
            environment.run_migrations()
        except CommandError as error:
            raise CannotStart(
                "The data of {service} was written by a newer release of Headset; install that release.",
                service=schema.name,
            ) from error
    return newest(schema)


def execute_each(statements: str, **names: str) -> None:
    """In a migration: run several statements, each ended by a semicolon at the end of its line."""
    from alembic import op

    for statement in statements.format(**names).split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)  # as it is: a colon is no parameter
