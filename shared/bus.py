"""How do letters get from one service to the others? The port, and the adapter for one process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from shared.events import Letter

Deliver = Callable[[Sequence[Letter]], Awaitable[None]]


class EventBus(Protocol):
    """Carries letters to every subscribed service, at least once, in the order of each key."""

    def subscribe(self, service: str, topics: frozenset[str], deliver: Deliver) -> None:
        """Call `deliver` with letters of these topics; if it raises, with the same letters again."""

    async def publish(self, letters: Sequence[Letter]) -> None:
        """Return once the bus, and no longer the outbox, is responsible for them."""


class LocalBus:
    """All services in one process.

    To publish is to deliver: a letter stays in the outbox until every subscriber has committed. So there is no
    broker, and a crash loses nothing.
    """

    def __init__(self) -> None:
        self._subscribers: dict[str, tuple[frozenset[str], Deliver]] = {}

    def subscribe(self, service: str, topics: frozenset[str], deliver: Deliver) -> None:
        self._subscribers[service] = (topics, deliver)

    async def publish(self, letters: Sequence[Letter]) -> None:
        deliveries = [
            deliver(mine)
            for topics, deliver in self._subscribers.values()
            if (mine := [letter for letter in letters if letter.topic in topics])
        ]
        # All of them end before this does, also when one fails: nothing works on after the relay has gone on.
        outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
