"""The HTTP server: listening sockets, accepting connections, and uvicorn without its signal handling.

This module overrides parts of uvicorn that are not documented, so `pyproject.toml` bounds its version, and
`tests/server/http/test_uvicorn_contract.py` fails when they change. docs/upstream-reports.md has the report.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.errors import PortInUseError
from aggregator.observability.logs import get_logger
from aggregator.server.http.protocol import TOO_MANY_CONNECTIONS_RESPONSE, LimitedProtocol, RequestLimits

if TYPE_CHECKING:
    # At run time only with TLS: its library takes 8 MiB.
    from aggregator.server.tls import CertificateReloader

LISTEN_BACKLOG = 1024
# The limit for one turn of the event loop, so that a flood of connections does not delay the open ones.
MAX_ACCEPTS_PER_TURN = 64
# How long to stop accepting when descriptors or memory are exhausted. Clients wait in the backlog meanwhile.
ACCEPT_PAUSE_SECONDS = 0.2
# The minimum time between two warnings of one kind.
WARNING_INTERVAL_SECONDS = 60.0

RESOURCE_EXHAUSTION_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# TLS copies what it encrypts, therefore large responses are written in chunks of this size.
TLS_CHUNK_BYTES = 256 * 1024

# What uvicorn does besides passing requests to the application is switched off.
UVICORN_OPTIONS: Mapping[str, Any] = {
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    # TRUSTED_PROXIES decides which X-Forwarded-For is used (`forwarded.trust_forwarded_for`).
    "proxy_headers": False,
}

_log = get_logger(__name__)


def open_listener(setting_prefix: str, host: str, port: int) -> socket.socket:
    """Return a listening socket for the server with these settings ("HTTP", "GRPC"). Port 0 selects a free port.

    Raises PortInUseError, which names the setting to change.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError):
        raise PortInUseError(f"{setting_prefix}_HOST: cannot listen on {host}:{port}: unknown host") from None
    try:
        return socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise PortInUseError(
                f"{setting_prefix}_HOST: cannot listen on {host}:{port}: not an address of this machine"
            ) from None
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise PortInUseError(f"{setting_prefix}_PORT: cannot listen on {host}:{port}: {reason}") from None


@dataclass(frozen=True)
class AcceptLimits:
    """How many connections are accepted, the response to those over the limit, and the TLS handshake."""

    max_connections: int
    rejection_response: bytes = b""
    ssl_context: ssl.SSLContext | None = None
    handshake_timeout_seconds: float = 10.0


