"""The ETIM nodes of topologies."""

from typing import Any

import pytest

from aggregator.models.topology import Cluster, Device, Node, Topology
from aggregator.pb.etim import server_pb2 as pb
from aggregator.views import etim


def render_only_node(**fields: Any) -> pb.Node:
    """Return the only node of a cluster "c"."""
    node = Node(cluster="c", key="k", **fields)
    topology = Topology(clusters={"c": Cluster(key="c", uid="u")}, nodes={("c", "k"): node})
    (message,) = pb.InfrastructureModel.FromString(etim.render_etim(topology, 0.0)).nodes
    return message


def test_an_empty_topology_is_an_empty_message() -> None:
    """A topology without nodes is an empty message."""
    assert etim.render_etim(Topology(), 0.0) == b""


def test_a_node_with_all_fields() -> None:
    """Memory is what the host reports, cores are in millicores, idle cores are available."""
    node = render_only_node(
        node_label="w1",
        name="host",
        architecture="aarch64",
        cpu_cores=4.0,
        cpu_usage_percent=25.0,
        memory_bytes=999,
        host_memory_bytes=8589934592,
        available_memory_bytes=3221225472,
    )
    assert node == pb.Node(
        id="w1",
        node_type=pb.Node.COMPUTE,
        cpu_architecture="aarch64",
        resources=pb.ComputeResources(milliCPU=4000, memoryInBytes=8589934592),
        available_resources=pb.ComputeResources(milliCPU=3000, memoryInBytes=3221225472),
        labels=["cluster=c"],
    )


@pytest.mark.parametrize(
    ("fields", "expected"), [({"node_label": "l", "name": "n"}, "l"), ({"name": "n"}, "n"), ({}, "k")]
)
def test_the_id_of_a_node(fields: dict[str, str], expected: str) -> None:
    """The ID is the `node` label, as in the Go service, else the host name, else the key."""
    assert render_only_node(**fields).id == expected


def test_resources_are_always_present() -> None:
    """Both resource messages are present even if all their fields are unknown."""
    node = render_only_node()
    assert node.HasField("resources")
    assert node.HasField("available_resources")


def test_memory_falls_back_to_the_kubernetes_capacity() -> None:
    """If the host does not report its memory size, the size that Kubernetes reports is used."""
    assert render_only_node(memory_bytes=999).resources.memoryInBytes == 999


@pytest.mark.parametrize(("cores", "expected"), [(2147483.0, 2147483000), (2147484.0, 0), (1e18, 0), (0.0015, 2)])
def test_cores_beyond_32_bits_are_unknown(cores: float, expected: int) -> None:
    """A number of millicores that does not fit into 32 bits becomes 0."""
    assert render_only_node(cpu_cores=cores).resources.milliCPU == expected


def test_labels_of_a_node() -> None:
    """Cluster, type, position, GPUs and attached devices are labels."""
    node = render_only_node(
        type="nuvla",
        latitude=48.25,
        longitude=-1.5,
        gpu_count=2.0,
        devices={"cam": Device("cam", 1), "mic": Device("mic", 0), "gone": Device("gone", -1)},
    )
    assert list(node.labels) == [
        "cluster=c",
        "type=nuvla",
        "latitude=48.25",
        "longitude=-1.5",
        "gpu=2",
        "device=cam",
        "device=mic",
    ]


def test_nodes_are_in_the_order_of_the_topology() -> None:
    """Nodes are sorted by cluster and key."""
    keys = [("a", "2"), ("b", "1")]
    topology = Topology(
        clusters={key: Cluster(key=key, uid=key) for key, _ in keys},
        nodes={(cluster, key): Node(cluster=cluster, key=key) for cluster, key in keys},
    )
    read = pb.InfrastructureModel.FromString(etim.render_etim(topology, 0.0))
    assert [node.id for node in read.nodes] == ["2", "1"]
