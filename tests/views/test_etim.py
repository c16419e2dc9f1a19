"""The ETIM nodes from hand-made topologies."""

from typing import Any

import pytest

from aggregator.models.topology import Cluster, Device, Node, Topology
from aggregator.pb.etim import server_pb2 as pb
from aggregator.views import etim


def node_of(**fields: Any) -> pb.Node:
    """Return the only node of a cluster "c"."""
    node = Node(cluster="c", key="k", **fields)
    (made,) = etim.message(Topology(clusters={"c": Cluster(key="c", uid="u")}, nodes={("c", "k"): node})).nodes
    return made


def test_nothing_known_is_an_empty_message() -> None:
    """No nodes are no bytes."""
    assert etim.render(Topology(), 0.0) == b""


def test_a_node_with_everything() -> None:
    """Memory is what the host itself counts, cores are thousandths, idle ones are available."""
    node = node_of(
        label="w1",
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


@pytest.mark.parametrize(("fields", "expected"), [({"label": "l", "name": "n"}, "l"), ({"name": "n"}, "n"), ({}, "k")])
def test_the_id_is_the_surest_name(fields: dict[str, str], expected: str) -> None:
    """The `node` label is the id, as in the Go service; else the host's name, else its key."""
    assert node_of(**fields).id == expected


def test_both_messages_of_resources_are_always_there() -> None:
    """Clients read resources without asking whether they are set."""
    node = node_of()
    assert node.HasField("resources")
    assert node.HasField("available_resources")


def test_capacity_stands_in_for_the_hosts_count() -> None:
    """Where the host does not count its memory, Kubernetes' count is taken."""
    assert node_of(memory_bytes=999).resources.memoryInBytes == 999


@pytest.mark.parametrize(("cores", "expected"), [(2147483.0, 2147483000), (2147484.0, 0), (1e18, 0), (0.0015, 2)])
def test_cores_beyond_32_bits_are_unknown(cores: float, expected: int) -> None:
    """The contract's thousandths of cores have 32 bits: what does not fit is 0, never something else."""
    assert node_of(cpu_cores=cores).resources.milliCPU == expected


def test_labels_tell_what_the_message_has_no_field_for() -> None:
    """Cluster, type, position, graphics processors and attached devices are labels."""
    node = node_of(
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
    """Order is cluster by cluster and node by node, and the bytes are the message's."""
    keys = [("a", "2"), ("b", "1")]
    topology = Topology(
        clusters={key: Cluster(key=key, uid=key) for key, _ in keys},
        nodes={(cluster, key): Node(cluster=cluster, key=key) for cluster, key in keys},
    )
    read = pb.InfrastructureModel.FromString(etim.render(topology, 0.0))
    assert [node.id for node in read.nodes] == ["2", "1"]
