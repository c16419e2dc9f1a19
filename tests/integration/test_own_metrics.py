"""The metrics and log lines of a real process."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.prometheus import find_free_port
from tests.integration.fleet_exposition import SMALL_NODE_COUNT
from tests.integration.gateway_process import GatewayProcess, run_gateway, run_to_completion, wait_until
from tests.integration.scrape_check import assert_scrapable
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.exposition import ScrapedMetrics, parse_exposition, run_promtool
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

REQUEST_ID_PATTERN = re.compile(r"[0-9a-f]{16}")


@pytest.fixture(scope="module")
def gateway(prometheus_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A ready gateway with a metrics port and debug log."""
    folder = tmp_path_factory.mktemp("gateway")
    metrics_settings = {"METRICS_PORT": "0", "METRICS_HOST": "127.0.0.1"}
    with run_gateway(
        folder, PROMETHEUS_ADDRESS=prometheus_url, LOG_LEVEL="debug", REFRESH_INTERVAL="2", **metrics_settings
    ) as running:
        wait_until(lambda: send_request(running.http_port, "/readyz").status == 200, "ready")
        yield running


def find_metrics_port(gateway: GatewayProcess) -> int:
    """Return the port of the metrics server."""
    lines = wait_until(
        lambda: [line for line in gateway.find_events("listening") if line["server"] == "metrics"],
        "the metrics server listens",
    )
    return int(lines[0]["port"])


def scrape_port(port: int) -> ScrapedMetrics:
    """Return the metrics from a port."""
    return parse_exposition(send_request(port, "/metrics").body.decode())


@pytest.mark.concurrent
def test_prometheus_scrapes_the_metrics(prometheus_url: str, tmp_path: Path) -> None:
    """Prometheus scrapes the metrics from the HTTP port and from the metrics port."""
    with run_gateway(
        tmp_path, PROMETHEUS_ADDRESS=prometheus_url, METRICS_PORT="0", METRICS_HOST="127.0.0.1"
    ) as gateway:
        assert_scrapable(tmp_path, [f"127.0.0.1:{gateway.http_port}", f"127.0.0.1:{find_metrics_port(gateway)}"])


def test_metrics_of_a_healthy_gateway(gateway: GatewayProcess) -> None:
    """A healthy gateway exports readiness, completeness, objects, queries, failures and memory."""
    metrics = scrape_port(gateway.http_port)
    assert metrics.get_value("aggregator_ready") == metrics.get_value("aggregator_topology_complete") == 1
    assert metrics.get_value("aggregator_topology_objects", kind="node") == SMALL_NODE_COUNT
    assert metrics.get_value("aggregator_topology_objects", kind="cluster") == 1
    assert metrics.get_value("aggregator_snapshot_age_seconds") < 10
    assert abs(metrics.get_value("aggregator_refresh_last_success_timestamp_seconds") - time.time()) < 20
    assert metrics.get_value("aggregator_refresh_duration_seconds_count") >= 1
    assert metrics.get_value("aggregator_refresh_failures_total") == 0
    assert metrics.get_value("aggregator_queries_total", query="nodes_by_uname", result="ok") >= 1
    assert metrics.sum_values("aggregator_queries_total", result="ok") == metrics.sum_values("aggregator_queries_total")
    assert metrics.get_value("aggregator_query_response_bytes_total") > 1000
    assert metrics.sum_values("aggregator_topology_gaps") == metrics.sum_values("aggregator_dropped_samples_total") == 0
    assert metrics.get_value("aggregator_http_connections") >= 1
    assert metrics.get_value("process_resident_memory_bytes") > 2**20
    assert run_promtool("check", "metrics", stdin=send_request(gateway.http_port, "/metrics").body.decode()) == ""


