"""What can go wrong? Each fault does its damage to a stage under load and returns when the damage is over.

After each, every invariant has to hold again; that is for the caller to ask. What is random comes from the stage's
seed.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import get_args

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer

from shared.events import Letter
from shared.identity import sign
from shared.ids import new_id
from tests.lab import Counted
from tests.system.faults.entry import POISON
from tests.system.faults.points import Failure
from tests.system.faults.proxy import Way
from tests.system.faults.stage import Stage, eventually

Fault = Callable[[Stage], Awaitable[None]]


async def _more_written(stage: Stage, n: int = 30) -> None:
    """Writing goes on: nobody whom the fault does not hit is stopped by it."""
    goal = stage.load.written() + n
    await eventually("writing goes on", lambda: stage.load.written() >= goal)


APIS = ("api-1", "api-2")
WORKERS = ("mirror-1", "mirror-2")


async def crash_everywhere(stage: Stage) -> None:
    """kill -9 at every crash point: in one that answers requests, in the relay that leads and in a worker, at once."""
    for points in (("W1", "R1", "C1"), ("W2", "R2", "C2"), ("W3", "R3", "C3"), ("R4", "C4"), ("R5", "C5"), ("C6",)):
        await stage.fail(*(aimed(stage, point, "exit") for point in points))


async def fail_and_hang(stage: Stage) -> None:
    """Bugs, outages and hangs at points taken by chance, at once; the processes live on where they can."""
    chance = stage.chance
    for way in ("bug", "outage", "hang"):
        points = [chance.choice(("W1", "W2", "W3")), chance.choice(("R1", "R2", "R3", "R4"))]
        await stage.fail(*(aimed(stage, point, way) for point in [*points, chance.choice(("C1", "C2", "C3", "C4"))]))


def aimed(stage: Stage, point: str, way: str, *, at_once: bool = False) -> Failure:
    """In the laboratory's processes that get to this point; after some times, or the first time."""
    names = {"W": ("api-1",), "R": APIS}.get(point[0], WORKERS if point == "C7" else ("mirror-1",))
    seldom = at_once or point in ("P1", "C6", "C7")  # once for each start, or each letter to blame
    return Failure(point, way, names, 1 if seldom else stage.chance.randint(2, 12))


async def two_leaders(stage: Stage) -> None:
    """A relay is cut off from PostgreSQL, which ends its session; it does not hear of that and goes on sending.

    The next one leads by then. So what the first one held is sent twice, and nothing else may come of it.
    """

    async def sent_twice() -> int:
        ids = [dict(headers)["ce_id"] for _, _, headers in await stage.history(Counted.kafka_topic)]
        return len(ids) - len(set(ids))

    before = await sent_twice()
    [leader] = await stage.fail(Failure("R1", "hang", APIS, 3))
    link = stage.database_links[leader]
    link.hold("back")
    stage.load.urls = [stage.processes[name].url for name in APIS if name != leader]  # the balancer has noticed
    try:
        old = await stage.leader()
        await stage.query(f"SELECT pg_terminate_backend({old})")  # as the server's keepalives do

        async def sent_late() -> bool:
            return await sent_twice() > before

        await eventually("another one leads", lambda: _another_leads(stage, old))
        await eventually("the first one sends late", sent_late)
    finally:
        link.release(lost=True)
        stage.load.urls = [stage.processes[name].url for name in APIS]


async def _another_leads(stage: Stage, old: int | None) -> bool:
    return await stage.leader() not in (None, old)


async def kill_at_random(stage: Stage) -> None:
    """kill -9 of any process, at any time, some at once."""
    for _ in range(3):
        names = stage.chance.sample(sorted(stage.processes), stage.chance.randint(1, 2))
        for name in names:
            if not stage.processes[name].ended():
                stage.processes[name].kill()
        stage.note(f"killed {names}")
        for name in names:
            stage.again(name)
        await asyncio.sleep(stage.chance.uniform(0.2, 1.5))
    for process in stage.processes.values():
        await asyncio.to_thread(process.wait_ready)


async def pause_kafka(stage: Stage) -> None:
    """A broker that hangs: writing goes on meanwhile."""
    stage.broker.pause()
    try:
        await _more_written(stage)
        await asyncio.sleep(stage.chance.uniform(0.5, 2))
    finally:
        stage.broker.resume()


async def kill_kafka(stage: Stage) -> None:
    stage.broker.kill()
    await _more_written(stage)
    await asyncio.to_thread(stage.broker.restart)


async def pause_database(stage: Stage) -> None:
    with stage.stopped_database():
        await asyncio.sleep(stage.chance.uniform(0.5, 2))


async def kill_database(stage: Stage) -> None:
    """With all its processes, in the middle of transactions; it recovers from its log."""
    stage.kill_database()
    await _more_written(stage)


async def cut_connections(stage: Stage) -> None:
    """Resets, of both links, several times."""
    for _ in range(4):
        for link in stage.chance.choice(stage.links()):
            link.cut()
        await asyncio.sleep(stage.chance.uniform(0.1, 0.6))


