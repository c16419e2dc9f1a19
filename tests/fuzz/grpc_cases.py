"""Attacks on a gRPC server: byte sequences by name."""

from collections.abc import Mapping

from tests.support.grpc_client import CONNECT_TO_QUERIER_METHOD
from tests.support.http2 import (
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
    HeaderFields,
    encode_frame,
    encode_headers,
    encode_message,
    encode_stream_start,
)

CONNECTION_START = PREFACE + encode_frame(SETTINGS)
EMPTY_MESSAGE_FRAME = encode_frame(DATA, END_STREAM, 1, encode_message(b""))


def build_call_headers(extra: HeaderFields = (), **changes: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the header fields of a call; a change to None leaves a field out."""
    defaults: dict[str, bytes | None] = {
        ":method": b"POST",
        ":scheme": b"http",
        ":path": CONNECT_TO_QUERIER_METHOD.encode(),
        ":authority": b"x",
        "te": b"trailers",
        "content-type": b"application/grpc",
    }
    header_fields = defaults | {name.replace("__", ":").replace("_", "-"): value for name, value in changes.items()}
    return [*((name.encode(), value) for name, value in header_fields.items() if value is not None), *extra]


def build_call(extra: HeaderFields = (), data: bytes = EMPTY_MESSAGE_FRAME, **changes: bytes | None) -> bytes:
    """Return the bytes of a connection with one call."""
    return CONNECTION_START + encode_stream_start(build_call_headers(extra, **changes)) + data


def encode_setting(number: int, value: int) -> bytes:
    """Return a SETTINGS frame with one setting."""
    return encode_frame(SETTINGS, payload=number.to_bytes(2, "big") + value.to_bytes(4, "big"))


_INVALID_PREFACES = {
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
    "no SETTINGS first": PREFACE + encode_frame(PING, payload=bytes(8)),
    "a frame of 16 MiB": CONNECTION_START + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(70_000),
    "a frame over the limit": CONNECTION_START + encode_frame(DATA, 0, 1, bytes(16_385)),
    "a frame without an end": CONNECTION_START + encode_frame(PING, payload=bytes(8))[:-3],
    "unknown frames": CONNECTION_START + encode_frame(0xFE, 0xFF, 7, b"x" * 100) * 1_000,
    "the reserved bit": CONNECTION_START + encode_frame(PING, 0, 2**31, bytes(8)),
    "SETTINGS of five bytes": PREFACE + encode_frame(SETTINGS, payload=bytes(5)),
    "SETTINGS on a stream": CONNECTION_START + encode_frame(SETTINGS, 0, 1),
    "SETTINGS ACK with a payload": CONNECTION_START + encode_frame(SETTINGS, ACK, 0, bytes(6)),
    "unexpected SETTINGS ACK": CONNECTION_START + encode_frame(SETTINGS, ACK) * 1_000,
    "a window over 2^31": PREFACE + encode_setting(4, 2**31),
    "a window of 0": PREFACE + encode_setting(4, 0) + encode_stream_start(build_call_headers()) + EMPTY_MESSAGE_FRAME,
    "frames of one byte": PREFACE + encode_setting(5, 1),
    "ENABLE_PUSH of 2": PREFACE + encode_setting(2, 2),
    "a table of 4 GiB": PREFACE
    + encode_setting(1, 2**32 - 1)
    + encode_stream_start(build_call_headers())
    + EMPTY_MESSAGE_FRAME,
    "a header list limit of 0": PREFACE
    + encode_setting(6, 0)
    + encode_stream_start(build_call_headers())
    + EMPTY_MESSAGE_FRAME,
    "unknown settings": PREFACE + encode_setting(0xFFFF, 2**32 - 1),
    "PING of seven bytes": CONNECTION_START + encode_frame(PING, payload=bytes(7)),
    "PING on a stream": CONNECTION_START + encode_frame(PING, 0, 1, bytes(8)),
    "RST of an idle stream": CONNECTION_START + encode_frame(RST_STREAM, 0, 99, bytes(4)),
    "RST of no stream": CONNECTION_START + encode_frame(RST_STREAM, 0, 0, bytes(4)),
    "RST of three bytes": CONNECTION_START + encode_frame(RST_STREAM, 0, 1, bytes(3)),
    "WINDOW_UPDATE of 0": CONNECTION_START + encode_frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "WINDOW_UPDATE over 2^31": CONNECTION_START + encode_frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "DATA on no stream": CONNECTION_START + encode_frame(DATA, 0, 0, b"x"),
    "DATA on an idle stream": CONNECTION_START + encode_frame(DATA, 0, 5, b"x"),
    "DATA with too much padding": CONNECTION_START
    + encode_stream_start(build_call_headers())
    + encode_frame(DATA, PADDED | END_STREAM, 1, b"\xff\x00"),
    "PUSH_PROMISE": CONNECTION_START
    + encode_frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + encode_headers(build_call_headers())),
    "GOAWAY": CONNECTION_START + encode_frame(GOAWAY, payload=bytes(8) + b"farewell"),
    "GOAWAY of four bytes": CONNECTION_START + encode_frame(GOAWAY, payload=bytes(4)),
    "a stream that depends on itself": CONNECTION_START + encode_frame(PRIORITY, 0, 1, b"\x00\x00\x00\x01\x10"),
}

_FLOODS = {
    "SETTINGS": CONNECTION_START + encode_setting(4, 65_535) * 10_000,
    "empty SETTINGS": CONNECTION_START + encode_frame(SETTINGS) * 10_000,
    "PING": CONNECTION_START + encode_frame(PING, payload=bytes(8)) * 10_000,
    "PRIORITY": CONNECTION_START
    + b"".join(encode_frame(PRIORITY, 0, 2 * n + 1, b"\0\0\0\0\x10") for n in range(10_000)),
    "WINDOW_UPDATE": CONNECTION_START + encode_frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 10_000,
    "empty DATA": CONNECTION_START + encode_stream_start(build_call_headers()) + encode_frame(DATA, 0, 1) * 10_000,
    "empty CONTINUATION": CONNECTION_START
    + encode_frame(HEADERS, 0, 1, encode_headers(build_call_headers()))
    + encode_frame(CONTINUATION, 0, 1) * 10_000,
    "CONTINUATION": CONNECTION_START
    + encode_frame(HEADERS, 0, 1, encode_headers(build_call_headers()))
    + encode_frame(CONTINUATION, 0, 1, bytes(16_384)) * 100,
    "rapid reset": CONNECTION_START
    + b"".join(
        encode_stream_start(build_call_headers(), n) + encode_frame(RST_STREAM, 0, n, b"\0\0\0\x08")
        for n in range(1, 4_001, 2)
    ),
    "open streams": CONNECTION_START
    + b"".join(encode_stream_start(build_call_headers(), n) for n in range(1, 4_001, 2)),
}

_HEADERS = {
    "HPACK index 0": CONNECTION_START + encode_frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x80"),
    "HPACK index beyond the table": CONNECTION_START + encode_frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xfe"),
    "endless HPACK integer": CONNECTION_START + encode_frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" * 500),
    "HPACK string beyond the frame": CONNECTION_START
    + encode_frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x7f\xff\xff\xff\x0fx"),
    "invalid HPACK Huffman code": CONNECTION_START
    + encode_frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x84" + b"\xff" * 4),
    "HPACK table of 4 GiB": CONNECTION_START
    + encode_frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xff\xff\xff\xff\x0f"),
    # An entry of 4 kB goes into the dynamic table, and each byte that follows refers to all of it.
    "HPACK bomb": CONNECTION_START
    + encode_frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40\x01a\x7f\x81\x1e" + b"b" * 3_968 + b"\xbe" * 12_000),
    "HEADERS on no stream": CONNECTION_START + encode_stream_start(build_call_headers(), 0),
    "HEADERS on an even stream": CONNECTION_START + encode_stream_start(build_call_headers(), 2),
    "HEADERS on an older stream": CONNECTION_START
    + encode_stream_start(build_call_headers(), 5)
    + encode_stream_start(build_call_headers(), 3),
    "HEADERS twice": CONNECTION_START + encode_stream_start(build_call_headers()) * 2 + EMPTY_MESSAGE_FRAME,
    "HEADERS without END_HEADERS": CONNECTION_START + encode_frame(HEADERS, 0, 1, encode_headers(build_call_headers())),
    "HEADERS interrupted by PING": CONNECTION_START
    + encode_frame(HEADERS, 0, 1, encode_headers(build_call_headers()))
    + encode_frame(PING, payload=bytes(8)),
    "HEADERS with too much padding": CONNECTION_START + encode_frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff\x00"),
    "HEADERS with half a priority": CONNECTION_START + encode_frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"\x00"),
    "CONTINUATION without HEADERS": CONNECTION_START
    + encode_frame(CONTINUATION, END_HEADERS, 1, encode_headers(build_call_headers())),
    "no fields": CONNECTION_START + encode_stream_start([]) + EMPTY_MESSAGE_FRAME,
    "trailers from a client": CONNECTION_START
    + encode_stream_start(build_call_headers())
    + encode_stream_start([(b"authorization", b"Bearer a.b.c")], 1, END_HEADERS | END_STREAM),
    "no :path": build_call(__path=None),
    "empty :path": build_call(__path=b""),
    ":path without slash": build_call(__path=CONNECT_TO_QUERIER_METHOD[1:].encode()),
    ":path of 20 kB": build_call(__path=b"/" + b"x" * 20_000),
    ":path with NUL": build_call(__path=CONNECT_TO_QUERIER_METHOD.encode() + b"\0"),
    ":path of an unknown method": build_call(__path=b"/server_proto.Aggregator/Nothing"),
    ":path of an unknown service": build_call(__path=b"/nothing.Nothing/Nothing"),
    ":path in lower case": build_call(__path=CONNECT_TO_QUERIER_METHOD.lower().encode()),
    ":path with another slash": build_call(__path=b"/" + CONNECT_TO_QUERIER_METHOD.encode()),
    ":path with .. after Health": build_call(
        __path=b"/grpc.health.v1.Health/../.." + CONNECT_TO_QUERIER_METHOD.encode()
    ),
    "unknown method of Health": build_call(__path=b"/grpc.health.v1.Health/ConnectToQuerier"),
    ":path twice": build_call([(b":path", b"/grpc.health.v1.Health/Check")]),
    ":method GET": build_call(__method=b"GET"),
    ":method CONNECT": build_call(__method=b"CONNECT"),
    "no :method": build_call(__method=None),
    "no :scheme": build_call(__scheme=None),
    ":scheme https": build_call(__scheme=b"https"),
    "invalid :authority": build_call(__authority=b"\xff@[::"),
    ":status from a client": build_call([(b":status", b"200")]),
    "an unknown pseudo header": build_call([(b":x", b"y")]),
    "no content-type": build_call(content_type=None),
    "content-type text/html": build_call(content_type=b"text/html"),
    "content-type of JSON": build_call(content_type=b"application/grpc+json"),
    "no te": build_call(te=None),
    "te: gzip": build_call(te=b"gzip"),
    "connection headers": build_call([(b"connection headers", b"close"), (b"transfer-encoding", b"chunked")]),
    "upper-case name": build_call([(b"X-Upper", b"y")]),
    "an empty name": build_call([(b"", b"y")]),
    "NUL in a name": build_call([(b"x\0y", b"y")]),
    "CR LF in a value": build_call([(b"x", b"a\r\nb: c")]),
    "NUL in a value": build_call([(b"x", b"a\0b")]),
    "not UTF-8 in a value": build_call([(b"x", b"\xff\xfe")]),
    "invalid base64 in a -bin field": build_call([(b"x-bin", b"\xff!!=")]),
    "invalid grpc-timeout": build_call([(b"grpc-timeout", b"soon")]),
    "grpc-timeout of 0": build_call([(b"grpc-timeout", b"0n")]),
    "negative grpc-timeout": build_call([(b"grpc-timeout", b"-1S")]),
    "grpc-timeout of 30 digits": build_call([(b"grpc-timeout", b"9" * 30 + b"H")]),
    "an unknown encoding": build_call(
        [(b"grpc-encoding", b"brotli")], encode_frame(DATA, END_STREAM, 1, encode_message(b"x", 1))
    ),
    "metadata of 31 kB": build_call([(b"x", b"y" * 31_000)]),
    "metadata of 33 kB": build_call([(b"x", b"y" * 33_000)]),
    "metadata of 70 kB": build_call([(b"x", b"y" * 70_000)]),
    "metadata of 1 MB": build_call([(b"x", b"y" * 1_000_000)]),
    "1,000 fields": build_call([(b"x%d" % number, b"y") for number in range(1_000)]),
    "an empty authorization": build_call([(b"authorization", b"")]),
    "100 authorizations": build_call([(b"authorization", b"Bearer a.b.c")] * 100),
    "authorization not UTF-8": build_call([(b"authorization", b"Bearer \xff.\xff.\xff")]),
    "authorization-bin": build_call([(b"authorization-bin", b"QmVhcmVyIGEuYi5j")]),
}

_MESSAGES = {
    "no message": build_call(data=encode_frame(DATA, END_STREAM, 1)),
    "no end": build_call(data=b""),
    "half a message prefix": build_call(data=encode_frame(DATA, END_STREAM, 1, b"\0\0")),
    "message shorter than its length": build_call(
        data=encode_frame(DATA, END_STREAM, 1, encode_message(b"x", length=5))
    ),
    "message longer than its length": build_call(
        data=encode_frame(DATA, END_STREAM, 1, encode_message(b"xxxxx", length=1))
    ),
    "length of 4 GiB": build_call(data=encode_frame(DATA, 0, 1, encode_message(b"x" * 1_000, length=2**32 - 1))),
    "65 KiB": build_call(
        data=b"".join(
            encode_frame(DATA, 0, 1, part) for part in (encode_message(b"", length=66_000), *[b"x" * 16_000] * 3)
        )
    ),
    "two messages": build_call(data=encode_frame(DATA, END_STREAM, 1, encode_message(b"") * 2)),
    "1,000 messages": build_call(data=encode_frame(DATA, END_STREAM, 1, encode_message(b"") * 1_000)),
    "compressed without encoding": build_call(data=encode_frame(DATA, END_STREAM, 1, encode_message(b"x", 1))),
    "compressed, not gzip": build_call(
        [(b"grpc-encoding", b"gzip")], encode_frame(DATA, END_STREAM, 1, encode_message(b"xxxx", 1))
    ),
    "an unknown flag": build_call(data=encode_frame(DATA, END_STREAM, 1, encode_message(b"", 0xFF))),
    "a body that is not protobuf": build_call(data=encode_frame(DATA, END_STREAM, 1, encode_message(b"\xff" * 50))),
    "health check that is not protobuf": build_call(
        data=encode_frame(DATA, END_STREAM, 1, encode_message(b"\xff" * 50)), __path=b"/grpc.health.v1.Health/Check"
    ),
    "health check of an unknown service": build_call(
        data=encode_frame(DATA, END_STREAM, 1, encode_message(b"\x0a\x01x")), __path=b"/grpc.health.v1.Health/Check"
    ),
}

# Not among the cases, because it ends the server of grpcio.
SERVER_CRASH_CASE = build_call(__path=b"/\xff\xfe/\xff")

CASES: Mapping[str, bytes] = {
    **_INVALID_PREFACES,
    **_FRAMES,
    **{f"a flood of {name}": written for name, written in _FLOODS.items()},
    **_HEADERS,
    **_MESSAGES,
}
