"""How many calls a second do QA and performance take from Kafka? Beside asyncpg writing the same rows, beside the usual
way to write a consumer, and with ten million calls stored beside itself with few.

The product is `headset work SERVICE`. What it wrote, transaction by transaction, asyncpg then writes again, alone. All
are timed by the commits of their inbox rows, from the first to the last; the first transaction counts for none.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from statistics import mean
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from bench.calls import letters, put_into_kafka
from bench.fill import fill
from bench.measure import Line, Scale, in_turns
from bench.place import Commits, Place, Process, commits, skip_backlog, until
from services.performance.repository.facts import CALLS
from services.qa.tables import recordings
from shared.kafka import create_topics

FACTS: dict[str, Table] = {"qa": recordings, "performance": CALLS.facts}
_seeds = count(1)


async def calls_from_kafka(place: Place, scale: Scale) -> list[Line]:
    return [line for service in FACTS for line in await _of_one(place, service, scale.of(40_000), scale.of(2_000))]


async def _of_one(place: Place, service: str, number: int, few: int) -> list[Line]:
    async def product() -> Commits:
        url = await place.database("product")
        await place.checkpoint()
        return await worked(place, service, url, number)

    async def usual() -> Commits:
        return await handled_one_by_one(place, service, await place.database("usual"), few)

    async def rows_alone() -> Commits:
        url = await place.database("rows_alone")
        await place.checkpoint()
        async with place.connection(url) as connection:
            for batch in batches:
                async with connection.transaction():
                    for statement, columns in batch:
                        await connection.execute(statement, *columns)
            return await commits(connection, f"{service}.inbox")

    await product()
    async with place.connection(place.url("product")) as connection:
        batches = await written(connection, service)
    samples = await in_turns({"product": product, "rows": rows_alone, "usual": usual})
    ours = [sample.rate for sample in samples["product"]]
    facts = {"calls": number, "calls a commit": round(mean(mean(s.rows) for s in samples["product"]))}
    what = f"calls from Kafka into {service}"
    return [
        Line(
            what, "asyncpg, the same rows in the same batches", "calls/s",
            ours, [sample.rate for sample in samples["rows"]], at_least=0.5, facts=facts,
        ),
        Line(
            what, "FastStream, ORM session and commit for each", "calls/s",
            ours, [sample.rate for sample in samples["usual"]], at_least=20, facts={**facts, "of the usual way": few},
        ),
    ]  # fmt: skip


async def calls_beside_millions(place: Place, scale: Scale) -> list[Line]:
    few, many = 100_000, 1_000_000 if scale.quick else 10_000_000
    number = scale.of(32_000)
    # Checkpoints come when PostgreSQL wants them: right after one, each page of the large indexes is written whole.
    for size in (few, many):
        await fill(place, await place.database(f"with_{size}"), size)
    lines = []
    for service in FACTS:

        async def beside_few(service: str = service) -> float:
            return (await worked(place, service, await place.database("beside_few", f"with_{few}"), number)).rate

        async def beside_many(service: str = service) -> float:
            return (await worked(place, service, place.url(f"with_{many}"), number)).rate

        samples = await in_turns({"few": beside_few, "many": beside_many})
        lines.append(
            Line(
                f"calls from Kafka into {service}, {many:,} stored", f"itself, {few:,} stored", "calls/s",
                samples["many"], samples["few"], at_least=0.8, facts={"calls": number},
            )
        )  # fmt: skip
    return lines


async def worked(place: Place, service: str, url: str, number: int) -> Commits:
    """What `headset work` makes of so many new calls that wait in Kafka."""
    settings = await place.settings(url)
    await skip_backlog(settings, service)
    await put_into_kafka(settings, letters(number, next(_seeds)))
    async with place.connection(url) as connection:
        since: datetime = await connection.fetchval("SELECT now()")
        async with place.headset("work", service, url=url) as process:
            await _until_handled(connection, service, since, number, process)
        return await commits(connection, f"{service}.inbox", "handled_at > $1", since)


async def handled_one_by_one(place: Place, service: str, url: str, number: int) -> Commits:
    """What `bench.usual` makes of so many calls that wait in a topic of its own."""
    settings = await place.settings(url)
    seed = next(_seeds)
    topic = f"bench.usual.{seed}"
    await create_topics(settings, [topic])
    await put_into_kafka(settings, letters(number, seed), topic)
    await place.checkpoint()
    async with place.connection(url) as connection:
        since: datetime = await connection.fetchval("SELECT now()")
        async with place.process("-m", "bench.usual", service, settings.kafka, topic, url) as process:
            await _until_handled(connection, service, since, number, process)
        return await commits(connection, f"{service}.inbox", "handled_at > $1", since)


async def _until_handled(connection: Any, service: str, since: datetime, number: int, process: Process) -> None:
    # By days, so that PostgreSQL looks into the partitions of today only.
    query = f"SELECT count(*) FROM {service}.inbox WHERE day >= current_date - 1 AND handled_at > $1"

    async def all_there() -> bool:
        return bool(await connection.fetchval(query, since) >= number)

    await until(all_there, 120, process, every=0.25)


Batch = list[tuple[str, list[list[Any]]]]
"""The statements of one transaction, each with its columns."""


async def written(connection: Any, service: str) -> list[Batch]:
    """What each transaction of the service wrote, in their order, as statements for asyncpg."""
    facts = FACTS[service]
    batches: dict[str, Batch] = {}

    async def take(query: str, insert: str) -> None:
        rows: dict[str, list[Any]] = {}
        for batch, *row in await connection.fetch(query):
            rows.setdefault(batch, []).append(row)
        for batch, found in rows.items():
            batches.setdefault(batch, []).append((insert, [list(column) for column in zip(*found, strict=True)]))

    inbox = facts.metadata.tables[f"{service}.inbox"]
    for table, names in ((inbox, ["day", "event_id"]), (facts, facts.columns.keys())):
        listed = ", ".join(names)
        await take(
            f"SELECT xmin::text, {listed} FROM {table.fullname} ORDER BY pg_xact_commit_timestamp(xmin)",
            f"INSERT INTO {table.fullname} ({listed}) SELECT * FROM unnest({_arrays(table, names)})",
        )
    if service == "performance":
        keys = CALLS.days.primary_key.columns.keys()
        by, names = ", ".join(keys), [*keys, *CALLS.measures]
        sums = ", ".join(f"coalesce(sum({m.what}) FILTER (WHERE {m.over}), 0)" for m in CALLS.measures.values())
        await take(
            f"SELECT xmin::text, {by}, {sums} FROM {facts.fullname} GROUP BY xmin::text, {by} ORDER BY {by}",
            f"INSERT INTO {CALLS.days.fullname} AS days ({', '.join(names)}) "
            f"SELECT * FROM unnest({_arrays(CALLS.days, names)}) ON CONFLICT ({by}) DO UPDATE SET "
            + ", ".join(f"{name} = days.{name} + excluded.{name}" for name in CALLS.measures),
        )
    return list(batches.values())


def _arrays(table: Table, names: Sequence[str]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    kinds = [table.columns[name].type.compile(dialect).partition(" COLLATE")[0] for name in names]
    return ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(kinds, 1))
