"""The client against a real server that misbehaves."""

import gzip
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
import requests.exceptions
import structlog

from aggregator.errors import (
    NotListeningError,
    QueryError,
    QueryTimeoutError,
    ResponseTooLargeError,
    UnreachableError,
    UpstreamStatusError,
)
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.errors import map_transport_error
from aggregator.util.http_client import BoundedAdapter
from demo.prometheus import find_free_port
from tests.support.scripted_server import (
    WAIT_SECONDS,
    ReceivedRequest,
    ResponseScript,
    ScriptedServer,
    build_closing_script,
    build_http_response,
    build_sending_script,
    drip_response,
    reset_connection,
    run_scripted_server,
    stall_response,
)

EMPTY_BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
LIMITS = QueryLimits(query_timeout_seconds=5, max_response_bytes=100_000, max_connections=2)

ClientFactory = Callable[..., PrometheusClient]


@pytest.fixture
def make() -> Iterator[ClientFactory]:
    """Return a function that creates a client, and close what it created."""
    created: list[PrometheusClient] = []

    def make_client(
        url: str, user: str | None = None, password: str | None = None, limits: QueryLimits = LIMITS
    ) -> PrometheusClient:
        created.append(PrometheusClient(UpstreamAddress(url, user, password), limits, sleep=fail_on_sleep))
        return created[-1]

    yield make_client
    for client in created:
        client.close()


def fail_on_sleep(_seconds: float) -> None:
    """Fail: these requests must not be retried."""
    raise AssertionError("a second try")


def get_failure(client: PrometheusClient) -> QueryError:
    """Return the error of a query that fails."""
    with pytest.raises(QueryError) as caught:
        client.query("up", 1.0)
    return caught.value


def test_the_body_is_returned_undecoded(make: ClientFactory) -> None:
    """The client returns the body without decoding it."""
    with run_scripted_server(build_sending_script(build_http_response(b"<html>anything</html>"))) as upstream:
        assert make(upstream.url).query("up", 1.0).decompress() == b"<html>anything</html>"


def test_the_request_of_a_query(make: ClientFactory) -> None:
    """A query is one GET request with the expression, the time in milliseconds and a timeout."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        make(upstream.url).query('max by (a) (m{b="ü&+"})', 1795208200.12345)
    (request,) = upstream.requests
    assert request.path == "/api/v1/query"
    assert request.parameters == {
        "query": ['max by (a) (m{b="ü&+"})'],
        "time": ["1795208200.123"],
        "timeout": ["5000ms"],
    }


def test_no_compression_is_requested(make: ClientFactory) -> None:
    """A query asks for an uncompressed response and names the program."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        make(upstream.url).query("up", 1.0)
    assert upstream.requests[0].headers["accept-encoding"] == "identity"
    assert upstream.requests[0].headers["user-agent"].startswith("aggregator/")


def test_a_compressed_response_is_decoded(make: ClientFactory) -> None:
    """A response that is compressed all the same is decoded."""
    with run_scripted_server(
        build_sending_script(build_http_response(gzip.compress(EMPTY_BODY), "200 OK", "Content-Encoding: gzip"))
    ) as upstream:
        assert make(upstream.url).query("up", 1.0).decompress() == EMPTY_BODY


def test_a_body_in_chunks_is_read_whole(make: ClientFactory) -> None:
    """A response may be chunked."""
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with run_scripted_server(build_sending_script(chunks)) as upstream:
        assert make(upstream.url).query("up", 1.0).decompress() == b"abcde"


def test_the_path_of_the_address_is_kept(make: ClientFactory) -> None:
    """The path prefix of an address is kept."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        make(f"{upstream.url}/thanos/query").query("up", 1.0)
    assert upstream.requests[0].path == "/thanos/query/api/v1/query"


def test_credentials_go_into_the_header(make: ClientFactory) -> None:
    """User and password are sent as basic authentication, and nowhere else."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        make(upstream.url, "user", "pa:ss").query("up", 1.0)
    assert upstream.requests[0].headers["authorization"] == "Basic dXNlcjpwYTpzcw=="
    assert "user" not in upstream.requests[0].headers["host"]


