"""Would the invariants notice? Mistakes that reliable messaging is known for, planted one at a time.

Each replaces a part of the product in the processes of one test, which must then see damage.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import from_json

from shared import kafka, mailbox
from shared.delivery import Delivered, Delivery
from shared.events import Event, Letter
from shared.kafka import KafkaBus, opened
from shared.relay import Relay


def commit_first() -> None:
    """Say to Kafka that a batch is done, then do it."""

    async def turn(self: KafkaBus, service: str, consumer: Any, deliver: Any) -> None:
        while not self._stopping.is_set():
            self._note_turn(service)
            for partition, batch in (await consumer.getmany(timeout_ms=500, max_records=500)).items():
                await kafka._commit(consumer, {partition: batch[-1].offset + 1})
                await deliver([opened(record) for record in batch])

    KafkaBus._turn = turn  # type: ignore[method-assign]


def delete_first() -> None:
    """Take letters out of the outbox, then publish them."""

    async def one_round(self: Relay) -> int:
        if not await self._is_leader():
            return 0
        rows = await self._connection.fetch(
            f"DELETE FROM {self._db.name}.outbox RETURNING id, topic, key, headers, payload"
        )
        letters = [Letter(r["topic"], r["key"], from_json(r["headers"]), r["payload"]) for r in sorted(rows)]
        if letters:
            await self._bus.publish(letters)
        return len(rows)

    Relay._round = one_round  # type: ignore[method-assign]


def no_inbox() -> None:
    """Take every letter for new."""

    async def claim(_: Any, __: str, letters: Sequence[Letter]) -> list[bool]:
        return [True] * len(letters)

    mailbox.claim = claim


def no_transaction() -> None:
    """Remember a letter in one transaction, react to it in the next."""

    async def claim_then_react(self: Delivery, batch: Sequence[Delivered[Event]]) -> None:
        async with self._db.transaction() as tx:
            new = await mailbox.claim(tx.connection, self._db.name, [d.letter for d in batch])
        async with self._db.transaction() as tx:
            await self._react([d for d, is_new in zip(batch, new, strict=True) if is_new], tx)

    Delivery._in_one_transaction = claim_then_react  # type: ignore[method-assign]


def unordered() -> None:
    """Publish what is in the outbox, in no order."""
    publish, chance = KafkaBus.publish, random.Random(1)

    async def shuffled(self: KafkaBus, letters: Sequence[Letter]) -> None:
        await publish(self, chance.sample(letters, len(letters)))

    KafkaBus.publish = shuffled  # type: ignore[method-assign]


PLANTED: dict[str, Callable[[], None]] = {
    mistake.__name__: mistake for mistake in (commit_first, delete_first, no_inbox, no_transaction, unordered)
}
