"""Real `headset` processes for tests: started, waited for, killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

HEADSET = (sys.executable, "-m", "services")
PLAIN: Any = {"verify": False}
"""For httpx, where there is nothing to verify: reading all certificates takes fifty times longer than asking."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, met: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `met` answers as soon as that is something; fails when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        if found := met():
            return found
        assert time.monotonic() < deadline, f"{what}: not after {seconds} s"
        time.sleep(0.05)


class Process:
    """One `headset …` process that answers on a port of its own."""

    def __init__(
        self, *command: str, environment: Mapping[str, str], log: Path, port: int | None = None,
        program: Sequence[str] = HEADSET,
    ) -> None:  # fmt: skip
        self.port = port or free_port()
        self._command = (*program, *command, "--port", str(self.port))
        self.environment = {**os.environ, **environment}
        self.log = log
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def start(self) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self._command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def ready(self) -> bool:
        assert self._process.poll() is None, f"{self._command} has ended:\n{self.said[-3000:]}"
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5, **PLAIN).is_success
        except httpx.TransportError:
            return False

    def wait_ready(self, seconds: float = 60.0) -> None:
        wait_for(f"{' '.join(self._command[3:])} is ready", self.ready, seconds)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> bool:
        return self._process.poll() is not None

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """As by the kernel: no chance to put anything in order."""
        self._process.kill()
        self._process.wait()

    def stop(self, number: int = signal.SIGTERM, seconds: float = 40.0) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


@contextlib.contextmanager
def stopped_at_the_end(processes: list[Process]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send(signal.SIGTERM)
        for process in processes:
            process.stop()


def run(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One `headset` command to its end."""
    return subprocess.run(
        (*HEADSET, *command), env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=120,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
