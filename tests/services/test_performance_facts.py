"""Are the sums for each agent and day exact, and do indicators equal what a spreadsheet gives?"""

import asyncio
import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from shared.contracts.crm import CaseResolved, SatisfactionRated
from shared.contracts.recruiting import EmployeeChanged, EmployeeLeft, EmployeeStarted
from shared.contracts.telephony import CallEnded
from shared.events import Event, Letter
from tests.world import World

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


def started(
    agent_id: str | None, *, id: UUID | None = None, on: date = date(2020, 1, 1), lead: UUID | None = None
) -> EmployeeStarted:
    return EmployeeStarted(
        employee_id=id or uuid4(), agent_id=agent_id, department=None, role="agent", team="one", team_lead_id=lead,
        mentor_id=None, date=on,
    )  # fmt: skip


def call(call_id: str = "c1", agent_id: str | None = "a1", at: datetime = NOON, **known: Any) -> CallEnded:
    known.setdefault("answered_at", at)
    return CallEnded(
        call_id=call_id, agent_id=agent_id, started_at=at, ended_at=at + timedelta(minutes=5), **known
    )  # fmt: skip


def case(case_id: str = "k1", agent_id: str = "a1", at: datetime = NOON, **known: Any) -> CaseResolved:
    known.setdefault("resolved", True)
    return CaseResolved(case_id=case_id, call_id=None, agent_id=agent_id, opened_at=at, closed_at=at, **known)


def rating(call_id: str = "c1", agent_id: str = "a1", at: datetime = NOON, value: int = 4) -> SatisfactionRated:
    return SatisfactionRated(call_id=call_id, agent_id=agent_id, rating=value, rated_at=at)


async def values(client: httpx.AsyncClient, employee_id: UUID, first: str, last: str, **more: Any) -> dict[str, Any]:
    """Items by indicator, with exact numbers."""
    asked = {"employee_id": str(employee_id), "from": first, "to": last}
    answer = await client.get("/performance/indicators/values", params=asked, **more)
    assert answer.status_code == 200, answer.text
    body = json.loads(answer.text, parse_float=Decimal)
    assert (body["employee_id"], body["from"], body["to"]) == (str(employee_id), first, last)
    return {item["indicator"]: item for item in body["items"]}


async def ask_for_limit(world: World, seconds: int) -> None:
    """Define an indicator that needs calls to be counted within another limit."""
    new = {
        "indicator": f"within_{seconds}", "valid_from": "2000-01-01", "source": "calls", "formula": "within",
        "limit": seconds, "names": {"en": "Quickly answered", "zh": "快速应答率"}, "unit": "share", "direction": "more",
    }  # fmt: skip
    answer = await world.as_("manager").post("/performance/indicators", json=new)
    assert (answer.status_code, answer.json().get("limit")) == (201, seconds), answer.text


# Sums of days, made again from scratch.

DAYS = {
    "call_days": ("agent_id", "day", "queue"),
    "case_days": ("agent_id", "day", "category"),
    "rating_days": ("agent_id", "day"),
    "call_limit_days": ("agent_id", "day", "queue", "seconds"),
}
LIMITS = (1, 20, 60, 200)


async def stored_days(world: World, table: str) -> dict[Any, dict[str, int]]:
    found = {}
    for row in await world.rows("performance", f"SELECT * FROM performance.{table}"):
        sums = {name: value for name, value in row.items() if name not in (*DAYS[table], "changed_at")}
        if any(sums.values()):
            found[tuple(row[name] for name in DAYS[table])] = sums
    return found


