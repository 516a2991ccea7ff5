"""Which failures are there to try? Every crash point in every way, alone and with every other one.

Two points of one lane (a request, the relay, a worker) are taken one after the other: the second fails while what the
first one left is put in order. Points of two lanes fail at the same time.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from itertools import combinations, cycle, product

from tests.system.faults.kinds import aimed, publish_poison
from tests.system.faults.points import POINTS, WAYS, Failure
from tests.system.faults.stage import Stage, headset

Case = tuple[tuple[str, str], ...]
"""Points and ways."""

MIGRATES = "P2"
"""Done by a command, beside everything else."""


def alone() -> list[Case]:
    """Each point in each way."""
    return [((point, way),) for point, way in product(POINTS, WAYS)]


def _pairs() -> Iterator[tuple[str, str]]:
    yield from combinations(POINTS, 2)
    for point in POINTS:
        yield point, point
    for one, other in combinations(POINTS, 2):
        if one[0] == other[0]:  # of one lane, and so there is an order
            yield other, one


def in_pairs(chance: random.Random, *, every_way: bool = False) -> list[Case]:
    """Each point with each other one; in ways that come in turn, or in every way."""
    pairs, ways = list(_pairs()), list(product(WAYS, WAYS))
    if every_way:
        return [((one, way), (other, another)) for one, other in pairs for way, another in ways]
    chance.shuffle(ways)
    turns = cycle(ways)
    return [((one, way), (other, another)) for (one, other), (way, another) in zip(pairs, turns, strict=False)]


def named(case: Case) -> str:
    return "+".join(f"{point}:{way}" for point, way in case)


def case_of(name: str) -> Case:
    return tuple((point, way) for point, _, way in (part.partition(":") for part in name.split("+")))


async def try_out(stage: Stage, case: Case) -> None:
    """Have that happen under load; then every invariant has to hold again."""
    stage.load.go()
    migrating = asyncio.to_thread(_migrate, stage, [way for point, way in case if point == MIGRATES])
    others = [one for one in case if one[0] != MIGRATES]
    if len({point[0] for point, _ in others}) == 1:
        happening = _one_by_one(stage, others)
    else:
        happening = _at_once(stage, [aimed(stage, *one) for one in others])
    await asyncio.gather(migrating, happening)
    await stage.settled(named(case))


async def _one_by_one(stage: Stage, case: Sequence[tuple[str, str]]) -> None:
    for n, one in enumerate(case):
        await _at_once(stage, [aimed(stage, *one, at_once=n > 0)])


async def _at_once(stage: Stage, failures: Sequence[Failure]) -> None:
    if not failures:
        return
    failing = asyncio.create_task(stage.fail(*failures))
    await asyncio.sleep(0)  # it is armed now
    if any(failure.point == "C7" for failure in failures):
        await publish_poison(stage)
    await failing


def _migrate(stage: Stage, ways: Sequence[str]) -> None:
    """A service from nothing; it fails in these ways, one call after the other, and leaves nothing; then it is done."""
    if not ways:
        return
    log, environment = stage.directory / "migrate.txt", stage.environment("migrate")
    for way in ways:
        stage.arm("migrate", Failure(MIGRATES, way, (), stage.chance.randint(1, 9)))
        assert headset("migrate", "qa", log=log, environment=environment) == {"exit": 137, "hang": 0}.get(way, 1), way
        there = asyncio.run(stage.query("SELECT to_regnamespace('qa') IS NOT NULL AS it"))
        assert there[0]["it"] is (way == "hang"), f"left after {way}"
        if way == "hang":
            asyncio.run(stage.query("DROP SCHEMA qa CASCADE"))
    stage.arm("migrate")
    assert headset("migrate", "qa", log=log, environment=environment) == 0
    asyncio.run(stage.query("DROP SCHEMA qa CASCADE"))
