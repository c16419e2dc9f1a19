"""What attackers write to an HTTP server, by name: the bytes, and how many answers they may get at the most."""

from collections.abc import Mapping
from dataclasses import dataclass

HOST = b"Host: x\r\n"
CLOSE = b"Connection: close\r\n"
SECOND = b"GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class HttpCase:
    """Some bytes, the most answers that they may get, the methods that they ask with, whether only 400s may come."""

    request: bytes
    answers: int = 1
    methods: tuple[str, ...] = ()
    is_refused: bool = False


def refused(request: bytes) -> HttpCase:
    """Return the case of a request that is broken itself: nothing of it and behind it is answered but by 400."""
    return HttpCase(request, is_refused=True)


def get(target: bytes, method: bytes = b"GET", more: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """Return a request that closes the connection."""
    return b"%s %s %s\r\n%s%s%s\r\n" % (method, target, version, HOST, CLOSE, more)


def post(more: bytes, body: bytes) -> bytes:
    """Return a request with a body, and another one behind it, which some bodies try to hide or to reveal."""
    return b"POST / HTTP/1.1\r\n" + HOST + more + b"\r\n" + body


# Two servers in a row that read one of these differently take different requests out of it. Behind each stands
# a second request: where the first is refused, nothing behind it may be answered.
_SMUGGLING = {
    "two lengths that differ": refused(post(b"Content-Length: 0\r\nContent-Length: 52\r\n", SECOND)),
    "two lengths alike": refused(post(b"Content-Length: 0\r\nContent-Length: 0\r\n", SECOND)),
    "a list of lengths": refused(post(b"Content-Length: 0, 0\r\n", SECOND)),
    "length and chunks": refused(post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SECOND)),
    "chunks and length": refused(post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + SECOND)),
    "chunked twice": HttpCase(
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SECOND), 2
    ),
    "chunked, not last": refused(post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + SECOND)),
    "xchunked": refused(post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + SECOND)),
    "a tab before chunked": HttpCase(post(b"Transfer-Encoding:\tchunked\r\n", b"0\r\n\r\n" + SECOND), 2),
    "a space before the colon": refused(post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + SECOND)),
    "a vertical tab before chunked": refused(post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + SECOND)),
    "an underscore for the dash": HttpCase(post(b"Content-Length: 0\r\nTransfer_Encoding: chunked\r\n", SECOND), 2),
    "length with a sign": refused(post(b"Content-Length: +5\r\n", b"01234" + SECOND)),
    "length below nothing": refused(post(b"Content-Length: -1\r\n", SECOND)),
    "length in hexadecimals": refused(post(b"Content-Length: 0x5\r\n", b"01234" + SECOND)),
    "length with a space in it": refused(post(b"Content-Length: 5 0\r\n", b"01234" + SECOND)),
    "length without digits": refused(post(b"Content-Length: \r\n", SECOND)),
    "length of 30 digits": refused(post(b"Content-Length: " + b"9" * 30 + b"\r\n", SECOND)),
    "length over 64 bits": refused(post(b"Content-Length: 18446744073709551616\r\n", SECOND)),
    "garbage for a chunk": refused(post(b"Transfer-Encoding: chunked\r\n", b"xyz\r\n" + SECOND)),
    "a chunk below nothing": refused(post(b"Transfer-Encoding: chunked\r\n", b"-1\r\n\r\n" + SECOND)),
    "a chunk of 17 digits": refused(post(b"Transfer-Encoding: chunked\r\n", b"f" * 17 + b"\r\n" + SECOND)),
    "a chunk of 2^63 bytes": HttpCase(post(b"Transfer-Encoding: chunked\r\n", b"8000000000000000\r\n" + SECOND)),
    "a chunk in 0x": refused(post(b"Transfer-Encoding: chunked\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n" + SECOND)),
    "a chunk longer than said": refused(post(b"Transfer-Encoding: chunked\r\n", b"2\r\nabcde\r\n0\r\n\r\n" + SECOND)),
    "a chunk's line ended by LF": refused(post(b"Transfer-Encoding: chunked\r\n", b"5\nabcde\n0\n\n" + SECOND)),
    "a chunk's name of 64 kB": HttpCase(
        post(b"Transfer-Encoding: chunked\r\n", b"1;" + b"x" * 65_536 + b"\r\na\r\n0\r\n\r\n" + SECOND), 2
    ),
    "a trailer that authorizes": HttpCase(
        post(b"Transfer-Encoding: chunked\r\n", b"0\r\nAuthorization: Bearer x\r\n\r\n" + SECOND), 2
    ),
    "trailers of 64 kB": HttpCase(
        post(b"Transfer-Encoding: chunked\r\n", b"0\r\nX: " + b"x" * 65_536 + b"\r\n\r\n" + SECOND), 2
    ),
    "a body on GET": HttpCase(get(b"/", more=b"Content-Length: 52\r\n") + SECOND),
}

