"""Three candidates through all steps with a real Kafka and recruiting as two processes: one confirmed and graded, one
rejected in 10, one ended in probation. What training and performance say comes as their events."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.contracts.performance import ProbationEvaluated
from shared.contracts.qa import AuditPassed
from shared.contracts.training import ExaminationFailed, ExaminationPassed, ExaminationResult
from shared.events import Event, Letter
from shared.identity import Role, sign
from shared.ids import new_id
from shared.settings import Settings
from tests.conftest import FreshDatabase
from tests.recruiting_help import Office
from tests.system.processes import PLAIN, Process, run, stopped_at_the_end, wait_for
from tools.kafka.broker import Broker

KEY = "a key for the flow test of recruiting, long enough"


@dataclass
class Distributed:
    """Recruiting as `headset serve` and `headset work`, with what `Office` needs of a world."""

    serving: Process
    working: Process
    kafka: str
    clients: list[httpx.AsyncClient]

    def as_(self, *roles: Role, sub: str | UUID | None = None) -> httpx.AsyncClient:
        token = sign(Settings(jwt_key=KEY), str(sub or roles[0]), *roles)
        client = httpx.AsyncClient(
            base_url=self.serving.url, headers={"Authorization": f"Bearer {token}"}, timeout=30, **PLAIN
        )
        self.clients.append(client)
        return client

    async def publish(self, *events: tuple[Event, str]) -> None:
        """Events as the service of this name would publish them."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all")
        await producer.start()
        try:
            for event, source in events:
                letter = Letter.seal(event, source=source, at=datetime.now(UTC))
                headers = [(name, value.encode()) for name, value in letter.headers.items()]
                await producer.send_and_wait(letter.topic, letter.body, key=letter.key.encode(), headers=headers)
        finally:
            await producer.stop()

    async def published(self) -> list[tuple[str, bytes]]:
        """Type and body of all that recruiting published so far."""
        consumer = AIOKafkaConsumer(
            "recruiting.applications",
            "recruiting.employees",
            bootstrap_servers=self.kafka,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[tuple[str, bytes]] = []
            while any([await consumer.position(part) < end for part, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    found += [(dict(record.headers)["ce_type"].decode(), record.value) for record in records]
            return found
        finally:
            await consumer.stop()


@pytest.fixture
async def distributed(own_kafka: Broker, fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Distributed]:
    environment = {
        "DATABASE_URL": fresh_database("recruiting_flow"),
        "KAFKA_BOOTSTRAP_SERVERS": own_kafka.bootstrap,
        "HEADSET_JWT_KEY": KEY,
        "HEADSET_TOPIC_PARTITIONS": "2",
        "HEADSET_LOG_LEVEL": "debug",
    }
    for command in (("migrate", "recruiting"), ("topics", "create")):
        done = run(*command, environment=environment)
        assert done.returncode == 0, done.stderr
    serving, working = [
        Process(kind, "recruiting", environment=environment, log=tmp_path / f"{kind}.txt") for kind in ("serve", "work")
    ]
    clients: list[httpx.AsyncClient] = []
    with stopped_at_the_end([serving, working]):
        for process in (serving, working):
            process.wait_ready(120)
        yield Distributed(serving, working, own_kafka.bootstrap, clients)
        for client in clients:
            await client.aclose()


def examined(kind: type[ExaminationResult], employee: str, application: str, purpose: Any) -> tuple[Event, str]:
    event = kind(
        employee_id=UUID(employee), course="c1", purpose=purpose, score=Decimal(70), application_id=UUID(application)
    )
    return event, "training"


async def test_three_candidates_with_kafka(distributed: Distributed) -> None:
    office = Office(distributed)  # type: ignore[arg-type]  # it needs clients only
    today = date.today()  # noqa: DTZ011  a day more or less does not matter
    people = {
        "anna": ("Anna Petrovna", "13911112222", "anna@example.org"),
        "bai": ("白小明", "13933334444", "bai@example.org"),
        "chen": ("陈大文", "13955556666", "chen@example.org"),
    }
    requisition = await office.requisition(headcount=2)
    anna, bai, chen = [
        await office.applied(
            requisition, candidate={"name": name, "phone": phone, "email": mail},
            consent_until=str(today + timedelta(days=365)),
        )
        for name, phone, mail in people.values()
    ]  # fmt: skip
    await office.lists(requisition, 5, {anna: "pass", bai: "pass", chen: "pass"})
    for candidate, service in ((anna, 90), (bai, 61), (chen, 75)):
        await interviewed(office, candidate, service)
        await office.verified(candidate)
    await office.lists(requisition, 10, {anna: "pass", bai: "reject", chen: "pass"})
    await office.lists(requisition, 11, {anna: "pass", chen: "pass"})
    employees = {}
    for candidate in (anna, chen):
        await office.step(candidate, 12, "fit")
        await office.step(candidate, 12, "offered", expires_on=str(today + timedelta(days=7)))
        await office.step(candidate, 12, "accepted")
        employees[candidate] = await office.employed(candidate)

    await distributed.publish(
        # Chen's examinations come backwards, and one is failed first.
        *[examined(ExaminationFailed, employees[chen], chen, "pre_job") for _ in range(1)],
        *[examined(ExaminationPassed, employees[who], who, purpose) for who in (chen, anna)
          for purpose in ("culture", "pre_job")],
        *[(appraised(employees[who], total), "performance") for who, total in ((anna, 88), (chen, 41))],
        (audit(employees[anna]), "qa"),
    )  # fmt: skip

    def at_18(client: httpx.Client, id: str) -> bool:
        return client.get(f"/recruiting/applications/{id}").json()["step"] == 18

    with httpx.Client(base_url=distributed.serving.url, headers=dict(office.hr.headers)) as client:
        for who in (anna, chen):
            wait_for(f"{who} is to be decided", lambda who=who: at_18(client, who), 60)
        await office.step(anna, 18, "employ")
        await office.step(chen, 18, "end", reason="below_expectation")
        await office.step(anna, 19, "signed", kind="formal", starts_on="2026-06-16", ends_on="2029-03-15", pay=6000)
        await office.step(anna, 20, "graded", grade="A2", pay_band="P3")
        for n in (21, 22):
            await office.on_requisition(requisition, n, "revised", planned=2, actual=1, reasons=["ended_in_probation"])

        def audits() -> int:
            found = client.get(f"/recruiting/requisitions/{requisition}/funnel").json()
            n: int = found["quality"]["all"]["audits_passed"]["n"]
            return n

        wait_for("the audit counts", lambda: audits() == 1, 60)

    states = {who: (await office.get(f"/applications/{who}"))["status"] for who in (anna, bai, chen)}
    assert states == {anna: "graded", bai: "rejected", chen: "ended"}
    assert (await office.get(f"/employees/{employees[chen]}"))["left_on"] is not None
    quality = (await office.get(f"/requisitions/{requisition}/funnel"))["quality"]["all"]
    assert (quality["probation_passed"]["successes"], quality["probation_passed"]["n"]) == (1, 2)
    assert await office_admin(distributed) == []

    letters: list[tuple[str, bytes]] = []
    for kind in ("employee.graded", "employee.left", "requisition.advanced"):
        letters = await distributed.published()
        assert f"recruiting.{kind}.v1" in {type for type, _ in letters}
    words = [spelling for person in people.values() for word in person
             for spelling in (word.encode(), word.encode("ascii", "backslashreplace"))]  # fmt: skip
    logs = (distributed.serving.said + distributed.working.said).encode()
    assert "request" in distributed.serving.said
    assert [word for word in words if word in logs or any(word in body for _, body in letters)] == []


async def interviewed(office: Office, candidate: str, service: float) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    times = {"starts_at": soon.isoformat(), "ends_at": (soon + timedelta(hours=1)).isoformat()}
    await office.step(candidate, 6, "notified", channel="phone", at=soon.isoformat(), place="room 1")
    await office.step(candidate, 7, "scheduled", panel=["lead-1"], place="room 1", papers=["interview"], **times)
    [interview] = (await office.get(f"/applications/{candidate}/interviews"))["items"]
    await office.score(interview["id"], "lead-1", service, 70)
    await office.step(candidate, 8, "pass")


def appraised(employee: str, total: int) -> ProbationEvaluated:
    return ProbationEvaluated(
        appraisal_id=new_id(), employee_id=UUID(employee), cycle="probation", dimensions={}, total=Decimal(total),
        grade="B", cause="c",
    )  # fmt: skip


def audit(employee: str) -> AuditPassed:
    return AuditPassed(
        audit_id=new_id(), revision=1, recording_id=new_id(), call_id="c", employee_id=UUID(employee), auditor_id="a",
        scorecard="short", score=Decimal(90), passing_score=Decimal(80), critical_errors=(), failed_criteria=(),
        submitted_at=datetime(2026, 4, 1, tzinfo=UTC),
    )  # fmt: skip


async def office_admin(distributed: Distributed) -> list[Any]:
    """What could not be handled."""
    answer = await distributed.as_("admin").get("/dead-letters")
    found: list[Any] = answer.raise_for_status().json()["items"]
    return found
