"""What can go wrong? Each fault does its damage to a stage under load and returns when the damage is over.

After each, every invariant has to hold again; that is for the caller to ask. What is random comes from the stage's
seed.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

from shared.events import Letter
from shared.ids import new_id
from tests.lab import Counted
from tests.system.faults.entry import POISON
from tests.system.faults.stage import Stage, eventually

Fault = Callable[[Stage], Awaitable[None]]


async def _more_written(stage: Stage, n: int = 30) -> None:
    """Writing goes on: nobody whom the fault does not hit is stopped by it."""
    goal = stage.load.written() + n
    await eventually("writing goes on", lambda: stage.load.written() >= goal)


async def crash_while_writing(stage: Stage) -> None:
    """W1–W3, in one of the two that answer requests."""
    for point in ("W1", "W2", "W3"):
        await stage.fail_at(point, "exit", "api-1")
    stage.again("api-1")


async def crash_while_publishing(stage: Stage) -> None:
    """R1–R4, in whichever of the two relays leads; then the other one leads, and fails too."""
    for point in ("R1", "R2", "R3", "R4"):
        await stage.fail_at(point, "exit", "api-1", "api-2")
    stage.again("api-1")
    stage.again("api-2")


async def crash_while_handling(stage: Stage) -> None:
    """C1–C5, in one of the two that share the partitions."""
    for point in ("C1", "C2", "C3", "C4", "C5"):
        await stage.fail_at(point, "exit", "mirror-1")
    stage.again("mirror-1")


async def fail_and_hang(stage: Stage) -> None:
    """Bugs, outages and hangs at points taken by chance; the process lives on, and is killed at some later time."""
    lanes: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
        (("api-1",), ("W1", "W2", "W3")),
        (("api-1", "api-2"), ("R1", "R2", "R3")),
        (("mirror-1",), ("C1", "C2", "C3", "C4")),
    )
    for names, points in lanes:
        for action in ("bug", "outage", "hang"):
            # A delivery that fails before it is begun, or after it is done, is nobody's bug but the test's.
            choice = ("C2", "C3") if action == "bug" and "mirror-1" in names else points
            await stage.fail_at(stage.chance.choice(choice), action, *names)
        for name in names:
            stage.again(name)


async def two_leaders(stage: Stage) -> None:
    """R5: a relay loses the lead while it is sending, does not notice, and goes on sending when the next one leads."""
    await stage.fail_at("R1", "zombie", "api-1", "api-2")
    await _more_written(stage)
    await asyncio.sleep(0.5)


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
        stage.chance.choice([stage.database_link, stage.kafka_link]).cut()
        await asyncio.sleep(stage.chance.uniform(0.1, 0.6))


async def swallow(stage: Stage) -> None:
    """A network that takes everything and delivers it seconds later."""
    for link in (stage.database_link, stage.kafka_link):
        link.hold()
        try:
            await asyncio.sleep(stage.chance.uniform(0.5, 1.5))
        finally:
            link.release()


async def slow_network(stage: Stage) -> None:
    """Every piece comes 50 ms late."""
    for link in (stage.database_link, stage.kafka_link):
        link.delay = 0.05
        try:
            await _more_written(stage, 15)
        finally:
            link.delay = 0.0


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
        await asyncio.sleep(4.0)  # longer than its session lasts
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
    good, chance = _letter("good", 1), stage.chance
    thing = f"injected-{chance.randrange(10**9)}"
    stage.injected[thing] = set(range(60))
    letters = [_letter(thing, n) for n in range(60)]
    unreadable = [b"", b"?", b"[1]", b"\xff\xfe", b'{"thing": "a", "n": "many"}', b'{"thing": "\\u0000", "n": 1}']
    bad = [good._replace(headers={**good.headers, "ce_id": str(new_id())}, body=body) for body in unreadable]
    bad += [_letter("bad", POISON) for _ in range(3)]
    stage.poison += [letter.id for letter in bad]
    for letter in bad:
        letters.insert(chance.randrange(len(letters)), letter)
    # They have to come in one batch to be halved: a single member gets them.
    for name in ("mirror-1", "mirror-2"):
        stage.again(name, FAULT_POINT=f"C7:exit:{chance.randint(1, 4)}")
    await stage.publish(letters)
    await eventually(
        "the search is interrupted", lambda: any(stage.processes[n].ended() for n in ("mirror-1", "mirror-2"))
    )
    stage.note("killed in search of poison")
    for name in ("mirror-1", "mirror-2"):
        stage.again(name)


async def wrong_clocks(stage: Stage) -> None:
    """Each process believes another time: an hour early, an hour late, a day late."""
    for name, seconds in (("api-1", 3600), ("api-2", -3600), ("mirror-1", -3600), ("third", 86_400)):
        stage.again(name, FAULT_SKEW=str(seconds))
    await _more_written(stage, 60)
    for name in ("api-1", "api-2", "mirror-1", "third"):
        stage.again(name)


async def tidying_interrupted(stage: Stage) -> None:
    """P1: killed between making partitions and the commit."""
    await stage.fail_at("P1", "exit", "mirror-1", nth=(1, 1))
    stage.again("mirror-1")


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
    crash_while_writing, crash_while_publishing, crash_while_handling, fail_and_hang, two_leaders, kill_at_random,
    pause_kafka, kill_kafka, pause_database, kill_database, cut_connections, swallow, slow_network, rebalance,
    slow_consumer, repeat_and_shuffle, poison, wrong_clocks, tidying_interrupted, polite_end,
)  # fmt: skip
