"""What attackers write to a gRPC server, by name: everything behind the connection's TCP handshake."""

from collections.abc import Mapping

from tests.fuzz.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Fields,
    frame,
    message,
    opened,
    packed,
)
from tests.server.call import CONNECT_TO_QUERIER

HELLO = PREFACE + frame(SETTINGS)
EMPTY = frame(DATA, END_STREAM, 1, message(b""))


def fields(more: Fields = (), **changes: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the header fields of a call; a change to None leaves a field out."""
    usual: dict[str, bytes | None] = {
        ":method": b"POST",
        ":scheme": b"http",
        ":path": CONNECT_TO_QUERIER.encode(),
        ":authority": b"x",
        "te": b"trailers",
        "content-type": b"application/grpc",
    }
    chosen = usual | {name.replace("__", ":").replace("_", "-"): value for name, value in changes.items()}
    return [*((name.encode(), value) for name, value in chosen.items() if value is not None), *more]


def call(more: Fields = (), data: bytes = EMPTY, **changes: bytes | None) -> bytes:
    """Return a whole connection with one call."""
    return HELLO + opened(fields(more, **changes)) + data


def setting(number: int, value: int) -> bytes:
    """Return a SETTINGS frame with one of them."""
    return frame(SETTINGS, payload=number.to_bytes(2, "big") + value.to_bytes(4, "big"))


_NO_HTTP2 = {
    "zeros": bytes(4096),
    "every byte": bytes(range(256)) * 16,
    "half the preface": PREFACE[:11],
    "the preface alone": PREFACE,
    "the preface twice": PREFACE + PREFACE,
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/1.1 for h2c": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(189),
}

_FRAMES = {
    "no SETTINGS first": PREFACE + frame(PING, payload=bytes(8)),
    "a frame of 16 MiB": HELLO + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(70_000),
    "a frame over the limit": HELLO + frame(DATA, 0, 1, bytes(16_385)),
    "a frame without an end": HELLO + frame(PING, payload=bytes(8))[:-3],
    "unknown frames": HELLO + frame(0xFE, 0xFF, 7, b"x" * 100) * 1_000,
    "the reserved bit": HELLO + frame(PING, 0, 2**31, bytes(8)),
    "SETTINGS of five bytes": PREFACE + frame(SETTINGS, payload=bytes(5)),
    "SETTINGS on a stream": HELLO + frame(SETTINGS, 0, 1),
    "SETTINGS acknowledged with words": HELLO + frame(SETTINGS, ACK, 0, bytes(6)),
    "SETTINGS acknowledged unasked": HELLO + frame(SETTINGS, ACK) * 1_000,
    "a window over 2^31": PREFACE + setting(4, 2**31),
    "a window of nothing": PREFACE + setting(4, 0) + opened(fields()) + EMPTY,
    "frames of one byte": PREFACE + setting(5, 1),
    "push of 2": PREFACE + setting(2, 2),
    "a table of 4 GiB": PREFACE + setting(1, 2**32 - 1) + opened(fields()) + EMPTY,
    "header lists of nothing": PREFACE + setting(6, 0) + opened(fields()) + EMPTY,
    "unknown settings": PREFACE + setting(0xFFFF, 2**32 - 1),
    "PING of seven bytes": HELLO + frame(PING, payload=bytes(7)),
    "PING on a stream": HELLO + frame(PING, 0, 1, bytes(8)),
    "RST of an idle stream": HELLO + frame(RST_STREAM, 0, 99, bytes(4)),
    "RST of no stream": HELLO + frame(RST_STREAM, 0, 0, bytes(4)),
    "RST of three bytes": HELLO + frame(RST_STREAM, 0, 1, bytes(3)),
    "WINDOW_UPDATE of nothing": HELLO + frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "WINDOW_UPDATE over 2^31": HELLO + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "DATA on no stream": HELLO + frame(DATA, 0, 0, b"x"),
    "DATA on an idle stream": HELLO + frame(DATA, 0, 5, b"x"),
    "DATA longer than padded": HELLO + opened(fields()) + frame(DATA, PADDED | END_STREAM, 1, b"\xff\x00"),
    "PUSH_PROMISE": HELLO + frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + packed(fields())),
    "GOAWAY": HELLO + frame(GOAWAY, payload=bytes(8) + b"farewell"),
    "GOAWAY of four bytes": HELLO + frame(GOAWAY, payload=bytes(4)),
    "a stream that waits for itself": HELLO + frame(PRIORITY, 0, 1, b"\x00\x00\x00\x01\x10"),
}

_FLOODS = {
    "SETTINGS": HELLO + setting(4, 65_535) * 10_000,
    "empty SETTINGS": HELLO + frame(SETTINGS) * 10_000,
    "PING": HELLO + frame(PING, payload=bytes(8)) * 10_000,
    "PRIORITY": HELLO + b"".join(frame(PRIORITY, 0, 2 * n + 1, b"\0\0\0\0\x10") for n in range(10_000)),
    "WINDOW_UPDATE": HELLO + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 10_000,
    "empty DATA": HELLO + opened(fields()) + frame(DATA, 0, 1) * 10_000,
    "empty CONTINUATION": HELLO + frame(HEADERS, 0, 1, packed(fields())) + frame(CONTINUATION, 0, 1) * 10_000,
    "CONTINUATION": HELLO + frame(HEADERS, 0, 1, packed(fields())) + frame(CONTINUATION, 0, 1, bytes(16_384)) * 100,
    "rapid reset": HELLO
    + b"".join(opened(fields(), n) + frame(RST_STREAM, 0, n, b"\0\0\0\x08") for n in range(1, 4_001, 2)),
    "streams without an end": HELLO + b"".join(opened(fields(), n) for n in range(1, 4_001, 2)),
}

_HEADERS = {
    "HPACK index 0": HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x80"),
    "HPACK index beyond the table": HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xfe"),
    "HPACK number without end": HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" * 500),
    "HPACK text beyond the frame": HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x7f\xff\xff\xff\x0fx"),
    "HPACK Huffman of nonsense": HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x84" + b"\xff" * 4),
    "HPACK table of 4 GiB": HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xff\xff\xff\xff\x0f"),
    # One entry of 4 kB goes into the table, and each byte behind it stands for all of it.
    "HPACK bomb": HELLO
    + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40\x01a\x7f\x81\x1e" + b"b" * 3_968 + b"\xbe" * 12_000),
    "HEADERS on no stream": HELLO + opened(fields(), 0),
    "HEADERS on an even stream": HELLO + opened(fields(), 2),
    "HEADERS on an older stream": HELLO + opened(fields(), 5) + opened(fields(), 3),
    "HEADERS twice": HELLO + opened(fields()) * 2 + EMPTY,
    "HEADERS without end": HELLO + frame(HEADERS, 0, 1, packed(fields())),
    "HEADERS broken into": HELLO + frame(HEADERS, 0, 1, packed(fields())) + frame(PING, payload=bytes(8)),
    "HEADERS longer than padded": HELLO + frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff\x00"),
    "HEADERS with half a priority": HELLO + frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"\x00"),
    "CONTINUATION of nothing": HELLO + frame(CONTINUATION, END_HEADERS, 1, packed(fields())),
    "no fields": HELLO + opened([]) + EMPTY,
    "trailers of a client": HELLO
    + opened(fields())
    + opened([(b"authorization", b"Bearer a.b.c")], 1, END_HEADERS | END_STREAM),
    "no :path": call(__path=None),
    "empty :path": call(__path=b""),
    ":path without slash": call(__path=CONNECT_TO_QUERIER[1:].encode()),
    ":path of 20 kB": call(__path=b"/" + b"x" * 20_000),
    ":path with NUL": call(__path=CONNECT_TO_QUERIER.encode() + b"\0"),
    ":path of an unknown method": call(__path=b"/server_proto.Aggregator/Nothing"),
    ":path of an unknown service": call(__path=b"/nothing.Nothing/Nothing"),
    ":path in other case": call(__path=CONNECT_TO_QUERIER.lower().encode()),
    ":path with another slash": call(__path=b"/" + CONNECT_TO_QUERIER.encode()),
    ":path as health's": call(__path=b"/grpc.health.v1.Health/../.." + CONNECT_TO_QUERIER.encode()),
    ":path as health's, unknown": call(__path=b"/grpc.health.v1.Health/ConnectToQuerier"),
    ":path twice": call([(b":path", b"/grpc.health.v1.Health/Check")]),
    ":method GET": call(__method=b"GET"),
    ":method CONNECT": call(__method=b"CONNECT"),
    "no :method": call(__method=None),
    "no :scheme": call(__scheme=None),
    ":scheme https": call(__scheme=b"https"),
    ":authority of nonsense": call(__authority=b"\xff@[::"),
    ":status from a client": call([(b":status", b"200")]),
    "an unknown pseudo header": call([(b":x", b"y")]),
    "no content-type": call(content_type=None),
    "content-type of a page": call(content_type=b"text/html"),
    "content-type of JSON": call(content_type=b"application/grpc+json"),
    "no te": call(te=None),
    "te of gzip": call(te=b"gzip"),
    "connection": call([(b"connection", b"close"), (b"transfer-encoding", b"chunked")]),
    "upper case": call([(b"X-Upper", b"y")]),
    "an empty name": call([(b"", b"y")]),
    "NUL in a name": call([(b"x\0y", b"y")]),
    "CR LF in a value": call([(b"x", b"a\r\nb: c")]),
    "NUL in a value": call([(b"x", b"a\0b")]),
    "not UTF-8 in a value": call([(b"x", b"\xff\xfe")]),
    "a binary field that is none": call([(b"x-bin", b"\xff!!=")]),
    "a time limit of nonsense": call([(b"grpc-timeout", b"soon")]),
    "a time limit of nothing": call([(b"grpc-timeout", b"0n")]),
    "a time limit below nothing": call([(b"grpc-timeout", b"-1S")]),
    "a time limit of 30 digits": call([(b"grpc-timeout", b"9" * 30 + b"H")]),
    "an unknown encoding": call([(b"grpc-encoding", b"brotli")], frame(DATA, END_STREAM, 1, message(b"x", 1))),
    "metadata of 31 kB": call([(b"x", b"y" * 31_000)]),
    "metadata of 33 kB": call([(b"x", b"y" * 33_000)]),
    "metadata of 70 kB": call([(b"x", b"y" * 70_000)]),
    "metadata of 1 MB": call([(b"x", b"y" * 1_000_000)]),
    "1,000 fields": call([(b"x%d" % number, b"y") for number in range(1_000)]),
    "an empty authorization": call([(b"authorization", b"")]),
    "100 authorizations": call([(b"authorization", b"Bearer a.b.c")] * 100),
    "authorization not UTF-8": call([(b"authorization", b"Bearer \xff.\xff.\xff")]),
    "authorization-bin": call([(b"authorization-bin", b"QmVhcmVyIGEuYi5j")]),
}

_MESSAGES = {
    "no message": call(data=frame(DATA, END_STREAM, 1)),
    "no end": call(data=b""),
    "half an envelope": call(data=frame(DATA, END_STREAM, 1, b"\0\0")),
    "less than said": call(data=frame(DATA, END_STREAM, 1, message(b"x", length=5))),
    "more than said": call(data=frame(DATA, END_STREAM, 1, message(b"xxxxx", length=1))),
    "4 GiB said": call(data=frame(DATA, 0, 1, message(b"x" * 1_000, length=2**32 - 1))),
    "65 KiB": call(
        data=b"".join(frame(DATA, 0, 1, part) for part in (message(b"", length=66_000), *[b"x" * 16_000] * 3))
    ),
    "two messages": call(data=frame(DATA, END_STREAM, 1, message(b"") * 2)),
    "1,000 messages": call(data=frame(DATA, END_STREAM, 1, message(b"") * 1_000)),
    "compressed without encoding": call(data=frame(DATA, END_STREAM, 1, message(b"x", 1))),
    "compressed, not gzip": call([(b"grpc-encoding", b"gzip")], frame(DATA, END_STREAM, 1, message(b"xxxx", 1))),
    "an unknown flag": call(data=frame(DATA, END_STREAM, 1, message(b"", 0xFF))),
    "a body that is no protobuf": call(data=frame(DATA, END_STREAM, 1, message(b"\xff" * 50))),
    "health of no protobuf": call(
        data=frame(DATA, END_STREAM, 1, message(b"\xff" * 50)), __path=b"/grpc.health.v1.Health/Check"
    ),
    "health of an unknown service": call(
        data=frame(DATA, END_STREAM, 1, message(b"\x0a\x01x")), __path=b"/grpc.health.v1.Health/Check"
    ),
}

# One of these ends the server of grpcio for all: it is a case apart.
POISON = call(__path=b"/\xff\xfe/\xff")

CASES: Mapping[str, bytes] = {
    **_NO_HTTP2,
    **_FRAMES,
    **{f"a flood of {name}": written for name, written in _FLOODS.items()},
    **_HEADERS,
    **_MESSAGES,
}
