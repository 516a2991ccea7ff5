"""Whatever fails, wherever: is nothing acknowledged lost, nothing done twice, and each one's order kept?

Real processes, a real Kafka, a real PostgreSQL; the plan of faults and invariants is in docs/recovery.md. What is
random comes from one seed, which is printed: `HEADSET_TEST_SEED` repeats it. `make soak` does the same for longer.
"""

import os
import random
from collections.abc import AsyncIterator

import pytest

from tests.conftest import start_broker
from tests.system.faults.kinds import FAULTS, Fault
from tests.system.faults.proxy import Proxy
from tests.system.faults.stage import Stage, eventually

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    seed = int(os.environ.get("HEADSET_TEST_SEED") or random.SystemRandom().randrange(10**6))
    link = Proxy()
    with start_broker({"advertised.listeners": f"PLAINTEXT://127.0.0.1:{link.port}"}) as broker:
        link.target = broker.port
        stage = await Stage(broker, link, tmp_path_factory.mktemp("faults"), seed).prepare()
        stage.run_lab()
        yield stage
        stage.close()
    link.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_doubled_or_reordered(stage: Stage, fault: Fault) -> None:
    stage.load.go()
    goal = stage.load.written() + 20
    await eventually("there is something to lose", lambda: stage.load.written() >= goal)
    await fault(stage)
    await stage.settled(fault.__name__)


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
    stage.again(who, FAULT_PLANTED=mistake, **({"FAULT_POINT": f"{point}:exit:6"} if point else {}))
    stage.load.urls = [stage.processes["api-1"].url]
    stage.load.go(mistake)
    if point:
        await eventually("it is killed", stage.processes[who].ended)
        stage.again(who, FAULT_PLANTED=mistake)
    await eventually("enough is written", lambda: stage.load.written() > 150)
    stage.load.pause()
    await stage.quiet()
    damage = await stage.damage()
    assert any(seen in line and f"{seen} []" not in line for line in damage), damage
