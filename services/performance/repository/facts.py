"""How do facts become sums for each agent and day, exactly and fast?

One statement for a batch. It writes the newest copy of each fact and, from what the rows said before and say now, takes
the old out of its day and puts the new into its own. So a copy told twice changes nothing, and a corrected or late one
changes just the days it concerns, also when it moves to another day, queue or agent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

from services.performance import tables
from services.performance.domain.facts import CallFact, CaseFact, RatingFact
from services.performance.domain.indicators import Source
from shared.db import Tx


class Measure(NamedTuple):
    """A sum that is kept for each day: of what (SQL over a fact), and over which facts."""

    what: str
    over: str = "true"


@dataclass(frozen=True)
class Counted:
    """One kind of fact, and what is summed up of it."""

    row: type[CallFact] | type[CaseFact] | type[RatingFact]
    facts: Table
    days: Table
    measures: Mapping[str, Measure]
    key: tuple[str, ...] = field(init=False)
    record: TextClause = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", tuple(self.facts.primary_key.columns.keys()))
        object.__setattr__(self, "record", _record(self))


def _record(kind: Counted) -> TextClause:
    columns = kind.row._fields
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = {name: kind.facts.columns[name].type.compile(dialect) for name in columns}
    rest = [name for name in columns if name not in kind.key]
    by = list(kind.days.primary_key.columns.keys())
    needed = [name for name in columns if name not in (*kind.key, "told_at", "letter_id", *by)] + by
    sums = ", ".join(f"coalesce(sum(sign * ({m.what})) FILTER (WHERE {m.over}), 0)" for m in kind.measures.values())
    return text(f"""
    WITH written AS (
        INSERT INTO {kind.facts.fullname} AS fact ({", ".join(columns)})
        SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {types[name]}[])" for name in columns)})
        ON CONFLICT ({", ".join(kind.key)}) DO UPDATE
           SET ({", ".join(rest)}) = ({", ".join(f"excluded.{name}" for name in rest)})
         WHERE (fact.told_at, fact.letter_id) < (excluded.told_at, excluded.letter_id)
        RETURNING {", ".join(f"old.{name} AS old_{name}, new.{name} AS new_{name}" for name in needed)}
    ), moved AS (
        SELECT 1 AS sign, {", ".join(f"new_{name} AS {name}" for name in needed)} FROM written
        UNION ALL
        SELECT -1, {", ".join(f"old_{name}" for name in needed)} FROM written WHERE old_agent_id IS NOT NULL
    )
    INSERT INTO {kind.days.fullname} AS days ({", ".join([*by, *kind.measures])})
    SELECT {", ".join(by)}, {sums} FROM moved GROUP BY {", ".join(by)} ORDER BY {", ".join(by)}
    ON CONFLICT ({", ".join(by)}) DO UPDATE
       SET {", ".join(f"{name} = days.{name} + excluded.{name}" for name in kind.measures)}
    """)


# Of calls nobody answered only the number is kept: what telephony times there is ringing, not work.
CALLS = Counted(
    CallFact,
    tables.call_facts,
    tables.call_days,
    {
        "calls": Measure("1"),
        "answered": Measure("1", "answered"),
        "waits": Measure("1", "answered AND wait_ms IS NOT NULL"),
        "wait_ms": Measure("wait_ms", "answered"),
        "within_20s": Measure("1", "answered AND wait_ms <= 20000"),
        "talks": Measure("1", "answered AND talk_ms IS NOT NULL"),
        "talk_ms": Measure("talk_ms", "answered"),
        "holds": Measure("1", "answered AND hold_ms IS NOT NULL"),
        "hold_ms": Measure("hold_ms", "answered"),
        "wrap_ups": Measure("1", "answered AND wrap_up_ms IS NOT NULL"),
        "wrap_up_ms": Measure("wrap_up_ms", "answered"),
        # Hold and wrap-up add to a call's handling where they are known; a call whose talk is unknown is left out.
        "handling_ms": Measure(
            "talk_ms::bigint + coalesce(hold_ms, 0) + coalesce(wrap_up_ms, 0)", "answered AND talk_ms IS NOT NULL"
        ),
    },
)
CASES = Counted(
    CaseFact,
    tables.case_facts,
    tables.case_days,
    {
        "cases": Measure("1"),
        "resolved": Measure("1", "resolved"),
        "contacts_known": Measure("1", "first_contact IS NOT NULL"),
        "resolved_at_first_contact": Measure("1", "resolved AND first_contact"),
    },
)
RATINGS = Counted(
    RatingFact,
    tables.rating_facts,
    tables.rating_days,
    {"ratings": Measure("1"), "rating_sum": Measure("rating")},
)
SOURCES: Mapping[Source, Counted] = {"calls": CALLS, "cases": CASES, "ratings": RATINGS}


async def record(tx: Tx, kind: Counted, given: Sequence[CallFact | CaseFact | RatingFact]) -> None:
    """Keep the newest copy of each fact, and the sums of the days concerned."""
    if not given:
        return
    width = len(kind.key)
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for fact in given:  # a fact is its key, told_at, letter_id, and the rest
        known = newest.setdefault(fact[:width], fact)
        if known[width : width + 2] < fact[width : width + 2]:
            newest[fact[:width]] = fact
    rows = [newest[key] for key in sorted(newest)]  # one order everywhere: no deadlocks
    await tx.run(kind.record, dict(zip(kind.row._fields, map(list, zip(*rows, strict=True)), strict=True)))


async def sums(tx: Tx, source: Source, employee_id: UUID, first: date, last: date) -> dict[str, int]:
    """All sums of this source over these days, both inclusive, of the logins while the employee held them."""
    kind = SOURCES[source]
    # The logins as an array, so that PostgreSQL looks into the view for these only.
    query = text(f"""
    SELECT {", ".join(f"coalesce(sum(days.{name}), 0) AS {name}" for name in kind.measures)}
    FROM {tx.schema}.agent_holders holder
    JOIN {kind.days.fullname} days
      ON days.agent_id = holder.agent_id AND days.day >= holder.valid_from AND days.day < holder.valid_to
    WHERE holder.employee_id = :employee_id
      AND holder.agent_id = ANY(ARRAY(
          SELECT agent_id FROM {tx.schema}.employee_logins WHERE employee_id = :employee_id))
      AND days.day BETWEEN :first AND :last
    """)
    row = await tx.first(query, {"employee_id": employee_id, "first": first, "last": last})
    assert row is not None
    return {name: int(row[name]) for name in kind.measures}