def test_without_credentials_none_are_sent(make: ClientFactory) -> None:
    """Without credentials in the address there is no Authorization header."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        make(upstream.url).query("up", 1.0)
    assert "authorization" not in upstream.requests[0].headers


def test_a_connection_is_reused(make: ClientFactory) -> None:
    """Consecutive queries share one connection, also after an error status."""
    replies = itertools.chain(
        [build_http_response(b"no", "503 Service Unavailable")], itertools.repeat(build_http_response(EMPTY_BODY))
    )

    def script(connection: object, request: ReceivedRequest, running: ScriptedServer) -> None:
        build_sending_script(next(replies))(connection, request, running)  # type: ignore[arg-type] # passed on as it is

    with run_scripted_server(script) as upstream:
        client = make(upstream.url)
        get_failure(client)
        client.query("up", 1.0)
        client.query("up", 2.0)
        assert upstream.connections == 1


def close_silently(connection: socket.socket, *, resets: bool) -> None:
    """End a connection without a byte of a response: orderly, or with a reset."""
    if resets:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket(fileno=connection.detach()).close()
    else:
        connection.shutdown(socket.SHUT_RDWR)


def build_losing_script(losses: int, *, resets: bool = False, first: int = 1) -> ResponseScript:
    """Return a script that responds to the first requests, then ends connections without a response, then responds."""
    numbers = itertools.count(1)

    def script(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        if first < next(numbers) <= first + losses:
            close_silently(connection, resets=resets)
        else:
            connection.sendall(build_http_response(EMPTY_BODY))

    return script


@pytest.mark.parametrize("resets", [False, True], ids=["closed", "reset"])
def test_a_lost_idle_connection_is_replaced(make: ClientFactory, resets: bool) -> None:
    """A query on a connection that ended while it was idle is sent again on a new one, and that is logged."""
    with (
        run_scripted_server(build_losing_script(1, resets=resets)) as upstream,
        structlog.testing.capture_logs() as logged,
    ):
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0, 3.0):
            assert client.query("up", at_seconds).decompress() == EMPTY_BODY
        assert (len(upstream.requests), upstream.connections) == (4, 2)
    assert [line["event"] for line in logged] == ["idle connection was lost"]


def test_a_lost_idle_connection_is_replaced_once(make: ClientFactory) -> None:
    """If the new connection ends as well, the query fails."""
    with run_scripted_server(build_losing_script(2)) as upstream:
        client = make(upstream.url)
        client.query("up", 1.0)
        assert type(get_failure(client)) is UnreachableError
        assert len(upstream.requests) == 3
        assert client.query("up", 1.0).decompress() == EMPTY_BODY


def test_a_lost_new_connection_is_not_replaced(make: ClientFactory) -> None:
    """A query on a new connection is not sent again."""
    with run_scripted_server(build_losing_script(1, first=0)) as upstream:
        assert "connection failed" in str(get_failure(make(upstream.url)))
        assert len(upstream.requests) == 1


def test_all_lost_idle_connections_are_replaced(make: ClientFactory) -> None:
    """If several connections were lost together, no query is repeated on another lost one."""
    arrived = threading.Barrier(2)
    numbers = itertools.count(1)

    def script(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        number = next(numbers)
        if number <= 2:
            arrived.wait(WAIT_SECONDS)
        if number == 3:
            close_silently(connection, resets=True)
        else:
            connection.sendall(build_http_response(EMPTY_BODY))

    with run_scripted_server(script) as upstream:
        client = make(upstream.url)
        threads = [threading.Thread(target=client.query, args=("up", 1.0)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert upstream.connections == 2
        client.query("up", 2.0)
        assert (len(upstream.requests), upstream.connections) == (4, 3)


def test_a_lost_idle_connection_is_not_replaced_after_an_abort(make: ClientFactory) -> None:
    """An aborted query is not sent again."""
    numbers = itertools.count(1)

    def script(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        if next(numbers) == 1:
            connection.sendall(build_http_response(EMPTY_BODY))
        else:
            client.abort()

    with run_scripted_server(script) as upstream:
        client = make(upstream.url)
        client.query("up", 1.0)
        assert type(get_failure(client)) is UnreachableError
        assert len(upstream.requests) == 2


def test_idle_connections_send_keepalive_probes() -> None:
    """TCP probes keep idle connections known to NAT and load balancers, which forget them after minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        adapter = BoundedAdapter(1000)
        with adapter.poolmanager.connection_from_url(f"http://127.0.0.1:{listener.getsockname()[1]}") as pool:
            connection = pool.ConnectionCls("127.0.0.1", listener.getsockname()[1])
            connection.connect()
            assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60
            connection.close()
        adapter.close()


