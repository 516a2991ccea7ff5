"""Does every letter leave the outbox, and each thing's letters in the order in which the thing changed?

Where a rule is what makes it so, a test breaks the rule and sees the damage: otherwise it would prove nothing.
"""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from shared import mailbox, relay
from shared.bus import Deliver
from shared.db import Database
from shared.events import Letter
from shared.relay import BATCH, Relay
from tests.lab import Counted, Lab, add, another


class Recorder:
    """A bus that keeps what it is given."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.fails = 0

    def subscribe(self, service: str, topics: frozenset[str], deliver: Deliver) -> None:
        raise NotImplementedError

    async def publish(self, letters: Sequence[Letter]) -> None:
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise ConnectionError("the bus is away")
        self.letters += letters

    def order(self) -> dict[str, list[int]]:
        """Of each thing, the counts in the order in which they first came."""
        found: dict[str, list[int]] = {}
        for letter in self.letters:
            counts = found.setdefault(letter.key, [])
            if (n := json.loads(letter.body)["n"]) not in counts:
                counts.append(n)
        return found


async def change(db: Database, thing: str, n: int, *, then: Callable[[], Any] | None = None) -> None:
    """What a request does: change the row, report it; `then` comes before the commit."""
    async with db.transaction() as tx:
        await add(tx, [thing], [n])
        tx.emit(Counted(thing=thing, n=n))
        if then:
            await then()


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for happens in a database
            await asyncio.sleep(0.002)


class Cursor(Relay):
    """The mistake of remembering the last id that was seen."""

    async def _round(self) -> int:
        carried = await super()._round()
        self._floor = max(
            self._floor, await self._connection.fetchval(f"SELECT max(id) FROM {self._db.name}.seen_ids") or 0
        )
        return carried


class Hasty(Relay):
    """The mistake of raising the floor before those who may still be below it have ended."""

    async def _raise_floor(self) -> None:
        self._floor = await self._connection.fetchval("SELECT last_value FROM lab.outbox_id_seq") or 0


@pytest.fixture(autouse=True)
def floor_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every round is time for a step of the floor."""
    monkeypatch.setattr(relay, "FLOOR_EVERY", 0.0)


@pytest.mark.parametrize(("kind", "lost"), [(Relay, set()), (Cursor, {1}), (Hasty, {1})])
async def test_a_slow_transaction_is_published_late_and_not_lost(lab: Lab, kind: type[Relay], lost: set[int]) -> None:
    await lab.rows("lab", "CREATE TABLE lab.seen_ids (id bigint)")
    await lab.rows("lab", "CREATE FUNCTION lab.note() RETURNS trigger LANGUAGE plpgsql AS "
                   "$$ BEGIN INSERT INTO lab.seen_ids VALUES (old.id); RETURN old; END $$")  # fmt: skip
    await lab.rows("lab", "CREATE TRIGGER note AFTER DELETE ON lab.outbox FOR EACH ROW EXECUTE FUNCTION lab.note()")
    bus = Recorder()
    mine = kind(lab.db, bus)
    async with lab.db.transaction() as slow:
        await add(slow, ["slow"], [1])
        await mailbox.post(slow.connection, "lab", [lab.letter(Counted(thing="slow", n=1))])
        await change(lab.db, "quick", 2)
        for _ in range(5):
            await mine.drain()
        assert bus.order() == {"quick": [2]}
    for n in range(3, 6):
        await change(lab.db, "quick", n)
        await mine.drain()
    assert {n for ns in bus.order().values() for n in ns} == {1, 2, 3, 4, 5} - lost
    await mine.close()


async def test_whoever_takes_an_id_before_a_number_of_his_own_breaks_the_floor(lab: Lab) -> None:
    """Why `mailbox.post` asks for the transaction's number first."""
    bus, mine = Recorder(), Relay(lab.db, Recorder())
    mine._bus = bus
    await change(lab.db, "a", 0)  # the first value of a sequence writes to the log, and so takes a number
    writer = await asyncpg.connect(lab.url)
    transaction = writer.transaction()
    await transaction.start()
    taken = await writer.fetchval("SELECT nextval('lab.outbox_id_seq')")
    await change(lab.db, "a", 1)
    for _ in range(5):
        await mine.drain()
    assert mine._floor > taken
    await writer.execute(
        "INSERT INTO lab.outbox (id, event_id, topic, key, type, headers, payload) OVERRIDING SYSTEM VALUE "
        "VALUES ($1, 'lost', 't', 'k', 'x', '{}', '')",
        taken,
    )
    await transaction.commit()
    assert await mine.drain() == 0
    assert [row["event_id"] for row in await lab.outbox()] == ["lost"]
    await writer.close()
    await mine.close()