def recomputed(letters: Sequence[tuple[Event, Letter]]) -> dict[str, dict[Any, dict[str, int]]]:
    """The sums as they must be: the newest copy of each fact, added up in the plainest way."""
    newest: dict[Any, tuple[Any, Any]] = {}
    for event, letter in letters:
        match event:
            case CallEnded():
                key: Any = ("call", event.call_id, event.agent_id)
            case CaseResolved():
                key = ("case", event.case_id)
            case SatisfactionRated():
                key = ("rating", event.call_id, event.agent_id)
        stamp = (letter.time, letter.id)
        if key not in newest or newest[key][0] < stamp:
            newest[key] = (stamp, event)
    days: dict[str, dict[Any, Counter[str]]] = {table: defaultdict(Counter) for table in DAYS}

    def milli(seconds: float) -> int:
        return int((Decimal(repr(seconds)) * 1000).quantize(Decimal(1), ROUND_HALF_EVEN))

    for _, event in newest.values():
        match event:
            case CallEnded(agent_id=str()):
                day = event.started_at.astimezone(ZONE).date()
                sums = days["call_days"][event.agent_id, day, event.queue or ""]
                sums["calls"] += 1
                if event.answered_at is None:
                    continue
                sums["answered"] += 1
                wait, talk, hold, wrap = (
                    event.wait_seconds,
                    event.talk_seconds,
                    event.hold_seconds,
                    event.wrap_up_seconds,
                )
                for n, name, known in (
                    ("waits", "wait_ms", wait), ("talks", "talk_ms", talk), ("holds", "hold_ms", hold),
                    ("wrap_ups", "wrap_up_ms", wrap),
                ):  # fmt: skip
                    if known is not None:
                        sums[n] += 1
                        sums[name] += milli(known)
                if wait is not None and wait <= 20:
                    sums["within_20s"] += 1
                for limit in LIMITS:
                    if wait is not None and wait <= limit != 20:
                        days["call_limit_days"][event.agent_id, day, event.queue or "", limit]["calls"] += 1
                if talk is not None:
                    sums["handling_ms"] += milli(talk) + milli(hold or 0) + milli(wrap or 0)
            case CaseResolved():
                day = event.closed_at.astimezone(ZONE).date()
                sums = days["case_days"][event.agent_id, day, event.category or ""]
                sums["cases"] += 1
                sums["resolved"] += event.resolved
                if event.first_contact is not None:
                    sums["contacts_known"] += 1
                    sums["resolved_at_first_contact"] += event.resolved and event.first_contact
            case SatisfactionRated():
                sums = days["rating_days"][event.agent_id, event.rated_at.astimezone(ZONE).date()]
                sums["ratings"] += 1
                sums["rating_sum"] += event.rating
    return {table: {key: dict(sums) for key, sums in found.items()} for table, found in days.items()}


def any_fact(random: Random) -> Event:
    """A fact out of so few that most are told again, with something else, on another day or in another queue."""
    at = NOON + timedelta(hours=random.randrange(0, 72))
    agent = random.choice(["a1", "a2", "a3"])

    def seconds() -> float | None:
        return random.choice([None, 0.0, 20.0, 20.001, round(random.uniform(0, 300), 3)])

    match random.randrange(4):
        case 0:
            return case(
                f"k{random.randrange(30)}", agent, at, category=random.choice([None, "bill", "fault"]),
                resolved=random.random() < 0.5, first_contact=random.choice([None, True, False]),
            )  # fmt: skip
        case 1:
            return rating(f"c{random.randrange(30)}", agent, at, random.randint(1, 5))
        case _:
            return call(
                f"c{random.randrange(30)}", random.choice([agent, None]), at, queue=random.choice([None, "q1", "q2"]),
                answered_at=random.choice([None, at]), wait_seconds=seconds(), talk_seconds=seconds(),
                hold_seconds=seconds(), wrap_up_seconds=seconds(),
            )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_days_are_exact_under_duplicates_corrections_and_any_order(world: World, seed: int) -> None:
    random = Random(seed)
    told: list[tuple[Event, Letter]] = []
    for _ in range(400):
        event = any_fact(random)
        # few times, so that copies of one fact often have the same and the letter id decides
        told.append((event, world.letter(event, at=NOON + timedelta(seconds=random.randrange(5)))))
    delivered = told + random.sample(told, 100)
    random.shuffle(delivered)
    limits = {random.randrange(len(delivered)): limit for limit in LIMITS}
    while delivered:
        for left in [left for left in limits if left >= len(delivered)]:
            await ask_for_limit(world, limits.pop(left))
        size = random.choice([1, 7, 60])
        await world.deliver("performance", *(letter for _, letter in delivered[:size]))
        delivered = delivered[size:]
    for limit in limits.values():
        await ask_for_limit(world, limit)
    expected = recomputed(told)
    for table in DAYS:
        found = await stored_days(world, table)
        zeros = dict.fromkeys(next(iter(found.values())), 0)
        assert found == {key: {**zeros, **sums} for key, sums in expected[table].items()}


