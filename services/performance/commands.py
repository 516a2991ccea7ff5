"""What can an operator do with appraisals? `headset verify appraisals`."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import typer

from services.performance.domain.chain import Fault, Head, verify
from services.performance.domain.explanation import outcome
from services.performance.repository import appraisals, ledger, life
from services.performance.repository.held import template_of
from services.performance.tables import metadata
from shared.db import Database, RowMapping, Tx
from shared.errors import CannotStart
from shared.i18n import say
from shared.postgres import EmbeddedPostgres
from shared.settings import Settings

PAGE = 500
ROUND = 100
"""Appraisals that are verified at a time where nobody waits for the end."""


async def verify_appraisals(tx: Tx) -> tuple[int, list[Fault]]:
    """Check every ledger and what its appraisal says it comes to: how many were checked, and what is wrong.

    All reads see one moment; must be the first thing in its transaction.
    """
    await life.one_snapshot_at(tx)
    checked, faults, after = 0, list[Fault](), None
    while rows := await life.appraisal_rows(tx, after, PAGE):
        after = rows[-1]["id"]
        faults += await _faults(tx, rows)
        checked += len(rows)
    return checked, faults


async def verify_some(tx: Tx, ids: Sequence[UUID], after: UUID | None) -> tuple[list[Fault], UUID | None]:
    """As `verify_appraisals`, of these and of the page that follows `after`: what is wrong, and where the next page
    begins (None: at the beginning)."""
    await life.one_snapshot_at(tx)
    page = await life.appraisal_rows(tx, after, ROUND)
    there = {row["id"] for row in page}
    rows = [*page, *(row for row in await life.appraisals_named(tx, ids) if row["id"] not in there)]
    return await _faults(tx, rows), page[-1]["id"] if len(page) == ROUND else None


async def _faults(tx: Tx, rows: Sequence[RowMapping]) -> list[Fault]:
    faults: list[Fault] = []
    lines: dict[UUID, list[Mapping[Any, Any]]] = {}
    for line in await ledger.chained(tx, [row["id"] for row in rows]):
        lines.setdefault(line["appraisal_id"], []).append(line)
    for row in rows:
        own = lines.get(row["id"], [])
        head = Head(row["ledger_length"], row["ledger_head"])
        faults += verify(row["id"], head, own)
        told = appraisals.stored(row)
        if own and outcome(template_of(row), await ledger.lines(tx, row["id"]))[:3] != told[:3]:
            faults.append(Fault(row["id"], 0, "scores, total or grade do not come out of the ledger"))
    return faults


def verify_appraisals_command(settings: Settings) -> None:
    """Check that nobody tampered with ledgers of appraisals: a line for each fault, and exit code 1 if there is any.

    In the database that is named, else in that of the Headset which runs on this machine.
    """
    url = settings.url_of("performance") or EmbeddedPostgres.running(settings.data / "postgres")
    if url is None:
        raise CannotStart(
            "No Headset runs in {directory}; start one, name another directory with --data, or a database with "
            "DATABASE_URL.",
            directory=settings.data,
        )

    async def run() -> tuple[int, list[Fault]]:
        database = Database("performance", url, metadata, settings)
        try:
            async with database.transaction() as tx:
                return await verify_appraisals(tx)
        finally:
            await database.close()

    checked, faults = asyncio.run(run())
    for fault in faults:
        typer.echo(json.dumps({"appraisal_id": str(fault.appraisal_id), "line": fault.seq, "fault": fault.reason}))
    typer.echo(say(settings.language, "{n} appraisals checked, {faults} faults.", n=checked, faults=len(faults)))
    if faults:
        raise typer.Exit(1)