@pytest.mark.parametrize(
    ("status", "is_about_the_query"),
    [
        ("400 Bad Request", True),
        ("401 Unauthorized", True),
        ("422 Unprocessable Entity", True),
        ("429 Too Many Requests", False),
        ("500 Internal Server Error", False),
        ("503 Service Unavailable", False),
    ],
)
class TestRefusals:
    """The errors for statuses other than 200."""

    def test_the_error_message_of_prometheus_is_reported(
        self, make: ClientFactory, status: str, is_about_the_query: bool
    ) -> None:
        """The message in the JSON of an error response is the text of the error."""
        body = b'{"status":"error","errorType":"bad_data","error":"parse error at char 12"}'
        with run_scripted_server(build_sending_script(build_http_response(body, status))) as upstream:
            error = get_failure(make(upstream.url))
        assert isinstance(error, UpstreamStatusError)
        assert str(error) == f"HTTP {status[:3]}: bad_data: parse error at char 12"
        assert error.allows_stale_fallback is not is_about_the_query

    @pytest.mark.parametrize(
        "body",
        [b"<html>\xff</html>", b"\x00\xff\x1b[31m", b" \n", b'{"error":"\\u0068un'],
        ids=["page", "bytes", "blank", "truncated JSON"],
    )
    def test_without_a_message_the_reason_phrase_is_reported(
        self, make: ClientFactory, status: str, is_about_the_query: bool, body: bytes
    ) -> None:
        """If the body contains no message, the reason phrase of the status is the text of the error."""
        with run_scripted_server(build_sending_script(build_http_response(body, status))) as upstream:
            error = get_failure(make(upstream.url))
        assert str(error) == f"HTTP {status[:3]}: {status[4:]}"
        assert error.allows_stale_fallback is not is_about_the_query

    def test_an_error_status_is_not_retried(self, make: ClientFactory, status: str, is_about_the_query: bool) -> None:
        """No error status is retried."""
        with run_scripted_server(build_sending_script(build_http_response(b"", status))) as upstream:
            get_failure(make(upstream.url))
            assert len(upstream.requests) == 1
        assert isinstance(is_about_the_query, bool)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 17", 17.0),
        ("Retry-After: -1", None),
        ("Retry-After: soon", None),
        ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("Retry-After: ", None),
        ("X-Other: 17", None),
    ],
)
def test_retry_after_is_read(make: ClientFactory, header: str, seconds: float | None) -> None:
    """Whole seconds are used; dates and invalid values are ignored."""
    with run_scripted_server(
        build_sending_script(build_http_response(b"", "429 Too Many Requests", header))
    ) as upstream:
        error = get_failure(make(upstream.url))
    assert isinstance(error, UpstreamStatusError)
    assert error.retry_after_seconds == seconds


def test_a_missing_path_is_reported(make: ClientFactory) -> None:
    """The error for 404 contains the path without the query, and the advice to check the address."""
    with run_scripted_server(
        build_sending_script(build_http_response(b"404 page not found", "404 Not Found"))
    ) as upstream:
        error = str(get_failure(make(f"{upstream.url}/prom")))
    assert error == "HTTP 404: 404 page not found at /prom/api/v1/query; check the path in PROMETHEUS_ADDRESS"


