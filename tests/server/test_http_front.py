"""The front of the HTTP server: which path answers what, to whom, and how it says that it cannot."""

import json
import weakref
from collections.abc import MutableMapping
from typing import Any

import pytest

from aggregator.errors import NoTopologyError
from aggregator.server.asgi import Receive, Scope, Send
from aggregator.server.http_front import Door, Front
from aggregator.snapshot import Gap, GapKind
from aggregator.views import BY_NAME, legacy, legacy_2025
from tests.server.exchange import ask, connect, over, raw, status_of
from tests.server.judging import static_guard
from tests.server.serving import Ports, serving
from tests.server.source import GAP, TAKEN_AT, TOPOLOGY, CommandedSource, snapshot
from tests.server.tokens import Realm

LEGACY = legacy.render(TOPOLOGY, TAKEN_AT)
LAYOUT_2025 = legacy_2025.render(TOPOLOGY, TAKEN_AT)

EVERY_PATH = [
    *("/", "/aggregator", "/agregator", "/a/b/c", "/index.html", "/favicon.ico", "/healthz/", "/HEALTHZ", "/readyz/x"),
    *("/apis", "/docs2", "/openapi.yaml", "/openapi.json/", "/uix", "/%C3%A9", "/%ff", "/a%00b", "/a%0d%0ab", "/'\"<>"),
    *("//", "//healthz", "///", "/./healthz", "/../healthz", "/healthz/..", "/healthz%2f..", "/;healthz", "/healthz;x"),
]
OPEN = ["/healthz", "/metrics", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect"]
OPEN_FILES = ["/docs/static/favicon.png", "/docs/static/swagger-ui-bundle.js", "/docs/static/swagger-ui.css"]
ALMOST_OPEN = [
    *(f"{path}{tail}" for path in OPEN for tail in ("/", "//", "/..", "%2f..", "%2F", ".", ";", "%20", "%00", "x")),
    *("/HEALTHZ", "/Healthz", "/DOCS", "/docs/static", "/docs/static/", "/docs/static/redoc.standalone.js"),
    *("/docs/static/../../etc/passwd", "/docs/static/%2e%2e/%2e%2e/server/auth.py", "/docs/static/..%2f..%2fcore.py"),
    *("/docs/static/swagger-ui.css/", "/docs/static//swagger-ui.css", "//healthz", "/./healthz", "/x/../healthz"),
    *("/api/healthz", "/%2fhealthz", "/%252fhealthz", "/healthz%3f", "/healthz%23", "/api", "/ui", "/metrics/"),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_other_path_answers_the_topology(source: CommandedSource, ports: Ports, method: str, path: str) -> None:
    """A path that is not ours answers the topology to the byte, by GET and by POST."""
    answer = ask(ports.http, path, method)
    assert (answer.status, answer.body) == (200, LEGACY)
    assert answer.headers["Content-Type"] == "application/json"
    assert source.waits == 0


def test_head_answers_the_head_of_get(source: CommandedSource, ports: Ports) -> None:
    """HEAD has the headers of GET, with the length, and no body."""
    source.age = 7.0
    get, head = ask(ports.http), ask(ports.http, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert head.headers["Content-Length"] == str(len(LEGACY))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_changes_nothing(ports: Ports, method: str) -> None:
    """A body of 100 kB, of whatever it is, is not looked at; the connection serves the next request."""
    connection = connect(ports.http)
    try:
        for _ in range(2):
            answer = over(connection, "/", method, body=b"layout=2025&" * 8_000)
            assert (answer.status, answer.body) == (200, LEGACY)
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/aggregator"])
def test_other_methods_are_not_allowed(ports: Ports, method: str, path: str) -> None:
    """Methods but GET, HEAD and POST are answered with 405 and with those in Allow."""
    answer = ask(ports.http, path, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v9/x", "/docs/x", "/docs/static/x.js", "/docs/static/..%2f", "/ui/x"]
)
def test_unknown_paths_of_ours_are_not_found(ports: Ports, path: str) -> None:
    """Under our own prefixes an unknown path is a 404 in JSON, never the topology."""
    answer = ask(ports.http, path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"error": "nothing is here; /docs lists what is"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", LEGACY),
        ("?layout=1.2.5", LEGACY),
        ("?layout=2025", LAYOUT_2025),
        ("?layout=1.2.5&layout=2025", LAYOUT_2025),
        ("?a=b&layout=2025&c", LAYOUT_2025),
        ("?layout=%32025", LAYOUT_2025),
        ("?layout=", LEGACY),
        ("?Layout=2025", LEGACY),
        ("?" + "a=b&" * 5_000, LEGACY),
        ("?%ff=%ff&=&&==;", LEGACY),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_the_layout_is_chosen_by_a_parameter(ports: Ports, query: str, expected: bytes) -> None:
    """The parameter `layout` chooses the layout, the last one if there are several."""
    answer = ask(ports.http, f"/{query}")
    assert (answer.status, answer.body) == (200, expected)


@pytest.mark.parametrize("value", ["1.2", "etim", "2025%20", "%ff", "__class__", "%00", "2025,1.2.5"])
def test_an_unknown_layout_is_refused(ports: Ports, value: str) -> None:
    """A layout that does not exist is a 400 that lists those that do."""
    answer = ask(ports.http, f"/?layout={value}")
    assert (answer.status, answer.json()) == (400, {"error": "layout must be 1.2.5 or 2025"})


def test_the_default_layout_is_a_setting() -> None:
    """With LAYOUT=2025 a request without the parameter gets that layout, and may ask for the other."""
    with serving(CommandedSource(), None, layout="2025") as ports:
        assert ask(ports.http).body == LAYOUT_2025
        assert ask(ports.http, "/?layout=1.2.5").body == LEGACY


@pytest.mark.parametrize(("age", "header"), [(0.0, "0"), (0.99, "0"), (12.7, "12"), (299.999, "299")])
def test_the_age_is_in_whole_seconds(source: CommandedSource, ports: Ports, age: float, header: str) -> None:
    """Age tells the full seconds since the oldest part was asked for."""
    source.age = age
    assert ask(ports.http).headers["Age"] == header


def test_an_incomplete_topology_is_marked(source: CommandedSource, ports: Ports) -> None:
    """X-Topology-Complete is false where something is missing, and true where only a remark was made."""
    assert ask(ports.http).headers["X-Topology-Complete"] == "true"
    source.shown = snapshot(Gap(GapKind.REMARK, "up", "metric might not be a counter"))
    assert ask(ports.http).headers["X-Topology-Complete"] == "true"
    source.shown = snapshot(GAP)
    answer = ask(ports.http)
    assert (answer.status, answer.body, answer.headers["X-Topology-Complete"]) == (200, LEGACY, "false")


@pytest.mark.parametrize(("next_in", "header"), [(0.0, "1"), (0.2, "1"), (1.01, "2"), (30.0, "30")])
def test_without_a_topology_it_is_unavailable(
    source: CommandedSource, ports: Ports, next_in: float, header: str
) -> None:
    """Where there is nothing to show the answer is a 503 that says why, and when to ask again."""
    source.failure = NoTopologyError("no topology yet: query oldest_sample: connection refused")
    source.next_in = next_in
    answer = ask(ports.http)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == header
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"error": "no topology yet: query oldest_sample: connection refused"}


def test_what_breaks_is_not_told(source: CommandedSource, ports: Ports) -> None:
    """A defect of ours is a 500 without its text, and the next request is served."""
    source.failure = RuntimeError("the password is swordfish")
    answer = ask(ports.http)
    assert answer.status == 500
    assert b"swordfish" not in answer.body
    assert "swordfish" not in str(answer.headers)
    source.failure = None
    assert ask(ports.http).status == 200


def test_a_defect_is_told_in_json(source: CommandedSource, ports: Ports) -> None:
    """A defect of ours has the same form as any other error: JSON with the one text of the table of failures."""
    source.failure = RuntimeError("the password is swordfish")
    answer = ask(ports.http)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"error": "internal error"}


def test_a_view_that_breaks_is_not_told(source: CommandedSource, ports: Ports) -> None:
    """A layout that cannot be rendered is a 500; the other layout is served."""

    def broken(_topology: object, _now: float) -> bytes:
        raise ValueError("swordfish")

    source.shown = snapshot(views={**BY_NAME, "2025": broken})
    answer = ask(ports.http, "/?layout=2025")
    assert answer.status == 500
    assert b"swordfish" not in answer.body
    assert ask(ports.http).body == LEGACY


@pytest.mark.parametrize("value", ["no-cache", "NO-CACHE", "max-age=0, no-cache", "no-cache, no-store"])
def test_fresh_data_can_be_asked_for(source: CommandedSource, ports: Ports, value: str) -> None:
    """Cache-Control: no-cache waits for a newer snapshot and answers that."""
    source.next_shown = snapshot(GAP)
    answer = ask(ports.http, headers=[("Cache-Control", value)])
    assert source.waits == 1
    assert answer.headers["X-Topology-Complete"] == "false"


@pytest.mark.parametrize("headers", [[], [("Cache-Control", "max-age=0")], [("Pragma", "no-cache")]], ids=str)
def test_fresh_data_must_be_asked_for(source: CommandedSource, ports: Ports, headers: list[tuple[str, str]]) -> None:
    """Other requests do not wait for anything."""
    assert ask(ports.http, headers=headers).status == 200
    assert source.waits == 0


def test_refused_requests_cause_no_refresh(guarded_source: CommandedSource, guarded: Ports, realm: Realm) -> None:
    """Whoever has no token, or asks wrongly, cannot make the gateway ask Prometheus."""
    fresh = ("Cache-Control", "no-cache")
    token = ("Authorization", f"Bearer {realm.token()}")
    for path, method, headers in (
        ("/", "GET", [fresh]),
        ("/", "GET", [fresh, ("Authorization", "Bearer a.b.c")]),
        ("/", "PUT", [fresh, token]),
        ("/?layout=x", "GET", [fresh, token]),
        ("/healthz", "GET", [fresh]),
    ):
        ask(guarded.http, path, method, headers)
    assert guarded_source.waits == 0
    assert ask(guarded.http, headers=[fresh, token]).status == 200
    assert guarded_source.waits == 1


@pytest.mark.parametrize("path", OPEN + OPEN_FILES)
def test_open_paths_need_no_token(guarded: Ports, path: str) -> None:
    """Health, readiness and the documentation are answered to everybody, whatever token is sent."""
    assert ask(guarded.http, path).status == 200
    assert ask(guarded.http, path, headers=[("Authorization", "Bearer a.b.c")]).status == 200
    assert ask(guarded.http, f"{path}?layout=2025").status == 200


@pytest.mark.parametrize("path", ALMOST_OPEN + EVERY_PATH)
def test_every_other_path_needs_a_token(guarded: Ports, path: str) -> None:
    """Only the exact open paths are open; nothing that looks like one is, in any spelling."""
    answer = ask(guarded.http, path)
    assert (answer.status, answer.body) == (401, b'{"error":"not authorized"}\n')


@pytest.mark.parametrize("method", [*METHODS, "PROPFIND", "LINK"])
@pytest.mark.parametrize("path", ["/", "//", "/aggregator", "/api/x", "/docs/x", "/metrics/"])
def test_no_method_goes_around_the_token(guarded: Ports, method: str, path: str) -> None:
    """Every method needs a token, known and unknown ones alike."""
    answer = ask(guarded.http, path, method)
    assert answer.status == 401
    assert answer.body in (b"", b'{"error":"not authorized"}\n')


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", OPEN)
def test_open_paths_show_no_topology(guarded: Ports, method: str, path: str) -> None:
    """No method makes an open path show what others need a token for."""
    answer = ask(guarded.http, path, method)
    assert answer.status in (200, 405)
    assert b"k8s-master <1>" not in answer.body
    assert b"d7b51655a3a748b18000000000000002" not in answer.body


def test_no_topology_is_told_to_nobody_without_a_token(guarded_source: CommandedSource, guarded: Ports) -> None:
    """Also while there is no topology, who has no token is refused and learns nothing of the upstream."""
    guarded_source.failure = NoTopologyError("no topology yet: query up: connection refused")
    assert ask(guarded.http).status == 401


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
def test_odd_request_lines(guarded: Ports, request_line: bytes, status: int) -> None:
    """Request targets of other forms are read as they are meant, or refused; none is an error of ours."""
    answer = raw(guarded.http, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status_of(answer) == status
    assert ask(guarded.http, "/healthz").status == 200


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
def test_a_request_names_one_host(guarded: Ports, request_line: bytes, hosts: bytes, status: int) -> None:
    """From HTTP/1.1 on a request without Host, or with several, is malformed."""
    assert status_of(raw(guarded.http, request_line + b"\r\n" + hosts + b"Connection: close\r\n\r\n")) == status


def test_a_pipelined_request_needs_its_own_token(guarded: Ports, realm: Realm) -> None:
    """The token of one request on a connection does not help the next."""
    good = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {realm.token()}\r\n\r\n".encode()
    answer = raw(guarded.http, good + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status_of(answer) == 200
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
def test_a_request_cannot_be_smuggled(guarded: Ports, realm: Realm, lines: bytes) -> None:
    """A request whose length is told in two ways gets at most one answer, and no topology for a second request."""
    head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {realm.token()}\r\n".encode() + lines
    answer = raw(guarded.http, head + b"\r\n0\r\n\r\nGET /aggregator HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b" 200 OK\r\n") <= 1


@pytest.mark.parametrize("path", ["/", "/?layout=x", "/api/x", *OPEN, *OPEN_FILES])
def test_browsers_are_told_not_to_guess(ports: Ports, path: str) -> None:
    """Every answer says nosniff, none names the server's software or allows other sites to read it."""
    headers = ask(ports.http, path, headers=[("Origin", "https://elsewhere.example.org")]).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] is None
    assert headers["Access-Control-Allow-Origin"] is None


def test_the_topology_is_not_kept_in_between(ports: Ports) -> None:
    """Caches between are told to ask again each time."""
    assert ask(ports.http).headers["Cache-Control"] == "no-cache"


def test_an_error_is_told_in_utf8(source: CommandedSource, ports: Ports) -> None:
    """An error's text may hold any characters; its length is counted in bytes."""
    source.failure = NoTopologyError('no topology yet: query up: HTTP 502: "süß" <ß>\n\x00')
    answer = ask(ports.http)
    assert json.loads(answer.body.decode())["error"].endswith('"süß" <ß>\n\x00')
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_guard_alone_decides(public_key: str, realm: Realm) -> None:
    """Two gateways with the same KEY take the same tokens."""
    with serving(CommandedSource(), static_guard(public_key)) as ports:
        assert ask(ports.http, headers=[("Authorization", f"Bearer {realm.token()}")]).status == 200
        assert ask(ports.http).status == 401


async def test_an_answer_under_way_holds_no_snapshot() -> None:
    """While a client takes its answer, the snapshot may be replaced and is gone then: only the bytes are held."""
    source = CommandedSource()
    source.shown.body("1.2.5")
    ended = weakref.ref(source.shown)
    sent: list[bool] = []

    async def behind(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("it is not asked")

    async def receive() -> dict[str, Any]:
        raise AssertionError("no body is read")

    async def send(_message: MutableMapping[str, Any]) -> None:
        source.shown = snapshot()
        sent.append(ended() is None)

    scope = {"type": "http", "path": "/", "method": "GET", "query_string": b"", "headers": []}
    await Front(source, Door(None), "1.2.5", behind)(scope, receive, send)
    assert sent == [True, True]
