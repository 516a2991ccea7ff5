"""How does a `text()` reach PostgreSQL without the layers that it has no use for?

It brings its SQL with it: there is nothing to compile, and no type to convert. Through SQLAlchemy such a statement
costs six times the work of the driver alone, which in a request of a few small statements is most of the work. So it
goes straight to the driver of the connection that SQLAlchemy holds. Pool, begin, commit, rollback and every other kind
of statement stay SQLAlchemy's; the first statement of a transaction too, for that is what begins it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeGuard

import asyncpg
import sqlalchemy
from sqlalchemy import Executable, TextClause
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

text = lru_cache(maxsize=2000)(sqlalchemy.text)
"""A statement; remembered, for looking for its parameters takes longer than sending it."""
_DIALECT = dialect()  # type: ignore[no-untyped-call]
_KINDS = {asyncpg.IntegrityConstraintViolationError: IntegrityError, asyncpg.SyntaxOrAccessError: ProgrammingError}


class Row(asyncpg.Record):  # type: ignore[misc]  # the driver has no types
    """A tuple whose parts have names, as SQLAlchemy's rows are."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def can_fetch(statement: Executable, connection: AsyncConnection) -> TypeGuard[TextClause]:
    """Whether `fetch` may have this statement now."""
    return type(statement) is TextClause and connection.in_transaction()


async def fetch(connection: AsyncConnection, statement: TextClause, values: Mapping[str, Any] | None) -> list[Row]:
    """All rows that the statement answers.

    Its parameters have no types but what the SQL says. Raises what SQLAlchemy would raise, with the driver's error as
    `orig`.
    """
    sql, names = _compiled(statement.text)
    driver = driver_of(connection)
    try:
        found: list[Row] = await driver.fetch(sql, *[(values or {})[name] for name in names], record_class=Row)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise await failed(connection, sql, error) from error
    return found


async def copy(
    connection: AsyncConnection, schema: str, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Add rows by COPY, in a transaction that has begun. Raises as `fetch` does."""
    try:
        await driver_of(connection).copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise await failed(connection, f"COPY {schema}.{table}", error) from error


def driver_of(connection: AsyncConnection) -> Any:
    """asyncpg's own connection."""
    assert connection.sync_connection is not None
    return connection.sync_connection.connection.driver_connection


async def failed(connection: AsyncConnection, sql: str, error: Exception) -> DBAPIError:
    """What to raise when the driver raised this; a connection that is no longer one does not go back to the pool."""
    lost = driver_of(connection).is_closed()
    if lost:
        await connection.invalidate(error)
    kind: type[DBAPIError] = next((its for of, its in _KINDS.items() if isinstance(error, of)), DBAPIError)
    return kind(sql, None, error, hide_parameters=True, connection_invalidated=lost)


@lru_cache(maxsize=2000)
def _compiled(sql: str) -> tuple[str, list[str]]:
    """The statement with `$1`, `$2` …, and the names of those."""
    made = sqlalchemy.text(sql).compile(dialect=_DIALECT)
    return made.string, list(made.positiontup or ())
