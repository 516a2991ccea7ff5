"""Is what waits in a service's mailbox written whole, claimed once and forgotten in time?"""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from shared import mailbox
from shared.delivery import is_outage
from shared.errors import TooLarge
from shared.events import Letter
from shared.ids import day_of, id_for
from tests.lab import Counted, Lab

TODAY = date(2026, 3, 2)


def letters(lab: Lab, n: int) -> list[Letter]:
    return [lab.letter(Counted(thing=f"thing-{k % 3}", n=k)) for k in range(n)]


@pytest.mark.parametrize("n", [1, 20, 21, 500])
async def test_letters_are_posted_whole_and_in_their_order(lab: Lab, n: int) -> None:
    posted = letters(lab, n)
    async with lab.db.transaction() as tx:
        await mailbox.post(tx.connection, "lab", posted)
    rows = await lab.outbox()
    assert [Letter(row["topic"], row["key"], row["headers"], bytes(row["payload"])) for row in rows] == posted
    assert [(row["event_id"], row["type"]) for row in rows] == [(one.id, one.type) for one in posted]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


@pytest.mark.parametrize("n", [1, 100])
async def test_a_transaction_that_fails_posts_nothing(lab: Lab, n: int) -> None:
    with suppress(RuntimeError):
        async with lab.db.transaction() as tx:
            await mailbox.post(tx.connection, "lab", letters(lab, n))
            raise RuntimeError
    assert await lab.outbox() == []


@pytest.mark.parametrize("n", [1, 100])
async def test_what_goes_wrong_while_posting_is_told_apart(lab: Lab, n: int) -> None:
    wrong = letters(lab, n)
    wrong[-1] = wrong[-1]._replace(key="\0")
    with pytest.raises(DBAPIError) as error:
        async with lab.db.transaction() as tx:
            await mailbox.post(tx.connection, "lab", wrong)
    assert not is_outage(error.value)
    await lab.rows("lab", "ALTER TABLE lab.outbox ADD CHECK (pg_terminate_backend(pg_backend_pid()))")
    with pytest.raises(DBAPIError) as error:
        async with lab.db.transaction() as tx:
            await mailbox.post(tx.connection, "lab", letters(lab, n))
    assert is_outage(error.value)
    assert await lab.outbox() == []  # and the connection that broke is not given out again


async def test_a_letter_that_cannot_travel_is_refused_at_its_source(lab: Lab) -> None:
    [one] = letters(lab, 1)
    with pytest.raises(TooLarge):
        async with lab.db.transaction() as tx:
            await mailbox.post(tx.connection, "lab", [one._replace(body=b"x" * mailbox.LARGEST_LETTER)])


async def claim(lab: Lab, *some: Letter) -> list[bool]:
    async with lab.db.transaction() as tx:
        return await mailbox.claim(tx.connection, "lab", some)


async def test_a_claim_is_made_once(lab: Lab) -> None:
    a, b, c = letters(lab, 3)
    assert await claim(lab, a, b, a) == [True, True, False]
    assert await claim(lab, b, c, c, a) == [False, True, False, False]


async def test_a_claim_that_is_rolled_back_is_none(lab: Lab) -> None:
    [a] = letters(lab, 1)
    with suppress(RuntimeError):
        async with lab.db.transaction() as tx:
            assert await mailbox.claim(tx.connection, "lab", [a]) == [True]
            raise RuntimeError
    assert await claim(lab, a) == [True]


async def test_a_claim_waits_for_one_under_way(lab: Lab) -> None:
    [a] = letters(lab, 1)
    async with lab.db.transaction() as tx:
        assert await mailbox.claim(tx.connection, "lab", [a]) == [True]
        other = asyncio.create_task(claim(lab, a))
        done, _ = await asyncio.wait([other], timeout=0.1)
        assert not done
    assert await other == [False]


async def test_many_claims_at_once_do_not_block_each_other_for_good(lab: Lab) -> None:
    some = letters(lab, 300)
    claims = await asyncio.gather(*(claim(lab, *some[:: 1 if k % 2 else -1]) for k in range(8)))
    assert sum(first for one in claims for first in one) == 300


# Partitions of the inbox.


async def keep(lab: Lab, today: date, days: int = 15) -> None:
    async with lab.db.transaction() as tx:
        await mailbox.keep_partitions(tx.connection, "lab", today, days)


async def partitions(lab: Lab) -> dict[str, int]:
    """How many claims each part of the inbox holds."""
    rows = await lab.rows(
        "lab", "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'lab.inbox'::regclass"
    )
    found = {}
    for row in rows:
        [count] = await lab.rows("lab", f"SELECT count(*) AS n FROM {row['name']}")
        found[row["name"].removeprefix("lab.inbox_")] = count["n"]
    return found


