"""What surrounds both servers: each request and call is counted once, has an id, and is logged without secrets."""

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import pytest

from aggregator.errors import NoTopologyError
from aggregator.own_metrics import AUTH_REASONS, HANDLERS
from aggregator.server.http_front import OPEN_PATHS, OWN_FOLDERS, OWN_PATHS
from aggregator.server.http_watch import handler_of
from aggregator.server.watch import Watch
from aggregator.telemetry import Telemetry
from tests.exposition import Scraped, now, openmetrics, promtool, scraped
from tests.integration.process import until
from tests.server.call import answers, call, channel
from tests.server.exchange import ask, connect, over
from tests.server.judging import static_guard
from tests.server.serving import Manner, Ports, serving
from tests.server.source import CommandedSource
from tests.server.tokens import Realm

SERVICE = "server_proto.Aggregator"
METHOD = {"grpc_service": SERVICE, "grpc_method": "ConnectToQuerier", "grpc_type": "unary"}
UNKNOWN = {"grpc_service": "unknown", "grpc_method": "unknown", "grpc_type": "unary"}
WATCHING = {"grpc_service": "grpc.health.v1.Health", "grpc_method": "Watch", "grpc_type": "server_stream"}
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


@dataclass(frozen=True)
class Watched:
    """Servers of their own, and what they count."""

    source: CommandedSource
    ports: Ports
    telemetry: Telemetry

    @property
    def seen(self) -> Scraped:
        """What was counted so far."""
        return now(self.telemetry)

    def until(self, look: Callable[[Scraped], bool], what: str) -> None:
        """Wait until what is counted is as it should be: it is counted just after the client has its answer."""
        until(lambda: look(self.seen), what)


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Servers without tokens."""
    source, telemetry = CommandedSource(), Telemetry()
    with serving(source, None, manner=Manner(watch=Watch(telemetry))) as ports:
        yield Watched(source, ports, telemetry)


@pytest.fixture
def closed(public_key: str) -> Iterator[Watched]:
    """Servers that ask for tokens."""
    source, telemetry = CommandedSource(), Telemetry()
    with serving(source, static_guard(public_key), manner=Manner(watch=Watch(telemetry))) as ports:
        yield Watched(source, ports, telemetry)


def requests(seen: Scraped, **labels: str) -> float:
    """Return how many requests were counted."""
    return seen.total("http_requests_total", **labels)


# --- /metrics


def test_metrics_are_text_for_prometheus(watched: Watched) -> None:
    """/metrics answers the text format with its Content-Type, and promtool has nothing against it."""
    answer = ask(watched.ports.http, "/metrics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    assert promtool("check", "metrics", given=answer.body.decode()) == ""


def test_metrics_are_openmetrics_for_who_accepts_it(watched: Watched) -> None:
    """A scraper that prefers OpenMetrics gets it, with its Content-Type and its end."""
    answer = ask(watched.ports.http, "/metrics", headers=[("Accept", OPENMETRICS)])
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert answer.body.endswith(b"# EOF\n")
    assert openmetrics(answer.body.decode())


@pytest.mark.parametrize(
    "accept", ["", "*/*", ",;,;=", "application/openmetrics-text;version=9.9.9.9", "text/plain;version=x", "a" * 9000]
)
def test_any_accept_gets_a_content_type(watched: Watched, accept: str) -> None:
    """Whatever a scraper says that it accepts, it gets metrics with a Content-Type: Prometheus 3 insists on one."""
    answer = ask(watched.ports.http, "/metrics", headers=[("Accept", accept)])
    assert answer.status == 200
    assert re.match(r"(text/plain|application/openmetrics-text); ", answer.headers["Content-Type"])


def test_metrics_need_no_token(closed: Watched) -> None:
    """Like /healthz, /metrics is open; /metrics/ is not."""
    assert "/metrics" in OPEN_PATHS
    assert ask(closed.ports.http, "/metrics").status == 200
    assert ask(closed.ports.http, "/metrics/").status == 401


# --- HTTP


def test_every_path_of_ours_has_a_handler() -> None:
    """Each path that is not the topology's counts as another handler, and there are no handlers beyond the table."""
    of_paths = {path: handler_of(path) for path in (*OWN_PATHS, *(f"{folder}x" for folder in OWN_FOLDERS))}
    assert set(of_paths.values()) == set(HANDLERS) - {"topology"}
    assert {handler_of(path) for path in ("/", "/x", "/healthz/", "/metricsx", "/docs2", "//", "")} == {"topology"}


