"""Disappearances between two refreshes are reported for a limited time, each cluster by itself."""

import msgspec
import pytest

from aggregator.models.grant import Grant
from aggregator.models.topology import Cluster, Node, Topology
from aggregator.refresh.disappearance import DisappearanceDetector
from aggregator.refresh.snapshot import Gap, GapKind, RenderedTopology, Snapshot

REPORT_SECONDS = 300.0


def build_numbered_topology(**sizes: int) -> Topology:
    """Return a topology of clusters with so many nodes, numbered from 0."""
    return Topology(
        clusters={name: Cluster(key=name, uid=f"uid-{name}", name=name) for name in sizes},
        nodes={
            (name, str(number)): Node(cluster=name, key=str(number), id=f"{name}/{number}", name=str(number))
            for name, size in sizes.items()
            for number in range(size)
        },
    )


def format_gaps(gaps: list[Gap]) -> list[str]:
    """Return the gaps as text; each of them makes the topology incomplete."""
    assert all(gap.kind is GapKind.VANISHED and gap.kind.is_missing_data for gap in gaps)
    return [f"{gap.subject} {gap.cluster_name}: {gap.detail}" for gap in gaps]


@pytest.fixture
def detector() -> DisappearanceDetector:
    """Return a detector that has seen no topology."""
    return DisappearanceDetector(REPORT_SECONDS)


def test_the_first_topology_has_no_gaps(detector: DisappearanceDetector) -> None:
    """After a start there is no previous topology to compare with."""
    assert detector.detect(build_numbered_topology(a=3), 0.0) == []


def test_a_missing_cluster_is_reported_until_the_time_is_over(detector: DisappearanceDetector) -> None:
    """The gap names the cluster and the number of its nodes, for as long as disappearances are reported."""
    detector.detect(build_numbered_topology(a=3, b=100), 0.0)
    (gap,) = gaps = detector.detect(build_numbered_topology(b=100), 10.0)
    assert format_gaps(gaps) == ["clusters a: cluster a with 3 nodes, 0 s ago"]
    assert gap.lasting_detail == "cluster a with 3 nodes"
    assert format_gaps(detector.detect(build_numbered_topology(b=100), 309.0)) == [
        "clusters a: cluster a with 3 nodes, 299 s ago"
    ]
    assert detector.detect(build_numbered_topology(b=100), 310.0) == []


def test_a_cluster_that_is_back_is_not_reported(detector: DisappearanceDetector) -> None:
    """A cluster that returned is not missing, and may disappear again."""
    detector.detect(build_numbered_topology(a=1, b=100), 0.0)
    detector.detect(build_numbered_topology(b=100), 10.0)
    assert detector.detect(build_numbered_topology(a=1, b=100), 20.0) == []
    assert format_gaps(detector.detect(build_numbered_topology(b=100), 30.0)) == [
        "clusters a: cluster a with 1 node, 0 s ago"
    ]


def test_all_clusters_may_disappear(detector: DisappearanceDetector) -> None:
    """An empty topology after one with clusters has a gap for each cluster."""
    detector.detect(build_numbered_topology(a=1, b=2), 0.0)
    assert len(detector.detect(build_numbered_topology(), 10.0)) == 2


@pytest.mark.parametrize(("remaining_count", "is_reported"), [(91, False), (90, True)])
def test_a_tenth_of_a_cluster_is_reported(
    detector: DisappearanceDetector, remaining_count: int, is_reported: bool
) -> None:
    """A smaller share of a cluster's nodes may leave without a gap, as happens every day."""
    detector.detect(build_numbered_topology(a=100), 0.0)
    gaps = detector.detect(build_numbered_topology(a=remaining_count), 10.0)
    expected = ["nodes a: 10 of 100 nodes of cluster a, 0 s ago: 90, 91, 92, 93, 94 and 5 more"]
    assert format_gaps(gaps) == (expected if is_reported else [])


@pytest.mark.parametrize("others", [{}, {"b": 8}, {"b": 8, "c": 1000}], ids=str)
@pytest.mark.parametrize("other_losses", [0, 8])
@pytest.mark.parametrize(("remaining_count", "is_complete"), [(19, True), (18, False)])
def test_completeness_of_a_cluster_does_not_depend_on_others(
    detector: DisappearanceDetector, others: dict[str, int], other_losses: int, remaining_count: int, is_complete: bool
) -> None:
    """A caller who sees one cluster cannot tell from its completeness how large the others are, or what they lost."""
    before = build_numbered_topology(a=20, **others)
    after = build_numbered_topology(
        a=remaining_count, **{name: max(0, size - other_losses) for name, size in others.items()}
    )
    detector.detect(before, 0.0)
    snapshot = Snapshot(RenderedTopology(after, 0.0, {}), tuple(detector.detect(after, 10.0)), 10.0, 10.0, 0.0)
    assert snapshot.restrict(Grant(frozenset({"a"}))).is_complete is is_complete


def test_nodes_of_several_clusters_are_reported_by_cluster(detector: DisappearanceDetector) -> None:
    """Each cluster has its own gap, and a cluster that lost less than a tenth has none."""
    detector.detect(build_numbered_topology(a=10, b=10, c=11), 0.0)
    assert format_gaps(detector.detect(build_numbered_topology(a=9, b=9, c=10), 10.0)) == [
        "nodes a: 1 of 10 nodes of cluster a, 0 s ago: 9",
        "nodes b: 1 of 10 nodes of cluster b, 0 s ago: 9",
    ]


