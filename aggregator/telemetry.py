"""What this process counts of itself: one method for each kind of event, whatever metrics it moves.

The metrics are those of `own_metrics`. The registry is this object's own; whoever counts is handed the object.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from aggregator import __version__
from aggregator.calls_seen import CallsSeen, MethodCalls
from aggregator.errors import (
    MalformedError,
    QueryError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
)
from aggregator.own_metrics import (
    AUTH_REASONS,
    DROPPED,
    GRPC_HANDLED,
    GRPC_STARTED,
    HANDLERS,
    HTTP_DURATION,
    HTTP_REQUESTS,
    METRICS,
    OBJECTS,
    RESULTS,
    Metric,
)
from aggregator.requests_seen import OTHER, RequestsSeen

# Requests and calls are counted apart, in numbers that cost less.
_COUNTED_APART = (HTTP_REQUESTS, HTTP_DURATION, GRPC_STARTED, GRPC_HANDLED)
_RESULT_OF: tuple[tuple[type[QueryError], str], ...] = (
    (UnreachableError, "unreachable"),
    (TooSlowError, "too_slow"),
    (RefusedError, "refused"),
    (TooLargeError, "too_large"),
    (MalformedError, "malformed"),
)
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
        self._counters = {m.name: Counter(m.name, m.help, m.labels, registry=self.registry) for m in _of(Counter)}
        self._gauges = {m.name: Gauge(m.name, m.help, m.labels, registry=self.registry) for m in _of(Gauge)}
        self._histograms = {
            m.name: Histogram(m.name, m.help, m.labels, buckets=m.buckets, registry=self.registry)
            for m in _of(Histogram)
        }
        count, duration, began, ended = ((metric.name, metric.help) for metric in _COUNTED_APART)
        self._requests = RequestsSeen(count, duration, HTTP_DURATION.buckets)
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
    return (metric for metric in METRICS if metric.kind is kind and metric not in _COUNTED_APART)
