"""Health, readiness and documentation: what FastAPI answers behind the front."""

import re

import pytest

from aggregator.errors import KeysMissingError, NoTopologyError
from aggregator.server.readiness import Readiness
from tests.server.exchange import ask, raw, status_of
from tests.server.serving import Ports
from tests.server.source import CommandedSource

HEALTHY = b'"Aggregator working properly!"\n'


def test_health_is_what_the_go_service_says(ports: Ports) -> None:
    """/healthz answers to the byte what probes compare."""
    answer = ask(ports.http, "/healthz")
    assert (answer.status, answer.body) == (200, HEALTHY)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_health_does_not_depend_on_a_topology(source: CommandedSource, ports: Ports) -> None:
    """The process is healthy as long as it answers, also with nothing to show."""
    source.failure = NoTopologyError("no topology yet")
    assert ask(ports.http, "/healthz").body == HEALTHY


def test_readiness_follows_the_topology(source: CommandedSource, ports: Ports) -> None:
    """/readyz is 200 with a topology to show, else 503 with the reason."""
    answer = ask(ports.http, "/readyz")
    assert (answer.status, answer.json()) == (200, {"status": "ready"})
    source.failure = NoTopologyError("the last topology is 300 s old: connection refused")
    answer = ask(ports.http, "/readyz")
    assert (answer.status, answer.json()) == (503, {"error": "the last topology is 300 s old: connection refused"})


def test_readiness_ends_for_good() -> None:
    """Once told to stop, a process with a topology is not ready any more."""
    readiness = Readiness(lambda: "a topology")
    assert readiness.why_not() is None
    readiness.stop()
    assert readiness.why_not() == "shutting down"


def test_readiness_needs_keys() -> None:
    """As long as no token can be judged a process with a topology is not ready."""

    def judge() -> None:
        raise KeysMissingError("no keys to check tokens with yet")

    assert Readiness(lambda: "a topology", judge).why_not() == "no keys to check tokens with yet"


def test_readiness_tells_strangers_no_reason() -> None:
    """Where tokens are judged, it is not told to who has none why there is no topology."""

    def show() -> None:
        raise NoTopologyError("no topology yet: source edge-7: query up: connection refused")

    assert Readiness(show, lambda: None).why_not() == "no topology to show"


@pytest.mark.parametrize("path", ["/docs/", "/metrics/", "/docs/static", "/readyz/"])
def test_no_answer_leads_elsewhere(ports: Ports, path: str) -> None:
    """No path is answered with a redirect, which could only lead to whatever host the request names."""
    request = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    answer = raw(ports.http, request.encode())
    assert status_of(answer) in (200, 404)
    assert b"evil.example" not in answer


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_probes_may_ask_for_the_head(ports: Ports, path: str) -> None:
    """HEAD is answered like GET, without a body."""
    get, head = ask(ports.http, path), ask(ports.http, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(ports: Ports, path: str, method: str) -> None:
    """What only answers GET and HEAD says so with 405, JSON, and both in Allow."""
    answer = ask(ports.http, path, method)
    assert answer.status == 405
    assert set(answer.json()) == {"error"}
    assert {word.strip() for word in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect"])
def test_the_documentation_needs_nothing_from_outside(guarded: Ports, path: str) -> None:
    """Every address in the pages of the documentation is local and is answered without a token."""
    page = ask(guarded.http, path)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    html = page.body.decode()
    assert not re.search(r"(?:https?:)?//[\w.-]+\.\w+", html)
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", html) + re.findall(r"""url: ?["']([^"']+)""", html)
    for address in addresses:
        assert address.startswith("/")
        answer = ask(guarded.http, address)
        assert answer.status == 200
        assert answer.body
    assert len(addresses) == (4 if path == "/docs" else 0)


def test_the_styles_of_the_documentation_are_whole(guarded: Ports) -> None:
    """The style sheet loads nothing from elsewhere."""
    styles = ask(guarded.http, "/docs/static/swagger-ui.css").body.decode()
    assert [
        address for address in re.findall(r"url\(['\"]?([^)'\"]+)", styles) if not address.startswith("data:")
    ] == []


def test_pages_cannot_be_framed(ports: Ports) -> None:
    """A page says by its content security policy that no other site may frame it."""
    policy = ask(ports.http, "/docs").headers["Content-Security-Policy"]
    assert policy is not None
    assert "frame-ancestors 'none'" in policy


def test_a_readiness_that_breaks_is_not_ready() -> None:
    """A defect makes the process not ready and breaks nobody who asks."""

    def breaks() -> None:
        raise RuntimeError("a defect")

    assert Readiness(breaks).why_not() == "an internal error; the log has it"
