"""Who asks the lab for changes all the while, and what has it been promised?

Each writer has things of its own and counts them 1, 2, 3 …; it asks again, with the same Idempotency-Key, until it is
told that a count is stored, and only then goes on. So what must be stored is known exactly, and in which order.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import cycle

import httpx

WRITERS = 4
THINGS = 3
MOST = 1000
"""Counts of a thing, as the lab allows; then its writer takes another."""


class Load:
    """Runs in a thread of its own. `pause` returns when nothing is under way."""

    def __init__(self, urls: Sequence[str], token: str, *, every: float = 0.01) -> None:
        self.urls = list(urls)
        self.acknowledged: dict[str, int] = {}
        """Thing → its last count that was promised to be stored."""
        self.answers: Counter[str] = Counter()
        """Status, or the kind of failure → how often."""
        self.prefix = "a"
        self.headers = {"Authorization": f"Bearer {token}"}
        self._every = every
        self._going = threading.Event()
        self._stopping = False
        self._idle = [threading.Event() for _ in range(WRITERS)]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def go(self, prefix: str | None = None) -> None:
        """Write; with another prefix, to other things."""
        self.prefix = prefix or self.prefix
        for idle in self._idle:
            idle.clear()
        self._going.set()

    def pause(self, seconds: float = 60.0) -> None:
        self._going.clear()
        for idle in self._idle:
            assert idle.wait(seconds), f"a writer is not answered: {self.answers}"

    def stop(self) -> None:
        self._stopping = True
        self._going.clear()
        self._thread.join(60)

    def written(self) -> int:
        return sum(self.acknowledged.values())

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=15, headers=self.headers) as client:
            await asyncio.gather(*(self._write(client, n) for n in range(WRITERS)))

    async def _write(self, client: httpx.AsyncClient, writer: int) -> None:
        turns = cycle(range(THINGS))
        while not self._stopping:
            if not self._going.is_set():
                self._idle[writer].set()
                await asyncio.sleep(0.01)
                continue
            base = f"{self.prefix}-{writer}-{next(turns)}"
            age = 0
            while self.acknowledged.get(f"{base}-{age}") == MOST:
                age += 1
            thing = f"{base}-{age}"
            n = self.acknowledged.get(thing, 0) + 1
            await self._until_stored(client, thing, n)
            self.acknowledged[thing] = n
            await asyncio.sleep(self._every)

    async def _until_stored(self, client: httpx.AsyncClient, thing: str, n: int) -> None:
        for url in cycle(self.urls):
            try:
                answer = await client.post(
                    f"{url}/lab/things", json={"id": thing, "n": n}, headers={"Idempotency-Key": f"{thing}-{n}"}
                )
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.is_success:
                    return
                assert answer.status_code in (500, 503), answer.text
            await asyncio.sleep(0.05)
