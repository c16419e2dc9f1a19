"""HTTP/2, frame by frame, as a client speaks it that means ill."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

SECONDS = 10.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header field in the plainest form that HPACK has; name and value are short."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call(stream: int, path: bytes = b"/server_proto.Aggregator/ConnectToQuerier") -> bytes:
    """Return the frames of a call with an empty request."""
    fields = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"x"}
    fields |= {b"te": b"trailers", b"content-type": b"application/grpc"}
    block = b"".join(literal(name, value) for name, value in fields.items())
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, b"\x00" * 5)


@dataclass
class Connection:
    """A connection on which frames are read one by one."""

    socket: socket.socket
    buffer: bytes = field(default=b"")

    def send(self, *frames: bytes) -> None:
        """Send some."""
        self.socket.sendall(b"".join(frames))

    def receive(self) -> tuple[int, bytes] | None:
        """Return the next frame's kind and payload, None where the server has closed."""
        head = self._take(9)
        if head is None:
            return None
        payload = self._take(int.from_bytes(head[:3]))
        return None if payload is None else (head[3], payload)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield frames until the server closes."""
        while (one := self.receive()) is not None:
            yield one

    def _take(self, length: int) -> bytes | None:
        while len(self.buffer) < length:
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not piece:
                return None
            self.buffer += piece
        taken, self.buffer = self.buffer[:length], self.buffer[length:]
        return taken


@contextlib.contextmanager
def connected(port: int, window: int = 65535) -> Iterator[Connection]:
    """Connect and greet; `window` is how many bytes of an answer the server may send unasked."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as made:
        connection = Connection(made)
        connection.send(PREFACE, frame(SETTINGS, payload=b"\x00\x04" + window.to_bytes(4)), frame(SETTINGS, ACK))
        yield connection