def of_day(lab: Lab, day: date, n: int = 0) -> Letter:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return lab.letter(Counted(thing="a", n=n), id=str(id_for(at, str(n))), at=at)


def days(first: date, number: int) -> set[str]:
    return {f"{first + timedelta(days=k):%Y%m%d}" for k in range(number)}


async def test_partitions_are_there_ahead_and_old_ones_are_dropped(lab: Lab) -> None:
    await keep(lab, TODAY)
    assert set(await partitions(lab)) == {"other"} | days(TODAY, 8)
    await keep(lab, TODAY)
    await keep(lab, TODAY + timedelta(days=3))
    assert set(await partitions(lab)) == {"other"} | days(TODAY, 11)
    await keep(lab, TODAY + timedelta(days=17))
    assert set(await partitions(lab)) == {"other"} | days(TODAY + timedelta(days=2), 9) | days(
        TODAY + timedelta(days=17), 8
    )


async def test_claims_are_kept_through_all_that(lab: Lab) -> None:
    tomorrow = TODAY + timedelta(days=1)
    some = [of_day(lab, day, n) for day in (TODAY, tomorrow, date(2021, 1, 1)) for n in range(5)]
    undated = lab.letter(Counted(thing="a", n=99), id="call-1")
    undated = undated._replace(headers={k: v for k, v in undated.headers.items() if k != "ce_time"} | {
        "ce_recordedtime": lab.now.isoformat()})  # fmt: skip
    some.append(undated)
    assert all(await claim(lab, *some))
    assert await partitions(lab) == {"other": 16}
    await keep(lab, TODAY)
    held = await partitions(lab)
    assert (held["20260302"], held["20260303"], held["other"]) == (5, 5, 6)
    assert not any(await claim(lab, *some))
    await keep(lab, TODAY + timedelta(days=14))
    assert not any(await claim(lab, *some))
    await keep(lab, TODAY + timedelta(days=16))
    assert await claim(lab, *some) == [True] * 5 + [False] * 11  # forgotten: the bus forgot it a day before


async def test_claims_without_a_partition_are_forgotten_by_age(lab: Lab) -> None:
    old = of_day(lab, date(2021, 1, 1))
    await claim(lab, old)
    await keep(lab, TODAY)
    assert (await partitions(lab))["other"] == 1
    await lab.rows("lab", "UPDATE lab.inbox_other SET handled_at = handled_at - interval '16 days'")
    await keep(lab, TODAY)
    assert (await partitions(lab))["other"] == 0


async def test_keeping_partitions_at_once_and_amid_claims(lab: Lab) -> None:
    async def claims() -> int:
        made = [await claim(lab, *(of_day(lab, TODAY, n) for n in range(k, k + 50))) for k in range(0, 500, 25)]
        return sum(map(sum, made))

    keeping = asyncio.gather(*(keep(lab, TODAY) for _ in range(3)))
    first, second = await asyncio.gather(claims(), claims())
    await keeping
    assert first + second == 525
    assert (await partitions(lab))["20260302"] == 525


async def test_keeping_partitions_gives_way_to_work_under_way(lab: Lab) -> None:
    async with lab.db.transaction() as tx:
        await mailbox.claim(tx.connection, "lab", letters(lab, 1))
        with pytest.raises(DBAPIError) as error:
            await keep(lab, TODAY)
    assert is_outage(error.value)
    assert set(await partitions(lab)) == {"other"}
    await keep(lab, TODAY)


async def test_the_days_of_identifiers(lab: Lab) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert day_of(id_for(noon, "x")) == TODAY
    assert lab.letter(Counted(thing="a", n=1), id="no-uuid", at=noon).inbox_key[0] == TODAY
    at_night = noon.astimezone().replace(hour=23)
    assert lab.letter(Counted(thing="a", n=1), id=str(id_for(noon, "y")), at=at_night).inbox_key[0] == TODAY


async def test_burying_is_once_and_whole(lab: Lab) -> None:
    [one] = letters(lab, 1)
    table: Any = lab.db.metadata.tables["lab.dead_letters"]
    for reason in ("first", "again"):
        async with lab.db.engine.begin() as connection:
            await mailbox.bury(connection, table, one, reason, 3)
    [dead] = await lab.dead()
    assert (dead["reason"], dead["headers"], bytes(dead["payload"])) == ("first", one.headers, one.body)
    assert json.loads(one.body) == {"thing": "thing-0", "n": 0, "note": None}