async def test_days_are_exact_when_batches_overlap(world: World) -> None:
    random = Random(99)
    events = [any_fact(random) for _ in range(300)]
    told = [(event, world.letter(event, at=NOON + timedelta(seconds=random.randrange(5)))) for event in events]
    batches = [random.sample(told, 100) for _ in range(8)]
    for kind in (CallEnded, CaseResolved, SatisfactionRated):  # as they come: each from a topic or key of its own
        parts = [[letter for event, letter in batch if isinstance(event, kind)] for batch in batches]
        limits = (ask_for_limit(world, limit) for limit in LIMITS) if kind is CallEnded else ()
        await asyncio.gather(*(world.deliver("performance", *part) for part in parts), *limits)
    expected = recomputed([pair for batch in batches for pair in batch])
    for table in DAYS:
        found = await stored_days(world, table)
        assert {key: {n: v for n, v in sums.items() if v} for key, sums in found.items()} == {
            key: {n: v for n, v in sums.items() if v} for key, sums in expected[table].items()
        }


async def test_twice_is_once_and_an_older_copy_changes_nothing(world: World) -> None:
    first = world.letter(call(wait_seconds=10.0), at=NOON)
    await world.deliver("performance", first, first)
    await world.deliver("performance", first)
    before = await stored_days(world, "call_days")
    await world.deliver("performance", world.letter(call(wait_seconds=99.0), at=NOON - timedelta(seconds=1)))
    assert await stored_days(world, "call_days") == before
    [sums] = before.values()
    assert (sums["calls"], sums["waits"], sums["wait_ms"], sums["within_20s"]) == (1, 1, 10_000, 1)


async def test_a_correction_moves_to_another_day_queue_or_agent(world: World) -> None:
    await world.deliver("performance", world.letter(call(queue="q1"), at=NOON), world.letter(case(), at=NOON))
    later = NOON + timedelta(hours=1)
    await world.deliver(
        "performance",
        world.letter(call(queue="q2", at=NOON + timedelta(days=1)), at=later),
        world.letter(case(agent_id="a2"), at=later),
    )
    assert list(await stored_days(world, "call_days")) == [("a1", date(2026, 3, 3), "q2")]
    assert list(await stored_days(world, "case_days")) == [("a2", date(2026, 3, 2), "")]


async def test_the_day_is_the_centres(world: World) -> None:
    await world.deliver("performance", world.letter(call(at=datetime(2026, 3, 1, 16, 0, tzinfo=UTC))))
    assert list(await stored_days(world, "call_days")) == [("a1", date(2026, 3, 2), "")]


@pytest.mark.parametrize("known_first", [True, False])
async def test_calls_of_an_unknown_agent_count_once_the_agent_is_known(world: World, known_first: bool) -> None:
    person = started("a1")
    steps: list[Event] = [person, call(wait_seconds=30.0)]
    await world.send(*(steps if known_first else reversed(steps)))
    found = await values(world.as_("manager"), person.employee_id, "2026-03-02", "2026-03-02")
    assert found["calls_answered"]["value"] == 1
    assert found["speed_of_answer"]["value"] == 30


async def test_values_follow_the_login(world: World) -> None:
    one, other = started("a1"), started("a1", on=date(2026, 3, 3))
    await world.send(one, other)
    moved = EmployeeChanged(**{**one.model_dump(), "agent_id": "a9", "date": date(2026, 3, 3)})
    await world.send(moved)
    tomorrow = NOON + timedelta(days=1)
    await world.send(
        call("c1", "a1"), call("c2", "a1", tomorrow), call("c3", "a1", tomorrow), call("c4", "a9", tomorrow)
    )
    manager = world.as_("manager")
    assert (await values(manager, one.employee_id, "2026-03-01", "2026-03-31"))["calls_answered"]["value"] == 2
    assert (await values(manager, other.employee_id, "2026-03-01", "2026-03-31"))["calls_answered"]["value"] == 2
    assert (await values(manager, one.employee_id, "2026-03-03", "2026-03-03"))["calls_answered"]["value"] == 1


async def test_unknown_is_null_and_never_zero(world: World) -> None:
    person = started("a1")
    await world.send(person, call("c1"), call("c2", answered_at=None, wait_seconds=5.0), case(resolved=False))
    found = await values(world.as_("manager"), person.employee_id, "2026-03-02", "2026-03-02")
    assert (found["calls_answered"]["value"], found["calls_answered"]["n"]) == (1, 2)
    assert found["resolution_rate"]["value"] == 0
    assert found["resolution_rate"]["n"] == 1
    for name in ("speed_of_answer", "answered_within_20s", "handling_time", "first_contact_resolution", "satisfaction"):
        assert (found[name]["value"], found[name]["n"], found[name]["interval"]) == (None, 0, None)
    empty = await values(world.as_("manager"), person.employee_id, "2025-03-02", "2025-03-02")
    assert {item["value"] for item in empty.values()} == {None}


