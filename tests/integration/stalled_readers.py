"""Clients that stop reading in the middle of a response, over HTTP and gRPC."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
RECEIVE_BUFFER_BYTES = 4096
READER_TIMEOUT_SECONDS = 10.0


def open_slow_connection(port: int, timeout_seconds: float = READER_TIMEOUT_SECONDS) -> socket.socket:
    """Return a connection with a tiny receive buffer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    connection.settimeout(timeout_seconds)
    connection.connect((HOST, port))
    return connection


@dataclass
class Relay:
    """Forwards bytes between a client and a server; while `paused` is set, it holds back the bytes of the server."""

    port: int
    paused: threading.Event = field(default_factory=threading.Event)
    data_pending: threading.Event = field(default_factory=threading.Event)
    stop_event: threading.Event = field(default_factory=threading.Event)


@contextmanager
def run_relay(server_port: int) -> Iterator[Relay]:
    """Run a relay for one connection while the block runs."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(READER_TIMEOUT_SECONDS)
        running = Relay(listener.getsockname()[1])
        thread = threading.Thread(target=_forward, args=(running, listener, server_port))
        thread.start()
        try:
            yield running
        finally:
            running.stop_event.set()
            thread.join()


def _forward(relay: Relay, listener: socket.socket, server_port: int) -> None:
    with (
        contextlib.suppress(OSError),
        listener.accept()[0] as client,
        open_slow_connection(server_port) as server,
        selectors.DefaultSelector() as ready,
    ):
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        while not relay.stop_event.is_set():
            for key, _ in ready.select(0.02):
                if key.fileobj is server and relay.paused.is_set():
                    relay.data_pending.set()
                    relay.stop_event.wait(0.02)
                    continue
                data = key.fileobj.recv(RECEIVE_BUFFER_BYTES)  # type: ignore[union-attr] # it is a socket
                if not data:
                    return
                key.data.sendall(data)
