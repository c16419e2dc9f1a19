"""The running program: its parts put together, and the order in which they start and stop."""

import asyncio
import contextlib
import ctypes
import gc
import signal
import sys
from typing import Protocol

import uvloop

from aggregator import __version__
from aggregator.logs import logger
from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.gather import Gatherer, Source
from aggregator.querier.thanos import Dialect
from aggregator.refresh import Pace, Refresher
from aggregator.server import http_api
from aggregator.server.auth import Guard, TokenGuard
from aggregator.server.browsers import browsers
from aggregator.server.grpc_api import GrpcServer
from aggregator.server.grpc_limits import GrpcTransport
from aggregator.server.http_front import Front
from aggregator.server.http_server import HttpServer, HttpTransport
from aggregator.server.listen import listener, most_connections
from aggregator.server.proxies import proxies
from aggregator.server.readiness import Readiness
from aggregator.server.tls import Rotation
from aggregator.server.trust import keys_of, rules_of
from aggregator.settings import Settings
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME

# Between turning not ready and closing the doors: so that whoever asks in between learns of it.
NOTICE_SECONDS = 0.5

SWITCH_SECONDS = 0.001
# Allocations, then collections of younger generations, before the collector looks: rarely, but not never.
COLLECT_AFTER = (50_000, 20, 100)

# From glibc's malloc.h.
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGE_BLOCK_BYTES = 2**20

_log = logger(__name__)


class Server(Protocol):
    """What is started and stopped."""

    async def start(self) -> None:
        """Begin to serve."""

    async def stop(self) -> None:
        """Take nothing new, finish what is under way."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raise PortInUseError where a server cannot listen."""
    _be_quick_to_answer()
    _be_quick_to_return_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = _stop_signal()
    refresher = _refresher(settings)
    keys = keys_of(settings)
    readiness = Readiness(refresher.current, keys.require) if keys else Readiness(refresher.current)
    guard = TokenGuard(keys, rules_of(settings)) if keys else None
    with contextlib.closing(refresher):
        servers = _servers(settings, refresher, readiness, guard)
        for server in servers:
            await server.start()
        refreshing = asyncio.create_task(refresher.run(), name="refresher")
        refreshing.add_done_callback(lambda _ended: stop.set())
        following = asyncio.create_task(keys.run(), name="keys") if keys else None
        await stop.wait()
        _log.info("stopping", grace_seconds=settings.GRACE)
        readiness.stop()
        await asyncio.sleep(min(NOTICE_SECONDS, settings.GRACE / 2))
        await asyncio.gather(*(server.stop() for server in servers))
        refreshing.cancel()
        if following:
            following.cancel()
        # Refreshing ends by itself only if it broke, which whoever runs the process must learn.
        with contextlib.suppress(asyncio.CancelledError):
            await refreshing
    _log.info("stopped")


def _be_quick_to_answer() -> None:
    """Let the event loop have its turn soon while a refresh computes on another thread.

    A thread that computes holds on to the interpreter for 5 ms at a time, and the garbage collector, unasked,
    looks at everything that imports and refreshes made, although none of it is in cycles.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _be_quick_to_return_memory() -> None:
    """Let the C library hand large blocks, such as answers and documents, back to the system when they are freed.

    glibc by itself learns to keep them, in an arena for each thread that ever asked for one: at 2,000 nodes that
    is 100 MiB. Other C libraries have no such function and no such habit.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        libc.mallopt(M_ARENA_MAX, 2)


def _servers(settings: Settings, refresher: Refresher, readiness: Readiness, guard: Guard | None) -> list[Server]:
    """Return the servers that are wanted, each with its port taken and none started."""
    most = most_connections(settings.MAX_CONNECTIONS)
    servers: list[Server] = []
    if settings.http_port is not None:
        front = Front(refresher, guard, settings.LAYOUT, http_api.create(readiness))
        socket = listener("HTTP", settings.HTTP_HOST, settings.http_port)
        rotation = Rotation("http", settings.http_tls) if settings.http_tls else None
        app = browsers(proxies(front, settings.trusted_proxies), settings.CORS_ORIGINS)
        transport = HttpTransport(most, rotation=rotation)
        servers.append(HttpServer(app, socket, settings.GRACE, transport))
        _tell_listening("http", settings.HTTP_HOST, socket.getsockname()[1])
    if settings.GRPC_PORT is not None:
        is_open = settings.GRPC_AUTH == "off"
        if guard is not None and is_open:
            _log.warning("gRPC is open to callers without tokens, as GRPC_AUTH=off says")
        rotation = Rotation("grpc", settings.grpc_tls) if settings.grpc_tls else None
        server = GrpcServer(
            refresher, None if is_open else guard, readiness, settings.GRACE, GrpcTransport(most, rotation)
        )
        port = server.listen(settings.GRPC_HOST, settings.GRPC_PORT)
        servers.append(server)
        _tell_listening("grpc", settings.GRPC_HOST, port)
    return servers


def _tell_listening(server: str, host: str, port: int) -> None:
    _log.info("listening", server=server, host=host, port=port, version=__version__)


def _refresher(settings: Settings) -> Refresher:
    limits = Limits(settings.QUERY_TIMEOUT, settings.MAX_ANSWER_BYTES, settings.QUERY_CONCURRENCY)
    gatherers = [_gatherer(settings, limits, address) for address in settings.upstreams]
    eager: list[str] = [settings.LAYOUT] if settings.http_port is not None else []
    eager += ["etim"] if settings.GRPC_PORT is not None else []
    plan = Plan(
        CATALOG,
        settings.MAX_STALE,
        settings.CLUSTER_NAME,
        whole_only=settings.PARTIAL_RESPONSE == "abort",
        vanished_notice_seconds=settings.VANISHED_NOTICE,
    )
    taker = Taker(gatherers, plan, Views(BY_NAME, tuple(eager)))
    return Refresher(taker, Pace(settings.REFRESH_INTERVAL, settings.MAX_STALE))


def _gatherer(settings: Settings, limits: Limits, address: Address) -> Gatherer:
    dialect = Dialect(settings.THANOS, serves_partial=settings.PARTIAL_RESPONSE == "serve", source=address.name)
    client = Client(address, limits, settings.access, dialect)
    source = Source(address.name, address.cluster)
    return Gatherer(client, settings.QUERY_CONCURRENCY, settings.REFRESH_TIMEOUT, source)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
