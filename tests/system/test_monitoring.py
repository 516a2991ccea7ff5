"""Is the monitoring that is shipped right: rules that fire when they should, names that exist, a runbook for each?"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from pydantic import ConfigDict, TypeAdapter, ValidationError

from services.all import SERVICES
from shared import metrics
from tests.system.monitoring import DASHBOARD, DEPLOY, metrics_in, program, queries, recorded_in, rules

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


def strange(dashboard: dict[str, Any]) -> list[str]:
    """What Grafana's own types do not know in this dashboard, or know to be of another type or value."""
    register_default_plugins()
    read = Dashboard.from_json(dashboard)
    written = json.loads(JSONEncoder(sort_keys=True).encode(read))
    kinds = {panel["type"] for panel in dashboard["panels"]} - {"row", "stat", "timeseries"}
    return [*kinds, *_lost(dashboard, written, ""), *_untrue(read, "")]


def _lost(given: Any, written: Any, at: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(written, dict):
        for key, value in given.items():
            yield from _lost(value, written.get(key, "nothing"), f"{at}/{key}")
    elif isinstance(given, list) and isinstance(written, list) and len(given) == len(written):
        for n, (one, other) in enumerate(zip(given, written, strict=True)):
            yield from _lost(one, other, f"{at}/{n}")
    elif given != written:
        yield at


def _untrue(part: Any, at: str) -> Iterator[str]:
    """The types say what their attributes are, but hold nobody to it."""
    if isinstance(part, list):
        for n, one in enumerate(part):
            yield from _untrue(one, f"{at}/{n}")
    elif type(part).__module__.startswith("grafana_foundation_sdk.models") and hasattr(part, "to_json"):
        for name, hint in get_type_hints(type(part)).items():
            value = getattr(part, name)
            try:
                TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
            except ValidationError as error:
                yield f"{at}/{name}: {error.errors()[0]['msg']}"
            yield from _untrue(value, f"{at}/{name}")


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert strange(dashboard) == []
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [(x, y) for panel in panels for x, y in _cells(**panel["gridPos"])]
    assert len(set(taken)) == len(taken)  # none covers another
    assert all(x < 24 for x, _ in taken)
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["grafana"]
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in grafana["volumes"])
    provisioning = DEPLOY / "grafana" / "provisioning"
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "headset.yml").read_text())["providers"]
    assert provider["options"]["path"] == mounts["./deploy/grafana/dashboards"]
    asked = [
        part["datasource"] for panel in panels for part in (panel, *panel.get("targets", ())) if "datasource" in part
    ]
    assert {(one["type"], one["uid"]) for one in asked} == {(source["type"], source["uid"])}


def _cells(x: int, y: int, w: int, h: int) -> Iterator[tuple[int, int]]:
    return ((x + i, y + j) for i in range(w) for j in range(h))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it.update(titel="Headset"),
        lambda it: it.update(title=5),
        lambda it: it["panels"][1].update(type="statt"),
        lambda it: it["panels"][1]["options"].update(colourMode="background"),
        lambda it: it["panels"][1]["options"].update(colorMode="red"),
        lambda it: it["panels"][1]["gridPos"].update(w="six"),
        lambda it: it["panels"][1]["targets"][0].update(legend="x"),
        lambda it: it["panels"][1]["fieldConfig"]["defaults"].update(units="s"),
    ],
)
def test_a_dashboard_that_is_wrong_is_found_out(spoil: Callable[[Any], None]) -> None:
    wrong = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    spoil(wrong)
    assert len(strange(wrong)) == 1
