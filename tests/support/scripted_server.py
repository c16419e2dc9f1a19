"""A small HTTP server whose responses are scripted by tests."""

import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class ReceivedRequest:
    """A received request: path, query parameters, and headers by lower-case names."""

    path: str
    parameters: dict[str, list[str]]
    headers: dict[str, str]


@dataclass
class ScriptedServer:
    """A running server: its URL, the received requests, and events about its connections."""

    url: str
    port: int
    requests: list[ReceivedRequest] = field(default_factory=list)
    connections: int = 0
    request_received: threading.Event = field(default_factory=threading.Event)
    client_disconnected: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


ResponseScript = Callable[[socket.socket, ReceivedRequest, ScriptedServer], None]


@contextlib.contextmanager
def run_scripted_server(
    script: ResponseScript, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """Run a server on 127.0.0.1 that calls `script` for each request while the block runs."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            running.connections += 1
            # The client may disconnect at any time, which many tests do.
            with (
                contextlib.suppress(OSError),
                _wrap_tls(self.request, tls) as connection,
                connection.makefile("rb") as stream,
            ):
                while request := _read_request(stream):
                    running.requests.append(request)
                    running.request_received.set()
                    script(connection, request, running)
            running.client_disconnected.set()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

    with Server(("127.0.0.1", port), Handler) as server:
        bound_port = server.server_address[1]
        running = ScriptedServer(f"{'https' if tls else 'http'}://127.0.0.1:{bound_port}", bound_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.stopping.set()
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _wrap_tls(connection: socket.socket, tls: ssl.SSLContext | None) -> Iterator[socket.socket]:
    """Yield the connection, wrapped in TLS if `tls` is given."""
    if tls is None:
        yield connection
        return
    connection.settimeout(WAIT_SECONDS)
    with tls.wrap_socket(connection, server_side=True) as wrapped:
        yield wrapped


def _read_request(stream: Iterator[bytes]) -> ReceivedRequest | None:
    """Return the next GET request, None if the client has disconnected."""
    lines = []
    for line in stream:
        if not line.strip():
            break
        lines.append(line.decode("latin-1").strip())
    if not lines:
        return None
    target = urlsplit(lines[0].split(" ")[1])
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return ReceivedRequest(
        target.path, parse_qs(target.query), {name.lower(): value for name, value in headers.items()}
    )


def build_http_response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of a complete response."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def build_sending_script(data: bytes) -> ResponseScript:
    """Return a script that sends these bytes and keeps the connection open."""
    return lambda connection, _request, _peer: connection.sendall(data)


def build_closing_script(data: bytes) -> ResponseScript:
    """Return a script that sends these bytes and closes the sending direction."""

    def script(connection: socket.socket, _request: ReceivedRequest, _peer: ScriptedServer) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    return script


def reset_connection(connection: socket.socket, _request: ReceivedRequest, _peer: ScriptedServer) -> None:
    """Reset the connection in the middle of a response, as a process that dies does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    # The stream of the handler also keeps the socket open, therefore close the descriptor itself.
    socket.socket(fileno=connection.detach()).close()


def stall_response(connection: socket.socket, _request: ReceivedRequest, _peer: ScriptedServer) -> None:
    """Send nothing until the client disconnects."""
    connection.settimeout(WAIT_SECONDS)
    connection.recv(1)


def drip_response(connection: socket.socket, _request: ReceivedRequest, running: ScriptedServer) -> None:
    """Send an endless response byte by byte, so that no read times out."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not running.stopping.wait(0.005):
        connection.sendall(b" ")
