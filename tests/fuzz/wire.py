"""HTTP/1.1 as bytes: many exchanges at once, and a reader of answers that forgives nothing."""

import contextlib
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.server.exchange import HOST, ask

# How long nothing may come before an exchange counts as over; the server has answered others in between.
QUIET_SECONDS = 0.3
MOST_SECONDS = 20.0

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\t]*)")


@dataclass(frozen=True)
class Framed:
    """One answer as its frame has it; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def framed(received: bytes, methods: Sequence[str] = ()) -> Iterator[Framed]:
    """Yield the answers that the bytes are, to requests of these methods (GET where there are more answers).

    Fails where they are anything else: a line too much, a length that is not kept, or none at all.
    """
    number = 0
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"a header without end: {head[:200]!r}"
        first, *lines = head.split(b"\r\n")
        status = _STATUS_LINE.fullmatch(first)
        assert status, f"no status line: {first[:200]!r}"
        headers = dict(_field(line) for line in lines)
        assert len(headers) == len(lines), f"a header twice: {lines}"
        method = methods[number] if number < len(methods) else "GET"
        has_no_body = method == "HEAD" or status[1][:1] == b"1" or status[1] in (b"204", b"304")
        length = 0 if has_no_body else _length(headers)
        assert len(received) >= length, f"{len(received)} of {length} bytes"
        yield Framed(int(status[1]), headers, received[:length])
        received = received[length:]
        number += status[1][:1] != b"1"


def _field(line: bytes) -> tuple[str, str]:
    field = _FIELD.fullmatch(line)
    assert field, f"no header field: {line[:200]!r}"
    return field[1].decode().lower(), field[2].decode()


def _length(headers: Mapping[str, str]) -> int:
    assert "transfer-encoding" not in headers, "answers here have a length"
    assert headers.get("content-length", "").isdigit(), f"an answer without a length: {headers}"
    return int(headers["content-length"])


def is_alive(port: int) -> None:
    """Fail unless the HTTP server on a port answers."""
    assert ask(port, "/healthz").status == 200


def exchanges(port: int, requests: Mapping[str, bytes], look: Callable[[int], object] = is_alive) -> dict[str, bytes]:
    """Return what comes back for each of the requests, all sent at once, each over a connection of its own.

    `look` asks the server on the port something and returns when that is answered.
    """
    received = dict.fromkeys(requests, b"")
    with contextlib.ExitStack() as connections, selectors.DefaultSelector() as selector:
        for name, request in requests.items():
            connection = connections.enter_context(_connected(port))
            _send(connection, request)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, name)
        # What was sent before was read before: its answers are on their way when these have come.
        for _ in range(3):
            look(port)
        end = time.monotonic() + MOST_SECONDS
        while selector.get_map() and time.monotonic() < end and (ready := selector.select(QUIET_SECONDS)):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                chunk = _receive(key.fileobj)
                received[key.data] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
    return received


def _connected(port: int) -> socket.socket:
    """Return a connection; a server that is being replaced may let wait for one."""
    end = time.monotonic() + MOST_SECONDS
    while True:
        try:
            return socket.create_connection((HOST, port), timeout=MOST_SECONDS)
        except (ConnectionRefusedError, ConnectionResetError):
            if time.monotonic() > end:
                raise


def _send(connection: socket.socket, request: bytes) -> None:
    # Whoever sends nonsense is cut off before its end now and then.
    with contextlib.suppress(OSError):
        connection.sendall(request)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 20)
    except OSError:
        return b""
