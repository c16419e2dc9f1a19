"""A proxy in front of a Prometheus: it passes queries on, and misbehaves from one refresh on as it is told to.

It also counts: each refresh asks all its queries for one `time=`, which tells the refreshes apart.
"""

import contextlib
import http.client
import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"
QUERY_PATH = "/api/v1/query"
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Request:
    """What the gateway asked for: the target as sent, its body, the PromQL, and the point in time."""

    target: str
    body: bytes
    promql: str
    time: str


@dataclass(frozen=True)
class Exchange:
    """One request at the proxy, and what can be done with it."""

    request: Request
    socket: socket.socket
    passed_on: Callable[[], tuple[int, bytes]]
    is_over: threading.Event

    def answer(self) -> bytes:
        """Return the body that Prometheus gives for this request."""
        return self.passed_on()[1]

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def close(self) -> None:
        """Say that no more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection as the kernel does for a process that dies."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A stream keeps the socket open as well: this closes the descriptor itself.
        socket.socket(fileno=self.socket.detach()).close()

    def wait_until_left(self) -> None:
        """Say nothing until the gateway goes, or the proxy ends."""
        self.socket.settimeout(POLL_SECONDS)
        while not self.is_over.is_set():
            with contextlib.suppress(TimeoutError):
                self.socket.recv(1)
                return


Deed = Callable[[Exchange], None]


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of a response with the right length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


@dataclass
class Proxy:
    """A proxy that runs: its address, what it has been asked, and what it does instead of passing on."""

    url: str
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    is_over: threading.Event = field(default_factory=threading.Event)
    _deed: Deed | None = None
    _concerns: str = ""
    _from_time: float = 0.0
    _open: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def connections(self) -> int:
        """How many connections of the gateway are open."""
        return self._open

    @property
    def times(self) -> list[str]:
        """The point in time of each refresh so far, in order."""
        with self._lock:
            return list(dict.fromkeys(time for time, _ in self.asked))

    def most_often(self, since: int = 0) -> int:
        """Return how often at most one query was asked in one refresh, from the refresh of that number on."""
        times = set(self.times[since:])
        with self._lock:
            return max((count for (time, _), count in self.asked.items() if time in times), default=0)

    @contextlib.contextmanager
    def doing(self, deed: Deed, concerns: str = "") -> Iterator[None]:
        """While the block runs do this with queries that hold a text, beginning with a refresh that begins now."""
        with self._lock:
            self._from_time = max((float(time) for time, _ in self.asked), default=0.0)
            self._deed, self._concerns = deed, concerns
        try:
            yield
        finally:
            self._deed = None

    def deed_for(self, request: Request) -> Deed | None:
        """Count a request, and return what is to be done with it instead of passing it on."""
        if not request.promql:
            return None
        with self._lock:
            self.asked[request.time, request.promql] += 1
            is_meant = self._concerns in request.promql and float(request.time) > self._from_time
            return self._deed if is_meant else None

    def count_connection(self, change: int) -> None:
        """Note that a connection came or went."""
        with self._lock:
            self._open += change


@contextlib.contextmanager
def proxy(prometheus_url: str) -> Iterator[Proxy]:
    """Run a proxy in front of a Prometheus while the block runs."""
    behind = urlsplit(prometheus_url).netloc

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            made.count_connection(1)
            try:
                # The gateway may leave at any time, and some deeds break the connection: both end it.
                with contextlib.suppress(OSError, ValueError), self.request.makefile("rb") as stream:
                    _serve(made, behind, self.request, stream)
            finally:
                made.count_connection(-1)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    with Server((HOST, 0), Handler) as server:
        made = Proxy(f"http://{HOST}:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,))
        thread.start()
        try:
            yield made
        finally:
            made.is_over.set()
            server.shutdown()
            thread.join()


def _serve(made: Proxy, behind: str, client: socket.socket, stream: BinaryIO) -> None:
    with contextlib.closing(http.client.HTTPConnection(behind, timeout=PATIENCE_SECONDS)) as connection:
        while request := _read(stream):

            def pass_on(asked: Request = request) -> tuple[int, bytes]:
                method = "POST" if asked.body else "GET"
                form = {"Content-Type": "application/x-www-form-urlencoded"} if asked.body else {}
                connection.request(method, asked.target, asked.body or None, form)
                response = connection.getresponse()
                return response.status, response.read()

            exchange = Exchange(request, client, pass_on, made.is_over)
            deed = made.deed_for(request)
            if deed is not None:
                deed(exchange)
                continue
            status, body = pass_on()
            client.sendall(whole(body, f"{status} {http.client.responses[status]}", "Content-Type: application/json"))


def _read(stream: BinaryIO) -> Request | None:
    """Return the next request, None if the gateway has gone."""
    first = stream.readline().decode("latin-1").split(" ")
    if len(first) < 2:
        return None
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    body = stream.read(length)
    target = urlsplit(first[1])
    asked = parse_qs(target.query) | parse_qs(body.decode("latin-1"))
    is_query = target.path.endswith(QUERY_PATH)
    return Request(first[1], body, asked["query"][0] if is_query else "", asked.get("time", [""])[0])
