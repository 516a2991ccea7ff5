"""Can an operator see how a process is, and does a runtime begin and end as it should?"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from shared.authorisation import OPEN_PATHS
from shared.bus import Deliver, LocalBus
from shared.events import Letter
from shared.run import _KEEP_TIDY, Runtime, run_job
from shared.service import Job
from shared.settings import Settings
from tests.lab import Counted, Faults, Lab, add, service
from tests.services.test_http_conventions import problem
from tests.services.test_relay import until


async def test_health_and_metrics_are_open_and_say_what_they_are(lab: Lab) -> None:
    nobody = lab.as_()
    for path in OPEN_PATHS:
        assert (await nobody.get(path)).status_code == 200
    assert (await nobody.get("/health/ready")).json() == {"status": "ok"}
    scraped = await nobody.get("/metrics")
    assert scraped.headers["content-type"].startswith("text/plain")


async def handled(lab: Lab, outcome: str, kind: str = Counted.type) -> float:
    scraped = (await lab.as_().get("/metrics")).text
    start = f'headset_events_handled_total{{outcome="{outcome}",service="lab",type="{kind}"}} '
    return sum(float(line.removeprefix(start)) for line in scraped.splitlines() if line.startswith(start))


async def test_what_became_of_letters_is_counted(lab: Lab) -> None:
    outcomes = ["handled", "repeated", "buried"]
    before = [await handled(lab, outcome) for outcome in outcomes] + [await handled(lab, "unwanted", "other")]
    lab.faults.poisoned.add(3)
    letters = [lab.letter(Counted(thing="a", n=n)) for n in range(10)]
    stranger = letters[0]._replace(headers={**letters[0].headers, "ce_type": "some.thing.else.v1"})
    await lab.deliver("lab", *letters, letters[0], stranger)
    await lab.deliver("lab", letters[1])
    after = [await handled(lab, outcome) for outcome in outcomes] + [await handled(lab, "unwanted", "other")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [9, 2, 1, 1]


class Loop(LocalBus):
    """A bus with a loop of its own, as Kafka's, that a test can break."""

    def __init__(self) -> None:
        super().__init__()
        self.last_turn: dict[str, float] = {}
        self.breaks: Exception | None = None
        self.woken = asyncio.Event()

    async def run(self) -> None:
        await self.woken.wait()
        if self.breaks:
            raise self.breaks


class Bus:
    """Not a `LocalBus` to those who ask, but delivering as one."""

    def __init__(self) -> None:
        self.inner = Loop()
        self.last_turn = self.inner.last_turn

    def subscribe(self, service: str, topics: frozenset[str], deliver: Deliver) -> None:
        self.inner.subscribe(service, topics, deliver)

    async def publish(self, letters: Sequence[Letter]) -> None:
        await self.inner.publish(letters)

    async def run(self) -> None:
        await self.inner.run()

    def stop(self) -> None:
        self.inner.woken.set()

    async def close(self) -> None:
        return


async def test_a_loop_that_stands_still_or_broke_makes_the_process_unwell(lab: Lab) -> None:
    bus = Bus()
    runtime = Runtime([service("lab", Faults())], lab.settings, bus)
    lab.app.state.runtime = runtime
    nobody = lab.as_()
    await runtime.start()
    assert (await nobody.get("/health/live")).status_code == 200
    bus.last_turn["lab"] = time.monotonic() - 61
    problem(await nobody.get("/health/live"), 503)
    bus.last_turn["lab"] = time.monotonic()
    assert (await nobody.get("/health/live")).status_code == 200
    bus.inner.breaks = RuntimeError("cannot go on")
    bus.inner.woken.set()
    assert runtime.failed is not None
    assert str(await runtime.failed) == "cannot go on"
    problem(await nobody.get("/health/live"), 503)
    await runtime.stop()


async def test_a_runtime_carries_letters_by_itself_and_ends_clean(lab_url: str) -> None:
    before = asyncio.all_tasks()
    runtime = Runtime(
        [service("lab", Faults()), service("mirror", Faults(), emits=False)], Settings(database_url=lab_url), LocalBus()
    )
    await runtime.start()
    db = runtime.databases["lab"]
    async with db.transaction() as tx:
        tx.emit(*(Counted(thing="a", n=n) for n in range(50)))

    async def total() -> int:
        async with runtime.databases["mirror"].transaction() as tx:
            return await tx.scalar(text("SELECT total FROM mirror.things")) or 0

    async with asyncio.timeout(10):
        while await total() != sum(range(50)):  # noqa: ASYNC110  what is waited for happens in a database
            await asyncio.sleep(0.005)
    await runtime.stop()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_job_is_done_by_one_process_at_a_time(lab: Lab) -> None:
    release = asyncio.Event()
    done: list[int] = []

    async def work(tx: Any) -> None:
        await add(tx, ["job"], [1])
        await release.wait()
        done.append(1)

    job = Job("work", timedelta(hours=1), work)
    first = asyncio.create_task(run_job(lab.db, job))

    async def busy() -> bool:
        async with lab.db.transaction() as tx:
            return bool(await tx.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")))

    async with asyncio.timeout(5):
        while not await busy():  # noqa: ASYNC110  what is waited for happens in a database
            await asyncio.sleep(0.002)
    assert await run_job(lab.db, job) is False
    release.set()
    assert await first is True
    assert done == [1]


async def test_a_job_that_fails_is_tried_again_and_disturbs_nobody(lab_url: str, caplog: Any) -> None:
    tries: list[int] = []

    async def work(tx: Any) -> None:
        await add(tx, ["job"], [1])
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")

    made = service("lab", Faults())
    job = Job("work", timedelta(seconds=0.01), work)
    runtime = Runtime(
        [replace(made, jobs=(job,))],
        Settings(database_url=lab_url),
        LocalBus(),
    )
    await runtime.start()
    await until(lambda: len(tries) >= 4)
    assert runtime.alive
    await runtime.stop()
    assert "job_failed" in caplog.text


async def test_the_first_tidying_makes_partitions(lab: Lab) -> None:
    for key, days in {"old": 31, "new": 29}.items():
        insert = "INSERT INTO lab.idempotency_keys VALUES ('p', :key, '', 201, '{}', '', :at)"
        await lab.rows("lab", insert, key=key, at=lab.now - timedelta(days=days))
    assert await run_job(lab.db, _KEEP_TIDY)
    assert len(await lab.rows("lab", "SELECT 1 FROM pg_inherits WHERE inhparent = 'lab.inbox'::regclass")) == 9
    assert [row["key"] for row in await lab.rows("lab", "SELECT key FROM lab.idempotency_keys")] == ["new"]
