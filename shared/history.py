"""How does a service read again what Kafka still holds?

Either its workers do, from positions to which their group was set back while they rest; or a command does, beside the
workers, reading by itself and delivering as they do. In both cases the inbox knows what was handled, so nothing counts
twice; and every policy comes to the same end also with what comes late.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, KafkaError, UnknownMemberIdError

from shared.bus import Deliver
from shared.errors import CannotStart
from shared.kafka import connection, group_of, opened
from shared.settings import Settings

Positions = Mapping[str, Mapping[int, int]]
"""Topic → partition → offset of the next record to be read."""

PATIENCE = 30.0
"""Seconds for what a broker is asked once."""


class Start(NamedTuple):
    """Where to begin: at a time, or at an offset of one partition; at the very beginning if neither is given."""

    at: datetime | None = None
    partition: int | None = None
    offset: int = 0


@asynccontextmanager
async def _consumer(settings: Settings, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **connection(settings), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        try:
            async with asyncio.timeout(PATIENCE):
                await consumer.start()
            yield consumer
        except (KafkaError, OSError) as error:
            raise CannotStart(
                "Kafka at {address} does not do it: {reason}. Is it running, and is KAFKA_BOOTSTRAP_SERVERS right?",
                address=settings.kafka, reason=f"{type(error).__name__}: {error}",
            ) from error  # fmt: skip
    finally:
        await consumer.stop()


async def _partitions(settings: Settings, topics: Sequence[str]) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await admin.start()
        described = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    if missing := sorted(topic["topic"] for topic in described if not topic["partitions"]):
        raise CannotStart("There is no topic {topic} in Kafka.", topic=", ".join(missing))
    return sorted(
        TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
    )


async def positions(settings: Settings, service: str, topics: Sequence[str]) -> Positions:
    """Up to where the workers of this service have said that they are done."""
    found: dict[str, dict[int, int]] = {}
    async with _consumer(settings, group_of(service)) as consumer:
        for partition in await _partitions(settings, topics):
            found.setdefault(partition.topic, {})[partition.partition] = await consumer.committed(partition) or 0
    return found


async def set_back(settings: Settings, service: str, topics: Sequence[str], to: Positions | None) -> dict[str, int]:
    """Have the workers, who must rest, read on from there; from the very beginning if `to` is None.

    Answers how many records Kafka does not hold any more of those that would have to be read, by topic.
    """
    gone: dict[str, int] = {}
    async with _consumer(settings, group_of(service)) as consumer:
        partitions = await _partitions(settings, topics)
        consumer.assign(partitions)
        oldest = await consumer.beginning_offsets(partitions)
        offsets = {}
        for partition in partitions:
            wanted = 0 if to is None else to.get(partition.topic, {}).get(partition.partition, 0)
            offsets[partition] = max(wanted, oldest[partition])
            if to is not None and wanted < oldest[partition]:
                gone[partition.topic] = gone.get(partition.topic, 0) + oldest[partition] - wanted
        try:
            await consumer.commit(offsets)
        except (CommitFailedError, UnknownMemberIdError) as error:
            raise CannotStart("A worker of {service} is running; stop all of them first.", service=service) from error
    return gone


async def read_again(settings: Settings, topic: str, start: Start, deliver: Deliver) -> int:
    """Deliver what a topic holds, from `start` up to what is its end now; how many records that were.

    Whatever `deliver` raises ends it; to begin anew does no harm.
    """
    read = 0
    async with _consumer(settings) as consumer:
        partitions = await _partitions(settings, [topic])
        if start.partition is not None:
            partitions = [one for one in partitions if one.partition == start.partition]
            if not partitions:
                raise CannotStart("{topic} has no partition {partition}.", topic=topic, partition=start.partition)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await _begins(consumer, partitions, start)
        for partition, offset in begins.items():
            consumer.seek(partition, offset)
        open_ones = {partition for partition in partitions if begins[partition] < ends[partition]}
        while open_ones:
            try:
                fetched = await consumer.getmany(*open_ones, timeout_ms=1000, max_records=settings.consumer_batch)
            except UnicodeDecodeError as error:
                raise CannotStart(
                    "A record of {topic} cannot be read. Read the partitions one by one, and go on behind it with "
                    "--from PARTITION:OFFSET.",
                    topic=topic,
                ) from error  # fmt: skip
            records = [r for p, batch in fetched.items() for r in batch if r.offset < ends[p]]
            if records:
                await deliver([opened(record) for record in records])
                read += len(records)
            open_ones = {p for p in open_ones if await consumer.position(p) < ends[p]}
    return read


async def _begins(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], start: Start
) -> dict[TopicPartition, int]:
    oldest: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
    if start.partition is not None:
        return {one: max(start.offset, oldest[one]) for one in partitions}
    if start.at is None:
        return oldest
    ends = await consumer.end_offsets(partitions)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, int(start.at.timestamp() * 1000)))
    return {one: found[one].offset if found[one] else ends[one] for one in partitions}
