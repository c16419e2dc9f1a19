"""uvicorn, run as a part of this program: it neither handles signals nor decides when to end the process."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from aggregator.server.http_front import App
from aggregator.server.http_limits import LimitedProtocol


class HttpServer:
    """An HTTP server on a socket that listens already."""

    def __init__(self, app: App, listener: socket.socket, grace_seconds: float) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                http=LimitedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # Whoever wants the client's address from a header must be trusted first; nobody is.
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(grace_seconds)),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to accept connections."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="http")

    @property
    def tasks(self) -> "Sequence[asyncio.Task[None]]":
        """What runs until it is stopped."""
        return [self._serving] if self._serving is not None else []

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.server_state.connections)

    async def stop(self) -> None:
        """Accept no more; return when the requests under way are answered, or the grace is over."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Server(uvicorn.Server):
    """A uvicorn that leaves the signals alone: it would stop first and end the process before gRPC could."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
