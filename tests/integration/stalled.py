"""Readers that stop reading in the middle of an answer, over HTTP and gRPC."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HOST = "127.0.0.1"
SMALL_BYTES = 4096
SECONDS = 10.0


def connection(port: int) -> socket.socket:
    """Return a connection that takes in very little before it is read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
    made.settimeout(SECONDS)
    made.connect((HOST, port))
    return made


@dataclass
class Relay:
    """Passes bytes between a client and a server; while it is held, what the server sends waits in it."""

    port: int
    held: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def relay(to_port: int) -> Iterator[Relay]:
    """Run a relay for one connection while the block runs."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(SECONDS)
        made = Relay(listener.getsockname()[1])
        thread = threading.Thread(target=_pass, args=(made, listener, to_port))
        thread.start()
        try:
            yield made
        finally:
            made.over.set()
            thread.join()


def _pass(made: Relay, listener: socket.socket, to_port: int) -> None:
    with (
        contextlib.suppress(OSError),
        listener.accept()[0] as client,
        connection(to_port) as server,
        selectors.DefaultSelector() as ready,
    ):
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        while not made.over.is_set():
            for key, _ in ready.select(0.02):
                if key.fileobj is server and made.held.is_set():
                    made.waiting.set()
                    made.over.wait(0.02)
                    continue
                data = key.fileobj.recv(SMALL_BYTES)  # type: ignore[union-attr] # a socket of ours
                if not data:
                    return
                key.data.sendall(data)
