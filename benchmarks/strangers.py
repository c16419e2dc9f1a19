"""Strangers at a steady rate: python -m benchmarks.strangers HOST:PORT RATE SECONDS, each with an unknown key id.

Every token is new and names a key that nobody has. The requests are made beforehand, which it tells by a line, and sent
many at a time on one connection once a line comes in, so that the load itself costs next to nothing. At the end it
prints how many were refused, as they must all be.
"""

import base64
import json
import secrets
import socket
import sys
import time

BATCH = 10
REFUSED = b"HTTP/1.1 401"


def token() -> str:
    """Return a token with the shape and length of a real one."""
    header = json.dumps({"alg": "RS256", "typ": "JWT", "kid": secrets.token_hex(16)}).encode()
    parts = (header, secrets.token_bytes(600), secrets.token_bytes(256))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def request(host: str) -> bytes:
    """Return one request with such a token."""
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token()}\r\n\r\n".encode()


def main(address: str, rate: float, seconds: float) -> None:
    """Send, read what comes back, and print a JSON object."""
    host, _, port = address.rpartition(":")
    batches = [b"".join(request(address) for _ in range(BATCH)) for _ in range(int(rate * seconds / BATCH))]
    refused = 0
    print("ready", flush=True)
    sys.stdin.readline()
    with socket.create_connection((host, int(port)), timeout=60.0) as connection:
        began = time.monotonic()
        for number, batch in enumerate(batches):
            time.sleep(max(0.0, began + number * BATCH / rate - time.monotonic()))
            connection.sendall(batch)
            refused += answered(connection)
        took = time.monotonic() - began
    print(json.dumps({"refused": refused, "sent": len(batches) * BATCH, "per_second": refused / took}))


def answered(connection: socket.socket) -> int:
    """Read the answers to one batch; return how many of them are refusals."""
    said = b""
    while said.count(b"HTTP/1.1 ") < BATCH or not said.endswith(b"\n"):
        piece = connection.recv(65536)
        if not piece:
            raise RuntimeError("the server closed the connection")
        said += piece
    return said.count(REFUSED)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
