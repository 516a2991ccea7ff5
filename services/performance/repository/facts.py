"""How do facts become sums for each agent and day, exactly and fast?

One statement for a batch. It writes the newest copy of each fact and, from what the rows said before and say now, takes
the old out of its day and puts the new into its own. So a copy told twice changes nothing, and a corrected or late one
changes just the days it concerns, also when it moves to another day, queue or agent.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, TextClause
from sqlalchemy.dialects import postgresql

from services.performance import tables
from services.performance.domain.facts import AttendanceFact, CallFact, CaseFact, RatingFact, TrainingFact
from services.performance.domain.indicators import DAILY_LIMIT, SUMS, Source, Spread, limit_of
from shared.db import RowMapping, Tx
from shared.direct import text
from shared.errors import IllegalState
from shared.retention import AGES_FROM, left_out

Fact = CallFact | CaseFact | RatingFact | AttendanceFact


class Measure(NamedTuple):
    """A sum that is kept for each day: of what (SQL over a fact), and over which facts."""

    what: str
    over: str = "true"


@dataclass(frozen=True)
class Counted:
    """One kind of fact, and what is summed up of it."""

    row: type[Fact]
    facts: Table
    days: Table
    measures: Mapping[str, Measure]
    beside: str = ""
    """Another statement over `moved`, the facts as they say now and, with `sign` -1, as they said before."""
    erased: bool = False
    """Its facts may have been erased for their age (`shared.retention`); their sums stay."""
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
        SELECT -1, {", ".join(f"old_{name}" for name in needed)} FROM written WHERE old_day IS NOT NULL
    ){kind.beside}
    INSERT INTO {kind.days.fullname} AS days ({", ".join([*by, *kind.measures])}, changed_at)
    SELECT {", ".join(by)}, {sums}, CAST(:now AS timestamptz)
    FROM moved GROUP BY {", ".join(by)} ORDER BY {", ".join(by)}
    ON CONFLICT ({", ".join(by)}) DO UPDATE
       SET {", ".join(f"{name} = days.{name} + excluded.{name}" for name in kind.measures)},
           changed_at = excluded.changed_at
    """)


# Limits come with the definitions of indicators; see `count_within`.
_WITHIN = """, within AS (
    INSERT INTO performance.call_limit_days AS days (agent_id, day, queue, seconds, calls)
    SELECT agent_id, day, queue, seconds, sum(sign)
    FROM moved JOIN performance.call_limits ON answered AND wait_ms <= seconds * 1000
    GROUP BY agent_id, day, queue, seconds HAVING sum(sign) <> 0 ORDER BY agent_id, day, queue, seconds
    ON CONFLICT (agent_id, day, queue, seconds) DO UPDATE SET calls = days.calls + excluded.calls
)"""
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
    _WITHIN,
    erased=True,
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
ATTENDANCE = Counted(
    AttendanceFact,
    tables.attendance_facts,
    tables.training_days,
    {"meetings": Measure("1"), "attended": Measure("1", "present"), "minutes": Measure("minutes")},
)


async def record(tx: Tx, kind: Counted, given: Sequence[Fact]) -> None:
    """Keep the newest copy of each fact, and the sums of the days concerned."""
    if not given:
        return
    width = len(kind.key)
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for fact in given:  # a fact is its key, told_at, letter_id, and the rest
        known = newest.setdefault(fact[:width], fact)
        if known[width : width + 2] < fact[width : width + 2]:
            newest[fact[:width]] = fact
    if kind.erased:
        day = kind.row._fields.index("day")
        for key in await left_out(tx, kind.facts.fullname, ((key, fact[day]) for key, fact in newest.items())):
            del newest[key]
        if not newest:
            return
    rows = [newest[key] for key in sorted(newest)]  # one order everywhere: no deadlocks
    columns = dict(zip(kind.row._fields, map(list, zip(*rows, strict=True)), strict=True))
    await tx.run(kind.record, {**columns, "now": tx.now})


ERASE_CALLS = text(f"""
    WITH gone AS (
        DELETE FROM performance.call_facts WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM performance.call_facts WHERE {AGES_FROM} >= :since AND {AGES_FROM} < :until
            ORDER BY {AGES_FROM} LIMIT :most FOR UPDATE))
        RETURNING {AGES_FROM} AS aged
    )
    SELECT count(*), max(aged) FROM gone
""")


_ERASED = text("""
    SELECT day FROM performance.call_retention
    WHERE what = 'horizon' AND day > least(:valid_from, (
        SELECT min(first_day) FROM performance.cycles WHERE last_day >= :valid_from AND status <> 'finalised'))
""")


