"""Is the Kafka that tests run on a real one, and does it survive what tests do to it?"""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tools.kafka import broker as module
from tools.kafka.broker import Broker, NoKafka


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str, number: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer, asyncio.timeout(30):
        return [(await consumer.getone()).value for _ in range(number)]


async def create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()


async def test_what_is_produced_is_consumed(kafka: str) -> None:
    await create(kafka, "broker-test")
    await produce(kafka, "broker-test", b"one")
    assert await consume(kafka, "broker-test", 1) == [b"one"]


async def test_kill_pause_and_restart_keep_data_and_address(own_kafka: Broker) -> None:
    bootstrap = own_kafka.bootstrap
    await create(bootstrap, "kept")
    await produce(bootstrap, "kept", b"before")
    own_kafka.kill()
    own_kafka.restart()
    assert own_kafka.bootstrap == bootstrap

    own_kafka.pause()
    waiting = asyncio.create_task(produce(bootstrap, "kept", b"after"))
    _, pending = await asyncio.wait([waiting], timeout=0.5)
    assert pending
    own_kafka.resume()
    await waiting
    assert await consume(bootstrap, "kept", 2) == [b"before", b"after"]

    own_kafka.stop()
    assert not own_kafka.directory.exists()


def test_without_java_or_maven_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSET_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(NoKafka, match="apt-get install maven"):
        Broker.start()
    (tmp_path / "mvn").symlink_to("/bin/true")
    with pytest.raises(NoKafka, match="apt-get install default-jre-headless"):
        Broker.start()


def test_a_broker_of_ones_own_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    assert module.bootstrap_servers() == "broker:9092"


@pytest.mark.kafka
def test_in_the_foreground_it_prints_its_address_and_ends_on_sigterm(kafka: str) -> None:
    command = [sys.executable, "-m", "tools.kafka.broker"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:")
        process.terminate()
        assert process.wait(30) == 0