@pytest.mark.parametrize(
    "response",
    [
        build_http_response(b"Client sent an HTTP request to an HTTPS server.\n", "400 Bad Request"),
        build_http_response(b"<h1>The plain HTTP request was sent to HTTPS port</h1>", "400 Bad Request"),
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    ],
    ids=["Go", "nginx", "alert"],
)
def test_plain_http_on_a_tls_port_is_reported(make: ClientFactory, response: bytes) -> None:
    """The error for plain HTTP on a TLS port says that the address needs https, whatever the server."""
    with run_scripted_server(build_closing_script(response)) as upstream:
        assert "the port requires TLS: begin the URL with https://" in str(get_failure(make(upstream.url)))


def test_a_long_error_message_is_truncated(make: ClientFactory) -> None:
    """Long error messages are truncated."""
    body = b'{"status":"error","errorType":"x","error":"' + b"a" * 50_000 + b'"}'
    with run_scripted_server(build_sending_script(build_http_response(body, "400 Bad Request"))) as upstream:
        assert len(str(get_failure(make(upstream.url)))) < 400


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(
            build_closing_script(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), UnreachableError, id="half a body"
        ),
        pytest.param(
            build_closing_script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            UnreachableError,
            id="chunk",
        ),
        pytest.param(build_closing_script(b""), UnreachableError, id="no answer"),
        pytest.param(build_closing_script(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), UnreachableError, id="another protocol"),
        pytest.param(reset_connection, UnreachableError, id="reset"),
        pytest.param(
            build_sending_script(build_http_response(b"not gzip", "200 OK", "Content-Encoding: gzip")),
            UnreachableError,
            id="broken gzip",
        ),
        pytest.param(
            build_sending_script(build_http_response(b" " * 100_001)), ResponseTooLargeError, id="over the cap"
        ),
        pytest.param(
            build_sending_script(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 400_000),
            ResponseTooLargeError,
            id="over the cap by far",
        ),
        pytest.param(
            build_sending_script(build_http_response(b"", "302 Found", "Location: /api/v1/query")),
            UnreachableError,
            id="redirects for ever",
        ),
        pytest.param(
            build_sending_script(build_http_response(b"", "302 Found", "Location: ftp://x/")),
            UnreachableError,
            id="redirect to no HTTP",
        ),
    ],
)
def test_each_failure_has_its_error(make: ClientFactory, script: ResponseScript, kind: type[QueryError]) -> None:
    """Each failure has its own error, is not retried, and mentions neither address nor credentials."""
    with run_scripted_server(script) as upstream:
        error = get_failure(make(upstream.url, "user", "hunter2"))
    assert type(error) is kind
    assert error.allows_stale_fallback
    assert "hunter2" not in str(error)
    assert str(upstream.port) not in str(error)


def test_a_response_of_the_maximum_size_is_accepted(make: ClientFactory) -> None:
    """A response of exactly the maximum size is accepted."""
    with run_scripted_server(build_sending_script(build_http_response(b" " * 100_000))) as upstream:
        assert make(upstream.url).query("up", 1.0).size_bytes == 100_000


def test_a_response_over_the_maximum_size_is_aborted(make: ClientFactory) -> None:
    """The connection is closed as soon as a response is too large."""
    with run_scripted_server(
        build_sending_script(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 400_000)
    ) as upstream:
        get_failure(make(upstream.url))
        assert upstream.client_disconnected.wait(WAIT_SECONDS)


def test_no_response_is_a_timeout(make: ClientFactory) -> None:
    """A query without a response fails one second after its timeout."""
    with run_scripted_server(stall_response) as upstream:
        error = get_failure(
            make(
                upstream.url, limits=QueryLimits(query_timeout_seconds=0.05, max_response_bytes=1000, max_connections=1)
            )
        )
        assert type(error) is QueryTimeoutError
        assert upstream.client_disconnected.wait(WAIT_SECONDS)


