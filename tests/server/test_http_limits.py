"""What one connection may take: shown byte for byte, with clocks that are short."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from aggregator.documents import View
from aggregator.server.http_limits import Limits
from aggregator.server.http_server import HttpTransport
from aggregator.views import BY_NAME
from tests.integration.process import until
from tests.server.exchange import ask, raw, status_of
from tests.server.serving import Manner, Ports, serving
from tests.server.source import CommandedSource, snapshot

SECONDS = 10.0
SHORT = Limits(
    header_seconds=0.4, body_seconds=0.4, body_bytes=100_000, linger_seconds=0.3, taking_seconds=0.6, idle_seconds=1
)
MOST = 20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE_BYTES = 10_000_000
MIB = 2**20


class Large:
    """A view of ten megabytes."""

    def __call__(self, *_of: object) -> bytes:
        """Render it."""
        return b"x" * LARGE_BYTES


@contextlib.contextmanager
def large(limits: Limits) -> Iterator[Ports]:
    """Serve an answer of ten megabytes."""
    views: dict[str, View] = {**BY_NAME, "1.2.5": Large()}
    source = CommandedSource(shown=snapshot(views=views))
    with serving(source, None, manner=Manner(HttpTransport(limits=limits))) as ports:
        yield ports


@pytest.fixture(scope="module")
def hasty() -> Iterator[Ports]:
    """Servers whose clocks are short, for few connections."""
    with serving(CommandedSource(), None, manner=Manner(HttpTransport(MOST, SHORT))) as ports:
        yield ports


def connect(port: int) -> socket.socket:
    """Return a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the server closes; the test fails if it does not."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


