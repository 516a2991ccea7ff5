"""How long does it hold? `python -m tests.system.faults.soak [--minutes 10] [--seed N]`: faults in random order.

Exit code 1, with what happened, at the first invariant that does not hold.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.system.faults.kinds import FAULTS
from tests.system.faults.proxy import Proxy
from tests.system.faults.stage import Stage
from tools.kafka.broker import Broker


async def soak(seed: int, minutes: float, directory: Path) -> None:
    link = Proxy()
    with Broker.start({"advertised.listeners": f"PLAINTEXT://127.0.0.1:{link.port}"}) as broker:
        link.target = broker.port
        stage = await Stage(broker, link, directory, seed).prepare()
        done: Counter[str] = Counter()
        try:
            stage.run_lab()
            stage.load.go()
            end = time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                fault = stage.chance.choice(FAULTS)
                await fault(stage)
                await stage.settled(fault.__name__)
                done[fault.__name__] += 1
            print(
                f"seed {seed}: {sum(done.values())} faults, {stage.load.written()} changes, nothing lost: {dict(done)}"
            )
        finally:
            stage.close()
            link.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = options.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="headset-soak-") as directory:
        asyncio.run(soak(given.seed, given.minutes, Path(directory)))


if __name__ == "__main__":
    main()
