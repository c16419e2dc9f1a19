"""Upstreams that return errors or redirects, reflect credentials, or never respond."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_fixed_upstream(status: int, body: bytes, headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Return the same response to all requests; yield host:port, and the path and Authorization header of requests."""
    with _run_upstream(status, lambda _sent: body, headers) as upstream:
        yield upstream


@contextmanager
def run_echoing_upstream(status: int, build_body: Callable[[str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """Build responses from the credentials of the request; yield the same as `run_fixed_upstream`."""
    with _run_upstream(status, build_body, {}) as upstream:
        yield upstream


@contextmanager
def _run_upstream(
    status: int, build_body: Callable[[str], bytes], headers: dict[str, str]
) -> Iterator[tuple[str, list[str]]]:
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            authorization = self.headers["Authorization"]
            requests.append(f"{self.path} {authorization}")
            body = build_body((authorization or "").partition(" ")[2])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_args: object) -> None:
            """Suppress the log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", requests
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def run_silent_upstream() -> Iterator[tuple[str, socket.socket]]:
    """Listen without accepting connections; yield host:port and the listener."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}", listener
