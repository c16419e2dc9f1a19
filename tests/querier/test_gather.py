"""All queries of one refresh."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import (
    MalformedError,
    NotListeningError,
    QueryError,
    RefusedError,
    TooSlowError,
    UnreachableError,
)
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.decode import Answer, decoder
from aggregator.querier.gather import Gatherer, Query
from aggregator.querier.packing import pack, unpack
from tests.querier.peer import WAIT_SECONDS, Script, dripping, hanging, peer
from tests.samples import body

Behaviour = Callable[[str], bytes]

LONG_SECONDS = 60.0
SHORT_SECONDS = 0.1
GOOD = body([({"a": "b"}, "1")])


class Upstream:
    """An upstream that answers by a function of the test, and remembers what it was asked."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked: list[tuple[str, float]] = []
        self.aborted = threading.Event()

    def ask(self, promql: str, at_seconds: float) -> bytes:
        """Answer."""
        self.asked.append((promql, at_seconds))
        return self.behaviour(promql)

    def abort(self) -> None:
        """Remember it."""
        self.aborted.set()


Make = Callable[[Upstream, int, float], Gatherer]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes a gatherer, and close what it made."""
    made: list[Gatherer] = []

    def make_gatherer(upstream: Upstream, concurrency: int, deadline_seconds: float) -> Gatherer:
        made.append(Gatherer(upstream, concurrency, deadline_seconds))
        return made[-1]

    yield make_gatherer
    for gatherer in made:
        gatherer.close()


def queries(*names: str) -> list[Query]:
    """Return queries whose PromQL is their name."""
    return [Query(name, name, decoder(("a",))) for name in names]


def test_each_query_has_its_answer(make: Make) -> None:
    """Outcomes are found by the query's name, with samples, packed body and duration."""
    upstream = Upstream(lambda promql: body([({"a": promql}, "1")]))
    outcomes = dict(make(upstream, 4, LONG_SECONDS).gather(queries("one", "two"), 5.0))
    assert list(outcomes) == ["one", "two"]
    for name, outcome in outcomes.items():
        assert isinstance(outcome.result, Answer)
        assert [sample.metric.a for sample in outcome.result.samples] == [name]
        assert unpack(outcome.packed) == body([({"a": name}, "1")])
        assert 0 <= outcome.seconds < LONG_SECONDS


def test_all_are_asked_for_one_time(make: Make) -> None:
    """Every query of a gathering has the same point in time."""
    upstream = Upstream(lambda _promql: GOOD)
    dict(make(upstream, 2, LONG_SECONDS).gather(queries("a", "b", "c"), 1795208200.25))
    assert sorted(upstream.asked) == [(name, 1795208200.25) for name in "abc"]


def test_the_first_answer_is_there_while_others_are_under_way(make: Make) -> None:
    """Looking up an outcome waits for that query alone."""
    released = threading.Event()
    upstream = Upstream(lambda promql: GOOD if promql == "quick" else wait_for(released))
    outcomes = make(upstream, 2, LONG_SECONDS).gather(queries("slow", "quick"), 1.0)
    assert isinstance(outcomes["quick"].result, Answer)
    assert (list(outcomes), len(outcomes)) == (["slow", "quick"], 2)
    released.set()


def test_one_failure_is_that_querys_own(make: Make) -> None:
    """The other queries are answered, and the failed one has its reason and no body."""

    def behaviour(promql: str) -> bytes:
        if promql == "bad":
            raise RefusedError(422, "many-to-many matching not allowed")
        return b"<html>" if promql == "odd" else GOOD

    outcomes = dict(make(Upstream(behaviour), 1, LONG_SECONDS).gather(queries("bad", "odd", "good"), 1.0))
    assert isinstance(outcomes["bad"].result, RefusedError)
    assert isinstance(outcomes["odd"].result, MalformedError)
    assert isinstance(outcomes["good"].result, Answer)
    assert (outcomes["bad"].packed, outcomes["odd"].packed) == (b"", b"")


def test_a_failure_holds_on_to_nothing(make: Make) -> None:
    """The error of an outcome leads to no frame and no other error, which may hold a large answer."""

    def behaviour(promql: str) -> bytes:
        if promql == "bad":
            raise UnreachableError("reset") from ConnectionResetError()
        return b"<html>"

    for outcome in dict(make(Upstream(behaviour), 1, LONG_SECONDS).gather(queries("bad", "odd"), 1.0)).values():
        assert isinstance(outcome.result, QueryError)
        assert (outcome.result.__traceback__, outcome.result.__cause__, outcome.result.__context__) == (None,) * 3