async def count_within(tx: Tx, seconds: int, valid_from: date) -> None:
    """From now on count the calls answered within so many seconds, and count those that are there already, once.

    Whoever writes calls waits until this transaction has ended, or this for them: so each call counts exactly once.
    Raises `IllegalState` where calls are erased that appraisals from `valid_from` on would ask for.
    """
    there = text("SELECT seconds FROM performance.call_limits WHERE seconds = :seconds")
    if seconds == DAILY_LIMIT or await tx.scalar(there, {"seconds": seconds}):
        return
    if gone := await tx.scalar(_ERASED, {"valid_from": valid_from}):
        raise IllegalState(
            "Calls before {day} are erased, and a limit that is new cannot count them any more: let the definition "
            "hold from a later day, after every open cycle that begins before {day}.",
            day=gone,
        )
    await tx.run(text("SET LOCAL statement_timeout = '15min'"))
    await tx.run(text("LOCK TABLE performance.call_facts IN SHARE ROW EXCLUSIVE MODE"))
    new = text("INSERT INTO performance.call_limits VALUES (:seconds) ON CONFLICT DO NOTHING RETURNING seconds")
    if await tx.scalar(new, {"seconds": seconds}):
        await tx.run(
            text("""
            INSERT INTO performance.call_limit_days (agent_id, day, queue, seconds, calls)
            SELECT agent_id, day, queue, CAST(:seconds AS integer), count(*) FROM performance.call_facts
            WHERE answered AND wait_ms <= CAST(:seconds AS integer) * 1000 GROUP BY 1, 2, 3
            """),
            {"seconds": seconds},
        )


class Days(NamedTuple):
    """Where the sums of a source are kept by day, and whether by login or by employee."""

    table: str
    by_login: bool


DAYS: Mapping[Source, Days] = {
    "calls": Days("call_days", True),
    "cases": Days("case_days", True),
    "ratings": Days("rating_days", True),
    "audits": Days("audit_days", False),
    "training": Days("training_days", False),
}


class Known(NamedTuple):
    """The sums of one source for one employee, and how the days vary for each (measure, base) that was asked for."""

    sums: Mapping[str, int | Decimal]
    spreads: Mapping[tuple[str, str], Spread]


Pairs = frozenset[tuple[str, str]]


def _of_days(source: Source, names: Sequence[str], *, one: bool, guards: bool) -> str:
    """FROM and WHERE over the day sums of these names, of the employees `:employees` between `:first` and `:last`."""
    table, by_login = DAYS[source]
    # Of one employee the logins come as an array, so that PostgreSQL looks into the view for these only.
    logins = """
      AND holder.agent_id = ANY(ARRAY(
          SELECT agent_id FROM performance.employee_logins WHERE employee_id = ANY(CAST(:employees AS uuid[]))))
    """
    owner = "holder" if by_login else "days"
    found = (
        f"""
        FROM performance.agent_holders holder
        JOIN performance.{table} days
          ON days.agent_id = holder.agent_id AND days.day >= holder.valid_from AND days.day < holder.valid_to
        """
        if by_login
        else f"FROM performance.{table} days"
    )
    found += "".join(
        f"""
        LEFT JOIN performance.call_limit_days {name}
          ON {name}.seconds = {limit}
         AND ({name}.agent_id, {name}.day, {name}.queue) = (days.agent_id, days.day, days.queue)
        """
        for name in names
        if (limit := _beside(name))
    )
    spared = f"""
      AND NOT EXISTS (SELECT FROM performance.circumstances spared
                      WHERE spared.employee_id = {owner}.employee_id
                        AND spared.circumstance = ANY(CAST(:guards AS text[]))
                        AND days.day >= spared.first_day AND (spared.last_day IS NULL OR days.day <= spared.last_day))
    """
    return f"""
    {found}
    WHERE {owner}.employee_id = ANY(CAST(:employees AS uuid[])) {logins if one and by_login else ""}
      AND days.day BETWEEN :first AND :last {spared if guards else ""}
    """