@pytest.mark.parametrize("script", [stall_response, drip_response])
def test_abort_ends_every_query(make: ClientFactory, script: ResponseScript) -> None:
    """Aborting makes running queries fail at once, and closes their sockets."""
    with run_scripted_server(script) as upstream:
        client = make(upstream.url)
        errors: list[QueryError] = []
        asking = threading.Thread(target=lambda: errors.append(get_failure(client)))
        asking.start()
        assert upstream.request_received.wait(WAIT_SECONDS)
        client.abort()
        asking.join(WAIT_SECONDS)
        assert [type(error) for error in errors] == [UnreachableError]
        assert upstream.client_disconnected.wait(WAIT_SECONDS)


def test_a_client_can_be_used_after_an_abort(make: ClientFactory) -> None:
    """The client can be used after an abort, which closes idle connections as well."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        client = make(upstream.url)
        client.query("up", 1.0)
        client.abort()
        assert client.query("up", 2.0).decompress() == EMPTY_BODY


def test_a_redirect_is_followed(make: ClientFactory) -> None:
    """A redirect is followed with the same query and credentials."""

    def script(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        moved = build_http_response(b"", "307 Temporary Redirect", "Location: /new?query=up")
        build_sending_script(build_http_response(EMPTY_BODY) if request.path == "/new" else moved)(
            connection, request, running
        )

    with run_scripted_server(script) as upstream:
        assert make(upstream.url, "user", "pass").query("up", 1.0).decompress() == EMPTY_BODY
    assert (upstream.requests[1].path, upstream.requests[1].parameters["query"]) == ("/new", ["up"])
    assert [request.headers["authorization"] for request in upstream.requests] == ["Basic dXNlcjpwYXNz"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_redirect_to_another_origin_is_not_followed(make: ClientFactory, host: str) -> None:
    """A redirect to another origin is not followed: no other server gets credentials or headers."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as target:
        moved = build_http_response(b"", "302 Found", f"Location: http://{host}:{target.port}/")
        with run_scripted_server(build_sending_script(moved)) as upstream:
            error = get_failure(make(upstream.url, "user", "hunter2"))
    assert str(error) == f"the upstream redirects to another origin, {host}:{target.port}, which is not followed"
    assert not target.requests


def test_a_refused_connection_is_retried_once() -> None:
    """A refused connection is retried once, after a short random pause."""
    pauses: list[float] = []
    client = PrometheusClient(UpstreamAddress(f"http://127.0.0.1:{find_free_port()}"), LIMITS, sleep=pauses.append)
    error = get_failure(client)
    client.close()
    assert type(error) is NotListeningError
    assert str(error) == "connection refused"
    assert len(pauses) == 1
    assert 0.05 <= pauses[0] <= 0.15


def test_the_retry_can_succeed() -> None:
    """The retry succeeds if the upstream has come back."""
    port = find_free_port()
    come_back = run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY)), port)
    client = PrometheusClient(
        UpstreamAddress(f"http://127.0.0.1:{port}"), LIMITS, sleep=lambda _seconds: discard(come_back.__enter__())
    )
    try:
        assert client.query("up", 1.0).decompress() == EMPTY_BODY
    finally:
        client.close()
        come_back.__exit__(None, None, None)


def discard(_value: object) -> None:
    """Ignore a value."""


@pytest.mark.parametrize(
    "kind",
    [
        found
        for found in vars(requests.exceptions).values()
        if isinstance(found, type)
        and issubclass(found, requests.RequestException)
        and found is not requests.JSONDecodeError
    ],
)
def test_every_error_of_requests_is_mapped(kind: type[requests.RequestException]) -> None:
    """Every exception of requests is mapped to a QueryError; timeouts to QueryTimeoutError."""
    error = map_transport_error(kind("response"), PATTERN_REDACTOR)
    assert isinstance(error, QueryTimeoutError if issubclass(kind, requests.Timeout) else UnreachableError)


def test_a_printed_address_hides_the_password() -> None:
    """The representation of an address contains no password."""
    assert "hunter2" not in repr(UpstreamAddress("http://host", "user", "hunter2"))
