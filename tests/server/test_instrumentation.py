"""Instrumentation of both servers: each request and call is counted once and has a request ID."""

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import pytest

from aggregator.errors import NoTopologyError
from aggregator.observability.instrumentation import Instrumentation
from aggregator.observability.metrics import AUTH_FAILURE_REASONS, HTTP_HANDLERS, OwnMetrics
from aggregator.server.http.responses import PUBLIC_PATHS, RESERVED_PATHS, find_handler
from tests.integration.gateway_process import wait_until
from tests.server.auth.guards import build_static_guard
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.exposition import (
    ScrapedMetrics,
    parse_exposition,
    parse_openmetrics,
    run_promtool,
    scrape_own_metrics,
)
from tests.support.grpc_client import call_method, open_channel, stream_responses
from tests.support.http_client import open_http_connection, send_on_connection, send_request

SERVICE = "server_proto.Aggregator"
METHOD_LABELS = {"grpc_service": SERVICE, "grpc_method": "ConnectToQuerier", "grpc_type": "unary"}
UNKNOWN_LABELS = {"grpc_service": "unknown", "grpc_method": "unknown", "grpc_type": "unary"}
HEALTH_WATCH_LABELS = {"grpc_service": "grpc.health.v1.Health", "grpc_method": "Watch", "grpc_type": "server_stream"}
OPENMETRICS_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


@dataclass(frozen=True)
class InstrumentedServers:
    """Running servers with their own telemetry."""

    source: FakeSnapshotProvider
    ports: ServerPorts
    own_metrics: OwnMetrics

    @property
    def scrape(self) -> ScrapedMetrics:
        """The metrics so far."""
        return scrape_own_metrics(self.own_metrics)

    def wait_for(self, look: Callable[[ScrapedMetrics], bool], what: str) -> None:
        """Wait for a condition on the metrics: a request is counted just after the client has its response."""
        wait_until(lambda: look(self.scrape), what)


@pytest.fixture
def open_servers() -> Iterator[InstrumentedServers]:
    """Servers that require no tokens."""
    source, own_metrics = FakeSnapshotProvider(), OwnMetrics()
    with run_servers(source, None, options=ServerOptions(instrumentation=Instrumentation(own_metrics))) as ports:
        yield InstrumentedServers(source, ports, own_metrics)


@pytest.fixture
def guarded_servers(public_key: str) -> Iterator[InstrumentedServers]:
    """Servers that require tokens."""
    source, own_metrics = FakeSnapshotProvider(), OwnMetrics()
    with run_servers(
        source, build_static_guard(public_key), options=ServerOptions(instrumentation=Instrumentation(own_metrics))
    ) as ports:
        yield InstrumentedServers(source, ports, own_metrics)


def count_requests(seen: ScrapedMetrics, **labels: str) -> float:
    """Return the number of counted requests."""
    return seen.sum_values("http_requests_total", **labels)


# --- /metrics