@pytest.mark.parametrize("many", [1, 100])
async def test_posting_takes_the_number_first(lab: Lab, many: int) -> None:
    """At the moment of the first id, the transaction must have its number: a trigger looks."""
    await lab.rows("lab", "CREATE TABLE lab.numbers (xid xid8)")
    await lab.rows("lab", "CREATE FUNCTION lab.look() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN "
                   "IF pg_current_xact_id_if_assigned() IS NULL THEN RAISE 'no number yet'; END IF; "
                   "RETURN nextval('lab.outbox_id_seq'); END $$")  # fmt: skip
    await lab.rows("lab", "ALTER TABLE lab.outbox ALTER id DROP IDENTITY")
    await lab.rows("lab", "CREATE SEQUENCE lab.outbox_id_seq")
    await lab.rows("lab", "ALTER TABLE lab.outbox ALTER id SET DEFAULT lab.look()")
    async with lab.db.transaction() as tx:
        tx.emit(*(Counted(thing="a", n=n) for n in range(many)))
    assert len(await lab.outbox()) == many


async def test_one_things_letters_leave_in_the_order_of_its_changes(lab: Lab) -> None:
    bus = Recorder()
    mine = Relay(lab.db, bus)
    work = asyncio.create_task(mine.run())
    await asyncio.gather(*(change(lab.db, "a", n, then=lambda: asyncio.sleep(0.002)) for n in range(20)))
    await until(lambda: len(bus.letters) == 20)
    assert bus.order() == await lab.seen()
    mine.stop()
    await work


async def test_an_outbox_row_before_the_state_row_breaks_the_order(lab: Lab) -> None:
    """Why emitted letters are written at the end of the transaction."""
    bus = Recorder()
    mine = Relay(lab.db, bus)
    async with lab.db.transaction() as first:
        await mailbox.post(first.connection, "lab", [lab.letter(Counted(thing="a", n=1))])
        async with lab.db.transaction() as second:
            await mailbox.post(second.connection, "lab", [lab.letter(Counted(thing="a", n=2))])
            await add(second, ["a"], [2])
        await add(first, ["a"], [1])
    await mine.drain()
    assert await lab.seen() == {"a": [2, 1]}
    assert bus.order() == {"a": [1, 2]}
    await mine.close()


async def test_many_writers_rollbacks_and_changing_leaders_lose_and_reorder_nothing(lab: Lab, postgres: Any) -> None:
    chance = random.Random(11)
    bus = Recorder()
    others = [another(lab), another(lab)]
    relays = [Relay(db, bus) for db in others]
    work = [asyncio.create_task(one.run()) for one in relays]
    rolled_back: set[int] = set()

    async def write(writer: int) -> None:
        for k in range(40):
            n = writer * 1000 + k
            wait = chance.random() * 0.004

            async def end(n: int = n, wait: float = wait) -> None:
                await asyncio.sleep(wait)
                if chance.random() < 0.1:
                    rolled_back.add(n)
                    raise RuntimeError("changed my mind")

            try:
                await change(lab.db, f"thing-{chance.randrange(10)}", n, then=end)
            except RuntimeError:
                continue

    async def behead() -> None:
        admin = await asyncpg.connect(postgres.url)
        for _ in range(4):
            await asyncio.sleep(0.05)
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headset-relay-lab' "
                "AND datname = $1",
                lab.url.rpartition("/")[2],
            )
        await admin.close()

    await asyncio.gather(behead(), *(write(writer) for writer in range(8)))
    committed = {n for ns in (await lab.seen()).values() for n in ns}
    assert len(committed) == 320 - len(rolled_back)
    await until(lambda: {n for ns in bus.order().values() for n in ns} >= committed)
    assert bus.order() == await lab.seen()
    for one in relays:
        one.stop()
    await asyncio.gather(*work)
    assert await lab.outbox() == []
    for db in others:
        await db.close()


async def test_one_relay_leads_and_another_takes_over(lab: Lab, postgres: Any) -> None:
    other = another(lab)
    first, second = Relay(lab.db, first_bus := Recorder()), Relay(other, second_bus := Recorder())
    await change(lab.db, "a", 1)
    assert await first.drain() == 1
    await change(lab.db, "a", 2)
    assert await second.drain() == 0
    assert second_bus.letters == []
    admin = await asyncpg.connect(postgres.url)
    ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'headset-relay-lab'"
    [leader] = await admin.fetch(
        "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND granted "
        "AND datname = $1",
        lab.url.rpartition("/")[2],
    )
    await admin.execute(f"{ended} AND pid = {leader['pid']}")
    await admin.close()
    assert await second.drain() == 1
    assert second_bus.order() == {"a": [2]}
    await change(lab.db, "a", 3)
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # it may not have noticed yet
        await first.drain()
    assert await first.drain() == 0
    assert first_bus.order() == {"a": [1]}
    await second.close()  # gives the lead back
    assert await first.drain() == 1
    await first.close()
    await other.close()


