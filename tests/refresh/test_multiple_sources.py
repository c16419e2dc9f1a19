"""Several sources: one topology from all of them, and the effects of a failing source."""

import re
import threading
from collections.abc import Callable, Iterator

import pytest

from aggregator.errors import (
    NotListeningError,
    QueryError,
    QueryTimeoutError,
    RefreshFailedError,
    UnreachableError,
    UpstreamStatusError,
)
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.querier.source import SourceInfo
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.snapshot import Gap, GapKind, Snapshot
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses, build_uptime_response
from tests.support.field_cases import load_field_response
from tests.support.samples import encode_response

MAX_STALE_SECONDS = 300.0
WALL_SECONDS = 1795208200.0
WAIT_SECONDS = 10.0
ROW_COUNT = len(CATALOG)

CollectorFactory = Callable[..., SnapshotCollector]


@pytest.fixture
def make() -> Iterator[CollectorFactory]:
    """Return a function that creates collectors of two sources, eu and us, and close them after the test."""
    created: list[SnapshotCollector] = []

    def make_collector(
        eu: FakeUpstream,
        us: FakeUpstream,
        deadline_seconds: float = 60.0,
        clusters: tuple[str, str] = ("", ""),
        *,
        requires_complete: bool = False,
    ) -> SnapshotCollector:
        sources = [
            PrometheusSource(
                upstream, 1, SourceInfo(name, cluster, f"{name}.example:9090/path"), has_other_sources=True
            )
            for upstream, name, cluster in zip((eu, us), ("eu", "us"), clusters, strict=True)
        ]
        created.append(
            SnapshotCollector(
                sources,
                CollectorConfig(CATALOG, MAX_STALE_SECONDS, deadline_seconds, requires_complete=requires_complete),
                ViewSet({}, ()),
            )
        )
        return created[-1]

    yield make_collector
    for collector in created:
        collector.close()


@pytest.fixture
def eu() -> FakeUpstream:
    """Return an upstream with the cluster rome."""
    return FakeUpstream(build_cluster_responses("rome", ("a",)) | {"uptime": build_uptime_response(5, "a")})


@pytest.fixture
def us() -> FakeUpstream:
    """Return an upstream with the cluster dallas."""
    return FakeUpstream(build_cluster_responses("dallas", ("b",)) | {"uptime": build_uptime_response(7, "b")})


def collect_snapshot(collector: SnapshotCollector, now: float = 0.0) -> Snapshot:
    """Return a snapshot collected at a time on the monotonic clock."""
    return collector.collect(WALL_SECONDS + now, now)[0]


def map_uptimes(snapshot: Snapshot) -> dict[str, float | None]:
    """Return the uptime of each node by its name."""
    return {key: node.uptime_seconds for (_, key), node in snapshot.topology.nodes.items()}


