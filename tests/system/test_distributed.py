"""Eight processes, a real Kafka, a real PostgreSQL: does each failed audit lead to one assignment and one entry, and
are they taken back with it, whatever is killed in between? Do training and recruiting, coaching and QA find to each
other over Kafka? Is it all one trace?"""

import csv
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.all import SERVICES
from shared.contracts.telephony import CallEnded
from shared.identity import Role, sign
from shared.settings import Settings
from tests.conftest import FreshDatabase, start_broker
from tests.recruiting_help import Office
from tests.services.qa_help import answers, good
from tests.system.processes import PLAIN, Process, run, stopped_at_the_end, wait_for
from tests.system.test_recruiting_flow import interviewed
from tests.traces import ASKED, AUDIT_FAILS, Collector, collecting

pytestmark = pytest.mark.kafka
KEY = "a key for the distributed test, long enough"
AGENTS = ("Ann", "Bao", "Cai", "Dan", "Eva", "Fei")
CALLS = 300
AUDITS = 40


class Cluster:
    """The four services as eight processes."""

    def __init__(self, environment: dict[str, str], directory: Path, traces: Collector) -> None:
        self.traces = traces
        self._settings = Settings(jwt_key=KEY)
        self.environment = environment
        self.processes = {
            (kind, service.name): Process(
                kind, service.name, environment=environment, log=directory / f"{kind}-{service.name}.txt"
            )
            for service in SERVICES
            for kind in ("serve", "work")
        }

    def client(self, service: str, *roles: Role, sub: str = "tester") -> httpx.Client:
        token = sign(self._settings, sub, *roles)
        return httpx.Client(
            base_url=self.processes["serve", service].url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            **PLAIN,
        )

    def items(self, service: str, path: str, **query: Any) -> list[dict[str, Any]]:
        with self.client(service, "admin") as client:
            answer = client.get(path, params={"limit": 500, **query})
            answer.raise_for_status()
            items: list[dict[str, Any]] = answer.json()["items"]
            return items


