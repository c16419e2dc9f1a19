"""The metrics of this process: the table that names them all, and one method for each event that they count.

docs/own-metrics.md is generated from the table. Each `OwnMetrics` has a registry of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from aggregator import __version__
from aggregator.errors import (
    MalformedResponseError,
    NotRecordedError,
    QueryError,
    QueryTimeoutError,
    ResponseTooLargeError,
    UnreachableError,
    UpstreamStatusError,
)


@dataclass(frozen=True)
class MetricDefinition:
    """One metric; `buckets` holds the upper bounds of a histogram."""

    name: str
    kind: type[Counter] | type[Gauge] | type[Histogram]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


_QUERY_DURATION_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REFRESH_DURATION_BUCKETS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)
# Alerts and dashboards of the older monitoring stack use 0.2 s as their threshold.
_HTTP_DURATION_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
_GRPC_METHOD_LABELS = ("grpc_service", "grpc_method", "grpc_type")

METRICS = (
    MetricDefinition("http_requests_total", Counter, ("handler", "code", "method"), "HTTP requests completed."),
    MetricDefinition(
        "http_request_duration_seconds",
        Histogram,
        # Not `endpoint`, which the Prometheus operator adds to every series.
        ("handler", "route"),
        "Time from the header of an HTTP request to the end of its response, without watches, differences, messages of "
        "MCP clients, and requests that ask to wait (wait=, time=, Cache-Control: no-cache). The route is the first "
        "segment below /api/v1, otherwise the handler.",
        _HTTP_DURATION_BUCKETS_SECONDS,
    ),
    MetricDefinition("grpc_server_started_total", Counter, _GRPC_METHOD_LABELS, "gRPC calls started."),
    MetricDefinition(
        "grpc_server_handled_total",
        Counter,
        (*_GRPC_METHOD_LABELS, "grpc_code"),
        "gRPC calls completed, by status code. Calls in flight are grpc_server_started_total minus this.",
    ),
    MetricDefinition(
        "aggregator_query_duration_seconds",
        Histogram,
        ("query",),
        "Duration of a query to an upstream, until its response is received completely.",
        _QUERY_DURATION_BUCKETS_SECONDS,
    ),
    MetricDefinition("aggregator_queries_total", Counter, ("query", "result"), "Queries of refreshes, by result."),
    MetricDefinition(
        "aggregator_source_queries_total", Counter, ("source", "result"), "Queries of refreshes, by source and result."
    ),
    MetricDefinition(
        "aggregator_query_response_bytes_total", Counter, (), "Bytes of query responses received, after decompression."
    ),
    MetricDefinition(
        "aggregator_upstream_warnings_total",
        Counter,
        (),
        "Warnings in query responses. A warning often means that data is missing.",
    ),
    MetricDefinition(
        "aggregator_refresh_duration_seconds",
        Histogram,
        (),
        "Duration of a refresh, from its first query to the rendered documents.",
        _REFRESH_DURATION_BUCKETS_SECONDS,
    ),
    MetricDefinition(
        "aggregator_refresh_last_success_timestamp_seconds",
        Gauge,
        (),
        "Unix time at which the last successful refresh ended, 0 before the first one.",
    ),
    MetricDefinition("aggregator_refresh_failures_total", Counter, (), "Refreshes that produced no topology."),
    MetricDefinition(
        "aggregator_past_requests_total",
        Counter,
        ("result",),
        "Requests for the topology of a past instant: ok, no_data (no cluster at that time), failed (no responses), "
        "refused (too many instants at the same time, or Retry-After).",
    ),
    MetricDefinition(
        "aggregator_past_collection_duration_seconds",
        Histogram,
        (),
        "Duration of the collection of a topology of a past instant. Requests for the same instant share one.",
        _REFRESH_DURATION_BUCKETS_SECONDS,
    ),
    MetricDefinition(
        "aggregator_ready",
        Gauge,
        (),
        "1 if /readyz returns 200: a topology is available, tokens can be verified, and no shutdown is in progress.",
    ),
    MetricDefinition(
        "aggregator_topology_complete",
        Gauge,
        (),
        "1 if no measured data is known to be missing from the served topology, otherwise 0.",
    ),
    MetricDefinition(
        "aggregator_topology_objects", Gauge, ("kind",), "Objects in the topology of the last successful refresh."
    ),
    MetricDefinition(
        "aggregator_topology_gaps", Gauge, ("kind",), "Missing or doubtful data in the served topology, by kind of gap."
    ),
    MetricDefinition(
        "aggregator_snapshot_age_seconds",
        Gauge,
        (),
        "Age of the oldest query response in the served topology, NaN if no topology is served.",
    ),
    MetricDefinition(
        "aggregator_dropped_samples_total",
        Counter,
        ("reason",),
        "Samples that refreshes left out: unplaced (no matching object), dropped (invalid value), "
        "conflict (another sample of the same object has a different value).",
    ),
    MetricDefinition(
        "aggregator_auth_failures_total", Counter, ("reason",), "HTTP requests and gRPC calls rejected for their token."
    ),
    MetricDefinition(
        "aggregator_key_fetches_failed_total", Counter, (), "Failed attempts to fetch the keys of a token issuer."
    ),
    MetricDefinition(
        "aggregator_certificate_expiry_timestamp_seconds",
        Gauge,
        ("server",),
        "Unix time at which the certificate of a server expires. Absent without TLS.",
    ),
    MetricDefinition(
        "aggregator_memory_limit_bytes",
        Gauge,
        (),
        "Memory limit of the container or service that this process runs in, +Inf without one.",
    ),
    MetricDefinition("aggregator_http_connections", Gauge, (), "Open HTTP connections."),
    MetricDefinition("aggregator_watches", Gauge, ("server",), "Open watches, by server: http or grpc."),
    MetricDefinition(
        "aggregator_watch_events_total",
        Counter,
        ("event",),
        "Events sent to watches. A restart means that a client has to read a snapshot again.",
    ),
    MetricDefinition(
        "aggregator_spans_dropped_total", Counter, (), "Spans dropped because the trace collector did not accept them."
    ),
    MetricDefinition("aggregator_build_info", Gauge, ("version",), "Always 1, labeled with the running version."),
)

# The values of labels; those of `query`, `source` and `version` are defined elsewhere.
# "too_slow" is a timeout, "refused" an HTTP error status.
QUERY_RESULTS = ("ok", "unreachable", "too_slow", "refused", "too_large", "malformed", "failed")
OBJECT_KINDS = ("cluster", "node", "pod", "container")
PAST_REQUEST_RESULTS = ("ok", "no_data", "failed", "refused")
DROP_REASONS = ("unplaced", "dropped", "conflict")
# The reasons of AccessError; a test compares them with the sources.
AUTH_FAILURE_REASONS = (
    *("no token", "several authorization headers", "too long", "no bearer token", "not the shape of a token"),
    *("header", "algorithm", "signature", "claims", "not an access token", "expired", "not yet valid"),
    *("issued in the future", "exp", "nbf", "iat", "unknown key", "keys missing", "issuer", "audience"),
    *("authorized party", "role", "no role for any cluster", "metrics of all clusters", "quality of all clusters"),
)
API_HANDLER = "api"
HTTP_HANDLERS = ("topology", "probes", "metrics", "docs", API_HANDLER, "mcp", "ui")
HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
# The status of a request that got no response because the process stopped or the client left.
NO_RESPONSE_CODE = 0
WATCH_EVENTS = ("snapshot", "changes", "bookmark", "completeness", "restart", "end")
# The label value of everything that has no value of its own, so that clients cannot create series.
OTHER = "other"

# Series that exist from the start, because rates and increases need a first value.
_INITIAL_GRPC_CODES = ("OK", "CANCELLED", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNAVAILABLE", "INTERNAL")
_INITIAL_HTTP_CODES = (200, 401, 503)
_INITIAL_HTTP_METHODS = ("GET", "HEAD")
_INITIAL_TOPOLOGY_POST_CODES = (200, 400, 401, 403, 500, 503)

# The metrics with one label, and its values.
_INITIAL_LABEL_VALUES = {
    "aggregator_auth_failures_total": (*AUTH_FAILURE_REASONS, OTHER),
    "aggregator_dropped_samples_total": DROP_REASONS,
    "aggregator_past_requests_total": PAST_REQUEST_RESULTS,
    "aggregator_topology_objects": OBJECT_KINDS,
}

_RESULT_BY_ERROR_TYPE: tuple[tuple[type[QueryError], str], ...] = (
    (UnreachableError, "unreachable"),
    (QueryTimeoutError, "too_slow"),
    (UpstreamStatusError, "refused"),
    (NotRecordedError, "refused"),
    (ResponseTooLargeError, "too_large"),
    (MalformedResponseError, "malformed"),
)


@dataclass(frozen=True)
class QueryStats:
    """The statistics of one query; `error` is None if it succeeded."""

    query: str
    source: str
    started_at_seconds: float
    duration_seconds: float
    response_bytes: int = 0
    sample_count: int = 0
    warning_count: int = 0
    error: QueryError | None = None

    @property
    def result(self) -> str:
        """One of QUERY_RESULTS."""
        if self.error is None:
            return "ok"
        return next(
            (result for error_type, result in _RESULT_BY_ERROR_TYPE if isinstance(self.error, error_type)), "failed"
        )


@dataclass(frozen=True)
class RefreshOutcome:
    """The counts of a successful refresh: objects by kind, gaps by kind, dropped samples by reason."""

    object_counts: Mapping[str, int]
    gap_counts: Mapping[str, int]
    dropped_counts: Mapping[str, int]


class RefreshTracing(Protocol):
    """The part of `instrumentation.Tracing` that records refreshes."""

    def trace_refresh(self) -> AbstractContextManager[None]:
        """Record a span around a refresh."""

    def link_refresh(self) -> None:
        """Link the current request to a running refresh that it waited for."""

    def record_query_span(self, stats: QueryStats) -> None:
        """Record the span of one query within the current refresh."""


class GrpcCallCounters:
    """The counters of one gRPC method."""

    def __init__(self, started: Counter, handled: Counter, labels: tuple[str, str, str]) -> None:
        self._started = started.labels(*labels)
        self._handled = handled
        self._labels = labels
        for code in _INITIAL_GRPC_CODES:
            handled.labels(*labels, code)

    def count_start(self) -> None:
        """Count a call that starts."""
        self._started.inc()

    def count_end(self, code: str) -> None:
        """Count a call that ended with this status code, by its gRPC name."""
        self._handled.labels(*self._labels, code).inc()


class OwnMetrics:
    """Counts events of this process. All methods may be called from any thread.

    The series of `queries` and `sources`, which are names, exist from the start.
    """

    def __init__(
        self, queries: Iterable[str] = (), sources: Iterable[str] = (), tracing: RefreshTracing | None = None
    ) -> None:
        # Otherwise each counter has a second series with its creation time.
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client has no types there
        self.registry = CollectorRegistry()
        self.tracing = tracing
        ProcessCollector(registry=self.registry)
        self._counters = {
            m.name: Counter(m.name, m.help, m.labels, registry=self.registry) for m in METRICS if m.kind is Counter
        }
        self._gauges = {
            m.name: Gauge(m.name, m.help, m.labels, registry=self.registry) for m in METRICS if m.kind is Gauge
        }
        self._histograms = {
            m.name: Histogram(m.name, m.help, m.labels, buckets=m.buckets, registry=self.registry)
            for m in METRICS
            if m.kind is Histogram
        }
        # Finding a series by its labels takes longer than counting.
        self._get_http_counter = cache(self._create_http_counter)
        self._get_http_durations = cache(self._histograms["http_request_duration_seconds"].labels)
        self._get_watch_counter = cache(self._counters["aggregator_watch_events_total"].labels)
        for event in WATCH_EVENTS:
            self._get_watch_counter(event)
        self._initialize_series(queries, sources)

    # --- HTTP and gRPC

    def record_http_request(self, handler: str, method: str, code: int) -> None:
        """Count one HTTP request; `handler` is one of HTTP_HANDLERS."""
        self._get_http_counter(handler, method if method in HTTP_METHODS else OTHER, code).inc()

    def record_http_duration(self, handler: str, route: str, seconds: float) -> None:
        """Record the duration of an HTTP request that did not ask to wait."""
        self._get_http_durations(handler, route).observe(seconds)

    def get_grpc_call_counters(self, service: str, method: str, call_type: str) -> GrpcCallCounters:
        """Return the counters of a gRPC method; `call_type` is "unary", "server_stream" or the like."""
        return GrpcCallCounters(
            self._counters["grpc_server_started_total"],
            self._counters["grpc_server_handled_total"],
            (service, method, call_type),
        )

    def record_auth_failure(self, reason: str) -> None:
        """Count a request that was rejected for its token; `reason` is that of the AccessError."""
        known_reason = reason if reason in AUTH_FAILURE_REASONS else OTHER
        self._counters["aggregator_auth_failures_total"].labels(known_reason).inc()

    def record_key_fetch_failure(self) -> None:
        """Count a failed fetch of keys."""
        self._counters["aggregator_key_fetches_failed_total"].inc()

    # --- queries and refreshes

    def record_query(self, stats: QueryStats) -> None:
        """Count one query of a refresh."""
        self._counters["aggregator_queries_total"].labels(stats.query, stats.result).inc()
        self._counters["aggregator_source_queries_total"].labels(stats.source, stats.result).inc()
        self._counters["aggregator_query_response_bytes_total"].inc(stats.response_bytes)
        self._counters["aggregator_upstream_warnings_total"].inc(stats.warning_count)
        self._histograms["aggregator_query_duration_seconds"].labels(stats.query).observe(stats.duration_seconds)
        if self.tracing is not None:
            self.tracing.record_query_span(stats)

    @contextmanager
    def measure_refresh(self) -> Iterator[None]:
        """Measure and trace the refresh in this block, on the thread that runs it."""
        start = perf_counter()
        try:
            with self.tracing.trace_refresh() if self.tracing is not None else nullcontext():
                yield
        finally:
            self._histograms["aggregator_refresh_duration_seconds"].observe(perf_counter() - start)

    @contextmanager
    def measure_past_collection(self) -> Iterator[None]:
        """Measure the collection of a past snapshot in this block."""
        with self._histograms["aggregator_past_collection_duration_seconds"].time():
            yield

    def record_past_request(self, result: str) -> None:
        """Count a request for a past instant; `result` is one of PAST_REQUEST_RESULTS."""
        self._counters["aggregator_past_requests_total"].labels(result).inc()

    def record_refresh_join(self) -> None:
        """Record that the current request waited for a refresh that was already running."""
        if self.tracing is not None:
            self.tracing.link_refresh()

    def record_refresh(self, outcome: RefreshOutcome, now_seconds: float) -> None:
        """Record the counts of a successful refresh."""
        self._gauges["aggregator_refresh_last_success_timestamp_seconds"].set(now_seconds)
        for kind, number in outcome.object_counts.items():
            self._gauges["aggregator_topology_objects"].labels(kind).set(number)
        for reason, number in outcome.dropped_counts.items():
            self._counters["aggregator_dropped_samples_total"].labels(reason).inc(number)
        self._set_gap_gauges(outcome.gap_counts)

    def record_refresh_failure(self, gap_counts: Mapping[str, int]) -> None:
        """Count a failed refresh; the gaps are those of the snapshot that is still served."""
        self._counters["aggregator_refresh_failures_total"].inc()
        self._set_gap_gauges(gap_counts)

    # --- others

    def record_watch_event(self, event: str) -> None:
        """Count an event sent to a watch; one of WATCH_EVENTS."""
        self._get_watch_counter(event).inc()

    def set_gauge_function(self, name: str, read_value: Callable[[], float], *labels: str) -> None:
        """Set the function that returns the value of a gauge, or of its series with these labels, at each scrape."""
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set_function(read_value)

    def record_dropped_spans(self, count: int) -> None:
        """Count spans that the trace collector did not accept."""
        self._counters["aggregator_spans_dropped_total"].inc(count)

    def _create_http_counter(self, handler: str, method: str, code: int) -> Counter:
        code_label = "none" if code == NO_RESPONSE_CODE else str(code)
        return self._counters["http_requests_total"].labels(handler, code_label, method)

    def _set_gap_gauges(self, gap_counts: Mapping[str, int]) -> None:
        for kind, number in gap_counts.items():
            self._gauges["aggregator_topology_gaps"].labels(kind).set(number)

    def _initialize_series(self, queries: Iterable[str], sources: Iterable[str]) -> None:
        for handler in HTTP_HANDLERS:
            for method in _INITIAL_HTTP_METHODS:
                for code in _INITIAL_HTTP_CODES:
                    self._get_http_counter(handler, method, code)
            if handler != API_HANDLER:
                self._get_http_durations(handler, handler)
        for code in _INITIAL_TOPOLOGY_POST_CODES:
            self._get_http_counter("topology", "POST", code)
        for query in queries:
            self._histograms["aggregator_query_duration_seconds"].labels(query)
            for result in QUERY_RESULTS:
                self._counters["aggregator_queries_total"].labels(query, result)
        for source in sources:
            for result in QUERY_RESULTS:
                self._counters["aggregator_source_queries_total"].labels(source, result)
        for name, values in _INITIAL_LABEL_VALUES.items():
            for value in values:
                (self._counters.get(name) or self._gauges[name]).labels(value)
        self._gauges["aggregator_build_info"].labels(__version__).set(1)
