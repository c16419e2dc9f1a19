"""The v1 model in parts that any gRPC client takes: each a Topology of its own, of at most 1 MiB.

Each part has the version and all else that is told of the whole, and of the clusters in it what is told of them; nodes
and pods are each in one part only. Put together cluster by cluster, in their order, the parts are the whole.
"""

from collections.abc import Iterable, Iterator

from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1 import MESSAGES

CHUNKS = "v1.chunks"
# What default clients take is four times this.
MOST_BYTES = 2**20

# What a length and a field's number take at most, each, in front of a message.
_OVERHEAD_BYTES = 8
_LENGTH_BYTES = 4


def render(topology: Topology, _now_seconds: float) -> bytes:
    """Return the parts, each behind its length."""
    serialized = (part.SerializeToString(deterministic=True) for part in parts(topology, MOST_BYTES))
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in serialized)


def chunks(rendered: bytes) -> Iterator[bytes]:
    """Return the parts of what was rendered, one after the other; there is at least one."""
    at = 0
    while at < len(rendered):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(rendered[at:start], "big")
        yield rendered[start:at]


def parts(topology: Topology, most_bytes: int) -> Iterator[pb.Topology]:
    """Return the topology in parts of at most so many bytes; an object that is larger alone has a part of its own."""
    nodes, pods = topology.nodes_by_cluster(), topology.pods_by_cluster()
    part = _Part(topology, most_bytes)
    for key, cluster in topology.clusters.items():
        frame = MESSAGES.cluster(cluster, (), ())
        members: Iterable[pb.Node | pb.Pod] = (
            *(MESSAGES.node(node) for node in nodes[key]),
            *(MESSAGES.pod(pod) for pod in pods[key]),
        )
        if not part.begin(frame):
            yield part.message
            part = _Part(topology, most_bytes)
            part.begin(frame)
        for member in members:
            if not part.add(member):
                yield part.message
                part = _Part(topology, most_bytes)
                part.begin(frame)
                part.add(member)
    yield part.message


class _Part:
    """A part that is being filled; it takes its first cluster and first member however large they are."""

    def __init__(self, topology: Topology, most_bytes: int) -> None:
        self.message: pb.Topology = MESSAGES.frame(topology)
        self._left_bytes = most_bytes - self.message.ByteSize()
        self._members = 0

    def begin(self, cluster: pb.Cluster) -> bool:
        """Begin with a cluster if it fits."""
        size = cluster.ByteSize() + _OVERHEAD_BYTES
        if self.message.clusters and size > self._left_bytes:
            return False
        self.message.clusters.append(cluster)
        self._left_bytes -= size
        return True

    def add(self, member: pb.Node | pb.Pod) -> bool:
        """Add a node or a pod to the cluster that was begun last, if it fits."""
        size = member.ByteSize() + _OVERHEAD_BYTES
        if self._members and size > self._left_bytes:
            return False
        cluster = self.message.clusters[-1]
        if isinstance(member, pb.Node):
            cluster.nodes.append(member)
        else:
            cluster.pods.append(member)
        self._left_bytes -= size
        self._members += 1
        return True
