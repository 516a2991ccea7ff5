"""How much memory does Headset take at rest, beside a FastAPI process with SQLAlchemy imported and nothing in it?"""

import asyncio

from bench.measure import Line, Scale, in_turns
from bench.place import WORK, Place, Process, answers, free_port, until
from services.directory import remembered

REST = 3.0
"""Seconds after it is ready, within which a start has calmed down."""


async def memory_at_rest(place: Place, scale: Scale) -> list[Line]:
    data = WORK / "up"

    async def seeded() -> bool:
        return bool(remembered(data).get("ready"))

    async def headset() -> float:
        port = free_port()
        words = ("-m", "services", "up", "--data", str(data), "--port", str(port))
        async with place.process(*words, port=port) as process:
            await until(lambda: answers(port, "/health/ready"), 60, process)
            await until(seeded, 120, process)  # by the first start, which does not count
            return await resident(process)

    async def bare() -> float:
        port = free_port()
        async with place.process("-m", "bench.bare", "fastapi", str(port), port=port) as process:
            await until(lambda: answers(port, "/"), 30, process)
            return await resident(process)

    samples = await in_turns({"headset": headset, "bare": bare})
    return [
        Line(
            "memory of headset up at rest", "FastAPI with SQLAlchemy imported", "MiB",
            samples["headset"], samples["bare"], at_most=2, facts={"counted": "resident set, without PostgreSQL"},
        )
    ]  # fmt: skip


async def resident(process: Process) -> float:
    """MiB that the process has in memory once it has rested."""
    await asyncio.sleep(REST)
    ps = await asyncio.create_subprocess_exec(
        "ps", "-o", "rss=", "-p", str(process.pid), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await ps.communicate()
    return int(said) / 1024
