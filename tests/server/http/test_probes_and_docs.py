"""Probes and documentation."""

import re

import pytest

from aggregator.errors import KeysUnavailableError, NoTopologyError
from aggregator.server.http.responses import PROBLEM_TYPE_BASE_URL, PROBLEM_TYPES
from aggregator.server.status import Readiness
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.http_client import parse_status, send_raw, send_request

HEALTHY_BODY = b'"Aggregator working properly!"\n'


def test_health_equals_the_go_service(ports: ServerPorts) -> None:
    """/healthz returns the exact bytes that probes compare."""
    answer = send_request(ports.http, "/healthz")
    assert (answer.status, answer.body) == (200, HEALTHY_BODY)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_health_does_not_depend_on_a_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The process is healthy as long as it responds, also without a topology."""
    source.failure = NoTopologyError("no topology yet")
    assert send_request(ports.http, "/healthz").body == HEALTHY_BODY


def test_readiness_follows_the_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """/readyz is 200 with a topology, else 503 with the reason."""
    answer = send_request(ports.http, "/readyz")
    assert (answer.status, answer.json()) == (200, {"status": "ready"})
    source.failure = NoTopologyError("the last topology is 300 s old", "connection refused")
    answer = send_request(ports.http, "/readyz")
    assert (answer.status, answer.json()) == (503, {"error": "the last topology is 300 s old: connection refused"})


def test_readiness_ends_at_shutdown() -> None:
    """After the shutdown has started, the process is not ready any more."""
    readiness = Readiness(lambda: "a topology")
    assert readiness.get_unready_reason() is None
    readiness.stop()
    assert readiness.get_unready_reason() == "shutting down"


def test_readiness_needs_keys() -> None:
    """Without keys to verify tokens, a process with a topology is not ready."""

    def judge() -> None:
        raise KeysUnavailableError("no keys to verify tokens yet")

    assert Readiness(lambda: "a topology", judge).get_unready_reason() == "no keys to verify tokens yet"


def test_readiness_hides_details_with_tokens() -> None:
    """Where tokens are required, /readyz does not disclose why there is no topology."""

    def show() -> None:
        raise NoTopologyError("no topology yet", "source edge-7: query up: connection refused")

    assert Readiness(show, include_details=False).get_unready_reason() == "no topology yet"


@pytest.mark.parametrize("path", ["/docs/", "/metrics/", "/docs/static", "/readyz/"])
def test_no_path_redirects(ports: ServerPorts, path: str) -> None:
    """No path redirects, because a redirect could only lead to the host that the request names."""
    request = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    answer = send_raw(ports.http, request.encode())
    assert parse_status(answer) in (200, 404)
    assert b"evil.example" not in answer


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_probes_support_head(ports: ServerPorts, path: str) -> None:
    """HEAD is answered like GET, without a body."""
    get, head = send_request(ports.http, path), send_request(ports.http, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(ports: ServerPorts, path: str, method: str) -> None:
    """Methods except GET and HEAD get 405 in JSON, with both in Allow."""
    answer = send_request(ports.http, path, method)
    assert answer.status == 405
    assert set(answer.json()) == {"error"}
    assert {word.strip() for word in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect"])
def test_the_documentation_works_offline(guarded: ServerPorts, path: str) -> None:
    """Every URL in the documentation pages is local and public."""
    page = send_request(guarded.http, path)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    html = page.body.decode()
    assert not re.search(r"(?:https?:)?//[\w.-]+\.\w+", html)
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", html) + re.findall(r"""url: ?["']([^"']+)""", html)
    for address in addresses:
        assert address.startswith("/")
        answer = send_request(guarded.http, address)
        assert answer.status == 200
        assert answer.body
    assert len(addresses) == (4 if path == "/docs" else 0)


def test_problem_types_have_anchors(ports: ServerPorts) -> None:
    """The `type` of every problem leads to an entry of /docs with its title and what to do."""
    page = send_request(ports.http, "/docs").body.decode()
    entries = {
        f"/docs#{anchor}": (term, description)
        for anchor, term, description in re.findall(r'<dt id="([^"]+)">(.+)</dt>\n<dd>(.+)</dd>', page)
    }
    assert {kind: term for kind, (term, _) in entries.items()} == {
        f"{PROBLEM_TYPE_BASE_URL}{anchor}": f"{status} {title}" for status, (anchor, title) in PROBLEM_TYPES.items()
    }
    assert send_request(ports.http, "/api/v1/nodes?limit=0").json()["type"] in entries


def test_the_style_sheet_works_offline(guarded: ServerPorts) -> None:
    """The style sheet loads nothing from elsewhere."""
    styles = send_request(guarded.http, "/docs/static/swagger-ui.css").body.decode()
    assert [
        address for address in re.findall(r"url\(['\"]?([^)'\"]+)", styles) if not address.startswith("data:")
    ] == []


def test_pages_cannot_be_framed(ports: ServerPorts) -> None:
    """The content security policy of a page forbids framing."""
    policy = send_request(ports.http, "/docs").headers["Content-Security-Policy"]
    assert policy is not None
    assert "frame-ancestors 'none'" in policy


def test_a_failing_readiness_check_is_not_ready() -> None:
    """An exception in a readiness check makes the process not ready."""

    def breaks() -> None:
        raise RuntimeError("a defect")

    assert Readiness(breaks).get_unready_reason() == "internal error, see the log"
