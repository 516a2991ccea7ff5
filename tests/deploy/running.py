"""How does a test run what a compose file or a manifest names? The same words and variables, as processes.

Only names of hosts and mounted paths are translated. Each process has a loopback address of its own, so the ports are
the very same; it has no variable but those that are named, and an empty directory to be in.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from tests.system.processes import PLAIN
from tools.kustomize import ROOT

HEADSET = (sys.executable, "-m", "services")  # what `headset`, the image's entry point, runs
_numbers = itertools.count(1)


def own_address() -> str:
    """A loopback address that no other test run on this machine has."""
    return f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}.{next(_numbers)}"


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
                [*HEADSET, *command], env={"PYTHONPATH": str(ROOT), **environment, **own}, cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def answers(self, path: str) -> bool:
        """What Kubernetes does with an httpGet probe."""
        assert self._process.poll() is None, f"{self.name} has ended:\n{self.said[-3000:]}"
        try:
            return 200 <= httpx.get(f"{self.url}{path}", timeout=5, **PLAIN).status_code < 400
        except httpx.TransportError:
            return False

    def terminate(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> str | None:
        """What was wrong with how it ended; None where nothing was, and nothing was written beside it."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return f"{self.name} did not end within {seconds} s:\n{self.said[-3000:]}"
        written = [file.name for file in self.home.iterdir()]
        return f"{self.name}: code {code}, wrote {written}:\n{self.said[-3000:]}" if code or written else None


def all_end_well(containers: Sequence[Container], within: float) -> None:
    """Wait for each of them to end by itself."""
    wrong = [said for said in [container.wait(within) for container in containers] if said]
    assert not wrong, "\n".join(wrong)


@contextlib.contextmanager
def leaving(containers: Sequence[Container], within: float) -> Iterator[None]:
    """At the end of the block each of them is told to leave, and does, in this time."""
    try:
        yield
    finally:
        for container in containers:
            container.terminate()
        all_end_well(containers, within)


def succeeds(command: Sequence[str], places: Mapping[str, str]) -> bool:
    """Whether a health check that is a command succeeds, with these words of it replaced."""
    for place, there in places.items():
        command = [word.replace(place, there) for word in command]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
