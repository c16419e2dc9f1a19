"""The running program: its parts put together, and the order in which they start and stop."""

import asyncio
import contextlib
import ctypes
import gc
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import uvloop

from aggregator import __version__, tracing
from aggregator.errors import NoTopologyError, PartEndedError
from aggregator.logs import Mask, logger
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
from aggregator.server.http_front import METRICS_PATH, OPEN_PATHS, Door, Front
from aggregator.server.http_server import HttpServer, HttpTransport
from aggregator.server.http_watch import Watched
from aggregator.server.listen import listener, most_connections
from aggregator.server.metrics_api import MetricsApp
from aggregator.server.proxies import proxies
from aggregator.server.readiness import Readiness
from aggregator.server.tls import Rotation
from aggregator.server.trust import keys_of, rules_of
from aggregator.server.watch import Watch
from aggregator.settings import Settings, secrets_of
from aggregator.snapshot import Snapshot
from aggregator.stopping import ignore_signals, stop_signal
from aggregator.take import Plan, Taker, Views
from aggregator.telemetry import Telemetry
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

    @property
    def tasks(self) -> "Sequence[asyncio.Task[None]]":
        """What runs until it is stopped."""

    async def start(self) -> None:
        """Begin to serve."""

    async def stop(self) -> None:
        """Take nothing new, finish what is under way."""