def test_metrics_have_the_text_format(open_servers: InstrumentedServers) -> None:
    """/metrics returns the text format with its Content-Type, and promtool accepts it."""
    answer = send_request(open_servers.ports.http, "/metrics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    assert run_promtool("check", "metrics", stdin=answer.body.decode()) == ""


def test_metrics_have_the_openmetrics_format(open_servers: InstrumentedServers) -> None:
    """A scraper that prefers OpenMetrics gets it, with its Content-Type and its end marker."""
    answer = send_request(open_servers.ports.http, "/metrics", headers=[("Accept", OPENMETRICS_ACCEPT)])
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert answer.body.endswith(b"# EOF\n")
    assert parse_openmetrics(answer.body.decode())


@pytest.mark.parametrize(
    "accept", ["", "*/*", ",;,;=", "application/openmetrics-text;version=9.9.9.9", "text/plain;version=x", "a" * 9000]
)
def test_any_accept_gets_a_content_type(open_servers: InstrumentedServers, accept: str) -> None:
    """Any Accept header gets metrics with a Content-Type, which Prometheus 3 requires."""
    answer = send_request(open_servers.ports.http, "/metrics", headers=[("Accept", accept)])
    assert answer.status == 200
    assert re.match(r"(text/plain|application/openmetrics-text); ", answer.headers["Content-Type"])


def test_metrics_need_no_token(guarded_servers: InstrumentedServers) -> None:
    """Like /healthz, /metrics is public; /metrics/ is not."""
    assert "/metrics" in PUBLIC_PATHS
    assert send_request(guarded_servers.ports.http, "/metrics").status == 200
    assert send_request(guarded_servers.ports.http, "/metrics/").status == 401


# --- HTTP


def test_every_reserved_path_has_a_handler() -> None:
    """Each reserved path has a handler of the metrics, and other paths count as the topology."""
    paths = [
        path for each in RESERVED_PATHS for path in (each.path, *([f"{each.path}/x"] if each.includes_subpaths else []))
    ]
    assert {find_handler(path) for path in paths} == set(HTTP_HANDLERS) - {"topology"}
    assert {find_handler(path) for path in ("/", "/x", "/healthz/", "/metricsx", "/docs2", "//", "")} == {"topology"}


@pytest.mark.parametrize(
    ("path", "method", "status", "handler"),
    [
        ("/", "GET", 200, "topology"),
        ("/any/path", "POST", 200, "topology"),
        ("/", "HEAD", 200, "topology"),
        ("/", "DELETE", 405, "topology"),
        ("/?layout=3000", "GET", 400, "topology"),
        ("/healthz", "GET", 200, "probes"),
        ("/docs", "GET", 200, "docs"),
        ("/api/x", "GET", 404, "api"),
        ("/metrics", "GET", 200, "metrics"),
    ],
)
def test_each_request_is_counted_once(
    open_servers: InstrumentedServers, path: str, method: str, status: int, handler: str
) -> None:
    """A request counts in one series and in the durations, whichever handler answers it."""
    before = count_requests(open_servers.scrape)
    assert send_request(open_servers.ports.http, path, method).status == status
    open_servers.wait_for(lambda seen: count_requests(seen) == before + 1, "the request is counted")
    assert count_requests(open_servers.scrape, handler=handler, method=method, code=str(status)) == 1
    assert open_servers.scrape.sum_values("http_request_duration_seconds_count", handler=handler) == 1


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/nodes?limit=1", "nodes"),
        ("/api/v1/clusters/a/nodes/b", "clusters"),
        ("/api/v1/x", "other"),
        ("/api", "other"),
        ("/healthz", "probes"),
        ("/x", "topology"),
    ],
)
def test_durations_are_counted_by_route(open_servers: InstrumentedServers, path: str, route: str) -> None:
    """The route is the first segment below /api/v1 if it exists, so that clients cannot create series."""
    send_request(open_servers.ports.http, path)
    open_servers.wait_for(
        lambda seen: seen.sum_values("http_request_duration_seconds_count", route=route) == 1, "it is counted"
    )


@pytest.mark.parametrize(
    ("path", "headers"), [("/?wait=1ms", []), ("/api/v1/nodes?wait=1ms", []), ("/", [("Cache-Control", "No-Cache")])]
)
def test_requests_that_ask_to_wait_have_no_duration(
    open_servers: InstrumentedServers, path: str, headers: list[tuple[str, str]]
) -> None:
    """A long poll, or a request for a refresh, is counted; its duration says nothing about the gateway."""
    before = count_requests(open_servers.scrape)
    send_request(open_servers.ports.http, path, headers=headers)
    open_servers.wait_for(lambda seen: count_requests(seen) == before + 1, "the request is counted")
    assert open_servers.scrape.sum_values("http_request_duration_seconds_count", handler="topology") == 0
    assert open_servers.scrape.sum_values("http_request_duration_seconds_count", handler="api") == 0


def test_messages_of_mcp_clients_have_no_duration(open_servers: InstrumentedServers) -> None:
    """A tool may wait for a past instant, so messages are counted without their duration."""
    assert send_request(open_servers.ports.http, "/mcp", "POST").status == 400
    open_servers.wait_for(lambda seen: count_requests(seen, handler="mcp") == 1, "the message is counted")
    assert open_servers.scrape.sum_values("http_request_duration_seconds_count", handler="mcp") == 0


