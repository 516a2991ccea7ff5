"""A laboratory: two tiny services of the tests' own, to prove what all services share.

`lab` has things that are counted, `mirror` hears of it. What goes wrong, and when, a test says by `Faults`.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import asyncpg
import pytest
from fastapi import Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import ARRAY, BigInteger, Column, Integer, MetaData, Table, Text, select, text

from shared.authorisation import table
from shared.db import Database
from shared.delivery import Delivered, bulk
from shared.errors import NotFound
from shared.events import Code, Event, ExternalId
from shared.http import CurrentTx, check_match, service_router, tag
from shared.mailbox import DISCARDS_DDL, MAILBOX_DDL, mailbox_tables
from shared.pages import Cursor, Limit, Page, page
from shared.postgres import EmbeddedPostgres
from shared.reads import READS_DDL, reads_table
from shared.service import Service
from shared.settings import Settings
from tests.world import World


class Counted(Event):
    """A thing was counted once more."""

    type: ClassVar[str] = "test.thing.counted.v1"
    kafka_topic: ClassVar[str] = "test.things"
    key: ClassVar[str] = "thing"

    thing: ExternalId
    n: Annotated[int, Field(ge=0)]
    note: Code | None = None


class Followed(Event):
    """Something followed from a count."""

    type: ClassVar[str] = "test.thing.followed.v1"
    kafka_topic: ClassVar[str] = "test.followers"
    key: ClassVar[str] = "thing"

    thing: ExternalId
    n: int


class Summed(Event):
    """Counts that a service takes in by the batch."""

    type: ClassVar[str] = "test.thing.summed.v1"
    kafka_topic: ClassVar[str] = "test.things"
    key: ClassVar[str] = "thing"

    thing: ExternalId
    n: int


@dataclass
class Faults:
    """What goes wrong while a test wants it."""

    poisoned: set[int] = field(default_factory=set)
    """Counts whose policy has a bug."""
    fails_late: set[int] = field(default_factory=set)
    """Counts whose policy has a bug after it has changed rows and emitted."""
    outages: set[int] = field(default_factory=set)
    """Counts at which the connection is lost, once each."""


THINGS_DDL = """
CREATE TABLE {schema}.things (
    id text PRIMARY KEY, total bigint NOT NULL, seen integer[] NOT NULL, version integer NOT NULL DEFAULT 1
);
CREATE TABLE {schema}.firm (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED);
"""


def things_table(metadata: MetaData) -> Table:
    return Table(
        "things",
        metadata,
        Column("id", Text, primary_key=True),
        Column("total", BigInteger, nullable=False),
        Column("seen", ARRAY(Integer), nullable=False),
        Column("version", Integer, nullable=False),
    )


ADD = """
INSERT INTO {schema}.things AS t (id, total, seen)
SELECT thing, sum(n), array_agg(n ORDER BY place)
FROM unnest(CAST(:things AS text[]), CAST(:ns AS int[])) WITH ORDINALITY AS g (thing, n, place)
GROUP BY thing ORDER BY thing
ON CONFLICT (id) DO UPDATE SET total = t.total + excluded.total, seen = t.seen || excluded.seen, version = t.version + 1
RETURNING version
"""


async def add(tx: Any, things: Sequence[str], ns: Sequence[int]) -> int:
    """Count, and remember in which order; the version of the last of them."""
    versions = await tx.column(text(ADD.format(schema=tx.schema)), {"things": list(things), "ns": list(ns)})
    return int(versions[-1])


class ThingIn(BaseModel):
    id: ExternalId
    n: Annotated[int, Field(ge=0, le=1000)]
    twice_firm: bool = False


class ThingOut(BaseModel):
    id: str
    total: int
    version: int


def service(name: str, faults: Faults, *, emits: bool = True) -> Service:
    """A service that counts things, by events and over HTTP."""
    metadata = MetaData(schema=name)
    mailbox_tables(metadata)
    things = things_table(metadata)
    reads_table(metadata)
    router = service_router(name)

    async def count(event: Counted, tx: Any) -> None:
        if event.n in faults.poisoned:
            raise RuntimeError("a bug")
        if event.n in faults.outages:
            faults.outages.discard(event.n)
            await tx.run(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        await add(tx, [event.thing], [event.n])
        if emits:
            tx.emit(Followed(thing=event.thing, n=event.n))
        if event.n in faults.fails_late:
            raise RuntimeError("a bug, late")

    @bulk
    async def sum_up(delivered: Sequence[Delivered[Summed]], tx: Any) -> None:
        if any(d.event.n in faults.poisoned for d in delivered):
            raise RuntimeError("a bug in a batch")
        await add(tx, [d.event.thing for d in delivered], [d.event.n for d in delivered])
        for event, letter in delivered[:1] if emits else ():
            tx.emit(Followed(thing=event.thing, n=event.n), because=letter)

    access = table(
        f"/{name}",
        """
        POST /things       everybody
        GET  /things       everybody
        GET  /things/{id}  everybody
        PUT  /things/{id}  everybody
        GET  /teams        team_lead
        GET  /boom         everybody
        """,
    )

    @router.post("/things", status_code=201)
    async def make(thing: ThingIn, tx: CurrentTx, response: Response) -> ThingOut:
        version = await add(tx, [thing.id], [thing.n])
        if thing.twice_firm:
            await tx.run(text(f"INSERT INTO {name}.firm VALUES (1), (1)"))
        tx.emit(Counted(thing=thing.id, n=thing.n))
        tag(response, version)
        response.headers["Location"] = f"/{name}/things/{thing.id}"
        return ThingOut(id=thing.id, total=thing.n, version=version)

    @router.get("/things")
    async def listed(tx: CurrentTx, limit: Limit = 50, cursor: Cursor = None) -> Page[ThingOut]:
        query = select(things)
        return await page(
            tx, query, [things.c.id], lambda row: ThingOut(**row), limit=limit, cursor=cursor, newest_first=False
        )

    @router.get("/things/{id}")
    async def one(id: str, tx: CurrentTx, response: Response) -> ThingOut:
        row = await tx.first(select(things).where(things.c.id == id))
        if row is None:
            raise NotFound("There is no thing {id}.", id=id)
        tag(response, row["version"])
        return ThingOut(**row)

    @router.put("/things/{id}")
    async def change(id: str, thing: ThingIn, tx: CurrentTx, request: Request, response: Response) -> ThingOut:
        row = await tx.first(select(things).where(things.c.id == id).with_for_update())
        if row is None:
            raise NotFound("There is no thing {id}.", id=id)
        check_match(request, row["version"])
        tag(response, await add(tx, [id], [thing.n]))
        return ThingOut(id=id, total=row["total"] + thing.n, version=row["version"] + 1)

    @router.get("/teams")
    async def teams() -> ThingOut:
        return ThingOut(id="team", total=0, version=1)

    @router.get("/boom")
    async def boom(kind: str = "bug") -> ThingOut:
        raise {"bug": RuntimeError, "os": ConnectionResetError, "slow": TimeoutError}[kind]("secret words")

    return Service(name, router, access, metadata, {Counted: [count], Summed: [sum_up]}, Path())


class Lab(World):
    """The laboratory in one process, on a database of its own. Letters of `lab` and `mirror` reach both."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.faults = Faults()
        self.mirrored = Faults()
        super().__init__(url, [service("lab", self.faults), service("mirror", self.mirrored, emits=False)], **settings)
        self.url = url

    @property
    def db(self) -> Database:
        return self.runtime.databases["lab"]

    async def seen(self, service: str = "lab") -> dict[str, list[int]]:
        """What each thing's counts were, in the order in which they were applied."""
        return {row["id"]: row["seen"] for row in await self.rows(service, f"SELECT * FROM {service}.things")}

    async def dead(self, service: str = "lab") -> Sequence[Any]:
        return await self.rows(service, f"SELECT * FROM {service}.dead_letters ORDER BY id")

    async def outbox(self, service: str = "lab") -> Sequence[Any]:
        return await self.rows(service, f"SELECT * FROM {service}.outbox ORDER BY id")


def another(lab: Lab, name: str = "lab", **settings: Any) -> Database:
    """The same tables as another process would reach them."""
    return Database(name, lab.url, lab.db.metadata, Settings(database_url=lab.url, **settings))


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def lab_template(fresh_database: Callable[[str], str]) -> str:
    url = fresh_database("lab_template")
    connection = await asyncpg.connect(url)
    for name in ("lab", "mirror"):
        await connection.execute(f"CREATE SCHEMA {name}")
        await connection.execute((MAILBOX_DDL + DISCARDS_DDL + THINGS_DDL + READS_DDL).format(schema=name))
    await connection.close()
    return url


@pytest.fixture
async def lab_url(postgres: EmbeddedPostgres, lab_template: str) -> AsyncIterator[str]:
    """A database with the laboratory's tables in it."""
    name = f"lab_{next(_numbers)}"
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f'CREATE DATABASE {name} TEMPLATE "{lab_template.rpartition("/")[2]}"')
    yield f"{postgres.url.rpartition('/')[0]}/{name}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def lab(lab_url: str) -> AsyncIterator[Lab]:
    lab = Lab(lab_url)
    yield lab
    await lab.close()
