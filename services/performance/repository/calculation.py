"""What do the facts of a cycle come to for everybody in it?

A few statements for each two thousand appraisals, whatever the number of calls behind them: the day sums are read, the
rules are asked, and the lines that differ from what stands are written.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.performance.domain.indicators import Indicator, Source, manual_sums
from services.performance.domain.ledger import Movement, remeasured
from services.performance.domain.templates import AUDIT_INDICATOR, Result, Template
from services.performance.repository import facts, ledger
from services.performance.repository.appraisals import settle
from services.performance.repository.held import Held, hold, template_of
from services.performance.repository.indicators import holding
from shared.db import RowMapping, Tx
from shared.ids import new_id

CHUNK = 2000


async def chunks(tx: Tx, cycle_id: UUID) -> list[list[UUID]]:
    """The appraisals of a cycle, in the order in which they are locked. What follows may sort in memory."""
    await tx.run(text("SET LOCAL work_mem = '64MB'"))
    rows = await tx.tuples(
        text("SELECT id FROM performance.appraisals WHERE cycle_id = :cycle ORDER BY id"), {"cycle": cycle_id}
    )
    ids = [id for (id,) in rows]
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]


async def calculate(
    tx: Tx, cycle: RowMapping, ids: Sequence[UUID], *, by: str, quiet: bool = False
) -> tuple[dict[UUID, Held], dict[UUID, Result]]:
    """Measure the indicators of these appraisals and book what changed; all of them, held, and what they come to.

    `quiet`: nothing is published yet.
    """
    held = await hold(tx, "appraisal.id = ANY(CAST(:ids AS uuid[]))", ids=list(ids))
    new = await measure(tx, cycle, held, by=by)
    standing = await ledger.measured(tx, list(held))
    added = [line for id in held for line in remeasured(standing[id], new[id])]
    changed = held if quiet else {line.appraisal_id for line in added}
    results = await settle(tx, held, added, {id: str(cycle["id"]) for id in held if id in changed}, quiet=quiet)
    return held, results


async def measure(
    tx: Tx, cycle: RowMapping, held: Mapping[UUID, Held], *, by: str
) -> dict[UUID, list[Movement]]:  # fmt: skip
    """The entries that the indicators of the cycle's template should have, for each of these appraisals."""
    template = template_of(cycle)
    wanted = counted(template, await holding(tx, cycle["last_day"]))
    in_force = await facts.guards_in_force(tx, cycle["first_day"], cycle["last_day"])
    groups: dict[tuple[Source, tuple[str, ...]], list[tuple[str, Indicator]]] = {}
    for dimension, indicator in wanted:
        groups.setdefault((indicator.source, tuple(sorted(in_force.intersection(indicator.guards)))), []).append(
            (dimension, indicator)
        )
    employees = [one.employee_id for one in held.values()]
    found: dict[UUID, list[Movement]] = {id: [] for id in held}
    for (source, guards), asked in groups.items():
        if source == "manual":
            await _by_hand(tx, held, asked, found, by)
            continue
        pairs = frozenset((i.measure, i.base) for _, i in asked if i.needs_spread)
        names = {name for _, i in asked for name in (i.measure, i.base)}
        known = await facts.sums(
            tx, source, employees, cycle["first_day"], cycle["last_day"], guards=guards, pairs=pairs, names=names
        )
        for one in held.values():
            sums, spreads = known[one.employee_id]
            for dimension, indicator in asked:
                value, n, interval = indicator.of(sums, spreads.get((indicator.measure, indicator.base)))
                if value is None or n < indicator.least_n:
                    continue
                ends = indicator.points_between(interval)
                found[one.id].append(
                    _line(tx, one, dimension, indicator, value, n, by, ends and ends.low, ends and ends.high)
                )
    return found


def counted(template: Template, known: Sequence[Indicator]) -> list[tuple[str, Indicator]]:
    """The indicators that the template counts and that are measured; audits stream in by themselves."""
    by_key = {indicator.key: indicator for indicator in known if indicator.scored}
    return [
        (dimension, by_key[key])
        for dimension, weights in template.indicators.items()
        for key in weights
        if key != AUDIT_INDICATOR and key in by_key
    ]


def _line(
    tx: Tx, one: Held, dimension: str, indicator: Indicator, value: Decimal, n: int, by: str,
    low: Decimal | None, high: Decimal | None,
) -> Movement:  # fmt: skip
    points = indicator.points(value)
    if not indicator.sampled:
        low = high = points
    return Movement(
        new_id(), one.id, dimension, indicator.key, "entry", None, None, None, value, tx.now, basis="indicator",
        points=points, n=n, low=low, high=high, actor=by, indicator_version=indicator.version,
    )  # fmt: skip


async def _by_hand(
    tx: Tx, held: Mapping[UUID, Held], asked: Sequence[tuple[str, Indicator]], found: Mapping[UUID, list[Movement]],
    by: str,
) -> None:  # fmt: skip
    given = await ratings(tx, list(held))
    for one in held.values():
        for dimension, indicator in asked:
            value, n = manual_sums(given.get((one.id, indicator.key), {}))
            if value is not None and n >= indicator.least_n:
                found[one.id].append(_line(tx, one, dimension, indicator, value, n, by, None, None))


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
