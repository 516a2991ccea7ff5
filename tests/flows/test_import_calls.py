"""Does an import bring in what a spreadsheet finds in the file, once, and leave aside what is wrong?"""

import asyncio
import contextlib
import csv
import os
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import uvicorn

from services.importing.calls import Summary, import_calls
from services.importing.reading import Options
from shared.errors import CannotStart
from shared.identity import sign
from tests.world import World

HEADERS = (
    "Call Id", "Agent", "Date", "Time", "Topic", "Answered (Y/N)", "Resolved", "Speed of answer in seconds",
    "AvgTalkDuration", "Satisfaction rating",
)  # fmt: skip
SAMPLE = Path(os.environ.get("HEADSET_TEST_CALLS", Path(__file__).parents[3] / "shared/data/calls_2021q1.csv"))
FIRST, LAST = "2021-01-01", "2021-03-31"


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """This world on a port, as a program of its own would meet it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(world.app, log_config=None, lifespan="on"))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with asyncio.timeout(20):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def imported(world: World, url: str, file: Path, **how: Any) -> Summary:
    token = sign(world.settings, "telephony", "service", valid=timedelta(days=3650))
    return await asyncio.to_thread(import_calls, file, settings=world.settings, url=url, token=token, **how)


def written(path: Path, rows: Iterable[Sequence[str]], headers: Sequence[str] = HEADERS) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([headers, *rows])
    return path


def made_up(n: int, seed: int = 1) -> list[list[str]]:
    """A quarter of calls of the shape of the sample."""
    chance = Random(seed)
    rows = []
    for number in range(n):
        day = date(2021, 1, 1) + timedelta(days=chance.randrange(90))
        clock = f"{chance.randrange(24)}:{chance.randrange(60):02}:{chance.randrange(60):02}"
        answered = chance.random() < 0.8
        row = [f"ID{number:05}", chance.choice(["Ann", "Bo", "Cy"]), f"{day}", clock, "Billing", "NY"[answered]]
        talk = f"0:{chance.randrange(7):02}:{chance.randrange(60):02}"
        known = ["NY"[chance.random() < 0.9], str(chance.randrange(5, 120)), talk, str(chance.randrange(1, 6))]
        rows.append([*row, *(known if answered else ["N", "", "", ""])])
    return rows


def spreadsheet(file: Path) -> dict[str, dict[str, tuple[int, float | None]]]:
    """For each agent `n` and the value of each indicator, the plain way."""
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            mine = sums[row["Agent"]]
            if row["Answered (Y/N)"] == "Y":
                wait = float(row["Speed of answer in seconds"])
                mine["calls_answered"].append(1)
                mine["speed_of_answer"].append(wait)
                mine["answered_within_20s"].append(wait <= 20)
                mine["resolution_rate"].append(row["Resolved"] == "Y")
            if row["Satisfaction rating"]:
                mine["satisfaction"].append(float(row["Satisfaction rating"]))
    return {
        agent: {name: (len(values), sum(values) / len(values)) for name, values in mine.items()}
        for agent, mine in sums.items()
    }


async def test_sample(world: World, tmp_path: Path) -> None:
    async with served(world) as url:
        summary = await imported(world, url, SAMPLE, create_employees=True, options=Options(rejects=tmp_path / "r.csv"))
        print("\n".join(summary.lines(world.settings)))
        c = world.as_("manager")
        e = (await c.get("/recruiting/employees")).json()["items"][0]
        print(e)
        print((await c.get("/performance/indicators/values", params={"employee_id": e["id"], "from": FIRST, "to": LAST})).text)
        print(spreadsheet(SAMPLE)[e["agent_id"]])