async def swallow(stage: Stage) -> None:
    """A network that takes everything and delivers it seconds later."""
    for links in stage.links():
        for link in links:
            link.hold()
        try:
            await asyncio.sleep(stage.chance.uniform(0.5, 1.5))
        finally:
            for link in links:
                link.release()


async def one_way(stage: Stage) -> None:
    """Requests arrive nowhere, or they are done and no answer comes back; in the end the connections are reset."""
    for links in stage.links():
        for way in get_args(Way):
            for link in links:
                link.hold(way)
            try:
                await asyncio.sleep(stage.chance.uniform(0.3, 1))
            finally:
                for link in links:
                    link.release(lost=True)


async def slow_network(stage: Stage) -> None:
    """Every piece comes 50 ms late."""
    for links in stage.links():
        for link in links:
            link.delay = 0.05
        try:
            await _more_written(stage, 15)
        finally:
            for link in links:
                link.delay = 0.0


async def no_connection_left(stage: Stage) -> None:
    """Others have all connections that PostgreSQL allows, and ours were reset: who asks hears 503, nothing is lost."""
    others: list[asyncpg.Connection] = []
    refused = stage.load.answers["503"]
    try:
        while stage.load.answers["503"] < refused + 4:
            with contextlib.suppress(asyncpg.TooManyConnectionsError):
                while True:
                    others.append(await asyncpg.connect(stage.server.url))
            for link in stage.database_links.values():
                link.cut()
            await asyncio.sleep(0.1)
    finally:
        for connection in others:
            connection.terminate()
    await _more_written(stage)


async def old_snapshot(stage: Stage) -> None:
    """A transaction that does not end, and a replication slot that nobody reads: the relay goes on."""
    holder = await asyncpg.connect(stage.server.url)
    try:
        await holder.execute("SELECT pg_create_physical_replication_slot('stuck', true)")
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")

        async def nothing_waits() -> bool:
            return not await stage.waiting(seconds=1)

        for _ in range(3):
            await _more_written(stage, 50)
            await eventually("what is written is published", nothing_waits)
        await holder.execute("ROLLBACK; SELECT pg_drop_replication_slot('stuck')")
    finally:
        await holder.close()


async def rebalance(stage: Stage) -> None:
    """C6: members come and go, politely and not, also in the middle of joining."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        joining = stage.run("mirror-3", "work", "mirror")
        await eventually("it runs", joining.ready)
        await asyncio.sleep(stage.chance.uniform(0, 0.5))
        joining.send(how)
        await eventually("it ends", joining.ended)
    del stage.processes["mirror-3"]


async def slow_consumer(stage: Stage) -> None:
    """A worker stands still until its partitions are another's, then goes on with what it holds."""
    frozen = stage.processes["mirror-2"]
    frozen.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(2.5)  # longer than its session lasts
    finally:
        frozen.send(signal.SIGCONT)


def _letter(thing: str, n: int) -> Letter:
    return Letter.seal(Counted(thing=thing, n=n), source="test", at=datetime.now(UTC))


async def repeat_and_shuffle(stage: Stage) -> None:
    """Letters twice, late and in no order; and the whole history again, shuffled."""
    thing = f"injected-{stage.chance.randrange(10**9)}"
    letters = [_letter(thing, n) for n in range(200)]
    stage.injected[thing] = set(range(200))
    again = stage.chance.sample(letters, 150)
    shuffled = stage.chance.sample(letters, 200) + again
    for start in range(0, len(shuffled), 70):
        await stage.publish(shuffled[start : start + 70])
    history = await stage.history(Counted.kafka_topic)
    producer = AIOKafkaProducer(bootstrap_servers=stage.settings.kafka)
    await producer.start()
    for key, value, headers in stage.chance.sample(history, min(len(history), 2000)):
        await producer.send(Counted.kafka_topic, value, key=key, headers=list(headers))
    await producer.stop()


async def poison(stage: Stage) -> None:
    """C7: letters that cannot be read, or handled, among good ones; the process is killed while it looks for them."""
    failing = asyncio.create_task(stage.fail(Failure("C7", "exit", WORKERS, stage.chance.randint(1, 3))))
    await asyncio.sleep(0)  # it is armed now
    await publish_poison(stage, n=3, among=60)
    await failing


UNREADABLE = (b"", b"?", b"[1]", b"\xff\xfe", b'{"thing": "a", "n": "many"}', b'{"thing": "\\u0000", "n": 1}')


async def publish_poison(stage: Stage, *, n: int = 3, among: int = 0) -> None:
    """Letters that no policy can handle; with them, `among` good ones, those that cannot be read, too."""
    good, chance = _letter("good", 1), stage.chance
    bad = [_letter("bad", POISON) for _ in range(n)]
    letters = []
    if among:
        thing = f"injected-{chance.randrange(10**9)}"
        stage.injected[thing] = set(range(among))
        letters = [_letter(thing, n) for n in range(among)]
        bad += [good._replace(headers={**good.headers, "ce_id": str(new_id())}, body=body) for body in UNREADABLE]
    stage.poison += [letter.id for letter in bad]
    for letter in bad:
        letters.insert(chance.randrange(len(letters) + 1), letter)
    # They have to come in one batch to be halved, so they wait for each other.
    for name in WORKERS:
        stage.processes[name].send(signal.SIGSTOP)
    try:
        await stage.publish(letters)
    finally:
        for name in WORKERS:
            stage.processes[name].send(signal.SIGCONT)


