"""Traces of a real process, as a collector takes them: request → refresh → each query."""

import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.models.catalog import CATALOG
from demo.prometheus import free_port
from tests.exposition import scraped
from tests.integration.collector import Collector, Seen, collecting
from tests.integration.process import ROOT, Gateway, running, until
from tests.server.call import call
from tests.server.exchange import ask
from tests.server.tokens import Realm
from tests.test_secrets import piece_of

CALLER = "b7ad6b7169203331"
FRESH = ("Cache-Control", "no-cache")
SERVER, CLIENT = 2, 3
# Spans travel at once, and scheduled refreshes stay out of the way.
QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "50", "REFRESH_INTERVAL": "200"}


def with_password(url: str) -> str:
    """Return an address with credentials in it."""
    return url.replace("//", "//scraper:sw0rdfish@")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector that takes everything."""
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(small: str, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that traces to the collector, after its first refresh."""
    secret = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cr3t-header"}
    with running(
        tmp_path_factory.mktemp("gateway"),
        PROMETHEUS_ADDRESS=with_password(small),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        LOG_LEVEL="debug",
        **QUICK,
        **secret,
    ) as started:
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        yield started


@pytest.fixture
def trace() -> str:
    """The id of a trace that a caller has begun."""
    return uuid.uuid4().hex


@pytest.fixture
def parent(trace: str) -> tuple[str, str]:
    """The header that continues the caller's trace."""
    return ("traceparent", f"00-{trace}-{CALLER}-01")


def of_trace(collector: Collector, name: str, trace: str) -> list[Seen]:
    """Return the spans of a name in a trace."""
    return [span for span in collector.named(name) if span.trace_id == trace]


def children(collector: Collector, of: Seen) -> list[Seen]:
    """Return the spans whose parent is this one."""
    return [span for span in collector.spans if (span.trace_id, span.parent_id) == (of.trace_id, of.span_id)]


def test_a_scheduled_refresh_is_a_trace_of_its_own(gateway: Gateway, collector: Collector) -> None:
    """The first refresh has no parent, and a child for each query with what it gave."""
    assert gateway.process.poll() is None
    refresh = min(until(lambda: collector.named("refresh"), "the refresh is taken"), key=lambda span: span.start)
    assert refresh.parent_id == ""
    until(lambda: len(children(collector, refresh)) == len(CATALOG), "all queries are taken")
    queries = children(collector, refresh)
    assert {span.name for span in queries} == {f"query {row.name}" for row in CATALOG}
    assert {span.kind for span in queries} == {CLIENT}
    (uname,) = [span for span in queries if span.name == "query nodes_by_uname"]
    assert uname.attributes["aggregator.result"] == "ok"
    assert uname.attributes["aggregator.samples"] == 2
    assert uname.attributes["aggregator.answer_bytes"] > 100
    assert all(refresh.start <= span.start <= span.end <= refresh.end + 50_000_000 for span in queries)
    assert {span.service for span in collector.spans} == {"aggregator"}


def test_a_fresh_request_is_one_trace(
    gateway: Gateway, collector: Collector, trace: str, parent: tuple[str, str]
) -> None:
    """A request that starts a refresh continues its caller's trace down to each query."""

    def refreshes() -> list[Seen]:
        return of_trace(collector, "refresh", trace)

    until(lambda: ask(gateway.http, headers=[FRESH, parent]).headers["Age"] == "0" and refreshes(), "traced")
    refresh = refreshes()[0]
    until(lambda: len(children(collector, refresh)) == len(CATALOG), "all queries are taken")
    until(lambda: refresh.parent_id in {span.span_id for span in collector.spans}, "the request is taken")
    (request,) = [span for span in collector.spans if span.span_id == refresh.parent_id]
    assert (request.name, request.kind, request.parent_id) == ("GET topology", SERVER, CALLER)
    assert request.attributes["http.response.status_code"] == 200
    assert {span.trace_id for span in [request, refresh, *children(collector, refresh)]} == {trace}
    lines = [line for line in gateway.events("refreshed") if line.get("trace_id") == trace]
    assert lines
    assert lines[0]["request_id"]


