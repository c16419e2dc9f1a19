"""A small HTTP server of a test: it behaves, and misbehaves, as it is told."""

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
class Request:
    """What came in: the path, the parameters, and the headers by their names in lower case."""

    path: str
    parameters: dict[str, list[str]]
    headers: dict[str, str]


@dataclass
class Peer:
    """A server that runs: where it is, what it was asked, and what became of its connections."""

    url: str
    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    asked: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


Script = Callable[[socket.socket, Request, Peer], None]


@contextlib.contextmanager
def peer(script: Script, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """Run a server on 127.0.0.1 that lets `script` answer each request while the block runs."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            running.connections += 1
            # The client may go away at any time: that is what many tests are about.
            with (
                contextlib.suppress(OSError),
                _opened(self.request, tls) as connection,
                connection.makefile("rb") as stream,
            ):
                while request := _read(stream):
                    running.requests.append(request)
                    running.asked.set()
                    script(connection, request, running)
            running.left.set()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

    with Server(("127.0.0.1", port), Handler) as server:
        chosen = server.server_address[1]
        running = Peer(f"{'https' if tls else 'http'}://127.0.0.1:{chosen}", chosen)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.stopping.set()
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _opened(connection: socket.socket, tls: ssl.SSLContext | None) -> Iterator[socket.socket]:
    """Yield the connection, under TLS where that is wanted."""
    if tls is None:
        yield connection
        return
    connection.settimeout(WAIT_SECONDS)
    with tls.wrap_socket(connection, server_side=True) as wrapped:
        yield wrapped


def _read(stream: Iterator[bytes]) -> Request | None:
    """Return the next request, None if the client has gone; GET requests have no body."""
    lines = []
    for line in stream:
        if not line.strip():
            break
        lines.append(line.decode("latin-1").strip())
    if not lines:
        return None
    target = urlsplit(lines[0].split(" ")[1])
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return Request(target.path, parse_qs(target.query), {name.lower(): value for name, value in headers.items()})


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of a whole response."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def sending(data: bytes) -> Script:
    """Return a script that sends these bytes and waits for the next request."""
    return lambda connection, _request, _peer: connection.sendall(data)


def hanging_up(data: bytes) -> Script:
    """Return a script that sends these bytes and says that no more will come."""

    def script(connection: socket.socket, _request: Request, _peer: Peer) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    return script


def resetting(connection: socket.socket, _request: Request, _peer: Peer) -> None:
    """Break the connection as a process that dies does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    # The stream of the handler keeps the socket open: this closes the file descriptor itself.
    socket.socket(fileno=connection.detach()).close()


def hanging(connection: socket.socket, _request: Request, _peer: Peer) -> None:
    """Say nothing until the client goes."""
    connection.settimeout(WAIT_SECONDS)
    connection.recv(1)


def dripping(connection: socket.socket, _request: Request, running: Peer) -> None:
    """Send a byte at a time for ever, so that the client always sees a sign of life."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not running.stopping.wait(0.005):
        connection.sendall(b" ")