def test_one_topology_of_all_sources(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """Each row has the samples of all sources at the same time, and nothing is missing."""
    snapshot = collect_snapshot(make(eu, us))
    assert list(snapshot.topology.clusters) == ["dallas", "rome"]
    assert map_uptimes(snapshot) == {"a": 5, "b": 7}
    assert (snapshot.is_complete, snapshot.gaps) == (True, ())
    assert eu.query_times | us.query_times == {WALL_SECONDS}


def test_the_oldest_sample_of_all_sources(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """The oldest sample of all sources counts, and different values are not a conflict."""
    eu.responses["oldest_sample"] = encode_response([({}, "1795208100")])
    us.responses["oldest_sample"] = encode_response([({}, "1795208050")])
    snapshot = collect_snapshot(make(eu, us))
    assert snapshot.topology.oldest_sample_seconds == 1795208050
    assert snapshot.gaps == ()
    us.responses["oldest_sample"] = encode_response([({}, "NaN")])
    assert collect_snapshot(make(eu, us)).topology.oldest_sample_seconds == 1795208100


def test_a_failed_row_of_one_source(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """A query that one source rejects affects its fields of that source only; the gap names both."""
    us.responses["uptime"] = UpstreamStatusError(422, "execution: x")
    snapshot = collect_snapshot(make(eu, us))
    assert map_uptimes(snapshot) == {"a": 5, "b": None}
    assert snapshot.gaps == (Gap(GapKind.FAILED, "uptime", "source us: HTTP 422: execution: x"),)


def test_an_unavailable_source_uses_stale_answers(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """Its stale responses are one gap with its name; the answers of the other source are current."""
    collector = make(eu, us)
    collect_snapshot(collector)
    us.failure = NotListeningError("connection refused")
    eu.responses["uptime"] = build_uptime_response(15, "a")
    snapshot = collect_snapshot(collector, 10.0)
    assert map_uptimes(snapshot) == {"a": 15, "b": 7}
    assert [str(gap) for gap in snapshot.gaps] == [
        f"every query: stale response: source us: 10 s old, because connection refused ({ROW_COUNT})"
    ]
    assert (snapshot.created_at, snapshot.oldest_response_at) == (10.0, 0.0)


def test_the_stale_answers_of_a_source_expire(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """After MAX_STALE its objects are gone, the gap remains, and the rest is served."""
    collector = make(eu, us)
    collect_snapshot(collector)
    us.failure = UnreachableError("reset")
    assert map_uptimes(collect_snapshot(collector, MAX_STALE_SECONDS - 1)) == {"a": 5, "b": 7}
    snapshot = collect_snapshot(collector, MAX_STALE_SECONDS)
    assert map_uptimes(snapshot) == {"a": 5}
    assert "every query: query failed: source us: reset" in str(snapshot.gaps[0])


def test_a_source_recovers(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """No gap is left once the source answers."""
    collector = make(eu, us)
    collect_snapshot(collector)
    us.failure = UnreachableError("reset")
    collect_snapshot(collector, 10.0)
    us.failure = None
    us.responses["uptime"] = build_uptime_response(27, "b")
    snapshot = collect_snapshot(collector, 20.0)
    assert (map_uptimes(snapshot), snapshot.is_complete) == ({"a": 5, "b": 27}, True)


def test_a_source_that_is_unavailable_from_the_start(
    make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream
) -> None:
    """The objects of the other source are served as incomplete."""
    us.failure = NotListeningError("connection refused")
    snapshot = collect_snapshot(make(eu, us))
    assert map_uptimes(snapshot) == {"a": 5}
    assert not snapshot.is_complete


def test_no_snapshot_if_no_source_answers(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """The refresh fails with the address and the reason of each source."""
    eu.failure = NotListeningError("connection refused")
    us.failure = UnreachableError("reset")
    with pytest.raises(RefreshFailedError) as caught:
        collect_snapshot(make(eu, us))
    first = CATALOG[0].name
    assert str(caught.value) == (
        f"source eu: query {first} at eu.example:9090/path: connection refused; "
        f"source us: query {first} at us.example:9090/path: reset"
    )


def test_warnings_name_the_source(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """The gap of a partial answer names its source."""
    us.responses["uptime"] = encode_response([], warnings=["store a is down"])
    assert collect_snapshot(make(eu, us)).gaps == (Gap(GapKind.WARNING, "uptime", "source us: store a is down"),)


def test_the_cluster_label_of_a_source(make: CollectorFactory) -> None:
    """Series without a cluster label belong to the cluster of their source; others keep their own."""
    eu = FakeUpstream(
        {"nodes_by_uname": encode_response([({"node": "n"}, "1")]), "uptime": encode_response([({"node": "n"}, "5")])}
    )
    us = FakeUpstream(
        {
            "nodes_by_uname": encode_response([({"node": "n"}, "1"), ({"node": "n", "cluster": "oslo"}, "1")]),
            "uptime": encode_response([({"node": "n"}, "7"), ({"node": "n", "cluster": "oslo"}, "9")]),
            "labels": encode_response([({"node": "n", "label_zone": "z"}, "1")]),
        }
    )
    snapshot = collect_snapshot(make(eu, us, clusters=("rome", "dallas")))
    nodes = {cluster: node for (cluster, _), node in snapshot.topology.nodes.items()}
    assert {cluster: node.uptime_seconds for cluster, node in nodes.items()} == {"dallas": 7, "oslo": 9, "rome": 5}
    assert nodes["dallas"].labels == {"zone": "z"}
    assert snapshot.is_complete


def test_two_sources_with_the_same_hosts(make: CollectorFactory, eu: FakeUpstream) -> None:
    """Hosts of two sources are merged; if values differ, the largest one counts."""
    twin = FakeUpstream(dict(eu.responses) | {"uptime": build_uptime_response(6, "a")})
    snapshot = collect_snapshot(make(eu, twin))
    assert map_uptimes(snapshot) == {"a": 6}
    assert snapshot.gaps == (Gap(GapKind.CONFLICT, "uptime", "uptime_seconds"),)


def hang_until_abort(upstream: FakeUpstream) -> None:
    """Make an upstream hang until its queries are aborted."""

    def wait(_name: str) -> None:
        assert upstream.aborted.wait(WAIT_SECONDS)
        raise QueryTimeoutError("x")

    upstream.on_query = wait


def test_a_hanging_source_is_probed(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """Other sources answer meanwhile; in the next refresh the hanging source receives only a probe."""
    collector = make(eu, us, deadline_seconds=0.4)
    hang_until_abort(us)
    assert map_uptimes(collect_snapshot(collector)) == {"a": 5}
    us.aborted.clear()
    us.query_counts.clear()
    assert map_uptimes(collect_snapshot(collector, 10.0)) == {"a": 5}
    assert sum(us.query_counts.values()) == 1
    us.on_query = lambda _name: None
    snapshot = collect_snapshot(collector, 20.0)
    assert (map_uptimes(snapshot), snapshot.is_complete) == ({"a": 5, "b": 7}, True)


def test_queries_after_a_successful_probe_have_the_full_timeout(
    make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream
) -> None:
    """A source that answers the probe has the usual time for the other queries."""
    collector = make(eu, us, deadline_seconds=2.0)
    us.failure = QueryTimeoutError("x")
    collect_snapshot(collector)
    us.failure = None
    gate = threading.Event()
    us.on_query = lambda name: discard(gate.wait(0.7)) if name == "uptime" else None
    assert map_uptimes(collect_snapshot(collector, 10.0)) == {"a": 5, "b": 7}


def test_retry_after_of_one_source(make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream) -> None:
    """A source that sends Retry-After receives no queries for that time, and the others go on."""
    collector = make(eu, us)
    collect_snapshot(collector)
    us.failure = UpstreamStatusError(429, "too many requests", 60.0)
    _, failures = collector.collect(WALL_SECONDS, 10.0)
    assert failures == ()
    us.failure = None
    us.query_counts.clear()
    eu.responses["uptime"] = build_uptime_response(25, "a")
    snapshot = collect_snapshot(collector, 20.0)
    assert not us.query_counts
    assert map_uptimes(snapshot) == {"a": 25, "b": 7}
    (seconds,) = re.findall("the upstream sent Retry-After, for ([0-9]+) s more", str(snapshot.gaps[0]))
    # The clock that this is counted on is the real one, and goes on meanwhile.
    assert 0 < int(seconds) <= 60


@pytest.mark.parametrize(
    "error",
    [
        UpstreamStatusError(422, "execution: proxy Series(): x"),
        UpstreamStatusError(503, "busy"),
        QueryTimeoutError("x"),
        UnreachableError("x"),
    ],
)
def test_requires_complete_rejects_missing_answers(
    make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream, error: QueryError
) -> None:
    """If only complete refreshes count, one failed row of one source fails the refresh."""
    collector = make(eu, us, requires_complete=True)
    collect_snapshot(collector)
    us.responses["uptime"] = error
    with pytest.raises(RefreshFailedError, match=r"source us: query uptime at us\.example:9090/path: "):
        collect_snapshot(collector, 10.0)
    us.responses["uptime"] = build_uptime_response(8, "b")
    assert collect_snapshot(collector, 20.0).is_complete


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (encode_response([], warnings=["store a is down"]), "store a is down"),
        (load_field_response("partial-victoriametrics").body, "the response is partial (isPartial)"),
    ],
    ids=["a warning", "a partial flag"],
)
def test_requires_complete_rejects_warnings(
    make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream, response: bytes, reason: str
) -> None:
    """If only complete refreshes count, a partial answer fails the refresh."""
    us.responses["uptime"] = response
    with pytest.raises(RefreshFailedError) as caught:
        collect_snapshot(make(eu, us, requires_complete=True))
    assert str(caught.value) == f"query uptime: source us: {reason}"


def test_requires_complete_tolerates_rejected_queries(
    make: CollectorFactory, eu: FakeUpstream, us: FakeUpstream
) -> None:
    """A query that the upstream does not support is only a gap, because it lacks no data."""
    us.responses["uptime"] = UpstreamStatusError(400, "bad_data: x")
    assert [gap.kind for gap in collect_snapshot(make(eu, us, requires_complete=True)).gaps] == [GapKind.FAILED]


def discard(_value: object) -> None:
    """Drop a value."""
