"""Finding the objects of a topology by name, and listing them."""

import pytest

from aggregator.errors import NotFoundError
from aggregator.lookup.index import Index
from aggregator.lookup.items import Kind
from aggregator.lookup.nearest import MOST_COMPARED, nearest
from aggregator.models.topology import Cluster, Container, Device, Interface, Node, Pod, Topology, Workload

TREE = Topology(
    clusters={"edge": Cluster(key="edge", uid="u", name="edge", controllers=("staging",))},
    nodes={
        ("edge", "k8s-master"): Node(
            cluster="edge",
            key="k8s-master",
            name="k8s-master",
            architecture="x86_64",
            free_memory_bytes=348_254_208,
            labels={"zone": "north"},
            vulnerabilities={"critical": 3},
            last_seen_seconds=1_795_208_228.307,
            interfaces={"eth0": Interface("eth0", addresses={"10.0.0.1": "24"}, is_up=True)},
        ),
        ("edge", "k8s-worker"): Node(
            cluster="edge",
            key="k8s-worker",
            name="k8s-worker",
            devices={"video0": Device("video0", 1), "video1": Device("video1", 0)},
        ),
    },
    pods={
        ("edge", "docker"): Pod(cluster="edge", key="docker", name="docker"),
        ("edge", "web-0"): Pod(
            cluster="edge",
            key="web-0",
            id="p",
            name="web-0",
            namespace="web",
            node="k8s-master",
            containers={"web": Container("web", image="docker.io/library/nginx:1.27")},
            workloads={"shop-1": Workload("shop-1", app="shop")},
        ),
    },
)


def test_things_are_found_by_their_names() -> None:
    """A cluster, a node and a pod are found by what a person calls them."""
    index = Index(TREE)
    assert index.cluster("edge").cluster.uid == "u"
    assert index.node("edge", "k8s-worker").key == "k8s-worker"
    assert index.pod("edge", "web", "web-0").id == "p"
    assert index.pod("edge", "", "docker") is index.pod("edge", "-", "docker")


def test_the_pod_that_was_seen_last() -> None:
    """Of two pods of one name, while one takes the place of the other, the younger one is found."""
    pods = {
        ("c", key): Pod(cluster="c", key=key, id=key, name="web-0", namespace="n", last_seen_seconds=seen)
        for key, seen in (("a", None), ("b", 9.0), ("c", 5.0))
    }
    index = Index(Topology(clusters={"c": Cluster(key="c", uid="u")}, pods=pods))
    assert index.pod("c", "n", "web-0").id == "b"


@pytest.mark.parametrize(
    ("kind", "names", "says"),
    [
        (Kind.CLUSTERS, ("edg",), "there is no cluster 'edg'; nearest: edge"),
        (Kind.NODES, ("edge", "k8s-mastr"), "cluster 'edge' has no node 'k8s-mastr'; nearest: k8s-master"),
        (Kind.NODES, ("edgy", "k8s-master"), "there is no cluster 'edgy'; nearest: edge"),
        (Kind.PODS, ("edge", "web", "web-1"), "cluster 'edge' has no pod 'web/web-1'; nearest: web/web-0"),
        (Kind.PODS, ("edge", "", "doker"), "cluster 'edge' has no pod '-/doker'; nearest: -/docker"),
        (Kind.CLUSTERS, ("???",), "there is no cluster '???'"),
    ],
)
def test_what_is_not_there(kind: Kind, names: tuple[str, ...], says: str) -> None:
    """What is not found is told, with the nearest names that are there."""
    with pytest.raises(NotFoundError) as missing:
        Index(TREE).one(kind, names)
    assert str(missing.value) == says


@pytest.mark.parametrize(("kind", "count"), [(Kind.CLUSTERS, 1), (Kind.NODES, 2), (Kind.PODS, 2), (Kind.CONTAINERS, 1)])
def test_everything_is_listed(kind: Kind, count: int) -> None:
    """Each kind of objects is listed across all clusters."""
    assert len(Index(TREE).items(kind)) == count


def test_case_does_not_make_names_far() -> None:
    """A name that differs in case only is the nearest, and is told as it is written."""
    assert nearest("EDGE-1", ["edge-2", "Edge-1"]) == ("Edge-1", "edge-2")


def test_of_very_many_names_those_that_begin_alike() -> None:
    """Among more names than are compared, the nearest is found by how it begins."""
    names = [f"node-{number}" for number in range(3 * MOST_COMPARED)] + ["zz-top"]
    assert nearest("zz-tip", names) == ("zz-top",)
