"""Collecting snapshots: which failures are tolerated, and where stale responses are used."""

from collections.abc import Callable, Iterator

import pytest

from aggregator.errors import (
    MalformedResponseError,
    NotListeningError,
    QueryError,
    QueryTimeoutError,
    RefreshFailedError,
    ResponseTooLargeError,
    UnreachableError,
    UpstreamStatusError,
)
from aggregator.models.topology import Topology
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.snapshot import DocumentFormat, Gap, GapKind, Snapshot
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses, build_uptime_response
from tests.support.samples import encode_response

MAX_STALE_SECONDS = 300.0
WALL_SECONDS = 1795208200.0
QUERY_ERRORS = [
    UpstreamStatusError(400, "bad_data: x"),
    UpstreamStatusError(422, "execution: x"),
    UpstreamStatusError(401, "x"),
]
UPSTREAM_ERRORS = [
    UpstreamStatusError(503, "x"),
    UpstreamStatusError(429, "x"),
    QueryTimeoutError("x"),
    UnreachableError("x"),
    ResponseTooLargeError("x"),
    MalformedResponseError("x"),
]

CollectorFactory = Callable[[FakeUpstream], SnapshotCollector]


def render_description(topology: Topology, now_seconds: float) -> bytes:
    """Render the number of nodes and the time."""
    return b"%d nodes at %d" % (len(topology.nodes), now_seconds)


@pytest.fixture
def make() -> Iterator[CollectorFactory]:
    """Return a function that creates collectors of the whole catalog, and close them after the test."""
    created: list[SnapshotCollector] = []

    def make_collector(upstream: FakeUpstream) -> SnapshotCollector:
        views = ViewSet({"eager": render_description, "lazy": render_description}, ("eager",))
        # One query at a time: which of several failures comes first is then certain.
        created.append(
            SnapshotCollector(
                [PrometheusSource(upstream, 1)],
                CollectorConfig(CATALOG, MAX_STALE_SECONDS, disappearance_notice_seconds=60.0),
                views,
            )
        )
        return created[-1]

    yield make_collector
    for collector in created:
        collector.close()


def collect_snapshot(collector: SnapshotCollector, now: float = 0.0) -> Snapshot:
    """Return a snapshot collected at a time on the monotonic clock."""
    return collector.collect(WALL_SECONDS + now, now)[0]


def list_uptimes(snapshot: Snapshot) -> list[float | None]:
    """Return the uptime of each node."""
    return [node.uptime_seconds for node in snapshot.topology.nodes.values()]


def list_gaps(snapshot: Snapshot) -> set[tuple[GapKind, str]]:
    """Return the kind and row of each gap."""
    return {(gap.kind, gap.subject) for gap in snapshot.gaps}


def test_a_snapshot_without_failures(make: CollectorFactory) -> None:
    """Every row is queried once for the same time, and the snapshot is complete and has its eager views."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    snapshot, failures = make(upstream).collect(WALL_SECONDS, 7.0)
    assert upstream.query_counts == {row.name: 1 for row in CATALOG}
    assert upstream.query_times == {WALL_SECONDS}
    assert failures == ()
    assert (list_uptimes(snapshot), snapshot.is_complete, snapshot.created_at) == ([5], True, 7.0)
    assert snapshot.rendered_topology.find_body(DocumentFormat("eager")) is not None
    assert snapshot.rendered_topology.find_body(DocumentFormat("lazy")) is None
    assert snapshot.get_body("eager") == b"1 nodes at %d" % WALL_SECONDS


def test_unchanged_topologies_share_documents(make: CollectorFactory) -> None:
    """Two refreshes with the same data share version and documents; a refresh with other data does not."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    first, second = collect_snapshot(collector), collect_snapshot(collector, 10.0)
    upstream.responses["uptime"] = build_uptime_response(6)
    third = collect_snapshot(collector, 20.0)
    assert first.get_body("lazy") is second.get_body("lazy")
    assert first.topology.version == second.topology.version != third.topology.version
    assert (second.created_at, third.get_body("lazy")) == (10.0, b"1 nodes at %d" % (WALL_SECONDS + 20))


