"""Both real servers in this process, on free ports, in a thread of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvloop

from aggregator.server import http_api
from aggregator.server.asgi import App
from aggregator.server.auth import Guard
from aggregator.server.grpc_api import GrpcServer
from aggregator.server.grpc_limits import GrpcTransport
from aggregator.server.http_at_once import watched_service
from aggregator.server.http_front import OPEN_PATHS, Door, Front
from aggregator.server.http_server import HttpServer, HttpTransport
from aggregator.server.listen import listener
from aggregator.server.readiness import Readiness
from aggregator.server.watch import Watch
from aggregator.telemetry import Telemetry
from tests.server.source import CommandedSource

HOST = "127.0.0.1"
GRACE_SECONDS = 1.0
SECONDS = 20.0


@dataclass(frozen=True)
class Ports:
    """Where the servers listen."""

    http: int
    grpc: int


@dataclass(frozen=True)
class Manner:
    """How the servers meet the network, and what stands around the front."""

    http: HttpTransport = field(default_factory=HttpTransport)
    grpc: GrpcTransport = field(default_factory=GrpcTransport)
    around: Callable[[App], App] = lambda app: app
    watch: Watch = field(default_factory=lambda: Watch(Telemetry()))
    open_paths: frozenset[str] = OPEN_PATHS


@dataclass(frozen=True)
class _Served:
    source: CommandedSource
    guard: Guard | None
    layout: str
    manner: Manner


_Stop = tuple[asyncio.AbstractEventLoop, asyncio.Event]


@contextmanager
def serving(
    source: CommandedSource, guard: Guard | None, layout: str = "1.2.5", manner: Manner | None = None
) -> Iterator[Ports]:
    """Serve a source over HTTP and gRPC while the block runs."""
    started: Future[tuple[Ports, _Stop]] = Future()
    served = _Served(source, guard, layout, manner or Manner())
    thread = threading.Thread(target=_run, args=(served, started), name="serving", daemon=True)
    thread.start()
    ports, (loop, stop) = started.result(SECONDS)
    try:
        yield ports
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(SECONDS)
        assert not thread.is_alive()


def _run(served: _Served, started: "Future[tuple[Ports, _Stop]]") -> None:
    async def serve() -> None:
        stop = asyncio.Event()
        watch = served.manner.watch
        readiness = Readiness(served.source.current)
        behind = http_api.create(readiness, watch.telemetry)
        front = Front(
            served.source, Door(served.guard, served.manner.open_paths), served.layout, behind, watch.telemetry
        )
        socket = listener("HTTP_PORT", HOST, 0)
        is_encrypted = served.manner.http.rotation is not None
        service = watched_service(front, served.manner.around(front), watch, is_encrypted=is_encrypted)
        http_server = HttpServer(service, socket, GRACE_SECONDS, served.manner.http)
        grpc_server = GrpcServer(served.source, served.guard, readiness, GRACE_SECONDS, served.manner.grpc, watch)
        ports = Ports(socket.getsockname()[1], grpc_server.listen(HOST, 0))
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
