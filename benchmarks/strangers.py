"""Do tokens with unknown key ids slow those down who have a good one? A thousand such tokens a second, beside none."""

import base64
import contextlib
import http.client
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from benchmarks import tokens, wrk
from benchmarks.cores import LOAD, SERVER, on_core
from benchmarks.figures import Figure, in_turn, medians, paired
from benchmarks.processes import gateway, running

QUESTION = "strangers"
TO_NONE = 0.9
SECONDS = 3.0
STRANGERS_PER_SECOND = 1000


def measure(prometheus_url: str, nodes: int, _peer_path: Path, rounds: int) -> list[Figure]:
    """Measure hot `GET /` with a good token, alone and beside strangers."""
    load, realm = wrk.obtain(), tokens.realm(kid="good")
    with publishing(realm.jwks) as url:
        command = gateway(prometheus_url, core=on_core(SERVER), JWKS_URL=url)
        with running(command, realm.token) as program:
            ask = partial(load.requests_per_second, program.url, SECONDS, realm.token)
            given = in_turn({"alone": ask, "beside": partial(_beside_strangers, program.ports.http, ask)}, rounds)
    rates = medians(given)
    return [
        Figure(QUESTION, nodes, "GET / with a token of an issuer", rates["alone"], "requests/s"),
        Figure(
            QUESTION, nodes, f"beside {STRANGERS_PER_SECOND} unknown key ids a second", rates["beside"], "requests/s"
        ),
        Figure(QUESTION, nodes, "beside / alone", paired(given["beside"], given["alone"]), "×", at_least=TO_NONE),
    ]


def _beside_strangers(port: int, ask: "partial[float]") -> float:
    with subprocess.Popen([*on_core(LOAD), sys.executable, "-m", "benchmarks.strangers", str(port)]) as strangers:
        try:
            return ask()
        finally:
            strangers.terminate()


@contextlib.contextmanager
def publishing(body: bytes) -> Iterator[str]:
    """Serve a key set while the block runs; give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/certs"
        finally:
            server.shutdown()
            thread.join()


def knock(port: int) -> None:
    """Send tokens of unknown key ids on one connection, as many a second as were said, for ever."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    due = time.monotonic()
    while True:
        header = json.dumps({"alg": "RS256", "kid": secrets.token_hex(16)}).encode()
        token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, b"{}", b"x" * 256))
        connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
        connection.getresponse().read()
        due += 1 / STRANGERS_PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    knock(int(sys.argv[1]))
