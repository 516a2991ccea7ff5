"""Does every bus keep the promises that services rest on? One class of tests, run against both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.errors import KafkaError

from shared.bus import EventBus, LocalBus
from shared.events import Letter
from shared.kafka import KafkaBus, create_topics
from shared.settings import Settings
from tests.lab import Counted, Lab

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Running:
    """A bus with topics of its own, at work once its subscribers are known."""

    def __init__(self, bus: EventBus, settings: Settings | None = None) -> None:
        self.bus = bus
        self._settings = settings
        self._work: asyncio.Task[None] | None = None
        self.name = uuid4().hex[:8]

    def topic(self, name: str = "things") -> str:
        return f"test.{self.name}.{name}"

    def letter(self, n: int, *, key: str = "a", topic: str = "things", **headers: str) -> Letter:
        event = Counted(thing=key, n=n, note="语言")
        sealed = Letter.seal(event, source="//test/来源", at=AT)
        return Letter(self.topic(topic), key, {**sealed.headers, **headers}, sealed.body)

    def subscribe(self, service: str, *topics: str) -> "Subscriber":
        subscriber = Subscriber()
        self.bus.subscribe(f"{service}-{self.name}", frozenset(map(self.topic, topics)), subscriber)
        return subscriber

    async def start(self, *topics: str) -> None:
        if isinstance(self.bus, KafkaBus) and self._settings:
            await create_topics(self._settings, [self.topic(topic) for topic in topics])
            self._work = asyncio.create_task(self.bus.run())

    async def send(self, letters: Sequence[Letter]) -> None:
        """Publish as the relay does: again, until the bus is responsible."""
        while True:
            try:
                return await self.bus.publish(letters)
            except (OSError, KafkaError):
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        if isinstance(self.bus, KafkaBus):
            self.bus.stop()
            if self._work:
                await self._work
            await self.bus.close()


class Subscriber:
    """A service with an inbox in memory, that breaks down when told to."""

    def __init__(self) -> None:
        self.handled: list[Letter] = []
        self.deliveries = 0
        self.outages = 0
        self.breaks_after: int | None = None

    async def __call__(self, letters: Sequence[Letter]) -> None:
        self.deliveries += 1
        await asyncio.sleep(0)
        if self.outages:
            self.outages -= 1
            raise ConnectionError("the database is away")
        for letter in letters:
            if self.breaks_after is not None and len(self.handled) >= self.breaks_after:
                self.breaks_after = None
                raise ConnectionError("in the middle of it")
            if letter.id not in {one.id for one in self.handled}:
                self.handled.append(letter)

    def of(self, key: str) -> list[bytes]:
        return [letter.body for letter in self.handled if letter.key == key]


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for happens in a broker
            await asyncio.sleep(0.005)


def settings_for(kafka: str) -> Settings:
    return Settings(kafka=kafka, topic_partitions=3, topic_replication=1, consumer_batch=50)


@pytest.fixture(params=["local", "kafka"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    if request.param == "local":
        found = Running(LocalBus())
    else:
        settings = settings_for(request.getfixturevalue("kafka"))
        found = Running(KafkaBus(settings), settings)
    yield found
    await found.close()


class TestEveryBus:
    async def test_a_letter_reaches_every_subscriber_of_its_topic_unchanged(self, running: Running) -> None:
        first, second = running.subscribe("first", "things", "others"), running.subscribe("second", "things")
        neither = running.subscribe("neither", "others")
        await running.start("things", "others")
        letter = running.letter(1, ce_causationid="原因")
        await running.send([letter])
        await until(lambda: first.handled and second.handled)
        for [came] in (first.handled, second.handled):
            assert (came.topic, came.key, came.body) == (letter.topic, letter.key, letter.body)
            assert {**came.headers, **letter.headers} == came.headers
        await running.send([running.letter(2, topic="others")])
        await until(lambda: len(first.handled) == 2 and neither.handled)
        assert [len(one.handled) for one in (first, second, neither)] == [2, 1, 1]

    async def test_letters_nobody_subscribed_to_are_taken(self, running: Running) -> None:
        await running.start("things")
        await running.send([running.letter(1)])

    async def test_the_order_of_a_key_is_kept(self, running: Running) -> None:
        subscriber = running.subscribe("one", "things")
        await running.start("things")
        letters = [running.letter(n, key=f"key-{n % 7}") for n in range(300)]
        for start in range(0, 300, 60):
            await running.send(letters[start : start + 60])
        await until(lambda: len(subscriber.handled) == 300)
        for k in range(7):
            assert subscriber.of(f"key-{k}") == [one.body for one in letters if one.key == f"key-{k}"]

    async def test_what_meets_an_outage_is_delivered_again(self, running: Running) -> None:
        down, up = running.subscribe("down", "things"), running.subscribe("up", "things")
        await running.start("things")
        down.outages = 2
        letters = [running.letter(n) for n in range(20)]
        await running.send(letters)
        await until(lambda: len(down.handled) == 20 and len(up.handled) == 20)
        assert [one.id for one in down.handled] == [one.id for one in up.handled] == [one.id for one in letters]

    async def test_a_subscriber_that_fails_midway_loses_nothing(self, running: Running) -> None:
        subscriber = running.subscribe("one", "things")
        await running.start("things")
        subscriber.breaks_after = 7
        letters = [running.letter(n) for n in range(20)]
        await running.send(letters)
        await until(lambda: len(subscriber.handled) == 20)
        assert [one.id for one in subscriber.handled] == [one.id for one in letters]
        assert subscriber.deliveries > 1

    async def test_neighbours_of_poison_go_through(self, running: Running, lab: Lab) -> None:
        lab.faults.poisoned = {3, 40}
        running.bus.subscribe(f"lab-{running.name}", frozenset({running.topic()}), lab.runtime.deliveries["lab"])
        await running.start("things")
        letters = [running.letter(n, key="a") for n in range(60)]
        letters.insert(30, Letter(running.topic(), "a", {"ce_id": "garbage"}, b"\xff"))
        await running.send(letters)

        async def handled() -> list[int]:
            return (await lab.seen()).get("a", [])

        async with asyncio.timeout(20):
            while len(await handled()) < 58:  # noqa: ASYNC110  what is waited for happens in a database
                await asyncio.sleep(0.01)
        assert await handled() == [n for n in range(60) if n not in (3, 40)]
        assert len(await lab.dead()) == 3
