"""A TCP link that can be cut, held and slowed down: what stands between the processes and what they depend on."""

import asyncio
import contextlib
import threading
from typing import Any, Literal

Way = Literal["there", "back"]
"""From who connected to the target, or from the target to them."""


class Proxy:
    """Listens on a loopback port of its own and passes everything on to `target`, in a thread of its own."""

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self.delay = 0.0
        """Seconds that each piece is held back, in both directions."""
        self._links: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._gates: dict[Way, asyncio.Event] = {"there": asyncio.Event(), "back": asyncio.Event()}
        self.release()
        self._server = self._call(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._link, "127.0.0.1", 0)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            self._links.discard(writer)
            return
        self._links.add(there_writer)
        with contextlib.suppress(asyncio.CancelledError):  # the end of the test
            await asyncio.gather(
                self._pass(reader, there_writer, self._gates["there"]),
                self._pass(there_reader, writer, self._gates["back"]),
            )

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                await gate.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                sink.write(piece)
                await sink.drain()
        await gate.wait()
        sink.transport.abort()
        self._links.discard(sink)

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""

        async def cut() -> None:
            for link in list(self._links):
                link.transport.abort()

        self._call(cut())

    def hold(self, *ways: Way) -> None:
        """Take everything and pass nothing on, in one direction or in both: a network that swallows.

        The end of a connection is swallowed, too, if it comes this way. `release` passes everything on after all.
        """
        for way in ways or ("there", "back"):
            self._loop.call_soon_threadsafe(self._gates[way].clear)

    def release(self, *, lost: bool = False) -> None:
        """Pass on again; what was held is `lost` with its connections, or arrives after all."""
        if lost:
            self.cut()
        for gate in self._gates.values():
            self._loop.call_soon_threadsafe(gate.set)

    def close(self) -> None:
        async def close() -> None:
            self._server.close()
            for link in list(self._links):
                link.transport.abort()
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        self._call(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
