"""What the process counts of itself: names, series from the start, and bounds to what strangers can make of them."""

import ast
import threading
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from aggregator import __version__
from aggregator.errors import (
    MalformedError,
    NotListeningError,
    QueryError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
)
from aggregator.own_metrics import AUTH_REASONS, HANDLERS, METRICS, RESULTS
from aggregator.requests_seen import OTHER
from aggregator.telemetry import Exchange, Refreshed, Telemetry
from tests.exposition import now, openmetrics, promtool

AUTH_SOURCES = sorted((Path(__file__).parents[1] / "aggregator" / "server").glob("*.py"))
# The contract with whoever watches: names that dashboards and alerts are built on.
PROMISED = {
    "http_requests_total": {"handler", "code", "method"},
    "http_request_duration_seconds": {"handler"},
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


def exchange(error: QueryError | None = None, warnings: int = 0) -> Exchange:
    """Return what became of one query."""
    return Exchange("up", "eu", 1_795_208_230.0, 0.2, 1000, 7, warnings, error)


def test_the_promised_names_are_there() -> None:
    """Each metric that dashboards rely on has its name and its labels."""
    named = {metric.name: set(metric.labels) for metric in METRICS}
    assert {name: named.get(name) for name in PROMISED} == PROMISED


def test_promtool_has_nothing_against_them() -> None:
    """The linter of Prometheus accepts the whole exposition, before and after things were counted."""
    telemetry = Telemetry(["up"], ["eu"])
    assert promtool("check", "metrics", given=generate_latest(telemetry.registry).decode()) == ""
    telemetry.answered("topology", "GET", 200, 0.002)
    telemetry.queried(exchange())
    telemetry.refreshed(Refreshed({"node": 3}, {"failed": 1}, {"unplaced": 2}), 1_795_208_230.0)
    assert promtool("check", "metrics", given=generate_latest(telemetry.registry).decode()) == ""


def test_openmetrics_can_be_read() -> None:
    """The OpenMetrics form is read by a strict parser."""
    assert len(openmetrics(Telemetry(["up"]))) > len(PROMISED)


def test_labelled_counters_begin_at_zero() -> None:
    """Every series that is known beforehand is there before anything happened, and is zero."""
    seen = now(Telemetry(["up", "uptime"], ["eu"]))
    for query in ("up", "uptime"):
        assert [seen.value("aggregator_queries_total", query=query, result=result) for result in RESULTS] == [0] * 7
        assert seen.value("aggregator_query_duration_seconds_count", query=query) == 0
    assert seen.value("aggregator_source_queries_total", source="eu", result="ok") == 0
    assert all(seen.value("aggregator_auth_failures_total", reason=reason) == 0 for reason in (*AUTH_REASONS, OTHER))
    assert all(
        seen.value("http_requests_total", handler=handler, code="200", method="GET") == 0 for handler in HANDLERS
    )
    assert seen.value("aggregator_build_info", version=__version__) == 1


def test_no_series_tells_when_it_was_made() -> None:
    """There are no `_created` series, which would double the number of counters."""
    assert not [name for name, _ in now(Telemetry(["up"])).samples if name.endswith("_created")]


def test_each_telemetry_is_its_own() -> None:
    """Two objects do not share counters: nothing is global."""
    one, other = Telemetry(), Telemetry()
    one.refused("expired")
    assert now(one).value("aggregator_auth_failures_total", reason="expired") == 1
    assert now(other).value("aggregator_auth_failures_total", reason="expired") == 0


def test_durations_are_in_their_buckets() -> None:
    """A request counts in every bucket whose bound it does not exceed, and in the sum."""
    telemetry = Telemetry()
    for seconds in (0.0005, 0.001, 0.3, 99.0):
        telemetry.answered("topology", "GET", 200, seconds)
    seen = now(telemetry)
    name = "http_request_duration_seconds"
    counted = {bound: seen.value(f"{name}_bucket", handler="topology", le=bound) for bound in ("0.001", "0.5", "+Inf")}
    assert counted == {"0.001": 2, "0.5": 3, "+Inf": 4}
    assert seen.value(f"{name}_count", handler="topology") == 4
    assert seen.value(f"{name}_sum", handler="topology") == pytest.approx(99.3015)


def test_made_up_methods_share_a_series() -> None:
    """Ten thousand methods that do not exist are one series."""
    telemetry = Telemetry()
    before = len(now(telemetry).samples)
    for number in range(10_000):
        telemetry.answered("topology", f"M{number}", 405, 0.001)
    seen = now(telemetry)
    assert seen.value("http_requests_total", handler="topology", code="405", method="other") == 10_000
    assert len(seen.samples) == before + 1


def test_unknown_reasons_share_a_series() -> None:
    """A reason for a refusal that is not in the table counts as another."""
    telemetry = Telemetry()
    telemetry.refused("something new")
    assert now(telemetry).value("aggregator_auth_failures_total", reason=OTHER) == 1


def test_failed_fetches_of_keys_are_counted() -> None:
    """Reasons of any text are one series."""
    telemetry = Telemetry()
    for reason in ("connection refused", "x" * 10_000):
        telemetry.keys_not_fetched(reason)
    assert now(telemetry).value("aggregator_key_fetches_failed_total") == 2


def test_every_reason_of_the_sources_is_in_the_table() -> None:
    """Each constant word with which the servers refuse a token has a series of its own."""
    words = set()
    for source in AUTH_SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            is_refusal = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if is_refusal and node.func.id in ("TokenRefusedError", "NotAllowedError") and node.args:  # type: ignore[attr-defined] # as was asked
                argument = node.args[0]  # type: ignore[attr-defined] # as was asked
                if isinstance(argument, ast.Constant):
                    words.add(argument.value)
    assert words
    assert words <= set(AUTH_REASONS)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (UnreachableError("x"), "unreachable"),
        (NotListeningError("x"), "unreachable"),
        (TooSlowError("x"), "too_slow"),
        (RefusedError(503, "x"), "refused"),
        (TooLargeError("x"), "too_large"),
        (MalformedError("x"), "malformed"),
        (QueryError("x"), "failed"),
    ],
    ids=str,
)
def test_what_became_of_a_query(error: QueryError | None, result: str) -> None:
    """Each kind of failure is a word of its own, by query and by source."""
    telemetry = Telemetry(["up"], ["eu"])
    telemetry.queried(exchange(error, warnings=2))
    seen = now(telemetry)
    assert seen.value("aggregator_queries_total", query="up", result=result) == 1
    assert seen.total("aggregator_queries_total") == 1
    assert seen.value("aggregator_source_queries_total", source="eu", result=result) == 1
    assert seen.value("aggregator_query_response_bytes_total") == 1000
    assert seen.value("aggregator_upstream_warnings_total") == 2
    assert seen.value("aggregator_query_duration_seconds_sum", query="up") == pytest.approx(0.2)


def test_counting_on_many_threads_loses_nothing() -> None:
    """What several threads count at once adds up."""
    telemetry = Telemetry(["up"])

    def count() -> None:
        for _ in range(1000):
            telemetry.queried(exchange())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert now(telemetry).value("aggregator_queries_total", query="up", result="ok") == 4000
