"""What vanished between two refreshes is told for a while."""

import pytest

from aggregator.models.topology import Cluster, Node, Topology
from aggregator.snapshot import Gap, GapKind
from aggregator.vanished import Lookout

NOTICE_SECONDS = 300.0


def topology(**sizes: int) -> Topology:
    """Return a topology of clusters with so many nodes, numbered from 0."""
    return of({name: [str(number) for number in range(size)] for name, size in sizes.items()})


def of(nodes: dict[str, list[str]]) -> Topology:
    """Return a topology of clusters with these nodes."""
    return Topology(
        clusters={name: Cluster(key=name, uid=f"uid-{name}", name=name) for name in nodes},
        nodes={(name, key): Node(cluster=name, key=key, name=key) for name, keys in nodes.items() for key in keys},
    )


def texts(gaps: list[Gap]) -> list[str]:
    """Return the gaps as they are told; each marks the answer incomplete."""
    assert all(gap.kind is GapKind.VANISHED and gap.kind.is_missing_data for gap in gaps)
    return [f"{gap.row} {gap.cluster_name}: {gap.detail}" for gap in gaps]


@pytest.fixture
def lookout() -> Lookout:
    """Return a lookout that has seen nothing yet."""
    return Lookout(NOTICE_SECONDS)


def test_the_first_topology_misses_nothing(lookout: Lookout) -> None:
    """After a start there is nothing to compare with."""
    assert lookout.look(topology(a=3), 0.0) == []


def test_a_cluster_that_vanishes_is_told_until_the_time_is_over(lookout: Lookout) -> None:
    """It is named with what it had, for as long as it is to be noticed; then it is gone."""
    lookout.look(topology(a=3, b=100), 0.0)
    assert texts(lookout.look(topology(b=100), 10.0)) == ["clusters a: cluster a with 3 nodes, 0 s ago"]
    assert texts(lookout.look(topology(b=100), 309.0)) == ["clusters a: cluster a with 3 nodes, 299 s ago"]
    assert lookout.look(topology(b=100), 310.0) == []


def test_a_cluster_that_is_back_is_told_no_more(lookout: Lookout) -> None:
    """What is there again is not missing, and may vanish anew."""
    lookout.look(topology(a=1, b=100), 0.0)
    lookout.look(topology(b=100), 10.0)
    assert lookout.look(topology(a=1, b=100), 20.0) == []
    assert texts(lookout.look(topology(b=100), 30.0)) == ["clusters a: cluster a with 1 node, 0 s ago"]


def test_all_clusters_may_vanish(lookout: Lookout) -> None:
    """A topology that is empty all of a sudden is told cluster by cluster."""
    lookout.look(topology(a=1, b=2), 0.0)
    assert len(lookout.look(topology(), 10.0)) == 2


@pytest.mark.parametrize(("left", "is_told"), [(91, False), (90, True)])
def test_a_tenth_of_all_nodes_is_told(lookout: Lookout, left: int, is_told: bool) -> None:
    """Fewer nodes come and go unnoticed, as they do every day."""
    lookout.look(topology(a=100), 0.0)
    gaps = lookout.look(topology(a=left), 10.0)
    assert bool(gaps) is is_told
    if gaps:
        assert texts(gaps) == ["nodes a: 10 of 100 nodes of cluster a, 0 s ago: 90, 91, 92, 93, 94 and 5 more"]


def test_nodes_of_several_clusters_are_told_by_cluster(lookout: Lookout) -> None:
    """They count together, and each cluster's gap tells only of its own."""
    lookout.look(topology(a=10, b=10), 0.0)
    assert texts(lookout.look(topology(a=9, b=9), 10.0)) == [
        "nodes a: 1 of 10 nodes of cluster a, 0 s ago: 9",
        "nodes b: 1 of 10 nodes of cluster b, 0 s ago: 9",
    ]


def test_nodes_that_come_back_in_part(lookout: Lookout) -> None:
    """Those that are still away are told, however few they are by then."""
    lookout.look(topology(a=100), 0.0)
    lookout.look(topology(a=50), 10.0)
    assert texts(lookout.look(topology(a=99), 20.0)) == ["nodes a: 1 of 100 nodes of cluster a, 10 s ago: 99"]
    assert lookout.look(topology(a=100), 30.0) == []


def test_each_loss_has_its_own_time(lookout: Lookout) -> None:
    """Nodes that vanish later are told longer."""
    lookout.look(topology(a=10), 0.0)
    lookout.look(topology(a=8), 10.0)
    assert len(lookout.look(topology(a=6), 100.0)) == 2
    assert texts(lookout.look(topology(a=6), 310.0)) == ["nodes a: 2 of 8 nodes of cluster a, 210 s ago: 6, 7"]


def test_a_cluster_that_vanishes_takes_its_nodes_along(lookout: Lookout) -> None:
    """The nodes of a cluster that is gone are not told by themselves, those that went before it included."""
    lookout.look(topology(a=5, b=9), 0.0)
    lookout.look(topology(a=5, b=5), 5.0)
    assert texts(lookout.look(topology(a=5), 10.0)) == ["clusters b: cluster b with 5 nodes, 0 s ago"]


def test_a_cluster_that_comes_back_in_part(lookout: Lookout) -> None:
    """The nodes that it comes back without are told from then on, for as long as they have been away."""
    lookout.look(topology(a=4, b=100), 0.0)
    lookout.look(topology(b=100), 10.0)
    assert texts(lookout.look(topology(a=3, b=100), 20.0)) == ["nodes a: 1 of 4 nodes of cluster a, 10 s ago: 3"]


def test_a_name_that_changes_is_no_loss(lookout: Lookout) -> None:
    """Clusters are known by their uid and nodes by their machine id, whatever they are called."""
    node = Node(cluster="a", key="x", host_id="1", name="x")
    lookout.look(Topology(clusters={"a": Cluster(key="a", uid="u")}, nodes={("a", "x"): node}), 0.0)
    renamed = Node(cluster="b", key="y", host_id="1", name="y")
    assert lookout.look(Topology(clusters={"b": Cluster(key="b", uid="u")}, nodes={("b", "y"): renamed}), 10.0) == []


def test_without_notice_nothing_is_told() -> None:
    """The operator may not want to know."""
    lookout = Lookout(0.0)
    lookout.look(topology(a=1), 0.0)
    assert lookout.look(topology(), 10.0) == []