@pytest.mark.parametrize(
    ("path", "method", "status", "handler"),
    [
        ("/", "GET", 200, "topology"),
        ("/any/path", "POST", 200, "topology"),
        ("/", "HEAD", 200, "topology"),
        ("/", "DELETE", 405, "topology"),
        ("/?layout=3000", "GET", 400, "topology"),
        ("/healthz", "GET", 200, "probes"),
        ("/docs", "GET", 200, "docs"),
        ("/api/x", "GET", 404, "api"),
        ("/metrics", "GET", 200, "metrics"),
    ],
)
def test_each_request_is_counted_once(watched: Watched, path: str, method: str, status: int, handler: str) -> None:
    """Whoever answers, the front or what is behind it, the request is in one series, and in the durations."""
    before = requests(watched.seen)
    assert ask(watched.ports.http, path, method).status == status
    watched.until(lambda seen: requests(seen) == before + 1, "the request is counted")
    assert requests(watched.seen, handler=handler, method=method, code=str(status)) == 1
    assert watched.seen.value("http_request_duration_seconds_count", handler=handler) == 1


def test_refusals_and_failures_are_counted(closed: Watched, realm: Realm) -> None:
    """401, 503 and 500 are counted as they were answered."""
    bearing = [("Authorization", f"Bearer {realm.token()}")]
    assert ask(closed.ports.http).status == 401
    closed.source.failure = NoTopologyError("no topology yet")
    assert ask(closed.ports.http, headers=bearing).status == 503
    closed.source.failure = RuntimeError("a defect")
    assert ask(closed.ports.http, headers=bearing).status == 500
    closed.until(lambda seen: requests(seen, handler="topology") == 3, "all are counted")
    assert [requests(closed.seen, code=code) for code in ("401", "503", "500")] == [1, 1, 1]


def test_a_client_that_goes_away_is_counted(watched: Watched) -> None:
    """Who closes the connection before the answer is counted once all the same."""
    with socket.create_connection(("127.0.0.1", watched.ports.http)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    watched.until(lambda seen: requests(seen, handler="topology") == 1, "the request is counted")


def test_many_requests_on_one_connection(watched: Watched) -> None:
    """Two hundred requests are two hundred, in the counter and in the durations."""
    connection = connect(watched.ports.http)
    try:
        ids = {over(connection).request_id for _ in range(200)}
    finally:
        connection.close()
    assert len(ids) == 200
    watched.until(lambda seen: requests(seen, handler="topology", code="200") == 200, "all are counted")
    assert watched.seen.value("http_request_duration_seconds_bucket", handler="topology", le="+Inf") == 200


def test_refused_tokens_are_counted_by_reason(closed: Watched, realm: Realm) -> None:
    """Each refusal counts under the word that says why, over HTTP and over gRPC."""
    expired = f"Bearer {realm.token(exp=1)}"
    assert ask(closed.ports.http).status == 401
    assert ask(closed.ports.http, headers=[("Authorization", expired)]).status == 401
    assert call(closed.ports.grpc, metadata=[("authorization", expired)]).code is grpc.StatusCode.UNAUTHENTICATED
    reasons = {reason: closed.seen.value("aggregator_auth_failures_total", reason=reason) for reason in AUTH_REASONS}
    assert {reason: number for reason, number in reasons.items() if number} == {"no token": 1, "expired": 2}


# --- ids


@pytest.mark.parametrize("given", ["a", "0f.-_Z", "x" * 128])
def test_a_sane_id_is_taken_over(watched: Watched, given: str) -> None:
    """An X-Request-Id of letters, digits, dot, dash and underscore comes back, over HTTP and over gRPC."""
    assert ask(watched.ports.http, headers=[("X-Request-Id", given)]).request_id == given
    assert ask(watched.ports.http, "/healthz", headers=[("X-Request-Id", given)]).request_id == given
    assert call(watched.ports.grpc, metadata=[("x-request-id", given)]).request_id == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "<script>", 'a"b', "ä"])
