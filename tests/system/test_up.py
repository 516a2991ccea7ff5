"""One command: does `headset up` bring everything, and mend what was left behind?"""

import json
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.system.monitoring import Prometheus, Receiver, alertmanager, metrics_in, prometheus, queries, rules
from tests.system.processes import HEADSET, Process, free_port, run, stopped_at_the_end, wait_for

SERVICES = {"recruiting", "training", "performance", "qa"}
UNWELL = """
headset_relay_leader{service="ill"} 0
headset_outbox_oldest_seconds{service="ill"} 900
headset_dead_letters{service="ill"} 2
"""
PAGER, TICKETS = "/pager.example.com", "/tickets.example.com"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def centre(home: Path) -> Iterator[Process]:
    """A Headset with its demo centre."""
    process = started(home)
    with stopped_at_the_end([process]):
        yield process


@dataclass
class Watched:
    prometheus: Prometheus
    alerts: str
    receiver: Receiver


@pytest.fixture(scope="module")
def watched(centre: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The centre, and beside it a process that is unwell, with Prometheus and Alertmanager.

    For the whole module: what Alertmanager gathers for half a minute before it says so, it gathers during other tests.
    """
    receiver, directory = Receiver(UNWELL), tmp_path_factory.mktemp("watched")
    targets = {"up": f"127.0.0.1:{centre.port}", "ill-worker": receiver.address}
    try:
        with (
            alertmanager(directory, receiver.address) as alerts,
            prometheus(directory, targets, alerts) as server,
        ):
            # What Prometheus goes on saying for five minutes of a process that is down; and the same of one that is up.
            ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
            late = [
                {"labels": {"alertname": "HeadsetErrors", "process": process, "severity": "page"}, "endsAt": ends}
                for process in ("qa-api", "up")
            ]
            httpx.post(f"{alerts}/api/v2/alerts", json=late).raise_for_status()
            yield Watched(server, alerts, receiver)
    finally:
        receiver.close()


def started(home: Path, *more: str) -> Process:
    process = Process("up", "--data", str(home / "data"), *more, environment={}, log=home / "said.txt")
    wait_for("the welcome", lambda: process.ready() and "Ctrl-C" in process.said, 120)
    return process


def ask(centre: Process, home: Path, role: str, path: str, body: Any = None) -> Any:
    token = run("token", "--as", role, "--data", str(home / "data")).stdout.strip()
    method = "GET" if body is None else "POST"
    answer = httpx.request(method, f"{centre.url}{path}", json=body, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    return answer.json()


def test_the_welcome_shows_the_chain_with_addresses_that_answer(centre: Process, home: Path) -> None:
    paths = re.findall(rf"{centre.url}(/(?:qa|training|performance)/\S+)", centre.said)
    audit, assignment, explanation, _ = (ask(centre, home, "manager", path) for path in paths)
    assert audit["result"] == "failed"
    assert assignment["audit_id"] == audit["id"]
    assert audit["id"] in json.dumps(explanation)
    [line] = [line.removeprefix("To ask: ") for line in centre.said.splitlines() if line.startswith("To ask: ")]
    typed = line.replace("$(headset ", f"$({shlex.join(HEADSET)} ")
    assert json.loads(subprocess.check_output(["bash", "-c", typed], text=True)) == audit


def test_each_demo_role_sees_what_is_its_own(centre: Process, home: Path) -> None:
    chain = json.loads((home / "data" / "demo.json").read_text())["chain"]
    own = ask(centre, home, "agent", "/qa/audits?limit=500")["items"]
    assert {audit["employee_id"] for audit in own} == {chain["employee_id"]}
    everyones = ask(centre, home, "auditor", "/qa/audits?limit=500")["items"]
    assert len(everyones) == 8
    people = ask(centre, home, "hr", "/recruiting/employees?limit=500")["items"]
    assert 30 <= len(people) <= 35
    assert len({person["team"] for person in people if person["agent_id"]}) == 2


def test_prometheus_scrapes_it_and_answers_every_query(watched: Watched) -> None:
    server = watched.prometheus
    wait_for("recorded series", lambda: server.ask("headset:invariant_breaches"), 60)
    scraped = {it["metric"] for it in server.api("targets/metadata", match_target='{job="headset"}')}
    for who, query in queries().items():
        assert metrics_in(query) <= scraped, who
        server.ask(query)
    said = [rule for group in server.api("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in said if rule["health"] != "ok"] == []
    assert {one["metric"]["service"] for one in server.ask("headset:outbox_rows")} == SERVICES
    assert {one["metric"]["service"] for one in server.ask("headset_relay_leader == 1")} == SERVICES
    holds = {
        (one["metric"]["service"], one["metric"]["invariant"]) for one in server.ask("headset:invariant_breaches == 0")
    }
    assert len(holds) == len(SERVICES) + 4
    assert float(server.ask('sum(headset_audits_told_total{result="failed"})')[0]["value"][1]) > 0


def test_what_must_always_hold_does(centre: Process, home: Path) -> None:
    said = run("check", "--data", str(home / "data"))
    assert (said.returncode, said.stderr) == (0, "")
    assert len(re.findall(" holds$", said.stdout, re.MULTILINE)) == len(said.stdout.splitlines()) == 10


def test_a_second_headset_is_told_apart_in_one_line(centre: Process, home: Path) -> None:
    same_port = run("up", "--data", str(home / "other"), "--port", str(centre.port))
    assert (same_port.returncode, same_port.stderr.count("\n")) == (1, 1)
    assert f":{centre.port}" in same_port.stderr
    same_data = run("up", "--data", str(home / "data"), "--port", str(free_port()))
    assert (same_data.returncode, same_data.stderr.count("\n")) == (1, 1)
    assert "another Headset" in same_data.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_its_postgres_and_starts_again_with_everything(home: Path, how: int, tmp_path: Path) -> None:
    centre = started(tmp_path, "--no-demo")
    person = {"agent_id": "kept", "role": "agent"}
    ask(centre, tmp_path, "hr", "/recruiting/employees", person)
    servers = [p for p in psutil.Process(centre._process.pid).children(recursive=True) if p.name() == "postgres"]
    assert servers
    if how == signal.SIGKILL:
        centre.kill()
    else:
        assert centre.stop(how) == 0
    psutil.wait_procs(servers, timeout=20)
    assert not any(server.is_running() for server in servers)
    centre.start()
    with stopped_at_the_end([centre]):
        wait_for("the second welcome", lambda: centre.ready() and centre.said.count("Ctrl-C") == 2)
        assert [p["agent_id"] for p in ask(centre, tmp_path, "hr", "/recruiting/employees")["items"]] == ["kept"]


def test_a_seeding_killed_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    centre = Process("up", "--data", str(tmp_path / "data"), environment={}, log=tmp_path / "said.txt")
    wait_for("the seeding", lambda: centre.ready() and (tmp_path / "data" / "demo.json").exists())
    wait_for("some employees", lambda: ask(centre, tmp_path, "admin", "/recruiting/employees")["items"])
    centre.kill()
    assert "Ctrl-C" not in centre.said
    centre.start()
    with stopped_at_the_end([centre]):
        wait_for("the welcome", lambda: centre.ready() and "Ctrl-C" in centre.said, 120)
        assert len(ask(centre, tmp_path, "auditor", "/qa/audits?limit=500")["items"]) == 8
        logins = [p["agent_id"] for p in ask(centre, tmp_path, "hr", "/recruiting/employees?limit=500")["items"]]
        assert len([login for login in logins if login]) == len({login for login in logins if login}) == 24


def test_what_cannot_start_says_so_in_one_line(tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "format").write_text("999\n")
    occupied = tmp_path / "file"
    occupied.write_text("not a directory")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, hint in (
            (("--data", str(newer)), "newer release"),
            (("--data", str(occupied)), "Cannot write"),
            (("--data", str(tmp_path / "x"), "--port", str(taken.getsockname()[1])), "--port"),
            (("--data", str(tmp_path / "x"), "--host", "0.0.0.0"), "this machine only"),
        ):
            ended = run("up", *arguments)
            assert ended.returncode == 1, ended
            assert ended.stderr.count("\n") == 1, ended.stderr
            assert hint in ended.stderr


def test_who_is_on_call_hears_each_thing_once_and_not_what_follows_from_it(watched: Watched) -> None:
    """Last, because Alertmanager gathers for half a minute, as it is configured."""
    told = watched.receiver.of
    pages = ("HeadsetDown", "HeadsetNoRelay", "HeadsetErrors")
    wait_for("pages and a ticket", lambda: all(told(PAGER, it) for it in pages) and told(TICKETS, "HeadsetDeadLetters"))
    [down] = told(PAGER, "HeadsetDown")  # one page of eight alerts, not eight pages
    processes = {f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker")}
    assert {alert["annotations"]["summary"] for alert in down["alerts"]} == {f"No {it} answers." for it in processes}
    [errors] = told(PAGER, "HeadsetErrors")
    assert [alert["labels"]["process"] for alert in errors["alerts"]] == ["up"]  # that of qa-api follows from its end
    [no_relay] = told(PAGER, "HeadsetNoRelay")
    assert no_relay["groupLabels"] == {"alertname": "HeadsetNoRelay", "service": "ill"}
    assert told(PAGER, "HeadsetOutboxStuck") == []
    [dead] = told(TICKETS, "HeadsetDeadLetters")
    assert "2 letters could not be handled" in dead["commonAnnotations"]["summary"]
    assert not [it for it in pages if told(TICKETS, it)]
    assert not told(PAGER, "HeadsetDeadLetters")
    written = {rule["alert"]: rule["annotations"]["runbook"] for rule in rules() if "alert" in rule}
    for group in (down, no_relay, dead):
        assert group["status"] == "firing"
        assert group["commonAnnotations"]["runbook"] == written[group["groupLabels"]["alertname"]]

    silent = httpx.get(f"{watched.alerts}/api/v2/alerts", params={"active": False}).raise_for_status().json()
    assert {(it["labels"]["alertname"], it["labels"].get("process")) for it in silent} == {
        ("HeadsetErrors", "qa-api"),
        ("HeadsetOutboxStuck", None),
    }
