"""Taking snapshots: which failures are survived, and what earlier answers stand in for."""

from collections.abc import Callable, Iterator

import pytest

from aggregator.documents import Form
from aggregator.errors import (
    MalformedError,
    NotListeningError,
    QueryError,
    RefreshFailedError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
)
from aggregator.models.catalog import CATALOG
from aggregator.models.topology import Topology
from aggregator.querier.gather import Gatherer
from aggregator.snapshot import Gap, GapKind, Snapshot
from aggregator.take import Plan, Taker, Views
from tests.samples import body
from tests.upstreams import Upstream, cluster, uptime

MAX_STALE_SECONDS = 300.0
WALL_SECONDS = 1795208200.0
ABOUT_THE_QUERY = [RefusedError(400, "bad_data: x"), RefusedError(422, "execution: x"), RefusedError(401, "x")]
ABOUT_THE_UPSTREAM = [
    RefusedError(503, "x"),
    RefusedError(429, "x"),
    TooSlowError("x"),
    UnreachableError("x"),
    TooLargeError("x"),
    MalformedError("x"),
]

Make = Callable[[Upstream], Taker]


def described(topology: Topology, now_seconds: float) -> bytes:
    """Render how many nodes there are, and when."""
    return b"%d nodes at %d" % (len(topology.nodes), now_seconds)


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes a taker of the whole catalog, and close what it made."""
    made: list[Taker] = []

    def make_taker(upstream: Upstream) -> Taker:
        views = Views({"eager": described, "lazy": described}, ("eager",))
        # One query at a time: which of several failures comes first is then certain.
        made.append(
            Taker([Gatherer(upstream, 1, 60.0)], Plan(CATALOG, MAX_STALE_SECONDS, vanished_notice_seconds=60.0), views)
        )
        return made[-1]

    yield make_taker
    for taker in made:
        taker.close()


def taken(taker: Taker, now: float = 0.0) -> Snapshot:
    """Return a snapshot taken at a moment of the monotonic clock."""
    return taker.take(WALL_SECONDS + now, now)[0]


def uptimes(snapshot: Snapshot) -> list[float | None]:
    """Return the uptime of each node."""
    return [node.uptime_seconds for node in snapshot.topology.nodes.values()]


def gaps(snapshot: Snapshot) -> set[tuple[GapKind, str]]:
    """Return kind and row of each gap."""
    return {(gap.kind, gap.row) for gap in snapshot.gaps}


def test_a_snapshot_of_a_good_upstream(make: Make) -> None:
    """Every row is asked once for the same moment, and the snapshot is complete and rendered where it should be."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    snapshot, failures = make(upstream).take(WALL_SECONDS, 7.0)
    assert upstream.asked == {row.name: 1 for row in CATALOG}
    assert upstream.times == {WALL_SECONDS}
    assert failures == ()
    assert (uptimes(snapshot), snapshot.is_complete, snapshot.taken_at) == ([5], True, 7.0)
    assert snapshot.documents.ready(Form("eager")) is not None
    assert snapshot.documents.ready(Form("lazy")) is None
    assert snapshot.body("eager") == b"1 nodes at %d" % WALL_SECONDS


def test_what_has_not_changed_is_not_made_again(make: Make) -> None:
    """Two refreshes of the same data share version and bytes; one of other data has neither."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    first, second = taken(taker), taken(taker, 10.0)
    upstream.said["uptime"] = uptime(6)
    third = taken(taker, 20.0)
    assert first.body("lazy") is second.body("lazy")
    assert first.topology.version == second.topology.version != third.topology.version
    assert (second.taken_at, third.body("lazy")) == (10.0, b"1 nodes at %d" % (WALL_SECONDS + 20))


def test_a_failed_row_is_named_and_the_rest_is_served(make: Make) -> None:
    """One query's failure costs its own fields only."""
    upstream = Upstream(cluster() | {"uptime": RefusedError(422, "execution: x"), "memory_free": body([])})
    snapshot, failures = make(upstream).take(WALL_SECONDS, 0.0)
    assert uptimes(snapshot) == [None]
    assert [str(failure) for failure in failures] == ["HTTP 422: execution: x"]
    assert snapshot.gaps == (Gap(GapKind.FAILED, "uptime", "HTTP 422: execution: x"),)
    assert not snapshot.is_complete


@pytest.mark.parametrize("error", ABOUT_THE_UPSTREAM)
def test_the_last_answer_stands_in_for_an_upstream_in_trouble(make: Make, error: QueryError) -> None:
    """Where nothing was said against the query, its last answer is used, and its age is told."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    taken(taker)
    upstream.said["uptime"] = error
    snapshot = taken(taker, 10.0)
    assert uptimes(snapshot) == [5]
    assert gaps(snapshot) == {(GapKind.STALE, "uptime")}
    assert (snapshot.taken_at, snapshot.oldest_at) == (10.0, 0.0)


@pytest.mark.parametrize("error", ABOUT_THE_QUERY)
def test_the_last_answer_does_not_stand_in_for_a_bad_query(make: Make, error: QueryError) -> None:
    """What the upstream says against a query is true now, whatever it answered a moment ago."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    taken(taker)
    upstream.said["uptime"] = error
    snapshot = taken(taker, 10.0)
    assert uptimes(snapshot) == [None]
    assert gaps(snapshot) == {(GapKind.FAILED, "uptime")}
    assert snapshot.taken_at == 10.0