def test_another_id_is_replaced(watched: Watched, given: str) -> None:
    """An id that could do harm in a log is replaced by one of ours."""
    answered = ask(watched.ports.http, headers=[("X-Request-Id", given.encode("latin-1"))]).request_id
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", answered)


def test_errors_have_ids(closed: Watched) -> None:
    """A refused request and a refused call have their ids, too."""
    assert ask(closed.ports.http).request_id
    assert call(closed.ports.grpc).request_id
    assert call(closed.ports.grpc, metadata=[("x-request-id", "mine")]).request_id == "mine"


# --- gRPC


def calls(seen: Scraped, code: str | None = None, **call_labels: str) -> float:
    """Return how many calls began, or ended with a code."""
    if code is None:
        return seen.total("grpc_server_started_total", **call_labels)
    return seen.total("grpc_server_handled_total", grpc_code=code, **call_labels)


def test_each_call_is_counted_once(watched: Watched) -> None:
    """A call that is answered, and those that are not, began once and ended once with their code."""
    assert calls(watched.seen, "OK", **METHOD) == calls(watched.seen, **METHOD) == 0
    assert call(watched.ports.grpc).code is grpc.StatusCode.OK
    watched.source.failure = NoTopologyError("no topology yet")
    assert call(watched.ports.grpc).code is grpc.StatusCode.UNAVAILABLE
    watched.source.failure = RuntimeError("a defect")
    assert call(watched.ports.grpc).code is grpc.StatusCode.INTERNAL
    watched.until(lambda seen: seen.total("grpc_server_handled_total", **METHOD) == 3, "all are counted")
    assert calls(watched.seen, **METHOD) == 3
    assert [calls(watched.seen, code, **METHOD) for code in ("OK", "UNAVAILABLE", "INTERNAL")] == [1, 1, 1]


def test_refused_calls_are_counted(closed: Watched, realm: Realm) -> None:
    """Calls without a token count as UNAUTHENTICATED, those with one as OK, whichever comes first."""
    good = [("authorization", f"Bearer {realm.token()}")]
    for metadata in ([], good, [], good):
        call(closed.ports.grpc, metadata=metadata)
    closed.until(lambda seen: seen.total("grpc_server_handled_total", **METHOD) == 4, "all are counted")
    assert [calls(closed.seen, code, **METHOD) for code in ("OK", "UNAUTHENTICATED")] == [2, 2]


def test_made_up_methods_are_one_series(watched: Watched) -> None:
    """Methods that do not exist count as unknown and UNIMPLEMENTED, whatever their names."""
    for number in range(20):
        assert call(watched.ports.grpc, f"/x.Y{number}/Z").code is grpc.StatusCode.UNIMPLEMENTED
    assert call(watched.ports.grpc, f"/{SERVICE}/Nothing").code is grpc.StatusCode.UNIMPLEMENTED
    assert calls(watched.seen, **UNKNOWN) == calls(watched.seen, "UNIMPLEMENTED", **UNKNOWN) == 21
    assert len({tuple(one.values()) for one in watched.seen.series("grpc_server_started_total")}) < 30


def test_a_cancelled_call_is_counted(watched: Watched) -> None:
    """A stream that its client gives up counts as CANCELLED, and is under way until then."""
    with channel(watched.ports.grpc) as opened:
        watching = answers(opened, "/grpc.health.v1.Health/Watch")
        assert next(iter(watching))
        assert calls(watched.seen, **WATCHING) == 1
        assert watched.seen.total("grpc_server_handled_total", **WATCHING) == 0
        watching.cancel()
        watched.until(lambda seen: calls(seen, "CANCELLED", **WATCHING) == 1, "the cancelled call is counted")
    assert watched.seen.total("grpc_server_handled_total", **WATCHING) == 1


def test_the_front_and_the_scrape_agree(watched: Watched) -> None:
    """What /metrics answers is what was counted, its own request not yet included."""
    ask(watched.ports.http)
    watched.until(lambda seen: requests(seen) == 1, "the request is counted")
    answer = scraped(ask(watched.ports.http, "/metrics").body.decode())
    assert requests(answer, handler="topology") == 1
    assert requests(answer, handler="metrics") == 0
