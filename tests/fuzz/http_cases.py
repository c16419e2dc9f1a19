"""Attacks on an HTTP server: the bytes and the expected responses, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

HOST_HEADER = b"Host: x\r\n"
CLOSE_HEADER = b"Connection: close\r\n"
SECOND_REQUEST = b"GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class HttpCase:
    """A byte sequence, and what to expect: the maximum of responses, the methods, and whether it must be rejected."""

    request: bytes
    max_responses: int = 1
    methods: tuple[str, ...] = ()
    is_refused: bool = False


def build_rejected_case(request: bytes) -> HttpCase:
    """Return the case of a malformed request: the only responses to it and to what follows it are 400."""
    return HttpCase(request, is_refused=True)


def build_get(target: bytes, method: bytes = b"GET", extra_headers: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """Return a request that closes the connection."""
    return b"%s %s %s\r\n%s%s%s\r\n" % (method, target, version, HOST_HEADER, CLOSE_HEADER, extra_headers)


def build_post(extra_headers: bytes, body: bytes) -> bytes:
    """Return a POST request with headers and a body."""
    return b"POST / HTTP/1.1\r\n" + HOST_HEADER + extra_headers + b"\r\n" + body


# Request smuggling: a proxy and a server that parse one of these differently see different requests. A second request
# follows each of them; if the first one is rejected, the second one must not be answered.
_SMUGGLING = {
    "two different lengths": build_rejected_case(
        build_post(b"Content-Length: 0\r\nContent-Length: 52\r\n", SECOND_REQUEST)
    ),
    "two equal lengths": build_rejected_case(build_post(b"Content-Length: 0\r\nContent-Length: 0\r\n", SECOND_REQUEST)),
    "a list of lengths": build_rejected_case(build_post(b"Content-Length: 0, 0\r\n", SECOND_REQUEST)),
    "length and chunks": build_rejected_case(
        build_post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SECOND_REQUEST)
    ),
    "chunks and length": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + SECOND_REQUEST)
    ),
    "chunked twice": HttpCase(
        build_post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SECOND_REQUEST), 2
    ),
    "chunked, not last": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + SECOND_REQUEST)
    ),
    "xchunked": build_rejected_case(build_post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + SECOND_REQUEST)),
    "a tab before chunked": HttpCase(build_post(b"Transfer-Encoding:\tchunked\r\n", b"0\r\n\r\n" + SECOND_REQUEST), 2),
    "a space before the colon": build_rejected_case(
        build_post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SECOND_REQUEST)
    ),
    "a vertical tab before chunked": build_rejected_case(
        build_post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + SECOND_REQUEST)
    ),
    "Transfer_Encoding": HttpCase(
        build_post(b"Content-Length: 0\r\nTransfer_Encoding: chunked\r\n", SECOND_REQUEST), 2
    ),
    "length with a sign": build_rejected_case(build_post(b"Content-Length: +5\r\n", b"01234" + SECOND_REQUEST)),
    "negative length": build_rejected_case(build_post(b"Content-Length: -1\r\n", SECOND_REQUEST)),
    "hexadecimal length": build_rejected_case(build_post(b"Content-Length: 0x5\r\n", b"01234" + SECOND_REQUEST)),
    "length with a space": build_rejected_case(build_post(b"Content-Length: 5 0\r\n", b"01234" + SECOND_REQUEST)),
    "empty length": build_rejected_case(build_post(b"Content-Length: \r\n", SECOND_REQUEST)),
    "length of 30 digits": build_rejected_case(build_post(b"Content-Length: " + b"9" * 30 + b"\r\n", SECOND_REQUEST)),
    "length over 64 bits": build_rejected_case(build_post(b"Content-Length: 18446744073709551616\r\n", SECOND_REQUEST)),
    "invalid chunk size": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked\r\n", b"xyz\r\n" + SECOND_REQUEST)
    ),
    "negative chunk size": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked\r\n", b"-1\r\n\r\n" + SECOND_REQUEST)
    ),
    "chunk size of 17 digits": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked\r\n", b"f" * 17 + b"\r\n" + SECOND_REQUEST)
    ),
    "chunk size of 2^63": HttpCase(
        build_post(b"Transfer-Encoding: chunked\r\n", b"8000000000000000\r\n" + SECOND_REQUEST)
    ),
    "chunk size with 0x": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n" + SECOND_REQUEST)
    ),
    "chunk longer than its size": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked\r\n", b"2\r\nabcde\r\n0\r\n\r\n" + SECOND_REQUEST)
    ),
    "chunk lines ending with LF": build_rejected_case(
        build_post(b"Transfer-Encoding: chunked\r\n", b"5\nabcde\n0\n\n" + SECOND_REQUEST)
    ),
    "chunk extension of 64 kB": HttpCase(
        build_post(b"Transfer-Encoding: chunked\r\n", b"1;" + b"x" * 65_536 + b"\r\na\r\n0\r\n\r\n" + SECOND_REQUEST), 2
    ),
    "Authorization in a trailer": HttpCase(
        build_post(b"Transfer-Encoding: chunked\r\n", b"0\r\nAuthorization: Bearer x\r\n\r\n" + SECOND_REQUEST), 2
    ),
    "trailers of 64 kB": HttpCase(
        build_post(b"Transfer-Encoding: chunked\r\n", b"0\r\nX: " + b"x" * 65_536 + b"\r\n\r\n" + SECOND_REQUEST), 2
    ),
    "a body on GET": HttpCase(build_get(b"/", extra_headers=b"Content-Length: 52\r\n") + SECOND_REQUEST),
}

_LINES = {
    "bare LF": build_rejected_case(b"GET / HTTP/1.1\nHost: x\nConnection: close\n\n"),
    "bare CR": build_rejected_case(b"GET / HTTP/1.1\rHost: x\rConnection: close\r\r"),
    "CR CR LF": build_rejected_case(b"GET / HTTP/1.1\r\r\nHost: x\r\r\n\r\r\n"),
    "a folded header": build_rejected_case(build_get(b"/", extra_headers=b"X: a\r\n b\r\n")),
    "a folded Authorization": build_rejected_case(
        build_get(b"/", extra_headers=b"Authorization: Bearer\r\n x.y.z\r\n")
    ),
    "a folded first header": build_rejected_case(b"GET / HTTP/1.1\r\n Host: x\r\n" + CLOSE_HEADER + b"\r\n"),
    "NUL in a header": build_rejected_case(build_get(b"/", extra_headers=b"X: a\x00b\r\n")),
    "NUL in a name": build_rejected_case(build_get(b"/", extra_headers=b"X\x00Y: a\r\n")),
    "NUL in the target": build_rejected_case(build_get(b"/\x00")),
    "control characters in a header": build_rejected_case(build_get(b"/", extra_headers=b"X: \x01\x02\x7f\r\n")),
    "bytes over 127 in a header": HttpCase(build_get(b"/", extra_headers=b"X: \xff\xfe\r\n")),
    "bytes over 127 in a name": build_rejected_case(build_get(b"/", extra_headers=b"X\xff: a\r\n")),
    "a header without colon": build_rejected_case(build_get(b"/", extra_headers=b"X\r\n")),
    "a header without name": build_rejected_case(build_get(b"/", extra_headers=b": x\r\n")),
    "no headers": HttpCase(b"GET / HTTP/1.1\r\n\r\n"),
    "no Host": HttpCase(b"GET / HTTP/1.1\r\n" + CLOSE_HEADER + b"\r\n"),
    "two Hosts": HttpCase(build_get(b"/", extra_headers=b"Host: y\r\n")),
    "empty lines first": HttpCase(b"\r\n\r\n\r\n" + build_get(b"/")),
    "5,000 headers": HttpCase(
        build_get(b"/", extra_headers=b"".join(b"X%d: a\r\n" % number for number in range(5_000)))
    ),
    "a header of 60 kB": build_rejected_case(build_get(b"/", extra_headers=b"X: " + b"x" * 60_000 + b"\r\n")),
    "a header name of 60 kB": build_rejected_case(build_get(b"/", extra_headers=b"x" * 60_000 + b": x\r\n")),
    "two Authorizations": HttpCase(
        build_get(b"/", extra_headers=b"Authorization: Bearer a.b.c\r\nAuthorization: Bearer a.b.c\r\n")
    ),
    "random bytes": build_rejected_case(bytes(range(256)) * 8),
    "only NUL bytes": build_rejected_case(b"\x00" * 4096),
    "TLS": build_rejected_case(bytes.fromhex("16030100c8010000c40303") + bytes(189)),
    "SSH": build_rejected_case(b"SSH-2.0-OpenSSH_9.2\r\n"),
}

_TARGETS = {
    f"target {name}": HttpCase(build_get(target))
    for name, target in {
        **{
            text: text.encode() for text in ("//", "///healthz", "/healthz/..", "/healthz/../", "/HEALTHZ", "/healthz/")
        },
        **{text: text.encode() for text in ("/healthz%2f..", "/healthz%2F..%2f", "/%2e%2e/healthz", "/docs/../", "/;")},
        **{
            text: text.encode()
            for text in ("/healthz;x", "/healthz%00", "/healthz%0d%0aX:y", "/docs/static/../..", "*")
        },
        **{text: text.encode() for text in ("/docs%2fstatic%2fswagger-ui.css", "/docs/static/%2e%2e/x", "/readyz%20")},
        **{
            text: text.encode()
            for text in ("/docs/static/..%5c", "/docs/oauth2-redirect/..", "/.//healthz", "/?/healthz")
        },
        **{
            text: text.encode()
            for text in ("/#/healthz", "/%zz", "/%", "/%ff%fe", "/?layout=%ff", "/?layout=%00&layout")
        },
        **{text: text.encode() for text in ("http://other/", "http://other/healthz", "http:///", "other:80", "x", "?")},
        **{text: text.encode() for text in ("/?token=a.b.c", "/?access_token=a.b.c", "http://u:p@x/", "/\u00fc")},
        "not ASCII": b"/\xff\xfe",
        "with 5,000 parameters": b"/?" + b"a&" * 5_000,
        "with a space": b"/a b",
        "with a tab": b"/\tx",
        "missing": b"",
    }.items()
}

_LONG = {
    "target of 60 kB": build_rejected_case(build_get(b"/" + b"x" * 60_000)),
    "target of 60 kB in the query": build_rejected_case(build_get(b"/?" + b"x" * 60_000)),
}

_METHODS = {
    **{
        f"method {name}": HttpCase(build_get(b"/", name.encode()), methods=(name,))
        for name in ("HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "get", "Get", "BREW")
    },
    "method of 8 kB": build_rejected_case(build_get(b"/", b"G" * 8_192)),
    "OPTIONS *": HttpCase(build_get(b"*", b"OPTIONS")),
    "CONNECT": build_rejected_case(build_get(b"other:443", b"CONNECT") + SECOND_REQUEST),
    "CONNECT to a path": HttpCase(build_get(b"/", b"CONNECT") + SECOND_REQUEST),
    "HEAD with a body": HttpCase(
        b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + SECOND_REQUEST, 2, ("HEAD",)
    ),
}

_PROTOCOLS = {
    "HTTP/0.9": HttpCase(b"GET /\r\n"),
    "HTTP/1.0": HttpCase(build_get(b"/", version=b"HTTP/1.0")),
    "HTTP/1.2": build_rejected_case(build_get(b"/", version=b"HTTP/1.2")),
    "HTTP/2.0 in the line": HttpCase(build_get(b"/", version=b"HTTP/2.0")),
    "HTTP/11": build_rejected_case(build_get(b"/", version=b"HTTP/11")),
    "http/1.1": build_rejected_case(build_get(b"/", version=b"http/1.1")),
    "no version": build_rejected_case(b"GET / \r\n" + HOST_HEADER + CLOSE_HEADER + b"\r\n"),
    "HTTP/2 preface": build_rejected_case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
    "upgrade to h2c": HttpCase(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + SECOND_REQUEST,
        2,
    ),
    "upgrade to websocket": HttpCase(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + SECOND_REQUEST,
        2,
    ),
    "upgrade with a body": HttpCase(
        build_post(b"Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n", b"abc" + SECOND_REQUEST), 2
    ),
    "100-continue": HttpCase(
        build_post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc" + SECOND_REQUEST), 2, ("POST",)
    ),
    "100-continue without body": HttpCase(build_get(b"/", extra_headers=b"Expect: 100-continue\r\n")),
    "an unknown expectation": HttpCase(build_get(b"/", extra_headers=b"Expect: the-unexpected\r\n")),
    "invalid proxy headers": build_rejected_case(
        build_get(b"/", extra_headers=b"X-Forwarded-For: \xff,,1.2.3.4.5\r\nForwarded: for=;\r\nVia: \x7f\r\n")
    ),
    "rewritten paths": HttpCase(
        build_get(b"/", extra_headers=b"X-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz\r\n")
    ),
    "a method override": HttpCase(build_get(b"/", b"POST", b"X-HTTP-Method-Override: PUT\r\nContent-Length: 0\r\n")),
    "a range": HttpCase(build_get(b"/", extra_headers=b"Range: bytes=0-0,-1,5-2\r\nIf-Match: *\r\n")),
    "the token as a cookie": HttpCase(
        build_get(b"/", extra_headers=b"Cookie: token=a.b.c; Authorization=Bearer%20a.b.c\r\n")
    ),
}

_OPEN_REQUEST, _GUARDED_REQUEST = (b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/healthz", b"/"))
_PIPELINES = {
    "alternating public and protected requests": HttpCase((_OPEN_REQUEST + _GUARDED_REQUEST) * 10 + SECOND_REQUEST, 21),
    "200 protected requests": HttpCase(_GUARDED_REQUEST * 200 + SECOND_REQUEST, 201),
    "protected requests, then garbage": HttpCase(_GUARDED_REQUEST * 3 + b"\x00\x01\x02\r\n\r\n" + SECOND_REQUEST, 4),
    "half a request at the end": HttpCase(_OPEN_REQUEST * 3 + b"GET / HT", 3),
}

_WATCH_REQUEST = b"GET /api/v1/watch?timeout=100ms HTTP/1.1\r\nHost: x\r\n\r\n"
_WATCHES = {
    "a watch, then a request": HttpCase(_WATCH_REQUEST + SECOND_REQUEST, 2),
    "watches in a pipeline": HttpCase(_WATCH_REQUEST * 3 + SECOND_REQUEST, 4),
    "the head of a watch": HttpCase(build_get(b"/api/v1/watch", b"HEAD") + SECOND_REQUEST, 2, ("HEAD",)),
    "a watch, then garbage": HttpCase(_WATCH_REQUEST + b"\x00\x01\x02\r\n\r\n", 2),
    "a watch after control characters": HttpCase(
        build_get(b"/api/v1/watch?timeout=1ms", extra_headers=b"Last-Event-ID: a\tb\xff\r\n")
    ),
}

CASES: Mapping[str, HttpCase] = {
    **_SMUGGLING,
    **_LINES,
    **_TARGETS,
    **_LONG,
    **_METHODS,
    **_PROTOCOLS,
    **_PIPELINES,
    **_WATCHES,
}
