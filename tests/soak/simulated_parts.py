"""What the agents and the scrape server talk to, as processes that can be killed.

Usage: python -m tests.soak.simulated_parts engine FOLDER | kubernetes PORT PODS | pod PORT. PODS is a JSON file.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def run_engine(folder: str) -> None:
    """Run a Docker Engine with recorded responses."""
    from tests.support.fake_engine import run_fake_engine  # noqa: PLC0415 - the other parts start faster without it

    async def run() -> None:
        async with run_fake_engine(Path(folder)):
            await asyncio.Event().wait()

    asyncio.run(run())


def run_kubernetes(port: str, pods_file: str) -> None:
    """Run an API server. Its versions continue after those of the process before it."""
    from tests.scrape.kubernetes_server import run_kubernetes_server  # noqa: PLC0415 - as above

    pods = json.loads(Path(pods_file).read_text(encoding="utf-8"))

    async def run() -> None:
        async with run_kubernetes_server(port=int(port)) as server:
            server.version = int(time.time())
            for pod in pods:
                server.set_pod(pod)
            await asyncio.Event().wait()

    asyncio.run(run())


def run_pod(port: str) -> None:
    """Run a pod with a small page of metrics."""
    counter = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = f"# TYPE app_requests_total counter\napp_requests_total {next(counter)}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Do not log."""

    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


PARTS: dict[str, Callable[..., None]] = {"engine": run_engine, "kubernetes": run_kubernetes, "pod": run_pod}


def main(arguments: Sequence[str]) -> None:
    """Run one part until it is killed."""
    PARTS[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
