"""HTTP/2 frame by frame: encoding of client frames, a strict decoder, and a connection that reads single frames."""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

HTTP2_TIMEOUT_SECONDS = 10.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20
# The default maximum of HTTP/2.
MAX_FRAME_BYTES = 16_384

HeaderFields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Http2Frame:
    """A received frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def encode_frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame with its actual length."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def decode_frames(received: bytes) -> Iterator[Http2Frame]:
    """Yield the frames; fail if the bytes contain anything else, or if the first frame is not SETTINGS."""
    first = True
    while received:
        assert len(received) >= 9, f"incomplete frame: {received!r}"
        length = int.from_bytes(received[:3], "big")
        frame = Http2Frame(received[3], received[4], int.from_bytes(received[5:9], "big"), received[9 : 9 + length])
        assert len(frame.payload) == length <= MAX_FRAME_BYTES, f"{len(frame.payload)} of {length} bytes"
        assert frame.kind in range(10)
        assert not first or frame.kind == SETTINGS
        yield frame
        first = False
        received = received[9 + length :]


def _encode_integer(value: int, bits: int, first: int = 0) -> bytes:
    """Return an HPACK integer: the last bits of the first byte, and further bytes if it is larger."""
    max_prefix = 2**bits - 1
    if value < max_prefix:
        return bytes([first | value])
    value -= max_prefix
    encoded = bytearray([first | max_prefix])
    while value >= 128:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes([*encoded, value])


def encode_headers(fields: HeaderFields) -> bytes:
    """Return header fields as HPACK literals without index and Huffman coding, so that all bytes are sent unchanged."""
    return b"".join(
        b"\x00" + _encode_integer(len(name), 7) + name + _encode_integer(len(value), 7) + value
        for name, value in fields
    )


def encode_stream_start(fields: HeaderFields, stream: int = 1, flags: int = END_HEADERS) -> bytes:
    """Return the frames that open a stream with these fields: HEADERS, and CONTINUATION if needed."""
    block = encode_headers(fields)
    blocks = [block[at : at + MAX_FRAME_BYTES] for at in range(0, len(block), MAX_FRAME_BYTES)] or [b""]
    is_single_frame = len(blocks) == 1
    encoded = encode_frame(HEADERS, flags if is_single_frame else flags & ~END_HEADERS, stream, blocks[0])
    for number, part in enumerate(blocks[1:], 2):
        encoded += encode_frame(CONTINUATION, END_HEADERS if number == len(blocks) else 0, stream, part)
    return encoded


def encode_message(body: bytes, compressed: int = 0, length: int | None = None) -> bytes:
    """Return a gRPC message with its prefix, in which the length may be wrong."""
    return bytes([compressed]) + (len(body) if length is None else length).to_bytes(4, "big") + body


def encode_call(
    stream: int,
    path: bytes = b"/server_proto.Aggregator/ConnectToQuerier",
    metadata: Mapping[bytes, bytes] = MappingProxyType({}),
) -> bytes:
    """Return the frames of a gRPC call with an empty request."""
    fields = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"x"}
    fields |= {b"te": b"trailers", b"content-type": b"application/grpc", **metadata}
    request = encode_frame(DATA, END_STREAM, stream, encode_message(b""))
    return encode_stream_start(tuple(fields.items()), stream) + request


@dataclass
class Http2Connection:
    """A connection that reads single frames."""

    socket: socket.socket
    buffer: bytes = field(default=b"")

    def send(self, *frames: bytes) -> None:
        """Send frames."""
        self.socket.sendall(b"".join(frames))

    def receive_frame(self) -> tuple[int, bytes] | None:
        """Return the kind and payload of the next frame, None if the server has closed the connection."""
        head = self._read_bytes(9)
        if head is None:
            return None
        payload = self._read_bytes(int.from_bytes(head[:3]))
        return None if payload is None else (head[3], payload)

    def iter_frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield frames until the server closes the connection."""
        while (frame := self.receive_frame()) is not None:
            yield frame

    def _read_bytes(self, length: int) -> bytes | None:
        while len(self.buffer) < length:
            try:
                chunk = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not chunk:
                return None
            self.buffer += chunk
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data


@contextlib.contextmanager
def open_http2_connection(port: int, window: int = 65535) -> Iterator[Http2Connection]:
    """Connect and send the preface; `window` is the initial flow-control window of a stream."""
    with socket.create_connection(("127.0.0.1", port), timeout=HTTP2_TIMEOUT_SECONDS) as tcp_socket:
        connection = Http2Connection(tcp_socket)
        connection.send(
            PREFACE, encode_frame(SETTINGS, payload=b"\x00\x04" + window.to_bytes(4)), encode_frame(SETTINGS, ACK)
        )
        yield connection
