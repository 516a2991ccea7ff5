"""What does Kafka do that a bus in one process cannot, and is nothing lost by it?"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from prometheus_client import REGISTRY

from shared import kafka as kafka_module
from shared.delivery import TooManyDead
from shared.kafka import KafkaBus, create_topics, partition_of
from shared.settings import Settings
from tests.bus.test_bus import Running, settings_for, until
from tests.lab import Lab
from tools.kafka.broker import Broker


@asynccontextmanager
async def bus_on(settings: Settings, name: str | None = None) -> AsyncIterator[Running]:
    running = Running(KafkaBus(settings), settings)
    running.name = name or running.name
    yield running
    await running.close()


async def committed(settings: Settings, running: Running, service: str) -> int:
    """Up to where the group of this service has said that it is done, over all partitions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=f"headset.{service}-{running.name}", enable_auto_commit=False
    )
    await consumer.start()
    partitions = [TopicPartition(running.topic(), n) for n in range(settings.topic_partitions)]
    offsets = [await consumer.committed(partition) or 0 for partition in partitions]
    await consumer.stop()
    return sum(offsets)


async def test_after_a_stop_it_goes_on_where_it_was(kafka: str) -> None:
    settings = settings_for(kafka)
    async with bus_on(settings) as first:
        subscriber = first.subscribe("one", "things")
        await first.start("things")
        letters = [first.letter(n, key=f"key-{n % 5}") for n in range(100)]
        await first.send(letters)
        await until(lambda: len(subscriber.handled) == 100)
    assert await committed(settings, first, "one") == 100
    async with bus_on(settings, first.name) as second:
        again = second.subscribe("one", "things")
        await second.start("things")
        await second.send([second.letter(100)])
        await until(lambda: again.handled)
        assert len(again.handled) == 1


async def test_an_outage_commits_no_offset(kafka: str) -> None:
    settings = settings_for(kafka)
    async with bus_on(settings) as first:
        subscriber = first.subscribe("one", "things")
        subscriber.outages = 1_000_000
        await first.start("things")
        await first.send([first.letter(n) for n in range(10)])
        await until(lambda: subscriber.deliveries >= 2)
    assert await committed(settings, first, "one") == 0
    async with bus_on(settings, first.name) as second:
        again = second.subscribe("one", "things")
        await second.start("things")
        await until(lambda: len(again.handled) == 10)


async def test_how_far_behind_it_is_can_be_seen(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_module, "LAG_EVERY", 0.0)
    settings = settings_for(kafka)
    async with bus_on(settings) as running:
        service = {"service": f"one-{running.name}"}

        def lag() -> float | None:
            return REGISTRY.get_sample_value("headset_consumer_lag_letters", {**service, "topic": running.topic()})

        def oldest() -> float:
            return REGISTRY.get_sample_value("headset_consumer_oldest_unhandled_seconds", service) or 0.0

        subscriber = running.subscribe("one", "things")
        subscriber.outages = 1_000_000
        await running.start("things")
        await running.send([running.letter(n) for n in range(10)])
        await until(lambda: lag() == 10 and oldest() > 0)
        subscriber.outages = 0
        await until(lambda: lag() == 0 and oldest() == 0)
        assert len(subscriber.handled) == 10


async def test_two_members_share_the_work_and_lose_nothing_when_one_goes(kafka: str) -> None:
    settings = settings_for(kafka)
    async with bus_on(settings) as first, bus_on(settings, first.name) as second:
        mine, theirs = first.subscribe("one", "things"), second.subscribe("one", "things")
        await first.start("things")
        await second.start("things")
        sent = []
        for n in range(40):
            letters = [first.letter(n * 10 + k, key=f"key-{k}") for k in range(10)]
            sent += letters
            await first.send(letters)
            if n == 20:
                await second.close()
        await until(lambda: {one.id for one in mine.handled + theirs.handled} == {one.id for one in sent})