def test_errors_are_counted(guarded_servers: InstrumentedServers, realm: FakeRealm) -> None:
    """Responses with 401, 503 and 500 are counted with their status."""
    bearing = [("Authorization", f"Bearer {realm.issue_token()}")]
    assert send_request(guarded_servers.ports.http).status == 401
    guarded_servers.source.failure = NoTopologyError("no topology yet")
    assert send_request(guarded_servers.ports.http, headers=bearing).status == 503
    guarded_servers.source.failure = RuntimeError("a defect")
    assert send_request(guarded_servers.ports.http, headers=bearing).status == 500
    guarded_servers.wait_for(lambda seen: count_requests(seen, handler="topology") == 3, "all are counted")
    assert [count_requests(guarded_servers.scrape, code=code) for code in ("401", "503", "500")] == [1, 1, 1]


def test_a_disconnected_client_is_counted(open_servers: InstrumentedServers) -> None:
    """A client that disconnects before the response is counted once."""
    with socket.create_connection(("127.0.0.1", open_servers.ports.http)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    open_servers.wait_for(lambda seen: count_requests(seen, handler="topology") == 1, "the request is counted")


def test_many_requests_on_one_connection(open_servers: InstrumentedServers) -> None:
    """Two hundred requests on one connection count as two hundred, in the counter and in the durations."""
    connection = open_http_connection(open_servers.ports.http)
    try:
        ids = {send_on_connection(connection).request_id for _ in range(200)}
    finally:
        connection.close()
    assert len(ids) == 200
    open_servers.wait_for(lambda seen: count_requests(seen, handler="topology", code="200") == 200, "all are counted")
    assert open_servers.scrape.sum_values("http_request_duration_seconds_bucket", handler="topology", le="+Inf") == 200


def test_rejected_tokens_are_counted_by_reason(guarded_servers: InstrumentedServers, realm: FakeRealm) -> None:
    """Each rejected token is counted by its reason, over HTTP and over gRPC."""
    expired = f"Bearer {realm.issue_token(exp=1)}"
    assert send_request(guarded_servers.ports.http).status == 401
    assert send_request(guarded_servers.ports.http, headers=[("Authorization", expired)]).status == 401
    assert (
        call_method(guarded_servers.ports.grpc, metadata=[("authorization", expired)]).code
        is grpc.StatusCode.UNAUTHENTICATED
    )
    reasons = {
        reason: guarded_servers.scrape.get_value("aggregator_auth_failures_total", reason=reason)
        for reason in AUTH_FAILURE_REASONS
    }
    assert {reason: number for reason, number in reasons.items() if number} == {"no token": 1, "expired": 2}


# --- ids


@pytest.mark.parametrize("given", ["a", "0f.-_Z", "x" * 128])
def test_a_safe_request_id_is_kept(open_servers: InstrumentedServers, given: str) -> None:
    """An X-Request-Id of letters, digits, dots, dashes and underscores is returned, over HTTP and over gRPC."""
    assert send_request(open_servers.ports.http, headers=[("X-Request-Id", given)]).request_id == given
    assert send_request(open_servers.ports.http, "/healthz", headers=[("X-Request-Id", given)]).request_id == given
    assert call_method(open_servers.ports.grpc, metadata=[("x-request-id", given)]).request_id == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "<script>", 'a"b', "ä"])
def test_an_unsafe_request_id_is_replaced(open_servers: InstrumentedServers, given: str) -> None:
    """A request ID that is not safe to log is replaced by a generated one."""
    answered = send_request(open_servers.ports.http, headers=[("X-Request-Id", given.encode("latin-1"))]).request_id
    assert re.fullmatch(r"[0-9a-f]{16}", answered)


def test_errors_have_request_ids(guarded_servers: InstrumentedServers) -> None:
    """Rejected requests and calls have request IDs, too."""
    assert send_request(guarded_servers.ports.http).request_id
    assert call_method(guarded_servers.ports.grpc).request_id
    assert call_method(guarded_servers.ports.grpc, metadata=[("x-request-id", "mine")]).request_id == "mine"


# --- gRPC


def count_calls(seen: ScrapedMetrics, code: str | None = None, **call_labels: str) -> float:
    """Return how many calls started, or ended with a code."""
    if code is None:
        return seen.sum_values("grpc_server_started_total", **call_labels)
    return seen.sum_values("grpc_server_handled_total", grpc_code=code, **call_labels)


