"""Where is the data that an operator works on?

In the database that the settings name, or in that of embedded mode, whether Headset runs or not: at night the routes
may be what is down, and nobody has a token at hand. What is decided is stored with who decided it.
"""

import asyncio
import contextlib
import getpass
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import typer

from services.all import SERVICES
from services.embedded import database
from services.one import named
from shared.db import Database
from shared.delivery import TooManyDead, is_outage
from shared.direct import text
from shared.errors import CannotStart, Problem
from shared.i18n import say
from shared.postgres import url_of_running
from shared.service import Service
from shared.settings import Settings

T = TypeVar("T")


class Place:
    """The databases of the services, as far as they are where the settings say."""

    def __init__(self, settings: Settings, embedded: str | None) -> None:
        self.settings = settings
        self.embedded = embedded
        """The URL, where it is that of embedded mode: then there is no Kafka either."""

    def url_of(self, service: str) -> str:
        url = self.settings.url_of(service) or self.embedded
        if url is None:
            raise CannotStart("No database is named; set DATABASE_URL to a PostgreSQL address.")
        return url

    def speak(self, sentence: str, **values: object) -> None:
        typer.echo(say(self.settings.language, sentence, **values))

    async def with_each(self, wanted: str | None, do: Callable[[Service, Database], Awaitable[T]]) -> list[T]:
        """Do this with the database of each service, or of one; with all, those that are not there are left out."""
        found = []
        for service in (named(wanted),) if wanted else SERVICES:
            if wanted is None and self.settings.url_of(service.name) is None and self.embedded is None:
                continue
            db = Database(service.name, self.url_of(service.name), service.metadata, self.settings)
            try:
                async with db.transaction() as tx:
                    there = await tx.scalar(
                        text("SELECT to_regclass(:table) IS NOT NULL"), {"table": f"{service.name}.dead_letters"}
                    )
                if there:
                    found.append(await do(service, db))
                elif wanted:
                    raise CannotStart("{service} is not in this database.", service=wanted)
            finally:
                await db.close()
        return found


@contextlib.contextmanager
def place(settings: Settings, *, alone: bool = False) -> Iterator[Place]:
    """Where the services' data is; with `alone`, nobody else may run embedded mode there."""
    if any(settings.url_of(service.name) for service in SERVICES):
        yield Place(settings, None)
        return
    running = None if alone else url_of_running(settings.data / "postgres")
    if running is not None:
        yield Place(settings, running)
        return
    if not alone and not (settings.data / "signing.key").exists():
        raise CannotStart(
            "There is no Headset in {directory}; start one with 'headset up', or name its directory with --data.",
            directory=settings.data,
        )
    with database(settings) as url:
        yield Place(settings, url)


def run(work: Coroutine[Any, Any, T], settings: Settings) -> T:
    """Do it; expected failures as `CannotStart`."""
    try:
        return asyncio.run(work)
    except Problem as problem:
        raise CannotStart(problem.detail, **problem.values) from problem
    except TooManyDead as error:
        raise CannotStart("Stopped, for too much went wrong: {reason}.", reason=error) from error
    except Exception as error:
        if is_outage(error):
            raise CannotStart(
                "The database does not answer: {reason}.", reason=f"{type(error).__name__}: {error}"[:300]
            ) from error
        raise


def who(by: str | None) -> str:
    try:
        return by or f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a container's number without a name
        return "command line"
