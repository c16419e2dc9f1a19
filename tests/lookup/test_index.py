"""The topology index finds objects by name and lists them."""

import pytest

from aggregator.errors import NotFoundError
from aggregator.lookup.fields import MAX_COMPARED_NAMES, ObjectKind, suggest_names
from aggregator.lookup.results import MAX_LISTED_NAMES, TopologyIndex
from aggregator.models.topology import Cluster, Container, Device, Interface, Node, Pod, Topology, Workload

SAMPLE_TOPOLOGY = Topology(
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
            interfaces={"eth0": Interface("eth0", addresses={"10.0.0.1": "24"}, is_reported_up=True)},
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
            phase="Running",
            containers={"web": Container("web", image="docker.io/library/nginx:1.27")},
            workloads={"shop-1": Workload("shop-1", app="shop")},
        ),
    },
)


def test_objects_are_found_by_name() -> None:
    """Clusters, nodes and pods are found by their names; `-` is the empty namespace."""
    index = TopologyIndex(SAMPLE_TOPOLOGY)
    assert index.get_cluster("edge").cluster.uid == "u"
    assert index.get_node("edge", "k8s-worker").key == "k8s-worker"
    assert index.get_pod("edge", "web", "web-0").id == "p"
    assert index.get_pod("edge", "", "docker") is index.get_pod("edge", "-", "docker")


def test_the_pod_that_was_seen_last_is_found() -> None:
    """Of several pods with the same name, as during a replacement, the latest one is found."""
    pods = {
        ("c", key): Pod(cluster="c", key=key, id=key, name="web-0", namespace="n", last_seen_seconds=seen)
        for key, seen in (("a", None), ("b", 9.0), ("c", 5.0))
    }
    index = TopologyIndex(Topology(clusters={"c": Cluster(key="c", uid="u")}, pods=pods))
    assert index.get_pod("c", "n", "web-0").id == "b"


@pytest.mark.parametrize(
    ("kind", "names", "expected_message"),
    [
        (ObjectKind.CLUSTERS, ("edg",), "cluster not found: 'edg'; did you mean edge?"),
        (ObjectKind.NODES, ("edge", "k8s-mastr"), "cluster 'edge' has no node 'k8s-mastr'; did you mean k8s-master?"),
        (ObjectKind.NODES, ("edgy", "k8s-master"), "cluster not found: 'edgy'; did you mean edge?"),
        (ObjectKind.PODS, ("edge", "web", "web-1"), "cluster 'edge' has no pod 'web/web-1'; did you mean web/web-0?"),
        (ObjectKind.PODS, ("edge", "", "doker"), "cluster 'edge' has no pod '-/doker'; did you mean -/docker?"),
        (ObjectKind.CLUSTERS, ("???",), "cluster not found: '???'; allowed: edge"),
        (ObjectKind.NODES, ("edge", "???"), "cluster 'edge' has no node '???'; allowed: k8s-master, k8s-worker"),
    ],
)
def test_unknown_names(kind: ObjectKind, names: tuple[str, ...], expected_message: str) -> None:
    """The error for an unknown name suggests similar names, else it lists all names."""
    with pytest.raises(NotFoundError) as missing:
        TopologyIndex(SAMPLE_TOPOLOGY).get_object(kind, names)
    assert str(missing.value) == expected_message


@pytest.mark.parametrize(
    "names", [[f"c{number}" for number in range(MAX_LISTED_NAMES + 1)], ["c" * 200, "d" * 200]], ids=["many", "long"]
)
def test_many_names_are_not_listed(names: list[str]) -> None:
    """The error for an unknown name lists neither many nor long names."""
    index = TopologyIndex(Topology(clusters={name: Cluster(key=name, uid=name) for name in names}))
    with pytest.raises(NotFoundError) as missing:
        index.get_cluster("???")
    assert str(missing.value) == "cluster not found: '???'"


LABELLED_TOPOLOGY = Topology(
    clusters={name: Cluster(key=name, uid=name) for name in ("rome", "oslo")},
    nodes={
        (cluster, key): Node(cluster=cluster, key=key, id=f"{cluster}/{key}", node_label=label)
        for cluster, key, label in (
            ("rome", "vm", "m"),
            ("rome", "m2", "vm"),
            ("rome", "x1", "twin"),
            ("rome", "x2", "twin"),
            ("rome", "by-id", "rome/m2"),
            ("oslo", "other", "n"),
        )
    },
)


@pytest.mark.parametrize(
    ("name", "key"),
    [("vm", "vm"), ("m", "vm"), ("m2", "m2"), ("rome/vm", "vm"), ("rome/m2", "by-id"), ("rome/x1", "x1")],
)
def test_a_node_is_found_by_its_label_or_id(name: str, key: str) -> None:
    """A node is found by its name, else by its `node` label, else by its ID."""
    assert TopologyIndex(LABELLED_TOPOLOGY).get_node("rome", name).key == key


@pytest.mark.parametrize(
    ("name", "expected_message"),
    [
        ("twin", "cluster 'rome' has several nodes with the label 'twin'; did you mean x1, x2?"),
        ("n", "cluster 'rome' has no node 'n'; allowed: vm, m2, x1, x2, by-id"),
        ("oslo/other", "cluster 'rome' has no node 'oslo/other'; allowed: vm, m2, x1, x2, by-id"),
        ("", "cluster 'rome' has no node ''; allowed: vm, m2, x1, x2, by-id"),
    ],
)
def test_a_node_is_found_only_if_its_label_is_unique(name: str, expected_message: str) -> None:
    """A label of several nodes, or a label or ID in another cluster, finds no node."""
    with pytest.raises(NotFoundError) as missing:
        TopologyIndex(LABELLED_TOPOLOGY).get_node("rome", name)
    assert str(missing.value) == expected_message


@pytest.mark.parametrize(
    ("kind", "count"),
    [(ObjectKind.CLUSTERS, 1), (ObjectKind.NODES, 2), (ObjectKind.PODS, 2), (ObjectKind.CONTAINERS, 1)],
)
def test_all_objects_are_listed(kind: ObjectKind, count: int) -> None:
    """Objects of each kind are listed across all clusters."""
    assert len(TopologyIndex(SAMPLE_TOPOLOGY).list_objects(kind)) == count


def test_suggestions_ignore_case() -> None:
    """A name that differs only in case comes first, in its own spelling."""
    assert suggest_names("EDGE-1", ["edge-2", "Edge-1"]) == ("Edge-1", "edge-2")


def test_suggestions_from_very_many_names() -> None:
    """Of more names than the limit, those with the same first characters are compared."""
    names = [f"node-{number}" for number in range(3 * MAX_COMPARED_NAMES)] + ["zz-top"]
    assert suggest_names("zz-tip", names) == ("zz-top",)
