"""How does a test run what a compose file or a manifest names? The same words and variables, as processes.

Only names of hosts and mounted paths are translated. Each process has a loopback address of its own, so the ports are
the very same; it has no variable but those that are named, and an empty directory to be in.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

HEADSET = str(Path(sys.executable).with_name("headset"))
_addresses = iter(random.Random(os.getpid()).sample(range(256, 65536), 1000))


def own_address() -> str:
    """A loopback address that no other test run is likely to have."""
    number = next(_addresses)
    return f"127.77.{number >> 8}.{number & 255 or 1}"


class Container:
    """A process of Headset as a container would run it."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self.address = own_address()
        self.port = int(environment.get("HEADSET_PORT", "8000"))
        self.home = directory / name
        self.home.mkdir()
        self.log = directory / f"{name}.txt"
        own = {"HEADSET_HOST": self.address} if environment.get("HEADSET_HOST") == "0.0.0.0" else {}
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [HEADSET, *command], env={"PYTHONDONTWRITEBYTECODE": "1", **environment, **own}, cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def finished(self, seconds: float = 120) -> None:
        """A job has done its work."""
        assert self._process.wait(seconds) == 0, f"{self.name}:\n{self.said[-3000:]}"

    def answers(self, path: str) -> bool:
        """What Kubernetes does with an httpGet probe."""
        assert self._process.poll() is None, f"{self.name} has ended:\n{self.said[-3000:]}"
        try:
            return 200 <= httpx.get(f"{self.url}{path}", timeout=5).status_code < 400
        except httpx.TransportError:
            return False

    def terminate(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def left(self, within: float) -> None:
        """It ended by itself in time, properly, and wrote nothing anywhere it was."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        assert code == 0, f"{self.name}:\n{self.said[-3000:]}"
        assert not list(self.home.iterdir())


def succeeds(command: Sequence[str], places: Mapping[str, str]) -> bool:
    """Whether a health check that is a command succeeds, with these words of it replaced."""
    for place, there in places.items():
        command = [word.replace(place, there) for word in command]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


@contextlib.contextmanager
def leaving(containers: Sequence[Container], within: float) -> Iterator[None]:
    """At the end of the block each of them is told to leave, and does, in this time."""
    try:
        yield
    finally:
        for container in containers:
            container.terminate()
        for container in containers:
            container.left(within)