def test_the_metrics_port_serves_only_metrics(gateway: GatewayProcess) -> None:
    """METRICS_PORT serves GET and HEAD of /metrics and no other path."""
    port = find_metrics_port(gateway)
    assert send_request(port, "/metrics").headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    head = send_request(port, "/metrics", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert send_request(port, "/metrics", "POST").status == 405
    assert {send_request(port, path).status for path in ("/", "/healthz", "/metrics/", "/docs", "//metrics", "/x")} == {
        404
    }


@pytest.mark.concurrent
def test_the_metrics_port_needs_no_token(prometheus_url: str, tmp_path: Path) -> None:
    """With KEY and without HTTP, the metrics port serves without a token."""
    settings = {"HTTP_PORT": "", "METRICS_PORT": "0", "METRICS_HOST": "127.0.0.1", "KEY": FakeRealm().key_setting}
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=prometheus_url, **settings) as gateway:
        port = find_metrics_port(gateway)
        wait_until(lambda: scrape_port(port).get_value("aggregator_ready") == 1, "ready")
        assert call_method(gateway.grpc_port).code.name == "UNAUTHENTICATED"
        wait_until(
            lambda: scrape_port(port).get_value("aggregator_auth_failures_total", reason="no token") == 1, "counted"
        )


def test_a_metrics_port_in_use_is_reported(gateway: GatewayProcess) -> None:
    """A METRICS_PORT in use makes the start fail with 1 and a line that names it."""
    port = str(find_metrics_port(gateway))
    completed = run_to_completion(
        PROMETHEUS_ADDRESS="http://127.0.0.1:9", HTTP_PORT="0", METRICS_PORT=port, METRICS_HOST="127.0.0.1"
    )
    assert completed.returncode == 1
    assert f"METRICS_PORT: cannot listen on 127.0.0.1:{port}: the port is in use" in completed.stderr


@pytest.mark.concurrent
def test_metrics_during_an_outage(tmp_path: Path) -> None:
    """Without Prometheus, the metrics show: not ready, not complete, no age, failures, and the reason of queries."""
    port = find_free_port()
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}") as gateway:
        wait_until(
            lambda: scrape_port(gateway.http_port).get_value("aggregator_refresh_failures_total") >= 2,
            "failures are counted",
        )
        metrics = scrape_port(gateway.http_port)
    assert metrics.get_value("aggregator_ready") == metrics.get_value("aggregator_topology_complete") == 0
    assert str(metrics.get_value("aggregator_snapshot_age_seconds")) == "nan"
    assert metrics.get_value("aggregator_refresh_last_success_timestamp_seconds") == 0
    assert metrics.get_value("aggregator_source_queries_total", source=f"127.0.0.1:{port}", result="unreachable") > 0
    assert metrics.sum_values("aggregator_queries_total", result="ok") == 0


def test_debug_logs_one_line_per_request(gateway: GatewayProcess) -> None:
    """At debug level a request is one line with ID, method, path, status, duration and client, without its query."""
    send_request(gateway.http_port, "/some/path?layout=3000&x=sw0rdfish", headers=[("X-Request-Id", "mine-1")])
    (line,) = wait_until(
        lambda: [line for line in gateway.find_events("request completed") if line.get("request_id") == "mine-1"],
        "logged",
    )
    assert (line["method"], line["path"], line["status"]) == ("GET", "/some/path", 400)
    assert (line["level"], line["client"]) == ("debug", "127.0.0.1")
    assert line["duration_ms"] >= 0
    assert "sw0rdfish" not in gateway.log


def test_debug_logs_one_line_per_call(gateway: GatewayProcess) -> None:
    """At debug level a gRPC call is one line with ID, method and code."""
    call_method(gateway.grpc_port, metadata=[("x-request-id", "mine-2")])
    (line,) = wait_until(
        lambda: [line for line in gateway.find_events("call completed") if line.get("request_id") == "mine-2"], "logged"
    )
    assert (line["method"], line["code"]) == ("server_proto.Aggregator/ConnectToQuerier", "OK")


def test_each_refresh_logs_one_line(gateway: GatewayProcess) -> None:
    """A refresh is one line with duration and counts; a scheduled one has no request ID."""
    line = gateway.find_events("refresh succeeded")[0]
    assert (line["level"], line["nodes"], line["clusters"], line["complete"]) == ("info", SMALL_NODE_COUNT, 1, True)
    assert line["duration_ms"] >= 0
    assert "request_id" not in line


@pytest.mark.concurrent
def test_requests_are_not_logged_at_info(prometheus_url: str, tmp_path: Path) -> None:
    """At info level, requests and calls are not logged, but have IDs."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=prometheus_url) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        assert REQUEST_ID_PATTERN.fullmatch(send_request(gateway.http_port).request_id)
        assert REQUEST_ID_PATTERN.fullmatch(call_method(gateway.grpc_port).request_id)
        assert not gateway.find_events("request completed")
        assert not gateway.find_events("call completed")