async def wrong_clocks(stage: Stage) -> None:
    """Processes believe other times: a server an hour fast, a worker just before midnight of tomorrow.

    The server, whose relay leads, is then two hours fast, which is more than Kafka takes, and is set back by three, as
    by a hand. PostgreSQL and Kafka have the true time.
    """
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    wrong = {"api-1": 3590.0, "mirror-1": (today + timedelta(days=2) - now).total_seconds() - 4}
    for name, seconds in wrong.items():
        stage.with_clock(name, seconds)
    for name in wrong:
        await asyncio.to_thread(stage.processes[name].wait_ready)
    old = await stage.leader()
    stage.processes["api-2"].kill()
    await eventually("the one with the wrong clock leads", lambda: _another_leads(stage, old))
    stage.again("api-2")
    await _more_written(stage, 60)
    await _refused(stage, "has expired")
    stage.set_clock("api-1", 7200)
    await eventually("Kafka refuses its letters", lambda: "InvalidTimestamp" in stage.processes["api-1"].said)
    goal = stage.load.written()
    await eventually("another one publishes them", lambda: stage.applied_by_mirror(goal))
    stage.set_clock("api-1", -3600)
    await _more_written(stage, 60)
    await _refused(stage, "not yet valid")
    await asyncio.to_thread(stage.load.pause)
    await stage.quiet()
    stage.load.go()
    made = {row["name"] for row in await stage.query("SELECT inhrelid::regclass::text AS name FROM pg_inherits")}
    assert made >= {f"mirror.inbox_{today + timedelta(days=n):%Y%m%d}" for n in range(1, 9)}
    ids: dict[bytes, set[str]] = {}
    for key, body, headers in await stage.history(Counted.kafka_topic):
        if key.decode() in stage.load.acknowledged:
            ids.setdefault(body, set()).add(dict(headers)["ce_id"].decode())
    assert all(len(one) == 1 for one in ids.values())
    assert len(set().union(*ids.values())) == len(ids)
    for seconds in (20, -20):
        stage.set_clock("api-1", seconds)

        async def accepted() -> bool:
            return (await _asked(stage)).is_success

        await eventually("clocks may differ by so much", accepted)
    for name in wrong:
        stage.with_clock(name, None)


async def _refused(stage: Stage, why: str) -> None:
    async def refused() -> bool:
        answer = await _asked(stage)
        return answer.status_code == 401 and why in answer.json()["detail"]

    await eventually(f"a token {why}", refused)


async def _asked(stage: Stage) -> httpx.Response:
    """Something of the server with the wrong clock, with a token that was issued now and is good for five seconds."""
    token = sign(stage.settings, "visitor", "admin", valid=timedelta(seconds=5))
    async with httpx.AsyncClient(timeout=15, headers={"Authorization": f"Bearer {token}"}) as client:
        return await client.get(f"{stage.processes['api-1'].url}/lab/things", params={"limit": 1})


async def tidying_interrupted(stage: Stage) -> None:
    """P1: killed between making partitions and the commit."""
    await stage.fail(aimed(stage, "P1", "exit"))


async def polite_end(stage: Stage) -> None:
    """SIGTERM to a worker and to a server under load: each finishes what it has, in time, with code 0."""
    for name in ("mirror-1", "api-1"):
        process = stage.processes[name]
        code = await asyncio.to_thread(process.stop)
        assert code == 0, process.said[-2000:]
        stage.again(name)
    for name in ("mirror-1", "api-1"):
        await asyncio.to_thread(stage.processes[name].wait_ready)


FAULTS: tuple[Fault, ...] = (
    crash_everywhere, fail_and_hang, two_leaders, kill_at_random, pause_kafka, kill_kafka, pause_database,
    kill_database, no_connection_left, old_snapshot, cut_connections, swallow, one_way, slow_network, rebalance,
    slow_consumer, repeat_and_shuffle, poison, wrong_clocks, tidying_interrupted, polite_end,
)  # fmt: skip


async def lose_brokers(stage: Stage) -> None:
    """kill -9 of one broker of three: service goes on. Of a second one: what is written waits in the outbox."""
    first, second = stage.chance.sample(stage.cluster.nodes, 2)
    stage.note(f"broker {first.node} is killed")
    first.kill()
    goal = stage.load.written() + 60
    await eventually("service goes on", lambda: stage.applied_by_mirror(goal))
    stage.note(f"broker {second.node} is killed")
    second.kill()
    there = await stage.waiting()

    async def all_wait() -> bool:
        return await stage.waiting() >= there + 100

    await eventually("what is written waits", all_wait)
    await asyncio.to_thread(stage.cluster.restart, first, second)
