"""HTTP/2 as bytes: what a client writes, frame by frame, and a strict reader of the frames that come back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20
# What a server may send to a client that said nothing of it.
LONGEST_FRAME_BYTES = 16_384

Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Frame:
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame, its length as it is."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def frames(received: bytes) -> Iterator[Frame]:
    """Yield the frames that the bytes are; fails where they are anything else, or the first is not SETTINGS."""
    first = True
    while received:
        assert len(received) >= 9, f"half a frame: {received!r}"
        length = int.from_bytes(received[:3], "big")
        one = Frame(received[3], received[4], int.from_bytes(received[5:9], "big"), received[9 : 9 + length])
        assert len(one.payload) == length <= LONGEST_FRAME_BYTES, f"{len(one.payload)} of {length} bytes"
        assert one.kind in range(10)
        assert not first or one.kind == SETTINGS
        yield one
        first = False
        received = received[9 + length :]


def _number(value: int, bits: int, first: int = 0) -> bytes:
    """Return a number as HPACK has it: in the last bits of the first byte, and in more bytes where it is larger."""
    most = 2**bits - 1
    if value < most:
        return bytes([first | value])
    value -= most
    made = bytearray([first | most])
    while value >= 128:
        made.append(value % 128 + 128)
        value //= 128
    return bytes([*made, value])


def packed(fields: Fields) -> bytes:
    """Return header fields as HPACK literals: no index, no Huffman, so that every byte is as it is given."""
    return b"".join(b"\x00" + _number(len(name), 7) + name + _number(len(value), 7) + value for name, value in fields)


def opened(fields: Fields, stream: int = 1, flags: int = END_HEADERS) -> bytes:
    """Return the frames that open a stream with these fields: HEADERS, and CONTINUATION as far as needed."""
    block = packed(fields)
    parts = [block[at : at + LONGEST_FRAME_BYTES] for at in range(0, len(block), LONGEST_FRAME_BYTES)] or [b""]
    whole = len(parts) == 1
    made = frame(HEADERS, flags if whole else flags & ~END_HEADERS, stream, parts[0])
    for number, part in enumerate(parts[1:], 2):
        made += frame(CONTINUATION, END_HEADERS if number == len(parts) else 0, stream, part)
    return made


def message(body: bytes, compressed: int = 0, length: int | None = None) -> bytes:
    """Return a gRPC message in its envelope, which may lie."""
    return bytes([compressed]) + (len(body) if length is None else length).to_bytes(4, "big") + body
