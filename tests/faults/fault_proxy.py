"""A proxy in front of a Prometheus that forwards queries or applies a fault, beginning with the next refresh.

It also counts queries. All queries of a refresh have the same `time=`, which identifies the refresh.
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
PROXY_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class ProxiedRequest:
    """A request of the gateway: target, body, PromQL ("" if it is not a query) and evaluation time."""

    target: str
    body: bytes
    promql: str
    time: str


@dataclass(frozen=True)
class ProxiedExchange:
    """One request at the proxy, with the operations that fault actions use."""

    request: ProxiedRequest
    socket: socket.socket
    forward: Callable[[], tuple[int, bytes]]
    stop_event: threading.Event

    def fetch_response(self) -> bytes:
        """Forward the request to Prometheus and return the response body."""
        return self.forward()[1]

    def send(self, data: bytes) -> None:
        """Send raw bytes to the gateway."""
        self.socket.sendall(data)

    def close(self) -> None:
        """Close the sending direction of the connection."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection, as the kernel does for a process that dies."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The stream of the handler also keeps the socket open, therefore close the descriptor itself.
        socket.socket(fileno=self.socket.detach()).close()

    def wait_for_disconnect(self) -> None:
        """Send nothing until the gateway disconnects or the proxy stops."""
        self.socket.settimeout(POLL_SECONDS)
        while not self.stop_event.is_set():
            with contextlib.suppress(TimeoutError):
                self.socket.recv(1)
                return


FaultAction = Callable[[ProxiedExchange], None]


def build_full_response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of a response with the correct Content-Length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


@dataclass
class FaultProxy:
    """A running proxy: its URL, the counted queries, and the active fault action."""

    url: str
    query_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    stop_event: threading.Event = field(default_factory=threading.Event)
    _action: FaultAction | None = None
    _query_text: str = ""
    _active_from: float = 0.0
    _open_connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def connections(self) -> int:
        """The number of open connections from the gateway."""
        return self._open_connections

    @property
    def refresh_times(self) -> list[str]:
        """The evaluation time of each refresh so far, in order."""
        with self._lock:
            return list(dict.fromkeys(time for time, _ in self.query_counts))

    def max_queries_per_refresh(self, first_refresh: int = 0) -> int:
        """Return how often the most frequent query was sent in one refresh, from refresh number `first_refresh` on."""
        times = set(self.refresh_times[first_refresh:])
        with self._lock:
            return max((count for (time, _), count in self.query_counts.items() if time in times), default=0)

    @contextlib.contextmanager
    def inject(self, action: FaultAction, query_text: str = "") -> Iterator[None]:
        """Apply an action to queries that contain a text, from the next refresh until the block ends."""
        with self._lock:
            self._active_from = max((float(time) for time, _ in self.query_counts), default=0.0)
            self._action, self._query_text = action, query_text
        try:
            yield
        finally:
            self._action = None

    def select_action(self, request: ProxiedRequest) -> FaultAction | None:
        """Count a request; return the action to apply, None to forward the request."""
        if not request.promql:
            return None
        with self._lock:
            self.query_counts[request.time, request.promql] += 1
            is_affected = self._query_text in request.promql and float(request.time) > self._active_from
            return self._action if is_affected else None

    def count_connection(self, delta: int) -> None:
        """Add to the number of open connections."""
        with self._lock:
            self._open_connections += delta


@contextlib.contextmanager
def run_proxy(prometheus_url: str) -> Iterator[FaultProxy]:
    """Run a proxy in front of a Prometheus while the block runs."""
    upstream_address = urlsplit(prometheus_url).netloc

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            running.count_connection(1)
            try:
                # The gateway may disconnect at any time, and some actions break the connection.
                with contextlib.suppress(OSError, ValueError), self.request.makefile("rb") as stream:
                    _serve(running, upstream_address, self.request, stream)
            finally:
                running.count_connection(-1)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    with Server((HOST, 0), Handler) as server:
        running = FaultProxy(f"http://{HOST}:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,))
        thread.start()
        try:
            yield running
        finally:
            running.stop_event.set()
            server.shutdown()
            thread.join()


def _serve(proxy: FaultProxy, upstream_address: str, client: socket.socket, stream: BinaryIO) -> None:
    with contextlib.closing(http.client.HTTPConnection(upstream_address, timeout=PROXY_TIMEOUT_SECONDS)) as connection:
        while request := _read_proxied_request(stream):

            def forward_request(forwarded: ProxiedRequest = request) -> tuple[int, bytes]:
                method = "POST" if forwarded.body else "GET"
                form_headers = {"Content-Type": "application/x-www-form-urlencoded"} if forwarded.body else {}
                connection.request(method, forwarded.target, forwarded.body or None, form_headers)
                response = connection.getresponse()
                return response.status, response.read()

            exchange = ProxiedExchange(request, client, forward_request, proxy.stop_event)
            action = proxy.select_action(request)
            if action is not None:
                action(exchange)
                continue
            status, body = forward_request()
            client.sendall(
                build_full_response(body, f"{status} {http.client.responses[status]}", "Content-Type: application/json")
            )


def _read_proxied_request(stream: BinaryIO) -> ProxiedRequest | None:
    """Return the next request, None if the gateway has disconnected."""
    first = stream.readline().decode("latin-1").split(" ")
    if len(first) < 2:
        return None
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    body = stream.read(length)
    target = urlsplit(first[1])
    parameters = parse_qs(target.query) | parse_qs(body.decode("latin-1"))
    is_query = target.path.endswith(QUERY_PATH)
    return ProxiedRequest(first[1], body, parameters["query"][0] if is_query else "", parameters.get("time", [""])[0])
