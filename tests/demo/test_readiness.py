"""How the demo checks that Prometheus and the gateway are ready."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from demo.gateway import has_scraped_targets, has_topology
from demo.prometheus import find_free_port


@contextlib.contextmanager
def run_gateway_stub(ready_status: int, status: int, text: str) -> Iterator[str]:
    """Serve one status at /readyz and one response at all other paths; yield the base URL."""

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
        pytest.param(200, 401, "", True, id="KEY required"),
    ],
)
def test_the_gateway_has_a_topology(ready_status: int, status: int, text: str, expected: bool) -> None:
    """There is a topology if the gateway is ready and serves clusters, or requires a token."""
    with run_gateway_stub(ready_status, status, text) as url:
        assert has_topology(url) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [('{"result": [{"value": [1, "30"]}]}', True), ('{"result": []}', False)]
)
def test_prometheus_has_the_targets(text: str, expected: bool) -> None:
    """All targets have been scraped if Prometheus counts as many that are up."""
    with run_gateway_stub(200, 200, text) as url:
        assert has_scraped_targets(url, 30) is expected


def test_an_unreachable_server_is_not_ready() -> None:
    """Without a server there is no fleet and no topology yet, and no error."""
    url = f"http://127.0.0.1:{find_free_port()}"
    assert (has_topology(url), has_scraped_targets(url, 1)) == (False, False)
