"""Prometheus with unusual setups: flags, clock skew, and rewritten responses."""

import contextlib
import http.client
import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from demo.prometheus import find_free_port, obtain_prometheus, stop_process
from tests.integration.gateway_process import wait_until

QueryParameters = dict[str, str]


@contextmanager
def run_configured_prometheus(folder: Path, *flags: str, path: str = "/-/ready", status: int = 200) -> Iterator[str]:
    """Run a Prometheus with flags while the block runs; yield host:port when a path returns the status.

    `{port}` in a flag is replaced by its port.
    """
    port = find_free_port()
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    command = [
        str(obtain_prometheus().prometheus),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *(flag.format(port=port) for flag in flags),
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(lambda: _fetch(f"127.0.0.1:{port}", path)[0] == status, "Prometheus is ready")
            yield f"127.0.0.1:{port}"
        finally:
            stop_process(process)


def _fetch(address: str, target: str) -> tuple[int, bytes]:
    """Return status and body of a GET request, status 0 if the connection fails."""
    with contextlib.closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""


@contextmanager
def run_rewriting_proxy(
    upstream_url: str,
    rewrite_query: Callable[[QueryParameters], QueryParameters],
    rewrite_response: Callable[[QueryParameters, Any], None] = lambda _query, _response: None,
) -> Iterator[str]:
    """Run a proxy in front of a Prometheus that rewrites queries and responses while the block runs."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(target.query).items()}
            status, body = _fetch(urlsplit(upstream_url).netloc, f"{target.path}?{urlencode(rewrite_query(query))}")
            if status == 200 and query:
                response = json.loads(body)
                rewrite_response(query, response)
                body = json.dumps(response).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Suppress the log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def run_with_clock_behind(prometheus_url: str, seconds: float) -> Iterator[str]:
    """Run a proxy that makes the clock of a Prometheus appear to be behind."""

    def shift_query_time(query: QueryParameters) -> QueryParameters:
        return query | ({"time": str(float(query["time"]) + seconds)} if "time" in query else {})

    def shift_sample_times(query: QueryParameters, response: Any) -> None:
        for sample in response["data"]["result"]:
            at, text = sample["value"]
            is_clock = "time" not in query
            sample["value"] = [at - seconds, str(float(text) - seconds) if is_clock else text]

    with run_rewriting_proxy(prometheus_url, shift_query_time, shift_sample_times) as url:
        yield url


@contextmanager
def run_with_warning(prometheus_url: str, text: str) -> Iterator[str]:
    """Run a proxy that adds a warning to responses, as Thanos does while a store is unreachable."""

    def add_warning(_query: QueryParameters, response: Any) -> None:
        response["warnings"] = [text]

    with run_rewriting_proxy(prometheus_url, lambda query: query, add_warning) as url:
        yield url
