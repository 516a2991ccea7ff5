"""What do the facts of a cycle come to for everybody in it?

A few statements for each five hundred appraisals, whatever the number of calls behind them: the day sums are read, the
rules are asked, and the lines that differ from what stands are written. The rules need about as much time as the
database, and no database: so they are asked in a thread, while one part is written and the next is read.
"""

from asyncio import Task, create_task, to_thread, wait
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from services.performance.domain.chain import Head
from services.performance.domain.indicators import Indicator, Source, manual_sums
from services.performance.domain.ledger import Movement, Tally, remeasured, tally
from services.performance.domain.templates import AUDIT_INDICATOR, Result, Template
from services.performance.repository import facts, ledger
from services.performance.repository.appraisals import come_to, conclude
from services.performance.repository.held import Held, hold, template_of
from services.performance.repository.indicators import holding
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.ids import new_ids

CHUNK = 500
Asked = Sequence[tuple[str, Indicator]]
"""Indicators, each with the dimension that counts it."""
Then = Callable[[dict[UUID, Held], dict[UUID, Result]], Awaitable[None]]


class _Sums(NamedTuple):
    """The sums of one source for everybody in a cycle, and what is asked of them."""

    asked: Asked
    known: Mapping[UUID, facts.Known]


class _Part(NamedTuple):
    """What is known of some appraisals before they are measured; `tallies` of all but indicators."""

    held: dict[UUID, Held]
    ratings: Mapping[tuple[UUID, str], Mapping[str, tuple[int, Decimal]]]
    standing: Mapping[UUID, Mapping[str, Movement]]
    tallies: Mapping[UUID, list[Tally]]


class _Measured(NamedTuple):
    """The lines to be added, as they will stand in the table, and what the appraisals come to with them."""

    held: dict[UUID, Held]
    added: list[Movement]
    rows: list[tuple[Any, ...]]
    heads: dict[UUID, Head]
    results: dict[UUID, Result]


async def calculate(tx: Tx, cycle: RowMapping, *, by: str, quiet: bool = False, then: Then | None = None) -> int:
    """Measure the indicators of all appraisals of a cycle and book what changed; how many they are.

    `quiet`: nothing is published yet. `then` is done with some hundred appraisals at a time and with what they come
    to: with all of them, if `quiet`, else with those that changed.
    """
    await tx.run(text("SET LOCAL work_mem = '64MB'"))
    people = await _people(tx, cycle["id"])
    asked = counted(template_of(cycle), await holding(tx, cycle["last_day"]))
    sums = await _sums(tx, cycle, asked, list(people.values()))
    by_hand = [(dimension, indicator) for dimension, indicator in asked if indicator.source == "manual"]
    ids = list(people)
    measuring: Task[_Measured] | None = None
    try:
        for start in range(0, len(ids), CHUNK):
            part = await _read(tx, ids[start : start + CHUNK])
            before = measuring
            measuring = create_task(to_thread(_measure, part, sums, by_hand, tx.now, by, quiet))
            if before:
                await _book(tx, await before, str(cycle["id"]), quiet, then)
        if measuring:
            await _book(tx, await measuring, str(cycle["id"]), quiet, then)
    finally:
        if measuring:
            await wait([measuring])
    return len(ids)


async def _people(tx: Tx, cycle_id: UUID) -> dict[UUID, UUID]:
    """The appraisals of a cycle, in the order in which they are locked, and whose they are."""
    query = text("SELECT id, employee_id FROM performance.appraisals WHERE cycle_id = :cycle ORDER BY id")
    rows: Any = await tx.tuples(query, {"cycle": cycle_id})
    return dict(rows)


async def _sums(tx: Tx, cycle: RowMapping, asked: Asked, employees: Sequence[UUID]) -> list[_Sums]:
    """What the indicators are measured by, of everybody at once: no day is read twice."""
    first, last = cycle["first_day"], cycle["last_day"]
    in_force = await facts.guards_in_force(tx, first, last)
    groups: dict[tuple[Source, tuple[str, ...]], list[tuple[str, Indicator]]] = {}
    for dimension, indicator in asked:
        if indicator.source != "manual":
            guards = tuple(sorted(in_force.intersection(indicator.guards)))
            groups.setdefault((indicator.source, guards), []).append((dimension, indicator))
    found = []
    for (source, guards), own in groups.items():
        pairs = frozenset((i.measure, i.base) for _, i in own if i.needs_spread)
        names = {name for _, i in own for name in (i.measure, i.base)}
        known = await facts.sums(tx, source, employees, first, last, guards=guards, pairs=pairs, names=names)
        found.append(_Sums(own, known))
    return found