def test_each_call_is_counted_once(open_servers: InstrumentedServers) -> None:
    """Each call is counted once when it starts and once when it ends, with its code."""
    assert (
        count_calls(open_servers.scrape, "OK", **METHOD_LABELS)
        == count_calls(open_servers.scrape, **METHOD_LABELS)
        == 0
    )
    assert call_method(open_servers.ports.grpc).code is grpc.StatusCode.OK
    open_servers.source.failure = NoTopologyError("no topology yet")
    assert call_method(open_servers.ports.grpc).code is grpc.StatusCode.UNAVAILABLE
    open_servers.source.failure = RuntimeError("a defect")
    assert call_method(open_servers.ports.grpc).code is grpc.StatusCode.INTERNAL
    open_servers.wait_for(
        lambda seen: seen.sum_values("grpc_server_handled_total", **METHOD_LABELS) == 3, "all are counted"
    )
    assert count_calls(open_servers.scrape, **METHOD_LABELS) == 3
    assert [count_calls(open_servers.scrape, code, **METHOD_LABELS) for code in ("OK", "UNAVAILABLE", "INTERNAL")] == [
        1,
        1,
        1,
    ]


def test_rejected_calls_are_counted(guarded_servers: InstrumentedServers, realm: FakeRealm) -> None:
    """Calls without a token count as UNAUTHENTICATED, and calls with one as OK, in any order."""
    good = [("authorization", f"Bearer {realm.issue_token()}")]
    for metadata in ([], good, [], good):
        call_method(guarded_servers.ports.grpc, metadata=metadata)
    guarded_servers.wait_for(
        lambda seen: seen.sum_values("grpc_server_handled_total", **METHOD_LABELS) == 4, "all are counted"
    )
    assert [count_calls(guarded_servers.scrape, code, **METHOD_LABELS) for code in ("OK", "UNAUTHENTICATED")] == [2, 2]


def test_unknown_grpc_methods_share_a_series(open_servers: InstrumentedServers) -> None:
    """Methods that do not exist count as unknown and UNIMPLEMENTED, whatever their names are."""
    for number in range(20):
        assert call_method(open_servers.ports.grpc, f"/x.Y{number}/Z").code is grpc.StatusCode.UNIMPLEMENTED
    assert call_method(open_servers.ports.grpc, f"/{SERVICE}/Nothing").code is grpc.StatusCode.UNIMPLEMENTED
    assert (
        count_calls(open_servers.scrape, **UNKNOWN_LABELS)
        == count_calls(open_servers.scrape, "UNIMPLEMENTED", **UNKNOWN_LABELS)
        == 21
    )
    names = {one["grpc_method"] for one in open_servers.scrape.list_series("grpc_server_started_total")}
    assert not [name for name in names if name in ("Z", "Nothing")]


def test_a_cancelled_call_is_counted(open_servers: InstrumentedServers) -> None:
    """A cancelled stream counts as CANCELLED, and as in flight until then."""
    with open_channel(open_servers.ports.grpc) as opened:
        watching = stream_responses(opened, "/grpc.health.v1.Health/Watch")
        assert next(iter(watching))
        assert count_calls(open_servers.scrape, **HEALTH_WATCH_LABELS) == 1
        assert open_servers.scrape.sum_values("grpc_server_handled_total", **HEALTH_WATCH_LABELS) == 0
        watching.cancel()
        open_servers.wait_for(
            lambda seen: count_calls(seen, "CANCELLED", **HEALTH_WATCH_LABELS) == 1, "the cancelled call is counted"
        )
    assert open_servers.scrape.sum_values("grpc_server_handled_total", **HEALTH_WATCH_LABELS) == 1


def test_a_scrape_does_not_count_itself(open_servers: InstrumentedServers) -> None:
    """/metrics returns what was counted before, without its own request."""
    send_request(open_servers.ports.http)
    open_servers.wait_for(lambda seen: count_requests(seen) == 1, "the request is counted")
    answer = parse_exposition(send_request(open_servers.ports.http, "/metrics").body.decode())
    assert count_requests(answer, handler="topology") == 1
    assert count_requests(answer, handler="metrics") == 0
