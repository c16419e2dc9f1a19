"""How good a refresh was: what is told of queries, samples and fields, whether it gave a topology or not."""

from collections.abc import Iterator

import pytest

from aggregator.errors import QueryError, RefreshFailedError, RefusedError, TooSlowError, UnreachableError
from aggregator.models.catalog import CATALOG
from aggregator.quality import (
    FAILED_REASON,
    NOTHING_REASON,
    UNUSED_REASON,
    LeftOut,
    Quality,
    QueryResult,
    RowQuality,
    UnplacedObjects,
)
from aggregator.querier.gather import Gatherer, Source
from aggregator.take import Plan, Taker, Views
from tests.samples import body
from tests.upstreams import Said, Upstream, cluster, uptime

WALL_SECONDS = 1795208200.0


@pytest.fixture
def upstream() -> Upstream:
    """An upstream that shows one cluster with one host and its uptime."""
    return Upstream(cluster() | {"uptime": uptime(5)})


@pytest.fixture
def taker(upstream: Upstream) -> Iterator[Taker]:
    """What takes snapshots of it."""
    made = Taker([Gatherer(upstream, 1, 60.0, Source("one"))], Plan(CATALOG, 300.0), Views({}, ()))
    yield made
    made.close()


def assessed(taker: Taker, now: float = 0.0) -> Quality:
    """Return how good a refresh was that gave a topology."""
    taker.take(WALL_SECONDS + now, now)
    assert taker.quality is not None
    return taker.quality


def row(quality: Quality, name: str) -> RowQuality:
    """Return what is told of a row."""
    (found,) = [each for each in quality.rows if each.name == name]
    return found


def reasons(quality: Quality) -> dict[str, str]:
    """Return why each field is unfilled that is."""
    return {f"{field.kind}.{field.field}": field.reason for field in quality.unfilled_fields}


def test_each_row_is_told(taker: Taker) -> None:
    """Every row of the catalog tells its result, its samples and what they were placed as."""
    quality = assessed(taker)
    assert [each.name for each in quality.rows] == [each.name for each in CATALOG]
    (answer,) = row(quality, "uptime").sources
    assert (answer.source, answer.result, answer.samples, answer.age_seconds) == ("one", QueryResult.OK, 1, 0)
    assert answer.duration_seconds >= 0
    assert (row(quality, "uptime").samples, row(quality, "uptime").placed_samples) == (1, 1)
    totals = quality.totals
    assert totals is not None
    assert (totals.clusters, totals.nodes, totals.queries, totals.samples) == (1, 1, len(CATALOG), 3)
    assert quality.complete


@pytest.mark.parametrize("error", [TooSlowError("slow"), RefusedError(422, "execution: x")])
def test_a_query_without_an_answer_says_why(upstream: Upstream, taker: Taker, error: QueryError) -> None:
    """Where no earlier answer is there, the row failed."""
    upstream.said["uptime"] = error
    quality = assessed(taker)
    (answer,) = row(quality, "uptime").sources
    assert (answer.result, answer.error, answer.samples) == (QueryResult.FAILED, str(error), None)
    assert reasons(quality)["Node.uptime_seconds"] == FAILED_REASON
    assert quality.complete is False


def test_an_answer_that_stands_in_tells_its_age(upstream: Upstream, taker: Taker) -> None:
    """Where an earlier answer stands in, its samples, its age and what went wrong are told."""
    assessed(taker)
    upstream.said["uptime"] = TooSlowError("slow")
    quality = assessed(taker, 20.0)
    (answer,) = row(quality, "uptime").sources
    assert (answer.result, answer.error, answer.age_seconds) == (QueryResult.STOOD_IN, "slow", 20)
    assert row(quality, "uptime").placed_samples == 1
    assert quality.totals is not None
    assert (quality.totals.stood_in_queries, quality.totals.failed_queries) == (1, 0)


