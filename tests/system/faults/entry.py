"""`headset`, with faults: what runs in each process of the fault tests.

Beside the services of the product it knows those of the laboratory: `lab` counts things over HTTP, `mirror` counts
what it hears of that, `third` what it hears of `mirror`. The environment says what goes wrong:

    FAULT_ARMED=FILE         where it is said what fails at which crash point (tests/system/faults/points.py)
    FAULT_HANG=30            seconds that a hang lasts
    FAULT_PLANTED=no_inbox   a planted mistake (tests/system/faults/planted.py)
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from sqlalchemy import MetaData

import services.all  # so that those forked have them
import services.one
from services.__main__ import main
from shared import kafka
from shared.authorisation import table
from shared.http import service_router
from shared.identity import Anyone
from shared.mailbox import mailbox_tables
from shared.service import Service
from tests.lab import Faults, Followed, ThingIn, add, service, things_table
from tests.system.faults.planted import PLANTED
from tests.system.faults.points import Armed

POISON = 1_000_001
"""A count that no policy of the laboratory can handle."""
SLOW_REQUEST = 0.7
"""Seconds that a slow request takes, at the least."""


def third() -> Service:
    metadata = MetaData(schema="third")
    mailbox_tables(metadata)
    things_table(metadata)

    async def follow(event: Followed, tx: Any) -> None:
        await add(tx, [event.thing], [event.n])

    return Service("third", service_router("third"), {}, metadata, {Followed: [follow]}, Path())


def lab() -> Service:
    made = service("lab", Faults())

    @made.router.post("/slow", status_code=201)
    async def slow(thing: ThingIn, _: Anyone) -> ThingIn:
        print("slow begins", flush=True)
        await asyncio.sleep(SLOW_REQUEST)
        return thing

    return replace(made, access={**made.access, **table("/lab", "POST /slow everybody")})


def named(name: str) -> Service:
    match name:
        case "lab":
            return lab()
        case "mirror":
            return service("mirror", Faults(poisoned={POISON}))
        case "third":
            return third()
        case _:
            return _named(name)


_named = services.one.named


class QuickConsumer(AIOKafkaConsumer):
    """Missed sooner when it is killed, for the tests have little time."""

    def __init__(self, *topics: str, **settings: Any) -> None:
        super().__init__(*topics, **{**settings, "session_timeout_ms": 1500, "heartbeat_interval_ms": 300})


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Be that process: `command` as `headset` takes it."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as said:
        os.dup2(said.fileno(), sys.stdout.fileno())
        os.dup2(said.fileno(), sys.stderr.fileno())
    be(command)


def be(command: Sequence[str]) -> None:
    """`headset` with these arguments, and what the environment says."""
    sys.argv = ["headset", *command]
    services.one.named = named
    kafka.AIOKafkaConsumer = QuickConsumer
    if planted := os.environ.get("FAULT_PLANTED"):
        PLANTED[planted]()
    if file := os.environ.get("FAULT_ARMED"):
        Armed(Path(file)).put_around()
    main()


if __name__ == "__main__":
    be(sys.argv[1:])
