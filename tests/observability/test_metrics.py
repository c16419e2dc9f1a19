"""The metrics of the gateway: names, initial series, and limits to the series that clients can create."""

import ast
import threading
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from aggregator import __version__
from aggregator.errors import (
    MalformedResponseError,
    NotListeningError,
    QueryError,
    QueryTimeoutError,
    ResponseTooLargeError,
    UnreachableError,
    UpstreamStatusError,
)
from aggregator.observability.metrics import (
    AUTH_FAILURE_REASONS,
    HTTP_HANDLERS,
    METRICS,
    OTHER,
    QUERY_RESULTS,
    OwnMetrics,
    QueryStats,
    RefreshOutcome,
)
from tests.support.exposition import parse_openmetrics, run_promtool, scrape_own_metrics

SOURCES = sorted((Path(__file__).parents[2] / "aggregator").rglob("*.py"))
# Dashboards and alerts rely on these names and labels.
DOCUMENTED_METRICS = {
    "http_requests_total": {"handler", "code", "method"},
    "http_request_duration_seconds": {"handler", "route"},
    "grpc_server_started_total": {"grpc_service", "grpc_method", "grpc_type"},
    "grpc_server_handled_total": {"grpc_service", "grpc_method", "grpc_type", "grpc_code"},
    "aggregator_query_duration_seconds": {"query"},
    "aggregator_queries_total": {"query", "result"},
    "aggregator_query_response_bytes_total": set(),
    "aggregator_upstream_warnings_total": set(),
    "aggregator_refresh_duration_seconds": set(),
    "aggregator_refresh_last_success_timestamp_seconds": set(),
    "aggregator_refresh_failures_total": set(),
    "aggregator_topology_objects": {"kind"},
    "aggregator_dropped_samples_total": {"reason"},
    "aggregator_auth_failures_total": {"reason"},
    "aggregator_build_info": {"version"},
}


def build_query_stats(error: QueryError | None = None, warnings: int = 0) -> QueryStats:
    """Return the statistics of one query."""
    return QueryStats("up", "eu", 1_795_208_230.0, 0.2, 1000, 7, warnings, error)


def test_documented_metrics_exist() -> None:
    """Each metric on which dashboards and alerts rely has its name and labels."""
    named = {metric.name: set(metric.labels) for metric in METRICS}
    assert {name: named.get(name) for name in DOCUMENTED_METRICS} == DOCUMENTED_METRICS


def test_labels_are_not_those_of_targets() -> None:
    """No label is one that Prometheus or its operator adds: ours would be renamed, and alerts group by the other."""
    labels = {label for metric in METRICS for label in metric.labels}
    assert not labels & {"job", "instance", "cluster", "namespace", "pod", "service", "container", "endpoint", "node"}


def test_promtool_accepts_the_metrics() -> None:
    """The linter of Prometheus accepts the exposition, with and without recorded events."""
    own_metrics = OwnMetrics(["up"], ["eu"])
    assert run_promtool("check", "metrics", stdin=generate_latest(own_metrics.registry).decode()) == ""
    own_metrics.record_http_request("topology", "GET", 200)
    own_metrics.record_http_duration("api", "nodes", 0.002)
    own_metrics.record_query(build_query_stats())
    own_metrics.record_refresh(RefreshOutcome({"node": 3}, {"failed": 1}, {"unplaced": 2}), 1_795_208_230.0)
    assert run_promtool("check", "metrics", stdin=generate_latest(own_metrics.registry).decode()) == ""


def test_openmetrics_is_valid() -> None:
    """A strict parser accepts the OpenMetrics exposition."""
    assert len(parse_openmetrics(OwnMetrics(["up"]))) > len(DOCUMENTED_METRICS)


def test_known_series_start_at_zero() -> None:
    """Each series whose labels are known in advance exists from the start with the value 0."""
    scraped = scrape_own_metrics(OwnMetrics(["up", "uptime"], ["eu"]))
    for query in ("up", "uptime"):
        assert [
            scraped.get_value("aggregator_queries_total", query=query, result=result) for result in QUERY_RESULTS
        ] == [0] * 7
        assert scraped.get_value("aggregator_query_duration_seconds_count", query=query) == 0
    assert scraped.get_value("aggregator_source_queries_total", source="eu", result="ok") == 0
    assert all(
        scraped.get_value("aggregator_auth_failures_total", reason=reason) == 0
        for reason in (*AUTH_FAILURE_REASONS, OTHER)
    )
    assert all(
        scraped.get_value("http_requests_total", handler=handler, code="200", method="GET") == 0
        for handler in HTTP_HANDLERS
    )
    assert scraped.get_value("aggregator_build_info", version=__version__) == 1


