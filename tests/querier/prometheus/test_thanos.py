"""Detection of Thanos, and the parameters that it gets."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from aggregator.errors import QueryError
from aggregator.querier.prometheus.client import (
    DETECTION_RETRY_SECONDS,
    DETECTION_TTL_SECONDS,
    PrometheusClient,
    QueryLimits,
    ThanosDetector,
    ThanosMode,
    UpstreamAddress,
    is_stores_response,
)
from tests.support.field_cases import load_field_response
from tests.support.scripted_server import (
    WAIT_SECONDS,
    ReceivedRequest,
    ResponseScript,
    ScriptedServer,
    build_http_response,
    build_sending_script,
    run_scripted_server,
    stall_response,
)

EMPTY_BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
STORES_RESPONSE = build_http_response(b'{"status":"success","data":{"sidecar":[]}}')
FORBIDDEN = build_http_response(b"no", "403 Forbidden")
NOT_FOUND = build_http_response(b"404 page not found\n", "404 Not Found")
THANOS_PARAMETERS = {"dedup": "true", "partial_response": "true", "max_source_resolution": "0"}

ClientFactory = Callable[..., PrometheusClient]


@pytest.fixture
def make() -> Iterator[ClientFactory]:
    """Return a function that creates a client in a Thanos mode, and close what it created."""
    created: list[PrometheusClient] = []

    def make_client(
        url: str, mode: ThanosMode = "auto", *, serves_partial: bool = True, query_seconds: float = 5
    ) -> PrometheusClient:
        limits = QueryLimits(query_timeout_seconds=query_seconds, max_response_bytes=100_000, max_connections=4)
        dialect = ThanosDetector(mode, allows_partial_response=serves_partial)
        created.append(
            PrometheusClient(UpstreamAddress(url), limits, thanos_detector=dialect, sleep=lambda _seconds: None)
        )
        return created[-1]

    yield make_client
    for client in created:
        client.close()


def build_thanos_script(stores: bytes, query: bytes = build_http_response(EMPTY_BODY)) -> ResponseScript:
    """Return a script that responds to the request for stores, and to every query."""

    def script(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        build_sending_script(stores if request.path.endswith("/stores") else query)(connection, request, running)

    return script


def get_thanos_parameters(request: ReceivedRequest) -> dict[str, str]:
    """Return the Thanos parameters of a query."""
    return {name: values[0] for name, values in request.parameters.items() if name in THANOS_PARAMETERS}


def list_probe_paths(upstream: ScriptedServer) -> list[str]:
    """Return the paths of the requests that are not queries."""
    return [request.path for request in upstream.requests if not request.path.endswith("/query")]


@pytest.mark.parametrize(("serves_partial", "text"), [(True, "true"), (False, "false")])
def test_on_sends_the_parameters_without_a_probe(make: ClientFactory, serves_partial: bool, text: str) -> None:
    """Queries ask for deduplicated raw data, and for partial responses if the operator allows them."""
    with run_scripted_server(build_thanos_script(NOT_FOUND)) as upstream:
        make(upstream.url, "on", serves_partial=serves_partial).query("up", 1.0)
    (request,) = upstream.requests
    assert get_thanos_parameters(request) == THANOS_PARAMETERS | {"partial_response": text}


def test_off_sends_none(make: ClientFactory) -> None:
    """Only parameters of Prometheus are sent."""
    with run_scripted_server(build_thanos_script(STORES_RESPONSE)) as upstream:
        make(upstream.url, "off").query("up", 1.0)
    (request,) = upstream.requests
    assert get_thanos_parameters(request) == {}


@pytest.mark.parametrize(("stores", "expected"), [(STORES_RESPONSE, THANOS_PARAMETERS), (NOT_FOUND, {})])
def test_auto_probes_once(make: ClientFactory, stores: bytes, expected: dict[str, str]) -> None:
    """An upstream that lists stores is Thanos, also below a path prefix; while it responds there is no second probe."""
    with run_scripted_server(build_thanos_script(stores)) as upstream:
        client = make(f"{upstream.url}/prefix")
        client.query("up", 1.0)
        client.query("up", 1.0)
        client.query("up", 1.0 + DETECTION_TTL_SECONDS - 1)
    assert list_probe_paths(upstream) == ["/prefix/api/v1/stores"]
    assert [get_thanos_parameters(request) for request in upstream.requests[1:]] == [expected] * 3


@pytest.mark.parametrize(
    "stores",
    [
        pytest.param(build_http_response(b"no", "401 Unauthorized"), id="refused"),
        pytest.param(build_http_response(b"", "503 Service Unavailable"), id="busy"),
        pytest.param(build_http_response(b"", "302 Found", "Location: http://localhost:1/"), id="led elsewhere"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="no HTTP"),
        pytest.param(build_http_response(b" " * 200_000), id="too large"),
    ],
)
def test_a_failed_probe_is_not_fatal(make: ClientFactory, stores: bytes) -> None:
    """The queries are sent with the parameters, and the probe is repeated some time later."""
    with run_scripted_server(build_thanos_script(stores)) as upstream:
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0, 1.0 + DETECTION_RETRY_SECONDS):
            assert client.query("up", at_seconds).decompress() == EMPTY_BODY
    assert len([path for path in list_probe_paths(upstream) if path.endswith("/stores")]) == 2
    assert [get_thanos_parameters(request) for request in upstream.requests if request.path.endswith("/query")] == [
        THANOS_PARAMETERS
    ] * 3


def test_a_web_page_is_not_a_list_of_stores() -> None:
    """A server that returns the same page for every path, or another list, is not Thanos."""
    assert is_stores_response(b'{"status":"success","data":{"sidecar":[{"name":"a"}]}}')
    for body in (b"<html>", b"", b'{"status":"error"}', b'{"status":"success","data":[]}', b"[" * 100_000, b"\xff"):
        assert not is_stores_response(body)


def test_a_failed_query_causes_a_new_probe(make: ClientFactory) -> None:
    """A Prometheus that is replaced by Thanos is detected in the refresh after a failed query."""
    replies = {"stores": NOT_FOUND, "query": build_http_response(EMPTY_BODY)}

    def script(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        build_sending_script(replies[request.path.rpartition("/")[2]])(connection, request, running)

    with run_scripted_server(script) as upstream:
        client = make(upstream.url)
        client.query("up", 1.0)
        replies["query"] = build_http_response(b"", "503 Service Unavailable")
        with pytest.raises(QueryError):
            client.query("up", 2.0)
        replies |= {"query": build_http_response(EMPTY_BODY), "stores": STORES_RESPONSE}
        client.query("up", 2.0)
        client.query("up", 3.0)
        client.query("up", 4.0)
    assert len(list_probe_paths(upstream)) == 2
    assert [get_thanos_parameters(request) for request in upstream.requests if "query" in request.path] == [
        {},
        {},
        {},
        THANOS_PARAMETERS,
        THANOS_PARAMETERS,
    ]


class ParameterChecker:
    """An upstream that refuses unknown parameters, and whether it lists stores with `stores`."""

    def __init__(self, stores: bytes, refusal: bytes) -> None:
        self.stores = stores
        self.refusal = refusal

    def __call__(self, connection: socket.socket, request: ReceivedRequest, _running: ScriptedServer) -> None:
        """Respond to a request."""
        if request.path.endswith("/stores"):
            connection.sendall(self.stores)
        elif request.parameters.keys() <= {"query", "time", "timeout"} and request.parameters["query"] != ["("]:
            connection.sendall(build_http_response(EMPTY_BODY))
        else:
            connection.sendall(self.refusal)


@pytest.mark.parametrize(
    "refusal",
    [load_field_response("refused-parameter").encode(), build_http_response(b"", "400 Bad Request")],
    ids=["by name", "without a reason"],
)
def test_refused_parameters_are_left_out(make: ClientFactory, refusal: bytes) -> None:
    """If it is unknown whether an upstream is Thanos and it refuses the parameters, they are not sent again."""
    with (
        run_scripted_server(ParameterChecker(FORBIDDEN, refusal)) as upstream,
        structlog.testing.capture_logs() as logged,
    ):
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0, 2.0 + DETECTION_RETRY_SECONDS):
            assert client.query("up", at_seconds).decompress() == EMPTY_BODY
    assert [get_thanos_parameters(request) for request in upstream.requests if request.path.endswith("/query")] == [
        THANOS_PARAMETERS,
        {},
        {},
        {},
    ]
    assert [line["event"] for line in logged] == ["upstream refuses Thanos parameters"]
    assert logged[0]["reason"].startswith("HTTP 400: ")


def test_a_query_that_is_wrong_without_parameters_says_nothing(make: ClientFactory) -> None:
    """A query that is rejected without the parameters, too, is no reason to leave them out."""
    with run_scripted_server(
        ParameterChecker(FORBIDDEN, build_http_response(b"bad query", "400 Bad Request"))
    ) as upstream:
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0):
            with pytest.raises(QueryError, match="HTTP 400: bad query"):
                client.query("(", at_seconds)
    assert [get_thanos_parameters(request) for request in upstream.requests if request.path.endswith("/query")] == [
        THANOS_PARAMETERS,
        {},
    ] * 2


@pytest.mark.parametrize(("mode", "stores"), [("on", FORBIDDEN), ("auto", STORES_RESPONSE)])
def test_a_known_thanos_keeps_its_parameters(make: ClientFactory, mode: ThanosMode, stores: bytes) -> None:
    """A rejected query is not repeated without parameters if the upstream is known to be Thanos."""
    refusal = load_field_response("refused-parameter")
    with run_scripted_server(ParameterChecker(stores, refusal.encode())) as upstream:
        with pytest.raises(QueryError) as caught:
            make(upstream.url, mode).query("up", 1.0)
        assert str(caught.value).startswith("HTTP 400: INVALID_ARGUMENT: ")
    assert [get_thanos_parameters(request) for request in upstream.requests if request.path.endswith("/query")] == [
        THANOS_PARAMETERS
    ]


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
def test_a_rejected_query_causes_no_new_probe(make: ClientFactory, status: str) -> None:
    """A rejected query does not cause a new probe."""
    with run_scripted_server(build_thanos_script(NOT_FOUND, build_http_response(b"", status))) as upstream:
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0):
            with pytest.raises(QueryError):
                client.query("up", at_seconds)
    assert len(list_probe_paths(upstream)) == 1


def test_concurrent_queries_share_one_probe(make: ClientFactory) -> None:
    """Concurrent queries for one instant cause a single probe."""
    with run_scripted_server(build_thanos_script(STORES_RESPONSE)) as upstream:
        client = make(upstream.url)
        threads = [threading.Thread(target=client.query, args=("up", 1.0)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(list_probe_paths(upstream)) == 1
    assert [get_thanos_parameters(request) for request in upstream.requests if "query" in request.path] == [
        THANOS_PARAMETERS
    ] * 4


def test_the_probe_has_a_short_timeout(make: ClientFactory) -> None:
    """The probe has a short timeout of its own."""

    def script(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        (stall_response if request.path.endswith("/stores") else build_sending_script(build_http_response(EMPTY_BODY)))(
            connection, request, running
        )

    with run_scripted_server(script) as upstream:
        assert make(upstream.url, query_seconds=0.1).query("up", 1.0).decompress() == EMPTY_BODY


def test_queries_aborted_during_the_probe_are_not_sent() -> None:
    """Queries that wait for the probe fail when all is aborted, and are never sent."""
    limits = QueryLimits(query_timeout_seconds=WAIT_SECONDS, max_response_bytes=1000, max_connections=3)
    with run_scripted_server(stall_response) as upstream, contextlib.ExitStack() as stack:
        client = PrometheusClient(UpstreamAddress(upstream.url), limits, thanos_detector=ThanosDetector("auto"))
        stack.callback(client.close)
        threads = stack.enter_context(ThreadPoolExecutor(3))
        asked = [threads.submit(client.query, "up", 1.0) for _ in range(3)]
        assert upstream.request_received.wait(WAIT_SECONDS)
        started_at = time.monotonic()
        client.abort()
        assert {str(one.exception(WAIT_SECONDS)) for one in asked} == {"aborted"}
        assert time.monotonic() - started_at < 2
        assert [request.path for request in upstream.requests] == ["/api/v1/stores"]


@pytest.mark.parametrize(
    ("query", "logged_kinds"),
    [(build_http_response(EMPTY_BODY), [False]), (NOT_FOUND, [])],
    ids=["Prometheus", "nothing"],
)
def test_detection_is_logged_after_an_answer(make: ClientFactory, query: bytes, logged_kinds: list[bool]) -> None:
    """A detected upstream is logged once, and only after it has answered a query."""
    with (
        run_scripted_server(build_thanos_script(NOT_FOUND, query)) as upstream,
        structlog.testing.capture_logs() as logged,
    ):
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0):
            with contextlib.suppress(QueryError):
                client.query("up", at_seconds)
    assert [line["thanos"] for line in logged if line["event"] == "detected upstream"] == logged_kinds
