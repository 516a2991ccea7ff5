"""How long does it hold? Faults in random order, or every crash point in every way, alone and in pairs.

    python -m tests.system.faults.soak --minutes 60 --seed 17        faults in random order
    python -m tests.system.faults.soak --brokers 3                   with three brokers, of which one or two are killed
    python -m tests.system.faults.soak --matrix                      each point in each way, and each pair of points
    python -m tests.system.faults.soak --matrix every                … and each pair in every way
    python -m tests.system.faults.soak --matrix every --part 2/8     an eighth of that
    python -m tests.system.faults.soak --case W2:exit+C4:hang        one of these

Every invariant is asked after each. Exit code 1, with what happened, if one did not hold; random order ends there.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.system.faults import matrix
from tests.system.faults.kinds import FAULTS, kill_kafka, lose_brokers, pause_kafka, wrong_clocks
from tests.system.faults.stage import FAKETIME, Stage, stage_of_one, stage_of_three
from tools.kafka.broker import Cluster


@asynccontextmanager
async def staged(seed: int, brokers: int, directory: Path) -> AsyncIterator[Stage]:
    """The laboratory, running and under load."""
    async with stage_of_one(seed, directory) if brokers == 1 else stage_of_three(seed, directory) as stage:
        stage.run_lab()
        stage.load.go()
        yield stage


async def soak(stage: Stage, minutes: float) -> None:
    faults = [fault for fault in FAULTS if fault is not wrong_clocks or FAKETIME]
    if isinstance(stage.kafka, Cluster):
        faults = [*(fault for fault in faults if fault not in (pause_kafka, kill_kafka)), lose_brokers]
    done: Counter[str] = Counter()
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        fault = stage.chance.choice(faults)
        await fault(stage)
        await stage.settled(fault.__name__)
        done[fault.__name__] += 1
    print(f"seed {stage.seed}: {sum(done.values())} faults, {stage.load.written()} changes, nothing lost: {dict(done)}")


async def all_of(stage: Stage, cases: list[matrix.Case]) -> int:
    """How many of these did damage; the stage begins anew after each that did."""
    began, failed = time.monotonic(), []
    for n, case in enumerate(cases, 1):
        stage.note(f"{n} of {len(cases)}: {matrix.named(case)}")
        try:
            await matrix.try_out(stage, case)
        except AssertionError as error:
            failed.append(case)
            print(f"FAILED {matrix.named(case)}: {error}", flush=True)
            await stage.reset()
            stage.run_lab()
    seconds = time.monotonic() - began
    print(f"seed {stage.seed}: {len(cases)} cases in {seconds:.0f} s, {stage.load.written()} changes, failed: ", end="")
    print(" ".join(map(matrix.named, failed)) or "none", flush=True)
    return len(failed)


async def run(given: argparse.Namespace, directory: Path) -> int:
    async with staged(given.seed, given.brokers, directory) as stage:
        if given.case:
            return await all_of(stage, [matrix.case_of(name) for name in given.case])
        if given.matrix:
            part, parts = map(int, given.part.split("/"))
            cases = [*matrix.alone(), *matrix.in_pairs(random.Random(given.seed), every_way=given.matrix == "every")]
            return await all_of(stage, cases[part - 1 :: parts])
        await soak(stage, given.minutes)
        return 0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options.add_argument("--brokers", type=int, choices=[1, 3], default=1)
    options.add_argument("--matrix", nargs="?", choices=["pairs", "every"], const="pairs")
    options.add_argument("--part", default="1/1", help="which of how many equal parts of the matrix")
    options.add_argument("--case", nargs="+", help="points and ways, such as W2:exit+C4:hang")
    given = options.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="headset-soak-", ignore_cleanup_errors=True) as directory:
        return 1 if asyncio.run(run(given, Path(directory))) else 0


if __name__ == "__main__":
    sys.exit(main())