def test_there_are_no_created_series() -> None:
    """There are no `_created` series, which would double the number of counters."""
    assert not [name for name, _ in scrape_own_metrics(OwnMetrics(["up"])).samples if name.endswith("_created")]


def test_telemetries_share_nothing() -> None:
    """Two telemetry objects share no counters."""
    one, other = OwnMetrics(), OwnMetrics()
    one.record_auth_failure("expired")
    assert scrape_own_metrics(one).get_value("aggregator_auth_failures_total", reason="expired") == 1
    assert scrape_own_metrics(other).get_value("aggregator_auth_failures_total", reason="expired") == 0


def test_durations_are_counted_in_buckets() -> None:
    """A request counts in each bucket whose bound it does not exceed, and in the sum."""
    own_metrics = OwnMetrics()
    for seconds in (0.0005, 0.001, 0.3, 99.0):
        own_metrics.record_http_duration("topology", "topology", seconds)
    scraped = scrape_own_metrics(own_metrics)
    name = "http_request_duration_seconds"
    counted = {
        bound: scraped.get_value(f"{name}_bucket", handler="topology", route="topology", le=bound)
        for bound in ("0.001", "0.5", "+Inf")
    }
    assert counted == {"0.001": 2, "0.5": 3, "+Inf": 4}
    assert scraped.get_value(f"{name}_count", handler="topology", route="topology") == 4
    assert scraped.get_value(f"{name}_sum", handler="topology", route="topology") == pytest.approx(99.3015)


def test_unknown_methods_share_a_series() -> None:
    """Any number of unknown HTTP methods is one series."""
    own_metrics = OwnMetrics()
    before = len(scrape_own_metrics(own_metrics).samples)
    for number in range(10_000):
        own_metrics.record_http_request("topology", f"M{number}", 405)
    scraped = scrape_own_metrics(own_metrics)
    assert scraped.get_value("http_requests_total", handler="topology", code="405", method="other") == 10_000
    assert len(scraped.samples) == before + 1


def test_unknown_reasons_share_a_series() -> None:
    """An authentication failure with an unknown reason counts as "other"."""
    own_metrics = OwnMetrics()
    own_metrics.record_auth_failure("something new")
    assert scrape_own_metrics(own_metrics).get_value("aggregator_auth_failures_total", reason=OTHER) == 1


def test_failed_key_fetches_are_counted() -> None:
    """Failed fetches of keys are counted in one series."""
    own_metrics = OwnMetrics()
    for _ in range(2):
        own_metrics.record_key_fetch_failure()
    assert scrape_own_metrics(own_metrics).get_value("aggregator_key_fetches_failed_total") == 2


def test_every_auth_failure_reason_has_a_series() -> None:
    """Each reason with which the source code rejects a token has a series."""
    reasons: set[str] = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="UnauthenticatedError" | "PermissionDeniedError"),
                    args=[ast.Constant(value=str(reason)), *_],
                ):
                    reasons.add(reason)
    assert len(reasons) > 10
    assert reasons <= set(AUTH_FAILURE_REASONS)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (UnreachableError("x"), "unreachable"),
        (NotListeningError("x"), "unreachable"),
        (QueryTimeoutError("x"), "too_slow"),
        (UpstreamStatusError(503, "x"), "refused"),
        (ResponseTooLargeError("x"), "too_large"),
        (MalformedResponseError("x"), "malformed"),
        (QueryError("x"), "failed"),
    ],
    ids=str,
)
def test_queries_are_counted_by_result(error: QueryError | None, result: str) -> None:
    """Each type of query error has its own result, by query and by source."""
    own_metrics = OwnMetrics(["up"], ["eu"])
    own_metrics.record_query(build_query_stats(error, warnings=2))
    scraped = scrape_own_metrics(own_metrics)
    assert scraped.get_value("aggregator_queries_total", query="up", result=result) == 1
    assert scraped.sum_values("aggregator_queries_total") == 1
    assert scraped.get_value("aggregator_source_queries_total", source="eu", result=result) == 1
    assert scraped.get_value("aggregator_query_response_bytes_total") == 1000
    assert scraped.get_value("aggregator_upstream_warnings_total") == 2
    assert scraped.get_value("aggregator_query_duration_seconds_sum", query="up") == pytest.approx(0.2)


def test_threads_count_concurrently() -> None:
    """Events that several threads count concurrently add up."""
    own_metrics = OwnMetrics(["up"])

    def count() -> None:
        for _ in range(1000):
            own_metrics.record_query(build_query_stats())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scrape_own_metrics(own_metrics).get_value("aggregator_queries_total", query="up", result="ok") == 4000