async def test_too_many_dead_letters_stop_the_worker(kafka: str, lab: Lab) -> None:
    settings = settings_for(kafka)
    bus = KafkaBus(settings)
    running = Running(bus, settings)
    lab.faults.poisoned = set(range(60))
    bus.subscribe(f"lab-{running.name}", frozenset({running.topic()}), lab.runtime.deliveries["lab"])
    await create_topics(settings, [running.topic()])
    await bus.publish([running.letter(n) for n in range(60)])
    with pytest.raises(ExceptionGroup) as stopped:
        await bus.run()
    assert stopped.group_contains(TooManyDead)
    assert len(await lab.dead()) == 21
    await bus.close()


async def test_garbage_is_buried_and_its_neighbours_go_through(kafka: str, lab: Lab) -> None:
    settings = settings_for(kafka)
    bus = KafkaBus(settings)
    running = Running(bus, settings)
    bus.subscribe(f"lab-{running.name}", frozenset({running.topic()}), lab.runtime.deliveries["lab"])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    wide = {"max.message.bytes": "20000000"}
    await admin.create_topics([NewTopic(running.topic(), 1, 1, topic_configs=wide)])
    await admin.close()
    proper = [(name, value.encode()) for name, value in running.letter(0).headers.items()]
    garbage: list[dict[str, Any]] = [
        {"value": b"no headers", "key": b"a"},
        {"value": None, "key": b"a", "headers": proper},
        {"value": b"{}", "key": None, "headers": [("ce_id", b"no key")]},
        {"value": b"{}", "key": b"\xff\xfe", "headers": [("ce_id", b"\xff"), ("ce_type", b"\0")]},
        {"value": b"x" * 10_000_000, "key": b"a", "headers": [*proper, ("ce_id", b"ten-megabytes")]},
        {"value": b"[]", "key": b"a" * 10_000, "headers": [("ce_id", b"")] * 1000},
    ]
    await bus.publish([running.letter(1)])
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=20_000_000)
    await producer.start()
    for record in garbage:
        await producer.send_and_wait(running.topic(), partition=0, **record)
    untimed = [(name, value) for name, value in proper if name not in ("ce_time", "ce_id")]
    await producer.send_and_wait(
        running.topic(), b'{"thing": "a", "n": 2}', key=b"a", headers=[*untimed, ("ce_id", b"call-2")]
    )
    await producer.stop()
    await bus.publish([running.letter(3)])
    work = asyncio.create_task(bus.run())
    async with asyncio.timeout(30):
        while (await lab.seen()).get("a") != [1, 2, 3]:
            assert not work.done(), work.result()
            await asyncio.sleep(0.02)
    dead = await lab.dead()
    assert len(dead) == len(garbage)
    assert {len(bytes(row["payload"])) for row in dead} == {10, 0, 2, 10_000_000}
    assert any(row["event_id"].startswith(running.topic()) for row in dead)  # where it lies, as it has no id
    bus.stop()
    await work
    await bus.close()


async def test_a_header_whose_name_nobody_can_read_stops_nobody(kafka: str, lab: Lab) -> None:
    """aiokafka gives up on such a record, and on those it read with it."""
    settings = settings_for(kafka)
    bus = KafkaBus(settings)
    running = Running(bus, settings)
    bus.subscribe(f"lab-{running.name}", frozenset({running.topic()}), lab.runtime.deliveries["lab"])
    await create_topics(settings, [running.topic()])
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()

    class Name(str):
        def encode(self, *_: Any) -> bytes:
            return b"\xff\xfe"

    await bus.publish([running.letter(n, key=f"key-{n % 5}") for n in range(20)])
    for partition in (0, 1, 1):
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(
            2, 0, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=10_000
        )
        batch.append(key=b"a", value=b"{}", timestamp=None, headers=[(Name("?"), b"?")])
        await (await producer.send_batch(batch, running.topic(), partition=partition))
    await producer.stop()
    await bus.publish([running.letter(n, key=f"key-{n % 5}") for n in range(20, 40)])
    work = asyncio.create_task(bus.run())
    expected = {f"key-{k}": [n for n in range(40) if n % 5 == k] for k in range(5)}
    async with asyncio.timeout(60):
        while await lab.seen() != expected:
            assert not work.done(), work.result()
            await asyncio.sleep(0.02)
    bus.stop()
    await work
    await bus.close()
    dead = await lab.dead()
    assert [bytes(row["payload"]) for row in dead] == [b""] * 3  # nothing but its place is known
    assert {row["event_id"].rpartition("/")[0] for row in dead} == {f"{running.topic()}/0", f"{running.topic()}/1"}