async def test_a_bus_that_is_away_delays_and_loses_nothing(lab: Lab) -> None:
    bus = Recorder()
    bus.fails = 3
    mine = Relay(lab.db, bus)
    work = asyncio.create_task(mine.run())
    for n in range(5):
        await change(lab.db, "a", n)
    await until(lambda: len(bus.letters) >= 5)
    assert bus.order() == {"a": [0, 1, 2, 3, 4]}
    mine.stop()
    await work
    assert await lab.outbox() == []


async def test_a_bus_that_is_away_for_long_does_not_end_the_relay(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Recorder()
    bus.fails = 1500
    mine = Relay(lab.db, bus)
    await change(lab.db, "a", 1)

    async def at_once(_: float) -> None:
        if bus.letters:
            mine.stop()

    async def stay() -> None:
        return

    monkeypatch.setattr(mine, "_pause", at_once)
    monkeypatch.setattr(mine, "_resign", stay)
    await mine.run()
    assert bus.order() == {"a": [1]}
    monkeypatch.undo()
    await mine.close()


async def test_more_letters_than_a_batch_leave_in_order(lab: Lab) -> None:
    bus = Recorder()
    mine = Relay(lab.db, bus)
    for start in range(0, 2500, 500):
        async with lab.db.transaction() as tx:
            tx.emit(*(Counted(thing=f"thing-{n % 3}", n=n) for n in range(start, start + 500)))
    assert await mine.drain() == 2500
    assert [json.loads(letter.body)["n"] for letter in bus.letters] == list(range(2500))
    assert BATCH < 2500
    await mine.close()


async def test_a_commit_wakes_the_only_relay(lab: Lab) -> None:
    bus = Recorder()
    mine = Relay(lab.db, bus, sole_writer=True)
    work = asyncio.create_task(mine.run())
    await until(lambda: mine._leads)
    for n in range(10):
        await change(lab.db, "a", n)
        await until(lambda n=n: len(bus.letters) == n + 1, 0.9)  # type: ignore[misc]  # else it looks once a second
    mine.stop()
    await work


async def blocks_read(lab: Lab, floor: int) -> int:
    """How many blocks the relay's look at the outbox touches."""
    [row] = await lab.rows(
        "lab",
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM lab.outbox WHERE id > {floor} ORDER BY id LIMIT 1000",
    )
    plan = row["QUERY PLAN"][0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_a_snapshot_that_is_held_for_long_loses_and_slows_nothing(lab: Lab) -> None:
    bus = Recorder()
    mine = Relay(lab.db, bus)
    backup = await asyncpg.connect(lab.url)
    await backup.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM lab.outbox")
    for start in range(0, 12_000, 800):
        async with lab.db.transaction() as tx:
            tx.emit(*(Counted(thing="a", n=n) for n in range(start, start + 800)))
        if start:  # always some in the outbox: the floor must rise all the same
            await mine._round()
    await mine.drain()
    assert [json.loads(letter.body)["n"] for letter in bus.letters] == list(range(12_000))
    assert mine._floor > 10_000
    assert await blocks_read(lab, mine._floor) * 5 < await blocks_read(lab, 0)
    await backup.close()
    await mine.close()


async def test_a_new_leader_begins_without_a_floor(lab: Lab) -> None:
    bus = Recorder()
    mine = Relay(lab.db, bus)
    for n in range(5):
        await change(lab.db, "a", n)
        await mine.drain()
    assert mine._floor > 0
    await mine.close()
    await lab.rows("lab", "ALTER TABLE lab.outbox ALTER id RESTART")  # as after a restore
    await change(lab.db, "a", 5)
    assert await mine.drain() == 1
    await mine.close()


async def test_the_relay_of_a_service_that_is_drained_at_the_end_leaves_no_connection(lab: Lab) -> None:
    await change(lab.db, "a", 1)
    await lab.settle()
    await lab.runtime.stop()
    admin = await asyncpg.connect(lab.url)
    left = await admin.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    await admin.close()
    assert left == 0


async def test_a_commit_wakes_only_who_leads(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not lead would ask for the lock after each commit of its process."""
    monkeypatch.setattr(relay, "SLOW_POLL", 60.0)
    first, elsewhere = Relay(lab.db, Recorder()), another(lab)
    await first.drain()
    asked: list[Relay] = []
    is_leader = Relay._is_leader

    async def asking(self: Relay) -> bool:
        asked.append(self)
        return await is_leader(self)

    monkeypatch.setattr(Relay, "_is_leader", asking)
    second = Relay(elsewhere, Recorder())
    work = asyncio.create_task(second.run())
    await until(lambda: asked)
    for n in range(5):
        await change(elsewhere, "a", n)
    assert asked == [second]
    second.stop()
    await work
    await first.close()
    await elsewhere.close()
