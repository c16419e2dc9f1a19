"""Traces of a real process: request → refresh → queries."""

import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.prometheus import find_free_port
from tests.integration.gateway_process import ROOT, GatewayProcess, run_gateway, wait_until
from tests.integration.trace_collector import ReceivedSpan, TraceCollector, run_trace_collector
from tests.observability.test_redaction import find_leaked_piece
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.catalog import CATALOG
from tests.support.exposition import parse_exposition
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

CALLER_SPAN_ID = "b7ad6b7169203331"
NO_CACHE_HEADER = ("Cache-Control", "no-cache")
SERVER_KIND, CLIENT_KIND = 2, 3
# Spans are exported at once, and scheduled refreshes are rare.
FAST_EXPORT_SETTINGS = {"OTEL_BSP_SCHEDULE_DELAY": "50", "REFRESH_INTERVAL": "200"}


def add_password(url: str) -> str:
    """Return a URL with credentials."""
    return url.replace("//", "//scraper:sw0rdfish@")


@pytest.fixture(scope="module")
def collector() -> Iterator[TraceCollector]:
    """A trace collector that accepts all spans."""
    with run_trace_collector() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    prometheus_url: str, collector: TraceCollector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A ready gateway that exports traces to the collector."""
    exporter_headers = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cr3t-header"}
    with run_gateway(
        tmp_path_factory.mktemp("gateway"),
        PROMETHEUS_ADDRESS=add_password(prometheus_url),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        LOG_LEVEL="debug",
        **FAST_EXPORT_SETTINGS,
        **exporter_headers,
    ) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        yield gateway


@pytest.fixture
def trace() -> str:
    """The trace ID of a caller."""
    return uuid.uuid4().hex


@pytest.fixture
def parent(trace: str) -> tuple[str, str]:
    """The traceparent header of the caller."""
    return ("traceparent", f"00-{trace}-{CALLER_SPAN_ID}-01")


def find_trace_spans(collector: TraceCollector, name: str, trace: str) -> list[ReceivedSpan]:
    """Return the spans with this name in a trace."""
    return [span for span in collector.find_spans(name) if span.trace_id == trace]


def find_children(collector: TraceCollector, parent_span: ReceivedSpan) -> list[ReceivedSpan]:
    """Return the child spans of a span."""
    return [
        span
        for span in collector.spans
        if (span.trace_id, span.parent_id) == (parent_span.trace_id, parent_span.span_id)
    ]


def test_a_scheduled_refresh_starts_a_trace(gateway: GatewayProcess, collector: TraceCollector) -> None:
    """The first refresh has no parent, and a child span with the result of each query."""
    assert gateway.process.poll() is None
    refresh = min(
        wait_until(lambda: collector.find_spans("refresh"), "the span of the refresh"),
        key=lambda span: span.start_unix_nanos,
    )
    assert refresh.parent_id == ""
    wait_until(lambda: len(find_children(collector, refresh)) == len(CATALOG), "the spans of all queries")
    queries = find_children(collector, refresh)
    assert {span.name for span in queries} == {f"query {row.name}" for row in CATALOG}
    assert {span.kind for span in queries} == {CLIENT_KIND}
    (uname,) = [span for span in queries if span.name == "query nodes_by_uname"]
    assert uname.attributes["aggregator.result"] == "ok"
    assert uname.attributes["aggregator.samples"] == 2
    assert uname.attributes["aggregator.response_bytes"] > 100
    assert all(
        refresh.start_unix_nanos <= span.start_unix_nanos <= span.end_unix_nanos <= refresh.end_unix_nanos + 50_000_000
        for span in queries
    )
    assert {span.service for span in collector.spans} == {"aggregator"}


def test_a_refresh_on_request_continues_the_trace(
    gateway: GatewayProcess, collector: TraceCollector, trace: str, parent: tuple[str, str]
) -> None:
    """A request that starts a refresh continues the trace of its caller down to the queries."""

    def find_refreshes() -> list[ReceivedSpan]:
        return find_trace_spans(collector, "refresh", trace)

    wait_until(
        lambda: (
            send_request(gateway.http_port, headers=[NO_CACHE_HEADER, parent]).headers["Age"] == "0"
            and find_refreshes()
        ),
        "a refresh in the trace",
    )
    refresh = find_refreshes()[0]
    wait_until(lambda: len(find_children(collector, refresh)) == len(CATALOG), "the spans of all queries")
    wait_until(lambda: refresh.parent_id in {span.span_id for span in collector.spans}, "the span of the request")
    (request,) = [span for span in collector.spans if span.span_id == refresh.parent_id]
    assert (request.name, request.kind, request.parent_id) == ("GET topology", SERVER_KIND, CALLER_SPAN_ID)
    assert request.attributes["http.response.status_code"] == 200
    assert {span.trace_id for span in [request, refresh, *find_children(collector, refresh)]} == {trace}
    lines = [line for line in gateway.find_events("refresh succeeded") if line.get("trace_id") == trace]
    assert lines
    assert lines[0]["request_id"]


def test_a_joined_refresh_is_linked(gateway: GatewayProcess, collector: TraceCollector) -> None:
    """Of ten requests that wait for one refresh, one is its parent and others are linked to it."""

    def has_linked_request() -> bool:
        threads = [
            threading.Thread(target=send_request, args=(gateway.http_port, "/", "GET", [NO_CACHE_HEADER]))
            for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return any(span.links for span in collector.find_spans("GET topology"))

    wait_until(has_linked_request, "a request that joined a refresh", 30)
    linked_spans = [span for span in collector.find_spans("GET topology") if span.links]
    wait_until(
        lambda: {span.span_id for span in collector.find_spans("refresh")} >= set(linked_spans[0].links),
        "the span of the refresh",
    )


def test_a_call_is_traced(
    gateway: GatewayProcess, collector: TraceCollector, trace: str, parent: tuple[str, str]
) -> None:
    """The span of a gRPC call continues the trace of its caller and contains the status."""
    call_method(gateway.grpc_port, metadata=[parent])
    method = "server_proto.Aggregator/ConnectToQuerier"
    (span,) = wait_until(lambda: find_trace_spans(collector, method, trace), "the span of the call")
    assert (span.parent_id, span.kind) == (CALLER_SPAN_ID, SERVER_KIND)
    assert span.attributes["rpc.grpc.status_code"] == "OK"
    assert not span.is_error


def test_probes_and_scrapes_are_not_traced(
    gateway: GatewayProcess, collector: TraceCollector, trace: str, parent: tuple[str, str]
) -> None:
    """Requests to /healthz and /metrics create no spans."""
    for path in ("/healthz", "/metrics", "/"):
        send_request(gateway.http_port, path, headers=[parent])
    wait_until(lambda: find_trace_spans(collector, "GET topology", trace), "the span of the request")
    assert len([span for span in collector.spans if span.trace_id == trace]) == 1
    assert not [span for span in collector.spans if span.attributes.get("http.route") in ("probes", "metrics")]


def test_spans_and_logs_contain_no_secrets(
    gateway: GatewayProcess, collector: TraceCollector, trace: str, parent: tuple[str, str]
) -> None:
    """Spans and log lines contain no credentials, tokens, query strings, or headers for the collector.

    It checks all output of the gateway of this module and ends it, therefore it must be the last test that uses it.
    """
    token = FakeRealm().issue_token()
    send_request(
        gateway.http_port,
        f"/{token}?secret=hunter2",
        headers=[("Authorization", f"Bearer {token}"), NO_CACHE_HEADER, parent],
    )
    call_method(gateway.grpc_port, metadata=[("authorization", f"Bearer {token}"), parent])
    wait_until(lambda: [span for span in collector.spans if span.trace_id == trace], "the spans of the requests")
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.wait_for_exit(15) == 0
    assert collector.headers[0]["api-key"] == "s3cr3t-header"
    assert collector.headers[0]["path"] == "/v1/traces"
    for text in (*(body.decode("latin-1") for body in collector.bodies), gateway.log):
        for secret in ("sw0rdfish", "eyJ", "hunter2", "s3cr3t-header"):
            assert secret not in text


@pytest.mark.concurrent
def test_pending_spans_are_exported_at_shutdown(prometheus_url: str, tmp_path: Path) -> None:
    """Spans that are not exported yet when the process gets SIGTERM are exported before it ends."""
    settings = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_SERVICE_NAME": "my-gateway"}
    with (
        run_trace_collector() as collector,
        run_gateway(
            tmp_path, PROMETHEUS_ADDRESS=prometheus_url, OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/", **settings
        ) as gateway,
    ):
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(15) == 0
    assert collector.find_spans("refresh")
    assert {span.service for span in collector.spans} == {"my-gateway"}


@pytest.mark.concurrent
@pytest.mark.parametrize("status", [0, 503, 401], ids=["unreachable", "unavailable", "unauthorized"])
def test_spans_are_dropped_when_the_collector_rejects_them(prometheus_url: str, tmp_path: Path, status: int) -> None:
    """If the collector does not accept spans, they are dropped and counted, with one warning and no delayed exit."""
    with run_trace_collector() as collector:
        collector.status = status
        url = collector.url if status else f"http://user:sw0rdfish@127.0.0.1:{find_free_port()}"
        # Makes the key appear where the error of the exporter is truncated.
        collector.status_phrase = "x" * 220
        key = f"s3cr3t-{uuid.uuid4()}-{uuid.uuid4()}"
        settings = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_BSP_SCHEDULE_DELAY": "50", "REFRESH_INTERVAL": "0.2"}
        settings["OTEL_EXPORTER_OTLP_HEADERS"] = f"api-key={key}"
        address = add_password(prometheus_url)
        with run_gateway(tmp_path, PROMETHEUS_ADDRESS=address, OTEL_EXPORTER_OTLP_ENDPOINT=url, **settings) as gateway:
            name = "aggregator_spans_dropped_total"
            wait_until(
                lambda: (
                    parse_exposition(send_request(gateway.http_port, "/metrics").body.decode()).get_value(name) > 100
                ),
                "spans are dropped",
            )
            assert send_request(gateway.http_port).status == 200
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.wait_for_exit(5) == 0
    # On a busy machine a refresh may be late, which is another warning.
    warnings = [
        line for line in gateway.read_log_entries() if line["event"] != "refresh succeeded" and line["level"] != "info"
    ]
    assert [line["event"] for line in warnings] == ["trace collector does not accept spans, dropping them"]
    assert warnings[0]["reason"]
    assert "sw0rdfish" not in gateway.log
    assert not find_leaked_piece(key, gateway.log)
    # If the reason contains the phrase of the collector, the key in it is redacted. On a busy machine the exporter may
    # time out before it gets the phrase.
    assert ("***" in warnings[0]["reason"]) is ("xxx" in warnings[0]["reason"])


def test_the_tracing_sdk_is_imported_only_with_a_collector() -> None:
    """Without an endpoint for traces, the SDK of OpenTelemetry is not imported; FastAPI imports only its API."""
    code = "import sys, aggregator.app.lifecycle; print(*sys.modules)"
    completed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not re.search(r"opentelemetry\.(sdk|exporter|proto)", completed.stdout)
