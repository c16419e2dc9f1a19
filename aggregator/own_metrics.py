"""The table of our own metrics: every one is named here, and nowhere else; and the words that their labels may have.

docs/own-metrics.md is printed from it.
"""

from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram


@dataclass(frozen=True)
class Metric:
    """One metric: its name, its kind, its labels, the upper ends of its buckets, and what it means."""

    name: str
    kind: type[Counter] | type[Gauge] | type[Histogram]
    labels: tuple[str, ...]
    note: str
    buckets: tuple[float, ...] = ()

    @property
    def help(self) -> str:
        """What it means, as a sentence."""
        return f"{self.note[0].upper()}{self.note[1:]}."


_QUERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REFRESH_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)
METHOD_LABELS = ("grpc_service", "grpc_method", "grpc_type")

HTTP_REQUESTS = Metric(
    "http_requests_total", Counter, ("handler", "code", "method"), "HTTP requests that were answered"
)
HTTP_DURATION = Metric(
    "http_request_duration_seconds",
    Histogram,
    ("handler",),
    "time from the head of an HTTP request to the end of its answer",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
GRPC_STARTED = Metric("grpc_server_started_total", Counter, METHOD_LABELS, "gRPC calls that began")
GRPC_HANDLED = Metric(
    "grpc_server_handled_total",
    Counter,
    (*METHOD_LABELS, "grpc_code"),
    "gRPC calls that ended; what is under way is the difference to those that began",
)

METRICS = (
    HTTP_REQUESTS,
    HTTP_DURATION,
    GRPC_STARTED,
    GRPC_HANDLED,
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
    Metric(
        "aggregator_ready",
        Gauge,
        (),
        "1 while there is a topology to show, keys to check tokens with, and no shutdown, as /readyz says",
    ),
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
    Metric(
        "aggregator_certificate_expiry_timestamp_seconds",
        Gauge,
        ("server",),
        "when the certificate that a server shows expires, since the epoch; nothing without TLS",
    ),
    Metric("aggregator_http_connections", Gauge, (), "open HTTP connections"),
    Metric("aggregator_spans_dropped_total", Counter, (), "spans that the trace collector did not take"),
    Metric("aggregator_build_info", Gauge, ("version",), "1, with the version that runs"),
)

# The words of labels; `query`, `source` and `version` have names of their own.
RESULTS = ("ok", "unreachable", "too_slow", "refused", "too_large", "malformed", "failed")
OBJECTS = ("cluster", "node", "pod", "container")
DROPPED = ("unplaced", "dropped", "conflict")
# The words of AccessError; a test compares them with the sources.
AUTH_REASONS = (
    *("no token", "several authorization headers", "too long", "no bearer token", "not the shape of a token"),
    *("header", "algorithm", "signature", "claims", "not an access token", "expired", "not yet valid"),
    *("issued in the future", "exp", "nbf", "iat", "unknown key", "keys missing", "issuer", "audience"),
    *("authorized party", "role", "no role for any cluster", "metrics of everything", "quality of everything"),
)
HANDLERS = ("topology", "probes", "metrics", "docs", "api", "ui")
# What an answer that never began counts as: the process stopped first.
NO_ANSWER = 0

_PAGE_HEAD = """\
# What it counts of itself

Printed from the table in `aggregator/own_metrics.py` by `make generate`; `make check` fails where the two differ.
Served on `/metrics` and on `METRICS_PORT`; docs/operations.md tells what to watch. Beside these there is `process_*`:
memory, CPU, file descriptors, start time.

| metric | kind | labels | meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the table as Markdown."""
    rows = (
        f"| `{m.name}` | {m.kind.__name__.lower()} | {', '.join(m.labels) or '-'} | {m.help.removesuffix('.')} |\n"
        for m in METRICS
    )
    return _PAGE_HEAD + "".join(rows)