def test_a_failed_row_is_a_gap(make: CollectorFactory) -> None:
    """A failed query affects only its own fields."""
    upstream = FakeUpstream(
        build_cluster_responses()
        | {"uptime": UpstreamStatusError(422, "execution: x"), "memory_free": encode_response([])}
    )
    snapshot, failures = make(upstream).collect(WALL_SECONDS, 0.0)
    assert list_uptimes(snapshot) == [None]
    assert [str(failure) for failure in failures] == ["HTTP 422: execution: x"]
    assert snapshot.gaps == (Gap(GapKind.FAILED, "uptime", "HTTP 422: execution: x"),)
    assert not snapshot.is_complete


@pytest.mark.parametrize("error", UPSTREAM_ERRORS)
def test_a_stale_answer_is_used_if_the_upstream_fails(make: CollectorFactory, error: QueryError) -> None:
    """If the upstream did not reject the query, its last answer is used, with its age."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.responses["uptime"] = error
    snapshot = collect_snapshot(collector, 10.0)
    assert list_uptimes(snapshot) == [5]
    assert list_gaps(snapshot) == {(GapKind.STALE, "uptime")}
    assert (snapshot.created_at, snapshot.oldest_response_at) == (10.0, 0.0)


@pytest.mark.parametrize("error", QUERY_ERRORS)
def test_no_stale_answer_is_used_for_a_rejected_query(make: CollectorFactory, error: QueryError) -> None:
    """If the upstream rejects the query, its last answer is not used."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.responses["uptime"] = error
    snapshot = collect_snapshot(collector, 10.0)
    assert list_uptimes(snapshot) == [None]
    assert list_gaps(snapshot) == {(GapKind.FAILED, "uptime")}
    assert snapshot.created_at == 10.0


@pytest.mark.parametrize("error", [*QUERY_ERRORS, *UPSTREAM_ERRORS])
def test_stale_answers_are_always_used_for_vital_rows(make: CollectorFactory, error: QueryError) -> None:
    """The rows that create clusters and nodes always use their last answers: without them nothing has a place."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.responses |= {"orchestrators": error, "nodes_by_uname": error, "uptime": build_uptime_response(15)}
    snapshot = collect_snapshot(collector, 10.0)
    assert list_uptimes(snapshot) == [15]
    assert {row for kind, row in list_gaps(snapshot) if kind is GapKind.STALE} == {"orchestrators", "nodes_by_uname"}


def test_a_stale_answer_is_used_until_it_is_too_old(make: CollectorFactory) -> None:
    """A stale response is used repeatedly until it is MAX_STALE old."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.responses["uptime"] = QueryTimeoutError("x")
    assert list_uptimes(collect_snapshot(collector, MAX_STALE_SECONDS / 2)) == [5]
    assert list_uptimes(collect_snapshot(collector, MAX_STALE_SECONDS - 1)) == [5]
    assert list_uptimes(collect_snapshot(collector, MAX_STALE_SECONDS)) == [None]


def test_an_empty_answer_is_not_replaced(make: CollectorFactory) -> None:
    """A row without series is not filled from an earlier answer."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.responses["uptime"] = encode_response([])
    snapshot = collect_snapshot(collector, 10.0)
    assert list_uptimes(snapshot) == [None]
    assert snapshot.is_complete


def test_a_row_recovers(make: CollectorFactory) -> None:
    """After a failure the new answer is used and no gap is left."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.responses["uptime"] = QueryTimeoutError("x")
    collect_snapshot(collector, 10.0)
    upstream.responses["uptime"] = build_uptime_response(25)
    snapshot = collect_snapshot(collector, 20.0)
    assert (list_uptimes(snapshot), snapshot.is_complete, snapshot.created_at) == ([25], True, 20.0)


