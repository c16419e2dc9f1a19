"""A scrape target whose exposition a test can change at any time."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class FakeExporter:
    """A running exporter: its address as host:port, and its exposition."""

    target: str
    text: str


@contextmanager
def run_exporter(text: str) -> Iterator[FakeExporter]:
    """Run an exporter while the block runs."""
    exporter = FakeExporter("", text)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Suppress the log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        exporter.target = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield exporter
        finally:
            server.shutdown()
            thread.join()


def build_host_exposition(cluster: str, *nodes: str, machine: str = "x86_64") -> str:
    """Return the exposition of some hosts of a cluster, with the labels `cluster` and `node`."""
    lines = [
        f'node_uname_info{{cluster="{cluster}",node="{node}",nodename="{node}",machine="{machine}"}} 1'
        for node in nodes
    ]
    lines += [f'node_memory_MemTotal_bytes{{cluster="{cluster}",node="{node}"}} 8000000000' for node in nodes]
    return "\n".join(lines) + "\n"
