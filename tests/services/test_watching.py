"""Are the gauges right, and is each breach of an invariant seen, by metric, line and command?"""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from services.checking import findings
from services.qa.watching import GRAVEST_FIRST
from shared.contracts.qa import FailuresListed
from tests.services.qa_help import audited, call, employee, good
from tests.services.test_training_coaching import overturned
from tests.system.processes import run
from tests.world import World

ALL = {
    ("recruiting", "outbox_moves"), ("recruiting", "steps_are_known"),
    ("training", "outbox_moves"), ("training", "failed_audits_are_coached"),
    ("training", "failed_audits_are_coached (qa)"),
    ("performance", "outbox_moves"), ("performance", "failed_audits_are_entered"), ("performance", "ledgers_add_up"),
    ("performance", "failed_audits_are_entered (qa)"),
    ("qa", "outbox_moves"),
}  # fmt: skip


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"headset_{name}", labels) or 0.0


def breaches(service: str, invariant: str) -> float:
    return value("invariant_breaches", service=service, invariant=invariant)


async def failed_audit(world: World) -> tuple[UUID, str]:
    """An employee with an open cycle, and an audit that was failed and has led to all it should."""
    cycle = {"code": "now", "kind": "quarterly", "from": "2026-01-01", "to": "2026-12-31"}
    good(await world.as_("manager").post("/performance/cycles", json=cycle), 201)
    hired = employee("diane")
    await world.send(hired, call("c-1"), call("c-2", "nobody-knows"), call("c-3", None))
    known = {"call_id": "c-1"}
    [recording] = good(await world.as_("admin").get("/qa/recordings", params=known))["items"]
    audit = await audited(world, recording["id"], resolution="no")
    await world.settle()
    return hired.employee_id, audit["id"]


async def everything(world: World) -> dict[tuple[str, str], Any]:
    return {(service, name): where async for service, name, where in findings(world.runtime.databases) if where}


async def test_the_business_loop_is_counted(world: World) -> None:
    def counted() -> list[float]:
        return [
            sum(value("audits_told_total", result="failed", error_class=name) for name in GRAVEST_FIRST),
            value("audits_told_total", result="passed", error_class="none"),
            value("failed_audit_to_coaching_seconds_count"),
            value("failed_audit_to_appraisal_seconds_count"),
            value("disputes_decided_total", outcome="overturned"),
        ]

    before = counted()
    employee_id, audit = await failed_audit(world)
    for service in ("qa", "training"):
        await world.look(service)
    assert value("calls_waiting_for_agent") == 1  # a call without an agent waits for nobody
    assert value("coaching_open_assignments", days="0-2") == 1
    world.now += timedelta(days=4)
    await world.look("training")
    assert [value("coaching_open_assignments", days=days) for days in ("0-2", "3-5")] == [0, 1]

    dispute = {"reason": "misheard", "criteria": ["resolution"]}
    good(await world.as_("agent", sub=employee_id).post(f"/qa/audits/{audit}/disputes", json=dispute), 201)
    decision = {"outcome": "overturned", "reason": "misheard"}
    good(await world.as_("manager").post(f"/qa/audits/{audit}/disputes/decision", json=decision))
    await world.settle()
    assert [after - b for after, b in zip(counted(), before, strict=True)] == [1, 0, 1, 1, 1]


async def test_what_is_rolled_back_is_not_counted(world: World) -> None:
    noted: list[int] = []
    with contextlib.suppress(RuntimeError):
        async with world.runtime.databases["qa"].transaction() as tx:
            tx.on_commit(lambda: noted.append(1))
            raise RuntimeError
    async with world.runtime.databases["qa"].transaction() as tx:
        tx.on_commit(lambda: noted.append(2))
        assert noted == []
    assert noted == [2]


async def test_the_mailbox_is_measured(world: World) -> None:
    for n in range(3):
        await world.rows("qa", _WAITING, n=str(n), minutes=n + 4)
    await world.rows("qa", _DEAD, id=uuid4(), mark=b"a")
    await world.rows("qa", _DEAD, id=uuid4(), mark=b"b")
    await world.rows("qa", "UPDATE qa.dead_letters SET replayed_at = now() WHERE fingerprint = 'a'")
    await world.look("qa")
    assert (value("outbox_rows", service="qa"), value("dead_letters", service="qa")) == (3, 1)
    assert value("outbox_oldest_seconds", service="qa") == pytest.approx(240, abs=30)
    assert breaches("qa", "outbox_moves") == 0


_WAITING = """
    INSERT INTO qa.outbox (event_id, topic, key, type, headers, payload, created_at)
    VALUES (:n, 'qa.audits', 'k', 't', '{}', '', now() - make_interval(mins => :minutes))
"""
_DEAD = """
    INSERT INTO qa.dead_letters (id, event_id, topic, key, headers, payload, reason, attempts, fingerprint)
    VALUES (:id, 'e', 't', 'k', '{}', '', 'a bug', 3, :mark)
"""


