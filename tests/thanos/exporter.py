"""What the Prometheus of a test scrapes: text that the test may change at any time."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Exporter:
    """An exporter that runs: where, as host:port, and what it shows."""

    target: str
    text: str


@contextmanager
def exporting(text: str) -> Iterator[Exporter]:
    """Run an exporter while the block runs."""
    shown = Exporter("", text)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown.text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        shown.target = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()


def hosts(cluster: str, *nodes: str, machine: str = "x86_64") -> str:
    """Return the text that shows some hosts of a cluster, in plain labels."""
    lines = [
        f'node_uname_info{{cluster="{cluster}",node="{node}",nodename="{node}",machine="{machine}"}} 1'
        for node in nodes
    ]
    lines += [f'node_memory_MemTotal_bytes{{cluster="{cluster}",node="{node}"}} 8000000000' for node in nodes]
    return "\n".join(lines) + "\n"