async def test_records_are_cloudevents_in_the_binary_mode(kafka: str) -> None:
    settings = settings_for(kafka)
    async with bus_on(settings) as running:
        await create_topics(settings, [running.topic()])
        letter = running.letter(1, key="员工-7")
        await running.bus.publish([letter])
        consumer = AIOKafkaConsumer(running.topic(), bootstrap_servers=kafka, auto_offset_reset="earliest")
        await consumer.start()
        record = await consumer.getone()
        await consumer.stop()
    headers = {name: value.decode() for name, value in record.headers}
    assert headers == {**letter.headers, "ce_specversion": "1.0", "content-type": "application/json"}
    assert {"ce_id", "ce_type", "ce_source", "ce_time", "traceparent"} <= headers.keys()
    assert (record.key, record.value) == ("员工-7".encode(), letter.body)


async def test_keys_go_where_every_producer_sends_them(kafka: str) -> None:
    settings = settings_for(kafka)
    async with bus_on(settings) as running:
        await create_topics(settings, [running.topic()])
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        for key in ("a", "agent-17", "员工", str(uuid4()), ""):
            theirs = await producer.send_and_wait(running.topic(), b"x", key=key.encode())
            assert theirs.partition == partition_of(key, settings.topic_partitions)
        await producer.stop()


async def test_topics_are_created_once_and_as_the_settings_say(kafka: str) -> None:
    settings = Settings(kafka=kafka, topic_partitions=5, topic_retention_days=3)
    names = [f"test.{uuid4().hex[:8]}" for _ in range(2)]
    assert await create_topics(settings, names) == (names, [])
    assert await create_topics(settings, names) == ([], sorted(names))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    [described] = await admin.describe_topics(names[:1])
    assert len(described["partitions"]) == 5
    await admin.close()
    with pytest.raises((KafkaError, OSError)):
        await create_topics(Settings(kafka="127.0.0.1:1"), names)


async def test_a_topic_that_is_missing_is_an_error_until_it_is_there(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_module, "PUBLISH_SECONDS", 1.0)
    settings = settings_for(kafka)
    async with bus_on(settings) as running:
        with pytest.raises((KafkaError, TimeoutError)):
            await running.bus.publish([running.letter(1)])
        await create_topics(settings, [running.topic()])
        await running.bus.publish([running.letter(1)])


async def test_a_broker_that_hangs_and_comes_back(own_kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing gives up in time and leaves nothing behind; what was sent meanwhile is not lost."""
    settings = settings_for(own_kafka.bootstrap)
    async with bus_on(settings) as running:
        subscriber = running.subscribe("one", "things")
        await running.start("things")
        await running.send([running.letter(0)])
        await until(lambda: len(subscriber.handled) == 1)
        before = asyncio.all_tasks()
        own_kafka.pause()
        await asyncio.to_thread(os.waitid, os.P_PID, own_kafka.pid, os.WSTOPPED | os.WNOWAIT)
        monkeypatch.setattr(kafka_module, "PUBLISH_SECONDS", 1.0)
        letters = [running.letter(n) for n in range(1, 20)]
        for _ in range(2):
            with pytest.raises((TimeoutError, KafkaError)):
                await running.bus.publish(letters)
        senders = {task for task in asyncio.all_tasks() - before if "_sender_routine" in repr(task)}
        assert not senders
        own_kafka.resume()
        await running.send(letters)
        await until(lambda: len(subscriber.handled) == 20, 60)
        assert [one.body for one in subscriber.handled] == [one.body for one in [subscriber.handled[0], *letters]]
