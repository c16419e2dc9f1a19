"""Filters of `aggregator show`."""

import pytest

from aggregator.cli.show.command import TopologyFilters, filter_topology
from aggregator.errors import BadRequestError
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology

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


def list_names(topology: Topology) -> tuple[list[str], list[str], list[str]]:
    """Return the names of clusters, nodes and pods of a topology."""
    return list(topology.clusters), [key for _, key in topology.nodes], [key for _, key in topology.pods]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (TopologyFilters(), (["a", "b", "c"], ["small", "large", "other"], ["web", "job", "web", "new"])),
        (TopologyFilters(nodes="free_memory_bytes>=4Gi"), (["a"], ["large"], ["web"])),
        (TopologyFilters(labels="zone=x"), (["a", "b"], ["small", "other"], ["job", "web"])),
        (TopologyFilters(nodes="cluster=a", labels="zone=x"), (["a"], ["small"], ["job"])),
        (TopologyFilters(pods="phase=Running"), (["a", "b"], ["large", "other"], ["web", "web"])),
        (TopologyFilters(pods="phase=Pending"), (["c"], [], ["new"])),
        (TopologyFilters(nodes="cluster=b", pods="name=web"), (["b"], ["other"], ["web"])),
        (TopologyFilters(nodes="cluster=none"), ([], [], [])),
    ],
    ids=str,
)
def test_filters_select_nodes_and_pods(
    filters: TopologyFilters, expected: tuple[list[str], list[str], list[str]]
) -> None:
    """The result has the nodes and pods that match all filters, and the clusters that have any of them."""
    assert list_names(filter_topology(TOPOLOGY, filters)) == expected


@pytest.mark.parametrize(
    "filters", [TopologyFilters(nodes="free_memory>1"), TopologyFilters(labels="a b"), TopologyFilters(pods="phase>")]
)
def test_an_invalid_filter_is_an_error(filters: TopologyFilters) -> None:
    """An unknown field and an invalid filter are the same errors as under /api/v1."""
    with pytest.raises(BadRequestError):
        filter_topology(TOPOLOGY, filters)