class ConnectionAcceptor:
    """Accepts connections. `protocol_factory` gets a function that the protocol calls when its connection is closed.

    asyncio's own server never accepts again after descriptors ran out, and limits neither the number of connections nor
    the time of a TLS handshake.
    """

    def __init__(
        self,
        listener: socket.socket,
        limits: AcceptLimits,
        protocol_factory: Callable[[Callable[[], None]], asyncio.Protocol],
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._protocol_factory = protocol_factory
        self._open_connections: set[object] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause_timer: asyncio.TimerHandle | None = None
        self._last_warned_at: dict[str, float] = {}

    def start(self) -> None:
        """Start accepting connections."""
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept_pending)

    def stop(self) -> None:
        """Stop accepting connections; the system refuses new ones."""
        if self._pause_timer is not None:
            self._pause_timer.cancel()
        if self._listener.fileno() != -1:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()

    def _accept_pending(self) -> None:
        for _ in range(MAX_ACCEPTS_PER_TURN):
            try:
                connection, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in RESOURCE_EXHAUSTION_ERRNOS:
                    self._pause_accepting(error)
                    return
                # The client has already disconnected.
                continue
            if len(self._open_connections) < self._limits.max_connections:
                self._accept_connection(connection)
            else:
                self._reject_connection(connection)

    def _accept_connection(self, connection: socket.socket) -> None:
        slot = object()
        self._open_connections.add(slot)
        task = asyncio.get_running_loop().create_task(self._set_up_connection(connection, slot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _set_up_connection(self, connection: socket.socket, slot: object) -> None:
        loop, limits = asyncio.get_running_loop(), self._limits

        def build_protocol() -> asyncio.Protocol:
            return self._protocol_factory(lambda: self._open_connections.discard(slot))

        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if limits.ssl_context is None:
                await loop.connect_accepted_socket(build_protocol, connection)
            else:
                await loop.connect_accepted_socket(
                    build_protocol,
                    connection,
                    ssl=limits.ssl_context,
                    ssl_handshake_timeout=limits.handshake_timeout_seconds,
                )
        except (OSError, asyncio.CancelledError):
            # The handshake failed or timed out. Not logged, because any client can cause it.
            self._open_connections.discard(slot)
            connection.close()

    def _reject_connection(self, connection: socket.socket) -> None:
        with connection:
            self._warn_rate_limited(
                "connection limit reached, refusing connections", limit=self._limits.max_connections
            )
            try:
                connection.setblocking(False)
                if self._limits.rejection_response:
                    connection.send(self._limits.rejection_response)
            except OSError:
                # The client has already disconnected.
                return

    def _pause_accepting(self, error: OSError) -> None:
        loop = asyncio.get_running_loop()
        self._warn_rate_limited("cannot accept connections, pausing", error=error.strerror)
        loop.remove_reader(self._listener.fileno())
        self._pause_timer = loop.call_later(ACCEPT_PAUSE_SECONDS, self.start)

    def _warn_rate_limited(self, event: str, **fields: object) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._last_warned_at.get(event, -WARNING_INTERVAL_SECONDS) >= WARNING_INTERVAL_SECONDS:
            self._last_warned_at[event] = now
            _log.warning(event, **fields)


@dataclass(frozen=True)
class HttpServerOptions:
    """The limits of connections, and TLS if `reloader` is set."""

    max_connections: int = 10_000
    limits: RequestLimits = field(default_factory=RequestLimits)
    reloader: "CertificateReloader | None" = None
    handshake_timeout_seconds: float = 10.0


class HttpServer:
    """An HTTP server on a listening socket."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        grace_seconds: float,
        options: HttpServerOptions | None = None,
    ) -> None:
        options = options or HttpServerOptions()
        self._reloader = options.reloader
        config = uvicorn.Config(
            app if self._reloader is None else chunk_responses(app),
            http=LimitedProtocol,
            **UVICORN_OPTIONS,
            timeout_keep_alive=options.limits.idle_timeout_seconds,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
        )
        self._server = _UvicornServer(config, listener, options)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start accepting connections."""
        self._tasks = [asyncio.create_task(self._server.serve(), name="http")]
        if self._reloader is not None:
            self._tasks.append(asyncio.create_task(self._reloader.run(), name="http certificate"))

    @property
    def tasks(self) -> "Sequence[asyncio.Task[None]]":
        """The tasks that run until the server is stopped."""
        return self._tasks

    @property
    def connection_count(self) -> int:
        """The number of open connections."""
        return len(self._server.server_state.connections)

    async def stop(self) -> None:
        """Stop accepting connections; return when the current requests are answered, or after the grace period."""
        self._server.should_exit = True
        for task in self._tasks[1:]:
            task.cancel()
        if self._tasks:
            await self._tasks[0]


class _UvicornServer(uvicorn.Server):
    """uvicorn with another acceptor, and without signal handlers.

    uvicorn's handlers would stop HTTP and end the process before gRPC has stopped.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket, options: HttpServerOptions) -> None:
        super().__init__(config)
        reloader = options.reloader
        self._limits = options.limits
        if reloader is None:
            limits = AcceptLimits(options.max_connections, TOO_MANY_CONNECTIONS_RESPONSE)
        else:
            # Before the TLS handshake no response can be sent.
            limits = AcceptLimits(
                options.max_connections, b"", reloader.build_ssl_context(), options.handshake_timeout_seconds
            )
        self._acceptor = ConnectionAcceptor(listener, limits, self._build_protocol)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting connections."""
        self.servers = []
        self._acceptor.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, and let uvicorn finish the open ones."""
        self._acceptor.stop()
        await super().shutdown(sockets)

    def _build_protocol(self, on_closed: Callable[[], None]) -> LimitedProtocol:
        return LimitedProtocol(self.config, self.server_state, self._limits, on_closed)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def chunk_responses(app: ASGIApp) -> ASGIApp:
    """Return the application with large responses in chunks, each sent when the client has read the previous one."""

    async def chunking_app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_chunks(message: MutableMapping[str, Any]) -> None:
            body = message.get("body", b"")
            if len(body) <= TLS_CHUNK_BYTES:
                await send(message)
                return
            remaining = memoryview(body)
            while len(remaining) > TLS_CHUNK_BYTES:
                await send({**message, "body": remaining[:TLS_CHUNK_BYTES], "more_body": True})
                remaining = remaining[TLS_CHUNK_BYTES:]
            await send({**message, "body": remaining})

        await app(scope, receive, send_in_chunks)

    return chunking_app
