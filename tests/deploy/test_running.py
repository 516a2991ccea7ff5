"""Do the very commands, variables and ports that the compose file and the manifests name come up, become healthy, work
and leave in time? On a real PostgreSQL and a real Kafka, as processes on loopback addresses."""

import ipaddress
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.contracts.telephony import CallEnded
from shared.identity import sign
from shared.kafka import create_topics
from shared.postgres import EmbeddedPostgres, binaries
from shared.settings import Settings
from tests.conftest import FreshDatabase, start_broker
from tests.deploy.reading import NAMES, SECRETS, Document, Overlay, compose, ours
from tests.deploy.running import Container, all_end_well, leaving, succeeds
from tests.system.processes import PLAIN, free_port, wait_for
from tools.kafka.broker import Broker
from tools.kustomize import ROOT

KEY = SECRETS["HEADSET_JWT_KEY"]


def handled(container: Container, type: str) -> int:
    """How many letters of this type a worker has handled."""
    said = httpx.get(f"{container.url}/metrics", timeout=10, **PLAIN).text
    found = re.findall(rf'headset_events_handled_total{{outcome="handled",.*type="{re.escape(type)}"}} (\d+)', said)
    return sum(map(int, found))


def one_call_travels(containers: dict[str, Container]) -> None:
    """An event handed to one API comes by Kafka to the workers of two other processes."""
    now = datetime.now(UTC)
    call = CallEnded(call_id="C1", agent_id="A1", started_at=now, answered_at=now, ended_at=now + timedelta(minutes=1))
    event = {
        "specversion": "1.0", "id": "E1", "source": "telephony", "type": call.type,
        "data": call.model_dump(mode="json"),
    }  # fmt: skip
    headers = {
        "Authorization": f"Bearer {sign(Settings(jwt_key=KEY), 'telephony', 'service')}",
        "Content-Type": "application/cloudevents+json",
    }
    answer = httpx.post(f"{containers['qa-api'].url}/events", json=event, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    for name in ("qa-worker", "performance-worker"):
        wait_for(f"{name} has handled it", lambda worker=containers[name]: handled(worker, call.type) == 1)
    for container in containers.values():
        assert "consumer_failed" not in container.said, container.name
        assert "relay_failed" not in container.said, container.name


# The compose file


@pytest.fixture
def composed_kafka() -> Iterator[Broker]:
    """A broker with the settings that the compose file gives to its own, but for addresses and directories."""
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in compose()["services"]["kafka"]["environment"].items()
        if not re.search("LISTENERS|VOTERS|LOG_DIRS|HEAP_OPTS", name)
    }
    with start_broker(given) as broker:
        yield broker


