"""uvicorn, run as a part of this program: it neither handles signals nor decides when to end the process."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from aggregator.server.accept import Acceptor, Doors
from aggregator.server.asgi import App, Receive, Scope, Send
from aggregator.server.http_connection import Connection, QuickProtocol, Replier
from aggregator.server.http_limits import TOO_MANY, Limits
from aggregator.server.tls import RotatingContext, Rotation

# Written at once to a connection with TLS, which makes a copy of what it writes.
PIECE_BYTES = 256 * 1024

# What uvicorn would do beside handing requests to the application, and is not to.
UVICORN: Mapping[str, Any] = {
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    # Whoever wants the client's address from a header must be trusted first (server/proxies.py).
    "proxy_headers": False,
}


@dataclass(frozen=True)
class HttpTransport:
    """How the HTTP server meets the network: how many connections, what each may take, and TLS if `rotation` is set."""

    most_connections: int = 10_000
    limits: Limits = field(default_factory=Limits)
    rotation: Rotation | None = None
    handshake_seconds: float = 10.0


@dataclass(frozen=True)
class Service:
    """What is served: an application, and what makes for each new connection who answers at once, if anybody."""

    app: App
    new_replier: Callable[[], Replier] | None = None


class HttpServer:
    """An HTTP server on a socket that listens already."""

    def __init__(
        self,
        service: Service,
        listener: socket.socket,
        grace_seconds: float,
        transport: HttpTransport | None = None,
    ) -> None:
        transport = transport or HttpTransport()
        self._rotation = transport.rotation
        config = uvicorn.Config(
            service.app if self._rotation is None else in_pieces(service.app),
            http=QuickProtocol,
            **UVICORN,
            timeout_keep_alive=transport.limits.idle_seconds,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
        )
        self._server = _Server(config, listener, transport, service.new_replier)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to accept connections."""
        self._tasks = [asyncio.create_task(self._server.serve(), name="http")]
        if self._rotation is not None:
            self._tasks.append(asyncio.create_task(self._rotation.run(), name="http certificate"))

    @property
    def tasks(self) -> "Sequence[asyncio.Task[None]]":
        """What runs until it is stopped."""
        return self._tasks

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.server_state.connections)

    async def stop(self) -> None:
        """Accept no more; return when the requests under way are answered, or the grace is over."""
        self._server.should_exit = True
        for watching in self._tasks[1:]:
            watching.cancel()
        if self._tasks:
            await self._tasks[0]


class _Server(uvicorn.Server):
    """A uvicorn that takes its connections from our acceptor, and leaves the signals alone.

    Signals would make it stop first and end the process before gRPC could.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        transport: HttpTransport,
        new_replier: Callable[[], Replier] | None,
    ) -> None:
        super().__init__(config)
        rotation = transport.rotation
        self._limits = transport.limits
        self._new_replier = new_replier
        if rotation is None:
            doors = Doors(transport.most_connections, TOO_MANY)
        else:
            # In the middle of no handshake there is nothing that could be said.
            context = RotatingContext.of(rotation)
            doors = Doors(transport.most_connections, b"", context, transport.handshake_seconds)
        self._acceptor = Acceptor(listener, doors, self._protocol)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        self.servers = []
        self._acceptor.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, and let uvicorn finish those that there are."""
        self._acceptor.stop()
        await super().shutdown(sockets)

    def _protocol(self, ended: Callable[[], None]) -> QuickProtocol:
        reply = None if self._new_replier is None else self._new_replier()
        return QuickProtocol(self.config, self.server_state, Connection(self._limits, ended, reply))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def in_pieces(app: App) -> App:
    """Return the application, its large answers sent piece by piece, each when the client took those before."""

    async def paced(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_pieces(message: MutableMapping[str, Any]) -> None:
            body = message.get("body", b"")
            if len(body) <= PIECE_BYTES:
                await send(message)
                return
            rest = memoryview(body)
            while len(rest) > PIECE_BYTES:
                await send({**message, "body": rest[:PIECE_BYTES], "more_body": True})
                rest = rest[PIECE_BYTES:]
            await send({**message, "body": rest})

        await app(scope, receive, send_in_pieces)

    return paced
