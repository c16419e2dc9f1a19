"""The protobuf of the ETIM contract: every node of every cluster, flat. proto/README.md documents the labels."""

from aggregator.models.topology import Cluster, Node, Topology
from aggregator.pb.etim import server_pb2 as pb
from aggregator.views.v1_wire import member

_INT32 = 2**31
_NODES = member(pb.InfrastructureModel, "nodes")


def render(topology: Topology, _now_seconds: float) -> bytes:
    """Return the serialized InfrastructureModel, nodes in the order of cluster and key; it holds no ages.

    Put together node by node: protobuf itself would hold the interpreter until it has copied and written all of them.
    """
    nodes = (_node(node, topology.clusters[node.cluster]) for node in topology.nodes.values())
    return _NODES.all(node.SerializeToString(deterministic=True) for node in nodes)


def message(topology: Topology) -> pb.InfrastructureModel:
    """Return the InfrastructureModel."""
    nodes = topology.nodes.values()
    return pb.InfrastructureModel(nodes=[_node(node, topology.clusters[node.cluster]) for node in nodes])


def _node(node: Node, cluster: Cluster) -> pb.Node:
    total_bytes = node.memory_bytes if node.host_memory_bytes is None else node.host_memory_bytes
    return pb.Node(
        id=node.label or node.name or node.key,
        node_type=pb.Node.COMPUTE,
        cpu_architecture=node.architecture or "",
        resources=pb.ComputeResources(milliCPU=_milli(node.cpu_cores), memoryInBytes=total_bytes or 0),
        available_resources=pb.ComputeResources(
            milliCPU=_milli(node.available_cpu_cores), memoryInBytes=node.available_memory_bytes or 0
        ),
        labels=[f"{key}={value}" for key, value in _labels(node, cluster)],
    )


def _milli(cores: float | None) -> int:
    """Return thousandths of cores, 0 where unknown or more than the contract's 32 bits hold."""
    thousandths = (cores or 0) * 1000
    return round(thousandths) if abs(thousandths) < _INT32 - 1 else 0


def _labels(node: Node, cluster: Cluster) -> list[tuple[str, str]]:
    labels = [("cluster", cluster.key)]
    if node.type:
        labels.append(("type", node.type))
    if node.latitude is not None:
        labels.append(("latitude", f"{node.latitude:g}"))
    if node.longitude is not None:
        labels.append(("longitude", f"{node.longitude:g}"))
    if node.gpu_count:
        labels.append(("gpu", f"{node.gpu_count:g}"))
    labels += [("device", device.name) for device in node.devices.values() if device.is_attached]
    return labels
