"""Several sources: one topology of all of them, and what one source's trouble costs."""

import re
import threading
from collections.abc import Callable, Iterator

import pytest

from aggregator.errors import (
    NotListeningError,
    QueryError,
    RefreshFailedError,
    RefusedError,
    TooSlowError,
    UnreachableError,
)
from aggregator.models.catalog import CATALOG
from aggregator.querier.gather import Gatherer, Source
from aggregator.snapshot import Gap, GapKind, Snapshot
from aggregator.take import Plan, Taker, Views
from tests.samples import body
from tests.upstreams import Upstream, cluster, uptime

MAX_STALE_SECONDS = 300.0
WALL_SECONDS = 1795208200.0
WAIT_SECONDS = 10.0
ROWS = len(CATALOG)

Make = Callable[..., Taker]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes a taker of two sources, eu and us, and close what it made."""
    made: list[Taker] = []

    def make_taker(
        eu: Upstream,
        us: Upstream,
        deadline_seconds: float = 60.0,
        clusters: tuple[str, str] = ("", ""),
        *,
        whole_only: bool = False,
    ) -> Taker:
        gatherers = [
            Gatherer(upstream, 1, deadline_seconds, Source(name, cluster))
            for upstream, name, cluster in zip((eu, us), ("eu", "us"), clusters, strict=True)
        ]
        made.append(Taker(gatherers, Plan(CATALOG, MAX_STALE_SECONDS, whole_only=whole_only), Views({}, ())))
        return made[-1]

    yield make_taker
    for taker in made:
        taker.close()


@pytest.fixture
def eu() -> Upstream:
    """Return an upstream that shows the cluster rome."""
    return Upstream(cluster("rome", ("a",)) | {"uptime": uptime(5, "a")})


@pytest.fixture
def us() -> Upstream:
    """Return an upstream that shows the cluster dallas."""
    return Upstream(cluster("dallas", ("b",)) | {"uptime": uptime(7, "b")})


def taken(taker: Taker, now: float = 0.0) -> Snapshot:
    """Return a snapshot taken at a moment of the monotonic clock."""
    return taker.take(WALL_SECONDS + now, now)[0]


def uptimes(snapshot: Snapshot) -> dict[str, float | None]:
    """Return the uptime of each node by its name."""
    return {key: node.uptime_seconds for (_, key), node in snapshot.topology.nodes.items()}


def test_one_topology_of_all_sources(make: Make, eu: Upstream, us: Upstream) -> None:
    """Each row's samples are those of all sources, asked for one time, and nothing is missing."""
    snapshot = taken(make(eu, us))
    assert list(snapshot.topology.clusters) == ["dallas", "rome"]
    assert uptimes(snapshot) == {"a": 5, "b": 7}
    assert (snapshot.is_complete, snapshot.gaps) == (True, ())
    assert eu.times | us.times == {WALL_SECONDS}


def test_the_oldest_sign_of_life_is_that_of_all(make: Make, eu: Upstream, us: Upstream) -> None:
    """Of what the sources tell of the whole system the oldest counts, and that they differ is no contradiction."""
    eu.said["oldest_sample"] = body([({}, "1795208100")])
    us.said["oldest_sample"] = body([({}, "1795208050")])
    snapshot = taken(make(eu, us))
    assert snapshot.topology.oldest_sample_seconds == 1795208050
    assert snapshot.gaps == ()
    us.said["oldest_sample"] = body([({}, "NaN")])
    assert taken(make(eu, us)).topology.oldest_sample_seconds == 1795208100


def test_one_row_of_one_source_is_a_gap_that_names_both(make: Make, eu: Upstream, us: Upstream) -> None:
    """A query that one source refuses costs its fields there alone."""
    us.said["uptime"] = RefusedError(422, "execution: x")
    snapshot = taken(make(eu, us))
    assert uptimes(snapshot) == {"a": 5, "b": None}
    assert snapshot.gaps == (Gap(GapKind.FAILED, "uptime", "source us: HTTP 422: execution: x"),)