def test_what_an_upstream_says_is_told_with_its_row(upstream: Upstream, taker: Taker) -> None:
    """Warnings and remarks stand where they were said."""
    upstream.said["uptime"] = body([], warnings=["a store is away"], infos=["odd"])
    (answer,) = row(assessed(taker), "uptime").sources
    assert (answer.warnings, answer.remarks) == (("a store is away",), ("odd",))


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"uptime": uptime(5, host="nobody")}, ("unplaced", LeftOut("no node with its labels", 1))),
        (
            {"nodes_by_agent": body([({"k8s_cluster_uid": "u", "icos_host_id": "id-n", "latitude": "x"}, "1")])},
            ("dropped", LeftOut("not a number", 1)),
        ),
        (
            {"uptime": body([({"icos_host_id": "id-n", "node": each}, each) for each in "12"])},
            ("conflicts", LeftOut("uptime_seconds", 1)),
        ),
    ],
)
def test_what_is_left_out_is_told_with_its_row(
    upstream: Upstream, taker: Taker, said: dict[str, Said], what: tuple[str, LeftOut]
) -> None:
    """Samples without a place, values that cannot be kept and contradictions are counted by row and reason."""
    upstream.said |= said
    (name,) = said
    kind, left_out = what
    assert getattr(row(assessed(taker), name), kind) == (left_out,)


def test_hosts_of_no_cluster_are_told(upstream: Upstream, taker: Taker) -> None:
    """A host that nothing says the cluster of is no sample of a row, and told apart."""
    upstream.said["nodes_by_uname"] = body([({"nodename": "a"}, "1"), ({"nodename": "b"}, "1")])
    quality = assessed(taker)
    assert UnplacedObjects("nodes", "belongs to no known cluster", 2) in quality.unplaced_objects
    assert UnplacedObjects("clusters", "no node belongs to its cluster", 1) in quality.unplaced_objects
    assert not row(quality, "nodes_by_uname").unplaced


def test_fields_that_nothing_fills_name_their_exporters(upstream: Upstream, taker: Taker) -> None:
    """A field is unfilled where no object has it, whatever was answered; what would fill it is told."""
    upstream.said["temperature"] = body([({"icos_host_id": "id-n"}, "NaN")])
    quality = assessed(taker)
    why = reasons(quality)
    assert (why["Node.latitude"], why["Node.temperature_celsius"]) == (UNUSED_REASON, UNUSED_REASON)
    assert why["Pod.phase"] == NOTHING_REASON
    assert "Node.uptime_seconds" not in why
    (memory,) = [field for field in quality.unfilled_fields if field.field == "free_memory_bytes"]
    assert (memory.rows, memory.exporters) == (("memory_free",), ("node_exporter, collector meminfo",))


def test_parts_of_objects_are_looked_at(upstream: Upstream, taker: Taker) -> None:
    """Fields of interfaces, containers and the like are known to be filled, too."""
    upstream.said["interface_up"] = body([({"icos_host_id": "id-n", "device": "eth0"}, "1")])
    upstream.said["pods"] = body([({"k8s_cluster_uid": "u", "namespace": "s", "pod": "p"}, "1")])
    upstream.said["containers"] = body(
        [({"k8s_cluster_uid": "u", "namespace": "s", "pod": "p", "container": "c", "image": "i"}, "1")]
    )
    why = reasons(assessed(taker))
    assert not {"Interface.is_up", "Container.image", "Pod.name"} & why.keys()
    assert {"Interface.duplex", "Container.memory_bytes", "Pod.ip"} <= why.keys()


def test_zero_fills_a_field(upstream: Upstream, taker: Taker) -> None:
    """A value of 0, or of False, is a value."""
    upstream.said["uptime"] = uptime(0)
    upstream.said["interface_up"] = body([({"icos_host_id": "id-n", "device": "eth0"}, "0")])
    assert not {"Node.uptime_seconds", "Interface.is_up"} & reasons(assessed(taker)).keys()


def test_a_refresh_that_failed_is_told(upstream: Upstream, taker: Taker) -> None:
    """Where there is no snapshot, each row still says why."""
    upstream.everything = UnreachableError("reset")
    with pytest.raises(RefreshFailedError):
        taker.take(WALL_SECONDS, 0.0)
    assert taker.quality is not None
    assert {answer.error for each in taker.quality.rows for answer in each.sources} == {"reset"}
    assert set(reasons(taker.quality).values()) == {FAILED_REASON}


def test_what_vanished_is_told(upstream: Upstream) -> None:
    """A cluster that was there a moment ago is named."""
    plan = Plan(CATALOG, 300.0, vanished_notice_seconds=60.0)
    taker = Taker([Gatherer(upstream, 1, 60.0)], plan, Views({}, ()))
    assert assessed(taker).vanished == ()
    upstream.said = {}
    assert assessed(taker, 10.0).vanished == ("cluster u with 1 node, 0 s ago",)
    taker.close()