def test_a_header_that_is_too_large_is_refused(hasty: Ports) -> None:
    """A header of 40 kB is answered with 431, in the form of all errors, whether it ends or not."""
    endless = raw(hasty.http, b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000)
    assert status_of(endless) == 431
    assert endless.endswith(b'\r\n\r\n{"error":"header too large"}\n')
    ended = raw(hasty.http, b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n")
    assert status_of(ended) in (400, 431)


def test_the_largest_header_is_taken(hasty: Ports) -> None:
    """A header just below the limit is no trouble."""
    assert ask(hasty.http, headers=[("X", "y" * 32_000)]).status == 200


@pytest.mark.parametrize("line", [b"\r\n", b"a:b\r\n", b"x" * 1000], ids=["blank lines", "many headers", "one line"])
def test_an_endless_header_is_cut_off(hasty: Ports, line: bytes) -> None:
    """Whatever a header without end consists of, the server closes long before it has ten megabytes of it."""
    with connect(hasty.http) as connection:
        start = b"" if line == b"\r\n" else b"GET / HTTP/1.1\r\nHost: x\r\nX: "
        assert _sent(connection, start + line * (10_000_000 // len(line))) < 9_000_000


def _sent(connection: socket.socket, data: bytes) -> int:
    """Return how much could be sent until the server closed."""
    left = memoryview(data)
    with contextlib.suppress(ConnectionError):
        while left:
            left = left[connection.send(left[:65536]) :]
    return len(data) - len(left)


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n", GET + b"GET"], ids=str)
def test_a_header_has_a_clock(hasty: Ports, sent: bytes) -> None:
    """Who connects and does not complete a header is closed in time, also after an earlier request."""
    with connect(hasty.http) as connection:
        connection.sendall(sent)
        began = time.monotonic()
        rest(connection)
        assert time.monotonic() - began < 8


def test_a_dripping_header_has_the_same_clock(hasty: Ports) -> None:
    """A byte now and then does not wind the clock up again."""
    began = time.monotonic()
    with connect(hasty.http) as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(0.05)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        for _ in range(200):
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                if connection.recv(1) == b"":
                    break
    assert 0.3 < time.monotonic() - began < 4


def test_seven_hundred_slow_clients_do_no_harm() -> None:
    """While 700 connections drip a header, healthy clients are served at once; then all 700 are closed."""
    with (
        serving(CommandedSource(), None, manner=Manner(HttpTransport(limits=Limits(header_seconds=2)))) as ports,
        contextlib.ExitStack() as stack,
    ):
        slow = [stack.enter_context(connect(ports.http)) for _ in range(700)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        for _ in range(20):
            assert ask(ports.http).status == 200
        assert time.monotonic() - began < 1
        for connection in slow:
            rest(connection)
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_long_body_is_not_read(hasty: Ports, method: bytes) -> None:
    """A client that announces a gigabyte gets its answer and is then closed; hardly any of it was read."""
    with connect(hasty.http) as connection:
        connection.sendall(method + b" / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert _sent(connection, b"x" * 100_000_000) < 20_000_000


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 100\r\n\r\nx", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b"Content-Length: 5\r\n\r\n"],
    ids=["half a body", "half a chunk", "no body"],
)
def test_a_body_has_a_clock(hasty: Ports, body: bytes) -> None:
    """A body that does not come, or drips, ends its connection; the answer has come before."""
    began = time.monotonic()
    received = b""
    with connect(hasty.http) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
        connection.settimeout(0.05)
        for _ in range(200):
            with contextlib.suppress(TimeoutError):
                piece = connection.recv(65536)
                received += piece
                if not piece:
                    break
            if body.startswith(b"Content-Length: 100\r"):
                connection.sendall(b"x")
    assert status_of(received) == 200
    assert 0.3 < time.monotonic() - began < 4


def test_trailers_are_bounded(hasty: Ports) -> None:
    """A chunked body with trailers without end is cut off."""
    start = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with connect(hasty.http) as connection:
        assert _sent(connection, start + b"a: b\r\n" * 10_000_000) < 20_000_000


def test_a_small_body_leaves_the_connection_usable(hasty: Ports) -> None:
    """After a request with a small body the same connection serves the next."""
    with connect(hasty.http) as connection:
        connection.sendall(b"POST /healthz?x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        assert connection.recv(65536).startswith(b"HTTP/1.1 405")
        until(lambda: _answers(connection), "the next answer")


def _answers(connection: socket.socket) -> bool:
    connection.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    return b"HTTP/1.1 200 OK" in connection.recv(65536)


def test_requests_ahead_are_answered(hasty: Ports) -> None:
    """A hundred requests sent at once on one connection are all answered, in order."""
    answers = raw(hasty.http, GET * 99 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answers.count(b"HTTP/1.1 200 OK") == 100


def test_a_flood_of_requests_ahead_is_refused(hasty: Ports) -> None:
    """Thousands of requests sent ahead without reading an answer end the connection, and memory stays."""
    before = psutil.Process().memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(connect(hasty.http))
            with contextlib.suppress(ConnectionError, TimeoutError):
                connection.settimeout(1)
                connection.sendall(GET * 20_000)
        grown = psutil.Process().memory_info().rss - before
    assert grown < 60 * MIB
    assert ask(hasty.http).status == 200


def test_what_is_no_request_is_told_in_our_form(hasty: Ports) -> None:
    """Bytes that are no HTTP are answered like all errors: JSON, no sniffing, no name of the software."""
    answer = raw(hasty.http, b"nonsense\r\n\r\n").lower()
    assert status_of(answer) == 400
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer
    assert b"content-type: application/json" in answer
    assert b"server:" not in answer
    assert b"uvicorn" not in answer
    assert answer.endswith(b'{"error":"malformed request"}\n')


# --- slow readers


def test_who_does_not_take_its_answer_is_closed() -> None:
    """A client that stops reading is let go when its time is over; those that read are served meanwhile."""
    with large(SHORT) as ports, slow_reader(ports.http) as stalled:
        assert len(ask(ports.http).body) == LARGE_BYTES
        until(lambda: not open_to(ports.http), "the connection of the slow reader is gone", 8)
        assert len(rest(stalled)) < LARGE_BYTES


def test_fifty_slow_readers_share_the_bytes() -> None:
    """Fifty clients that do not read their ten megabytes cost next to no memory, and others are served."""
    with large(Limits()) as ports, contextlib.ExitStack() as stack:
        assert len(ask(ports.http).body) == LARGE_BYTES
        before = psutil.Process().memory_info().rss
        for _ in range(50):
            stack.enter_context(slow_reader(ports.http))
        assert len(ask(ports.http).body) == LARGE_BYTES
        assert psutil.Process().memory_info().rss - before < 50 * MIB


def test_who_reads_slowly_but_steadily_gets_all() -> None:
    """A client that takes longer than an idle connection may last gets its whole answer all the same."""
    with large(Limits(idle_seconds=1)) as ports, slow_reader(ports.http) as connection:
        pause = threading.Event()
        # Longer than the second after which an idle connection is closed.
        pause.wait(1.5)
        connection.settimeout(SECONDS)
        received = 0
        while received < LARGE_BYTES:
            piece = connection.recv(1_000_000)
            assert piece
            received += len(piece)


@contextlib.contextmanager
def slow_reader(port: int) -> Iterator[socket.socket]:
    """Ask for an answer, and read none of it but its beginning."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(SECONDS)
        connection.connect(("127.0.0.1", port))
        connection.sendall(GET)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        yield connection


def open_to(port: int) -> list[object]:
    """Return the server's side of the connections to it."""
    connections = psutil.Process().net_connections("tcp")
    return [one for one in connections if one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED]


# --- how many


def test_one_more_connection_is_refused(hasty: Ports) -> None:
    """Beyond the most connections, one more is told so and closed; the others work, and room is made again."""
    with contextlib.ExitStack() as stack:
        until(lambda: not open_to(hasty.http), "earlier connections are gone")
        held = [stack.enter_context(connect(hasty.http)) for _ in range(MOST)]
        assert all(_answers(connection) for connection in held)
        for _ in range(50):
            with connect(hasty.http) as refused:
                assert rest(refused).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert all(_answers(connection) for connection in held)
    until(lambda: _is_admitted(hasty.http), "room again")


def _is_admitted(port: int) -> bool:
    # Who is refused while it sends may see the connection reset instead of the reason.
    with connect(port) as connection, contextlib.suppress(ConnectionError):
        return _answers(connection)
    return False


def test_an_idle_connection_is_closed(hasty: Ports) -> None:
    """A connection that was used and is idle is closed when its time is over, and not before."""
    began = time.monotonic()
    with connect(hasty.http) as connection:
        assert _answers(connection)
        assert rest(connection) == b""
    assert SHORT.idle_seconds <= time.monotonic() - began < SHORT.idle_seconds + 3
