"""The monitoring that is shipped, for tests: its queries, and the programs that understand them."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.system.processes import PLAIN, free_port, wait_for

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "headset.json"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"


def program(name: str) -> str:
    """Where it is; without it a test is skipped, or, in CI, fails."""
    if found := shutil.which(name):
        return found
    reason = f"no {name}: install Debian's packages prometheus and prometheus-alertmanager"
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI has to have Prometheus: {reason}", pytrace=False)
    pytest.skip(reason)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def queries() -> dict[str, str]:
    """Everything that is asked of Prometheus, by who asks."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = {rule.get("record") or rule["alert"]: rule["expr"] for rule in rules()}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            asked[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    return asked


def metrics_in(query: str) -> set[str]:
    """Ours, as /metrics describes them: without what a histogram adds to its name."""
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bheadset_[a-z0-9_]+", query)}


def recorded_in(query: str) -> set[str]:
    return set(re.findall(r"\bheadset:[a-z0-9_:]+", query))


class Prometheus:
    """One that scrapes a single address every second."""

    def __init__(self, url: str) -> None:
        self.url = url

    def api(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=params, timeout=10, **PLAIN).json()
        assert answer["status"] == "success", (params, answer)
        return answer["data"]

    def ask(self, query: str) -> list[Any]:
        found: list[Any] = self.api("query", query=query)["result"]
        return found


class Receiver:
    """Where Alertmanager sends to: keeps what it is told, by path. At /metrics it says `page`, as a process does."""

    def __init__(self, page: str) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        told, answer = self.told, page.encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(answer)

            def do_POST(self) -> None:
                told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, path: str, alert: str) -> list[dict[str, Any]]:
        """What was told of this alert, a group each."""
        return [told for at, told in self.told if at == path and told["groupLabels"]["alertname"] == alert]


@contextlib.contextmanager
def _running(name: str, directory: Path, port: int, *flags: str) -> Iterator[str]:
    """One of Prometheus's programs, ready; its address."""
    log = directory / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [program(name), *flags, f"--web.listen-address=127.0.0.1:{port}"], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{url}/-/ready", timeout=5, **PLAIN).is_success
            return False

        wait_for(name, ready)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def alertmanager(directory: Path, receiver: str) -> Iterator[str]:
    """With our configuration, except that its receivers are at this address; its own address."""
    config = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    for one in config["receivers"]:
        for hook in one["webhook_configs"]:
            hook["url"] = f"http://{receiver}/{urlsplit(hook['url']).hostname}"
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(config))
    with _running(
        "prometheus-alertmanager", directory, free_port(), f"--config.file={directory}/alertmanager.yml",
        f"--storage.path={directory}/alerts", "--cluster.listen-address=",
    ) as url:  # fmt: skip
        yield url


@contextlib.contextmanager
def prometheus(directory: Path, targets: dict[str, str], alerts: str) -> Iterator[Prometheus]:
    """With our rules, in a hurry: nobody in a test waits for fifteen seconds, or two minutes until an alert fires.

    `targets`: addresses by the name of their process; `alerts`: where Alertmanager is.
    """
    hurried = re.sub(r"^( +for:) \w+$", r"\1 1s", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (directory / "rules.yml").write_text(hurried)
    processes = [{"targets": [address], "labels": {"process": name}} for name, address in targets.items()]
    (directory / "prometheus.yml").write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yml"],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [urlsplit(alerts).netloc]}]}]},
                "scrape_configs": [{"job_name": "headset", "static_configs": processes}],
            }
        )
    )
    with _running(
        "prometheus", directory, free_port(), f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/tsdb",
        "--rules.alert.resend-delay=1s",  # what fires before it has found Alertmanager is told once more
    ) as url:  # fmt: skip
        yield Prometheus(url)
