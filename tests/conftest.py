"""What do all tests share? One real PostgreSQL and one real Kafka, each started when first asked for.

`make test` runs all of them in two processes, file by file; each process has its own of both.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import psutil
import pytest
import structlog

from services.all import SERVICES
from shared.migrations import Schema, migrate
from shared.postgres import EmbeddedPostgres, binaries
from tests.world import World
from tools.kafka.broker import Broker, Cluster, NoKafka, bootstrap_servers

# Logs go where pytest collects them, and tracebacks stay short: drawn with all variables they take seconds each.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
    logger_factory=structlog.stdlib.LoggerFactory(),
)

FreshDatabase = Callable[[str], str]

# What survives a power failure does not matter here, speed does.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}

_worlds = itertools.count(1)
no_kafka: list[str] = []  # why, once somebody asked for it in vain
NOT_RUN = ("Kafka tests did not run: ", "Tests of the manifests did not run: ")
"""How the reason begins for which many tests are skipped: the last lines of a run repeat it."""


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with (
        tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp(), ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres.start(Path(folder) / "postgres", FORGETFUL) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def fresh_database(postgres: EmbeddedPostgres) -> FreshDatabase:
    """`fresh_database("mailbox")` makes an empty database with a name like this and returns its URL."""
    number = itertools.count(1)

    def make(name: str) -> str:
        name = f"{name}_{next(number)}"
        command = [
            binaries() / "createdb",
            "-h",
            "127.0.0.1",
            "-p",
            str(postgres.port),
            "-U",
            "headset",
            name,
        ]
        subprocess.run(command, check=True, env={"PGPASSWORD": postgres.password})
        return f"{postgres.url.rpartition('/')[0]}/{name}"

    return make


@pytest.fixture(scope="session")
async def migrated(fresh_database: FreshDatabase) -> str:
    """The URL of a database with every schema in it, to be copied."""
    url = fresh_database("template")
    for service in SERVICES:
        await migrate(Schema(service.name, url, service.metadata, service.migrations))
    return url


@pytest.fixture
async def world(postgres: EmbeddedPostgres, migrated: str) -> AsyncIterator[World]:
    """All services in one process, on a fresh copy of the migrated database."""
    name = f"world_{next(_worlds)}"
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f'CREATE DATABASE {name} TEMPLATE "{migrated.rpartition("/")[2]}" STRATEGY FILE_COPY')
    world = World(f"{postgres.url.rpartition('/')[0]}/{name}", SERVICES)
    yield world
    await world.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap address of the Kafka that all tests share; keep topics and groups apart by name."""
    given = bootstrap_servers()
    if given:
        yield given
        return
    with start_broker() as broker:
        yield broker.bootstrap


@pytest.fixture
def own_kafka() -> Iterator[Broker]:
    """A broker of the test's own, to kill, pause and restart."""
    with start_broker() as broker:
        yield broker


Kafka = TypeVar("Kafka")


def start_broker(settings: Mapping[str, str] | None = None, **more: Any) -> Broker:
    """As `Broker.start`; where none can be had the test is skipped, or fails where CI has to have one."""
    return _had(Broker.start, settings, **{"quick": True, **more})


def start_cluster() -> Cluster:
    """As `Cluster.start`, in the same way."""
    return _had(Cluster.start)


def _had(start: Callable[..., Kafka], *how: Any, **more: Any) -> Kafka:
    try:
        if no_kafka:
            raise NoKafka(no_kafka[0])
        return start(*how, **more)
    except NoKafka as reason:
        no_kafka.append(str(reason))
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to have a Kafka: {reason}", pytrace=False)
        pytest.skip(f"{NOT_RUN[0]}{reason}")


# What the tests write is in memory where there is room: a disk makes each database wait for it.

MEMORY = Path("/dev/shm")
FOLDER = "headset-tests-"
OWN_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 * 2**30
    if roomy and config.option.basetemp is None:  # who hands the tests out to us has named it
        for left in MEMORY.glob(f"{FOLDER}*-*"):  # by a run that failed or was killed
            if not psutil.pid_exists(int(left.name.removeprefix(FOLDER).split("-")[0])):
                shutil.rmtree(left, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=MEMORY)
        config.option.basetemp = f"{folder}/run"
        config.stash[OWN_FOLDER] = Path(folder)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What is left of tests that failed stays to be looked at, until the next run."""
    if exitstatus == 0 and (folder := session.config.stash.get(OWN_FOLDER, None)):
        shutil.rmtree(folder, ignore_errors=True)


# Which process runs what.

LONGEST_FIRST = ("system", "deploy", "bus", "flows", "services")
"""So that both end at the same time; the others are short."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """With `-n auto`: two for all tests, none beside this one where some were chosen."""
    chosen = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    return 0 if chosen or config.option.keyword or config.option.markexpr or config.option.lf else 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if {"kafka", "own_kafka"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
    if hasattr(config, "workerinput"):
        order = {folder: n for n, folder in enumerate(LONGEST_FIRST)}
        items.sort(key=lambda item: order.get(item.path.parent.name, len(order)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ())}
    for reason in sorted(reason.removeprefix("Skipped: ") for reason in skipped):
        if reason.startswith(NOT_RUN):
            terminalreporter.write_line(reason, yellow=True)
