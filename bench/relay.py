"""How fast do letters get from the outbox to Kafka? Beside the same bytes, the same producer and no database."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.calls import letters
from bench.measure import Line, NotMeasured, Scale, in_turns
from bench.place import Place
from services.qa.app import service as qa
from shared import mailbox
from shared.db import Database
from shared.events import Letter
from shared.kafka import BATCH_BYTES, KafkaBus, partition_of
from shared.relay import BATCH, Relay
from shared.settings import Settings

Records = dict[int, list[tuple[bytes, bytes, list[tuple[str, bytes]]]]]


async def relay_to_kafka(place: Place, scale: Scale) -> list[Line]:
    settings = await place.settings(await place.database("relay"))
    sent = letters(scale.of(50_000), seed=6)
    topic = sent[0].topic
    db = Database(qa.name, settings.database_url or "", qa.metadata, settings)
    bus = KafkaBus(settings)
    relay = Relay(db, bus)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await producer.start()
    chunks = [_by_partition(sent[n : n + BATCH], settings.topic_partitions) for n in range(0, len(sent), BATCH)]
    arrived = await _end_of(settings, topic)

    async def with_outbox() -> float:
        async with db.transaction() as tx:
            tx.outgoing += sent[:1]
        await relay.drain()  # connects
        async with db.engine.begin() as connection:
            for n in range(0, len(sent), BATCH):
                await mailbox.post(connection, db.name, sent[n : n + BATCH])
        await place.checkpoint()
        began = time.perf_counter()
        carried = await relay.drain()
        seconds = time.perf_counter() - began
        await check(len(sent) + 1)
        return carried / seconds

    async def without_database() -> float:
        began = time.perf_counter()
        for chunk in chunks:
            await asyncio.gather(*(_send(producer, topic, partition, records) for partition, records in chunk.items()))
        seconds = time.perf_counter() - began
        await check(len(sent))
        return len(sent) / seconds

    async def check(number: int) -> None:
        nonlocal arrived
        before, arrived = arrived, await _end_of(settings, topic)
        if arrived - before != number:
            raise NotMeasured(f"{number} letters were sent, and {arrived - before} are in Kafka")

    try:
        samples = await in_turns({"relay": with_outbox, "producer": without_database})
    finally:
        relay.stop()
        await relay.run()  # gives up the lead
        await bus.close()
        await producer.stop()
        await db.close()
    return [
        Line(
            "relay: outbox to Kafka", "same bytes, same producer, no database", "letters/s",
            samples["relay"], samples["producer"], at_least=0.4,
            facts={"letters": len(sent), "bytes of a body": len(sent[0].body), "rows read at once": BATCH},
        )
    ]  # fmt: skip


def _by_partition(some: list[Letter], partitions: int) -> Records:
    chunk: Records = {}
    for letter in some:
        headers = [(name, value.encode()) for name, value in letter.headers.items()]
        record = (letter.key.encode(), letter.body, headers)
        chunk.setdefault(partition_of(letter.key, partitions), []).append(record)
    return chunk


async def _send(
    producer: AIOKafkaProducer, topic: str, partition: int, records: list[tuple[bytes, bytes, list[tuple[str, bytes]]]]
) -> None:
    batch = producer.create_batch()
    for key, value, headers in records:
        batch.append(key=key, value=value, timestamp=None, headers=headers)
    await (await producer.send_batch(batch, topic, partition=partition))


async def _end_of(settings: Settings, topic: str) -> int:
    """How many records the topic has had."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in range(settings.topic_partitions)]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()
