"""CORS: what pages of other origins may read."""

from collections.abc import Iterator

import pytest

from aggregator.errors import NoTopologyError
from tests.server.auth.guards import build_static_guard
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.http_client import ClientResponse, send_request

ORIGIN = "https://dashboard.example"
EXPOSED_HEADERS = {"age", "etag", "retry-after", "x-request-id", "x-topology-complete", "x-topology-time"}


@pytest.fixture(scope="module")
def listed(public_key: str) -> Iterator[tuple[FakeSnapshotProvider, ServerPorts]]:
    """Servers with tokens that allow one origin."""
    source = FakeSnapshotProvider()
    manner = ServerOptions(cors_origins=[ORIGIN])
    with run_servers(source, build_static_guard(public_key), options=manner) as ports:
        yield source, ports


def get_cors_headers(answer: ClientResponse) -> dict[str, str]:
    """Return the CORS headers of a response."""
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control")}


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/nothing?layout=x"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_without_the_setting_there_are_no_cors_headers(ports: ServerPorts, path: str, method: str) -> None:
    """Without CORS_ORIGINS no response has CORS headers."""
    headers = [("Origin", ORIGIN), ("Access-Control-Request-Method", "GET")]
    assert get_cors_headers(send_request(ports.http, path, method, headers=headers)) == {}


def test_a_listed_origin_may_read(listed: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm) -> None:
    """A page of an allowed origin can read the response and the exposed headers."""
    answer = send_request(
        listed[1].http, headers=[("Origin", ORIGIN), ("Authorization", f"Bearer {realm.issue_token()}")]
    )
    assert answer.status == 200
    told = get_cors_headers(answer)
    assert told["access-control-allow-origin"] == ORIGIN
    assert {name.strip().lower() for name in told["access-control-expose-headers"].split(",")} == EXPOSED_HEADERS
    assert "access-control-allow-credentials" not in told
    assert "Origin" in answer.headers["Vary"]


def test_a_listed_origin_may_read_errors(listed: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm) -> None:
    """Errors have CORS headers, too: otherwise a page could not tell them from a network failure."""
    source, ports = listed
    refused = send_request(ports.http, headers=[("Origin", ORIGIN)])
    source.failure = NoTopologyError("no topology yet")
    away = send_request(ports.http, headers=[("Origin", ORIGIN), ("Authorization", f"Bearer {realm.issue_token()}")])
    source.failure = None
    assert (refused.status, away.status) == (401, 503)
    for answer in (refused, away):
        assert get_cors_headers(answer)["access-control-allow-origin"] == ORIGIN
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://dashboard.example.evil", "http://dashboard.example", "null"]
)
def test_another_origin_may_not_read(
    listed: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm, origin: str
) -> None:
    """A page of any other origin gets no CORS headers, and Vary contains Origin."""
    answer = send_request(
        listed[1].http, headers=[("Origin", origin), ("Authorization", f"Bearer {realm.issue_token()}")]
    )
    assert "access-control-allow-origin" not in get_cors_headers(answer)
    assert "Origin" in answer.headers["Vary"]


def test_responses_without_an_origin_vary_by_origin(listed: tuple[FakeSnapshotProvider, ServerPorts]) -> None:
    """A response to a request without Origin has Vary: Origin, too."""
    answer = send_request(listed[1].http, "/healthz")
    assert get_cors_headers(answer) == {}
    assert answer.headers["Vary"] == "Origin"


def send_preflight(port: int, origin: str, method: str = "GET") -> ClientResponse:
    """Send a preflight request."""
    headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization"),
    ]
    return send_request(port, "/", "OPTIONS", headers=headers)


def test_a_preflight_needs_no_token(listed: tuple[FakeSnapshotProvider, ServerPorts]) -> None:
    """A preflight request needs no token, allows Authorization, and returns nothing of the topology."""
    answer = send_preflight(listed[1].http, ORIGIN)
    assert (answer.status, answer.body) == (200, b"OK")
    told = get_cors_headers(answer)
    assert told["access-control-allow-origin"] == ORIGIN
    assert "authorization" in told["access-control-allow-headers"].lower()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Topology-Complete" not in answer.headers


def test_other_preflights_are_refused(listed: tuple[FakeSnapshotProvider, ServerPorts]) -> None:
    """A preflight request for another origin or method is refused."""
    assert send_preflight(listed[1].http, "https://evil.example").status == 400
    assert "access-control-allow-origin" not in get_cors_headers(send_preflight(listed[1].http, "https://evil.example"))
    assert send_preflight(listed[1].http, ORIGIN, "DELETE").status == 400


def test_options_without_a_preflight_needs_a_token(listed: tuple[FakeSnapshotProvider, ServerPorts]) -> None:
    """OPTIONS without preflight headers is handled like any other request."""
    assert send_request(listed[1].http, "/", "OPTIONS", headers=[("Origin", ORIGIN)]).status == 401


def test_all_origins_can_be_allowed() -> None:
    """With `*` every page can read."""
    with run_servers(FakeSnapshotProvider(), None, options=ServerOptions(cors_origins=["*"])) as ports:
        assert (
            get_cors_headers(send_request(ports.http, headers=[("Origin", "https://any.example")]))[
                "access-control-allow-origin"
            ]
            == "*"
        )
