"""HTTP/1.1 as bytes: many concurrent exchanges, and a strict parser of responses."""

import contextlib
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.support.http_client import HOST, send_request

# An exchange is over after this time without data; the server has answered other requests in the meantime.
IDLE_SECONDS = 0.3
MAX_EXCHANGE_SECONDS = 20.0

# Responses of this type have no length.
STREAM_TYPE = "text/event-stream"
_CHUNK_SIZE = re.compile(rb"[0-9a-f]{1,8}")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]*")
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\t]*)")


@dataclass(frozen=True)
class ParsedResponse:
    """One response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_responses(received: bytes, methods: Sequence[str] = ()) -> Iterator[ParsedResponse]:
    """Yield the responses in the bytes; `methods` are the request methods, GET for further responses.

    Fails on invalid bytes, such as an extra line or a missing or wrong length.
    """
    number = 0
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"incomplete header: {head[:200]!r}"
        first, *lines = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(first)
        assert status, f"invalid status line: {first[:200]!r}"
        headers = dict(_parse_header(line) for line in lines)
        assert len(headers) == len(lines), f"duplicate header: {lines}"
        method = methods[number] if number < len(methods) else "GET"
        has_no_body = method == "HEAD" or status[1][:1] == b"1" or status[1] in (b"204", b"304")
        if not has_no_body and headers.get("content-type", "").startswith(STREAM_TYPE):
            body, received = _split_chunks(headers, received)
        else:
            length = 0 if has_no_body else _parse_content_length(headers)
            assert len(received) >= length, f"{len(received)} of {length} bytes"
            body, received = received[:length], received[length:]
        yield ParsedResponse(int(status[1]), headers, body)
        number += status[1][:1] != b"1"


def _parse_header(line: bytes) -> tuple[str, str]:
    field = _HEADER_LINE.fullmatch(line)
    assert field, f"invalid header field: {line[:200]!r}"
    return field[1].decode().lower(), field[2].decode()


def _parse_content_length(headers: Mapping[str, str]) -> int:
    assert "transfer-encoding" not in headers, "unexpected transfer-encoding"
    assert headers.get("content-length", "").isdigit(), f"missing or invalid content-length: {headers}"
    return int(headers["content-length"])


def _split_chunks(headers: Mapping[str, str], received: bytes) -> tuple[bytes, bytes]:
    """Return the body of a stream and the bytes after it; a stream has an end here, because it has a timeout."""
    assert headers.get("transfer-encoding") == "chunked", f"not chunked: {headers}"
    body, size = b"", -1
    while size:
        line, end, received = received.partition(b"\r\n")
        assert end, f"incomplete chunk: {line[:200]!r}"
        assert _CHUNK_SIZE.fullmatch(line), f"invalid chunk size: {line[:200]!r}"
        size = int(line, 16)
        assert received[size : size + 2] == b"\r\n", f"incomplete chunk of {size} bytes"
        body, received = body + received[:size], received[size + 2 :]
    return body, received


def assert_healthy(port: int) -> None:
    """Fail unless the HTTP server on a port is healthy."""
    assert send_request(port, "/healthz").status == 200


def exchange_all(
    port: int, requests: Mapping[str, bytes], probe: Callable[[int], object] = assert_healthy
) -> dict[str, bytes]:
    """Send all requests at once, each over its own connection; return the received bytes by name.

    `probe` sends a request to the server on the port and returns after the response.
    """
    received = dict.fromkeys(requests, b"")
    with contextlib.ExitStack() as connections, selectors.DefaultSelector() as selector:
        for name, request in requests.items():
            connection = connections.enter_context(_open_connection(port))
            _send(connection, request)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, name)
        # The server reads in order: when it has answered the probes, the responses are on their way.
        for _ in range(3):
            probe(port)
        end = time.monotonic() + MAX_EXCHANGE_SECONDS
        while selector.get_map() and time.monotonic() < end and (ready := selector.select(IDLE_SECONDS)):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                chunk = _receive(key.fileobj)
                received[key.data] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
    return received


def _open_connection(port: int) -> socket.socket:
    """Return a connection; retry while the server is being replaced."""
    end = time.monotonic() + MAX_EXCHANGE_SECONDS
    while True:
        try:
            return socket.create_connection((HOST, port), timeout=MAX_EXCHANGE_SECONDS)
        except (ConnectionRefusedError, ConnectionResetError):
            if time.monotonic() > end:
                raise


def _send(connection: socket.socket, request: bytes) -> None:
    # The server may close the connection before all invalid bytes are sent.
    with contextlib.suppress(OSError):
        connection.sendall(request)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 20)
    except OSError:
        return b""
