"""How do tests, `make kafka` and the benchmarks get a real Apache Kafka without Docker?

Maven brings the jars that `pom.xml` names into a cache (`$HEADSET_CACHE`, else `~/.cache/headset`), the JVM
at hand runs one KRaft node, broker and controller in one, on free loopback ports, its data in a temporary
folder. `Cluster` runs three that keep copies of each other's data, for tests of what is lost with one of them: nothing.

`python -m tools.kafka.broker` runs one in the foreground. Whoever has a broker of their own sets
KAFKA_BOOTSTRAP_SERVERS, and its users ask `bootstrap_servers()` first.
"""

import base64
import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

POM = Path(__file__).with_name("pom.xml")
ROOT = POM.parent.parent.parent
LAUNCHER = ROOT / "shared" / "launch.py"
JAVA = 17  # what Kafka 4 asks for
READY_WITHIN = 60.0  # seconds; three on two idle cores

SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    # One node keeps one copy of everything, its own topics too.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Few partitions of its own topics, threads and buffers: it starts faster and stays small.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "background.threads": "2",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "8388608",
    # A topic nobody created is a mistake that has to show.
    "auto.create.topics.enable": "false",
    # Tests join groups all the time, and kill members to see who takes over.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A node that was killed is let in again when its old session ends; under load a shorter one would end by
    # itself.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "300",
}

WITH_COPIES = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}
"""What is different where there are three nodes."""


class NoKafka(Exception):
    """Why no Kafka can be had here, in one line."""


def bootstrap_servers() -> str | None:
    """The broker that the user brings, if any."""
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or None


