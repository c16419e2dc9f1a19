"""How a real process tells that it is well, or not: its metrics as scraped, its port for scrapers, its log."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.prometheus import free_port
from tests.exposition import Scraped, promtool, scraped
from tests.integration.process import Gateway, ended, running, until
from tests.integration.scraping import assert_scraped
from tests.integration.telemetry import FEW
from tests.server.call import call
from tests.server.exchange import ask
from tests.server.tokens import Realm

REQUEST_ID = re.compile(r"[0-9a-f]{12}-[0-9a-f]+")


@pytest.fixture(scope="module")
def gateway(small: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a port for metrics, that is ready and logs all."""
    folder = tmp_path_factory.mktemp("gateway")
    own_port = {"METRICS_PORT": "0", "METRICS_HOST": "127.0.0.1"}
    with running(folder, PROMETHEUS_ADDRESS=small, LOG_LEVEL="debug", REFRESH_INTERVAL="2", **own_port) as it:
        until(lambda: ask(it.http, "/readyz").status == 200, "ready")
        yield it


def metrics_port(gateway: Gateway) -> int:
    """Return the port that serves metrics alone."""
    lines = until(
        lambda: [line for line in gateway.events("listening") if line["server"] == "metrics"], "metrics listen"
    )
    return int(lines[0]["port"])


def seen(port: int) -> Scraped:
    """Return what a port tells."""
    return scraped(ask(port, "/metrics").body.decode())


@pytest.mark.beside
def test_a_real_prometheus_scrapes_it(small: str, tmp_path: Path) -> None:
    """Prometheus takes the metrics from the port of HTTP and from the port of their own."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small, METRICS_PORT="0", METRICS_HOST="127.0.0.1") as started:
        assert_scraped(tmp_path, [f"127.0.0.1:{started.http}", f"127.0.0.1:{metrics_port(started)}"])


def test_the_process_is_seen_whole(gateway: Gateway) -> None:
    """A gateway that is well says so: ready, complete, its objects, each query, no failures, its memory."""
    it = seen(gateway.http)
    assert it.value("aggregator_ready") == it.value("aggregator_topology_complete") == 1
    assert it.value("aggregator_topology_objects", kind="node") == FEW
    assert it.value("aggregator_topology_objects", kind="cluster") == 1
    assert it.value("aggregator_snapshot_age_seconds") < 10
    assert abs(it.value("aggregator_refresh_last_success_timestamp_seconds") - time.time()) < 20
    assert it.value("aggregator_refresh_duration_seconds_count") >= 1
    assert it.value("aggregator_refresh_failures_total") == 0
    assert it.value("aggregator_queries_total", query="nodes_by_uname", result="ok") >= 1
    assert it.total("aggregator_queries_total", result="ok") == it.total("aggregator_queries_total")
    assert it.value("aggregator_query_response_bytes_total") > 1000
    assert it.total("aggregator_topology_gaps") == it.total("aggregator_dropped_samples_total") == 0
    assert it.value("aggregator_http_connections") >= 1
    assert it.value("process_resident_memory_bytes") > 2**20
    assert promtool("check", "metrics", given=ask(gateway.http, "/metrics").body.decode()) == ""


def test_the_port_for_metrics_serves_nothing_else(gateway: Gateway) -> None:
    """METRICS_PORT answers GET and HEAD of /metrics; there is no topology, no probe, no other path."""
    port = metrics_port(gateway)
    assert ask(port, "/metrics").headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    head = ask(port, "/metrics", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert ask(port, "/metrics", "POST").status == 405
    assert {ask(port, path).status for path in ("/", "/healthz", "/metrics/", "/docs", "//metrics", "/x")} == {404}


@pytest.mark.beside
def test_the_port_for_metrics_wants_no_token(small: str, tmp_path: Path) -> None:
    """With KEY and without HTTP, the port for metrics is there and open."""
    settings = {"HTTP_PORT": "", "METRICS_PORT": "0", "METRICS_HOST": "127.0.0.1", "KEY": Realm().setting}
    with running(tmp_path, PROMETHEUS_ADDRESS=small, **settings) as started:
        port = metrics_port(started)
        until(lambda: seen(port).value("aggregator_ready") == 1, "ready")
        assert call(started.grpc).code.name == "UNAUTHENTICATED"
        until(lambda: seen(port).value("aggregator_auth_failures_total", reason="no token") == 1, "counted")


def test_a_taken_port_for_metrics_is_one_line(gateway: Gateway) -> None:
    """A METRICS_PORT that is in use ends the start with 1 and one line that names it."""
    port = str(metrics_port(gateway))
    done = ended(PROMETHEUS_ADDRESS="http://127.0.0.1:9", HTTP_PORT="0", METRICS_PORT=port, METRICS_HOST="127.0.0.1")
    assert done.returncode == 1
    assert f"METRICS_PORT: cannot listen on 127.0.0.1:{port}: the port is in use" in done.stderr


@pytest.mark.beside
def test_an_outage_is_seen(tmp_path: Path) -> None:
    """Without Prometheus: not ready, not complete, no age, failures that grow, and queries that say why."""
    port = free_port()
    with running(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}") as started:
        until(lambda: seen(started.http).value("aggregator_refresh_failures_total") >= 2, "failures are counted")
        it = seen(started.http)
    assert it.value("aggregator_ready") == it.value("aggregator_topology_complete") == 0
    assert str(it.value("aggregator_snapshot_age_seconds")) == "nan"
    assert it.value("aggregator_refresh_last_success_timestamp_seconds") == 0
    assert it.value("aggregator_source_queries_total", source=f"127.0.0.1:{port}", result="unreachable") > 0
    assert it.total("aggregator_queries_total", result="ok") == 0


def test_each_request_is_one_line_at_debug(gateway: Gateway) -> None:
    """At debug a request is a line with its id, method, path, status, duration and client, and without its query."""
    ask(gateway.http, "/some/path?layout=3000&x=sw0rdfish", headers=[("X-Request-Id", "mine-1")])
    (line,) = until(lambda: [one for one in gateway.events("request") if one.get("request_id") == "mine-1"], "logged")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/some/path", 400)
    assert (line["level"], line["client"]) == ("debug", "127.0.0.1")
    assert line["took_ms"] >= 0
    assert "sw0rdfish" not in gateway.log


def test_each_call_is_one_line_at_debug(gateway: Gateway) -> None:
    """At debug a gRPC call is a line with its id, method and code."""
    call(gateway.grpc, metadata=[("x-request-id", "mine-2")])
    (line,) = until(lambda: [one for one in gateway.events("call") if one.get("request_id") == "mine-2"], "logged")
    assert (line["method"], line["code"]) == ("server_proto.Aggregator/ConnectToQuerier", "OK")


def test_each_refresh_is_one_line(gateway: Gateway) -> None:
    """A refresh is a line with its duration and what it gave; one on its own belongs to no request."""
    line = gateway.events("refreshed")[0]
    assert (line["level"], line["nodes"], line["clusters"], line["complete"]) == ("info", FEW, 1, True)
    assert line["took_ms"] >= 0
    assert "request_id" not in line


@pytest.mark.beside
def test_requests_are_not_logged_at_info(small: str, tmp_path: Path) -> None:
    """At info there is no line for a request, and none for a call, but each has its id."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small) as started:
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        assert REQUEST_ID.fullmatch(ask(started.http).request_id)
        assert REQUEST_ID.fullmatch(call(started.grpc).request_id)
        assert not started.events("request")
        assert not started.events("call")