def test_a_joined_refresh_is_linked(gateway: Gateway, collector: Collector) -> None:
    """Of ten requests that wait for one refresh, one is its parent and others have a link to it."""

    def joined() -> bool:
        threads = [threading.Thread(target=ask, args=(gateway.http, "/", "GET", [FRESH])) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return any(span.links for span in collector.named("GET topology"))

    until(joined, "some request joined a refresh", 30)
    linked = [span for span in collector.named("GET topology") if span.links]
    until(lambda: {one.span_id for one in collector.named("refresh")} >= set(linked[0].links), "the refresh is taken")


def test_a_call_is_traced(gateway: Gateway, collector: Collector, trace: str, parent: tuple[str, str]) -> None:
    """A gRPC call continues its caller's trace and tells how it ended."""
    call(gateway.grpc, metadata=[parent])
    method = "server_proto.Aggregator/ConnectToQuerier"
    (span,) = until(lambda: of_trace(collector, method, trace), "the call is taken")
    assert (span.parent_id, span.kind) == (CALLER, SERVER)
    assert span.attributes["rpc.grpc.status_code"] == "OK"
    assert not span.is_error


def test_probes_and_scrapes_are_not_traced(
    gateway: Gateway, collector: Collector, trace: str, parent: tuple[str, str]
) -> None:
    """Requests to /healthz, /readyz and /metrics make no spans."""
    for path in ("/healthz", "/metrics", "/"):
        ask(gateway.http, path, headers=[parent])
    until(lambda: of_trace(collector, "GET topology", trace), "the request is taken")
    assert len([span for span in collector.spans if span.trace_id == trace]) == 1
    assert not [span for span in collector.spans if span.attributes.get("http.route") in ("probes", "metrics")]


def test_no_span_and_no_line_holds_a_secret(
    gateway: Gateway, collector: Collector, trace: str, parent: tuple[str, str]
) -> None:
    """Credentials, tokens and query strings are in no span and no line; the collector's header is only sent.

    It looks at all that the gateway of this module ever told, and ends it: it comes last.
    """
    token = Realm().token()
    ask(gateway.http, f"/{token}?secret=hunter2", headers=[("Authorization", f"Bearer {token}"), FRESH, parent])
    call(gateway.grpc, metadata=[("authorization", f"Bearer {token}"), parent])
    until(lambda: [span for span in collector.spans if span.trace_id == trace], "taken")
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.exit_code(15) == 0
    assert collector.headers[0]["api-key"] == "s3cr3t-header"
    assert collector.headers[0]["path"] == "/v1/traces"
    for text in (*(body.decode("latin-1") for body in collector.bodies), gateway.log):
        for secret in ("sw0rdfish", "eyJ", "hunter2", "s3cr3t-header"):
            assert secret not in text


@pytest.mark.beside
def test_the_last_spans_are_handed_over(small: str, tmp_path: Path) -> None:
    """What was not sent yet when the process is told to stop is sent before it ends."""
    settings = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_SERVICE_NAME": "gateway-of-mine"}
    with (
        collecting() as collector,
        running(
            tmp_path, PROMETHEUS_ADDRESS=small, OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/", **settings
        ) as started,
    ):
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(15) == 0
    assert collector.named("refresh")
    assert {span.service for span in collector.spans} == {"gateway-of-mine"}


@pytest.mark.beside
@pytest.mark.parametrize("status", [0, 503, 401], ids=["nobody there", "unavailable", "refusing"])
def test_a_collector_that_does_not_take_spans(small: str, tmp_path: Path, status: int) -> None:
    """Without a collector that takes them, spans are dropped and counted; one warning, no delay at the end."""
    with collecting() as collector:
        collector.status = status
        url = collector.url if status else f"http://user:sw0rdfish@127.0.0.1:{free_port()}"
        # Whatever the exporter says before it, the key stands where its words are cut.
        collector.phrase = "x" * 220
        key = f"s3cr3t-{uuid.uuid4()}-{uuid.uuid4()}"
        settings = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_BSP_SCHEDULE_DELAY": "50", "REFRESH_INTERVAL": "0.2"}
        settings["OTEL_EXPORTER_OTLP_HEADERS"] = f"api-key={key}"
        address = with_password(small)
        with running(tmp_path, PROMETHEUS_ADDRESS=address, OTEL_EXPORTER_OTLP_ENDPOINT=url, **settings) as started:
            name = "aggregator_spans_dropped_total"
            until(lambda: scraped(ask(started.http, "/metrics").body.decode()).value(name) > 100, "spans are dropped")
            assert ask(started.http).status == 200
            signalled_at = time.monotonic()
            started.process.send_signal(signal.SIGTERM)
            assert started.exit_code(10) == 0
            assert time.monotonic() - signalled_at < 5
    # A busy machine may make a refresh late, which is another warning.
    told = [line for line in started.lines() if line["event"] != "refreshed" and line["level"] != "info"]
    assert [line["event"] for line in told] == ["traces are not taken, and dropped until they are"]
    assert told[0]["reason"]
    assert "sw0rdfish" not in started.log
    assert not piece_of(key, started.log)
    # Where the collector's phrase is told, what it repeats is not; a busy machine may break off before it comes.
    assert ("***" in told[0]["reason"]) is ("xxx" in told[0]["reason"])


def test_nothing_is_imported_without_a_collector() -> None:
    """Without traces nothing that makes or sends spans is in memory; FastAPI brings the interface alone."""
    code = "import sys, aggregator.gateway; print([name for name in sys.modules if name.startswith('opentelemetry.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not re.search(r"opentelemetry\.(sdk|exporter|proto)", done.stdout)