def test_a_source_that_is_gone_keeps_its_part(make: Make, eu: Upstream, us: Upstream) -> None:
    """Its last answers stand in, told in one gap that names it; the other source's are new."""
    taker = make(eu, us)
    taken(taker)
    us.everything = NotListeningError("connection refused")
    eu.said["uptime"] = uptime(15, "a")
    snapshot = taken(taker, 10.0)
    assert uptimes(snapshot) == {"a": 15, "b": 7}
    assert [str(gap) for gap in snapshot.gaps] == [
        f"every query: answer of an earlier refresh: source us: 10 s old, because connection refused ({ROWS})"
    ]
    assert (snapshot.taken_at, snapshot.oldest_at) == (10.0, 0.0)


def test_its_part_stays_until_it_is_too_old(make: Make, eu: Upstream, us: Upstream) -> None:
    """After the limit the source's part is gone, still named, and the rest is served for as long as it lasts."""
    taker = make(eu, us)
    taken(taker)
    us.everything = UnreachableError("reset")
    assert uptimes(taken(taker, MAX_STALE_SECONDS - 1)) == {"a": 5, "b": 7}
    snapshot = taken(taker, MAX_STALE_SECONDS)
    assert uptimes(snapshot) == {"a": 5}
    assert "every query: query failed: source us: reset" in str(snapshot.gaps[0])


def test_a_source_that_is_back_is_whole_again(make: Make, eu: Upstream, us: Upstream) -> None:
    """Once it answers there is no gap left."""
    taker = make(eu, us)
    taken(taker)
    us.everything = UnreachableError("reset")
    taken(taker, 10.0)
    us.everything = None
    us.said["uptime"] = uptime(27, "b")
    snapshot = taken(taker, 20.0)
    assert (uptimes(snapshot), snapshot.is_complete) == ({"a": 5, "b": 27}, True)


def test_one_source_down_from_the_start(make: Make, eu: Upstream, us: Upstream) -> None:
    """What the other shows is served, marked."""
    us.everything = NotListeningError("connection refused")
    snapshot = taken(make(eu, us))
    assert uptimes(snapshot) == {"a": 5}
    assert not snapshot.is_complete


def test_where_no_source_answers_there_is_no_snapshot(make: Make, eu: Upstream, us: Upstream) -> None:
    """The refresh fails with the reason of each source."""
    eu.everything = NotListeningError("connection refused")
    us.everything = UnreachableError("reset")
    with pytest.raises(RefreshFailedError) as caught:
        taken(make(eu, us))
    first = CATALOG[0].name
    assert str(caught.value) == f"source eu: query {first}: connection refused; source us: query {first}: reset"


def test_warnings_name_the_source(make: Make, eu: Upstream, us: Upstream) -> None:
    """A partial answer of one source says whose it is."""
    us.said["uptime"] = body([], warnings=["store a is down"])
    assert taken(make(eu, us)).gaps == (Gap(GapKind.WARNING, "uptime", "source us: store a is down"),)


def test_a_source_names_the_cluster_of_its_series(make: Make) -> None:
    """Series without a cluster label are of their source's cluster, and those with one of their own."""
    eu = Upstream({"nodes_by_uname": body([({"node": "n"}, "1")]), "uptime": body([({"node": "n"}, "5")])})
    us = Upstream(
        {
            "nodes_by_uname": body([({"node": "n"}, "1"), ({"node": "n", "cluster": "oslo"}, "1")]),
            "uptime": body([({"node": "n"}, "7"), ({"node": "n", "cluster": "oslo"}, "9")]),
            "labels": body([({"node": "n", "label_zone": "z"}, "1")]),
        }
    )
    snapshot = taken(make(eu, us, clusters=("rome", "dallas")))
    nodes = {cluster: node for (cluster, _), node in snapshot.topology.nodes.items()}
    assert {cluster: node.uptime_seconds for cluster, node in nodes.items()} == {"dallas": 7, "oslo": 9, "rome": 5}
    assert nodes["dallas"].labels == {"zone": "z"}
    assert snapshot.is_complete


def test_two_replicas_as_two_sources_are_one(make: Make, eu: Upstream) -> None:
    """Two sources that show the same hosts show them once; where their values differ the largest counts."""
    twin = Upstream(dict(eu.said) | {"uptime": uptime(6, "a")})
    snapshot = taken(make(eu, twin))
    assert uptimes(snapshot) == {"a": 6}
    assert snapshot.gaps == (Gap(GapKind.CONFLICT, "uptime", "uptime_seconds"),)


