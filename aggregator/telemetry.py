"""What this process counts of itself: every metric of ours is named here, and nowhere else.

docs/own-metrics.md is printed from the table. The registry is this object's own; whoever counts is handed the object.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from aggregator import __version__
from aggregator.calls_seen import METHOD_LABELS, CallsSeen, MethodCalls
from aggregator.errors import (
    MalformedError,
    QueryError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
)
from aggregator.requests_seen import OTHER, RequestsSeen


@dataclass(frozen=True)
class Metric:
    """One metric: its name, its kind, its labels, the upper ends of its buckets, and what it means."""

    name: str
    kind: type[Counter] | type[Gauge] | type[Histogram]
    labels: tuple[str, ...]
    note: str
    buckets: tuple[float, ...] = ()


_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_QUERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REFRESH_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)

METRICS = (
    Metric("http_requests_total", Counter, ("handler", "code", "method"), "HTTP requests that were answered"),
    Metric(
        "http_request_duration_seconds",
        Histogram,
        ("handler",),
        "time from the head of an HTTP request to the end of its answer",
        _REQUEST_BUCKETS,
    ),
    Metric("grpc_server_started_total", Counter, METHOD_LABELS, "gRPC calls that began"),
    Metric(
        "grpc_server_handled_total",
        Counter,
        (*METHOD_LABELS, "grpc_code"),
        "gRPC calls that ended; what is under way is the difference to those that began",
    ),
    Metric(
        "aggregator_query_duration_seconds",
        Histogram,
        ("query",),
        "time from asking one query to the end of its answer",
        _QUERY_BUCKETS,
    ),
    Metric("aggregator_queries_total", Counter, ("query", "result"), "queries of refreshes, by what became of them"),
    Metric("aggregator_source_queries_total", Counter, ("source", "result"), "the same by the upstream that was asked"),
    Metric("aggregator_query_response_bytes_total", Counter, (), "bytes of answers from the upstream, uncompressed"),
    Metric("aggregator_upstream_warnings_total", Counter, (), "warnings that came with answers: data may be missing"),
    Metric(
        "aggregator_refresh_duration_seconds",
        Histogram,
        (),
        "time of a refresh, from its first query to the bytes that are served",
        _REFRESH_BUCKETS,
    ),
    Metric(
        "aggregator_refresh_last_success_timestamp_seconds",
        Gauge,
        (),
        "when the last refresh that gave a topology ended, since the epoch; 0 before the first",
    ),
    Metric("aggregator_refresh_failures_total", Counter, (), "refreshes that gave no topology"),
    Metric("aggregator_ready", Gauge, (), "1 while there is a topology to show and no shutdown, as /readyz says"),
    Metric("aggregator_topology_complete", Gauge, (), "1 while nothing is known to be missing from what is shown"),
    Metric("aggregator_topology_objects", Gauge, ("kind",), "objects in the topology of the last successful refresh"),
    Metric("aggregator_topology_gaps", Gauge, ("kind",), "what is missing or doubtful since the last refresh, by kind"),
    Metric(
        "aggregator_snapshot_age_seconds",
        Gauge,
        (),
        "age of the oldest answer in what is shown; NaN while nothing is",
    ),
    Metric(
        "aggregator_dropped_samples_total",
        Counter,
        ("reason",),
        "samples that a refresh left out: without a place, with a value that cannot be kept, contradicted by others",
    ),
    Metric("aggregator_auth_failures_total", Counter, ("reason",), "requests and calls refused for their token"),
    Metric("aggregator_key_fetches_failed_total", Counter, (), "fetches of an issuer's keys that failed"),
    Metric("aggregator_http_connections", Gauge, (), "open HTTP connections"),
    Metric("aggregator_spans_dropped_total", Counter, (), "spans that the trace collector did not take"),
    Metric("aggregator_build_info", Gauge, ("version",), "1, with the version that runs"),
)

# So many, the first of the table, are of requests and calls, which are counted in plain numbers.
_COUNTED_APART = 4

RESULTS = ("ok", "unreachable", "too_slow", "refused", "too_large", "malformed", "failed")
_RESULT_OF: tuple[tuple[type[QueryError], str], ...] = (
    (UnreachableError, "unreachable"),
    (TooSlowError, "too_slow"),
    (RefusedError, "refused"),
    (TooLargeError, "too_large"),
    (MalformedError, "malformed"),
)
OBJECTS = ("cluster", "node", "pod", "container")
DROPPED = ("unplaced", "dropped", "conflict")
# The words of AccessError; a test compares them with the sources.
AUTH_REASONS = (
    *("no token", "several authorization headers", "too long", "no bearer token", "not the shape of a token"),
    *("header", "algorithm", "signature", "claims", "not an access token", "expired", "not yet valid"),
    *("issued in the future", "exp", "nbf", "iat", "unknown key", "keys missing", "issuer", "audience"),
    *("authorized party", "role", "no role for any cluster", "metrics of everything"),
)
HANDLERS = ("topology", "probes", "metrics", "docs", "api", "ui")
# What an answer that never began counts as: the process stopped first.
NO_ANSWER = 0
_CODES_OF_EVERY_HANDLER = (200, 401, 503)
_METHODS_OF_EVERY_HANDLER = ("GET", "HEAD")


@dataclass(frozen=True)
class Exchange:
    """What became of one query: when it was asked, how long it took, what came; `error` is None where it was good."""

    query: str
    source: str
    started_at_seconds: float
    seconds: float
    answer_bytes: int = 0
    samples: int = 0
    warnings: int = 0
    error: QueryError | None = None

    @property
    def result(self) -> str:
        """One of RESULTS."""
        if self.error is None:
            return "ok"
        return next((word for kind, word in _RESULT_OF if isinstance(self.error, kind)), "failed")


@dataclass(frozen=True)
class Refreshed:
    """What a successful refresh gave: numbers of objects by kind, of gaps by kind, of left out samples by reason."""

    objects: Mapping[str, int]
    gaps: Mapping[str, int]
    dropped: Mapping[str, int]


class Traces(Protocol):
    """Where spans go: `tracing.Tracing`."""

    def refreshing(self) -> AbstractContextManager[None]:
        """Surround a refresh."""

    def joined(self) -> None:
        """Note that the current request waited for a refresh that another began."""

    def queried(self, exchange: Exchange) -> None:
        """Note one query of the refresh that surrounds it."""


class Telemetry:
    """Counts. Every method but `answered` may be called from any thread."""

    def __init__(self, queries: Iterable[str] = (), sources: Iterable[str] = (), traces: Traces | None = None) -> None:
        """`queries` and `sources` are the names whose series exist from the start."""
        # Every counter has a second series with the time of its making otherwise, which no question here needs.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has none there
        self.registry = CollectorRegistry()
        self.traces = traces
        ProcessCollector(registry=self.registry)
        self._counters = {m.name: Counter(m.name, _help(m), m.labels, registry=self.registry) for m in _of(Counter)}
        self._gauges = {m.name: Gauge(m.name, _help(m), m.labels, registry=self.registry) for m in _of(Gauge)}
        self._histograms = {
            m.name: Histogram(m.name, _help(m), m.labels, buckets=m.buckets, registry=self.registry)
            for m in _of(Histogram)
        }
        count, duration, began, ended = ((metric.name, _help(metric)) for metric in METRICS[:_COUNTED_APART])
        self._requests = RequestsSeen(count, duration, _REQUEST_BUCKETS)
        self._calls = CallsSeen(began, ended)
        self.registry.register(self._requests)
        self.registry.register(self._calls)
        # Counts one HTTP request by handler (one of HANDLERS), method, code and seconds.
        self.answered = self._requests.add
        refusals = self._counters["aggregator_auth_failures_total"]
        # Strangers may be refused often: each series is looked up once.
        self._refusals = {reason: refusals.labels(reason) for reason in (*AUTH_REASONS, OTHER)}
        self._begin_at_zero(queries, sources)

    # --- HTTP and gRPC

    def calls_of(self, service: str, method: str, kind: str) -> MethodCalls:
        """Return what counts the calls of a method, on the event loop's thread."""
        return self._calls.of(service, method, kind)

    def refused(self, reason: str) -> None:
        """Count a token that was refused for the reason of an AccessError."""
        self._refusals.get(reason, self._refusals[OTHER]).inc()

    def keys_not_fetched(self, _reason: str) -> None:
        """Count a fetch of keys that failed; the log has the reason, which no list bounds."""
        self._counters["aggregator_key_fetches_failed_total"].inc()

    # --- queries and refreshes

    def queried(self, exchange: Exchange) -> None:
        """Count one query of a refresh."""
        self._counters["aggregator_queries_total"].labels(exchange.query, exchange.result).inc()
        self._counters["aggregator_source_queries_total"].labels(exchange.source, exchange.result).inc()
        self._counters["aggregator_query_response_bytes_total"].inc(exchange.answer_bytes)
        self._counters["aggregator_upstream_warnings_total"].inc(exchange.warnings)
        self._histograms["aggregator_query_duration_seconds"].labels(exchange.query).observe(exchange.seconds)
        if self.traces is not None:
            self.traces.queried(exchange)

    @contextmanager
    def refreshing(self) -> Iterator[None]:
        """Surround a refresh on the thread that does it, whatever comes of it."""
        start = perf_counter()
        try:
            with self.traces.refreshing() if self.traces is not None else nullcontext():
                yield
        finally:
            self._histograms["aggregator_refresh_duration_seconds"].observe(perf_counter() - start)

    def joined(self) -> None:
        """Note that somebody waited for a refresh that another began."""
        if self.traces is not None:
            self.traces.joined()

    def refreshed(self, what: Refreshed, now_seconds: float) -> None:
        """Take down what a successful refresh gave."""
        self._gauges["aggregator_refresh_last_success_timestamp_seconds"].set(now_seconds)
        for kind, number in what.objects.items():
            self._gauges["aggregator_topology_objects"].labels(kind).set(number)
        for reason, number in what.dropped.items():
            self._counters["aggregator_dropped_samples_total"].labels(reason).inc(number)
        self._set_gaps(what.gaps)

    def refresh_failed(self, gaps: Mapping[str, int]) -> None:
        """Count a refresh that gave no topology; the gaps are those of what is shown instead."""
        self._counters["aggregator_refresh_failures_total"].inc()
        self._set_gaps(gaps)

    # --- the rest

    def watch(self, name: str, look: Callable[[], float]) -> None:
        """Let a gauge say at each scrape what `look` returns."""
        self._gauges[name].set_function(look)

    def spans_dropped(self, number: int) -> None:
        """Count spans that nobody took."""
        self._counters["aggregator_spans_dropped_total"].inc(number)

    def _set_gaps(self, gaps: Mapping[str, int]) -> None:
        for kind, number in gaps.items():
            self._gauges["aggregator_topology_gaps"].labels(kind).set(number)

    def _begin_at_zero(self, queries: Iterable[str], sources: Iterable[str]) -> None:
        """Make the series that are known beforehand: the increase of one that appears late cannot be told."""
        for handler in HANDLERS:
            for method in _METHODS_OF_EVERY_HANDLER:
                for code in _CODES_OF_EVERY_HANDLER:
                    self._requests.expect(handler, method, code)
        for code in (200, 400, 401, 403, 500, 503):
            self._requests.expect("topology", "POST", code)
        for name in queries:
            self._histograms["aggregator_query_duration_seconds"].labels(name)
            for result in RESULTS:
                self._counters["aggregator_queries_total"].labels(name, result)
        for name in sources:
            for result in RESULTS:
                self._counters["aggregator_source_queries_total"].labels(name, result)
        for reason in DROPPED:
            self._counters["aggregator_dropped_samples_total"].labels(reason)
        for kind in OBJECTS:
            self._gauges["aggregator_topology_objects"].labels(kind)
        self._gauges["aggregator_build_info"].labels(__version__).set(1)


def _of(kind: type[Counter] | type[Gauge] | type[Histogram]) -> Iterator[Metric]:
    return (metric for metric in METRICS[_COUNTED_APART:] if metric.kind is kind)


def _help(metric: Metric) -> str:
    return f"{metric.note[0].upper()}{metric.note[1:]}."


_PAGE_HEAD = """\
# What it counts of itself

Printed from the table in `aggregator/telemetry.py` by `make generate`; `make check` fails where the two differ. Served
on `/metrics` and on `METRICS_PORT`; docs/operations.md tells what to watch. Beside these there is `process_*`: memory,
CPU, file descriptors, start time.

| metric | kind | labels | meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the table as Markdown."""
    rows = (
        f"| `{m.name}` | {m.kind.__name__.lower()} | {', '.join(m.labels) or '-'} | {_help(m).removesuffix('.')} |\n"
        for m in METRICS
    )
    return _PAGE_HEAD + "".join(rows)