async def test_who_sees_whose_values(world: World) -> None:
    lead = uuid4()
    person, stranger = started("a1", lead=lead), started("a2")
    await world.send(person, stranger)
    ask = {"employee_id": str(person.employee_id), "from": "2026-03-01", "to": "2026-03-02"}

    async def status(*roles: Any, sub: UUID | None = None, **changed: str) -> int:
        answer = await world.as_(*roles, sub=sub).get("/performance/indicators/values", params={**ask, **changed})
        return answer.status_code

    assert await status() == 401
    assert await status("agent", sub=person.employee_id) == 200
    assert await status("agent", sub=stranger.employee_id) == 404
    assert await status("team_lead", sub=lead) == 200
    assert await status("team_lead", sub=uuid4()) == 404
    assert await status("team_lead") == 404  # of no employee
    assert await status("hr") == await status("manager") == await status("admin") == await status("service") == 200
    assert await status("trainer") == 403
    assert await status("manager", employee_id=str(uuid4())) == 404
    assert await status("manager", **{"from": "2026-03-03"}) == 422
    assert await status("manager", **{"from": "yesterday"}) == 422
    await world.send(EmployeeLeft(employee_id=(gone := uuid4()), date=date(2026, 1, 1)))
    assert await status("manager", employee_id=str(gone)) == 404  # nothing but the leaving is known


async def test_indicators_are_data(world: World) -> None:
    answer = await world.as_("agent").get("/performance/indicators", headers={"Accept-Language": "zh"})
    items = {item["indicator"]: item for item in answer.json()["items"]}
    assert items["satisfaction"]["name"] == "客户满意度"
    assert items["satisfaction"]["names"]["en"] == "Customer satisfaction"
    sums = {(i["source"], i["measure"]) for i in items.values()} | {(i["source"], i["base"]) for i in items.values()}
    tables = {"calls": "call", "cases": "case", "ratings": "rating", "audits": "audit", "training": "training"}
    for source, name in sums:
        if source != "manual":
            await world.rows("performance", f"SELECT {name} FROM performance.{tables[source]}_days")


async def test_a_new_version_of_an_indicator_holds_from_its_day(world: World) -> None:
    person = started("a1")
    await world.send(person, call(wait_seconds=30.0), call("c2", answered_at=None))
    await world.rows(
        "performance",
        """
        INSERT INTO performance.indicators
        SELECT uuidv7(), key, 2, '2026-03-02', source, formula, 'calls', base, scale, names, unit, direction
        FROM performance.indicators WHERE key = 'calls_answered'
        """,
    )
    manager = world.as_("manager")
    new = await values(manager, person.employee_id, "2026-03-01", "2026-03-02")
    assert (new["calls_answered"]["value"], new["calls_answered"]["version"]) == (2, 2)
    old = await values(manager, person.employee_id, "2026-03-01", "2026-03-01")
    assert old["calls_answered"]["version"] == 1


# A call log, read by the product and by a computation that shares nothing with it.

Log = list[dict[str, str]]


def generated_log() -> Log:
    random = Random(7)
    log: Log = []
    for n in range(600):
        at = datetime(2021, 1, 1) + timedelta(minutes=random.randrange(60 * 24 * 20))  # noqa: DTZ001  local, no zone
        answered = random.random() < 0.8
        minutes, seconds = divmod(random.randrange(30, 420), 60)
        log.append(
            {
                "Call Id": f"ID{n:04}",
                "Agent": random.choice(["Ann", "Bo", "Cy"]),
                "Date": f"{at:%Y-%m-%d}",
                "Time": f"{at.hour}:{at:%M:%S}",
                "Topic": random.choice(["Contract related", "Technical Support"]),
                "Answered (Y/N)": "Y" if answered else "N",
                "Resolved": "Y" if answered and random.random() < 0.7 else "N",
                "Speed of answer in seconds": str(random.randrange(1, 130)) if answered else "",
                "AvgTalkDuration": f"0:{minutes:02}:{seconds:02}" if answered else "",
                "Satisfaction rating": str(random.randint(1, 5)) if answered else "",
            }
        )
    return log


