"""What did audits come to, for each agent, team, queue or criterion?

Counted are released standard audits that have a result, as they stand now, on the day of the call. Follow-ups are not
among them: they look at what failed before, and would make a good agent look bad.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Integer, Text, cast, false, func, literal_column, null, select, true

from services.qa.domain.numbers import Rate, Tally
from services.qa.repository.people import Sight
from services.qa.tables import audits, employees, recordings, scorecards
from shared.contracts.qa import ErrorClass
from shared.db import RowMapping, Tx

By = Literal["agent", "team", "queue", "criterion"]
_CLASSES = [name for name in get_args(ErrorClass) if name != "none"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which audits to count. Days of the centre, both included; `scorecard`: a code, with all its versions."""

    by: By
    from_day: date
    to_day: date
    scorecard: str | None = None
    team: str | None = None
    queue: str | None = None
    employee_id: UUID | None = None


async def tallies(tx: Tx, wanted: Wanted, sight: Sight, *, weekly: bool) -> list[Tally]:
    """One for each group, or for each group and week (by its Monday), in their order."""
    source = audits.join(recordings, recordings.c.id == audits.c.recording_id)
    source = source.outerjoin(employees, employees.c.employee_id == audits.c.employee_id)
    source = source.join(scorecards, scorecards.c.id == audits.c.scorecard_id)
    passed: ColumnElement[bool] = audits.c.result == "passed"
    if wanted.by == "criterion":
        marks = func.jsonb_object_keys(audits.c.marks).table_valued("criterion").render_derived("mark")
        source = source.join(marks, true())
        key: ColumnElement[Any] = marks.c.criterion
        passed = key != func.all(audits.c.failed)
    else:
        key = {"agent": cast(audits.c.employee_id, Text), "team": employees.c.team, "queue": recordings.c.queue}[
            wanted.by
        ]
    week = cast(func.date_trunc("week", recordings.c.day), Date) if weekly else null()
    asked = [
        (wanted.scorecard, scorecards.c.code),
        (wanted.team, employees.c.team),
        (wanted.queue, recordings.c.queue),
        (wanted.employee_id, audits.c.employee_id),
    ]
    query = (
        select(
            key.label("key"),
            week.label("week"),
            func.count().label("n"),
            func.count().filter(passed).label("passed"),
            *(
                column
                for name in _CLASSES
                for column in (
                    func.count(_errors(name)).label(f"n_{name}"),
                    func.count().filter(_errors(name) == 0).label(f"good_{name}"),
                )
            ),
        )
        .select_from(source)
        .where(
            audits.c.purpose == "standard",
            audits.c.released_at.is_not(None),
            audits.c.result.is_not(None),
            recordings.c.day.between(wanted.from_day, wanted.to_day),
            *(column == value for value, column in asked if value is not None),
            true() if sight.everything else sight.covers() if sight.me else false(),
        )
        .group_by(literal_column("1"), literal_column("2"))
        .order_by(literal_column("1"), literal_column("2"))
    )
    by_class = wanted.by != "criterion"  # one criterion has one class, and its rate says it all
    return [_tally(row, by_class) for row in await tx.all(query)]


def _errors(name: str) -> ColumnElement[Any]:
    """How many criteria of this class failed in an audit; null where none was judged."""
    return cast(audits.c.accuracy[name]["failed"].astext, Integer)


def _tally(row: RowMapping | Mapping[str, Any], by_class: bool) -> Tally:
    accuracy = {name: Rate(row[f"n_{name}"], row[f"good_{name}"]) for name in _CLASSES} if by_class else {}
    return Tally(row["key"], row["week"], Rate(row["n"], row["passed"]), accuracy)
