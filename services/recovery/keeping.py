"""How is a service put away and brought back, with nothing lost that Kafka still holds?"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from services.all import SERVICES
from services.one import named
from services.recovery.place import Place, place, run
from shared import backups, history
from shared.backups import About
from shared.db import Database
from shared.direct import text
from shared.errors import CannotStart
from shared.i18n import say
from shared.service import Service
from shared.settings import Settings


def backup(settings: Settings, service: str, file: Path, *, kafka: bool = True) -> None:
    """Put the data of a service, or of all that share a database, into a file."""
    with place(settings) as here:
        services = _of_one_database(here, service)
        if (here.embedded or not kafka) and service != "all":  # else the others would know what this one forgot
            raise CannotStart("Without Kafka a backup is of all services together: 'headset backup all FILE'.")
        known: dict[str, dict[str, dict[int, int]]] | None = None
        if kafka and not here.embedded:
            try:
                known = run(_positions(settings, services), settings)
            except CannotStart as why:
                typer.echo(say(settings.language, why.reason, **why.values), err=True)
                typer.echo(
                    say(settings.language, "So after a restore, everything that Kafka holds will be read again."),
                    err=True,
                )
        said = About(services=[one.name for one in services], taken_at=datetime.now(UTC), positions=known)
        size = backups.write(file, here.url_of(services[0].name), said)
        here.speak("{file}: {services}, {size} bytes", file=file, services=", ".join(said.services), size=size)


async def _positions(settings: Settings, services: Sequence[Service]) -> dict[str, dict[str, dict[int, int]]]:
    found = {}
    for one in services:
        topics = sorted({event.kafka_topic for event in one.policies})
        read = await history.positions(settings, one.name, topics)
        found[one.name] = {topic: dict(offsets) for topic, offsets in read.items()}
    return found


def _of_one_database(here: Place, service: str) -> list[Service]:
    services = list(SERVICES) if service == "all" else [named(service)]
    if len({here.url_of(one.name) for one in services}) > 1:
        raise CannotStart("The services are in several databases; back up and restore each by its name.")
    return services


def restore(settings: Settings, service: str, file: Path, *, aside: bool, kafka: bool = True) -> None:
    """Bring back what a backup holds, and have the workers read on from where it was."""
    said = backups.about(file)
    with place(settings, alone=True) as here:
        services = _of_one_database(here, service)
        if (names := [one.name for one in services]) != said.services:
            raise CannotStart("{file} is a backup of {services}.", file=file, services=", ".join(said.services))
        url = here.url_of(names[0])
        run(_alone(url, names, settings), settings)
        # First, for it also finds workers that run elsewhere; and to be set back without need harms nobody.
        gone = {} if here.embedded or not kafka else run(_set_back(settings, services, said), settings)
        old = run(_make_room(url, names, settings, aside=aside), settings)
        try:
            backups.read(file, url)
        except BaseException:
            run(_rename(url, {new: name for name, new in old.items()}, settings), settings)
            raise
        here.speak("{services}: as at {at}.", services=", ".join(names), at=said.taken_at.isoformat(timespec="seconds"))
        for new in old.values():
            here.speak("What was there is in the schema {new}.", new=new)
        for topic, n in gone.items():
            here.speak("{n} records of {topic} are no longer in Kafka and could not be read again.", n=n, topic=topic)
        here.speak("Now run 'headset migrate' and start the service.")


async def _set_back(settings: Settings, services: Sequence[Service], said: About) -> dict[str, int]:
    gone: Counter[str] = Counter()
    for one in services:
        topics = sorted({event.kafka_topic for event in one.policies})
        to = None if said.positions is None else said.positions.get(one.name, {})
        gone.update(await history.set_back(settings, one.name, topics, to))
    return dict(gone)


@contextlib.asynccontextmanager
async def _connected(url: str, settings: Settings) -> AsyncIterator[Any]:
    db = Database("restore", url, SERVICES[0].metadata, settings)
    try:
        async with db.engine.begin() as connection:
            yield connection
    finally:
        await db.close()


async def _alone(url: str, names: Sequence[str], settings: Settings) -> None:
    """Raise if a process of these services is connected: what it is told is stored would be lost."""
    async with _connected(url, settings) as connection:
        found = await connection.execute(
            text("SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() "
                 "AND application_name = ANY(:names)"),
            {"names": [f"headset-{kind}{name}" for name in names for kind in ("", "relay-")]},
        )  # fmt: skip
        if busy := found.scalars().all():
            raise CannotStart("Stop these first, they use the database: {names}.", names=", ".join(busy))


async def _make_room(url: str, names: Sequence[str], settings: Settings, *, aside: bool) -> dict[str, str]:
    """Rename the schemas that are there; old name → new one."""
    async with _connected(url, settings) as connection:
        found = await connection.execute(
            text("SELECT nspname FROM pg_namespace WHERE nspname = ANY(:names) ORDER BY 1"), {"names": list(names)}
        )
        there = found.scalars().all()
    if there and not aside:
        raise CannotStart(
            "{services} is in this database already; say --set-aside to rename it.", services=", ".join(there)
        )
    stamp = f"{datetime.now(UTC):%Y%m%d_%H%M%S}"
    old = {name: f"{name}_before_{stamp}" for name in there}
    await _rename(url, old, settings)
    return old


async def _rename(url: str, names: dict[str, str], settings: Settings) -> None:
    async with _connected(url, settings) as connection:
        for name, new in names.items():
            await connection.execute(text(f"ALTER SCHEMA {name} RENAME TO {new}"))
