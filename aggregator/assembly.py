"""The parts of the program, put together as the settings say; none of them is started here."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aggregator import __version__, tracing
from aggregator.certificates import CertificateFiles
from aggregator.errors import NoTopologyError
from aggregator.logs import logger
from aggregator.models.catalog import CATALOG
from aggregator.process import room_for_connections
from aggregator.refresh import Pace, Refresher
from aggregator.secrets import Secrets
from aggregator.server import http_api
from aggregator.server.auth import Guard, TokenGuard
from aggregator.server.browsers import browsers
from aggregator.server.grpc_api import GrpcServer
from aggregator.server.grpc_limits import GrpcTransport
from aggregator.server.http_at_once import watched_service
from aggregator.server.http_front import METRICS_PATH, OPEN_PATHS, Door, Front
from aggregator.server.http_server import HttpServer, HttpTransport, Service
from aggregator.server.keys import Keys
from aggregator.server.listen import listener
from aggregator.server.metrics_api import MetricsApp
from aggregator.server.proxies import proxies
from aggregator.server.readiness import Readiness
from aggregator.server.tls import Rotation
from aggregator.server.trust import keys_of, rules_of
from aggregator.server.watch import Watch
from aggregator.settings import Settings
from aggregator.snapshot import Snapshot
from aggregator.sources import Sources, sources_of, taker_of
from aggregator.take import Views
from aggregator.telemetry import Telemetry
from aggregator.views import BY_NAME

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
class Parts:
    """What the servers stand on; without `keys` and `guard` no tokens are asked for."""

    watch: Watch
    refresher: Refresher
    keys: Keys | None
    guard: Guard | None
    readiness: Readiness


def assembled(settings: Settings, secrets: Secrets) -> Parts:
    """Return the parts that these settings ask for; they tell nobody any of the secrets."""
    sources = sources_of(settings, secrets)
    watch = _watch(settings, sources)
    refresher = _refresher(settings, sources, watch.telemetry)
    keys = keys_of(settings, watch.telemetry.keys_not_fetched)
    guard = TokenGuard(keys, rules_of(settings)) if keys else None
    readiness = (
        Readiness(refresher.current, keys.require, tells_details=False) if keys else Readiness(refresher.current)
    )
    _tell_replay(sources)
    _show_state(watch.telemetry, refresher, readiness)
    return Parts(watch, refresher, keys, guard, readiness)


def servers_of(settings: Settings, parts: Parts) -> list[Server]:
    """Return the servers that are wanted, each with its port taken; raise PortInUseError where one cannot be had."""
    is_default = "MAX_CONNECTIONS" not in settings.model_fields_set
    most = room_for_connections(settings.MAX_CONNECTIONS, is_default=is_default)
    servers: list[Server] = []
    if settings.http_port is not None:
        servers.append(_http_server(settings, settings.http_port, parts, most))
    if settings.METRICS_PORT is not None:
        servers.append(_metrics_server(settings, settings.METRICS_PORT, parts.watch.telemetry))
    if settings.GRPC_PORT is not None:
        servers.append(_grpc_server(settings, settings.GRPC_PORT, parts, most))
    return servers


def _watch(settings: Settings, sources: Sources) -> Watch:
    """Return what counts, traces if there is a collector, and logs."""
    telemetry = Telemetry((row.name for row in CATALOG), sources.names)
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    traces = None
    if endpoint is not None:
        traces = tracing.start(endpoint.get_secret_value(), telemetry.spans_dropped, sources.secrets)
    telemetry.traces = traces
    return Watch(telemetry, traces, settings.LOG_LEVEL == "debug")


def _refresher(settings: Settings, sources: Sources, telemetry: Telemetry) -> Refresher:
    eager: list[str] = [settings.LAYOUT] if settings.http_port is not None else []
    eager += ["etim"] if settings.GRPC_PORT is not None else []
    taker = taker_of(settings, sources, Views(BY_NAME, tuple(eager)), telemetry)
    pace = Pace(settings.REFRESH_INTERVAL, settings.MAX_STALE)
    return Refresher(taker, pace, telemetry=telemetry)


def _tell_replay(sources: Sources) -> None:
    """Say that what is shown is not of now, and which part of a recording is lacking."""
    if sources.tape is None:
        return
    header, moments = sources.tape.header, sources.tape.moments
    _log.warning("a recording is replayed", recorded=header.created, refreshes=len(moments), by=header.program)
    if sources.tape.is_cut_short:
        _log.warning("the recording ends within a refresh, which is left out")


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


def _http_server(settings: Settings, port: int, parts: Parts, most: int) -> Server:
    telemetry = parts.watch.telemetry
    behind = http_api.create(parts.readiness, telemetry)
    # How many clusters there are is not for those who may see some only.
    open_paths = OPEN_PATHS if settings.CLUSTER_ROLES is None else OPEN_PATHS - {METRICS_PATH}
    front = Front(parts.refresher, Door(parts.guard, open_paths), settings.LAYOUT, behind, telemetry)
    socket = listener("HTTP", settings.HTTP_HOST, port)
    rotation = _rotation("http", settings.http_tls, telemetry)
    app = browsers(proxies(front, settings.trusted_proxies), settings.CORS_ORIGINS)
    service = watched_service(front, app, parts.watch, is_encrypted=rotation is not None)
    server = HttpServer(service, socket, settings.GRACE, HttpTransport(most, rotation=rotation))
    telemetry.watch("aggregator_http_connections", lambda: server.connections)
    _tell_listening(
        "http", settings.HTTP_HOST, socket.getsockname()[1], _door(settings, parts.guard, settings.http_tls)
    )
    return server


def _metrics_server(settings: Settings, port: int, telemetry: Telemetry) -> Server:
    socket = listener("METRICS", settings.METRICS_HOST, port)
    _tell_listening("metrics", settings.METRICS_HOST, socket.getsockname()[1], _door(settings, None, None))
    return HttpServer(Service(MetricsApp(telemetry)), socket, settings.GRACE)


def _grpc_server(settings: Settings, port: int, parts: Parts, most: int) -> Server:
    guard = parts.guard
    if guard is not None and settings.GRPC_AUTH == "off":
        _log.warning("gRPC is open to callers without tokens, as GRPC_AUTH=off says")
        guard = None
    transport = GrpcTransport(most, _rotation("grpc", settings.grpc_tls, parts.watch.telemetry))
    server = GrpcServer(parts.refresher, guard, parts.readiness, settings.GRACE, transport, parts.watch)
    taken = server.listen(settings.GRPC_HOST, port)
    _tell_listening("grpc", settings.GRPC_HOST, taken, _door(settings, guard, settings.grpc_tls))
    return server


def _rotation(server: str, files: CertificateFiles | None, telemetry: Telemetry) -> Rotation | None:
    """Return what keeps a server's identity current, None for no TLS."""
    if files is None:
        return None
    made = Rotation(server, files)
    telemetry.watch("aggregator_certificate_expiry_timestamp_seconds", made.expires_at_seconds, server)
    return made


def _door(settings: Settings, guard: Guard | None, files: CertificateFiles | None) -> dict[str, bool]:
    """Return what a server asks of who comes: what was set and did not arrive shows here."""
    has_roles = settings.CLUSTER_ROLES is not None or settings.REQUIRED_ROLE is not None
    return {
        "tokens": guard is not None,
        "roles": guard is not None and has_roles,
        "tls": files is not None,
        "client_certificates": files is not None and files.client_ca is not None,
    }


def _tell_listening(server: str, host: str, port: int, door: Mapping[str, bool]) -> None:
    _log.info("listening", server=server, host=host, port=port, **door, version=__version__)