async def _read(tx: Tx, ids: Sequence[UUID]) -> _Part:
    held = await hold(tx, "appraisal.id = ANY(CAST(:ids AS uuid[]))", ids=list(ids))
    pooled = {id: one.template.pooled for id, one in held.items()}
    return _Part(
        held, await ratings(tx, ids), await ledger.measured(tx, ids), await ledger.tallies(tx, pooled, but="indicator")
    )


async def _book(tx: Tx, measured: _Measured, cause: str, quiet: bool, then: Then | None) -> None:
    held, added, rows, heads, results = measured
    await ledger.write(tx, added, rows)
    await conclude(tx, held, heads, results, dict.fromkeys(results, cause), quiet=quiet)
    if then:
        await then(held, results)


def _measure(
    part: _Part, sums: Sequence[_Sums], by_hand: Asked, at: datetime, by: str, everybody: bool
) -> _Measured:  # fmt: skip
    """Ask the rules. `everybody`: also those for whom nothing changes are added up."""
    added: list[Movement] = []
    heads: dict[UUID, Head] = {}
    results: dict[UUID, Result] = {}
    ids = new_ids()
    for id, one in part.held.items():
        new = _entries(ids, part, one, sums, by_hand, at, by)
        differing = remeasured(part.standing[id], new)
        if everybody or differing:
            added += differing
            heads[id] = one.head
            standing = [*part.tallies[id], *(tally(line, pooled=False) for line in new)]
            results[id] = come_to(one.template, standing)
    return _Measured(part.held, added, ledger.linked(heads, added), heads, results)


def _entries(
    ids: Iterator[UUID], part: _Part, one: Held, sums: Sequence[_Sums], by_hand: Asked, at: datetime, by: str
) -> list[Movement]:  # fmt: skip
    """The entries that the indicators should have."""
    found = []
    for asked, known in sums:
        own, spreads = known[one.employee_id]
        for dimension, indicator in asked:
            value, n, interval = indicator.of(own, spreads.get((indicator.measure, indicator.base)))
            if value is not None and n >= indicator.least_n:
                ends = indicator.points_between(interval) if indicator.sampled else None
                low, high = ends or (None, None)
                found.append(_line(next(ids), one, dimension, indicator, value, n, at, by, low, high))
    for dimension, indicator in by_hand:
        value, n = manual_sums(part.ratings.get((one.id, indicator.key), {}))
        if value is not None and n >= indicator.least_n:
            found.append(_line(next(ids), one, dimension, indicator, value, n, at, by, None, None))
    return found


def _line(
    id: UUID, one: Held, dimension: str, indicator: Indicator, value: Decimal, n: int, at: datetime, by: str,
    low: Decimal | None, high: Decimal | None,
) -> Movement:  # fmt: skip
    points = indicator.points(value)
    if not indicator.sampled:
        low = high = points
    return Movement(
        id, one.id, dimension, indicator.key, "entry", None, None, None, value, at, basis="indicator",
        points=points, n=n, low=low, high=high, actor=by, indicator_version=indicator.version,
    )  # fmt: skip


def counted(template: Template, known: Sequence[Indicator]) -> list[tuple[str, Indicator]]:
    """The indicators that the template counts and that are measured; audits stream in by themselves."""
    by_key = {indicator.key: indicator for indicator in known if indicator.scored}
    return [
        (dimension, by_key[key])
        for dimension, weights in template.indicators.items()
        for key in weights
        if key != AUDIT_INDICATOR and key in by_key
    ]


async def ratings(tx: Tx, appraisals: Sequence[UUID]) -> dict[tuple[UUID, str], dict[str, tuple[int, Decimal]]]:
    """By appraisal and indicator, and by kind of rater: how many rated, and the sum of the newest of each."""
    found: dict[tuple[UUID, str], dict[str, Any]] = {}
    rows: Any = await tx.tuples(
        text("""
        SELECT appraisal_id, indicator, kind, count(*), sum(value) FROM (
            SELECT DISTINCT ON (appraisal_id, indicator, rater) appraisal_id, indicator, rater, kind, value
            FROM performance.ratings WHERE appraisal_id = ANY(CAST(:ids AS uuid[]))
            ORDER BY appraisal_id, indicator, rater, id DESC) AS newest
        GROUP BY 1, 2, 3
        """),
        {"ids": list(appraisals)},
    )
    for id, indicator, kind, n, total in rows:
        found.setdefault((id, indicator), {})[kind] = (n, total)
    return found