def real_log() -> Log:
    beside = Path(__file__).parents[3] / "shared" / "data" / "calls_2021q1.csv"
    file = Path(os.environ.get("HEADSET_TEST_CALLS") or beside)
    if not file.exists():
        pytest.skip("no call log here; HEADSET_TEST_CALLS names one")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def events_of(row: dict[str, str]) -> list[Event]:
    at = datetime.strptime(f"{row['Date']} {row['Time']}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
    agent, answered = row["Agent"], row["Answered (Y/N)"] == "Y"
    wait = float(row["Speed of answer in seconds"]) if answered else None
    hours, minutes, seconds = map(int, (row["AvgTalkDuration"] or "0:0:0").split(":"))
    talk = hours * 3600 + minutes * 60 + seconds
    end = at + timedelta(seconds=(wait or 0) + talk)
    facts: list[Event] = [
        CallEnded(
            call_id=row["Call Id"], agent_id=agent, topic=row["Topic"], started_at=at, ended_at=end,
            answered_at=at + timedelta(seconds=wait) if wait is not None else None, wait_seconds=wait,
            talk_seconds=talk if answered else None,
        )
    ]  # fmt: skip
    if answered:
        resolved = row["Resolved"] == "Y"
        facts.append(
            CaseResolved(
                case_id=row["Call Id"], call_id=row["Call Id"], agent_id=agent, category=row["Topic"],
                opened_at=at, closed_at=at, resolved=resolved,
            )
        )  # fmt: skip
        facts.append(
            SatisfactionRated(
                call_id=row["Call Id"], agent_id=agent, rating=int(row["Satisfaction rating"]), rated_at=at
            )
        )
    return facts


def by_spreadsheet(log: Log, agent: str, first: str, last: str) -> dict[str, tuple[Decimal | None, int]]:
    """Value and n of each indicator: AVERAGE, COUNT and COUNTIF over the rows."""
    rows = [row for row in log if row["Agent"] == agent and first <= row["Date"] <= last]
    taken = [row for row in rows if row["Answered (Y/N)"] == "Y"]
    waits = [int(row["Speed of answer in seconds"]) for row in taken]
    ratings = [int(row["Satisfaction rating"]) for row in taken]
    talks = []
    for row in taken:
        hours, minutes, seconds = row["AvgTalkDuration"].split(":")
        talks.append(int(hours) * 3600 + int(minutes) * 60 + int(seconds))

    def average(numbers: Sequence[int]) -> tuple[Decimal | None, int]:
        if not numbers:
            return None, 0
        exact = Decimal(sum(numbers)) / Decimal(len(numbers))
        return exact.quantize(Decimal("0.0001"), ROUND_HALF_EVEN), len(numbers)

    return {
        "calls_answered": (Decimal(len(taken)) if rows else None, len(rows)),
        "speed_of_answer": average(waits),
        "answered_within_20s": average([wait <= 20 for wait in waits]),
        "within_45": average([wait <= 45 for wait in waits]),
        "within_90": average([wait <= 90 for wait in waits]),
        "handling_time": average(talks),
        "resolution_rate": average([row["Resolved"] == "Y" for row in taken]),
        "first_contact_resolution": (None, 0),
        "satisfaction": average(ratings),
    }


@pytest.mark.parametrize("read", [generated_log, real_log])
async def test_indicators_equal_an_independent_computation(world: World, read: Any) -> None:
    log: Log = read()
    letters = [world.letter(event) for row in log for event in events_of(row)]
    await ask_for_limit(world, 45)
    for start in range(0, len(letters), 500):
        await world.deliver("performance", *letters[start : start + 500])
    await ask_for_limit(world, 90)
    people = {agent: started(agent) for agent in sorted({row["Agent"] for row in log})}
    await world.send(*people.values())
    manager = world.as_("manager")
    for agent, person in people.items():
        for first, last in [("2021-01-01", "2021-03-31"), ("2021-01-05", "2021-01-18"), ("2021-01-11", "2021-01-11")]:
            expected = by_spreadsheet(log, agent, first, last)
            found = {k: v for k, v in (await values(manager, person.employee_id, first, last)).items() if k in expected}
            assert {name: (item["value"], item["n"]) for name, item in found.items()} == expected
            for name, item in found.items():
                if name in ("answered_within_20s", "within_45", "within_90", "resolution_rate") and item["n"]:
                    assert_wilson(item)
                elif name == "calls_answered" or not item["n"]:
                    assert item["interval"] is None


def assert_wilson(item: dict[str, Any]) -> None:
    """Both ends solve (p - x)² = z² x (1 - x) / n, which is how Wilson's interval is defined."""
    n, p = item["n"], float(item["value"])
    for x in (float(item["interval"]["low"]), float(item["interval"]["high"])):
        assert abs(abs(p - x) - 1.959964 * sqrt(x * (1 - x) / n)) < 0.0005