async def sums(
    tx: Tx, source: Source, employees: Sequence[UUID], first: date, last: date,
    *, guards: Sequence[str] = (), pairs: Pairs = frozenset(), names: Collection[str] = (),
) -> dict[UUID, Known]:  # fmt: skip
    """Sums of this source over these days, both inclusive, of the logins while the employees held them.

    All sums, or those that are named. Days on which one of the guards holds for somebody are left out. Employees
    without facts have zeros.
    """
    wanted, asked = sorted(names or SUMS[source]), sorted(pairs)
    owner = "holder" if DAYS[source].by_login else "days"
    found = _of_days(source, wanted, one=len(employees) == 1, guards=bool(guards))
    query = f"SELECT {owner}.employee_id, {_summed(_column, wanted)} {found} GROUP BY 1"
    if asked:
        spreads = ", ".join(
            f"""
            count(*) FILTER (WHERE {b} > 0) AS days_{i}, sum({m}::float8 * {m}) AS mm_{i},
            sum({m}::float8 * {b}) AS mb_{i}, sum({b}::float8 * {b}) AS bb_{i}
            """
            for i, (m, b) in enumerate(asked)
        )
        query = f"""
        SELECT employee_id, {_summed(str, wanted)}, {spreads}
        FROM (SELECT {owner}.employee_id, {_of_each_day(wanted)} {found} GROUP BY 1, days.day) AS each_day
        GROUP BY 1
        """
    values: dict[str, Any] = {"employees": list(employees), "first": first, "last": last}
    rows: Any = await tx.tuples(text(query), values | ({"guards": list(guards)} if guards else {}))
    nothing = Known(dict.fromkeys(wanted, 0), {pair: Spread(0, 0.0, 0.0, 0.0) for pair in asked})
    known = dict.fromkeys(employees, nothing)
    for employee_id, *row in rows:
        spread = (Spread(*row[n : n + 4]) for n in range(len(wanted), len(row), 4))
        known[employee_id] = Known(
            dict(zip(wanted, row, strict=False)), dict(zip(asked, spread, strict=True))
        )  # fmt: skip
    return known


def _beside(name: str) -> int | None:
    """The limit in seconds of a sum that is kept beside the days, not in them."""
    limit = limit_of(name)
    return None if limit == DAILY_LIMIT else limit


def _column(name: str) -> str:
    return f"coalesce({name}.calls, 0)" if _beside(name) else f"days.{name}"


def _summed(of: Callable[[str], str], names: Sequence[str]) -> str:
    # Whole numbers stay whole: PostgreSQL would go on with numeric, which is slow.
    return ", ".join(f"sum({of(name)})" + ("" if name == "score_sum" else "::bigint") + f" AS {name}" for name in names)


def _of_each_day(names: Sequence[str]) -> str:
    # Doubles hold whole numbers up to 2^53 exactly, and of sums before they are added up again they take half the time
    # and a quarter of the memory: what bigint adds up to is numeric.
    sums = ((name, "" if name == "score_sum" else "::float8") for name in names)
    return ", ".join(f"sum(({_column(name)}){type}) AS {name}" for name, type in sums)


async def guards_in_force(tx: Tx, first: date, last: date) -> frozenset[str]:
    """Circumstances that hold for anybody on any of these days."""
    rows: Any = await tx.tuples(
        text("""
        SELECT DISTINCT circumstance FROM performance.circumstances
        WHERE first_day <= :last AND (last_day IS NULL OR last_day >= :first)
        """),
        {"first": first, "last": last},
    )
    return frozenset(name for (name,) in rows)


async def days(
    tx: Tx, source: Source, employee_id: UUID, first: date, last: date, guards: Sequence[str] = (), *,
    names: Collection[str] = (),
) -> Sequence[RowMapping]:  # fmt: skip
    """The sums of each day that has any, for one employee, and when they changed last; with `names`, also these."""
    query = _each_day(source, frozenset(names), bool(guards))
    values: dict[str, Any] = {"employees": [employee_id], "first": first, "last": last}
    return await tx.all(query, values | ({"guards": list(guards)} if guards else {}))


@lru_cache(maxsize=1000)
def _each_day(source: Source, names: frozenset[str], guards: bool) -> TextClause:
    """To build it takes longer than all else that is done to send it."""
    wanted = sorted(SUMS[source].union(names))
    return text(f"""
    SELECT days.day, max(days.changed_at) AS changed_at, {_summed(_column, wanted)}
    {_of_days(source, wanted, one=True, guards=guards)} GROUP BY 1 ORDER BY 1
    """)


