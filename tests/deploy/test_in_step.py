"""Do the compose file, the manifests, the image, the settings and the documents say the same?"""

import re
from xml.etree import ElementTree

import pytest
import yaml

from shared.settings import Settings
from tests.deploy.reading import NAMES, OVERLAYS, SECRETS, Overlay, compose, ours, variables
from tools.kustomize import ROOT

COMPOSE_ONLY = {"HEADSET_VERSION", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD"}
"""What `.env` has beside settings."""
COMMANDS_ONLY = {"HEADSET_TOKEN"}
"""What `headset import` takes from the environment beside settings."""
KUBERNETES_ONLY = {
    "HEADSET_KAFKA_SECURITY_PROTOCOL", "HEADSET_KAFKA_CA", "HEADSET_KAFKA_USERNAME", "HEADSET_KAFKA_PASSWORD",
    "HEADSET_TOPIC_PARTITIONS", "HEADSET_TOPIC_REPLICATION", "HEADSET_TOPIC_RETENTION_DAYS", "HEADSET_LOG_LEVEL",
}  # fmt: skip
"""There Kafka has users, and its operator makes the topics from what the settings say."""

MADE = {
    **{(f"{service}-database-app", "uri"): "postgresql://" for service in NAMES},
    **{(f"headset-{service}", "password"): "secret" for service in NAMES},
    ("headset-identity", "jwt-key"): "secret",
}


def said(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def named(text: str) -> set[str]:
    return set(re.findall(r"\b(?:HEADSET_[A-Z_]+[A-Z]|DATABASE_URL|KAFKA_BOOTSTRAP_SERVERS)\b", text))


def test_every_setting_is_documented() -> None:
    known = variables()
    assert {known[variable] for variable in named(said("README.md")) & known.keys()} == set(Settings.model_fields)


WRITTEN = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


@pytest.mark.parametrize("path", ["Dockerfile", "docker-compose.yml", "deploy/k8s/base/settings.env", *WRITTEN])
def test_no_variable_is_named_that_sets_nothing(path: str) -> None:
    assert named(said(path)) <= variables().keys() | COMPOSE_ONLY | COMMANDS_ONLY


def test_compose_sets_what_there_is() -> None:
    for name, one in ours(compose()).items():
        assert one["environment"].keys() <= variables().keys(), name


@pytest.mark.parametrize("name", OVERLAYS)
def test_compose_and_manifests_run_the_same(overlays: dict[str, Overlay], name: str) -> None:
    containers, pods = ours(compose()), dict(overlays[name].pods())
    assert set(containers) == set(pods) | {"topics"}  # which Strimzi makes
    for part, pod in pods.items():
        [container] = pod["spec"]["containers"]
        assert container["args"] == containers[part]["command"]
        environment = overlays[name].environment(pod, MADE)
        assert environment.keys() <= variables().keys()
        unset = {variable for variable, value in containers[part]["environment"].items() if not value}
        missing = set(containers[part]["environment"]) - unset - set(environment)
        assert missing <= ({"HEADSET_JWT_KEY"} if part.endswith("-migrate") else set())
        assert set(environment) - set(containers[part]["environment"]) <= KUBERNETES_ONLY
        assert environment["HEADSET_PORT"] == containers[part]["environment"]["HEADSET_PORT"] == "8000"
        if not part.endswith("-migrate"):
            [port] = container["ports"]
            assert port["containerPort"] == 8000
            path = container["readinessProbe"]["httpGet"]["path"]
            assert f"127.0.0.1:8000{path}'" in containers[part]["healthcheck"]["test"][-1]
            grace = float(containers[part]["stop_grace_period"].removesuffix("s"))
            assert grace == pod["spec"]["terminationGracePeriodSeconds"]


def test_prometheus_asks_each_process() -> None:
    [headset, *_] = yaml.safe_load(said("deploy/prometheus/prometheus.yml"))["scrape_configs"]
    [found] = headset["dns_sd_configs"]
    assert found["port"] == 8000
    assert set(found["names"]) == {f"{name}-{part}" for name in NAMES for part in ("api", "worker")}


def test_kafka_is_the_one_that_tests_run_on() -> None:
    version = ElementTree.fromstring(said("tools/kafka/pom.xml")).findtext(".//{*}kafka.version")
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_guide_says_what_compose_asks_for() -> None:
    guide = said("docs/deploy.md")
    for secret in SECRETS:
        assert f"\n{secret}=$(" in guide
    for port in re.findall(r'"127\.0\.0\.1:(\d+):', said("docker-compose.yml")):
        assert port in guide
    for path in re.findall(r"\b(?:deploy/[\w/.-]+\w|overlays/\w+|components/[\w-]+)", guide):
        there = [ROOT / path, ROOT / "deploy" / "k8s" / path]
        assert any(one.exists() for one in there), path


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_steps_of_the_guide_apply_everything(overlays: dict[str, Overlay], name: str) -> None:
    components = {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in overlays[name].documents}
    first = {"settings", "database", "kafka", "network", "migrate"}
    assert components == first | {"api", "worker", "ingress"}
    steps = re.findall(r"app\.kubernetes\.io/component in \(([^)]*)\)", said("docs/deploy.md"))
    assert {component for step in steps for component in step.split(", ")} == first
