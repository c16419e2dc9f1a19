"""What filters choose of a topology that is shown."""

import pytest

from aggregator.errors import BadRequestError
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.show.choice import Filters, chosen

GIB = 2**30
TOPOLOGY = Topology(
    clusters={key: Cluster(key=key, uid=key) for key in ("a", "b", "c")},
    nodes={
        ("a", "small"): Node(cluster="a", key="small", free_memory_bytes=1 * GIB, labels={"zone": "x"}),
        ("a", "large"): Node(cluster="a", key="large", free_memory_bytes=8 * GIB, labels={"zone": "y"}),
        ("b", "other"): Node(cluster="b", key="other", labels={"zone": "x"}),
    },
    pods={
        ("a", "web"): Pod(
            cluster="a", key="web", name="web", node="large", phase="Running", containers={"c": Container("c")}
        ),
        ("a", "job"): Pod(cluster="a", key="job", name="job", node="small", phase="Failed"),
        ("b", "web"): Pod(cluster="b", key="web", name="web", node="other", phase="Running"),
        ("c", "new"): Pod(cluster="c", key="new", name="new", phase="Pending"),
    },
)


def names(topology: Topology) -> tuple[list[str], list[str], list[str]]:
    """Return which clusters, nodes and pods a topology has."""
    return list(topology.clusters), [key for _, key in topology.nodes], [key for _, key in topology.pods]


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        (Filters(), (["a", "b", "c"], ["small", "large", "other"], ["web", "job", "web", "new"])),
        (Filters(nodes="free_memory_bytes>=4Gi"), (["a"], ["large"], ["web"])),
        (Filters(labels="zone=x"), (["a", "b"], ["small", "other"], ["job", "web"])),
        (Filters(nodes="cluster=a", labels="zone=x"), (["a"], ["small"], ["job"])),
        (Filters(pods="phase=Running"), (["a", "b"], ["large", "other"], ["web", "web"])),
        (Filters(pods="phase=Pending"), (["c"], [], ["new"])),
        (Filters(nodes="cluster=b", pods="name=web"), (["b"], ["other"], ["web"])),
        (Filters(nodes="cluster=none"), ([], [], [])),
    ],
    ids=str,
)
def test_what_is_chosen(filters: Filters, shown: tuple[list[str], list[str], list[str]]) -> None:
    """Nodes and pods are those that all filters choose, pods with their nodes, and clusters those that have any."""
    assert names(chosen(TOPOLOGY, filters)) == shown


@pytest.mark.parametrize("filters", [Filters(nodes="free_memory>1"), Filters(labels="a b"), Filters(pods="phase>")])
def test_what_is_not_understood_is_refused(filters: Filters) -> None:
    """A field that does not exist, or what is no filter, is told as under /api/v1."""
    with pytest.raises(BadRequestError):
        chosen(TOPOLOGY, filters)
