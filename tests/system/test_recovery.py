"""Does an operator get back what was lost: letters that died, history that was missed, a whole service?"""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from services.__main__ import app
from shared import contracts
from shared.contracts.qa import AuditFailed
from shared.errors import CannotStart
from shared.events import Letter
from shared.kafka import KafkaBus, create_topics
from shared.settings import Settings
from tests.conftest import FreshDatabase
from tests.services.qa_help import employee
from tests.system.processes import Process, stopped_at_the_end, wait_for
from tests.system.test_up import ask
from tests.system.test_up import started as started_up
from tests.world import World
from tools.kafka.broker import Broker


def headset(*command: object, **environment: str) -> Result:
    """One command in this process. An expected failure is the `CannotStart` that the command ended with."""
    done = CliRunner().invoke(app, [str(word) for word in command], env=environment)
    if done.exception and not isinstance(done.exception, (CannotStart, SystemExit)):
        raise done.exception
    return done


def refusal(done: Result) -> str:
    assert isinstance(done.exception, CannotStart), done.output
    return str(done.exception)


async def test_dead_letters_from_the_command_line(world: World) -> None:
    good = world.letter(employee("ann"))
    bad = [good._replace(headers={**good.headers, "ce_id": str(uuid4())}, body=b"?") for _ in range(3)]
    await world.deliver("training", *bad[:2])
    await world.deliver("qa", bad[2])
    url = {"DATABASE_URL": world.settings.database_url or ""}

    async def run(*command: object) -> Result:
        return await asyncio.to_thread(headset, "dead-letters", *command, **url)

    listed = [line.split("\t") for line in (await run("list")).stdout.splitlines()]
    assert [line[1] for line in listed] == ["training", "training", "qa"]
    assert {line[4] for line in listed} == {"open"}
    assert len((await run("list", "--service", "qa")).stdout.splitlines()) == 1
    first, second, third = (line[0] for line in listed)
    shown = json.loads((await run("show", first)).stdout)
    assert (shown["event_id"], shown["body"]) == (bad[0].id, "?")
    assert "no dead letter" in refusal(await run("show", uuid4()))

    failed = await run("replay", "--all")
    assert failed.exit_code == 1
    assert failed.stdout.count("failed again") == 3
    mended = (
        "UPDATE {}.dead_letters SET payload = convert_to(:body, 'UTF8') WHERE id = CAST(:id AS uuid)"  # as a fix would
    )
    await world.rows("training", mended.format("training"), body=good.body.decode(), id=first)
    assert (await run("replay", first, "--by", "ada")).exit_code == 0
    assert (await world.rows("training", "SELECT count(*) AS n FROM training.employees"))[0]["n"] == 1
    assert "already" in (await run("replay", first)).stdout
    assert (await run("discard", second, third, "--reason", "a test", "--by", "bea")).exit_code == 0
    assert "discarded" in refusal(await run("discard", second, "--reason", "again"))
    assert (await run("list")).stdout == ""
    done = {line.split("\t")[0]: line.split("\t")[4] for line in (await run("list", "--all")).stdout.splitlines()}
    assert done == {first: "replayed", second: "discarded", third: "discarded"}
    shown = json.loads((await run("show", second)).stdout)
    assert (shown["discarded_by"], shown["discard_reason"]) == ("bea", "a test")
    assert "Name dead letters" in refusal(await run("replay"))


# A service in distributed mode.

WHO = UUID(int=1)


def failed_audit() -> AuditFailed:
    criterion = {"criterion": "greeting", "competency": "courtesy", "error_class": "none", "score": 0}
    return AuditFailed.model_validate(
        {
            "audit_id": uuid4(), "revision": 1, "recording_id": uuid4(), "call_id": "c", "employee_id": WHO,
            "auditor_id": "ann", "scorecard": "short", "score": 50, "passing_score": 80, "critical_errors": [],
            "failed_criteria": [criterion], "submitted_at": datetime.now(UTC),
        }
    )  # fmt: skip


