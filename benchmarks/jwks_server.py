"""A JWKS endpoint on this machine that counts the requests."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.token_realm import Realm


@dataclass
class JwksServer:
    """The URL of the keys, and how often they were fetched."""

    url: str
    requested_paths: list[str] = field(default_factory=list)


@contextlib.contextmanager
def run_jwks_server(realm: Realm) -> Iterator[JwksServer]:
    """Serve the realm's keys while the block runs."""
    body = json.dumps({"keys": [realm.jwk]}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            jwks_server.requested_paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    jwks_server = JwksServer(f"http://127.0.0.1:{server.server_address[1]}/keys")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield jwks_server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
