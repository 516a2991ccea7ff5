"""Does everything hold that must always hold? `headset check`, over every database it is given."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from uuid import UUID

import typer

from services.all import SERVICES
from services.performance.watching import FAILS as ENTRIES
from services.qa.watching import PATIENCE, failures
from services.training.watching import FAILS as COACHING
from shared.db import Database
from shared.delivery import is_outage
from shared.errors import CannotStart
from shared.i18n import say
from shared.postgres import EmbeddedPostgres
from shared.service import MOST_BREACHES, Check
from shared.settings import Settings
from shared.unmet import Comparison
from shared.watch import OUTBOX_MOVES

Finding = tuple[str, str, Sequence[str]]
"""Service, invariant, and where it does not hold."""


def check_command(settings: Settings) -> int:
    """Print a line for each invariant, and for each breach; the exit code: 1 where something does not hold."""
    running = EmbeddedPostgres.running(settings.data / "postgres")
    urls = {service.name: settings.url_of(service.name) or running for service in SERVICES}
    if not any(urls.values()):
        raise CannotStart(
            "No Headset runs in {directory} and no database is named; set DATABASE_URL to a PostgreSQL address.",
            directory=settings.data,
        )
    return asyncio.run(_report(settings, urls))


async def _report(settings: Settings, urls: dict[str, str | None]) -> int:
    broken = 0
    async with AsyncExitStack() as stack:
        databases: dict[str, Database] = {}
        for service in SERVICES:
            if url := urls[service.name]:
                databases[service.name] = Database(service.name, url, service.metadata, settings)
                stack.push_async_callback(databases[service.name].close)
            else:
                typer.echo(say(settings.language, "{service}: not checked, no database is named", service=service.name))
        async for service_name, invariant, where in findings(databases):
            said: dict[str, object] = {"service": service_name, "invariant": invariant}
            if where:
                typer.echo(say(settings.language, "{service}: {invariant} does not hold", **said))
            else:
                typer.echo(say(settings.language, "{service}: {invariant} holds", **said))
            for what in where:
                typer.echo(f"  {what}")
            broken += bool(where)
    return int(broken > 0)


async def findings(databases: dict[str, Database]) -> AsyncIterator[Finding]:
    """Every invariant of these services; across services where both sides are there."""
    for service in SERVICES:
        if service.name in databases:
            for check in (OUTBOX_MOVES, *service.checks):
                yield service.name, check.name, await _found(databases[service.name], check)
    for name, invariant, comparison in (
        ("training", "failed_audits_are_coached", COACHING),
        ("performance", "failed_audits_are_entered", ENTRIES),
    ):
        if "qa" in databases and name in databases:
            yield name, f"{invariant} (qa)", await _unmet(databases["qa"], databases[name], comparison)


async def _found(db: Database, check: Check) -> Sequence[str]:
    try:
        async with db.transaction() as tx:
            return await (check.find_all or check.find)(tx)
    except Exception as error:
        if not is_outage(error):
            raise
        raise CannotStart("The database of {service} cannot be reached.", service=db.name) from error


async def _unmet(qa: Database, other: Database, comparison: Comparison) -> list[str]:
    """Of all fails that have stood for an hour, those that have led to nothing there."""
    found: list[str] = []
    beginning = datetime(1970, 1, 1, tzinfo=qa.settings.zone)
    async with qa.transaction() as tx, other.transaction() as there:
        async for ids in failures(tx, beginning, tx.now - PATIENCE):
            missing: Sequence[UUID] = await comparison.of(there, ids)
            found += [f"audit {id}" for id in missing]
            if len(found) >= MOST_BREACHES:
                break
    return found[:MOST_BREACHES]
