"""What the demo makes of a gateway's answers while it waits."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from demo.prometheus import free_port
from demo.questions import has_fleet, has_topology


@contextlib.contextmanager
def answering(ready_status: int, status: int, text: str) -> Iterator[str]:
    """Serve one status at /readyz and one answer everywhere else; give the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(ready_status if self.path == "/readyz" else status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("ready_status", "status", "text", "expected"),
    [
        pytest.param(200, 200, '{"cluster": {"a": {}}}', True, id="ready with clusters"),
        pytest.param(200, 200, '{"cluster": {}}', False, id="ready without clusters"),
        pytest.param(503, 200, '{"cluster": {"a": {}}}', False, id="clusters, but not ready"),
        pytest.param(200, 503, "", False, id="nothing to serve"),
        pytest.param(200, 200, "hello", False, id="not JSON"),
        pytest.param(200, 401, "", True, id="guarded by a KEY"),
    ],
)
def test_when_the_topology_is_there(ready_status: int, status: int, text: str, expected: bool) -> None:
    """It is there when the gateway is ready and its answer has clusters, or may not be looked at."""
    with answering(ready_status, status, text) as url:
        assert has_topology(url) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [('{"result": [{"value": [1, "30"]}]}', True), ('{"result": []}', False)]
)
def test_when_the_fleet_is_there(text: str, expected: bool) -> None:
    """It is there when Prometheus can count nodes."""
    with answering(200, 200, text) as url:
        assert has_fleet(url) is expected


def test_a_silent_server_has_nothing() -> None:
    """Where nobody answers there is no fleet and no topology yet, and no error either."""
    url = f"http://127.0.0.1:{free_port()}"
    assert (has_topology(url), has_fleet(url)) == (False, False)
