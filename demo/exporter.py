"""The simulated fleet as a scrape target: what it exposes now, at /metrics on the loopback interface."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.fleet import Fleet, exposition

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@contextlib.contextmanager
def exporting(fleet: Fleet, now: Callable[[], float] = time.time) -> Iterator[str]:
    """Serve the fleet while the block runs; give the scrape target, host:port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fleet, now))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(fleet: Fleet, now: Callable[[], float]) -> type[BaseHTTPRequestHandler]:
    """Return the handler class that http.server wants, bound to a fleet and a clock."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            body = exposition(fleet, now()).encode()
            # A scraper that was ended in the middle of an answer is no news.
            with contextlib.suppress(ConnectionError):
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing: a line per scrape would bury what the demo tells."""

    return Handler
