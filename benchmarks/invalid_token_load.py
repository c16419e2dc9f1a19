"""Requests with invalid tokens at a constant rate: python -m benchmarks.invalid_token_load HOST:PORT RATE SECONDS.

Every token is new and has an unknown `kid`. The requests are built beforehand; the program then prints "ready", waits
for a line on stdin, and sends them in batches on one connection, so that the load itself costs little. At the end it
prints how many requests were refused; all must be.
"""

import base64
import json
import secrets
import socket
import sys
import time

BATCH_SIZE = 10
UNAUTHORIZED_STATUS_LINE = b"HTTP/1.1 401"


def create_unknown_key_token() -> str:
    """Return a token with the shape and length of a real one."""
    header = json.dumps({"alg": "RS256", "typ": "JWT", "kid": secrets.token_hex(16)}).encode()
    parts = (header, secrets.token_bytes(600), secrets.token_bytes(256))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def build_request(host: str) -> bytes:
    """Return one request with an invalid token."""
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {create_unknown_key_token()}\r\n\r\n".encode()


def main(address: str, rate: float, seconds: float) -> None:
    """Send the requests, read the responses, and print the counts as JSON."""
    host, _, port = address.rpartition(":")
    batches = [
        b"".join(build_request(address) for _ in range(BATCH_SIZE)) for _ in range(int(rate * seconds / BATCH_SIZE))
    ]
    unauthorized = 0
    print("ready", flush=True)
    sys.stdin.readline()
    with socket.create_connection((host, int(port)), timeout=60.0) as connection:
        began = time.monotonic()
        for number, batch in enumerate(batches):
            time.sleep(max(0.0, began + number * BATCH_SIZE / rate - time.monotonic()))
            connection.sendall(batch)
            unauthorized += count_unauthorized(connection)
        elapsed_seconds = time.monotonic() - began
    print(
        json.dumps(
            {"refused": unauthorized, "sent": len(batches) * BATCH_SIZE, "per_second": unauthorized / elapsed_seconds}
        )
    )


def count_unauthorized(connection: socket.socket) -> int:
    """Read the responses to one batch; return how many are 401."""
    received = b""
    while received.count(b"HTTP/1.1 ") < BATCH_SIZE or not received.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk:
            raise RuntimeError("the server closed the connection")
        received += chunk
    return received.count(UNAUTHORIZED_STATUS_LINE)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