def hang(upstream: Upstream) -> None:
    """Let an upstream say nothing until it is told to break off."""

    def wait(_name: str) -> None:
        assert upstream.aborted.wait(WAIT_SECONDS)
        raise TooSlowError("x")

    upstream.before = wait


def test_a_source_that_hangs_costs_the_others_little(make: Make, eu: Upstream, us: Upstream) -> None:
    """The others answer meanwhile; the next time one query is tried first, and the rest only once it is answered."""
    taker = make(eu, us, deadline_seconds=0.4)
    hang(us)
    assert uptimes(taken(taker)) == {"a": 5}
    us.aborted.clear()
    us.asked.clear()
    assert uptimes(taken(taker, 10.0)) == {"a": 5}
    assert sum(us.asked.values()) == 1
    us.before = lambda _name: None
    snapshot = taken(taker, 20.0)
    assert (uptimes(snapshot), snapshot.is_complete) == ({"a": 5, "b": 7}, True)


def test_the_rest_of_a_trial_has_the_whole_time(make: Make, eu: Upstream, us: Upstream) -> None:
    """A source that answers the first query in its part of the time has as long as ever for the others."""
    taker = make(eu, us, deadline_seconds=2.0)
    us.everything = TooSlowError("x")
    taken(taker)
    us.everything = None
    gate = threading.Event()
    us.before = lambda name: void(gate.wait(0.7)) if name == "uptime" else None
    assert uptimes(taken(taker, 10.0)) == {"a": 5, "b": 7}


def test_the_patience_that_one_source_asks_for_is_its_own(make: Make, eu: Upstream, us: Upstream) -> None:
    """A source that says Retry-After is left alone that long, its last answers stand in, and the others go on."""
    taker = make(eu, us)
    taken(taker)
    us.everything = RefusedError(429, "too many requests", 60.0)
    _, failures = taker.take(WALL_SECONDS, 10.0)
    assert failures == ()
    us.everything = None
    us.asked.clear()
    eu.said["uptime"] = uptime(25, "a")
    snapshot = taken(taker, 20.0)
    assert not us.asked
    assert uptimes(snapshot) == {"a": 25, "b": 7}
    (seconds,) = re.findall("it asked to be left alone, for ([0-9]+) s more", str(snapshot.gaps[0]))
    # The clock that this is counted on is the real one, and goes on meanwhile.
    assert 0 < int(seconds) <= 60


@pytest.mark.parametrize(
    "error",
    [
        RefusedError(422, "execution: proxy Series(): x"),
        RefusedError(503, "busy"),
        TooSlowError("x"),
        UnreachableError("x"),
    ],
)
def test_where_only_all_counts_a_missing_answer_fails_the_refresh(
    make: Make, eu: Upstream, us: Upstream, error: QueryError
) -> None:
    """Nothing stands in for one row of one source: the refresh fails with its reason, and the next may be whole."""
    taker = make(eu, us, whole_only=True)
    taken(taker)
    us.said["uptime"] = error
    with pytest.raises(RefreshFailedError, match="source us: query uptime: "):
        taken(taker, 10.0)
    us.said["uptime"] = uptime(8, "b")
    assert taken(taker, 20.0).is_complete


def test_where_only_all_counts_a_warning_fails_the_refresh(make: Make, eu: Upstream, us: Upstream) -> None:
    """An answer that the upstream itself calls partial is none."""
    us.said["uptime"] = body([], warnings=["store a is down"])
    with pytest.raises(RefreshFailedError, match=r"^query uptime: source us: store a is down$"):
        taken(make(eu, us, whole_only=True))


def test_where_only_all_counts_a_wrong_query_is_still_its_own(make: Make, eu: Upstream, us: Upstream) -> None:
    """A query that an upstream does not understand lacks no data: it is a gap, as ever."""
    us.said["uptime"] = RefusedError(400, "bad_data: x")
    assert [gap.kind for gap in taken(make(eu, us, whole_only=True)).gaps] == [GapKind.FAILED]


def void(_value: object) -> None:
    """Drop a value."""
