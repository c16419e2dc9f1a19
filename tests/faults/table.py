"""THE TABLE of faults: what the upstream does, to which queries, and what the gateway must make of it."""

from dataclasses import dataclass
from typing import Any

from tests.faults import deeds
from tests.faults.proxy import Deed

MEMORY = "node_memory_MemTotal_bytes"
HOSTS = "node_uname_info"
SCRAPED = "timestamp(up)"
CAP_BYTES = 4 * 2**20
KNOWN = -1

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PAGE = b"<html><body>please log in, or come back later</body></html>"
LABELS = b'"metric":{'
KEPT = "answer of an earlier refresh"


@dataclass(frozen=True)
class Fault:
    """One fault.

    `concerns` is a text that the queries hold which it is done to: "" for all. `log` is what the log says of it,
    `memory` what is shown meanwhile as each node's memory: KNOWN for what was known before, None for nothing.
    `asks` is how often one query may be asked in a refresh.
    """

    name: str
    does: Deed
    log: str
    concerns: str = ""
    is_complete: bool = False
    memory: int | None = KNOWN
    asks: int = 1

    def memory_of(self, known: int | None) -> int | None:
        """Return what is shown for a node whose memory is known to be so much."""
        return known if self.memory == KNOWN else self.memory


def _to_memory(name: str, does: Deed, log: str = KEPT, **more: Any) -> Fault:
    return Fault(name, does, log, MEMORY, **more)


# The connection breaks, or what comes is no HTTP.
BREAKS = (
    Fault("reset", deeds.reset, "the connection broke"),
    Fault("reset in the middle of an answer", deeds.reset_midway, "the connection broke"),
    Fault("half a body", deeds.half_a_body, "the connection broke"),
    Fault("a length that is too long", deeds.length(+10), "the connection broke"),
    Fault("a length that is too short", deeds.length(-10), "truncated"),
    Fault("closed without a word", deeds.sends(b""), "the connection broke"),
    Fault("another protocol", deeds.sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "the connection broke"),
    Fault(
        "garbage for chunks", deeds.sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"), "the connection broke"
    ),
    Fault("half a chunk", deeds.sends(HEAD + b'Transfer-Encoding: chunked\r\n\r\nff\r\n{"sta'), "the connection broke"),
    Fault("a header without end", deeds.sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "the connection broke"),
    Fault("one query's connection breaks", deeds.reset, KEPT, MEMORY),
)

# It is there, and nothing comes of it. These cost a whole deadline, and the rest after it, each.
HANGS = (
    Fault("silence", deeds.hangs_after(b""), "no answer"),
    Fault("silence in the header", deeds.hangs_after(HEAD), "no answer"),
    Fault("silence in the body", deeds.hangs_after(HEAD + b"Content-Length: 99\r\n\r\n{"), "no answer"),
    Fault("a byte of the body at a time", deeds.drips(HEAD + b"Content-Length: 99999\r\n\r\n", b" "), "no answer"),
    Fault("a byte of the header at a time", deeds.drips(HEAD + b"X-Long: ", b"x"), "no answer"),
    _to_memory("silence for one query", deeds.hangs_after(b"")),
)