def test_no_more_than_so_many_at_once(make: Make) -> None:
    """As many queries as allowed are under way together, and never one more."""
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
        return GOOD

    dict(make(Upstream(behaviour), 3, LONG_SECONDS).gather(queries(*"abcdef"), 1.0))
    assert most == [3]


def test_nobody_there_is_asked_no_more(make: Make) -> None:
    """Once a connection was refused, the queries that had not started are not asked and say why."""

    def behaviour(_promql: str) -> bytes:
        raise NotListeningError("connection refused")

    upstream = Upstream(behaviour)
    outcomes = dict(make(upstream, 1, LONG_SECONDS).gather(queries("a", "b", "c"), 1.0))
    assert [promql for promql, _ in upstream.asked] == ["a"]
    assert [str(outcome.result) for outcome in outcomes.values()] == [
        "connection refused",
        "not asked: connection refused",
        "not asked: connection refused",
    ]


def test_the_next_gathering_starts_anew(make: Make) -> None:
    """A refused connection is forgotten with the refresh that met it."""
    replies: Iterator[bytes | Exception] = iter([NotListeningError("connection refused"), GOOD])

    def behaviour(_promql: str) -> bytes:
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return reply

    gatherer = make(Upstream(behaviour), 1, LONG_SECONDS)
    dict(gatherer.gather(queries("a"), 1.0))
    assert isinstance(gatherer.gather(queries("a"), 2.0)["a"].result, Answer)


def test_at_the_deadline_all_is_broken_off(make: Make) -> None:
    """When the time is over, the upstream is aborted, and what is not there counts as too slow."""
    upstream = Upstream(lambda promql: GOOD if promql == "quick" else wait_for(upstream.aborted))
    outcomes = dict(make(upstream, 2, SHORT_SECONDS).gather(queries("quick", "slow"), 1.0))
    assert upstream.aborted.is_set()
    assert isinstance(outcomes["quick"].result, Answer)
    assert isinstance(outcomes["slow"].result, TooSlowError)


def test_after_the_deadline_nothing_is_asked(make: Make) -> None:
    """A query that waits for its turn when the time is over is never asked."""
    upstream = Upstream(lambda _promql: wait_for(upstream.aborted))
    gatherer = make(upstream, 1, SHORT_SECONDS)
    outcomes = dict(gatherer.gather(queries("slow", "waiting"), 1.0))
    assert isinstance(outcomes["waiting"].result, TooSlowError)
    # The one thread works in order: what it does next comes after whatever it would have done for the last query.
    upstream.behaviour = lambda _promql: GOOD
    dict(gatherer.gather(queries("next"), 2.0))
    assert [promql for promql, _ in upstream.asked] == ["slow", "next"]


def test_an_upstream_that_cannot_be_aborted_is_not_waited_for(make: Make) -> None:
    """The deadline holds even where breaking off has no effect."""
    released = threading.Event()
    upstream = Upstream(lambda _promql: wait_for(released))
    start = time.monotonic()
    outcomes = dict(make(upstream, 1, SHORT_SECONDS).gather(queries("stuck"), 1.0))
    took_seconds = time.monotonic() - start
    released.set()
    assert str(outcomes["stuck"].result) == "no answer when the time for the whole refresh was over"
    assert took_seconds < WAIT_SECONDS / 2


def test_closing_aborts(make: Make) -> None:
    """Nothing stays under way when the program ends."""
    upstream = Upstream(lambda _promql: GOOD)
    make(upstream, 1, LONG_SECONDS).close()
    assert upstream.aborted.is_set()


@pytest.mark.parametrize("script", [hanging, dripping])
def test_the_deadline_ends_real_exchanges(script: Script) -> None:
    """An upstream that hangs, or drips a byte at a time, is cut off at the deadline and its sockets are closed."""
    with peer(script) as upstream:
        client = Client(Address(upstream.url), Limits(query_seconds=5, answer_bytes=10**6, connections=2))
        gatherer = Gatherer(client, concurrency=2, deadline_seconds=0.3)
        outcomes = dict(gatherer.gather(queries("a"), 1.0))
        assert isinstance(outcomes["a"].result, TooSlowError)
        assert upstream.left.wait(WAIT_SECONDS)
        gatherer.close()
        client.close()


@given(body=st.binary())
def test_what_is_packed_can_be_unpacked(body: bytes) -> None:
    """Packing loses nothing."""
    assert unpack(pack(body)) == body


def wait_for(event: threading.Event) -> bytes:
    """Answer once the event has happened."""
    assert event.wait(WAIT_SECONDS)
    raise TooSlowError("broken off")
