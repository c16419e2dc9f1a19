"""The quality of successful and failed refreshes."""

from collections.abc import Iterator

import pytest

from aggregator.errors import QueryError, QueryTimeoutError, RefreshFailedError, UnreachableError, UpstreamStatusError
from aggregator.models.quality import (
    FAILED_REASON,
    NO_RESULTS_REASON,
    UNUSABLE_RESULTS_REASON,
    YOUNG_COUNTERS_REASON,
    OmittedSamples,
    Quality,
    QueryResult,
    RowQuality,
    UnplacedObjects,
)
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.querier.source import SourceInfo
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, UpstreamResponse, build_cluster_responses, build_uptime_response
from tests.support.samples import encode_response

WALL_SECONDS = 1795208200.0


@pytest.fixture
def upstream() -> FakeUpstream:
    """Return an upstream with one cluster and one host with its uptime."""
    return FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})


@pytest.fixture
def collector(upstream: FakeUpstream) -> Iterator[SnapshotCollector]:
    """Return a collector for it."""
    collector = SnapshotCollector(
        [PrometheusSource(upstream, 1, SourceInfo("one"))], CollectorConfig(CATALOG, 300.0), ViewSet({}, ())
    )
    yield collector
    collector.close()


def assess_quality(collector: SnapshotCollector, now: float = 0.0) -> Quality:
    """Return the quality of a successful refresh."""
    collector.collect(WALL_SECONDS + now, now)
    assert collector.quality is not None
    return collector.quality


def find_row(quality: Quality, name: str) -> RowQuality:
    """Return the quality of a row."""
    (found,) = [each for each in quality.rows if each.name == name]
    return found


def list_unfilled_reasons(quality: Quality) -> dict[str, str]:
    """Return the reason of each unfilled field."""
    return {f"{field.kind}.{field.field}": field.reason for field in quality.unfilled_fields}


def test_each_row_is_reported(collector: SnapshotCollector) -> None:
    """The quality has the result, the samples and the placed samples of every row."""
    quality = assess_quality(collector)
    assert [each.name for each in quality.rows] == [each.name for each in CATALOG]
    (answer,) = find_row(quality, "uptime").sources
    assert (answer.source, answer.result, answer.samples, answer.age_seconds) == ("one", QueryResult.OK, 1, 0)
    assert answer.duration_seconds >= 0
    assert (find_row(quality, "uptime").samples, find_row(quality, "uptime").placed_samples) == (1, 1)
    totals = quality.totals
    assert totals is not None
    assert (totals.clusters, totals.nodes, totals.queries, totals.samples) == (1, 1, len(CATALOG), 3)
    assert quality.complete


@pytest.mark.parametrize("error", [QueryTimeoutError("slow"), UpstreamStatusError(422, "execution: x")])
def test_a_failed_query_has_its_error(upstream: FakeUpstream, collector: SnapshotCollector, error: QueryError) -> None:
    """A query that fails without a cached answer is reported as failed, with its error."""
    upstream.responses["uptime"] = error
    quality = assess_quality(collector)
    (answer,) = find_row(quality, "uptime").sources
    assert (answer.result, answer.error, answer.samples) == (QueryResult.FAILED, str(error), None)
    assert list_unfilled_reasons(quality)["Node.uptime_seconds"] == FAILED_REASON
    assert quality.complete is False


def test_a_stale_answer_has_its_age(upstream: FakeUpstream, collector: SnapshotCollector) -> None:
    """A cached answer that is used instead is reported with its samples, its age and the error."""
    assess_quality(collector)
    upstream.responses["uptime"] = QueryTimeoutError("slow")
    quality = assess_quality(collector, 20.0)
    (answer,) = find_row(quality, "uptime").sources
    assert (answer.result, answer.error, answer.age_seconds) == (QueryResult.STOOD_IN, "slow", 20)
    assert find_row(quality, "uptime").placed_samples == 1
    assert quality.totals is not None
    assert (quality.totals.stood_in_queries, quality.totals.failed_queries) == (1, 0)


def test_warnings_are_reported_with_their_row(upstream: FakeUpstream, collector: SnapshotCollector) -> None:
    """Warnings and infos of an upstream are reported with the row."""
    upstream.responses["uptime"] = encode_response([], warnings=["a store is away"], infos=["odd"])
    (answer,) = find_row(assess_quality(collector), "uptime").sources
    assert (answer.warnings, answer.remarks) == (("a store is away",), ("odd",))


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        (
            {"uptime": build_uptime_response(5, host="nobody")},
            ("unplaced", OmittedSamples("no node matches its labels", 1)),
        ),
        (
            {
                "nodes_by_agent": encode_response(
                    [({"k8s_cluster_uid": "u", "icos_host_id": "id-n", "latitude": "x"}, "1")]
                )
            },
            ("dropped", OmittedSamples("not a number", 1)),
        ),
        (
            {"uptime": encode_response([({"icos_host_id": "id-n", "node": each}, each) for each in "12"])},
            ("conflicts", OmittedSamples("uptime_seconds", 1)),
        ),
    ],
)
def test_dropped_samples_are_reported_with_their_row(
    upstream: FakeUpstream,
    collector: SnapshotCollector,
    responses: dict[str, UpstreamResponse],
    expected: tuple[str, OmittedSamples],
) -> None:
    """Unplaced samples, invalid values and conflicts are counted by row and reason."""
    upstream.responses |= responses
    (name,) = responses
    kind, omitted = expected
    assert getattr(find_row(assess_quality(collector), name), kind) == (omitted,)