@pytest.fixture(scope="module")
def cluster(fresh_database: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start_broker() as kafka, collecting() as traces:
        environment = {
            "DATABASE_URL": fresh_database("distributed"),
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "HEADSET_JWT_KEY": KEY,
            "HEADSET_TOPIC_PARTITIONS": "4",
            "HEADSET_POOL_SIZE": "4",
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",  # only what somebody asks for
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        for command in (("migrate", "all"), ("topics", "create"), ("topics", "create")):
            done = run(*command, environment=environment)
            assert done.returncode == 0, done.stderr
        cluster = Cluster(environment, tmp_path_factory.mktemp("distributed"), traces)
        with stopped_at_the_end(list(cluster.processes.values())):
            for process in cluster.processes.values():
                process.wait_ready(120)
            yield cluster


def write_calls(file: Path) -> int:
    """A call log as telephony exports it; how many of its calls were answered."""
    chance = random.Random(7)
    began = datetime(2021, 1, 4, 9, 0, tzinfo=UTC)
    answered = 0
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(
            ["Call Id", "Agent", "Date", "Time", "Topic", "Answered (Y/N)", "Resolved",
             "Speed of answer in seconds", "AvgTalkDuration", "Satisfaction rating"]
        )  # fmt: skip
        for n in range(CALLS):
            began += timedelta(seconds=chance.randrange(20, 400))
            taken = chance.random() < 0.8
            answered += taken
            rest = ["Y", "Y", chance.randrange(1, 120), f"0:0{chance.randrange(1, 9)}:10", chance.randrange(1, 6)]
            rows.writerow(
                [f"ID{n:04}", chance.choice(AGENTS), f"{began:%Y-%m-%d}", f"{began:%H:%M:%S}", "Streaming"]
                + (rest if taken else ["N", "N", "", "", ""])
            )
    return answered


def test_each_failed_audit_leads_to_one_assignment_and_one_entry(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "calls.csv"
    answered = write_calls(log)
    token = sign(Settings(jwt_key=KEY), "import", "service")
    for _ in range(2):  # twice: nothing may count twice
        imported = run(
            "import", "calls", str(log), "--url", cluster.processes["serve", "recruiting"].url,
            "--create-employees", "--token", token, environment=cluster.environment,
        )  # fmt: skip
        assert imported.returncode == 0, imported.stderr + imported.stdout
    wait_for("recordings", lambda: len(cluster.items("qa", "/qa/recordings")) == answered)
    wait_for("employees in QA", lambda: all(r["employee_id"] for r in cluster.items("qa", "/qa/recordings")))
    with cluster.client("performance", "manager") as manager:
        cycle = {"code": "now", "kind": "quarterly", "from": "2020-01-01", "to": "2099-12-31"}
        assert manager.post("/performance/cycles", json=cycle).status_code == 201
    audits = drawn(cluster)
    asked_for = audits.pop(6)
    failed = submit(cluster, asked_for, traceparent=ASKED)
    wait_for("all hops of its trace", lambda: len(cluster.traces.spans) >= len(AUDIT_FAILS))
    assert cluster.traces.hops(ASKED[36:52]) == AUDIT_FAILS
    assert {span.trace for span in cluster.traces.spans} == {ASKED[3:35]}
    with ThreadPoolExecutor(4) as pool:
        half = len(audits) // 2
        failed += sum(pool.map(lambda audit: submit(cluster, audit), audits[:half]))
        for service in ("training", "performance"):
            cluster.processes["work", service].kill()
        failed += sum(pool.map(lambda audit: submit(cluster, audit), audits[half:]))
    # Of some of these they have heard, of the others they have not yet.
    ends = {**settled(cluster, audits[1:5]), **settled(cluster, audits[-4:])}
    for service in ("training", "performance"):
        cluster.processes["work", service].start()
    assert failed > AUDITS // 2

    stands = {a["id"]: a["score"] for a in cluster.items("qa", "/qa/audits") if a["result"] == "failed"}
    assert len(stands) == failed - len([end for end in ends.values() if end is None]) + 2  # two were moved
    expected = {**dict.fromkeys(stands, "assigned"), **{id: "cancelled" for id, end in ends.items() if end is None}}

    def coached() -> bool:
        found = cluster.items("training", "/training/coaching-assignments")
        return len(found) == len(expected) and {a["audit_id"]: a["status"] for a in found} == expected

    def entered() -> bool:
        found = failed_entries(cluster)
        return len(found) == len(stands) and {e["audit_id"]: e["value"] for e in found} == stands

    wait_for("one assignment for each failed audit, cancelled where the fail no longer stands", coached, 90)
    wait_for("one entry for each fail that stands", entered, 90)
    assert {id: stands.get(id) for id in ends} == ends
    assert cluster.items("training", "/dead-letters") == cluster.items("performance", "/dead-letters") == []


def drawn(cluster: Cluster) -> list[dict[str, Any]]:
    with cluster.client("qa", "manager") as manager:
        card = next(c for c in cluster.items("qa", "/qa/scorecards") if c["code"] == "short")
        plan = {"name": "all", "scorecard_id": card["id"], "size": AUDITS, "auditors": ["aud-1", "aud-2"]}
        plan = manager.post("/qa/sampling-plans", json=plan).raise_for_status().json()
        draw = manager.post(f"/qa/sampling-plans/{plan['id']}/draws", json={"seed": 1}).raise_for_status().json()
        card = manager.get(f"/qa/scorecards/{card['id']}").json()
    assert len(draw["audits"]) == AUDITS
    return [{**audit, "criteria": card["criteria"], "n": n} for n, audit in enumerate(draw["audits"])]


def submit(cluster: Cluster, audit: dict[str, Any], **headers: str) -> bool:
    """Answer and submit, with these headers; whether it failed. Four of five do."""
    fails = audit["n"] % 5 != 0
    answers = {c["key"]: {"value": "no" if fails else "yes", "comment": "heard"} for c in audit["criteria"]}
    with cluster.client("qa", "auditor", sub=audit["auditor_id"]) as auditor:
        auditor.put(f"/qa/audits/{audit['id']}/answers", json={"answers": answers}).raise_for_status()
        answer = auditor.post(f"/qa/audits/{audit['id']}/submit", headers=headers)
        result = answer.raise_for_status().json()["result"]
    assert result == ("failed" if fails else "passed")
    return fails


def settled(cluster: Cluster, audits: list[dict[str, Any]]) -> dict[str, float | None]:
    """A fail overturned, one scored again, one moved to another employee, one voided; the score of each that stands."""
    overturned, revised, moved, voided = audits
    other = next(
        a["employee_id"] for a in cluster.items("qa", "/qa/audits") if a["employee_id"] != moved["employee_id"]
    )
    decisions: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (overturned, {"outcome": "overturned"}),
        (revised, {"outcome": "revised", "answers": {key: {"value": "yes"} for key in ("respect", "listening")}}),
        (moved, {"outcome": "wrong_agent", "employee_id": other}),
    ]
    for audit, decision in decisions:
        path = f"/qa/audits/{audit['id']}/disputes"
        with cluster.client("qa", "agent", sub=audit["employee_id"]) as agent:
            agent.post(path, json={"reason": "misheard"}).raise_for_status()
        with cluster.client("qa", "manager") as manager:
            manager.post(f"{path}/decision", json={"reason": "heard_again", **decision}).raise_for_status()
    with cluster.client("qa", "manager") as manager:
        manager.post(f"/qa/audits/{voided['id']}/void", json={"reason": "test_call"}).raise_for_status()
    return {overturned["id"]: None, revised["id"]: 45, moved["id"]: None, voided["id"]: None}


def failed_entries(cluster: Cluster) -> list[dict[str, Any]]:
    """The standing entries that failed audits made, over all appraisals."""
    entries = []
    with cluster.client("performance", "admin") as client:
        for appraisal in cluster.items("performance", "/performance/appraisals"):
            explanation = client.get(f"/performance/appraisals/{appraisal['id']}/explanation").raise_for_status().json()
            entries += [entry for entry in explanation["entries"] if entry["value"] < 80]
    return entries


class People:
    """Clients of recruiting, as `Office` wants them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.clients: list[httpx.AsyncClient] = []

    def as_(self, *roles: Role, sub: str | UUID | None = None) -> httpx.AsyncClient:
        with self._cluster.client("recruiting", *roles, sub=str(sub or roles[0])) as client:
            made = httpx.AsyncClient(base_url=client.base_url, headers=client.headers, timeout=30, **PLAIN)
        self.clients.append(made)
        return made


async def test_pre_job_and_culture_training_complete_steps_15_and_16(cluster: Cluster) -> None:
    people = People(cluster)
    office = Office(people)  # type: ignore[arg-type]  # it needs clients only
    today = datetime.now(UTC).date()
    requisition = await office.requisition(headcount=1)
    candidate = await office.applied(requisition, consent_until=str(today + timedelta(days=365)))
    await office.lists(requisition, 5, {candidate: "pass"})
    await interviewed(office, candidate, 90)
    await office.verified(candidate)
    for n in (10, 11):
        await office.lists(requisition, n, {candidate: "pass"})
    await office.step(candidate, 12, "fit")
    await office.step(candidate, 12, "offered", expires_on=str(today + timedelta(days=7)))
    await office.step(candidate, 12, "accepted")
    who = await office.employed(
        candidate, starts_on=str(today), ends_on=str(today + timedelta(days=1100)),
        probation_ends_on=str(today + timedelta(days=90)),
    )  # fmt: skip
    for client in people.clients:
        await client.aclose()

    def enrolled() -> list[dict[str, Any]]:
        found = cluster.items("training", "/training/enrolments", application_id=candidate)
        return found if {one["purpose"] for one in found} == {"pre_job", "culture"} else []

    attended = 0
    with cluster.client("training", "trainer") as trainer, cluster.client("training", "agent", sub=who) as me:
        for one in wait_for("enrolments in both programmes", enrolled):
            attended += learned(trainer, me, who, one)

    def done() -> bool:
        with cluster.client("recruiting", "hr") as hr:
            application = hr.get(f"/recruiting/applications/{candidate}").raise_for_status().json()
        return application["step"] == 17 and {15, 16} <= set(application["done"])

    def counted() -> bool:
        days = {"employee_id": who, "from": "2020-01-01", "to": str(today)}
        with cluster.client("performance", "hr") as hr:
            found = hr.get("/performance/indicators/values", params=days)
        items = {item["indicator"]: item for item in found.json()["items"]} if found.is_success else {}
        return bool(items) and (items["training_attendance"]["value"], items["training_attendance"]["n"]) == (
            1,
            attended,
        )

    wait_for("steps 15 and 16 are done", done)
    wait_for("attendance counts", counted)
    assert attended > 0


def learned(trainer: httpx.Client, me: httpx.Client, who: str, enrolment: dict[str, Any]) -> int:
    """Pass the examination, acknowledge the documents, attend the meetings if there are any: how many there were."""
    good(trainer.post("/training/examinations", json={"enrolment_id": enrolment["id"], "score": 85}), 201)
    course = good(me.get(f"/training/courses/{enrolment['course_id']}"))
    if course["documents"]:
        documents = {"documents": course["documents"]}
        good(me.post(f"/training/enrolments/{enrolment['id']}/documents", json=documents))
    if course["method"] == "online":
        return 0
    begin = datetime.now(UTC) - timedelta(days=1)
    end = begin + timedelta(hours=course["hours"])
    meeting = {"room": course["code"], "starts_at": begin.isoformat(), "ends_at": end.isoformat()}
    body = {"course": course["code"], "trainer_id": str(uuid4()), "seats": 9, "meetings": [meeting]}
    session = good(trainer.post("/training/sessions", json=body), 201)
    path = f"/training/sessions/{session['id']}"
    good(me.post(f"{path}/places", json={"enrolment_id": enrolment["id"]}), 201)
    good(trainer.post(f"{path}/meetings/{session['meetings'][0]['id']}/attendance", json={"present": {who: True}}))
    return 1


def test_from_a_failed_audit_through_coaching_to_its_follow_up_and_back(cluster: Cluster) -> None:
    gone, mentor, kim = (str(uuid4()) for _ in range(3))
    with cluster.client("recruiting", "hr") as hr:
        for person in (
            {"id": mentor, "role": "senior_agent", "agent_id": None},
            {"id": gone, "role": "senior_agent", "agent_id": None},
            {"id": kim, "role": "agent", "agent_id": "kim", "mentor_id": gone, "team_lead_id": mentor},
        ):
            good(hr.post("/recruiting/employees", json={"date": "2021-01-01", **person}), 201)

    def recorded(call_id: str) -> str:
        """A call of Kim's that ended just now, as telephony tells it; the id of its recording."""
        now = datetime.now(UTC)
        call = CallEnded(call_id=call_id, agent_id="kim", started_at=now, answered_at=now, ended_at=now)
        told = {"specversion": "1.0", "id": str(uuid4()), "source": "telephony", "type": call.type,
                "time": now.isoformat(), "data": call.model_dump(mode="json")}  # fmt: skip
        with cluster.client("qa", "service") as service:
            kind = {"Content-Type": "application/cloudevents+json"}
            good(service.post("/events", content=json.dumps(told), headers=kind), 202)

        def known() -> str | None:
            found = cluster.items("qa", "/qa/recordings", call_id=call_id)
            return next((it["id"] for it in found if it["employee_id"] == kim), None)

        return str(wait_for(f"recording of {call_id}", known))

    def coaching(**expected: Any) -> dict[str, Any]:
        """The assignment, as soon as it says this."""

        def found() -> dict[str, Any] | None:
            items = cluster.items("training", "/training/coaching-assignments", employee_id=kim)
            return next((it for it in items if it.items() >= expected.items()), None)

        return dict(wait_for(f"coaching with {expected}", found))

    def overturned(audit_id: str) -> None:
        dispute = {"reason": "misheard", "comment": "I did listen.", "criteria": ["listening"]}
        with cluster.client("qa", "agent", sub=kim) as me:
            good(me.post(f"/qa/audits/{audit_id}/disputes", json=dispute), 201)
        decision = {"outcome": "overturned", "reason": "misheard", "comment": "True."}
        with cluster.client("qa", "manager") as judge:
            good(judge.post(f"/qa/audits/{audit_id}/disputes/decision", json=decision))

    with cluster.client("qa", "auditor", sub="aud-9") as auditor:

        def failed(call_id: str) -> str:
            audit = good(
                auditor.post("/qa/audits", json={"recording_id": recorded(call_id), "scorecard": "short"}), 201
            )
            good(auditor.put(f"/qa/audits/{audit['id']}/answers", json=answers(listening="no")))
            assert good(auditor.post(f"/qa/audits/{audit['id']}/submit"))["result"] == "failed"
            return str(audit["id"])

        audit = failed("kim-1")
        assert coaching(status="assigned", audit_id=audit)["coach_id"] == gone
        with cluster.client("recruiting", "hr") as hr:
            left = {"date": datetime.now(UTC).date().isoformat()}
            good(hr.post(f"/recruiting/employees/{gone}/departure", json=left))
        assigned = coaching(coach_id=mentor, stand_in=True)
        path = f"/training/coaching-assignments/{assigned['id']}"
        with cluster.client("training", "agent", sub=kim) as me:
            good(me.post(f"{path}/acknowledgement"))
        with cluster.client("training", "agent", sub=mentor) as coach:
            good(coach.post(f"{path}/completion"))

        def owed() -> list[dict[str, Any]]:
            return cluster.items("qa", "/qa/follow-ups", employee_id=kim)

        [follow_up] = wait_for("a follow-up is asked for", owed)
        assert follow_up["criteria"] == ["listening"]
        later = {"recording_id": recorded("kim-2")}
        again = good(auditor.post(f"/qa/follow-ups/{follow_up['id']}/audit", json=later), 201)
        good(auditor.put(f"/qa/audits/{again['id']}/answers", json={"answers": {"listening": {"value": "yes"}}}))
        assert good(auditor.post(f"/qa/audits/{again['id']}/submit"))["result"] == "passed"
        coaching(audit_id=audit, status="followed_up", follow_up_audit_id=again["id"], follow_up_met=True)
        other = failed("kim-3")
        coaching(audit_id=other, status="assigned", coach_id=mentor)
    overturned(audit)
    coaching(audit_id=audit, no_longer_owed=True, coach_id=mentor)
    overturned(other)
    coaching(audit_id=other, status="cancelled")
    for service_ in ("training", "qa", "performance", "recruiting"):
        assert cluster.items(service_, "/dead-letters") == []
