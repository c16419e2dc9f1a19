"""Upstreams that are no good: they refuse, redirect, repeat what they were sent, or never answer."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Serve every request in the same way; give host:port, and the paths and Authorization headers asked with."""
    with _serving(status, lambda _sent: body, headers) as served:
        yield served


@contextmanager
def repeating(status: int, written: Callable[[str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve every request with what `written` makes of its credentials; give the same as `answering`."""
    with _serving(status, written, {}) as served:
        yield served


@contextmanager
def _serving(status: int, written: Callable[[str], bytes], headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            sent = self.headers["Authorization"]
            asked.append(f"{self.path} {sent}")
            body = written((sent or "").partition(" ")[2])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent() -> Iterator[tuple[str, socket.socket]]:
    """Listen, and never accept: connections stand, and nothing ever comes back; give host:port and the listener."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}", listener
