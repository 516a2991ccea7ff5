"""Are the manifests valid, complete, and is each thing they refer to there?"""

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from shared import contracts
from shared.kafka import topic_config
from tests.deploy.reading import NAMES, OVERLAYS, WITH_URLS, Document, Overlay, selects

KUBERNETES = "1.37.0"
CRDS = Path(__file__).parent / "crds"
LEAVES_WITHIN = 45.0
"""Seconds: 20 for requests in hand, 20 for batches and the relay, 5 to close connections."""

every = pytest.mark.parametrize("name", [*OVERLAYS, WITH_URLS])


@cache
def custom() -> dict[tuple[str, str], Any]:
    schemas = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in CRDS.glob("*.yaml")]
    return {(f"{one['group']}/{one['version']}", one["kind"]): closed(one["schema"]) for one in schemas}


def closed(schema: Any) -> Any:
    """A structural schema that takes no field it does not name; the API server would drop that silently."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(one) for name, one in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        inner.setdefault("additionalProperties", False)
    return inner


@every
def test_each_document_is_valid(overlays: dict[str, Overlay], name: str) -> None:
    for one in overlays[name].documents:
        validate(json.dumps({**one, "metadata": {**one["metadata"], "namespace": "any"}}))


@cache  # most documents are alike in all overlays, and the schemas are large
def validate(document: str) -> None:
    one = json.loads(document)
    schema = custom().get((one["apiVersion"], one["kind"]))
    if schema is None:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    else:
        jsonschema.Draft202012Validator(schema).validate(one)


def test_a_field_that_does_not_exist_is_refused(overlays: dict[str, Overlay]) -> None:
    topic = next(iter(overlays["dev"].all("KafkaTopic").values()))
    validator = jsonschema.Draft202012Validator(custom()[topic["apiVersion"], "KafkaTopic"])
    with pytest.raises(jsonschema.ValidationError, match="partition"):
        validator.validate({**topic, "spec": {**topic["spec"], "partition": 3}})
    policy = next(iter(overlays["dev"].all("NetworkPolicy").values()))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**policy, "spec": {**policy["spec"], "egres": []}}, KUBERNETES, strict=True)


@every
def test_each_service_has_all_its_parts(overlays: dict[str, Overlay], name: str) -> None:
    overlay = overlays[name]
    running = {f"{service}-{part}" for service in NAMES for part in ("api", "worker")}
    for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert set(overlay.all(kind)) == running, kind
    assert set(overlay.all("Job")) == {f"{service}-migrate" for service in NAMES}
    assert set(overlay.all("KafkaUser")) == {f"headset-{service}" for service in NAMES}
    own = set() if name == WITH_URLS else {f"{service}-database" for service in NAMES}
    assert set(overlay.all("Cluster")) == own
    assert not overlay.all("Secret")
    for service, (part, command) in itertools.product(NAMES, [("api", "serve"), ("worker", "work")]):
        [container] = overlay.all("Deployment")[f"{service}-{part}"]["spec"]["template"]["spec"]["containers"]
        assert container["args"] == [command, service]
        assert "command" not in container  # the image's own
    for service in NAMES:
        [container] = overlay.all("Job")[f"{service}-migrate"]["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["migrate", service]


@every
def test_pods_can_change_nothing_and_leave_in_time(overlays: dict[str, Overlay], name: str) -> None:
    for pod_name, pod in overlays[name].pods():
        spec, [container] = pod["spec"], pod["spec"]["containers"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert all(mount["readOnly"] for mount in container.get("volumeMounts", ()))
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert container["resources"]["limits"].keys() == {"memory"}
        assert container["image"].rpartition(":")[2] == "0.1.0"
        if pod_name.endswith("-migrate"):
            continue
        wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] >= wait + LEAVES_WITHIN
        assert {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")} == {
            "startup": {"path": "/health/live", "port": "http"},
            "liveness": {"path": "/health/live", "port": "http"},
            "readiness": {"path": "/health/ready", "port": "http"},
        }
        for spread in spec["topologySpreadConstraints"]:
            assert selects(spread["labelSelector"], pod["metadata"]["labels"])


@every
def test_what_is_referred_to_is_there(overlays: dict[str, Overlay], name: str) -> None:
    overlay = overlays[name]
    pods = dict(overlay.pods())
    namespaces = {one["metadata"].get("namespace") for one in overlay.documents if one["kind"] != "Namespace"}
    assert namespaces == set(overlay.all("Namespace"))

    for kind in ("Service", "PodDisruptionBudget"):
        for part, one in overlay.all(kind).items():
            selector = (
                one["spec"]["selector"] if kind == "PodDisruptionBudget" else {"matchLabels": one["spec"]["selector"]}
            )
            assert {pod for pod, it in pods.items() if selects(selector, it["metadata"]["labels"])} == {part}, kind
    for part, one in overlay.all("HorizontalPodAutoscaler").items():
        assert one["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": part}
        [metric] = one["spec"]["metrics"]
        if part.endswith("-worker"):
            assert metric["external"]["metric"]["name"] == "headset_consumer_lag_letters"
            assert metric["external"]["metric"]["selector"] == {"matchLabels": {"service": part.split("-")[0]}}
            assert one["spec"]["maxReplicas"] <= overlay.settings().topic_partitions
    [ingress] = overlay.all("Ingress").values()
    assert ingress["metadata"]["annotations"] == {"nginx.ingress.kubernetes.io/upstream-hash-by": "$http_authorization"}
    [rule] = ingress["spec"]["rules"]
    led = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}
    assert led == {f"/{service}": {"name": f"{service}-api", "port": {"name": "http"}} for service in NAMES} | {
        "/events": {"name": "qa-api", "port": {"name": "http"}}
    }

    made = {(f"headset-{service}", "password"): "from Strimzi" for service in NAMES}
    made |= {(f"{service}-database-app", "uri"): "from CloudNativePG, or by hand" for service in NAMES}
    for pod_name, pod in pods.items():
        found = overlay.environment(pod, made)
        assert found["DATABASE_URL"]
        if not pod_name.endswith("-migrate"):
            assert found["HEADSET_KAFKA_USERNAME"] == f"headset-{pod_name.split('-')[0]}"
            [mount], [volume] = pod["spec"]["containers"][0]["volumeMounts"], pod["spec"]["volumes"]
            assert mount["name"] == volume["name"]
            assert volume["secret"] == {
                "secretName": "kafka-cluster-ca-cert", "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }  # fmt: skip
            assert found["HEADSET_KAFKA_CA"] == f"{mount['mountPath']}/ca.crt"
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "headset"


@pytest.mark.parametrize("name", OVERLAYS)
def test_topics_are_those_that_headset_creates(overlays: dict[str, Overlay], name: str) -> None:
    wanted = overlays[name].settings()
    found = {topic: one["spec"] for topic, one in overlays[name].all("KafkaTopic").items()}
    spec = {"partitions": wanted.topic_partitions, "replicas": wanted.topic_replication, "config": topic_config(wanted)}
    assert found == dict.fromkeys(contracts.TOPICS, spec)
    for kind in ("KafkaTopic", "KafkaUser"):
        for one in overlays[name].all(kind).values():
            assert one["metadata"]["labels"]["strimzi.io/cluster"] == "kafka"


# What each pod may reach, told by the labels of what is there in a cluster. The answers are those of NetworkPolicy: a
# pod that any policy selects reaches only what one of its policies allows.

IN_CLUSTER = {
    "names of hosts": ({"k8s-app": "kube-dns"}, 53),
    "Kafka": ({"strimzi.io/cluster": "kafka", "strimzi.io/kind": "Kafka"}, 9093),
    "another Kafka": ({"strimzi.io/cluster": "other", "strimzi.io/kind": "Kafka"}, 9093),
    "traces": ({"app.kubernetes.io/name": "opentelemetry-collector"}, 4318),
    "anything": ({"app.kubernetes.io/name": "anything"}, 443),
    **{f"database of {service}": ({"cnpg.io/cluster": f"{service}-database"}, 5432) for service in NAMES},
    **{
        f"API of {service}": ({"app.kubernetes.io/name": service, "app.kubernetes.io/component": "api"}, 8000)
        for service in NAMES
    },
}


def reached(overlay: Overlay, pod: Document) -> set[str]:
    labels = pod["metadata"]["labels"]
    policies = [
        one["spec"] for one in overlay.all("NetworkPolicy").values() if selects(one["spec"]["podSelector"], labels)
    ]
    assert policies
    assert all("Egress" in policy["policyTypes"] for policy in policies if policy.get("egress"))
    found = set()
    for policy in policies:
        for rule in policy.get("egress", ()):
            ports = {port["port"] for port in rule["ports"]}
            for peer in rule["to"]:
                if "ipBlock" in peer:
                    assert peer["ipBlock"]["cidr"].endswith("/32")
                    found.add(f"outside:{min(ports)}")
                    continue
                found |= {
                    what
                    for what, (theirs, port) in IN_CLUSTER.items()
                    if port in ports and selects(peer["podSelector"], theirs)
                }
    return found


@every
def test_a_service_reaches_what_it_needs_and_nothing_else(overlays: dict[str, Overlay], name: str) -> None:
    for pod_name, pod in overlays[name].pods():
        service, _, part = pod_name.partition("-")
        expected = {"names of hosts", "outside:5432" if name == WITH_URLS else f"database of {service}"}
        if part != "migrate":
            expected |= {"Kafka", "traces", "outside:443"}
        assert reached(overlays[name], pod) == expected, pod_name


@every
def test_a_service_is_reached_by_whom_it_must(overlays: dict[str, Overlay], name: str) -> None:
    for pod_name, pod in overlays[name].pods():
        labels = pod["metadata"]["labels"]
        policies = [
            one["spec"]
            for one in overlays[name].all("NetworkPolicy").values()
            if selects(one["spec"]["podSelector"], labels)
        ]
        assert any("Ingress" in policy["policyTypes"] for policy in policies)
        peers = [peer for policy in policies for rule in policy.get("ingress", ()) for peer in rule["from"]]
        expected = {"-migrate": 0, "-worker": 1, "-api": 2}[f"-{pod_name.partition('-')[2]}"]
        assert len(peers) == expected, pod_name