def test_hosts_without_cluster_are_reported(upstream: FakeUpstream, collector: SnapshotCollector) -> None:
    """Hosts without a known cluster are reported as unplaced objects, not as samples of a row."""
    upstream.responses["nodes_by_uname"] = encode_response(
        [({"k8s_cluster_uid": "unknown", "nodename": name}, "1") for name in ("a", "b")]
    )
    quality = assess_quality(collector)
    assert UnplacedObjects("nodes", "belongs to no known cluster", 2) in quality.unplaced_objects
    assert UnplacedObjects("clusters", "the cluster has no nodes", 1) in quality.unplaced_objects
    assert not find_row(quality, "nodes_by_uname").unplaced


def test_unfilled_fields_have_their_exporters(upstream: FakeUpstream, collector: SnapshotCollector) -> None:
    """A field that no object has is reported with a reason and the exporters that would fill it."""
    upstream.responses["temperature"] = encode_response([({"icos_host_id": "id-n"}, "NaN")])
    quality = assess_quality(collector)
    reasons = list_unfilled_reasons(quality)
    assert (reasons["Node.latitude"], reasons["Node.temperature_celsius"]) == (
        UNUSABLE_RESULTS_REASON,
        UNUSABLE_RESULTS_REASON,
    )
    assert reasons["Pod.phase"] == NO_RESULTS_REASON
    assert "Node.uptime_seconds" not in reasons
    (memory,) = [field for field in quality.unfilled_fields if field.field == "free_memory_bytes"]
    assert (memory.rows, memory.exporters) == (("memory_free",), ("node_exporter, collector meminfo",))


def test_fields_of_children_are_reported(upstream: FakeUpstream, collector: SnapshotCollector) -> None:
    """Unfilled fields of interfaces, containers and other children are reported as well."""
    upstream.responses["interface_up"] = encode_response([({"icos_host_id": "id-n", "device": "eth0"}, "1")])
    upstream.responses["pods"] = encode_response([({"k8s_cluster_uid": "u", "namespace": "s", "pod": "p"}, "1")])
    upstream.responses["containers"] = encode_response(
        [({"k8s_cluster_uid": "u", "namespace": "s", "pod": "p", "container": "c", "image": "i"}, "1")]
    )
    reasons = list_unfilled_reasons(assess_quality(collector))
    assert not {"Interface.is_up", "Container.image", "Pod.name"} & reasons.keys()
    assert {"Interface.duplex", "Container.memory_bytes", "Pod.ip"} <= reasons.keys()


def test_zero_fills_a_field(upstream: FakeUpstream, collector: SnapshotCollector) -> None:
    """0 and False are values."""
    upstream.responses["uptime"] = build_uptime_response(0)
    upstream.responses["interface_up"] = encode_response([({"icos_host_id": "id-n", "device": "eth0"}, "0")])
    assert not {"Node.uptime_seconds", "Interface.is_up"} & list_unfilled_reasons(assess_quality(collector)).keys()


def test_a_failed_refresh_has_a_quality(upstream: FakeUpstream, collector: SnapshotCollector) -> None:
    """After a failed refresh, each row still has its error."""
    upstream.failure = UnreachableError("reset")
    with pytest.raises(RefreshFailedError):
        collector.collect(WALL_SECONDS, 0.0)
    assert collector.quality is not None
    assert {answer.error for each in collector.quality.rows for answer in each.sources} == {"reset"}
    assert set(list_unfilled_reasons(collector.quality).values()) == {FAILED_REASON}


def test_vanished_clusters_are_reported(upstream: FakeUpstream) -> None:
    """A cluster that has just disappeared is named."""
    config = CollectorConfig(CATALOG, 300.0, disappearance_notice_seconds=60.0)
    collector = SnapshotCollector([PrometheusSource(upstream, 1)], config, ViewSet({}, ()))
    assert assess_quality(collector).vanished == ()
    upstream.responses = {}
    assert assess_quality(collector, 10.0).vanished == ("cluster u with 1 node, 0 s ago",)
    collector.close()


def test_young_counters_are_not_a_missing_exporter(collector: SnapshotCollector) -> None:
    """A rate without samples is too young if other metrics of its exporter are there."""
    reasons = list_unfilled_reasons(assess_quality(collector))
    assert reasons["Node.cpu_usage_percent"] == YOUNG_COUNTERS_REASON
    assert reasons["Container.cpu_usage_cores"] == NO_RESULTS_REASON