def test_nodes_that_come_back_in_part(detector: DisappearanceDetector) -> None:
    """Nodes that are still missing are reported, even if they are less than a tenth by then."""
    detector.detect(build_numbered_topology(a=100), 0.0)
    detector.detect(build_numbered_topology(a=50), 10.0)
    assert format_gaps(detector.detect(build_numbered_topology(a=99), 20.0)) == [
        "nodes a: 1 of 100 nodes of cluster a, 10 s ago: 99"
    ]
    assert detector.detect(build_numbered_topology(a=100), 30.0) == []


def test_each_disappearance_has_its_own_time(detector: DisappearanceDetector) -> None:
    """Nodes that disappear later are reported until later."""
    detector.detect(build_numbered_topology(a=10), 0.0)
    detector.detect(build_numbered_topology(a=8), 10.0)
    assert len(detector.detect(build_numbered_topology(a=6), 100.0)) == 2
    assert format_gaps(detector.detect(build_numbered_topology(a=6), 310.0)) == [
        "nodes a: 2 of 8 nodes of cluster a, 210 s ago: 6, 7"
    ]


def test_nodes_of_a_missing_cluster_are_not_reported_separately(detector: DisappearanceDetector) -> None:
    """The gap of a missing cluster replaces those of its nodes, including nodes that disappeared before it."""
    detector.detect(build_numbered_topology(a=5, b=9), 0.0)
    detector.detect(build_numbered_topology(a=5, b=5), 5.0)
    assert format_gaps(detector.detect(build_numbered_topology(a=5), 10.0)) == [
        "clusters b: cluster b with 5 nodes, 0 s ago"
    ]


def test_a_cluster_that_comes_back_in_part(detector: DisappearanceDetector) -> None:
    """The nodes that a returned cluster lacks are reported from then on, with the time since they disappeared."""
    detector.detect(build_numbered_topology(a=4, b=100), 0.0)
    detector.detect(build_numbered_topology(b=100), 10.0)
    assert format_gaps(detector.detect(build_numbered_topology(a=3, b=100), 20.0)) == [
        "nodes a: 1 of 4 nodes of cluster a, 10 s ago: 3"
    ]


def test_a_new_name_is_not_a_disappearance(detector: DisappearanceDetector) -> None:
    """Clusters are identified by UID and nodes by machine id, not by name."""
    node = Node(cluster="a", key="x", id="1", name="x")
    detector.detect(Topology(clusters={"a": Cluster(key="a", uid="u")}, nodes={("a", "x"): node}), 0.0)
    renamed = Node(cluster="b", key="y", id="1", name="y")
    topology = Topology(clusters={"b": Cluster(key="b", uid="u")}, nodes={("b", "y"): renamed})
    assert detector.detect(topology, 10.0) == []


def test_reporting_can_be_turned_off() -> None:
    """With a report time of 0 there are no gaps."""
    detector = DisappearanceDetector(0.0)
    detector.detect(build_numbered_topology(a=1), 0.0)
    assert detector.detect(build_numbered_topology(), 10.0) == []


def test_a_node_that_is_gone_is_shown_with_its_last_values(detector: DisappearanceDetector) -> None:
    """It has the time at which it was last seen, whatever share of its cluster it is, until the time is over."""
    before, after = build_numbered_topology(a=30), build_numbered_topology(a=29)
    detector.detect(before, 0.0)
    assert not detector.detect(after, 10.0)
    topology = detector.add_gone_nodes(after, 1000.0)
    assert {key: node.gone_since_seconds for key, node in topology.nodes.items() if node.gone_since_seconds} == {
        ("a", "29"): 1000.0
    }
    assert topology.version != after.version
    assert topology.drop_absent_nodes().nodes == after.nodes
    detector.detect(after, 10.0 + REPORT_SECONDS)
    assert detector.add_gone_nodes(after, 1000.0) is after


def test_a_cluster_that_is_gone_is_shown_with_its_nodes(detector: DisappearanceDetector) -> None:
    """The cluster is in the topology as long as its nodes are; views that cannot say that they are gone omit both."""
    detector.detect(build_numbered_topology(a=2, b=1), 0.0)
    after = build_numbered_topology(b=1)
    detector.detect(after, 10.0)
    topology = detector.add_gone_nodes(after, 1000.0)
    assert list(topology.clusters) == ["a", "b"]
    assert [node.gone_since_seconds for node in topology.nodes.values()] == [1000.0, 1000.0, None]
    assert list(topology.drop_absent_nodes().clusters) == ["b"]


def test_a_new_node_takes_the_place_of_one_that_is_gone(detector: DisappearanceDetector) -> None:
    """A machine with the name of one that is gone is the only node of that name."""
    detector.detect(build_numbered_topology(a=2), 0.0)
    reinstalled = build_numbered_topology(a=2)
    nodes = {key: msgspec.structs.replace(node, id=f"new/{node.key}") for key, node in reinstalled.nodes.items()}
    after = msgspec.structs.replace(reinstalled, nodes=nodes)
    detector.detect(after, 10.0)
    assert detector.add_gone_nodes(after, 1000.0) is after
