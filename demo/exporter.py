"""The exporters of a simulated fleet: an HTTP server on the loopback interface with a path for each scrape target."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.targets import ScrapeTarget

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@contextlib.contextmanager
def run_exporter(targets: Iterable[ScrapeTarget], now: Callable[[], float] = time.time) -> Iterator[str]:
    """Serve the targets while the block runs; yield their common address, host:port."""
    renderers = {target.path: target.render for target in targets}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _create_handler(renderers, now))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _create_handler(
    renderers: Mapping[str, Callable[[float], str]], now: Callable[[], float]
) -> type[BaseHTTPRequestHandler]:
    """Return a handler class for http.server, bound to functions that render a path, and a clock."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            render = renderers.get(self.path)
            if render is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            body = render(now()).encode()
            # A scraper that disconnects early is not an error.
            with contextlib.suppress(ConnectionError):
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Do not log: a line for each scrape would hide the output of the demo."""

    return Handler