class Training:
    """Training's worker, with a Kafka of its own."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        self.settings = Settings(kafka=broker.bootstrap, topic_partitions=3)
        self.environment = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "HEADSET_POOL_SIZE": "4"}
        self.log = directory / "work.txt"
        asyncio.run(create_topics(self.settings, contracts.TOPICS))

    def publish(self, events: Sequence[Any]) -> set[UUID]:
        """To Kafka: from here on it is acknowledged."""

        async def publish() -> None:
            bus = KafkaBus(self.settings)
            await bus.publish([Letter.seal(event, source="qa", at=datetime.now(UTC)) for event in events])
            await bus.close()

        asyncio.run(publish())
        return {event.audit_id for event in events if isinstance(event, AuditFailed)}

    def command(self, url: str, *command: object) -> Result:
        return headset(*command, **{**self.environment, "DATABASE_URL": url})

    def work(self, url: str) -> Process:
        environment = {**self.environment, "DATABASE_URL": url, "HEADSET_JWT_KEY": "k" * 40}
        return Process("work", "training", environment=environment, log=self.log)


def rows(url: str, query: str) -> list[Any]:
    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            found: list[Any] = await connection.fetch(query)
            return found
        finally:
            await connection.close()

    return asyncio.run(fetch())


def coached(url: str) -> list[UUID]:
    return sorted(row["audit_id"] for row in rows(url, "SELECT audit_id FROM training.coaching_assignments"))


def everything(url: str) -> dict[str, list[str]]:
    """All rows of training, as text."""
    tables = rows(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'training'")
    return {
        table["tablename"]: sorted(
            row["t"] for row in rows(url, f"SELECT t::text FROM training.{table['tablename']} t")
        )
        for table in tables
    }


@pytest.fixture
def training(own_kafka: Broker, tmp_path: Path) -> Training:
    return Training(own_kafka, tmp_path)


def test_a_restored_service_lacks_nothing_that_was_acknowledged(
    training: Training, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    """What the backup holds is there exactly; what came after it, and Kafka holds, is handled once."""
    lost, fresh, file = fresh_database("lost"), fresh_database("fresh"), tmp_path / "training.backup"
    assert training.command(lost, "migrate", "training").exit_code == 0
    before = training.publish([employee("ann", employee_id=WHO), *(failed_audit() for _ in range(10))])
    worker = training.work(lost)
    with stopped_at_the_end([worker]):
        wait_for("ten assignments", lambda: coached(lost) == sorted(before))
        wait_for("an empty outbox", lambda: not rows(lost, "SELECT FROM training.outbox"))
        done = training.command(lost, "backup", "training", file)
        assert done.exit_code == 0, done.output
        held = everything(lost)
        after = training.publish([failed_audit() for _ in range(10)])
        wait_for("twenty assignments", lambda: coached(lost) == sorted(before | after))
        assert "Stop these first" in refusal(training.command(lost, "restore", "training", file, "--set-aside"))
        assert "running" in refusal(training.command(fresh, "restore", "training", file))  # elsewhere, but of its group
    worker.stop()
    later = training.publish([failed_audit() for _ in range(5)])  # while nobody works

    done = training.command(fresh, "restore", "training", file)
    assert done.exit_code == 0, done.output
    assert everything(fresh) == held
    assert training.command(fresh, "migrate", "training").exit_code == 0
    worker = training.work(fresh)
    with stopped_at_the_end([worker]):
        wait_for("all assignments", lambda: coached(fresh) == sorted(before | after | later))
        wait_for("an empty outbox", lambda: not rows(fresh, "SELECT FROM training.outbox"))
    assert len(rows(fresh, "SELECT FROM training.inbox")) == 26  # each once
    assert not rows(fresh, "SELECT FROM training.dead_letters")

    # Everything again, beside the workers or instead of them: it is known.
    done = training.command(fresh, "replay", "training", "--from", "earliest")
    assert "0 handled now, 26 known already, 0 dead" in done.stdout, done.output
    done = training.command(fresh, "replay", "training", "--topic", "qa.audits", "--from", "2099-01-01T00:00")
    assert done.stdout.startswith("0 records")
    done = training.command(fresh, "replay", "training", "--topic", "qa.audits", "--from", "1:0")
    assert "0 handled now" in done.stdout, done.output
    assert "no partition 9" in refusal(
        training.command(fresh, "replay", "training", "--topic", "qa.audits", "--from", "9:0")
    )
    assert "no place to start" in refusal(training.command(fresh, "replay", "training", "--from", "yesterday"))
    assert "does not listen" in refusal(training.command(fresh, "replay", "training", "--topic", "crm.cases"))

    # Back to the backup on the spot, then what was missed by hand instead of by the workers.
    assert "--set-aside" in refusal(training.command(fresh, "restore", "training", file))
    done = training.command(fresh, "restore", "training", file, "--set-aside")
    assert done.exit_code == 0, done.output
    assert coached(fresh) == sorted(before)
    [aside] = re.findall(r"training_before_\w+", done.stdout)
    assert len(rows(fresh, f"SELECT FROM {aside}.coaching_assignments")) == 25
    done = training.command(fresh, "replay", "training", "--topic", "qa.audits", "--from", "earliest")
    assert "15 handled now, 10 known already, 0 dead" in done.stdout, done.output
    assert coached(fresh) == sorted(before | after | later)


def test_what_is_no_backup_is_refused_and_changes_nothing(migrated: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    url = {"DATABASE_URL": migrated, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    file.write_bytes(b"?")
    assert "no backup" in refusal(headset("restore", "training", file, **url))
    assert "Kafka at" in headset("backup", "qa", file, **url).stderr  # and everything will be read again
    assert "is a backup of qa" in refusal(headset("restore", "training", file, **url))
    assert "Kafka at" in refusal(headset("restore", "qa", file, "--set-aside", **url))
    assert "Without Kafka a backup is of all" in refusal(headset("backup", "qa", file, "--without-kafka", **url))
    assert "Cannot write" in refusal(headset("backup", "qa", tmp_path / "none" / "file", **url))
    assert rows(migrated, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '_before_'")[0]["count"] == 0


def test_embedded_mode_is_put_away_while_it_runs_and_brought_back(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    file = tmp_path / "all.backup"
    centre = started_up(tmp_path / "old", "--no-demo")
    with stopped_at_the_end([centre]):
        data = ("--data", tmp_path / "old" / "data")
        ask(centre, tmp_path / "old", "hr", "/recruiting/employees", {"agent_id": "kept", "role": "agent"})
        assert headset("dead-letters", "list", *data).stdout == ""
        assert "of all services" in refusal(headset("backup", "qa", file, *data))
        done = headset("backup", "all", file, *data)
        assert done.exit_code == 0, done.output
        assert "another Headset" in refusal(headset("restore", "all", file, *data))
    done = headset("restore", "all", file, "--data", tmp_path / "new" / "data")
    assert done.exit_code == 0, done.output
    centre = started_up(tmp_path / "new", "--no-demo")
    with stopped_at_the_end([centre]):
        people = ask(centre, tmp_path / "new", "hr", "/recruiting/employees")["items"]
        assert [person["agent_id"] for person in people] == ["kept"]
    assert "no Headset" in refusal(headset("dead-letters", "list", "--data", tmp_path / "none"))
