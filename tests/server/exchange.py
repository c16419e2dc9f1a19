"""One exchange with an HTTP server on this machine: as a client makes it, or byte for byte as an attacker does."""

import http.client
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any

HOST = "127.0.0.1"
SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back; `headers` compares names without regard to case."""

    status: int
    headers: Message
    body: bytes
    # Differs from answer to answer, as it should, and is taken out of the headers for that.
    request_id: str = ""

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


def connect(port: int) -> http.client.HTTPConnection:
    """Return a connection that stays open between exchanges."""
    return http.client.HTTPConnection(HOST, port, timeout=SECONDS)


def over(
    connection: http.client.HTTPConnection,
    path: str = "/",
    method: str = "GET",
    headers: Sequence[tuple[str, str | bytes]] = (),
    body: bytes | None = None,
) -> Answer:
    """Return the answer to one request; headers may repeat and hold any bytes."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    request_id = response.headers["X-Request-Id"] or ""
    del response.headers["X-Request-Id"]
    return Answer(response.status, response.headers, response.read(), request_id)


def ask(
    port: int,
    path: str = "/",
    method: str = "GET",
    headers: Sequence[tuple[str, str | bytes]] = (),
    body: bytes | None = None,
) -> Answer:
    """Do the same on a connection of its own."""
    connection = connect(port)
    try:
        return over(connection, path, method, headers, body)
    finally:
        connection.close()


def raw(port: int, request: bytes) -> bytes:
    """Return all bytes that come back for these bytes, until the server closes or goes quiet."""
    with socket.create_connection((HOST, port), timeout=SECONDS) as connection:
        connection.sendall(request)
        chunks = []
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


def status_of(answer: bytes) -> int:
    """Return the status in the first line of an answer."""
    return int(answer.split(b" ", 2)[1])