@pytest.mark.kafka
@pytest.mark.timeout(300)  # half a minute each on two idle cores
def test_compose_comes_up_works_and_leaves(
    composed_kafka: Broker, postgres: EmbeddedPostgres, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    file = compose({**SECRETS, "POSTGRES_PASSWORD": postgres.password})
    database = f"127.0.0.1:{postgres.port}/{fresh_database('composed').rpartition('/')[2]}"
    for name, places in (
        ("postgres", {"5432": str(postgres.port), "pg_isready": f"{binaries()}/pg_isready"}),
        ("kafka", {"9092": str(composed_kafka.port)}),
    ):
        check = file["services"][name]["healthcheck"]["test"][1:]
        wait_for(f"{name} is healthy", lambda k=check, p=places: succeeds(k, p))

    def start(name: str) -> Container:
        service = file["services"][name]
        environment = dict(service["environment"])
        environment["DATABASE_URL"] = environment["DATABASE_URL"].replace("postgres:5432/headset", database)
        environment["KAFKA_BOOTSTRAP_SERVERS"] = environment["KAFKA_BOOTSTRAP_SERVERS"].replace(
            "kafka:9092", composed_kafka.bootstrap
        )
        return Container(name, service["command"], environment, tmp_path)

    jobs = [start(name) for name in ours(file) if name.endswith("-migrate") or name == "topics"]
    all_end_well(jobs, 120)
    containers = {name: start(name) for name in ours(file) if name.endswith(("-api", "-worker"))}
    grace = min(float(file["services"][name]["stop_grace_period"].removesuffix("s")) for name in containers)
    with leaving(list(containers.values()), grace):
        for name, container in containers.items():
            places = {"python": sys.executable, "127.0.0.1": container.address}
            check = file["services"][name]["healthcheck"]["test"][1:]
            wait_for(
                f"{name} is healthy",
                lambda c=container, p=places, k=check: c.answers("/health/live") and succeeds(k, p),
            )
        one_call_travels(containers)
        token = token_of_the_guide(file["services"]["qa-api"]["environment"])
        answer = httpx.get(f"{containers['qa-api'].url}/qa/scorecards", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text


def token_of_the_guide(environment: dict[str, str]) -> str:
    """What the command in docs/deploy.md prints inside a container."""
    code = re.search(r'docker compose exec qa-api python -c "([^"]+)"', (ROOT / "docs" / "deploy.md").read_text())
    assert code
    asked = subprocess.run(
        [sys.executable, "-c", code[1]], env={"PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return asked.stdout.strip()


# The manifests


@pytest.fixture
def overlay(overlays: dict[str, Overlay]) -> Overlay:
    return overlays["dev"]


def certificate(address: str, directory: Path) -> tuple[Path, Path]:
    """A certificate for this address that vouches for itself: the file for brokers, the one for clients."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kafka")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "broker.pem").write_bytes(private + public)
    (directory / "ca.crt").write_bytes(public)
    return directory / "broker.pem", directory / "ca.crt"


@pytest.fixture
def strict_kafka(overlay: Overlay, tmp_path: Path) -> Iterator[tuple[Broker, str]]:
    """A broker as Strimzi would make it for these users: TLS, SCRAM, and nobody may do what is not granted."""
    address = f"127.0.0.1:{free_port()}"
    keys, _ = certificate("127.0.0.1", tmp_path)
    settings = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keys),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # who comes by the listener without a password: the operator, here the test
    }
    passwords = {user: f"of-{user}" for user in overlay.all("KafkaUser")}
    with start_broker(settings, listen=f"SASL_SSL://{address}", users=passwords) as broker:
        yield broker, address


# By the numbers of Kafka's protocol
RESOURCES = {"topic": 2, "group": 3}
OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8}
LITERAL, ALLOW = 3, 3


async def as_strimzi(broker: Broker, overlay: Overlay) -> None:
    """Make the topics and grant the rights that the custom resources state."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(
                    name, num_partitions=one["spec"]["partitions"], replication_factor=one["spec"]["replicas"],
                    topic_configs={key: str(value) for key, value in one["spec"]["config"].items()},
                )
                for name, one in overlay.all("KafkaTopic").items()
            ]
        )  # fmt: skip
        for user, one in overlay.all("KafkaUser").items():
            for acl in one["spec"]["authorization"]["acls"]:
                resource = acl["resource"]
                assert resource["patternType"] == "literal"
                for operation in acl["operations"]:
                    answer = await admin._send_request(
                        CreateAclsRequest(
                            RESOURCES[resource["type"]], resource["name"], LITERAL, f"User:{user}", "*",
                            OPERATIONS[operation], ALLOW,
                        )
                    )  # fmt: skip
                    assert [code for code, _ in answer.creation_responses] == [0]
    finally:
        await admin.close()


@pytest.mark.kafka
@pytest.mark.timeout(300)  # half a minute each on two idle cores
async def test_manifests_come_up_work_and_leave(
    overlay: Overlay, strict_kafka: tuple[Broker, str], fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    broker, address = strict_kafka
    await as_strimzi(broker, overlay)
    given = overlay.settings().model_copy(update={"kafka": broker.bootstrap, "kafka_security_protocol": "PLAINTEXT"})
    made, _ = await create_topics(given, list(overlay.all("KafkaTopic")))
    assert made == []

    secrets = {("headset-identity", "jwt-key"): KEY}
    for name in NAMES:
        secrets[f"{name}-database-app", "uri"] = fresh_database(name)
        secrets[f"headset-{name}", "password"] = f"of-headset-{name}"

    def start(name: str, pod: Document) -> Container:
        [container] = pod["spec"]["containers"]
        environment = overlay.environment(pod, secrets)
        assert environment["KAFKA_BOOTSTRAP_SERVERS"] == "kafka-kafka-bootstrap:9093"
        environment["KAFKA_BOOTSTRAP_SERVERS"] = address
        for mount in container.get("volumeMounts", ()):
            environment = {k: v.replace(mount["mountPath"], str(tmp_path)) for k, v in environment.items()}
        [port] = [port["containerPort"] for port in container.get("ports", ())] or [int(environment["HEADSET_PORT"])]
        assert port == int(environment["HEADSET_PORT"])
        return Container(name, container["args"], environment, tmp_path)

    pods = dict(overlay.pods())
    jobs = [start(name, pod) for name, pod in pods.items() if name.endswith("-migrate")]
    all_end_well(jobs, 120)
    containers = {name: start(name, pod) for name, pod in pods.items() if not name.endswith("-migrate")}
    specs = {name: pods[name]["spec"] for name in containers}
    grace = min(
        spec["terminationGracePeriodSeconds"] - spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        for spec in specs.values()
    )
    with leaving(list(containers.values()), grace):
        for name, container in containers.items():
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                path = specs[name]["containers"][0][probe]["httpGet"]["path"]
                wait_for(f"{probe} of {name}", lambda c=container, p=path: c.answers(p), 120)
        one_call_travels(containers)
