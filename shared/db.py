"""What is a transaction here, and what leaves it?

One transaction for one request or one batch of letters. Events emitted in it are written to the outbox at its end, in
the same commit: a change without its event, or an event without its change, cannot be.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Executable, MetaData, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared import direct, mailbox
from shared.events import Event, Letter
from shared.settings import Settings

Clock = Callable[[], datetime]
RowMapping = Mapping[str, Any]
"""A row: its columns by their names."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def engine_url(url: str) -> URL:
    """The address as SQLAlchemy wants it for asyncpg; libpq's `sslmode` becomes asyncpg's `ssl`."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    mode = parsed.query.get("sslmode")
    return parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode}) if mode else parsed


@dataclass(slots=True)
class Tx:
    """One transaction: its connection, its time, and the letters it will publish."""

    connection: AsyncConnection
    schema: str
    now: datetime
    settings: Settings
    cause: Letter | None = None
    """The letter being handled, if any."""
    outgoing: list[Letter] = field(default_factory=list)
    afterwards: list[Callable[[], object]] = field(default_factory=list)

    async def run(self, statement: Executable, values: Any = None) -> None:
        """Execute a statement; with a list of mappings, once for each of them."""
        if direct.can_fetch(statement, self.connection) and not isinstance(values, list):
            await direct.fetch(self.connection, statement, values)
        else:
            await self.connection.execute(statement, values)

    async def all(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[RowMapping]:
        if direct.can_fetch(statement, self.connection):
            return [dict(row) for row in await direct.fetch(self.connection, statement, values)]
        found: Any = (await self.connection.execute(statement, values)).mappings()
        return list(found)

    async def first(self, statement: Executable, values: Mapping[str, Any] | None = None) -> RowMapping | None:
        if direct.can_fetch(statement, self.connection):
            return next((dict(row) for row in await direct.fetch(self.connection, statement, values)), None)
        found: Any = (await self.connection.execute(statement, values)).mappings()
        return next(iter(found), None)

    async def scalar(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row; None where there is none."""
        return next(iter(await self.column(statement, values)), None)

    async def column(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """The first column of all rows."""
        return [row[0] for row in await self.tuples(statement, values)]

    async def tuples(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Rows as tuples with names."""
        if direct.can_fetch(statement, self.connection):
            return await direct.fetch(self.connection, statement, values)
        return (await self.connection.execute(statement, values)).all()

    def emit(self, *events: Event, because: Letter | None = None) -> None:
        """Publish these facts if, and only if, this transaction commits.

        `because` is the letter that led to them; the one being handled, unless told. Bulk policies have to tell.
        Change the rows they report before the transaction ends: the row locks put the letters of one person in order.
        """
        cause = because or self.cause
        self.outgoing += [Letter.seal(event, source=self.schema, at=self.now, because=cause) for event in events]

    def on_commit(self, note: Callable[[], object]) -> None:
        """Do this once the transaction has committed, and only then: counting what now is so."""
        self.afterwards.append(note)


class Database:
    """One service's tables, in its own schema."""

    def __init__(
        self, name: str, url: str, metadata: MetaData, settings: Settings | None = None, clock: Clock = utc_now
    ) -> None:
        self.name = name
        self.url = url
        self.metadata = metadata
        self.settings = settings or Settings()
        self.clock = clock
        self.engine: AsyncEngine = create_async_engine(
            engine_url(url),
            pool_size=self.settings.pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_recycle=1800,
            pool_reset_on_return="rollback",
            hide_parameters=True,  # values of a failed statement are no business of the logs
            connect_args={
                "timeout": 10,
                "server_settings": {
                    "application_name": f"headset-{name}",
                    "jit": "off",
                    "timezone": "UTC",
                    "statement_timeout": "60s",
                    "idle_in_transaction_session_timeout": "60s",
                },
            },
        )
        self.on_commit: Callable[[], None] = lambda: None
        """Called after a commit that left letters in the outbox; the relay listens."""

    @asynccontextmanager
    async def transaction(self, cause: Letter | None = None) -> AsyncIterator[Tx]:
        """Commit on leaving the block, roll back on any exception."""
        # What `engine.begin()` does, but for the task it makes for closing: that alone is a tenth of a small request.
        connection = await self.engine.connect()
        try:
            tx = Tx(connection, self.name, self.clock(), self.settings, cause)
            yield tx
            if tx.outgoing:
                await mailbox.post(tx.connection, self.name, tx.outgoing)
            await connection.commit()
        except BaseException:
            await asyncio.shield(connection.close())  # rolls back; if cancelled here, a connection would be lost
            raise
        await connection.close()
        if tx.outgoing:
            self.on_commit()
        for note in tx.afterwards:
            note()

    async def close(self) -> None:
        await self.engine.dispose()
