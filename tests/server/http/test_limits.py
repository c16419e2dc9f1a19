"""The limits of connections, tested with raw bytes and short timeouts."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import psutil
import pytest

from aggregator.server.http.protocol import RequestLimits
from aggregator.server.http.server import HttpServerOptions
from aggregator.views.renderers import RENDERERS, ViewRenderer
from tests.integration.gateway_process import wait_until
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support.http_client import parse_status, send_raw, send_request

WAIT_TIMEOUT_SECONDS = 10.0
SHORT_LIMITS = RequestLimits(
    header_timeout_seconds=0.4,
    body_timeout_seconds=0.4,
    max_body_bytes=100_000,
    linger_seconds=0.3,
    write_timeout_seconds=0.6,
    idle_timeout_seconds=1,
)
MAX_CONNECTIONS = 20
GET_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE_BYTES = 10_000_000
MIB = 2**20


class LargeView:
    """A view of 10 MB."""

    def __call__(self, *_of: object) -> bytes:
        """Render it."""
        return b"x" * LARGE_BYTES


@contextlib.contextmanager
def run_large_servers(limits: RequestLimits) -> Iterator[ServerPorts]:
    """Serve a response of 10 MB."""
    views: dict[str, ViewRenderer] = {**RENDERERS, "1.2.5": LargeView()}
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(views=views))
    with run_servers(source, None, options=ServerOptions(HttpServerOptions(limits=limits))) as ports:
        yield ports


@pytest.fixture(scope="module")
def hasty() -> Iterator[ServerPorts]:
    """Servers with short timeouts and a low connection limit."""
    with run_servers(
        FakeSnapshotProvider(), None, options=ServerOptions(HttpServerOptions(MAX_CONNECTIONS, SHORT_LIMITS))
    ) as ports:
        yield ports


def open_connection(port: int) -> socket.socket:
    """Return a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT_SECONDS)


