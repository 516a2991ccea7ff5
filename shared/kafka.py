"""How do letters travel over Kafka?

One producer, used by the relay alone, and one consumer for each subscribed service. aiokafka rebalances in the
background, while records are being handled. That is harmless here: a letter handled twice is stopped by the inbox, and
one handled in two places at once waits there for the first to commit. So there is no rebalance listener, offsets are
committed by partition, and errors of a commit are taken note of and no more.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from shared import metrics
from shared.bus import Deliver
from shared.delivery import is_outage
from shared.errors import CannotStart
from shared.events import Letter
from shared.settings import Settings

log = structlog.get_logger(__name__)

PUBLISH_SECONDS = 30.0
"""An idempotent producer never times out by itself."""
LAG_EVERY = 2.0
"""Seconds between looks at how far behind a consumer is."""
BATCH_BYTES = 512 * 1024
"""Half of what a broker takes by default, so that a batch with its headers surely fits."""
OF_ALL = (("ce_specversion", b"1.0"), ("content-type", b"application/json"))
"""Headers that each record has: CloudEvents 1.0 in the binary content mode."""


@lru_cache(maxsize=100_000)
def partition_of(key: str, partitions: int) -> int:
    """murmur2 of the key, as every Kafka producer does: the letters of one key are in one partition.

    Remembered, for in Python it takes longer than anything else that is done to a letter here.
    """
    number: int = (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
    return number


def group_of(service: str) -> str:
    """The consumer group that the workers of a service share."""
    return f"headset.{service}"


def connection(settings: Settings) -> dict[str, Any]:
    """How every client of ours reaches the brokers: where they are, who we are, whom we trust.

    Raises `CannotStart` where the settings do not fit together.
    """
    protocol = settings.kafka_security_protocol
    reached: dict[str, Any] = {"bootstrap_servers": settings.kafka, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        try:
            reached["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca)
        except OSError as error:  # what is not a certificate is one, too
            raise CannotStart(
                "HEADSET_KAFKA_CA names {file}, which cannot be used: {reason}.",
                file=settings.kafka_ca, reason=error.strerror or error,
            ) from error  # fmt: skip
    if protocol.startswith("SASL"):
        if settings.kafka_username is None or settings.kafka_password is None:
            raise CannotStart(
                "HEADSET_KAFKA_SECURITY_PROTOCOL is {protocol}, so HEADSET_KAFKA_USERNAME and HEADSET_KAFKA_PASSWORD "
                "must be set.",
                protocol=protocol,
            )
        reached["sasl_mechanism"] = settings.kafka_sasl_mechanism
        reached["sasl_plain_username"] = settings.kafka_username
        reached["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return reached


class KafkaBus:
    """The event bus over Kafka. Errors of the broker are raised to the relay, which tries again.

    Raises `CannotStart` for settings that can reach no broker.
    """

    def __init__(self, settings: Settings) -> None:
        connection(settings)
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._subscribers: list[tuple[str, frozenset[str], Deliver]] = []
        self._stopping = asyncio.Event()
        self.last_turn: dict[str, float] = {}
        """Service → monotonic time at which its consumer's loop last turned."""
        self._oldest: dict[str, float] = {}
        """Service → Unix time at which Kafka took the oldest letter in hand."""

    def subscribe(self, service: str, topics: frozenset[str], deliver: Deliver) -> None:
        self._subscribers.append((service, topics, deliver))
        metrics.OLDEST_UNHANDLED_SECONDS.labels(service).set_function(
            lambda: max(0.0, time.time() - self._oldest[service]) if service in self._oldest else 0.0
        )

    async def publish(self, letters: Sequence[Letter]) -> None:
        """Send the letters, each partition's in order, never more than one batch of a partition under way."""
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                producer = await self._started_producer()
                by_partition: dict[tuple[str, int], list[Letter]] = {}
                partitions: dict[str, int] = {}
                for letter in letters:
                    if letter.topic not in partitions:
                        partitions[letter.topic] = len(await producer.partitions_for(letter.topic))
                    partition = partition_of(letter.key, partitions[letter.topic])
                    by_partition.setdefault((letter.topic, partition), []).append(letter)
                sent = [
                    asyncio.ensure_future(_send_in_order(producer, topic, partition, mine))
                    for (topic, partition), mine in by_partition.items()
                ]
                for outcome in await asyncio.gather(*sent, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
        except BaseException:
            await self._drop_producer()
            raise

    async def _started_producer(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **connection(self._settings),
                    client_id="headset",
                    acks="all",
                    enable_idempotence=self._settings.kafka_idempotence,
                    max_batch_size=BATCH_BYTES,
                    request_timeout_ms=15_000,
                    metadata_max_age_ms=60_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await producer.stop()
                return
        # What it could not send by now it would go on trying to send, with connections of its own, for ever.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await producer.client.close()
                await producer._sender.close()

    async def run(self) -> None:
        """Consume for every subscriber until `stop`; raise if one of them cannot go on."""
        async with asyncio.TaskGroup() as group:
            for subscriber in self._subscribers:
                group.create_task(self._consume(*subscriber))

    def stop(self) -> None:
        """Let the batch in hand be finished; never cancel, or the group would not be left properly."""
        self._stopping.set()

    async def close(self) -> None:
        await self._drop_producer()

    async def _consume(self, service: str, topics: frozenset[str], deliver: Deliver) -> None:
        stuck = False
        while not self._stopping.is_set():
            consumer = AIOKafkaConsumer(
                *sorted(topics),
                **connection(self._settings),
                group_id=group_of(service),
                client_id=f"headset-{service}",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_interval_ms=300_000,
                session_timeout_ms=10_000,
                fetch_max_wait_ms=250,
                metadata_max_age_ms=60_000,
            )
            try:
                await consumer.start()
                if stuck:
                    await self._step_over(consumer, deliver)
                stuck = False
                await self._turn(service, consumer, deliver)
            except UnicodeDecodeError:  # in the name of a header: aiokafka then loses all it has read
                stuck = True
            except (KafkaError, OSError) as error:
                log.warning("consumer_failed", service=service, error=f"{type(error).__name__}: {error}")
                self._note_turn(service)
                await self._pause(1.0)
            finally:
                with contextlib.suppress(Exception):
                    await consumer.stop()

    async def _turn(self, service: str, consumer: AIOKafkaConsumer, deliver: Deliver) -> None:
        outages = 0
        lag_due = 0.0
        # Nobody waits for the broker's word on a batch but the one after the next: that would take a fifth of the time.
        # What was handled and not committed comes again, and the inbox knows it.
        committed: asyncio.Future[None] | None = None
        try:
            while not self._stopping.is_set():
                self._note_turn(service)
                if time.monotonic() >= lag_due:
                    lag_due = time.monotonic() + LAG_EVERY
                    await _note_lag(service, consumer)
                fetched = await consumer.getmany(timeout_ms=500, max_records=self._settings.consumer_batch)
                records = [(partition, batch) for partition, batch in fetched.items() if batch]
                if not records:
                    self._oldest.pop(service, None)
                    continue
                self._oldest[service] = min(batch[0].timestamp for _, batch in records) / 1000
                try:
                    await deliver([opened(record) for _, batch in records for record in batch])
                except Exception as error:
                    if not is_outage(error):
                        raise
                    outages += 1
                    log.warning("delivery_waits", service=service, error=f"{type(error).__name__}: {error}"[:300])
                    for partition, batch in records:
                        with contextlib.suppress(IllegalStateError):  # given to another member meanwhile
                            consumer.seek(partition, batch[0].offset)
                    await self._pause(min(5.0, 0.1 * 2 ** min(outages, 6)))
                    continue
                outages = 0
                if committed is not None:
                    await committed
                offsets = {partition: batch[-1].offset + 1 for partition, batch in records}
                committed = asyncio.ensure_future(_commit(consumer, offsets))
        finally:
            if committed is not None:
                with contextlib.suppress(KafkaError, OSError):
                    await committed

    async def _step_over(self, consumer: AIOKafkaConsumer, deliver: Deliver) -> None:
        """Go on record by record up to one that cannot be read at all; bury what is known of it, which is its place."""
        for partition in consumer.assignment():
            readable = True
            while readable and not self._stopping.is_set():
                position = await consumer.position(partition)
                try:
                    fetched = await consumer.getmany(partition, timeout_ms=1000, max_records=1)
                    if not fetched:
                        break
                    [record] = fetched[partition]
                    position, letter = record.offset, opened(record)
                except UnicodeDecodeError:
                    readable = False
                    place = f"{partition.topic}/{partition.partition}/{position}"
                    letter = Letter(partition.topic, "", {"kafka_position": place}, b"")
                try:
                    await deliver([letter])
                except Exception as error:
                    if is_outage(error):
                        raise ConnectionError("the database is away; we come here again") from error
                    raise
                await _commit(consumer, {partition: position + 1})
                consumer.seek(partition, position + 1)

    def _note_turn(self, service: str) -> None:
        self.last_turn[service] = time.monotonic()
        metrics.LOOP_TURNED.labels(service).set_to_current_time()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def _send_in_order(producer: AIOKafkaProducer, topic: str, partition: int, letters: Sequence[Letter]) -> None:
    batch = producer.create_batch()
    for letter in letters:
        record = {
            "key": letter.key.encode(),
            "value": letter.body,
            "timestamp": None,
            "headers": [*OF_ALL, *((name, value.encode()) for name, value in letter.headers.items())],
        }
        if batch.append(**record) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(**record)
    await (await producer.send_batch(batch, topic, partition=partition))


async def _note_lag(service: str, consumer: AIOKafkaConsumer) -> None:
    """Count what is left in the partitions that are ours now; none for topics of which we have no partition."""
    lag = dict.fromkeys(consumer.subscription(), 0)
    for partition in consumer.assignment():
        end = consumer.highwater(partition)  # known from the last answer, nobody is asked
        if end is not None:
            with contextlib.suppress(IllegalStateError):  # given to another member meanwhile
                lag[partition.topic] += max(0, end - await consumer.position(partition))
    for topic, letters in lag.items():
        metrics.CONSUMER_LAG.labels(service, topic).set(letters)


async def _commit(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
    try:
        await consumer.commit(dict(offsets))
    except (CommitFailedError, IllegalStateError) as error:
        log.info("partitions_moved", error=type(error).__name__)  # the inbox will skip what we did


def opened(record: "ConsumerRecord[bytes, bytes]") -> Letter:
    """A record as a letter, also when it is no proper one: whoever handles it will say so."""
    headers = {name: str(value or b"", "utf-8", "replace") for name, value in record.headers}
    if "ce_time" not in headers:
        headers["ce_recordedtime"] = datetime.fromtimestamp(max(0, record.timestamp) / 1000, UTC).isoformat()
    if not headers.get("ce_id"):
        headers["kafka_position"] = f"{record.topic}/{record.partition}/{record.offset}"
    return Letter(record.topic, str(record.key or b"", "utf-8", "replace"), headers, record.value or b"")


def topic_config(settings: Settings) -> dict[str, int]:
    """What a topic of ours is told beside its partitions and copies."""
    return {
        "retention.ms": settings.topic_retention_days * 86_400_000,
        "min.insync.replicas": max(1, settings.topic_replication - 1),
    }


async def create_topics(settings: Settings, topics: Sequence[str]) -> tuple[list[str], list[str]]:
    """Create what is missing; the names created and those that were there.

    Raises `KafkaError` or `OSError` where there is no broker.
    """
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [name for name in topics if name not in there]
        config = {name: str(value) for name, value in topic_config(settings).items()}
        new = [
            NewTopic(
                name,
                num_partitions=settings.topic_partitions,
                replication_factor=settings.topic_replication,
                topic_configs=config,
            )
            for name in missing
        ]
        if new:
            answer = await admin.create_topics(new)
            for name, code, *_ in answer.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    raise for_code(code)(name)
    finally:
        await admin.close()
    return missing, sorted(there & set(topics))
