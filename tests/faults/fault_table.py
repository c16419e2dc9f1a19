"""The table of faults: what the upstream does, to which queries, and what the gateway must serve and log."""

from dataclasses import dataclass
from typing import Any

from tests.faults import fault_actions
from tests.faults.fault_proxy import FaultAction

# The query of the row memory_total; other rows read the times of the same series.
MEMORY_QUERY = "(node_memory_MemTotal_bytes or "
HOSTS_QUERY = "node_uname_info"
SCRAPE_TIME_QUERY = "timestamp(up)"
MAX_RESPONSE_BYTES = 4 * 2**20
UNCHANGED = -1

RESPONSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HTML_PAGE = b"<html><body>please log in, or come back later</body></html>"
LABELS_START = b'"metric":{'
STALE_FALLBACK_LOG = "stale response"


@dataclass(frozen=True)
class Fault:
    """One fault.

    `query_text` selects the affected queries by a text in them; "" selects all. `expected_log` is a text that the log
    must contain. `memory` is the memory of each node served during the fault: UNCHANGED for the value from before,
    None for no value. `max_queries` is how often one query may be sent in a
    refresh: once more if its idle connection was lost.
    """

    name: str
    action: FaultAction
    expected_log: str
    query_text: str = ""
    is_complete: bool = False
    memory: int | None = UNCHANGED
    max_queries: int = 2

    def expect_memory(self, memory_before_fault: int | None) -> int | None:
        """Return the expected memory of a node that had `known` bytes before the fault."""
        return memory_before_fault if self.memory == UNCHANGED else self.memory


def _memory_fault(name: str, action: FaultAction, expected_log: str = STALE_FALLBACK_LOG, **options: Any) -> Fault:
    return Fault(name, action, expected_log, MEMORY_QUERY, **options)


