"""Which days, calls, audits and examinations lie behind the entries of an appraisal?"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.performance.domain.evidence import Evidence, Piece, behind, sums_of_fact
from services.performance.domain.explanation import Explanation
from services.performance.domain.indicators import Guard, Indicator, Source, limit_of
from services.performance.repository import facts, ledger
from services.performance.repository.indicators import by_version
from shared.db import RowMapping, Tx


async def behind_entries(tx: Tx, appraisal: RowMapping, explained: Explanation) -> dict[UUID, list[Evidence]]:
    """Of each entry that was measured from facts: the days behind it."""
    measured = {
        e.id: (e.indicator, e.indicator_version, e.at)
        for e in explained.entries
        if e.basis == "indicator" and e.indicator_version is not None
    }
    if not measured:
        return {}
    known = await by_version(tx, {(key, version) for key, version, _ in measured.values()})
    read: dict[tuple[Source, tuple[Guard, ...], int | None], list[Piece]] = {}
    found: dict[UUID, list[Evidence]] = {}
    for id, (key, version, at) in measured.items():
        indicator = known[key, version]
        if indicator.source == "manual":
            continue
        group = (indicator.source, indicator.guards, limit_of(indicator.measure))
        if group not in read:
            read[group] = await _days(tx, appraisal, indicator)
        found[id] = behind(indicator, read[group], at)
    return found


async def of_day(
    tx: Tx, appraisal: RowMapping, entry_id: UUID, day: date
) -> tuple[Indicator, Sequence[Piece], datetime, Mapping[str, Any]] | None:
    """The facts of one day behind an entry, when that was measured, and the sums of the whole period; None where there
    is no such entry."""
    entry = await ledger.entry(tx, entry_id)
    if entry is None or entry.appraisal_id != appraisal["id"] or entry.basis != "indicator":
        return None
    assert entry.indicator_version is not None
    indicator = (await by_version(tx, {(entry.indicator, entry.indicator_version)}))[
        entry.indicator, entry.indicator_version
    ]
    if indicator.source == "manual" or not appraisal["first_day"] <= day <= appraisal["last_day"]:
        return None
    days = await _days(tx, appraisal, indicator)
    if str(day) not in {piece.fact for piece in days}:
        return indicator, [], entry.at, {}
    names = (indicator.measure, indicator.base)
    whole = {name: sum(piece.sums[name] for piece in days) for name in names}
    rows = await facts.of_day(tx, indicator.source, appraisal["employee_id"], day)
    pieces = [Piece(row["fact"], sums_of_fact(indicator, dict(row)), row["told_at"]) for row in rows]
    return indicator, pieces, entry.at, whole


async def _days(tx: Tx, appraisal: RowMapping, indicator: Indicator) -> list[Piece]:
    rows = await facts.days(
        tx, indicator.source, appraisal["employee_id"], appraisal["first_day"], appraisal["last_day"], indicator.guards,
        names=(indicator.measure,),
    )  # fmt: skip
    return [Piece(str(row["day"]), dict(row), row["changed_at"]) for row in rows]
