"""The protobuf of the ETIM contract: a flat list of all nodes. proto/README.md documents their labels."""

from aggregator.models.topology import Cluster, Node, Topology
from aggregator.pb.etim import server_pb2 as pb
from aggregator.views.v1_protobuf import LengthDelimitedField, serialize_message

_INT32_LIMIT = 2**31

ETIM = "etim"

_NODES_FIELD = LengthDelimitedField(pb.InfrastructureModel, "nodes")


def render_etim(topology: Topology, _now_seconds: float) -> bytes:
    """Return the serialized InfrastructureModel, its nodes sorted by cluster and key. It contains no ages.

    Nodes are serialized one by one: serializing all of them in one call would hold the GIL for too long.
    """
    nodes = (_build_node(node, topology.clusters[node.cluster]) for node in topology.nodes.values())
    return _NODES_FIELD.encode_all(map(serialize_message, nodes))


def _build_node(node: Node, cluster: Cluster) -> pb.Node:
    total_bytes = node.memory_bytes if node.host_memory_bytes is None else node.host_memory_bytes
    return pb.Node(
        id=node.node_label or node.name or node.key,
        node_type=pb.Node.COMPUTE,
        cpu_architecture=node.architecture or "",
        resources=pb.ComputeResources(milliCPU=_convert_to_millicores(node.cpu_cores), memoryInBytes=total_bytes or 0),
        available_resources=pb.ComputeResources(
            milliCPU=_convert_to_millicores(node.available_cpu_cores), memoryInBytes=node.available_memory_bytes or 0
        ),
        labels=[f"{key}={value}" for key, value in _build_labels(node, cluster)],
    )


def _convert_to_millicores(cores: float | None) -> int:
    """Return cores in millicores, 0 if unknown or too large for the 32 bits of the contract."""
    thousandths = (cores or 0) * 1000
    return round(thousandths) if abs(thousandths) < _INT32_LIMIT - 1 else 0


def _build_labels(node: Node, cluster: Cluster) -> list[tuple[str, str]]:
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