async def test_each_breach_is_seen_until_it_is_mended(world: World, caplog: pytest.LogCaptureFixture) -> None:
    employee_id, _ = await failed_audit(world)
    world.now += timedelta(minutes=61)
    for service in ("training", "performance", "recruiting", "qa"):
        await world.look(service)
    assert await everything(world) == {}
    assert {(service, name) async for service, name, _ in findings(world.runtime.databases)} == ALL

    # A letter that reached nobody, as far as training and performance know.
    unheard = await _fail_unheard(world, employee_id)
    await world.turn("qa", "failures")
    await world.settle()
    assert (await world.rows("training", "SELECT audit_id FROM training.unmet_fails")) == []  # not an hour old yet
    world.now += timedelta(minutes=61)
    for _ in range(2):  # twice is once
        await world.turn("qa", "failures")
        await world.settle()
    for service in ("training", "performance"):
        assert await world.rows(service, f"SELECT audit_id FROM {service}.unmet_fails") == [{"audit_id": unheard}]
        await world.look(service)
    assert breaches("training", "failed_audits_are_coached") == 1
    assert breaches("performance", "failed_audits_are_entered") == 1

    # A status that no step has, a letter that does not move, and a score that somebody has edited.
    await world.rows("recruiting", _STRANGER, id=(stranger := uuid4()))
    await world.rows("qa", _WAITING, n="old", minutes=6)
    await world.rows("performance", "UPDATE performance.appraisals SET total = total + 1")
    for service in ("performance", "recruiting", "qa"):
        await world.look(service)
    await world.look("performance")  # a ledger that is wrong stays in sight, wherever the rounds are
    assert breaches("recruiting", "steps_are_known") == 1
    assert breaches("qa", "outbox_moves") == 1
    assert breaches("performance", "ledgers_add_up") == 1
    assert caplog.text.count("invariant_broken") >= 6
    assert str(stranger) in caplog.text

    told = await everything(world)
    assert set(told) == {
        ("recruiting", "steps_are_known"), ("qa", "outbox_moves"), ("performance", "ledgers_add_up"),
        ("training", "failed_audits_are_coached"), ("training", "failed_audits_are_coached (qa)"),
        ("performance", "failed_audits_are_entered"), ("performance", "failed_audits_are_entered (qa)"),
    }  # fmt: skip
    assert told["training", "failed_audits_are_coached"] == [f"audit {unheard}"]
    assert told["recruiting", "steps_are_known"] == [f"application {stranger}: status lost, step 99"]
    said = run("check", environment={"DATABASE_URL": world.settings.database_url or ""})
    assert said.returncode == 1
    assert "qa: outbox_moves does not hold\n" in said.stdout
    assert "training: outbox_moves holds\n" in said.stdout

    # Mended.
    for table, where in (("qa.outbox", "event_id = 'old'"), ("recruiting.applications", "step = 99")):
        await world.rows(table.partition(".")[0], f"DELETE FROM {table} WHERE {where}")
    await world.rows("performance", "UPDATE performance.appraisals SET total = total - 1")
    for service in ("training", "performance"):
        await world.deliver(service, world.letter(overturned(unheard)))
    for service in ("training", "performance", "recruiting", "qa"):
        await world.look(service)
    assert value("invariant_breaches", service="performance", invariant="ledgers_add_up") == 0
    assert set(await everything(world)) <= {
        ("training", "failed_audits_are_coached (qa)"), ("performance", "failed_audits_are_entered (qa)")
    }  # fmt: skip


async def _fail_unheard(world: World, employee_id: UUID) -> UUID:
    """An audit failed in qa whose letter is lost on the way."""
    await world.send(call("c-9", started_at=datetime(2026, 3, 2, 2, 0, tzinfo=UTC)))
    [recording] = good(await world.as_("admin").get("/qa/recordings", params={"call_id": "c-9"}))["items"]
    audit = await audited(world, recording["id"], resolution="no")
    await world.rows("qa", "DELETE FROM qa.outbox WHERE type = 'qa.audit.failed.v1'")
    return UUID(audit["id"])


_STRANGER = """
    INSERT INTO recruiting.applications
        (id, requisition_id, candidate_id, channel, internal, status, done, step, applied_at, version)
    VALUES (:id, uuidv7(), uuidv7(), 'website', false, 'lost', '{}', 99, now(), 1)
"""


async def test_a_list_that_comes_before_what_it_lists_does_no_harm(world: World) -> None:
    _, audit = await failed_audit(world)
    later = uuid4()
    early = FailuresListed(until=world.now, audit_ids=(UUID(audit), later))
    await world.send(early)
    for service in ("training", "performance"):
        assert await world.rows(service, f"SELECT audit_id FROM {service}.unmet_fails") == [{"audit_id": later}]
        await world.deliver(service, world.letter(overturned(later)))
        await world.look(service)
    assert breaches("training", "failed_audits_are_coached") == 0
    assert breaches("performance", "failed_audits_are_entered") == 0
    await world.send(early.model_copy(update={"audit_ids": ()}))
    for service in ("training", "performance"):
        assert await world.rows(service, f"SELECT audit_id FROM {service}.unmet_fails") == []


def test_without_a_database_the_check_says_what_to_do(tmp_path: Any) -> None:
    said = run("check", "--data", str(tmp_path), environment={"DATABASE_URL": "", "HEADSET_DATABASE_URL": ""})
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "DATABASE_URL" in said.stderr