@pytest.mark.parametrize("error", [*ABOUT_THE_QUERY, *ABOUT_THE_UPSTREAM])
def test_what_clusters_and_nodes_there_are_is_kept_in_any_case(make: Make, error: QueryError) -> None:
    """Without the rows that make clusters and nodes nothing has a place: their last answers always stand in."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    taken(taker)
    upstream.said |= {"orchestrators": error, "nodes_by_uname": error, "uptime": uptime(15)}
    snapshot = taken(taker, 10.0)
    assert uptimes(snapshot) == [15]
    assert {row for kind, row in gaps(snapshot) if kind is GapKind.STALE} == {"orchestrators", "nodes_by_uname"}


def test_an_answer_stands_in_until_it_is_too_old(make: Make) -> None:
    """A last answer is used while it is younger than the limit, again and again, and not a second longer."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    taken(taker)
    upstream.said["uptime"] = TooSlowError("x")
    assert uptimes(taken(taker, MAX_STALE_SECONDS / 2)) == [5]
    assert uptimes(taken(taker, MAX_STALE_SECONDS - 1)) == [5]
    assert uptimes(taken(taker, MAX_STALE_SECONDS)) == [None]


def test_an_empty_answer_is_an_answer(make: Make) -> None:
    """A row whose series are gone is not filled from the past."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    taken(taker)
    upstream.said["uptime"] = body([])
    snapshot = taken(taker, 10.0)
    assert uptimes(snapshot) == [None]
    assert snapshot.is_complete


def test_a_row_that_recovers_is_fresh_again(make: Make) -> None:
    """After a failure the new answer counts and no gap is left."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    taken(taker)
    upstream.said["uptime"] = TooSlowError("x")
    taken(taker, 10.0)
    upstream.said["uptime"] = uptime(25)
    snapshot = taken(taker, 20.0)
    assert (uptimes(snapshot), snapshot.is_complete, snapshot.taken_at) == ([25], True, 20.0)


def test_where_everything_fails_there_is_no_snapshot(make: Make) -> None:
    """If no row is answered the refresh fails with the first reason, although last answers are there."""
    upstream = Upstream(cluster())
    taker = make(upstream)
    taken(taker)
    upstream.everything = NotListeningError("connection refused")
    with pytest.raises(RefreshFailedError, match=f"^query {CATALOG[0].name}: connection refused$") as caught:
        taken(taker, 10.0)
    assert len(caught.value.failures) == len(CATALOG)


def test_last_answers_survive_a_failed_refresh(make: Make) -> None:
    """After a refresh without any answer the earlier ones still stand in."""
    upstream = Upstream(cluster() | {"uptime": uptime(5)})
    taker = make(upstream)
    taken(taker)
    upstream.everything = UnreachableError("x")
    with pytest.raises(RefreshFailedError):
        taken(taker, 10.0)
    upstream.everything = None
    upstream.said["uptime"] = TooSlowError("x")
    assert uptimes(taken(taker, 20.0)) == [5]


def test_clusters_that_cannot_be_told_are_not_told_to_be_none(make: Make) -> None:
    """If the rows that make clusters fail at the first refresh, there is no snapshot rather than an empty one."""
    upstream = Upstream(cluster() | {"orchestrators": RefusedError(503, "busy")})
    with pytest.raises(RefreshFailedError, match="query orchestrators: HTTP 503: busy"):
        taken(make(upstream))


def test_no_clusters_are_a_snapshot(make: Make) -> None:
    """An upstream without any of the metrics is a system without clusters, and complete."""
    snapshot = taken(make(Upstream()))
    assert not snapshot.topology.clusters
    assert snapshot.is_complete


def test_warnings_mark_the_snapshot_and_remarks_do_not(make: Make) -> None:
    """A partial answer of Thanos is incomplete; what Prometheus remarks about a query is not missing data."""
    upstream = Upstream(cluster() | {"uptime": body([], warnings=["store a is down"])})
    snapshot = taken(make(upstream))
    assert snapshot.gaps == (Gap(GapKind.WARNING, "uptime", "store a is down"),)
    assert not snapshot.is_complete
    upstream.said["uptime"] = body([], infos=["might not be a counter"])
    assert taken(make(upstream)).is_complete


def test_what_is_said_of_many_rows_is_told_once(make: Make) -> None:
    """A warning that comes with every answer is one gap with a count; of many different ones a few are told."""
    upstream = Upstream({row.name: body([], warnings=["store a is down"]) for row in CATALOG})
    said = Gap(GapKind.WARNING, CATALOG[0].name, "store a is down", len(CATALOG))
    assert taken(make(upstream)).gaps == (said,)
    upstream.said = {row.name: body([], warnings=[f"about {row.name}"]) for row in CATALOG}
    told = taken(make(upstream)).gaps
    assert (len(told), told[-1].detail, told[-1].count) == (11, f"and {len(CATALOG) - 10} more", len(CATALOG) - 10)


def test_samples_without_a_place_are_told(make: Make) -> None:
    """What the builder counted is in the snapshot's gaps."""
    snapshot = taken(make(Upstream(cluster() | {"uptime": uptime(5, host="nobody")})))
    assert gaps(snapshot) == {(GapKind.UNPLACED, "uptime")}


def test_what_vanishes_is_told_across_a_failed_refresh(make: Make) -> None:
    """A snapshot is compared with the last one that was taken, whatever failed in between."""
    upstream = Upstream(cluster())
    taker = make(upstream)
    taken(taker)
    upstream.everything = UnreachableError("x")
    with pytest.raises(RefreshFailedError):
        taken(taker, 10.0)
    upstream.everything = None
    upstream.said = {}
    snapshot = taken(taker, 20.0)
    assert gaps(snapshot) == {(GapKind.VANISHED, "clusters")}
    assert not snapshot.is_complete


def test_closing_breaks_off_what_is_under_way(make: Make) -> None:
    """When the program ends, no query is waited for."""
    upstream = Upstream()
    make(upstream).close()
    assert upstream.aborted.is_set()