_NEWEST = """
    SELECT score, passed, revision, error_classes, told_at FROM performance.audit_revisions
    WHERE audit_id = audit.audit_id ORDER BY revision DESC LIMIT 1
"""
# Where a rescoring did not tell what still fails: an audit that passes now has no fatal fail any more.
_CLASSES = """
    coalesce(newest.error_classes, CASE WHEN newest.passed AND newest.revision > 1 THEN audit.lasting_classes
                                        ELSE audit.error_classes END)
"""
_SINGLE: Mapping[Source, str] = {
    "calls": """
        SELECT fact.call_id AS fact, fact.queue, fact.answered, fact.wait_ms, fact.talk_ms, fact.hold_ms,
               fact.wrap_up_ms, fact.told_at
        FROM performance.agent_holders holder JOIN performance.call_facts fact USING (agent_id)
        WHERE holder.employee_id = :employee AND fact.day = :day AND :day >= valid_from AND :day < valid_to
          AND agent_id = ANY(ARRAY(SELECT agent_id FROM performance.employee_logins WHERE employee_id = :employee))
        ORDER BY 1
    """,
    "cases": """
        SELECT fact.case_id AS fact, fact.category, fact.resolved, fact.first_contact, fact.told_at
        FROM performance.agent_holders holder JOIN performance.case_facts fact USING (agent_id)
        WHERE holder.employee_id = :employee AND fact.day = :day AND :day >= valid_from AND :day < valid_to
        ORDER BY 1
    """,
    "ratings": """
        SELECT fact.call_id AS fact, fact.rating, fact.told_at
        FROM performance.agent_holders holder JOIN performance.rating_facts fact USING (agent_id)
        WHERE holder.employee_id = :employee AND fact.day = :day AND :day >= valid_from AND :day < valid_to
        ORDER BY 1
    """,
    "audits": f"""
        SELECT audit.audit_id::text AS fact, audit.call_id, {_CLASSES} AS error_classes, newest.score,
               newest.told_at
        FROM performance.audits audit JOIN LATERAL ({_NEWEST}) newest ON newest.score IS NOT NULL
        WHERE audit.employee_id = :employee AND audit.submitted_on = :day ORDER BY 1
    """,
    "training": """
        SELECT event_id AS fact, course, passed, score, NULL AS present, NULL AS minutes, NULL AS told_at
        FROM performance.training_facts WHERE employee_id = :employee AND day = :day
        UNION ALL
        SELECT meeting_id::text, course, NULL, NULL, present, minutes, told_at
        FROM performance.attendance_facts WHERE employee_id = :employee AND day = :day
        ORDER BY 1
    """,
}


async def of_day(tx: Tx, source: Source, employee_id: UUID, day: date) -> Sequence[RowMapping]:
    """The single facts of an employee on one day."""
    return await tx.all(text(_SINGLE[source]), {"employee": employee_id, "day": day})


async def recount_audits(tx: Tx, audit_id: UUID) -> None:
    """Count the audits of this one's employee and day anew. They are few; so order and repetition cannot matter."""
    await tx.run(
        text("""
        INSERT INTO performance.audit_days AS days (employee_id, day)
        SELECT employee_id, submitted_on FROM performance.audits WHERE audit_id = :id AND submitted_on IS NOT NULL
        ON CONFLICT (employee_id, day) DO UPDATE SET audits = days.audits
        """),
        {"id": audit_id},
    )
    classes = ("customer_critical", "business_critical", "compliance_critical", "other")
    free = ", ".join(f"count(*) FILTER (WHERE NOT '{name}' = ANY(known.classes))" for name in classes)
    await tx.run(
        text(f"""
        UPDATE performance.audit_days days
           SET changed_at = :now, (audits, score_sum, {", ".join(f"free_of_{name}" for name in classes)}) = (
            SELECT count(*), coalesce(sum(known.score), 0), {free} FROM (
                SELECT newest.score, {_CLASSES} AS classes
                FROM performance.audits audit JOIN LATERAL ({_NEWEST}) newest ON newest.score IS NOT NULL
                WHERE audit.employee_id = days.employee_id AND audit.submitted_on = days.day) AS known)
          FROM performance.audits changed
         WHERE changed.audit_id = :id AND days.employee_id = changed.employee_id AND days.day = changed.submitted_on
        """),
        {"id": audit_id, "now": tx.now},
    )


async def record_training(tx: Tx, given: Sequence[TrainingFact]) -> None:
    """Keep the results of examinations, and the sums of the days concerned."""
    rows = sorted(given)
    if not rows:
        return
    columns = dict(zip(TrainingFact._fields, map(list, zip(*rows, strict=True)), strict=True))
    await tx.run(
        text("""
        WITH new AS (
            INSERT INTO performance.training_facts (event_id, employee_id, day, course, purpose, passed, score)
            SELECT * FROM unnest(CAST(:event_id AS text[]), CAST(:employee_id AS uuid[]), CAST(:day AS date[]),
                                 CAST(:course AS text[]), CAST(:purpose AS text[]), CAST(:passed AS boolean[]),
                                 CAST(:score AS numeric[]))
            ON CONFLICT DO NOTHING RETURNING *
        )
        INSERT INTO performance.training_days AS days (employee_id, day, examinations, passed, scored, score_sum,
                                                          changed_at)
        SELECT employee_id, day, count(*), count(*) FILTER (WHERE passed), count(score), coalesce(sum(score), 0),
               CAST(:now AS timestamptz)
        FROM new GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (employee_id, day) DO UPDATE SET
            (changed_at, examinations, passed, scored, score_sum) =
            (excluded.changed_at, days.examinations + excluded.examinations, days.passed + excluded.passed,
             days.scored + excluded.scored, days.score_sum + excluded.score_sum)
        """),
        {**columns, "now": tx.now},
    )
