"""Which speeds are measured, and how are they shown? `python -m bench --help`."""

import argparse
import gc
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.appraisals import beside_calls, day_sums, explanations, finalisation
from bench.audits import effects, submissions
from bench.coaching import burst, trials
from bench.consume import calls_beside_millions, calls_from_kafka
from bench.events import events_over_http
from bench.measure import REPETITIONS, Line, Scale
from bench.memory import memory_at_rest
from bench.place import ROOT, Place
from bench.quality import draws, open_audits, scoring
from bench.recruiting import lists, steps
from bench.relay import relay_to_kafka
from shared import logs

RESULTS = ROOT / "bench" / "results"

Row = Callable[[Place, Scale], Awaitable[list[Line]]]
ROWS: dict[str, Row] = {
    "calls": calls_from_kafka,
    "events": events_over_http,
    "submissions": submissions,
    "effects": effects,
    "relay": relay_to_kafka,
    "steps": steps,
    "lists": lists,
    "scoring": scoring,
    "draws": draws,
    "audits": open_audits,
    "burst": burst,
    "trials": trials,
    "days": day_sums,
    "finalisation": finalisation,
    "explanations": explanations,
    "appraisals": beside_calls,
    "memory": memory_at_rest,
    "millions": calls_beside_millions,
}


async def measure(names: list[str], scale: Scale) -> tuple[list[Line], dict[str, str]]:
    """The lines of these rows, and why some could not be measured."""
    lines: list[Line] = []
    failed: dict[str, str] = {}
    async with Place() as place:
        for name in names:
            began = time.monotonic()
            print(f"{name} …", file=sys.stderr, end=" ", flush=True)
            try:
                lines += await ROWS[name](place, scale)
                print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
                print(f"not measured: {failed[name]}", file=sys.stderr)
            gc.collect()
    return lines, failed


def show(lines: list[Line], failed: dict[str, str]) -> None:
    table = Table(title="Headset beside the limits of this machine", title_justify="left")
    for heading in ("what", "Headset", "raw limit", "", "ratio (min to max)", "target", "met"):
        table.add_column(heading, justify="left" if heading in ("what", "raw limit") else "right")
    for line in lines:
        table.add_row(
            line.what, f"{_number(line.ours)}", line.limit, f"{_number(line.theirs)} {line.unit}",
            f"{line.ratio:.2f} ({min(line.ratios):.2f} to {max(line.ratios):.2f})",
            line.target,
            "[green]yes[/]" if line.met else "[red]no[/]",
        )  # fmt: skip
    for name, reason in failed.items():
        table.add_row(name, "–", reason, "", "not measured", "", "[red]–[/]")
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """What the numbers hold for."""
    cpu = ""
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ("fastapi", "uvicorn", "sqlalchemy", "asyncpg", "aiokafka", "pydantic", "uvloop", "faststream")
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "cpu": cpu or platform.processor(),
        "memory_gib": round(memory, 1),
        "load_before": os.getloadavg(),
        "python": sys.version,
        "packages": {name: version(name) for name in packages},
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure speed, each beside its raw limit.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(ROWS)} (all)")
    parser.add_argument("--quick", action="store_true", help="a quarter of the work, rougher numbers")
    given = parser.parse_args()
    logs.configure("error")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a topic just made has no leader for a moment
    unknown = sorted(set(given.rows) - set(ROWS))
    if unknown:
        parser.error(f"there is no row {unknown[0]}; the rows are {', '.join(ROWS)}")
    began = datetime.now(UTC)
    about = machine()
    lines, failed = uvloop.run(measure(given.rows or list(ROWS), Scale(quick=given.quick)))
    show(lines, failed)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{began:%Y%m%dT%H%M%SZ}.json"
    report = {
        "began": began.isoformat(),
        "seconds": round((datetime.now(UTC) - began).total_seconds()),
        "quick": given.quick,
        "repetitions": REPETITIONS,
        "machine": about,
        "lines": [line.as_json() for line in lines],
        "not_measured": failed,
    }
    file.write_text(json.dumps(report, indent=1, default=str) + "\n")
    print(f"all samples: {file.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