# The connection breaks, or the response is not HTTP.
CONNECTION_FAULTS = (
    # A query on an idle connection that was lost is sent once more.
    Fault("reset", fault_actions.reset_connection, "connection failed"),
    Fault("reset in the middle of a response", fault_actions.reset_mid_response, "connection failed"),
    Fault("truncated body", fault_actions.truncate_body, "connection failed"),
    Fault("content length too large", fault_actions.announce_wrong_length(+10), "connection failed"),
    Fault("content length too small", fault_actions.announce_wrong_length(-10), "truncated"),
    Fault("closed without a response", fault_actions.send_bytes(b""), "connection failed"),
    Fault("SSH banner", fault_actions.send_bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "the response is not HTTP"),
    Fault(
        "invalid chunk size",
        fault_actions.send_bytes(RESPONSE_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
        "connection failed",
    ),
    Fault(
        "truncated chunk",
        fault_actions.send_bytes(RESPONSE_HEAD + b'Transfer-Encoding: chunked\r\n\r\nff\r\n{"sta'),
        "connection failed",
    ),
    Fault(
        "endless header",
        fault_actions.send_bytes(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
        "the response is not HTTP",
    ),
    Fault("reset for one query", fault_actions.reset_connection, STALE_FALLBACK_LOG, MEMORY_QUERY),
)

# The upstream accepts the connection but sends no complete response. Each costs a full deadline.
HANG_FAULTS = (
    Fault("no response", fault_actions.hang_after(b""), "no response"),
    Fault("stall in the header", fault_actions.hang_after(RESPONSE_HEAD), "no response"),
    Fault("stall in the body", fault_actions.hang_after(RESPONSE_HEAD + b"Content-Length: 99\r\n\r\n{"), "no response"),
    Fault(
        "body byte by byte",
        fault_actions.drip_bytes(RESPONSE_HEAD + b"Content-Length: 99999\r\n\r\n", b" "),
        "no response",
    ),
    Fault("header byte by byte", fault_actions.drip_bytes(RESPONSE_HEAD + b"X-Long: ", b"x"), "no response"),
    _memory_fault("no response for one query", fault_actions.hang_after(b"")),
)

# The upstream responds with an error or a redirect.
ERROR_FAULTS = (
    Fault("503", fault_actions.respond_with_error("503 Service Unavailable", "unavailable"), "HTTP 503"),
    Fault("503 with Retry-After", fault_actions.respond_with_error("503 Service Unavailable", "busy", "Retry-After: 1"), "HTTP 503"),
    Fault("429 with Retry-After", fault_actions.respond_with_error("429 Too Many Requests", "busy", "Retry-After: 1"), "HTTP 429"),
    Fault("502 with HTML", fault_actions.respond_with(HTML_PAGE, "502 Bad Gateway", "Content-Type: text/html"), "HTTP 502"),
    Fault("401 with HTML", fault_actions.respond_with(HTML_PAGE, "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'), "HTTP 401"),
    Fault("500", fault_actions.respond_with_error("500 Internal Server Error", "internal"), "HTTP 500"),
    Fault("204", fault_actions.send_bytes(b"HTTP/1.1 204 No Content\r\n\r\n"), "HTTP 204"),
    Fault("redirect loop", fault_actions.redirect_to_self, "redirects"),
    Fault("redirect to an invalid URL", fault_actions.respond_with(b"", "302 Found", "Location: http://[::1/"), "redirects"),
    Fault("redirect to FTP", fault_actions.respond_with(b"", "302 Found", "Location: ftp://127.0.0.1/"), "redirects"),
    _memory_fault("503 for one query", fault_actions.respond_with_error("503 Service Unavailable", "unavailable")),
    _memory_fault("400 for one query", fault_actions.respond_with_error("400 Bad Request", "bad_data"), "bad_data", memory=None),
    _memory_fault("422 for one query", fault_actions.respond_with_error("422 Unprocessable Entity", "execution"), "execution", memory=None),
    Fault("400 for the hosts query", fault_actions.respond_with_error("400 Bad Request", "x"), STALE_FALLBACK_LOG, HOSTS_QUERY),
)  # fmt: skip

# The upstream responds with 200 and a body that is not a valid query result.
INVALID_RESPONSE_FAULTS = (
    Fault("200 with HTML", fault_actions.respond_with(HTML_PAGE), "the response starts with '<html>"),
    Fault("200 with an empty body", fault_actions.respond_with(b""), "the response starts with"),
    Fault("null data", fault_actions.respond_with(b'{"status":"success","data":null}'), "the response starts with"),
    Fault("200 with an error", fault_actions.respond_with_error("200 OK", "internal"), "the response starts with"),
    Fault("truncated JSON", fault_actions.truncate_json, "the response starts with"),
    _memory_fault("byte order mark", fault_actions.replace_bytes(b"{", b"\xef\xbb\xbf{")),
    _memory_fault("invalid UTF-8", fault_actions.replace_bytes(LABELS_START, LABELS_START + b'"icos_host_id":"\xff\xfe",')),
    _memory_fault("lone surrogates", fault_actions.replace_bytes(LABELS_START, LABELS_START + b'"icos_host_id":"\\ud800",')),
    _memory_fault("deep nesting", fault_actions.respond_with(b'{"status":' + b"[" * 200_000)),
    _memory_fault("deep nesting in an unknown key", fault_actions.respond_with(b'{"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001)),
    _memory_fault("scalar", fault_actions.replace_result("scalar", lambda _: [1795208200.5, "1"])),
    _memory_fault("string", fault_actions.replace_result("string", lambda _: [1795208200.5, "one"])),
    _memory_fault("matrix", fault_actions.replace_result("matrix", fault_actions.to_range_result)),
    _memory_fault("native histograms", fault_actions.replace_result("vector", fault_actions.to_histograms)),
    _memory_fault("null matrix", fault_actions.replace_result("matrix", lambda _: None)),
    _memory_fault("response over the limit", fault_actions.respond_with_size(MAX_RESPONSE_BYTES + 1), f"larger than {MAX_RESPONSE_BYTES} bytes"),
    _memory_fault("compression bomb", fault_actions.respond_with_bomb(32), f"larger than {MAX_RESPONSE_BYTES} bytes"),
    _memory_fault("nested compression bomb", fault_actions.respond_with_bomb(32, layers=2), f"larger than {MAX_RESPONSE_BYTES} bytes"),
    _memory_fault("broken gzip", fault_actions.respond_with(b"no gzip", "200 OK", "Content-Encoding: gzip")),
    _memory_fault("unknown content coding", fault_actions.respond_with(b"\x01\x02", "200 OK", "Content-Encoding: aggregator")),
)  # fmt: skip

# The query result is valid and contains unusual data.
UNUSUAL_DATA_FAULTS = (
    _memory_fault("NaN", fault_actions.set_sample_values("NaN"), "not a finite number", memory=None),
    _memory_fault("+Inf", fault_actions.set_sample_values("+Inf"), "not a finite number", memory=None),
    _memory_fault("-Inf", fault_actions.set_sample_values("-Inf"), "not a finite number", memory=None),
    _memory_fault("1e30 for a 64-bit integer", fault_actions.set_sample_values("1e30"), "out of range", memory=None),
    _memory_fault("negative number of bytes", fault_actions.set_sample_values("-5"), "out of range", memory=None),
    _memory_fault("text for a number", fault_actions.set_sample_values("many"), "not a number", memory=None),
    _memory_fault("exponent notation", fault_actions.set_sample_values("8e9"), "refresh succeeded", memory=8_000_000_000, is_complete=True),
    Fault("duplicate series of two replicas", fault_actions.modify_json(fault_actions.duplicate_series), '"conflict"', HOSTS_QUERY, is_complete=True),
    _memory_fault("warnings", fault_actions.add_keys(warnings=["fetch: Unavailable", "x"]), "upstream warning: fetch: Unavailable"),
    _memory_fault("partial flag", fault_actions.add_keys(isPartial=True), "upstream warning: the response is partial"),
    _memory_fault("null result", fault_actions.replace_result("vector", lambda _: None), "refresh succeeded", memory=None, is_complete=True),
    _memory_fault("null result without a type", fault_actions.replace_result("", lambda _: None), "refresh succeeded", memory=None, is_complete=True),
    _memory_fault("many warnings", fault_actions.add_keys(warnings=["x"] * 250_000), "and more, 1250000 bytes in all"),
    _memory_fault("empty warnings", fault_actions.add_keys(warnings=[]), "refresh succeeded", is_complete=True),
    _memory_fault("infos", fault_actions.add_keys(infos=["metric might not be a counter"]), '"remark"', is_complete=True),
    _memory_fault("unknown top-level key", fault_actions.add_keys(analysis={}), "refresh succeeded", is_complete=True),
    _memory_fault("duplicate key", fault_actions.replace_bytes(b"{", b'{"status":"error",')),
    _memory_fault("duplicate label", fault_actions.duplicate_label, "refresh succeeded", is_complete=True),
    _memory_fault("giant label", fault_actions.modify_json(fault_actions.add_giant_label), "a label of more than 1024 characters", memory=None),
    Fault("scrape time in the future", fault_actions.set_sample_values("9e9"), "refresh succeeded", SCRAPE_TIME_QUERY, is_complete=True),
)  # fmt: skip

FAST_FAULTS = (*CONNECTION_FAULTS, *ERROR_FAULTS, *INVALID_RESPONSE_FAULTS, *UNUSUAL_DATA_FAULTS)
ALL_FAULTS = (*FAST_FAULTS, *HANG_FAULTS)
