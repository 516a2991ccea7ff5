"""Is the monitoring that is shipped right: rules that fire when they should, names that exist, a runbook for each?"""

import re
import subprocess
from pathlib import Path

import yaml
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from services.all import SERVICES
from shared import metrics
from tests.system.monitoring import DEPLOY, metrics_in, program, queries, recorded_in, rules

ROOT = Path(__file__).parents[2]
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")


def checked(*command: str) -> str:
    done = subprocess.run(
        (program(command[0]), *command[1:]), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_rules_fire_when_they_should() -> None:
    assert "SUCCESS" in checked("promtool", "test", "rules", "deploy/prometheus/rules.test.yml")
    tested = yaml.safe_load((DEPLOY / "prometheus" / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {alert["alertname"] for test in tested for alert in test["alert_rule_test"] if alert["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


def test_the_configurations_are_valid_and_name_every_process() -> None:
    checked("promtool", "check", "config", "deploy/prometheus/prometheus.yml")
    checked("amtool", "check-config", "deploy/alertmanager/alertmanager.yml")
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    [found] = config["scrape_configs"][0]["dns_sd_configs"]
    processes = {f"{service.name}-{kind}" for service in SERVICES for kind in ("api", "worker")}
    assert set(found["names"]) == processes
    [down] = [rule for rule in rules() if rule.get("alert") == "HeadsetDown"]
    assert set(re.findall(r'process="([a-z-]+)"', down["expr"])) == processes


def test_queries_name_only_what_there_is() -> None:
    described = set(re.findall(r"^# TYPE (\S+)", generate_latest(REGISTRY).decode(), re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    guides = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("operations.md", "runbooks.md")}
    for who, query in (queries() | guides).items():
        assert metrics_in(query) <= described, who
        assert recorded_in(query) <= recorded, who


def test_metrics_are_named_with_their_unit() -> None:
    ours = [it for it in vars(metrics).values() if isinstance(it, MetricWrapperBase)]
    for family in (family for metric in ours for family in metric.describe()):
        assert family.name.startswith("headset_"), family.name
        assert family.documentation.endswith("."), family.name
        ends = {"histogram": ("_seconds",), "counter": ("",)}.get(family.type)
        if ends is None:  # gauges: a unit, or what is counted
            ends = ("_seconds", "_rows", "_letters", "_steps", "_assignments", "_breaches", "_in_use", "_limit",
                    "_leader", "_agent")  # fmt: skip
        assert family.name.endswith(ends), family.name


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(alerts)
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert [word in sections[name] for word in ("**Meaning.**", "**Look.**", "**Act.**")] == [True] * 3
    invariants = {check.name for service in SERVICES for check in service.checks} | {"outbox_moves"}
    assert invariants == set(re.findall(r"^\| `(\w+)`", sections["HeadsetInvariantBroken"], re.MULTILINE))