class Broker:
    """One running node. `kill`, `pause` and `restart` are for tests of what its users do then."""

    def __init__(self, directory: Path, java: list[str], *, keep: bool, node: int = 1) -> None:
        self.directory = directory
        self.node = node
        self.port, self.controller_port = _free_port(), _free_port()
        self._java = java
        self._keep = keep
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls, settings: Mapping[str, str] | None = None, *, heap: str = "512m", keep: bool = False, listen: str = "",
        users: Mapping[str, str] | None = None, quick: bool = False,
    ) -> Self:  # fmt: skip
        """Bring the jars, format the storage, run, return when it answers; `keep` leaves the data.

        `listen` is one more listener, such as SASL_SSL://127.0.0.1:9095; `users`, name → password, are who may come
        by SCRAM-SHA-512. `quick`: it starts in half the time, and is slower under load.
        """
        broker = cls(_directory(keep=keep), _java(heap, quick=quick), keep=keep)
        try:
            broker._format([broker], _new_cluster(), settings or {}, listen, users or {})
            broker._run()
        except BaseException:
            broker.stop()
            raise
        return broker

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    def kill(self) -> None:
        """As the power fails; `restart` brings it back."""
        process = self._running()
        process.kill()
        process.wait()

    def pause(self) -> None:
        """As a machine that hangs: connections stay open, nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """The same data on the same port."""
        self._terminate()
        self._run()

    def stop(self) -> None:
        self._terminate()
        if not self._keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("this broker does not run")
        return self._process

    def _format(
        self, nodes: Sequence["Broker"], cluster: str, settings: Mapping[str, str], listen: str = "",
        users: Mapping[str, str] = {},
    ) -> None:  # fmt: skip
        here = f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
        here += f",{listen}" if listen else ""
        own = {
            "listeners": here,
            "node.id": str(self.node),
            "controller.quorum.voters": ",".join(f"{one.node}@127.0.0.1:{one.controller_port}" for one in nodes),
            "log.dirs": str(self.directory / "data"),
        }
        lines = [f"{name}={value}\n" for name, value in {**SETTINGS, **own, **settings}.items()]
        (self.directory / "server.properties").write_text("".join(lines))
        tool = [*self._java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", "server.properties"]
        for name, password in users.items():
            tool += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        done = subprocess.run(tool, cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoKafka(f"Kafka cannot format its storage: {_what_went_wrong(done.stdout + done.stderr)}")

    def _run(self) -> None:
        self._launch()
        self._wait()

    @property
    def _log(self) -> Path:
        return self.directory / "broker.log"

    def _launch(self) -> None:
        with self._log.open("ab") as log:
            # Killed when we die (Linux): a test run that is killed leaves no JVM. In a session of its own:
            # Ctrl-C is ours.
            launch = [
                sys.executable,
                "-I",
                "-S",
                str(LAUNCHER),
                str(int(signal.SIGKILL)),
                str(os.getpid()),
                "same",
            ]
            command = [*launch, *self._java, "kafka.Kafka", "server.properties"]
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not _answers(self.port):
            if self._running().poll() is not None:
                said = self._log.read_text(errors="replace")
                raise NoKafka(f"Kafka ended while it started: {_what_went_wrong(said)}")
            if time.monotonic() > deadline:
                raise NoKafka(f"Kafka did not answer within {READY_WITHIN:.0f} s; its log is {self._log}")
            time.sleep(0.02)

    def _terminate(self, seconds: float = 20) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Cluster:
    """Three nodes, each broker and controller. Two of them are needed to elect, and to take what is to have copies."""

    def __init__(self, nodes: Sequence[Broker]) -> None:
        self.nodes = tuple(nodes)

    @classmethod
    def start(cls, *, heap: str = "256m") -> Self:
        """As `Broker.start`, for three, with its errors."""
        java, name = _java(heap, quick=True), _new_cluster()
        cluster = cls([Broker(_directory(keep=False), java, keep=False, node=n) for n in (1, 2, 3)])
        try:
            with ThreadPoolExecutor() as each:
                list(each.map(lambda node: node._format(cluster.nodes, name, WITH_COPIES), cluster.nodes))
            cluster.restart(*cluster.nodes)
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def restart(self, *nodes: Broker) -> None:
        """All of these at once: none of them answers before two of the three are there."""
        for node in nodes:
            node._terminate()
            node._launch()
        for node in nodes:
            node._wait()

    def stop(self) -> None:
        """Not by asking: the last ones would wait for somebody to hand over to."""
        for node in self.nodes:
            node._terminate(0)
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _directory(*, keep: bool) -> Path:
    _remove_left_over()
    return Path(tempfile.mkdtemp(prefix=f"headset-kafka-{'kept' if keep else os.getpid()}-"))


def _java(heap: str, *, quick: bool) -> list[str]:
    """The command that runs a class of Kafka."""
    jars = fetch()
    options = [f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseSerialGC"]
    options += ["-XX:TieredStopAtLevel=1", f"-XX:SharedArchiveFile={_loaded(jars)}"] if quick else []
    options += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dlog4j2.disable.jmx=true"]
    return [find_java(), *options, "-cp", f"{jars}/*"]


def _loaded(jars: Path) -> Path:
    """Kafka's classes as a node had them in memory, which halves the work of starting the next one.

    A node runs once to make the file; a Java that cannot make or read it starts as without.
    """
    archive = jars.with_name(f"{jars.name}.jsa")
    with (jars.parent / "lock").open("a") as lock:
        if archive.exists():
            return archive
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.exists():
            return archive
        new = archive.with_suffix(".new")
        java = _java("512m", quick=False)
        node = Broker(_directory(keep=False), java, keep=False)
        try:
            node._format([node], _new_cluster(), {})
            node._java = [*java[:1], f"-XX:ArchiveClassesAtExit={new}", *java[1:]]
            node._run()
            node._terminate(60)
        finally:
            node.stop()
        new.touch()
        new.rename(archive)
    return archive


def _new_cluster() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def fetch() -> Path:
    """The directory of the jars, brought by Maven the first time; whole or not there, whoever is killed."""
    pom = POM.read_bytes()
    version = ElementTree.fromstring(pom).findtext(".//{*}kafka.version")
    name = f"kafka-{version}-{hashlib.sha256(pom).hexdigest()[:8]}"
    cache = _cache()
    jars = cache / name
    if jars.exists():
        return jars
    with (cache / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars.exists():
            return jars
        maven = shutil.which("mvn")
        if maven is None:
            raise NoKafka("Maven (mvn) is missing, which brings Kafka; on Debian or Ubuntu: apt-get install maven")
        find_java()
        print(f"kafka: Maven brings Apache Kafka {version} into {cache}, once", file=sys.stderr, flush=True)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=cache))
        try:
            command = [maven, "-q", "-B", "-ntp", "-f", str(POM), "dependency:copy-dependencies"]
            command += ["-DincludeScope=runtime", f"-DoutputDirectory={new}"]
            if not os.access(Path.home(), os.W_OK):
                command += [f"-Dmaven.repo.local={cache / 'maven'}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise NoKafka(f"Maven cannot bring Kafka: {_what_went_wrong(done.stdout + done.stderr)}")
            new.chmod(0o755)  # for other users of the same cache
            new.rename(jars)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return jars


def find_java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise NoKafka(
            f"Java {JAVA} or newer is missing, which runs Kafka; "
            "on Debian or Ubuntu: apt-get install default-jre-headless"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        raise NoKafka(f"Kafka needs Java {JAVA} or newer, and {java} is {version[1] if version else 'no Java'}")
    return java


def _cache() -> Path:
    named = os.environ.get("HEADSET_CACHE")
    # Some users have no home of their own (a service account, a container's number): then beside the code.
    for place in [Path(named)] if named else [Path.home() / ".cache" / "headset", ROOT / ".cache"]:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place.resolve()
    raise NoKafka("no place to keep Kafka in: name a writable directory in HEADSET_CACHE")


def _remove_left_over() -> None:
    """The data of brokers whose owners were killed; benchmarks fill gigabytes."""
    for place in Path(tempfile.gettempdir()).glob("headset-kafka-*-*"):
        owner = place.name.split("-")[2]
        if owner.isdigit():
            try:
                os.kill(int(owner), 0)
            except ProcessLookupError:
                shutil.rmtree(place, ignore_errors=True)
            except PermissionError:
                continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    """Does a metadata request (version 1, no topics) name a broker? Then it has registered with itself."""
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(12)  # length, correlation id, number of brokers
    except OSError:
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0


def _what_went_wrong(said: str) -> str:
    said = re.sub("\x1b[^m]*m", "", said)  # Maven colours what it says, asked or not
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    errors = [line for line in lines if "ERROR" in line or "Exception" in line]
    return (errors or lines or ["it said nothing"])[0]


def main() -> int:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        with Broker.start() as broker:
            print(f"Kafka answers on {broker.bootstrap}", file=sys.stderr)
            print(f"KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap}", flush=True)
            broker._running().wait()
            print("kafka: it ended by itself", file=sys.stderr)
            return 1
    except NoKafka as reason:
        print(f"kafka: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