# It answers with an error, or leads elsewhere.
REFUSES = (
    Fault("503", deeds.refuses("503 Service Unavailable", "unavailable"), "HTTP 503"),
    Fault("503 with Retry-After", deeds.refuses("503 Service Unavailable", "busy", "Retry-After: 1"), "HTTP 503"),
    Fault("429 with Retry-After", deeds.refuses("429 Too Many Requests", "busy", "Retry-After: 1"), "HTTP 429"),
    Fault("502 with a page", deeds.says(PAGE, "502 Bad Gateway", "Content-Type: text/html"), "HTTP 502"),
    Fault("401 with a page", deeds.says(PAGE, "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'), "HTTP 401"),
    Fault("500", deeds.refuses("500 Internal Server Error", "internal"), "HTTP 500"),
    Fault("204", deeds.sends(b"HTTP/1.1 204 No Content\r\n\r\n"), "HTTP 204"),
    Fault("a redirect without end", deeds.redirects, "redirects", asks=2),
    Fault("a redirect to no URL", deeds.says(b"", "302 Found", "Location: http://[::1/"), "redirects"),
    Fault("a redirect to no HTTP", deeds.says(b"", "302 Found", "Location: ftp://127.0.0.1/"), "redirects"),
    _to_memory("503 for one query", deeds.refuses("503 Service Unavailable", "unavailable")),
    _to_memory("400 for one query", deeds.refuses("400 Bad Request", "bad_data"), "bad_data", memory=None),
    _to_memory("422 for one query", deeds.refuses("422 Unprocessable Entity", "execution"), "execution", memory=None),
    Fault("400 for the query that tells what hosts there are", deeds.refuses("400 Bad Request", "x"), KEPT, HOSTS),
)  # fmt: skip

# It answers with 200, and what comes is no answer, or of the wrong kind.
SPOILS = (
    Fault("a page with 200", deeds.says(PAGE), "the answer begins with '<html>"),
    Fault("nothing with 200", deeds.says(b""), "the answer begins with"),
    Fault("null data", deeds.says(b'{"status":"success","data":null}'), "the answer begins with"),
    Fault("an error with 200", deeds.refuses("200 OK", "internal"), "the answer begins with"),
    Fault("truncated JSON", deeds.cuts, "the answer begins with"),
    _to_memory("a byte order mark", deeds.patches(b"{", b"\xef\xbb\xbf{")),
    _to_memory("invalid UTF-8", deeds.patches(LABELS, LABELS + b'"icos_host_id":"\xff\xfe",')),
    _to_memory("lone surrogates", deeds.patches(LABELS, LABELS + b'"icos_host_id":"\\ud800",')),
    _to_memory("nesting without end", deeds.says(b'{"status":' + b"[" * 200_000)),
    _to_memory("nesting in a key that nobody knows", deeds.says(b'{"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001)),
    _to_memory("a scalar", deeds.result("scalar", lambda _: [1795208200.5, "1"])),
    _to_memory("a string", deeds.result("string", lambda _: [1795208200.5, "one"])),
    _to_memory("a matrix", deeds.result("matrix", deeds.in_time)),
    _to_memory("native histograms", deeds.result("vector", deeds.as_histograms)),
    _to_memory("a null result", deeds.result("vector", lambda _: None)),
    _to_memory("an answer over the cap", deeds.pours(CAP_BYTES + 1), f"larger than {CAP_BYTES} bytes"),
    _to_memory("a bomb", deeds.bomb(32), f"larger than {CAP_BYTES} bytes"),
    _to_memory("a bomb in a bomb", deeds.bomb(32, layers=2), f"larger than {CAP_BYTES} bytes"),
    _to_memory("broken gzip", deeds.says(b"no gzip", "200 OK", "Content-Encoding: gzip")),
    _to_memory("an encoding that nobody knows", deeds.says(b"\x01\x02", "200 OK", "Content-Encoding: aggregator")),
)  # fmt: skip

# The answer is one, and what it tells is odd.
ODD = (
    _to_memory("NaN", deeds.values("NaN"), "not a finite number", memory=None),
    _to_memory("+Inf", deeds.values("+Inf"), "not a finite number", memory=None),
    _to_memory("-Inf", deeds.values("-Inf"), "not a finite number", memory=None),
    _to_memory("1e30 where 64 bits are due", deeds.values("1e30"), "out of range", memory=None),
    _to_memory("a negative number where bytes are due", deeds.values("-5"), "out of range", memory=None),
    _to_memory("a word where a number is due", deeds.values("many"), "not a number", memory=None),
    _to_memory("an exponent", deeds.values("8e9"), "refreshed", memory=8_000_000_000, is_complete=True),
    Fault("two series a host, as of two replicas", deeds.changes(deeds.twins), '"conflict"', HOSTS, is_complete=True),
    _to_memory("warnings", deeds.adds(warnings=["fetch: Unavailable", "x"]), "upstream warning: fetch: Unavailable"),
    _to_memory("many warnings", deeds.adds(warnings=["x"] * 250_000), "and more, 1250000 bytes in all"),
    _to_memory("no warnings", deeds.adds(warnings=[]), "refreshed", is_complete=True),
    _to_memory("remarks", deeds.adds(infos=["metric might not be a counter"]), '"remark"', is_complete=True),
    _to_memory("a key of later versions", deeds.adds(analysis={}), "refreshed", is_complete=True),
    _to_memory("the same key twice, with two meanings", deeds.patches(b"{", b'{"status":"error",')),
    _to_memory("a label twice", deeds.patches(LABELS, LABELS + b'"icos_host_id":"x",'), "refreshed", is_complete=True),
    _to_memory("a giant label", deeds.changes(deeds.giant), "a label of more than 1024 characters", memory=None),
    Fault("a scrape in the future", deeds.values("9e9"), "refreshed", SCRAPED, is_complete=True),
)  # fmt: skip

TABLE = (*BREAKS, *REFUSES, *SPOILS, *ODD)
EVERY = (*TABLE, *HANGS)
