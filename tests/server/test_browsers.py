"""What browsers are told about pages of other origins."""

from collections.abc import Iterator

import pytest

from aggregator.errors import NoTopologyError
from aggregator.server.browsers import browsers
from tests.server.exchange import Answer, ask
from tests.server.judging import static_guard
from tests.server.serving import Manner, Ports, serving
from tests.server.source import CommandedSource
from tests.server.tokens import Realm

ORIGIN = "https://dashboard.example"
TOLD = {"age", "etag", "retry-after", "x-request-id", "x-topology-complete"}


@pytest.fixture(scope="module")
def listed(public_key: str) -> Iterator[tuple[CommandedSource, Ports]]:
    """Guarded servers that one origin may ask."""
    source = CommandedSource()
    manner = Manner(around=lambda app: browsers(app, [ORIGIN]))
    with serving(source, static_guard(public_key), manner=manner) as ports:
        yield source, ports


def allowed(answer: Answer) -> dict[str, str]:
    """Return the headers about other origins."""
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control")}


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/nothing?layout=x"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_without_the_setting_there_is_no_such_header(ports: Ports, path: str, method: str) -> None:
    """Unless origins are listed, no answer has a header about them, whatever a browser asks."""
    headers = [("Origin", ORIGIN), ("Access-Control-Request-Method", "GET")]
    assert allowed(ask(ports.http, path, method, headers=headers)) == {}


def test_a_listed_origin_may_read(listed: tuple[CommandedSource, Ports], realm: Realm) -> None:
    """A page of a listed origin may read the answer with a token, and the headers that matter."""
    answer = ask(listed[1].http, headers=[("Origin", ORIGIN), ("Authorization", f"Bearer {realm.token()}")])
    assert answer.status == 200
    told = allowed(answer)
    assert told["access-control-allow-origin"] == ORIGIN
    assert {name.strip().lower() for name in told["access-control-expose-headers"].split(",")} == TOLD
    assert "access-control-allow-credentials" not in told
    assert "Origin" in answer.headers["Vary"]


def test_errors_may_be_read_too(listed: tuple[CommandedSource, Ports], realm: Realm) -> None:
    """A refusal and an outage are readable by the page, or it could not tell them from a broken network."""
    source, ports = listed
    refused = ask(ports.http, headers=[("Origin", ORIGIN)])
    source.failure = NoTopologyError("no topology yet")
    away = ask(ports.http, headers=[("Origin", ORIGIN), ("Authorization", f"Bearer {realm.token()}")])
    source.failure = None
    assert (refused.status, away.status) == (401, 503)
    for answer in (refused, away):
        assert allowed(answer)["access-control-allow-origin"] == ORIGIN
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://dashboard.example.evil", "http://dashboard.example", "null"]
)
def test_another_origin_may_not(listed: tuple[CommandedSource, Ports], realm: Realm, origin: str) -> None:
    """A page of any other origin is not let in, and caches are told that it depends on the origin."""
    answer = ask(listed[1].http, headers=[("Origin", origin), ("Authorization", f"Bearer {realm.token()}")])
    assert "access-control-allow-origin" not in allowed(answer)
    assert "Origin" in answer.headers["Vary"]


def test_an_answer_to_nobody_in_particular_says_so(listed: tuple[CommandedSource, Ports]) -> None:
    """Also an answer to a request without origin tells caches that it depends on the origin."""
    answer = ask(listed[1].http, "/healthz")
    assert allowed(answer) == {}
    assert answer.headers["Vary"] == "Origin"


def preflight(port: int, origin: str, method: str = "GET") -> Answer:
    """Ask what a browser asks beforehand."""
    headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization"),
    ]
    return ask(port, "/", "OPTIONS", headers=headers)


def test_a_browser_may_ask_beforehand(listed: tuple[CommandedSource, Ports]) -> None:
    """The question beforehand needs no token, allows Authorization, and tells nothing of the topology."""
    answer = preflight(listed[1].http, ORIGIN)
    assert (answer.status, answer.body) == (200, b"OK")
    told = allowed(answer)
    assert told["access-control-allow-origin"] == ORIGIN
    assert "authorization" in told["access-control-allow-headers"].lower()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Topology-Complete" not in answer.headers


def test_asked_beforehand_the_rest_is_refused(listed: tuple[CommandedSource, Ports]) -> None:
    """Another origin, or another method, is refused beforehand."""
    assert preflight(listed[1].http, "https://evil.example").status == 400
    assert "access-control-allow-origin" not in allowed(preflight(listed[1].http, "https://evil.example"))
    assert preflight(listed[1].http, ORIGIN, "DELETE").status == 400


def test_an_options_request_that_is_none_needs_a_token(listed: tuple[CommandedSource, Ports]) -> None:
    """OPTIONS without the question of a browser goes the way of every request."""
    assert ask(listed[1].http, "/", "OPTIONS", headers=[("Origin", ORIGIN)]).status == 401


def test_all_origins_can_be_listed() -> None:
    """With a star every page may read."""
    with serving(CommandedSource(), None, manner=Manner(around=lambda app: browsers(app, ["*"]))) as ports:
        assert (
            allowed(ask(ports.http, headers=[("Origin", "https://any.example")]))["access-control-allow-origin"] == "*"
        )
