"""Set-ups of a Prometheus that are out of the ordinary: asked for a password, below a prefix, its answers changed."""

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

from demo.prometheus import free_port, obtain, stop
from tests.integration.process import until

Query = dict[str, str]


@contextmanager
def prometheus(folder: Path, *flags: str, path: str = "/-/ready", status: int = 200) -> Iterator[str]:
    """Run a Prometheus with flags while the block runs, from when it answers so at a path; give host:port.

    `{port}` in a flag stands for its port.
    """
    port = free_port()
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    command = [
        str(obtain().prometheus),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *(flag.format(port=port) for flag in flags),
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            until(lambda: _got(f"127.0.0.1:{port}", path)[0] == status, "Prometheus is ready")
            yield f"127.0.0.1:{port}"
        finally:
            stop(process)


def _got(place: str, target: str) -> tuple[int, bytes]:
    """Return status and body of what stands at a target, 0 where nobody answers."""
    with contextlib.closing(http.client.HTTPConnection(place, timeout=10)) as connection:
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""


@contextmanager
def between(
    behind: str,
    asking: Callable[[Query], Query],
    answering: Callable[[Query, Any], None] = lambda _query, _answer: None,
) -> Iterator[str]:
    """Run a proxy before a Prometheus while the block runs: `asking` changes queries, `answering` what they give."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urlsplit(self.path)
            asked = {name: values[-1] for name, values in parse_qs(target.query).items()}
            status, body = _got(urlsplit(behind).netloc, f"{target.path}?{urlencode(asking(asked))}")
            if status == 200 and asked:
                answer = json.loads(body)
                answering(asked, answer)
                body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

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
def behind_by(prometheus_url: str, seconds: float) -> Iterator[str]:
    """Show a Prometheus as it would be with its clock behind by so much: what is now for it was then for us."""

    def asking(query: Query) -> Query:
        return query | ({"time": str(float(query["time"]) + seconds)} if "time" in query else {})

    def answering(query: Query, answer: Any) -> None:
        for sample in answer["data"]["result"]:
            at, text = sample["value"]
            is_clock = "time" not in query
            sample["value"] = [at - seconds, str(float(text) - seconds) if is_clock else text]

    with between(prometheus_url, asking, answering) as url:
        yield url


@contextmanager
def warning(prometheus_url: str, text: str) -> Iterator[str]:
    """Show a Prometheus as Thanos shows what it has while a store is away."""

    def answering(_query: Query, answer: Any) -> None:
        answer["warnings"] = [text]

    with between(prometheus_url, lambda query: query, answering) as url:
        yield url