@dataclass(frozen=True)
class Access:
    """Who may ask, and whether there is something to show."""

    readiness: Readiness
    guard: Guard | None


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raise PortInUseError where a server cannot listen."""
    _be_quick_to_answer()
    _be_quick_to_return_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = stop_signal()
    watch = _watch(settings)
    refresher = _refresher(settings, watch.telemetry)
    keys = keys_of(settings, watch.telemetry.keys_not_fetched)
    readiness = Readiness(refresher.current, keys.require) if keys else Readiness(refresher.current)
    guard = TokenGuard(keys, rules_of(settings)) if keys else None
    _show_state(watch.telemetry, refresher, readiness)
    with contextlib.closing(refresher):
        servers = _servers(settings, refresher, Access(readiness, guard), watch)
        for server in servers:
            await server.start()
        running = [asyncio.create_task(refresher.run(), name="refresher")]
        if keys is not None:
            running.append(asyncio.create_task(keys.run(), name="keys"))
        broken = await until_stopped(stop, [*running, *(task for server in servers for task in server.tasks)])
        _log.info("stopping", grace_seconds=settings.GRACE)
        readiness.stop()
        await asyncio.sleep(min(NOTICE_SECONDS, settings.GRACE / 2))
        await asyncio.gather(*(server.stop() for server in servers), return_exceptions=bool(broken))
        for part in running:
            part.cancel()
        await asyncio.wait(running)
    if watch.tracing is not None:
        await asyncio.to_thread(watch.tracing.close)
    _log.info("stopped")
    ignore_signals()
    if broken:
        raise PartEndedError(", ".join(broken))


async def until_stopped(stop: asyncio.Event, parts: "Sequence[asyncio.Task[None]]") -> list[str]:
    """Wait for the signal, or for a part that ends by itself; return the names of those that did.

    They only do if they broke. Then the whole process ends: half a gateway looks well from outside.
    """
    for part in parts:
        part.add_done_callback(lambda _ended: stop.set())
    await stop.wait()
    broken = [part for part in parts if part.done()]
    for part in broken:
        why = None if part.cancelled() else part.exception()
        _log.error("a part ended by itself", part=part.get_name(), exc_info=why)
    return [part.get_name() for part in broken]


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


def _watch(settings: Settings) -> Watch:
    """Return what counts, traces if there is a collector, and logs."""
    telemetry = Telemetry((row.name for row in CATALOG), (address.name for address in settings.upstreams))
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    traces = tracing.start(endpoint.get_secret_value(), telemetry.spans_dropped) if endpoint is not None else None
    telemetry.traces = traces
    return Watch(telemetry, traces, settings.LOG_LEVEL == "debug")


def _show_state(telemetry: Telemetry, refresher: Refresher, readiness: Readiness) -> None:
    """Let gauges say at each scrape how things stand."""

    def of_what_is_shown(look: Callable[[Snapshot], float], otherwise: float) -> Callable[[], float]:
        def value() -> float:
            try:
                return look(refresher.current())
            except NoTopologyError:
                return otherwise

        return value

    telemetry.watch("aggregator_ready", lambda: readiness.why_not() is None)
    telemetry.watch("aggregator_snapshot_age_seconds", of_what_is_shown(refresher.age_seconds, math.nan))
    telemetry.watch("aggregator_topology_complete", of_what_is_shown(lambda shown: shown.is_complete, 0))


def _servers(settings: Settings, refresher: Refresher, access: Access, watch: Watch) -> list[Server]:
    """Return the servers that are wanted, each with its port taken and none started."""
    most = most_connections(settings.MAX_CONNECTIONS)
    servers: list[Server] = []
    if settings.http_port is not None:
        behind = http_api.create(access.readiness, watch.telemetry)
        # How many clusters there are is not for those who may see some only.
        open_paths = OPEN_PATHS if settings.CLUSTER_ROLES is None else OPEN_PATHS - {METRICS_PATH}
        front = Front(refresher, Door(access.guard, open_paths), settings.LAYOUT, behind, watch.telemetry)
        socket = listener("HTTP", settings.HTTP_HOST, settings.http_port)
        rotation = Rotation("http", settings.http_tls) if settings.http_tls else None
        app = browsers(proxies(front, settings.trusted_proxies), settings.CORS_ORIGINS)
        http = HttpServer(Watched(app, watch), socket, settings.GRACE, HttpTransport(most, rotation=rotation))
        watch.telemetry.watch("aggregator_http_connections", lambda: http.connections)
        servers.append(http)
        _tell_listening("http", settings.HTTP_HOST, socket.getsockname()[1])
    if settings.METRICS_PORT is not None:
        socket = listener("METRICS", settings.METRICS_HOST, settings.METRICS_PORT)
        servers.append(HttpServer(MetricsApp(watch.telemetry), socket, settings.GRACE))
        _tell_listening("metrics", settings.METRICS_HOST, socket.getsockname()[1])
    if settings.GRPC_PORT is not None:
        is_open = settings.GRPC_AUTH == "off"
        if access.guard is not None and is_open:
            _log.warning("gRPC is open to callers without tokens, as GRPC_AUTH=off says")
        rotation = Rotation("grpc", settings.grpc_tls) if settings.grpc_tls else None
        server = GrpcServer(
            refresher,
            None if is_open else access.guard,
            access.readiness,
            settings.GRACE,
            GrpcTransport(most, rotation),
            watch,
        )
        port = server.listen(settings.GRPC_HOST, settings.GRPC_PORT)
        servers.append(server)
        _tell_listening("grpc", settings.GRPC_HOST, port)
    return servers


def _tell_listening(server: str, host: str, port: int) -> None:
    _log.info("listening", server=server, host=host, port=port, version=__version__)


def _refresher(settings: Settings, telemetry: Telemetry) -> Refresher:
    limits = Limits(settings.QUERY_TIMEOUT, settings.MAX_ANSWER_BYTES, settings.QUERY_CONCURRENCY)
    gatherers = [_gatherer(settings, limits, address, telemetry) for address in settings.upstreams]
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
    pace = Pace(settings.REFRESH_INTERVAL, settings.MAX_STALE)
    return Refresher(taker, pace, telemetry=telemetry, hide=Mask(secrets_of(settings, {})).hide)


def _gatherer(settings: Settings, limits: Limits, address: Address, telemetry: Telemetry) -> Gatherer:
    dialect = Dialect(settings.THANOS, serves_partial=settings.PARTIAL_RESPONSE == "serve", source=address.name)
    client = Client(address, limits, settings.access, dialect)
    source = Source(address.name, address.cluster)
    return Gatherer(client, settings.QUERY_CONCURRENCY, settings.REFRESH_TIMEOUT, source, telemetry)
