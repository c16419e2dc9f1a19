"""The HTTP application: which path returns what, to whom, and which errors it returns."""

import json
import weakref
from collections.abc import MutableMapping
from typing import Any

import pytest

from aggregator.errors import NoTopologyError
from aggregator.observability.instrumentation import Instrumentation
from aggregator.observability.metrics import OwnMetrics
from aggregator.refresh.snapshot import Gap, GapKind
from aggregator.server.http.app import HttpAppOptions, create_http_app
from aggregator.server.status import Readiness
from aggregator.views import legacy_1_2_5, legacy_2025
from aggregator.views.renderers import RENDERERS
from tests.server.auth.guards import build_static_guard
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import (
    COLLECTED_AT_SECONDS,
    FAILED_GAP,
    TOPOLOGY,
    FakeSnapshotProvider,
    build_snapshot,
)
from tests.support.http_client import open_http_connection, parse_status, send_on_connection, send_raw, send_request

LEGACY_BODY = legacy_1_2_5.render_legacy(TOPOLOGY, COLLECTED_AT_SECONDS)
LEGACY_2025_BODY = legacy_2025.render_legacy_2025(TOPOLOGY, COLLECTED_AT_SECONDS)

TOPOLOGY_PATHS = [
    *("/", "/aggregator", "/agregator", "/a/b/c", "/index.html", "/favicon.ico", "/healthz/", "/HEALTHZ", "/readyz/x"),
    *("/apis", "/docs2", "/openapi.yaml", "/openapi.json/", "/uix", "/%C3%A9", "/%ff", "/a%00b", "/a%0d%0ab", "/'\"<>"),
    *("//", "//healthz", "///", "/./healthz", "/../healthz", "/healthz/..", "/healthz%2f..", "/;healthz", "/healthz;x"),
]
UNAUTHENTICATED_PATHS = ["/healthz", "/metrics", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect"]
UNAUTHENTICATED_FILES = ["/docs/static/favicon.png", "/docs/static/swagger-ui-bundle.js", "/docs/static/swagger-ui.css"]
SIMILAR_PATHS = [
    *(
        f"{path}{tail}"
        for path in UNAUTHENTICATED_PATHS
        for tail in ("/", "//", "/..", "%2f..", "%2F", ".", ";", "%20", "%00", "x")
    ),
    *("/HEALTHZ", "/Healthz", "/DOCS", "/docs/static", "/docs/static/", "/docs/static/redoc.standalone.js"),
    *("/docs/static/../../etc/passwd", "/docs/static/%2e%2e/%2e%2e/server/auth.py", "/docs/static/..%2f..%2fcore.py"),
    *("/docs/static/swagger-ui.css/", "/docs/static//swagger-ui.css", "//healthz", "/./healthz", "/x/../healthz"),
    *("/api/healthz", "/%2fhealthz", "/%252fhealthz", "/healthz%3f", "/healthz%23", "/api", "/ui", "/metrics/"),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]


@pytest.mark.parametrize("path", TOPOLOGY_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_other_path_returns_the_topology(
    source: FakeSnapshotProvider, ports: ServerPorts, method: str, path: str
) -> None:
    """A path that is not reserved returns the exact bytes of the topology, with GET and POST."""
    answer = send_request(ports.http, path, method)
    assert (answer.status, answer.body) == (200, LEGACY_BODY)
    assert answer.headers["Content-Type"] == "application/json"
    assert source.fresh_wait_count == 0


def test_head_returns_the_headers_of_get(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """HEAD returns the headers of GET, with the length, and no body."""
    source.snapshot_age_seconds = 7.0
    get, head = send_request(ports.http), send_request(ports.http, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert head.headers["Content-Length"] == str(len(LEGACY_BODY))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_body_is_ignored(ports: ServerPorts, method: str) -> None:
    """A body of 100 kB is ignored, and the connection serves the next request."""
    connection = open_http_connection(ports.http)
    try:
        for _ in range(2):
            answer = send_on_connection(connection, "/", method, body=b"layout=2025&" * 8_000)
            assert (answer.status, answer.body) == (200, LEGACY_BODY)
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/aggregator"])
def test_other_methods_are_not_allowed(ports: ServerPorts, method: str, path: str) -> None:
    """Methods except GET, HEAD and POST get 405, with the allowed ones in Allow."""
    answer = send_request(ports.http, path, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api", "no such path: /api; did you mean /api/v1/"),
        ("/api/v9/nodes", "no such path: /api/v9/nodes; did you mean /api/v1/nodes, "),
        ("/docs/x", "no such path; see /docs"),
        ("/docs/static/x.js", "no such path; see /docs"),
        ("/docs/static/..%2f", "no such path; see /docs"),
        ("/ui/x", "no such path; see /docs"),
    ],
)
def test_unknown_reserved_paths_are_not_found(ports: ServerPorts, path: str, message: str) -> None:
    """Below reserved paths an unknown path is a 404 in JSON, never the topology; below /api it names the nearest."""
    answer = send_request(ports.http, path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", LEGACY_BODY),
        ("?layout=1.2.5", LEGACY_BODY),
        ("?layout=2025", LEGACY_2025_BODY),
        ("?layout=1.2.5&layout=2025", LEGACY_2025_BODY),
        ("?a=b&layout=2025&c", LEGACY_2025_BODY),
        ("?layout=%32025", LEGACY_2025_BODY),
        ("?layout=", LEGACY_BODY),
        ("?Layout=2025", LEGACY_BODY),
        ("?" + "a=b&" * 5_000, LEGACY_BODY),
        ("?%ff=%ff&=&&==;", LEGACY_BODY),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_a_parameter_selects_the_layout(ports: ServerPorts, query: str, expected: bytes) -> None:
    """The parameter `layout` selects the layout; the last one counts."""
    answer = send_request(ports.http, f"/{query}")
    assert (answer.status, answer.body) == (200, expected)


@pytest.mark.parametrize("value", ["1.2", "etim", "2025%20", "%ff", "__class__", "%00", "2025,1.2.5"])
def test_an_unknown_layout_is_refused(ports: ServerPorts, value: str) -> None:
    """An unknown layout gets 400 with the known ones."""
    answer = send_request(ports.http, f"/?layout={value}")
    assert answer.status == 400
    assert answer.json()["error"].startswith("layout must be 1.2.5 or 2025, got ")


def test_the_default_layout_is_a_setting() -> None:
    """With LAYOUT=2025 a request without the parameter gets that layout, and can select the other."""
    with run_servers(FakeSnapshotProvider(), None, layout="2025") as ports:
        assert send_request(ports.http).body == LEGACY_2025_BODY
        assert send_request(ports.http, "/?layout=1.2.5").body == LEGACY_BODY


@pytest.mark.parametrize(("age", "header"), [(0.0, "0"), (0.99, "0"), (12.7, "12"), (299.999, "299")])
def test_the_age_is_in_whole_seconds(source: FakeSnapshotProvider, ports: ServerPorts, age: float, header: str) -> None:
    """Age is the number of full seconds since the oldest query."""
    source.snapshot_age_seconds = age
    assert send_request(ports.http).headers["Age"] == header


def test_an_incomplete_topology_is_marked(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """X-Topology-Complete is false if data is missing, and true if the upstream only made a remark."""
    assert send_request(ports.http).headers["X-Topology-Complete"] == "true"
    source.current_snapshot = build_snapshot(Gap(GapKind.REMARK, "up", "metric might not be a counter"))
    assert send_request(ports.http).headers["X-Topology-Complete"] == "true"
    source.current_snapshot = build_snapshot(FAILED_GAP)
    answer = send_request(ports.http)
    assert (answer.status, answer.body, answer.headers["X-Topology-Complete"]) == (200, LEGACY_BODY, "false")


@pytest.mark.parametrize(("next_in", "header"), [(0.0, "1"), (0.2, "1"), (1.01, "2"), (30.0, "30")])
def test_without_a_topology_it_is_unavailable(
    source: FakeSnapshotProvider, ports: ServerPorts, next_in: float, header: str
) -> None:
    """Without a topology the response is 503 with the reason and Retry-After."""
    source.failure = NoTopologyError("no topology yet", "query oldest_sample: connection refused")
    source.next_refresh_seconds = next_in
    answer = send_request(ports.http)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == header
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"error": "no topology yet: query oldest_sample: connection refused"}


def test_an_internal_error_is_not_disclosed(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """An internal error gets 500 without its text, and the next request is served."""
    source.failure = RuntimeError("the password is swordfish")
    answer = send_request(ports.http)
    assert answer.status == 500
    assert b"swordfish" not in answer.body
    assert "swordfish" not in str(answer.headers)
    source.failure = None
    assert send_request(ports.http).status == 200


def test_an_internal_error_is_json(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """An internal error has the format of all errors: JSON with the text of the error table."""
    source.failure = RuntimeError("the password is swordfish")
    answer = send_request(ports.http)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"error": "internal error"}


def test_a_failing_view_is_not_disclosed(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A layout that cannot be rendered gets 500; the other layout is served."""

    def broken(_topology: object, _now: float) -> bytes:
        raise ValueError("swordfish")

    source.current_snapshot = build_snapshot(views={**RENDERERS, "2025": broken})
    answer = send_request(ports.http, "/?layout=2025")
    assert answer.status == 500
    assert b"swordfish" not in answer.body
    assert send_request(ports.http).body == LEGACY_BODY


@pytest.mark.parametrize("value", ["no-cache", "NO-CACHE", "max-age=0, no-cache", "no-cache, no-store"])
def test_no_cache_waits_for_a_refresh(source: FakeSnapshotProvider, ports: ServerPorts, value: str) -> None:
    """Cache-Control: no-cache waits for a newer snapshot and returns it."""
    source.next_snapshot = build_snapshot(FAILED_GAP)
    answer = send_request(ports.http, headers=[("Cache-Control", value)])
    assert source.fresh_wait_count == 1
    assert answer.headers["X-Topology-Complete"] == "false"


@pytest.mark.parametrize("headers", [[], [("Cache-Control", "max-age=0")], [("Pragma", "no-cache")]], ids=str)
def test_other_requests_do_not_wait(
    source: FakeSnapshotProvider, ports: ServerPorts, headers: list[tuple[str, str]]
) -> None:
    """Requests without no-cache do not wait for a refresh."""
    assert send_request(ports.http, headers=headers).status == 200
    assert source.fresh_wait_count == 0


def test_refused_requests_cause_no_refresh(
    guarded_source: FakeSnapshotProvider, guarded: ServerPorts, realm: FakeRealm
) -> None:
    """Unauthorized and invalid requests cannot make the gateway query Prometheus."""
    fresh = ("Cache-Control", "no-cache")
    token = ("Authorization", f"Bearer {realm.issue_token()}")
    for path, method, headers in (
        ("/", "GET", [fresh]),
        ("/", "GET", [fresh, ("Authorization", "Bearer a.b.c")]),
        ("/", "PUT", [fresh, token]),
        ("/?layout=x", "GET", [fresh, token]),
        ("/healthz", "GET", [fresh]),
    ):
        send_request(guarded.http, path, method, headers)
    assert guarded_source.fresh_wait_count == 0
    assert send_request(guarded.http, headers=[fresh, token]).status == 200
    assert guarded_source.fresh_wait_count == 1


@pytest.mark.parametrize("path", UNAUTHENTICATED_PATHS + UNAUTHENTICATED_FILES)
def test_public_paths_need_no_token(guarded: ServerPorts, path: str) -> None:
    """Probes and documentation are returned to everyone, whatever token is sent."""
    assert send_request(guarded.http, path).status == 200
    assert send_request(guarded.http, path, headers=[("Authorization", "Bearer a.b.c")]).status == 200
    assert send_request(guarded.http, f"{path}?layout=2025").status == 200


@pytest.mark.parametrize("path", SIMILAR_PATHS + TOPOLOGY_PATHS)
def test_every_other_path_needs_a_token(guarded: ServerPorts, path: str) -> None:
    """Only the exact public paths are public, not similar ones in any spelling."""
    answer = send_request(guarded.http, path)
    assert (answer.status, answer.body) == (401, b'{"error":"not authorized"}\n')


@pytest.mark.parametrize("method", [*METHODS, "PROPFIND", "LINK"])
@pytest.mark.parametrize("path", ["/", "//", "/aggregator", "/api/x", "/docs/x", "/metrics/"])
def test_every_method_needs_a_token(guarded: ServerPorts, method: str, path: str) -> None:
    """Known and unknown methods all need a token."""
    answer = send_request(guarded.http, path, method)
    assert answer.status == 401
    assert answer.body in (b"", b'{"error":"not authorized"}\n')


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", UNAUTHENTICATED_PATHS)
def test_public_paths_do_not_return_the_topology(guarded: ServerPorts, method: str, path: str) -> None:
    """No method makes a public path return protected data."""
    answer = send_request(guarded.http, path, method)
    assert answer.status in (200, 405)
    assert b"k8s-master <1>" not in answer.body
    assert b"d7b51655a3a748b18000000000000002" not in answer.body


def test_without_a_token_no_error_is_disclosed(guarded_source: FakeSnapshotProvider, guarded: ServerPorts) -> None:
    """Without a topology, a request without a token gets 401 and nothing about the upstream."""
    guarded_source.failure = NoTopologyError("no topology yet", "query up: connection refused")
    assert send_request(guarded.http).status == 401


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET http://127.0.0.1/healthz HTTP/1.1", 200),
        (b"GET http://127.0.0.1/ HTTP/1.1", 401),
        (b"GET http://127.0.0.1/../healthz HTTP/1.1", 401),
        (b"OPTIONS * HTTP/1.1", 401),
        (b"GET / HTTP/1.0", 401),
        (b"GET /healthz HTTP/1.0", 200),
        (b"GET /%68ealthz HTTP/1.1", 200),
        (b"GET /?/healthz HTTP/1.1", 401),
        (b"GET /#/healthz HTTP/1.1", 401),
        (b"CONNECT 127.0.0.1:80 HTTP/1.1", 400),
        (b"GET /\xff HTTP/1.1", 400),
        (b"GET /\x00 HTTP/1.1", 400),
        (b"GET  HTTP/1.1", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"PRI * HTTP/2.0", 400),
    ],
    ids=repr,
)
def test_odd_request_lines(guarded: ServerPorts, request_line: bytes, status: int) -> None:
    """Unusual request targets are interpreted correctly or refused, and never cause an internal error."""
    answer = send_raw(guarded.http, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert parse_status(answer) == status
    assert send_request(guarded.http, "/healthz").status == 200


@pytest.mark.parametrize(
    ("request_line", "hosts", "status"),
    [
        (b"GET /healthz HTTP/1.1", b"", 400),
        (b"GET http://x/healthz HTTP/1.1", b"", 400),
        (b"GET /healthz HTTP/1.1", b"Host: a\r\nHost: a\r\n", 400),
        (b"GET /healthz HTTP/1.1", b"HOST: a\r\nhost: b\r\n", 400),
        (b"GET /healthz HTTP/1.1", b"Host:\r\n", 200),
        (b"GET /healthz HTTP/1.1", b"Host: a\r\n", 200),
        (b"GET /healthz HTTP/1.0", b"", 200),
    ],
)
def test_a_request_names_one_host(guarded: ServerPorts, request_line: bytes, hosts: bytes, status: int) -> None:
    """From HTTP/1.1 on, a request without exactly one Host header is malformed."""
    assert parse_status(send_raw(guarded.http, request_line + b"\r\n" + hosts + b"Connection: close\r\n\r\n")) == status


def test_a_pipelined_request_needs_its_own_token(guarded: ServerPorts, realm: FakeRealm) -> None:
    """The token of one request does not authorize the next on its connection."""
    good = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {realm.issue_token()}\r\n\r\n".encode()
    answer = send_raw(guarded.http, good + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert parse_status(answer) == 200
    assert answer.count(b"HTTP/1.1 401 ") == 1


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ],
    ids=repr,
)
def test_a_request_cannot_be_smuggled(guarded: ServerPorts, realm: FakeRealm, lines: bytes) -> None:
    """A request with two contradicting lengths gets at most one response, and no topology for a second request."""
    head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {realm.issue_token()}\r\n".encode() + lines
    answer = send_raw(
        guarded.http, head + b"\r\n0\r\n\r\nGET /aggregator HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert answer.count(b" 200 OK\r\n") <= 1


@pytest.mark.parametrize("path", ["/", "/?layout=x", "/api/x", *UNAUTHENTICATED_PATHS, *UNAUTHENTICATED_FILES])
def test_every_response_has_security_headers(ports: ServerPorts, path: str) -> None:
    """Every response has nosniff, and none names the server software or allows other origins."""
    headers = send_request(ports.http, path, headers=[("Origin", "https://elsewhere.example.org")]).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] is None
    assert headers["Access-Control-Allow-Origin"] is None


def test_caches_must_revalidate(ports: ServerPorts) -> None:
    """Caches must revalidate the topology for every request."""
    assert send_request(ports.http).headers["Cache-Control"] == "no-cache"


def test_error_texts_are_utf8(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """An error text can contain any characters; its length is counted in bytes."""
    source.failure = NoTopologyError("no topology yet", 'query up: HTTP 502: "süß" <ß>\n\x00')
    answer = send_request(ports.http)
    assert json.loads(answer.body.decode())["error"].endswith('"süß" <ß>\n\x00')
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_two_gateways_accept_the_same_tokens(public_key: str, realm: FakeRealm) -> None:
    """Two gateways with the same KEY accept the same tokens."""
    with run_servers(FakeSnapshotProvider(), build_static_guard(public_key)) as ports:
        assert send_request(ports.http, headers=[("Authorization", f"Bearer {realm.issue_token()}")]).status == 200
        assert send_request(ports.http).status == 401


async def test_a_slow_client_does_not_keep_a_snapshot() -> None:
    """While a client reads its response, a replaced snapshot is freed: only the bytes stay in memory."""
    source = FakeSnapshotProvider()
    source.current_snapshot.get_body("1.2.5")
    ended = weakref.ref(source.current_snapshot)
    sent: list[bool] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("no body is read")

    async def send(_message: MutableMapping[str, Any]) -> None:
        source.current_snapshot = build_snapshot()
        sent.append(ended() is None)

    scope: dict[str, Any] = {
        "type": "http",
        "path": "/",
        "method": "GET",
        "query_string": b"",
        "headers": [],
        "client": None,
    }
    app = create_http_app(source, Readiness(bool), Instrumentation(OwnMetrics()), HttpAppOptions())
    await app(scope, receive, send)
    assert sent == [True, True]
