"""Whatever fails, wherever: is nothing acknowledged lost, nothing done twice, and each one's order kept?

Real processes, a real Kafka, a real PostgreSQL; the plan of faults and invariants is in docs/recovery.md. What is
random comes from one seed, which is printed: `HEADSET_TEST_SEED` repeats it. `make soak` does the same for longer.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import start_broker, start_cluster
from tests.lab import Counted
from tests.system.faults import matrix
from tests.system.faults.centre import PROCESSES, Centre
from tests.system.faults.kinds import FAULTS, Fault, lose_brokers, wrong_clocks
from tests.system.faults.points import Failure
from tests.system.faults.stage import FAKETIME, Stage, eventually, headset, stage_of_one, stage_of_three

pytestmark = pytest.mark.kafka


def some_seed() -> int:
    return int(os.environ.get("HEADSET_TEST_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with stage_of_one(some_seed(), tmp_path_factory.mktemp("faults"), start_broker) as stage:
        stage.run_lab()
        yield stage


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_doubled_or_reordered(stage: Stage, fault: Fault) -> None:
    if fault is wrong_clocks and FAKETIME is None:
        reason = "no libfaketime, by which a process has a clock of its own: install Debian's package libfaketime"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    stage.load.go()
    goal = stage.load.written() + 20
    await eventually("there is something to lose", lambda: stage.load.written() >= goal)
    await fault(stage)
    await stage.settled(fault.__name__)


async def test_points_fail_in_pairs(stage: Stage) -> None:
    """A few of the matrix, which `make soak` goes through."""
    for case in stage.chance.sample(matrix.in_pairs(stage.chance, every_way=True), 4):
        await matrix.try_out(stage, case)


async def test_a_server_that_is_to_end_answers_what_it_has_taken(stage: Stage) -> None:
    """The balancer sends no more to it, as `preStop` of its pod makes sure; what is under way is finished."""
    stage.load.pause()
    server = stage.processes["api-1"]
    before = server.said.count("slow begins")
    async with httpx.AsyncClient(headers=stage.load.headers, timeout=15) as client:
        requests = [
            asyncio.create_task(client.post(f"{server.url}/lab/slow", json={"id": "slow", "n": n})) for n in range(12)
        ]
        await eventually("they are under way", lambda: server.said.count("slow begins") == before + 12)
        began = time.monotonic()
        code = await asyncio.to_thread(server.stop)
        answers = await asyncio.gather(*requests)
    assert [answer.status_code for answer in answers] == [201] * 12
    assert (code, time.monotonic() - began < 10) == (0, True)
    stage.again("api-1")


async def test_each_failed_audit_is_coached_and_entered_once(stage: Stage) -> None:
    """The chain of the product, under crashes at every step; migrations are interrupted before it begins (P2)."""
    stage.load.pause()
    for name, process in stage.processes.items():
        if name != "api-1":
            await asyncio.to_thread(process.stop)
    log = stage.directory / "migrate.txt"
    stage.arm("migrate", Failure("P2", "exit", (), stage.chance.randint(2, 9)))
    assert headset("migrate", "all", log=log, environment=stage.environment("migrate")) == 137
    stage.arm("migrate")
    assert headset("migrate", "all", log=log, environment=stage.environment("migrate")) == 0
    centre = Centre(stage, calls=200)
    await centre.open()
    audits = asyncio.create_task(centre.audited())
    for points in (
        {"W2": ("serve qa",), "C4": ("work training",), "C3": ("work performance",)},
        {"R3": ("serve qa", "work qa"), "C2": ("work training",), "C4": ("work performance",)},
        {"W3": ("serve qa",)},
    ):
        nth = stage.chance.randint(1, 4)
        await stage.fail(*(Failure(point, "exit", names, nth) for point, names in points.items()))
    centre.enough = True
    await audits
    await centre.settled()
    assert await centre.chains_hold()
    for name in PROCESSES:
        stage.processes.pop(name).kill()


PLANTED = {
    # mistake → who makes it, where it is then killed, and what is seen of it
    "commit_first": ("mirror-1", "C1", "lost"),
    "delete_first": ("api-1", "R1", "lost"),
    "no_inbox": ("mirror-1", "C4", "double"),
    "no_transaction": ("mirror-1", "C2", "lost"),
    "unordered": ("api-1", None, "out of order"),
}


@pytest.mark.parametrize("mistake", PLANTED)
async def test_the_invariants_notice_what_is_wrong(stage: Stage, mistake: str) -> None:
    who, point, seen = PLANTED[mistake]
    stage.load.pause()
    await stage.reset()
    stage.processes.clear()
    stage.run_lab(doubled=False)
    if point:
        stage.arm(who, Failure(point, "exit", (who,), 6))
    stage.again(who, FAULT_PLANTED=mistake)
    stage.load.urls = [stage.processes["api-1"].url]
    stage.load.go(mistake)
    if point:
        await eventually("it is killed", stage.processes[who].ended)
        stage.arm(who)
        stage.again(who, FAULT_PLANTED=mistake)
    else:
        await stage.pile_up()
    await eventually("enough is written", lambda: stage.load.written() > 150)
    stage.load.pause()
    await stage.quiet()
    damage = await stage.damage()
    assert any(seen in line and f"{seen} []" not in line for line in damage), damage


async def test_with_three_brokers_one_may_die_and_two_lose_nothing(tmp_path: Path) -> None:
    async with stage_of_three(some_seed(), tmp_path, start_cluster) as stage:
        stage.run_lab(doubled=False)
        stage.load.go()
        await lose_brokers(stage)
        await stage.settled("two brokers were lost")
        await stage.history(Counted.kafka_topic)
