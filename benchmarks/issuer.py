"""An issuer of tokens on this machine: hands out its public keys over HTTP, as Keycloak does, and counts how often."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.tokens import Realm


@dataclass
class Issuer:
    """Where the keys are, and how often they were fetched."""

    url: str
    fetches: list[str] = field(default_factory=list)


@contextlib.contextmanager
def issuing(realm: Realm) -> Iterator[Issuer]:
    """Hand out the realm's keys while the block runs."""
    body = json.dumps({"keys": [realm.jwk]}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetches.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}/keys")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
