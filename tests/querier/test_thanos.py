"""What is asked of Thanos, and how it is told from a Prometheus."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from aggregator.errors import QueryError
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.thanos import KNOWN_SECONDS, UNKNOWN_SECONDS, Dialect, Mode, lists_stores
from tests.querier.peer import WAIT_SECONDS, Peer, Request, Script, hanging, peer, response, sending

BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
STORES = response(b'{"status":"success","data":{"sidecar":[]}}')
NOT_FOUND = response(b"404 page not found\n", "404 Not Found")
SENT = {"dedup": "true", "partial_response": "true", "max_source_resolution": "0"}

Make = Callable[..., Client]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes a client that speaks as told, and close what it made."""
    made: list[Client] = []

    def make_client(url: str, mode: Mode = "auto", *, serves_partial: bool = True, query_seconds: float = 5) -> Client:
        limits = Limits(query_seconds=query_seconds, answer_bytes=100_000, connections=4)
        dialect = Dialect(mode, serves_partial=serves_partial)
        made.append(Client(Address(url), limits, dialect=dialect, sleep=lambda _seconds: None))
        return made[-1]

    yield make_client
    for client in made:
        client.close()


def replying(stores: bytes, query: bytes = response(BODY)) -> Script:
    """Return a script that answers the question for the stores, and every query."""

    def script(connection: socket.socket, request: Request, running: Peer) -> None:
        sending(stores if request.path.endswith("/stores") else query)(connection, request, running)

    return script


def sent(request: Request) -> dict[str, str]:
    """Return the parameters of a query that only Thanos understands."""
    return {name: values[0] for name, values in request.parameters.items() if name in SENT}


def probes(upstream: Peer) -> list[str]:
    """Return the paths of the requests that are no queries."""
    return [request.path for request in upstream.requests if not request.path.endswith("/query")]


@pytest.mark.parametrize(("serves_partial", "text"), [(True, "true"), (False, "false")])
def test_on_sends_the_parameters_and_asks_nothing_else(make: Make, serves_partial: bool, text: str) -> None:
    """Deduplicated raw data are asked for, and partial answers as the operator has it."""
    with peer(replying(NOT_FOUND)) as upstream:
        make(upstream.url, "on", serves_partial=serves_partial).ask("up", 1.0)
    (request,) = upstream.requests
    assert sent(request) == SENT | {"partial_response": text}


def test_off_sends_none(make: Make) -> None:
    """Nothing but what Prometheus knows is sent."""
    with peer(replying(STORES)) as upstream:
        make(upstream.url, "off").ask("up", 1.0)
    (request,) = upstream.requests
    assert sent(request) == {}


@pytest.mark.parametrize(("stores", "expected"), [(STORES, SENT), (NOT_FOUND, {})])
def test_auto_asks_for_the_stores_once(make: Make, stores: bytes, expected: dict[str, str]) -> None:
    """Whoever lists stores is Thanos, below a path prefix, too; while it answers it is not asked again."""
    with peer(replying(stores)) as upstream:
        client = make(f"{upstream.url}/prefix")
        client.ask("up", 1.0)
        client.ask("up", 1.0)
        client.ask("up", 1.0 + KNOWN_SECONDS - 1)
    assert probes(upstream) == ["/prefix/api/v1/stores"]
    assert [sent(request) for request in upstream.requests[1:]] == [expected] * 3


@pytest.mark.parametrize(
    "stores",
    [
        pytest.param(response(b"no", "401 Unauthorized"), id="refused"),
        pytest.param(response(b"", "503 Service Unavailable"), id="busy"),
        pytest.param(response(b"", "302 Found", "Location: http://localhost:1/"), id="led elsewhere"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="no HTTP"),
        pytest.param(response(b" " * 200_000), id="too large"),
    ],
)
def test_what_cannot_be_found_out_is_not_fatal(make: Make, stores: bytes) -> None:
    """The queries are asked all the same, with the parameters, and who answers is asked again a while later."""
    with peer(replying(stores)) as upstream:
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0, 1.0 + UNKNOWN_SECONDS):
            assert client.ask("up", at_seconds) == BODY
    assert len([path for path in probes(upstream) if path.endswith("/stores")]) == 2
    assert [sent(request) for request in upstream.requests if request.path.endswith("/query")] == [SENT] * 3


