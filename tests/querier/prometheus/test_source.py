"""A Prometheus source: all queries of one refresh."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from aggregator.errors import (
    MalformedResponseError,
    NotListeningError,
    QueryError,
    QueryTimeoutError,
    UnreachableError,
    UpstreamStatusError,
)
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.decode import CompressedBody, ignore_deadline
from aggregator.querier.prometheus.source import PrometheusSource, Upstream
from aggregator.querier.source import RefreshBudget, RowResult, RowSamples
from tests.support.fake_upstream import compress_body
from tests.support.samples import create_row, encode_response
from tests.support.scripted_server import (
    WAIT_SECONDS,
    ResponseScript,
    drip_response,
    run_scripted_server,
    stall_response,
)

ResponseFunction = Callable[[str], bytes]

LONG_SECONDS = 60.0
SHORT_SECONDS = 0.1
GOOD_BODY = encode_response([({"a": "b"}, "1")])


class ScriptedUpstream:
    """An upstream that responds with a function of the test, and records its queries."""

    def __init__(self, behaviour: ResponseFunction) -> None:
        self.respond = behaviour
        self.queries: list[tuple[str, float]] = []
        self.aborted = threading.Event()

    def query(self, promql: str, at_seconds: float) -> CompressedBody:
        """Respond."""
        self.queries.append((promql, at_seconds))
        return compress_body(self.respond(promql))

    def abort(self) -> None:
        """Record the abort."""
        self.aborted.set()


SourceFactory = Callable[[Upstream, int], PrometheusSource]


@pytest.fixture
def make() -> Iterator[SourceFactory]:
    """Return a function that creates a source, and close what it created."""
    created: list[PrometheusSource] = []

    def make_source(upstream: Upstream, concurrency: int) -> PrometheusSource:
        created.append(PrometheusSource(upstream, concurrency))
        return created[-1]

    yield make_source
    for source in created:
        source.close()


def collect(
    source: PrometheusSource, *names: str, timeout_seconds: float = LONG_SECONDS, at_seconds: float = 1.0
) -> dict[str, RowResult]:
    """Return the results of rows whose PromQL is their name, by name."""
    rows = [create_row(name, labels=("a",)) for name in names]
    results = source.collect(rows, at_seconds, RefreshBudget(timeout_seconds))
    return {row.name: results.wait_for_row(row) for row in rows}


def test_each_row_has_its_answer(make: SourceFactory) -> None:
    """A result has samples, a duration, and the answer in a form that gives the same again."""
    upstream = ScriptedUpstream(lambda promql: encode_response([({"a": promql}, "1")]))
    results = collect(make(upstream, 4), "one", "two")
    for name, result in results.items():
        assert isinstance(result.outcome, RowSamples)
        assert [sample.labels.a for sample in result.outcome.samples] == [name]
        assert result.stored_response is not None
        assert result.stored_response.get_body() == encode_response([({"a": name}, "1")])
        assert result.stored_response.decode(ignore_deadline) == result.outcome
        assert 0 <= result.duration_seconds < LONG_SECONDS


def test_all_queries_are_for_one_instant(make: SourceFactory) -> None:
    """Every query of a refresh has the same evaluation time."""
    upstream = ScriptedUpstream(lambda _promql: GOOD_BODY)
    collect(make(upstream, 2), "a", "b", "c", at_seconds=1795208200.25)
    assert sorted(upstream.queries) == [(name, 1795208200.25) for name in "abc"]


def test_a_row_can_be_read_while_others_are_running(make: SourceFactory) -> None:
    """Reading a row waits for its own query alone."""
    released = threading.Event()
    upstream = ScriptedUpstream(lambda promql: GOOD_BODY if promql == "quick" else respond_after(released))
    rows = [create_row("slow"), create_row("quick")]
    results = make(upstream, 2).collect(rows, 1.0, RefreshBudget(LONG_SECONDS))
    assert isinstance(results.wait_for_row(rows[1]).outcome, RowSamples)
    released.set()


def test_a_failure_does_not_affect_other_rows(make: SourceFactory) -> None:
    """The other rows have answers; the failed one has its error and no stored answer."""

    def behaviour(promql: str) -> bytes:
        if promql == "bad":
            raise UpstreamStatusError(422, "many-to-many matching not allowed")
        return b"<html>" if promql == "odd" else GOOD_BODY

    results = collect(make(ScriptedUpstream(behaviour), 1), "bad", "odd", "good")
    assert isinstance(results["bad"].outcome, UpstreamStatusError)
    assert isinstance(results["odd"].outcome, MalformedResponseError)
    assert isinstance(results["good"].outcome, RowSamples)
    assert (results["bad"].stored_response, results["odd"].stored_response) == (None, None)


def test_a_stored_error_keeps_nothing_alive(make: SourceFactory) -> None:
    """The error of a result refers to no frame and no other error, which could keep a large body alive."""

    def behaviour(promql: str) -> bytes:
        if promql == "bad":
            raise UnreachableError("reset") from ConnectionResetError()
        return b"<html>"

    for result in collect(make(ScriptedUpstream(behaviour), 1), "bad", "odd").values():
        error = result.outcome
        assert isinstance(error, QueryError)
        assert (error.__traceback__, error.__cause__, error.__context__) == (None,) * 3


def test_concurrency_is_limited(make: SourceFactory) -> None:
    """At most the allowed number of queries runs at once, and that many do."""
    together = threading.Barrier(3)
    lock = threading.Lock()
    under_way = [0]
    most = [0]

    def behaviour(_promql: str) -> bytes:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        together.wait(WAIT_SECONDS)
        with lock:
            under_way[0] -= 1
        return GOOD_BODY

    collect(make(ScriptedUpstream(behaviour), 3), *"abcdef")
    assert most == [3]


def test_a_refused_connection_opens_the_circuit(make: SourceFactory) -> None:
    """After a refused connection, queries that have not started are not sent; their error gives the reason."""

    def behaviour(_promql: str) -> bytes:
        raise NotListeningError("connection refused")

    upstream = ScriptedUpstream(behaviour)
    results = collect(make(upstream, 1), "a", "b", "c")
    assert [promql for promql, _ in upstream.queries] == ["a"]
    assert [str(result.outcome) for result in results.values()] == [
        "connection refused",
        "not sent: connection refused",
        "not sent: connection refused",
    ]


def test_the_circuit_is_closed_in_the_next_refresh(make: SourceFactory) -> None:
    """A refused connection has no effect on the next refresh."""
    replies: Iterator[bytes | Exception] = iter([NotListeningError("connection refused"), GOOD_BODY])

    def behaviour(_promql: str) -> bytes:
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return reply

    source = make(ScriptedUpstream(behaviour), 1)
    collect(source, "a")
    assert isinstance(collect(source, "a")["a"].outcome, RowSamples)


def test_the_deadline_aborts_all_queries(make: SourceFactory) -> None:
    """At the deadline the upstream is aborted, and rows without a response have timed out."""
    upstream = ScriptedUpstream(lambda promql: GOOD_BODY if promql == "quick" else respond_after(upstream.aborted))
    results = collect(make(upstream, 2), "quick", "slow", timeout_seconds=SHORT_SECONDS)
    assert upstream.aborted.is_set()
    assert isinstance(results["quick"].outcome, RowSamples)
    assert isinstance(results["slow"].outcome, QueryTimeoutError)


def test_no_query_is_sent_after_the_deadline(make: SourceFactory) -> None:
    """A query that waits for a thread at the deadline is never sent."""
    upstream = ScriptedUpstream(lambda _promql: respond_after(upstream.aborted))
    source = make(upstream, 1)
    results = collect(source, "slow", "waiting", timeout_seconds=SHORT_SECONDS)
    assert isinstance(results["waiting"].outcome, QueryTimeoutError)
    # The one thread works in order: what it does next comes after whatever it would have done for the last query.
    upstream.respond = lambda _promql: GOOD_BODY
    collect(source, "next")
    assert [promql for promql, _ in upstream.queries] == ["slow", "next"]


def test_the_deadline_holds_without_an_abort(make: SourceFactory) -> None:
    """The deadline holds even if aborting has no effect."""
    released = threading.Event()
    upstream = ScriptedUpstream(lambda _promql: respond_after(released))
    start = time.monotonic()
    results = collect(make(upstream, 1), "stuck", timeout_seconds=SHORT_SECONDS)
    took_seconds = time.monotonic() - start
    released.set()
    assert str(results["stuck"].outcome) == "no response before the refresh timed out"
    assert took_seconds < WAIT_SECONDS / 2


def test_closing_aborts(make: SourceFactory) -> None:
    """Closing a source aborts its queries."""
    upstream = ScriptedUpstream(lambda _promql: GOOD_BODY)
    make(upstream, 1).close()
    assert upstream.aborted.is_set()


@pytest.mark.parametrize("script", [stall_response, drip_response])
def test_the_deadline_ends_real_queries(script: ResponseScript) -> None:
    """The connection to an upstream that hangs, or sends a byte at a time, is closed at the deadline."""
    with run_scripted_server(script) as upstream:
        client = PrometheusClient(
            UpstreamAddress(upstream.url),
            QueryLimits(query_timeout_seconds=5, max_response_bytes=10**6, max_connections=2),
        )
        source = PrometheusSource(client, concurrency=2)
        results = collect(source, "a", timeout_seconds=0.3)
        assert isinstance(results["a"].outcome, QueryTimeoutError)
        assert upstream.client_disconnected.wait(WAIT_SECONDS)
        source.close()
        client.close()


def respond_after(event: threading.Event) -> bytes:
    """Fail once the event has happened."""
    assert event.wait(WAIT_SECONDS)
    raise QueryTimeoutError("broken off")
