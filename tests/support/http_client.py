"""An HTTP client for servers on this machine, also for raw bytes."""

import http.client
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any

HOST = "127.0.0.1"
HTTP_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class ClientResponse:
    """A response; names in `headers` are case-insensitive."""

    status: int
    headers: Message
    body: bytes
    # Different for every response, therefore removed from the headers, which tests compare.
    request_id: str = ""

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


def open_http_connection(port: int) -> http.client.HTTPConnection:
    """Return a keep-alive connection."""
    return http.client.HTTPConnection(HOST, port, timeout=HTTP_TIMEOUT_SECONDS)


def send_on_connection(
    connection: http.client.HTTPConnection,
    path: str = "/",
    method: str = "GET",
    headers: Sequence[tuple[str, str | bytes]] = (),
    body: bytes | None = None,
) -> ClientResponse:
    """Send one request; headers may repeat and contain any bytes."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    request_id = response.headers["X-Request-Id"] or ""
    del response.headers["X-Request-Id"]
    return ClientResponse(response.status, response.headers, response.read(), request_id)


def send_request(
    port: int,
    path: str = "/",
    method: str = "GET",
    headers: Sequence[tuple[str, str | bytes]] = (),
    body: bytes | None = None,
) -> ClientResponse:
    """Send one request on a new connection."""
    connection = open_http_connection(port)
    try:
        return send_on_connection(connection, path, method, headers, body)
    finally:
        connection.close()


def send_raw(port: int, request: bytes) -> bytes:
    """Send raw bytes; return all received bytes until the server closes the connection."""
    with socket.create_connection((HOST, port), timeout=HTTP_TIMEOUT_SECONDS) as connection:
        connection.sendall(request)
        chunks = []
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


def parse_status(response: bytes) -> int:
    """Return the status code in the status line of a response."""
    return int(response.split(b" ", 2)[1])