def test_a_refresh_without_any_answer_fails(make: CollectorFactory) -> None:
    """If all queries fail, the refresh fails with the first reason, even if stale responses exist."""
    upstream = FakeUpstream(build_cluster_responses())
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.failure = NotListeningError("connection refused")
    with pytest.raises(RefreshFailedError, match=f"^query {CATALOG[0].name}: connection refused$") as caught:
        collect_snapshot(collector, 10.0)
    assert len(caught.value.failures) == len(CATALOG)


def test_stale_answers_survive_a_failed_refresh(make: CollectorFactory) -> None:
    """After a refresh without any answer, earlier answers are still available."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.failure = UnreachableError("x")
    with pytest.raises(RefreshFailedError):
        collect_snapshot(collector, 10.0)
    upstream.failure = None
    upstream.responses["uptime"] = QueryTimeoutError("x")
    assert list_uptimes(collect_snapshot(collector, 20.0)) == [5]


def test_no_snapshot_without_vital_rows(make: CollectorFactory) -> None:
    """If the rows that create clusters fail at the first refresh, it fails instead of returning an empty topology."""
    upstream = FakeUpstream(build_cluster_responses() | {"orchestrators": UpstreamStatusError(503, "busy")})
    with pytest.raises(RefreshFailedError, match="query orchestrators: HTTP 503: busy"):
        collect_snapshot(make(upstream))


def test_an_empty_snapshot_is_complete(make: CollectorFactory) -> None:
    """An upstream without any of the metrics gives a complete topology without clusters."""
    snapshot = collect_snapshot(make(FakeUpstream()))
    assert not snapshot.topology.clusters
    assert snapshot.is_complete


def test_warnings_make_a_snapshot_incomplete(make: CollectorFactory) -> None:
    """A warning makes the snapshot incomplete; an info of Prometheus does not."""
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": encode_response([], warnings=["store a is down"])})
    snapshot = collect_snapshot(make(upstream))
    assert snapshot.gaps == (Gap(GapKind.WARNING, "uptime", "store a is down"),)
    assert not snapshot.is_complete
    upstream.responses["uptime"] = encode_response([], infos=["might not be a counter"])
    assert collect_snapshot(make(upstream)).is_complete


def test_repeated_warnings_are_one_gap(make: CollectorFactory) -> None:
    """The same warning about many rows is one gap with a count; of many different ones a few are listed."""
    upstream = FakeUpstream({row.name: encode_response([], warnings=["store a is down"]) for row in CATALOG})
    expected = Gap(GapKind.WARNING, CATALOG[0].name, "store a is down", len(CATALOG))
    assert collect_snapshot(make(upstream)).gaps == (expected,)
    upstream.responses = {row.name: encode_response([], warnings=[f"about {row.name}"]) for row in CATALOG}
    gaps = collect_snapshot(make(upstream)).gaps
    assert (len(gaps), gaps[-1].detail, gaps[-1].count) == (11, f"and {len(CATALOG) - 10} more", len(CATALOG) - 10)


def test_unplaced_samples_are_gaps(make: CollectorFactory) -> None:
    """The counts of the builder are gaps of the snapshot."""
    snapshot = collect_snapshot(
        make(FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5, host="nobody")}))
    )
    assert list_gaps(snapshot) == {(GapKind.UNPLACED, "uptime")}


def test_disappearances_are_detected_across_a_failed_refresh(make: CollectorFactory) -> None:
    """A snapshot is compared with the last successful one, whatever failed in between."""
    upstream = FakeUpstream(build_cluster_responses())
    collector = make(upstream)
    collect_snapshot(collector)
    upstream.failure = UnreachableError("x")
    with pytest.raises(RefreshFailedError):
        collect_snapshot(collector, 10.0)
    upstream.failure = None
    upstream.responses = {}
    snapshot = collect_snapshot(collector, 20.0)
    assert list_gaps(snapshot) == {(GapKind.VANISHED, "clusters")}
    assert not snapshot.is_complete


def test_closing_aborts_the_sources(make: CollectorFactory) -> None:
    """Closing the collector aborts running queries."""
    upstream = FakeUpstream()
    make(upstream).close()
    assert upstream.aborted.is_set()