def test_a_web_page_is_no_list_of_stores() -> None:
    """A server that answers anything with its page, or another list, is not taken for Thanos."""
    assert lists_stores(b'{"status":"success","data":{"sidecar":[{"name":"a"}]}}')
    for body in (b"<html>", b"", b'{"status":"error"}', b'{"status":"success","data":[]}', b"[" * 100_000, b"\xff"):
        assert not lists_stores(body)


def test_after_a_failure_it_is_found_out_anew(make: Make) -> None:
    """A Prometheus that was replaced by Thanos is noticed at the next refresh after the failure between them."""
    replies = {"stores": NOT_FOUND, "query": response(BODY)}

    def script(connection: socket.socket, request: Request, running: Peer) -> None:
        sending(replies[request.path.rpartition("/")[2]])(connection, request, running)

    with peer(script) as upstream:
        client = make(upstream.url)
        client.ask("up", 1.0)
        replies["query"] = response(b"", "503 Service Unavailable")
        with pytest.raises(QueryError):
            client.ask("up", 2.0)
        replies |= {"query": response(BODY), "stores": STORES}
        client.ask("up", 2.0)
        client.ask("up", 3.0)
        client.ask("up", 4.0)
    assert len(probes(upstream)) == 2
    assert [sent(request) for request in upstream.requests if "query" in request.path] == [{}, {}, {}, SENT, SENT]


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
def test_a_refused_query_is_no_reason_to_ask_again(make: Make, status: str) -> None:
    """What is said against a query does not tell that another one answers now."""
    with peer(replying(NOT_FOUND, response(b"", status))) as upstream:
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0):
            with pytest.raises(QueryError):
                client.ask("up", at_seconds)
    assert len(probes(upstream)) == 1


def test_many_queries_at_once_ask_once(make: Make) -> None:
    """Threads that ask for one moment find out together who answers."""
    with peer(replying(STORES)) as upstream:
        client = make(upstream.url)
        threads = [threading.Thread(target=client.ask, args=("up", 1.0)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(probes(upstream)) == 1
    assert [sent(request) for request in upstream.requests if "query" in request.path] == [SENT] * 4


def test_stores_that_hang_hold_nothing_up_for_long(make: Make) -> None:
    """The question who answers has a short time of its own."""

    def script(connection: socket.socket, request: Request, running: Peer) -> None:
        (hanging if request.path.endswith("/stores") else sending(response(BODY)))(connection, request, running)

    with peer(script) as upstream:
        assert make(upstream.url, query_seconds=0.1).ask("up", 1.0) == BODY


def test_what_is_broken_off_while_it_finds_out_is_not_asked_later() -> None:
    """Queries that wait for the answer to who is there end with it when all is broken off, and are never sent."""
    limits = Limits(query_seconds=WAIT_SECONDS, answer_bytes=1000, connections=3)
    with peer(hanging) as upstream, contextlib.ExitStack() as stack:
        client = Client(Address(upstream.url), limits, dialect=Dialect("auto"))
        stack.callback(client.close)
        threads = stack.enter_context(ThreadPoolExecutor(3))
        asked = [threads.submit(client.ask, "up", 1.0) for _ in range(3)]
        assert upstream.asked.wait(WAIT_SECONDS)
        started_at = time.monotonic()
        client.abort()
        assert {str(one.exception(WAIT_SECONDS)) for one in asked} == {"broken off"}
        assert time.monotonic() - started_at < 2
        assert [request.path for request in upstream.requests] == ["/api/v1/stores"]


@pytest.mark.parametrize(("query", "told"), [(response(BODY), [False]), (NOT_FOUND, [])], ids=["Prometheus", "nothing"])
def test_only_who_answers_queries_is_told_of(make: Make, query: bytes, told: list[bool]) -> None:
    """A server that has nothing at any path is not said to be a Prometheus; one that answers is, once."""
    with peer(replying(NOT_FOUND, query)) as upstream, structlog.testing.capture_logs() as logged:
        client = make(upstream.url)
        for at_seconds in (1.0, 2.0):
            with contextlib.suppress(QueryError):
                client.ask("up", at_seconds)
    assert [line["thanos"] for line in logged if line["event"] == "upstream found out"] == told
