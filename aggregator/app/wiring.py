"""Wiring: builds the components and servers from the settings, without starting them."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aggregator import __version__
from aggregator.app.sources import (
    UpstreamSet,
    build_past_snapshots,
    build_snapshot_collector,
    build_upstream_set,
    compose_catalog_of,
)
from aggregator.errors import NoTopologyError
from aggregator.models.catalog.row import Row
from aggregator.observability.instrumentation import Instrumentation, start_tracing
from aggregator.observability.logs import get_logger
from aggregator.observability.metrics import OwnMetrics
from aggregator.observability.redaction import Redactor
from aggregator.refresh.collector import ViewSet
from aggregator.refresh.refresher import Refresher
from aggregator.refresh.schedule import RefreshSchedule
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import Guard, TokenGuard, build_access_policy, build_key_source
from aggregator.server.auth.jwks import KeySource
from aggregator.server.grpc.limits import GrpcServerOptions
from aggregator.server.grpc.server import GrpcServer
from aggregator.server.http.app import HttpAppOptions, create_http_app
from aggregator.server.http.responses import METRICS_PATH, PUBLIC_PATHS
from aggregator.server.http.routes import create_metrics_app
from aggregator.server.http.server import HttpServer, HttpServerOptions, open_listener
from aggregator.server.http.ui import PageConfig, PageLogin, WebPage, is_page_built, load_page
from aggregator.server.status import Readiness
from aggregator.server.tls import CertificateReloader
from aggregator.server.watch_service import compute_max_watches
from aggregator.settings.gateway import Settings
from aggregator.util.files import CertificateFiles
from aggregator.util.runtime import compute_max_connections, raise_descriptor_limit, read_memory_limit_bytes
from aggregator.views.etim import ETIM
from aggregator.views.renderers import RENDERERS

_log = get_logger(__name__)


class Server(Protocol):
    """A server with a listening socket."""

    @property
    def tasks(self) -> "Sequence[asyncio.Task[None]]":
        """The tasks that run until the server is stopped."""

    async def start(self) -> None:
        """Start to accept connections."""

    async def stop(self) -> None:
        """Close the listener and finish running requests."""


@dataclass(frozen=True)
class Components:
    """The parts that the servers share. Without `keys` and `guard` no tokens are required."""

    instrumentation: Instrumentation
    refresher: Refresher
    keys: KeySource | None
    guard: Guard | None
    readiness: Readiness


def build_components(settings: Settings, redactor: Redactor) -> Components:
    """Return the components for these settings; the redactor removes secrets from logs, traces and messages."""
    rows = compose_catalog_of(settings)
    upstream_set = build_upstream_set(settings, redactor)
    instrumentation = _build_instrumentation(settings, upstream_set, rows)
    refresher = _build_refresher(settings, upstream_set, rows, instrumentation.own_metrics)
    keys = build_key_source(settings, instrumentation.own_metrics.record_key_fetch_failure)
    guard = TokenGuard(keys, build_access_policy(settings)) if keys else None
    readiness = (
        Readiness(refresher.get_snapshot, keys.ensure_keys_available, include_details=False)
        if keys
        else Readiness(refresher.get_snapshot)
    )
    _log_replay(upstream_set)
    _register_state_gauges(instrumentation.own_metrics, refresher, readiness)
    return Components(instrumentation, refresher, keys, guard, readiness)


def build_servers(settings: Settings, components: Components) -> list[Server]:
    """Return the configured servers, each bound to its port; raise PortInUseError if a port is not available."""
    max_connections = _limit_connections(settings)
    servers: list[Server] = []
    if settings.http_port is not None:
        servers.append(_build_http_server(settings, settings.http_port, components, max_connections))
    if settings.METRICS_PORT is not None:
        servers.append(_build_metrics_server(settings, settings.METRICS_PORT, components.instrumentation.own_metrics))
    if settings.GRPC_PORT is not None:
        servers.append(_build_grpc_server(settings, settings.GRPC_PORT, components, max_connections))
    return servers


def _build_instrumentation(settings: Settings, upstream_set: UpstreamSet, rows: tuple[Row, ...]) -> Instrumentation:
    """Return metrics, request logs, and traces if a collector is configured."""
    own_metrics = OwnMetrics((row.name for row in rows), upstream_set.names)
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    tracing = None
    if endpoint is not None:
        tracing = start_tracing(endpoint.get_secret_value(), own_metrics.record_dropped_spans, upstream_set.redactor)
    own_metrics.tracing = tracing
    return Instrumentation(own_metrics, tracing, settings.LOG_LEVEL == "debug")


def _build_refresher(
    settings: Settings, upstream_set: UpstreamSet, rows: tuple[Row, ...], own_metrics: OwnMetrics
) -> Refresher:
    eager_views: list[str] = [settings.LAYOUT] if settings.http_port is not None else []
    eager_views += [ETIM] if settings.GRPC_PORT is not None else []
    collector = build_snapshot_collector(
        settings, upstream_set, rows, ViewSet(RENDERERS, tuple(eager_views)), own_metrics
    )
    schedule = RefreshSchedule(settings.REFRESH_INTERVAL, settings.MAX_STALE)
    past = build_past_snapshots(settings, upstream_set, rows, RENDERERS, own_metrics)
    return Refresher(collector, schedule, own_metrics=own_metrics, past=past)


def _log_replay(upstream_set: UpstreamSet) -> None:
    """Log that the topology comes from a recording, and whether its last refresh is incomplete."""
    if upstream_set.recording is None:
        return
    header, refresh_count = upstream_set.recording.header, len(upstream_set.recording.timestamps)
    _log.warning("replaying recording", recorded=header.created, refreshes=refresh_count, program=header.program)
    if upstream_set.recording.is_truncated:
        _log.warning("incomplete refresh at the end of the recording ignored")


def _register_state_gauges(own_metrics: OwnMetrics, refresher: Refresher, readiness: Readiness) -> None:
    """Register gauges that are computed at each scrape."""

    def read_from_snapshot(read_value: Callable[[Snapshot], float], default: float) -> Callable[[], float]:
        def read_gauge() -> float:
            try:
                return read_value(refresher.get_snapshot())
            except NoTopologyError:
                return default

        return read_gauge

    own_metrics.set_gauge_function("aggregator_ready", lambda: readiness.get_unready_reason() is None)
    own_metrics.set_gauge_function("aggregator_memory_limit_bytes", read_memory_limit_bytes)
    own_metrics.set_gauge_function(
        "aggregator_snapshot_age_seconds", read_from_snapshot(refresher.get_age_seconds, math.nan)
    )
    own_metrics.set_gauge_function(
        "aggregator_topology_complete", read_from_snapshot(lambda snapshot: snapshot.is_complete, 0)
    )


def _limit_connections(settings: Settings) -> int:
    """Return the connections that each server accepts: MAX_CONNECTIONS, unless file descriptors limit them."""
    descriptor_limit = raise_descriptor_limit()
    if descriptor_limit is None:
        return settings.MAX_CONNECTIONS
    possible_connections = compute_max_connections(descriptor_limit)
    if possible_connections >= settings.MAX_CONNECTIONS:
        return settings.MAX_CONNECTIONS
    log_event = _log.info if "MAX_CONNECTIONS" in settings.model_fields_set else _log.debug
    log_event("connection limit reduced", requested=settings.MAX_CONNECTIONS, max_connections=possible_connections)
    return possible_connections


def _build_http_server(settings: Settings, port: int, components: Components, max_connections: int) -> Server:
    own_metrics = components.instrumentation.own_metrics
    options = HttpAppOptions(
        guard=components.guard,
        # The metrics contain the number of all clusters, which a restricted caller must not learn.
        public_paths=PUBLIC_PATHS if settings.CLUSTER_ROLES is None else PUBLIC_PATHS - {METRICS_PATH},
        default_layout=settings.LAYOUT,
        page=_build_page(settings, has_guard=components.guard is not None),
        cors_origins=settings.CORS_ORIGINS,
        trusted_proxies=settings.trusted_proxies,
        max_watches=compute_max_watches(max_connections),
    )
    app = create_http_app(components.refresher, components.readiness, components.instrumentation, options)
    listener = open_listener("HTTP", settings.HTTP_HOST, port)
    reloader = _build_certificate_reloader("http", settings.http_tls, own_metrics)
    server = HttpServer(app, listener, settings.GRACE, HttpServerOptions(max_connections, reloader=reloader))
    own_metrics.set_gauge_function("aggregator_http_connections", lambda: server.connection_count)
    _log_listening(
        "http",
        settings.HTTP_HOST,
        listener.getsockname()[1],
        _describe_access_rules(settings, components.guard, settings.http_tls),
    )
    return server


def _build_page(settings: Settings, *, has_guard: bool) -> WebPage:
    if not is_page_built():
        _log.info("web page not installed")
    login = None
    if settings.UI_CLIENT_ID is not None and settings.ISSUER is not None:
        login = PageLogin(settings.ISSUER[0], settings.UI_CLIENT_ID)
    return load_page(PageConfig(has_guard, login))


def _build_metrics_server(settings: Settings, port: int, own_metrics: OwnMetrics) -> Server:
    listener = open_listener("METRICS", settings.METRICS_HOST, port)
    _log_listening(
        "metrics", settings.METRICS_HOST, listener.getsockname()[1], _describe_access_rules(settings, None, None)
    )
    return HttpServer(create_metrics_app(own_metrics), listener, settings.GRACE)


def _build_grpc_server(settings: Settings, port: int, components: Components, max_connections: int) -> Server:
    guard = components.guard
    if guard is not None and settings.GRPC_AUTH == "off":
        _log.warning("grpc requires no tokens", reason="GRPC_AUTH=off")
        guard = None
    options = GrpcServerOptions(
        max_connections,
        compute_max_watches(max_connections),
        _build_certificate_reloader("grpc", settings.grpc_tls, components.instrumentation.own_metrics),
    )
    server = GrpcServer(
        components.refresher, guard, components.readiness, settings.GRACE, options, components.instrumentation
    )
    bound_port = server.listen(settings.GRPC_HOST, port)
    _log_listening("grpc", settings.GRPC_HOST, bound_port, _describe_access_rules(settings, guard, settings.grpc_tls))
    return server


def _build_certificate_reloader(
    server: str, files: CertificateFiles | None, own_metrics: OwnMetrics
) -> CertificateReloader | None:
    """Return the certificate reloader of a server, None without TLS."""
    if files is None:
        return None
    reloader = CertificateReloader(server, files)
    own_metrics.set_gauge_function(
        "aggregator_certificate_expiry_timestamp_seconds", reloader.get_expiry_seconds, server
    )
    return reloader


def _describe_access_rules(settings: Settings, guard: Guard | None, files: CertificateFiles | None) -> dict[str, bool]:
    """Return what a server requires of clients, for the log, so that a setting without effect is visible."""
    has_roles = settings.CLUSTER_ROLES is not None or settings.REQUIRED_ROLE is not None
    return {
        "tokens": guard is not None,
        "roles": guard is not None and has_roles,
        "tls": files is not None,
        "client_certificates": files is not None and files.client_ca is not None,
    }


def _log_listening(server: str, host: str, port: int, access_rules: Mapping[str, bool]) -> None:
    _log.info("listening", server=server, host=host, port=port, **access_rules, version=__version__)