def read_to_end(connection: socket.socket) -> bytes:
    """Return the bytes until the server closes the connection; fail if it does not."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


def test_a_header_that_is_too_large_is_refused(hasty: ServerPorts) -> None:
    """A header of 40 kB gets 431 in the common error format, complete or not."""
    endless = send_raw(hasty.http, b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000)
    assert parse_status(endless) == 431
    assert endless.endswith(b'\r\n\r\n{"error":"header too large"}\n')
    ended = send_raw(hasty.http, b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n")
    assert parse_status(ended) in (400, 431)


def test_the_largest_header_is_accepted(hasty: ServerPorts) -> None:
    """A header just below the limit is accepted."""
    assert send_request(hasty.http, headers=[("X", "y" * 32_000)]).status == 200


@pytest.mark.parametrize("line", [b"\r\n", b"a:b\r\n", b"x" * 1000], ids=["blank lines", "many headers", "one line"])
def test_an_endless_header_is_cut_off(hasty: ServerPorts, line: bytes) -> None:
    """Whatever an endless header consists of, the server closes the connection long before 10 MB."""
    with open_connection(hasty.http) as connection:
        start = b"" if line == b"\r\n" else b"GET / HTTP/1.1\r\nHost: x\r\nX: "
        assert _count_sent_bytes(connection, start + line * (10_000_000 // len(line))) < 9_000_000


def _count_sent_bytes(connection: socket.socket, data: bytes) -> int:
    """Return how many bytes could be sent until the server closed the connection."""
    left = memoryview(data)
    with contextlib.suppress(ConnectionError):
        while left:
            left = left[connection.send(left[:65536]) :]
    return len(data) - len(left)


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n", GET_REQUEST + b"GET"], ids=str)
def test_a_header_has_a_timeout(hasty: ServerPorts, sent: bytes) -> None:
    """A client that does not complete a header is disconnected, also after an earlier request."""
    with open_connection(hasty.http) as connection:
        connection.sendall(sent)
        read_to_end(connection)


def test_single_bytes_do_not_extend_the_header_timeout(hasty: ServerPorts) -> None:
    """A byte now and then does not extend the header timeout."""
    with open_connection(hasty.http) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert _send_bytes_until_closed(connection) == b""


def _send_bytes_until_closed(connection: socket.socket) -> bytes:
    """Send a byte now and then until the server closes the connection; return what it has sent."""
    received = b""
    connection.settimeout(0.05)
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                piece = connection.recv(65536)
                received += piece
                if not piece:
                    return received
        pytest.fail("the server did not close the connection")
    return received


def test_seven_hundred_slow_clients_do_no_harm() -> None:
    """While 700 connections send headers slowly, other clients are served, and then all 700 are closed."""
    with (
        run_servers(
            FakeSnapshotProvider(),
            None,
            options=ServerOptions(HttpServerOptions(limits=RequestLimits(header_timeout_seconds=2))),
        ) as ports,
        contextlib.ExitStack() as stack,
    ):
        slow = [stack.enter_context(open_connection(ports.http)) for _ in range(700)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(20):
            assert send_request(ports.http).status == 200
        for connection in slow:
            read_to_end(connection)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_long_body_is_not_read(hasty: ServerPorts, method: bytes) -> None:
    """A client that announces a gigabyte gets its response and is disconnected; hardly any of it is read."""
    with open_connection(hasty.http) as connection:
        connection.sendall(method + b" / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert _count_sent_bytes(connection, b"x" * 100_000_000) < 20_000_000


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 100\r\n\r\nx", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b"Content-Length: 5\r\n\r\n"],
    ids=["half a body", "half a chunk", "no body"],
)
def test_a_body_has_a_timeout(hasty: ServerPorts, body: bytes) -> None:
    """An incomplete body ends its connection; the response was sent before."""
    with open_connection(hasty.http) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
        # A byte now and then does not extend the timeout of the longest body.
        is_long = body.startswith(b"Content-Length: 100\r")
        received = _send_bytes_until_closed(connection) if is_long else read_to_end(connection)
    assert parse_status(received) == 200


def test_trailers_are_limited(hasty: ServerPorts) -> None:
    """A chunked body with endless trailers is cut off."""
    start = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with open_connection(hasty.http) as connection:
        assert _count_sent_bytes(connection, start + b"a: b\r\n" * 10_000_000) < 20_000_000


def test_a_small_body_leaves_the_connection_usable(hasty: ServerPorts) -> None:
    """After a request with a small body the same connection serves the next request."""
    with open_connection(hasty.http) as connection:
        connection.sendall(b"POST /healthz?x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        assert connection.recv(65536).startswith(b"HTTP/1.1 405")
        wait_until(lambda: _is_answered(connection), "the next answer")


def _is_answered(connection: socket.socket) -> bool:
    connection.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    return b"HTTP/1.1 200 OK" in connection.recv(65536)


def test_pipelined_requests_are_answered(hasty: ServerPorts) -> None:
    """A hundred pipelined requests are all answered, in order."""
    answers = send_raw(
        hasty.http, GET_REQUEST * 99 + GET_REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    )
    assert answers.count(b"HTTP/1.1 200 OK") == 100


def test_a_flood_of_pipelined_requests_is_refused(hasty: ServerPorts) -> None:
    """Thousands of pipelined requests without reading end the connection, and memory stays the same."""
    before = psutil.Process().memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(open_connection(hasty.http))
            with contextlib.suppress(ConnectionError, TimeoutError):
                connection.settimeout(1)
                connection.sendall(GET_REQUEST * 20_000)
        grown = psutil.Process().memory_info().rss - before
    assert grown < 60 * MIB
    assert send_request(hasty.http).status == 200


def test_malformed_bytes_get_the_common_error_format(hasty: ServerPorts) -> None:
    """Bytes that are not HTTP get a JSON error with security headers and no name of the software."""
    answer = send_raw(hasty.http, b"nonsense\r\n\r\n").lower()
    assert parse_status(answer) == 400
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer
    assert b"content-type: application/json" in answer
    assert b"server:" not in answer
    assert b"uvicorn" not in answer
    assert answer.endswith(b'{"error":"malformed request"}\n')


# --- slow readers


def test_a_client_that_stops_reading_is_disconnected() -> None:
    """A client that stops reading is disconnected after the timeout; others are served meanwhile."""
    with run_large_servers(SHORT_LIMITS) as ports, open_slow_reader(ports.http) as stalled:
        assert len(send_request(ports.http).body) == LARGE_BYTES
        wait_until(lambda: not list_server_connections(ports.http), "the connection of the slow reader is gone", 8)
        assert len(read_to_end(stalled)) < LARGE_BYTES


def test_fifty_slow_readers_share_the_bytes() -> None:
    """Fifty clients that do not read their 10 MB cost almost no memory, and others are served."""
    with run_large_servers(RequestLimits()) as ports, contextlib.ExitStack() as stack:
        assert len(send_request(ports.http).body) == LARGE_BYTES
        before = psutil.Process().memory_info().rss
        for _ in range(50):
            stack.enter_context(open_slow_reader(ports.http))
        assert len(send_request(ports.http).body) == LARGE_BYTES
        assert psutil.Process().memory_info().rss - before < 50 * MIB


def test_a_slow_reader_gets_the_whole_response() -> None:
    """A client that reads for longer than the idle timeout gets its whole response."""
    with run_large_servers(RequestLimits(idle_timeout_seconds=1)) as ports, open_slow_reader(ports.http) as connection:
        pause = threading.Event()
        # Longer than the second after which an idle connection is closed.
        pause.wait(1.5)
        connection.settimeout(WAIT_TIMEOUT_SECONDS)
        received = 0
        while received < LARGE_BYTES:
            piece = connection.recv(1_000_000)
            assert piece
            received += len(piece)


@contextlib.contextmanager
def open_slow_reader(port: int) -> Iterator[socket.socket]:
    """Send a request and read only the beginning of the response."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(WAIT_TIMEOUT_SECONDS)
        connection.connect(("127.0.0.1", port))
        connection.sendall(GET_REQUEST)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        yield connection


def list_server_connections(port: int) -> list[object]:
    """Return the server's connections on a port."""
    connections = psutil.Process().net_connections("tcp")
    return [one for one in connections if one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED]


# --- how many


def test_one_more_connection_is_refused(hasty: ServerPorts) -> None:
    """A connection over the limit gets 503 and is closed; the others work, and closing one makes room."""
    with contextlib.ExitStack() as stack:
        wait_until(lambda: not list_server_connections(hasty.http), "earlier connections are gone")
        held = [stack.enter_context(open_connection(hasty.http)) for _ in range(MAX_CONNECTIONS)]
        assert all(_is_answered(connection) for connection in held)
        for _ in range(50):
            with open_connection(hasty.http) as refused:
                assert read_to_end(refused).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert all(_is_answered(connection) for connection in held)
    wait_until(lambda: _is_admitted(hasty.http), "room again")


def _is_admitted(port: int) -> bool:
    # Who is refused while it sends may see the connection reset instead of the reason.
    with open_connection(port) as connection, contextlib.suppress(ConnectionError):
        return _is_answered(connection)
    return False


def test_an_idle_connection_is_closed(hasty: ServerPorts) -> None:
    """A connection that was used is closed when it is idle for the idle timeout."""
    with open_connection(hasty.http) as connection:
        assert _is_answered(connection)
        assert _is_answered(connection)
        assert read_to_end(connection) == b""
