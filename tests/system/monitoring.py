"""The monitoring that is shipped, for tests: its queries, and the programs that understand them."""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.system.processes import PLAIN, free_port, wait_for

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "headset.json"


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


@contextlib.contextmanager
def prometheus(directory: Path, target: str) -> Iterator[Prometheus]:
    """With our rules, in a hurry: nobody in a test waits for fifteen seconds."""
    server, port = program("prometheus"), free_port()
    shutil.copy(RULES, directory)
    (directory / "prometheus.yml").write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yml"],
                "scrape_configs": [
                    {"job_name": "headset", "static_configs": [{"targets": [target], "labels": {"process": "up"}}]}
                ],
            }
        )
    )
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [server, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        it = Prometheus(f"http://127.0.0.1:{port}")

        def ready() -> bool:
            assert process.poll() is None, (directory / "prometheus.log").read_text()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{it.url}/-/ready", timeout=5, **PLAIN).is_success
            return False

        wait_for("Prometheus", ready)
        yield it
    finally:
        process.terminate()
        process.wait(20)
