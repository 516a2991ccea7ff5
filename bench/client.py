"""How are requests sent without the client being what is measured?

Ready-made bytes over kept connections, an answer read no further than its length; each connection sends its next
request when the last is answered, or at a given rate. For short requests it runs as a process of its own:
`python -m bench.client` reads a job from its standard input and writes the answers to its standard output.
"""

import asyncio
import pickle
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import uvloop

from bench.measure import NotMeasured


class Answer(NamedTuple):
    number: int
    """Of the request."""
    sent: float
    """Unix time, as the other times of a run that come from several processes."""
    at: float
    status: int


@dataclass(frozen=True, slots=True)
class Job:
    port: int
    requests: Sequence[bytes]
    connections: int
    rate: float | None = None
    """Requests a second; without it, as fast as they are answered."""


def request(path: str, token: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """A POST as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def ask(self, words: bytes) -> "asyncio.Future[int]":
        """The status that comes back."""
        assert self._transport is not None
        self._received = b""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(words)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or self._answered is None:
            return
        _, named, rest = head.lower().partition(b"\r\ncontent-length:")
        if named and len(body) >= int(rest.split(b"\r\n", 1)[0]):
            self._answered.set_result(int(head[9:12]))
            self._answered = None

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None:
            self._answered.set_exception(error or ConnectionError("the server hung up"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def send(job: Job) -> list[Answer]:
    """The answers to all requests, in the order of the requests."""
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(_Connection, "127.0.0.1", job.port))[1] for _ in range(job.connections)
    ]
    answers: list[Answer] = []
    waiting: Iterator[tuple[int, bytes]] = iter(enumerate(job.requests))
    began = loop.time() + 0.05

    async def work(connection: _Connection) -> None:
        for number, words in waiting:
            if job.rate:
                await asyncio.sleep(began + number / job.rate - loop.time())
            sent = time.time()
            status = await connection.ask(words)
            answers.append(Answer(number, sent, time.time(), status))

    try:
        await asyncio.gather(*map(work, connections))
    finally:
        for connection in connections:
            connection.close()
    return sorted(answers)


async def send_from_outside(job: Job) -> list[Answer]:
    """As `send`, from a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.client", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(pickle.dumps(job))
    if process.returncode != 0:
        raise NotMeasured("the client failed; its words are above")
    answers: list[Answer] = pickle.loads(said)
    return answers


def all_answered(answers: Sequence[Answer], status: int) -> Sequence[Answer]:
    """The answers, if each has this status."""
    wrong = next((answer.status for answer in answers if answer.status != status), None)
    if wrong is not None:
        raise NotMeasured(f"a request was answered with {wrong} instead of {status}")
    return answers


def rate_of(answers: Sequence[Answer]) -> float:
    """Answers a second, from the first request to the last answer."""
    return len(answers) / (max(a.at for a in answers) - min(a.sent for a in answers))


def main() -> None:
    sys.stdout.buffer.write(pickle.dumps(uvloop.run(send(pickle.load(sys.stdin.buffer)))))


if __name__ == "__main__":
    from bench import client  # by its name, so that both processes mean the same classes

    client.main()