_LINES = {
    "bare LF": refused(b"GET / HTTP/1.1\nHost: x\nConnection: close\n\n"),
    "bare CR": refused(b"GET / HTTP/1.1\rHost: x\rConnection: close\r\r"),
    "CR CR LF": refused(b"GET / HTTP/1.1\r\r\nHost: x\r\r\n\r\r\n"),
    "a folded header": refused(get(b"/", more=b"X: a\r\n b\r\n")),
    "a folded Authorization": refused(get(b"/", more=b"Authorization: Bearer\r\n x.y.z\r\n")),
    "a folded first header": refused(b"GET / HTTP/1.1\r\n Host: x\r\n" + CLOSE + b"\r\n"),
    "NUL in a header": refused(get(b"/", more=b"X: a\x00b\r\n")),
    "NUL in a name": refused(get(b"/", more=b"X\x00Y: a\r\n")),
    "NUL in the target": refused(get(b"/\x00")),
    "control characters in a header": refused(get(b"/", more=b"X: \x01\x02\x7f\r\n")),
    "bytes over 127 in a header": HttpCase(get(b"/", more=b"X: \xff\xfe\r\n")),
    "bytes over 127 in a name": refused(get(b"/", more=b"X\xff: a\r\n")),
    "a header without colon": refused(get(b"/", more=b"X\r\n")),
    "a header without name": refused(get(b"/", more=b": x\r\n")),
    "no header at all": HttpCase(b"GET / HTTP/1.1\r\n\r\n"),
    "no Host": HttpCase(b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n"),
    "two Hosts": HttpCase(get(b"/", more=b"Host: y\r\n")),
    "empty lines first": HttpCase(b"\r\n\r\n\r\n" + get(b"/")),
    "5,000 headers": HttpCase(get(b"/", more=b"".join(b"X%d: a\r\n" % number for number in range(5_000)))),
    "a header of 60 kB": refused(get(b"/", more=b"X: " + b"x" * 60_000 + b"\r\n")),
    "a name of 60 kB": refused(get(b"/", more=b"x" * 60_000 + b": x\r\n")),
    "two Authorizations": HttpCase(get(b"/", more=b"Authorization: Bearer a.b.c\r\nAuthorization: Bearer a.b.c\r\n")),
    "random bytes": refused(bytes(range(256)) * 8),
    "nothing but NUL": refused(b"\x00" * 4096),
    "TLS": refused(bytes.fromhex("16030100c8010000c40303") + bytes(189)),
    "SSH": refused(b"SSH-2.0-OpenSSH_9.2\r\n"),
}

_TARGETS = {
    f"target {name}": HttpCase(get(target))
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
    "target of 60 kB": refused(get(b"/" + b"x" * 60_000)),
    "target of 60 kB in the query": refused(get(b"/?" + b"x" * 60_000)),
}

_METHODS = {
    **{
        f"method {name}": HttpCase(get(b"/", name.encode()), methods=(name,))
        for name in ("HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "get", "Get", "BREW")
    },
    "method of 8 kB": refused(get(b"/", b"G" * 8_192)),
    "OPTIONS *": HttpCase(get(b"*", b"OPTIONS")),
    "CONNECT": refused(get(b"other:443", b"CONNECT") + SECOND),
    "CONNECT to a path": HttpCase(get(b"/", b"CONNECT") + SECOND),
    "HEAD with a body": HttpCase(b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + SECOND, 2, ("HEAD",)),
}

_PROTOCOLS = {
    "HTTP/0.9": HttpCase(b"GET /\r\n"),
    "HTTP/1.0": HttpCase(get(b"/", version=b"HTTP/1.0")),
    "HTTP/1.2": refused(get(b"/", version=b"HTTP/1.2")),
    "HTTP/2.0 in the line": HttpCase(get(b"/", version=b"HTTP/2.0")),
    "HTTP/11": refused(get(b"/", version=b"HTTP/11")),
    "http/1.1": refused(get(b"/", version=b"http/1.1")),
    "no version": refused(b"GET / \r\n" + HOST + CLOSE + b"\r\n"),
    "HTTP/2 preface": refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
    "upgrade to h2c": HttpCase(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + SECOND,
        2,
    ),
    "upgrade to websocket": HttpCase(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + SECOND,
        2,
    ),
    "upgrade with a body": HttpCase(
        post(b"Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n", b"abc" + SECOND), 2
    ),
    "100-continue": HttpCase(post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc" + SECOND), 2, ("POST",)),
    "100-continue without body": HttpCase(get(b"/", more=b"Expect: 100-continue\r\n")),
    "an expectation of another kind": HttpCase(get(b"/", more=b"Expect: the-unexpected\r\n")),
    "a proxy's words": refused(
        get(b"/", more=b"X-Forwarded-For: \xff,,1.2.3.4.5\r\nForwarded: for=;\r\nVia: \x7f\r\n")
    ),
    "rewritten paths": HttpCase(get(b"/", more=b"X-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz\r\n")),
    "another method beside": HttpCase(get(b"/", b"POST", b"X-HTTP-Method-Override: PUT\r\nContent-Length: 0\r\n")),
    "a range": HttpCase(get(b"/", more=b"Range: bytes=0-0,-1,5-2\r\nIf-Match: *\r\n")),
    "the token as a cookie": HttpCase(get(b"/", more=b"Cookie: token=a.b.c; Authorization=Bearer%20a.b.c\r\n")),
}

_OPEN, _SHUT = (b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/healthz", b"/"))
_PIPELINES = {
    "open and closed in turn": HttpCase((_OPEN + _SHUT) * 10 + SECOND, 21),
    "200 closed at once": HttpCase(_SHUT * 200 + SECOND, 201),
    "closed, then nonsense": HttpCase(_SHUT * 3 + b"\x00\x01\x02\r\n\r\n" + SECOND, 4),
    "half a request at the end": HttpCase(_OPEN * 3 + b"GET / HT", 3),
}

CASES: Mapping[str, HttpCase] = {**_SMUGGLING, **_LINES, **_TARGETS, **_LONG, **_METHODS, **_PROTOCOLS, **_PIPELINES}
