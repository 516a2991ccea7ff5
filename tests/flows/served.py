"""A world on a port, as programs of their own meet it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn

from tests.world import World


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """The address of this world; its background work goes on meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(world.app, log_config=None, lifespan="on"))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110  uvicorn has no event for this
                await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
