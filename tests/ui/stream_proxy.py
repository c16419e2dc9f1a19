"""A proxy in front of a gateway that records requests, and cuts or refuses streams of changes."""

import contextlib
import re
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

WATCH_PATH = "/api/v1/watch"

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05
_REQUEST_LINE = re.compile(rb"^(?:GET|POST) (\S+) HTTP/1\.1\r$", re.MULTILINE)


@dataclass
class StreamProxy:
    """A running proxy: its URL, the targets of all requests, and the connections with a stream.

    While `refuses_streams` is set, a request for a stream loses its connection.
    """

    url: str
    targets: list[str] = field(default_factory=list)
    streams: set[socket.socket] = field(default_factory=set)
    refuses_streams: bool = False

    def cut_streams(self) -> None:
        """Let all streams lose their connections."""
        for stream in list(self.streams):
            # It may have ended by itself.
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def record(self, client: socket.socket, sent: bytes) -> bool:
        """Note the requests in what a browser sent; return whether they may pass."""
        targets = [target.decode() for target in _REQUEST_LINE.findall(sent)]
        self.targets += targets
        if any(urlsplit(target).path == WATCH_PATH for target in targets):
            if self.refuses_streams:
                return False
            self.streams.add(client)
        return True


@contextlib.contextmanager
def run_stream_proxy(gateway_url: str) -> Iterator[StreamProxy]:
    """Run a proxy in front of a gateway while the block runs."""
    gateway_port = urlsplit(gateway_url).port

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # Both sides may disconnect at any time.
            with contextlib.suppress(OSError), socket.create_connection((_HOST, gateway_port)) as gateway:
                _relay(running, self.request, gateway)
            running.streams.discard(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    with Server((_HOST, 0), Handler) as server:
        running = StreamProxy(f"http://{_HOST}:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


def _relay(proxy: StreamProxy, client: socket.socket, gateway: socket.socket) -> None:
    """Pass on what both sides send until one of them disconnects."""
    peers = {client: gateway, gateway: client}
    while True:
        for sender in select.select(list(peers), [], [])[0]:
            data = sender.recv(65536)
            if not data or (sender is client and not proxy.record(client, data)):
                return
            peers[sender].sendall(data)
