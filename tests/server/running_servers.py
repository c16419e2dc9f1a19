"""Both real servers in this process, on free ports, in a thread of their own."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvloop

from aggregator.observability.instrumentation import Instrumentation
from aggregator.observability.metrics import OwnMetrics
from aggregator.server.auth.guard import Guard
from aggregator.server.grpc.limits import GrpcServerOptions
from aggregator.server.grpc.server import GrpcServer
from aggregator.server.http.app import HttpAppOptions, create_http_app
from aggregator.server.http.forwarded import IpNetwork
from aggregator.server.http.responses import PUBLIC_PATHS
from aggregator.server.http.server import HttpServer, HttpServerOptions, open_listener
from aggregator.server.http.ui import WebPage
from aggregator.server.status import Readiness
from aggregator.server.watch_service import MAX_WATCHES
from tests.server.snapshot_provider import FakeSnapshotProvider

HOST = "127.0.0.1"
GRACE_SECONDS = 1.0
SERVERS_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class ServerPorts:
    """Where the servers listen."""

    http: int
    grpc: int


@dataclass(frozen=True)
class ServerOptions:
    """How the servers are configured."""

    http: HttpServerOptions = field(default_factory=HttpServerOptions)
    grpc: GrpcServerOptions = field(default_factory=GrpcServerOptions)
    cors_origins: Sequence[str] = ()
    trusted_proxies: Sequence[IpNetwork] = ()
    instrumentation: Instrumentation = field(default_factory=lambda: Instrumentation(OwnMetrics()))
    public_paths: frozenset[str] = PUBLIC_PATHS
    page: WebPage | None = None
    max_watches: int = MAX_WATCHES


@dataclass(frozen=True)
class _ServerConfig:
    source: FakeSnapshotProvider
    guard: Guard | None
    layout: str
    options: ServerOptions


_StopHandle = tuple[asyncio.AbstractEventLoop, asyncio.Event]


@contextmanager
def run_servers(
    source: FakeSnapshotProvider, guard: Guard | None, layout: str = "1.2.5", options: ServerOptions | None = None
) -> Iterator[ServerPorts]:
    """Serve a source over HTTP and gRPC while the block runs."""
    started: Future[tuple[ServerPorts, _StopHandle]] = Future()
    config = _ServerConfig(source, guard, layout, options or ServerOptions())
    thread = threading.Thread(target=_run_in_thread, args=(config, started), name="serving", daemon=True)
    thread.start()
    ports, (loop, stop) = started.result(SERVERS_TIMEOUT_SECONDS)
    try:
        yield ports
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(SERVERS_TIMEOUT_SECONDS)
        assert not thread.is_alive()


def _run_in_thread(config: _ServerConfig, started: "Future[tuple[ServerPorts, _StopHandle]]") -> None:
    async def serve() -> None:
        stop = asyncio.Event()
        instrumentation = config.options.instrumentation
        readiness = Readiness(config.source.get_snapshot)
        http_options = HttpAppOptions(
            guard=config.guard,
            public_paths=config.options.public_paths,
            default_layout=config.layout,
            page=config.options.page,
            cors_origins=config.options.cors_origins,
            trusted_proxies=config.options.trusted_proxies,
            max_watches=config.options.max_watches,
        )
        socket = open_listener("HTTP_PORT", HOST, 0)
        app = create_http_app(config.source, readiness, instrumentation, http_options)
        http_server = HttpServer(app, socket, GRACE_SECONDS, config.options.http)
        grpc_server = GrpcServer(
            config.source, config.guard, readiness, GRACE_SECONDS, config.options.grpc, instrumentation
        )
        ports = ServerPorts(socket.getsockname()[1], grpc_server.listen(HOST, 0))
        await http_server.start()
        await grpc_server.start()
        started.set_result((ports, (asyncio.get_running_loop(), stop)))
        await stop.wait()
        await asyncio.gather(http_server.stop(), grpc_server.stop())

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)
