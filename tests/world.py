"""The world of a test: services in one process, on a database of their own, with a clock that the test sets."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from shared.bus import LocalBus
from shared.events import Event, Letter
from shared.identity import Role, sign
from shared.ids import new_id
from shared.run import Runtime, create_app, run_job
from shared.service import Service
from shared.settings import Settings
from shared.watch import look_at_business, look_at_invariants, look_at_mailbox

KEY = "a key for tests, of thirty-two bytes or more"


class World:
    """Nothing goes on in the background: `settle` carries the letters, `turn` does the recurring work."""

    def __init__(self, url: str, services: Sequence[Service], **settings: Any) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday, 17:00 in Shanghai
        self.settings = Settings(database_url=url, jwt_key=KEY, **settings)
        self.runtime = Runtime(services, self.settings, LocalBus(), clock=lambda: self.now, pause=0)
        self.app = create_app(self.runtime)
        self._clients: list[httpx.AsyncClient] = []

    def as_(self, *roles: Role, sub: str | UUID | None = None) -> httpx.AsyncClient:
        """A client of somebody with these roles; of nobody when there are none."""
        headers = {}
        if roles:
            token = sign(self.settings, str(sub or f"the-{roles[0]}"), *roles, valid=timedelta(days=3650))
            headers["Authorization"] = f"Bearer {token}"
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://test",
            headers=headers,
        )
        self._clients.append(client)
        return client

    async def settle(self) -> int:
        """Carry every letter to its end; how many were carried."""
        return await self.runtime.drain()

    async def turn(self, service: str, job: str) -> None:
        """Do one piece of recurring work now."""
        [found] = [s for s in self.runtime.services if s.name == service]
        [work] = [j for j in found.jobs if j.name == job]
        await run_job(self.runtime.databases[service], work)

    async def look(self, service: str) -> None:
        """Bring the gauges of a service up to date, and check what must always hold in it."""
        [found] = [s for s in self.runtime.services if s.name == service]
        for look in (look_at_mailbox, look_at_business, look_at_invariants):
            await look(self.runtime.databases[service], found)

    async def rows(self, service: str, query: str, **values: Any) -> Sequence[Mapping[str, Any]]:
        """What a query says, below the product."""
        async with self.runtime.databases[service].transaction() as tx:
            result = await tx.connection.execute(text(query), values)
            return result.mappings().all() if result.returns_rows else []

    def letter(
        self, event: Event, *, at: datetime | None = None, source: str = "test", id: str | None = None
    ) -> Letter:
        """The event as another system would send it."""
        letter = Letter.seal(event, source=source, at=at or self.now)
        return Letter(letter.topic, letter.key, {**letter.headers, "ce_id": id or str(new_id())}, letter.body)

    async def deliver(self, service: str, *letters: Letter) -> None:
        """Hand letters straight to one service, in this order, as one batch."""
        await self.runtime.deliveries[service](letters)

    async def send(self, *events: Event, at: datetime | None = None) -> None:
        """Bring events to every service that wants them, and carry what follows to its end."""
        for event in events:
            letter = self.letter(event, at=at)
            await self.runtime.bus.publish([letter])
        await self.settle()

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients))
        await self.runtime.stop()
