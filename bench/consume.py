"""How many calls a second do QA and performance take from Kafka, beside asyncpg writing the same rows, beside the usual
way to write a consumer, and once ten million calls are there?

The product is `headset work SERVICE`. What it wrote, batch by batch, is then written again by asyncpg alone. All are
timed by the commits of their inbox rows, from the first to the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import mean
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from bench.calls import fill, letters, put_into_kafka
from bench.measure import Line, NotMeasured, Scale, in_turns
from bench.place import Commits, Place, Process, commits, today, until
from services.performance.repository.facts import CALLS
from services.qa.tables import recordings
from shared.contracts.telephony import CallEnded
from shared.kafka import create_topics
from shared.settings import Settings

TOPIC = CallEnded.kafka_topic
FACTS: dict[str, Table] = {"qa": recordings, "performance": CALLS.facts}
NAMES = {"qa": "QA", "performance": "performance"}


async def calls_from_kafka(place: Place, scale: Scale) -> list[Line]:
    """Rows 1 and 2: beside the rows alone, and beside one handler, one session, one commit a message."""
    lines = []
    for service in FACTS:
        number, few = scale.of(40_000), scale.of(2_000)
        seed = iter(range(1, 1_000_000))

        async def product(service: str = service, number: int = number) -> Commits:
            url = await place.database("consume_product")
            return await worked(place, service, url, number, next(seed))

        async def usual(service: str = service, few: int = few) -> Commits:
            url = await place.database("consume_usual")
            return await handled_one_by_one(place, service, url, few, next(seed))

        await product()
        async with place.connection(place.url("consume_product")) as connection:
            batches = await written(connection, service)

        async def rows_alone(service: str = service, batches: Sequence["Batch"] = batches) -> Commits:
            return await rewritten(place, service, await place.database("consume_rows"), batches)

        samples = await in_turns({"product": product, "rows": rows_alone, "usual": usual})
        ours = [sample.rate for sample in samples["product"]]
        facts = {"calls": number, "rows a commit": round(mean(mean(s.rows) for s in samples["product"]))}
        lines += [
            Line(
                f"calls from Kafka into {NAMES[service]}", "asyncpg, the same rows in the same batches", "events/s",
                ours, [s.rate for s in samples["rows"]], at_least=0.5, facts=facts,
            ),
            Line(
                f"calls from Kafka into {NAMES[service]}", "FastStream, ORM session and commit a message", "events/s",
                ours, [s.rate for s in samples["usual"]], at_least=20, facts=facts | {"calls of the usual way": few},
            ),
        ]  # fmt: skip
    return lines


async def calls_beside_millions(place: Place, scale: Scale) -> list[Line]:
    """Row 8: the first row with many calls there, beside itself with few."""
    few, many = 100_000, 1_000_000 if scale.quick else 10_000_000
    number = scale.of(24_000)
    seed = iter(range(1_000_001, 2_000_000))
    for size in (few, many):
        url = await place.database(f"with_{size}")
        async with place.connection(url) as one, place.connection(url) as other:
            await fill(one, other, size)
    lines = []
    for service in FACTS:

        async def beside_few(service: str = service) -> float:
            url = await place.database("beside_few", template=f"with_{few}")
            return (await worked(place, service, url, number, next(seed))).rate

        async def beside_many(service: str = service) -> float:
            return (await worked(place, service, place.url(f"with_{many}"), number, next(seed))).rate

        samples = await in_turns({"few": beside_few, "many": beside_many})
        lines.append(
            Line(
                f"calls from Kafka into {NAMES[service]}, {many:,} stored", f"itself with {few:,}", "events/s",
                samples["many"], samples["few"], at_least=0.8, facts={"calls": number, "stored": [many, few]},
            )
        )  # fmt: skip
    return lines


async def worked(place: Place, service: str, url: str, number: int, seed: int) -> Commits:
    """What `headset work` makes of that many new calls that wait in Kafka."""
    settings = await place.settings(url)
    await skip_what_is_there(settings, service)
    await put_into_kafka(settings, letters(number, seed))
    await place.checkpoint()
    async with place.connection(url) as connection:
        before = (await commits(connection, f"{service}.inbox", _ours(seed))).total
        async with place.headset("work", service, url=url) as process:
            await handled(connection, service, before + number, process)
        done = await commits(connection, f"{service}.inbox", "handled_at > now() - interval '10 minutes'")
    return done


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction wrote: columns for each of its statements."""

    inbox: list[list[Any]]
    facts: list[list[Any]]
    sums: list[list[Any]]
