"""The v1 model in parts that any gRPC client takes: each a Topology of its own, of at most 1 MiB.

Each part has the version and all else that is told of the whole, and of the clusters in it what is told of them; nodes
and pods are each in one part only. Put together cluster by cluster, in their order, the parts are the whole.
"""

from collections.abc import Iterator
from itertools import chain

from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1 import WIRE
from aggregator.views.v1_wire import Delimited, member

CHUNKS = "v1.chunks"
# What default clients take is four times this.
MOST_BYTES = 2**20

# What a length and a field's number take at most, each, in front of a message.
_OVERHEAD_BYTES = 8
_LENGTH_BYTES = 4

_CLUSTERS = member(pb.Topology, "clusters")
_NODES, _PODS = (member(pb.Cluster, name) for name in ("nodes", "pods"))


def render(topology: Topology, _now_seconds: float) -> bytes:
    """Return the parts, each behind its length."""
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts(topology, MOST_BYTES))


def chunks(rendered: bytes) -> Iterator[bytes]:
    """Return the parts of what was rendered, one after the other; there is at least one."""
    at = 0
    while at < len(rendered):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(rendered[at:start], "big")
        yield rendered[start:at]


def parts(topology: Topology, most_bytes: int) -> Iterator[bytes]:
    """Return the topology in parts of at most so many bytes; an object that is larger alone has a part of its own."""
    nodes, pods = topology.nodes_by_cluster(), topology.pods_by_cluster()
    part = _Part(topology, most_bytes)
    for key, cluster in topology.clusters.items():
        frame = WIRE.cluster(cluster, (), ())
        members = chain(
            ((WIRE.node(node), _NODES) for node in nodes[key]), ((WIRE.pod(pod), _PODS) for pod in pods[key])
        )
        if not part.begin(frame):
            yield part.written()
            part = _Part(topology, most_bytes)
            part.begin(frame)
        for one, field in members:
            if not part.add(one, field):
                yield part.written()
                part = _Part(topology, most_bytes)
                part.begin(frame)
                part.add(one, field)
    yield part.written()


class _Part:
    """A part that is being filled; it takes its first cluster and first member however large they are."""

    def __init__(self, topology: Topology, most_bytes: int) -> None:
        self._frame: bytes = WIRE.frame(topology)
        # Of each cluster what is told of it, then its members.
        self._clusters: list[list[bytes]] = []
        self._left_bytes = most_bytes - len(self._frame)
        self._members = 0

    def begin(self, cluster: bytes) -> bool:
        """Begin with a cluster if it fits."""
        size = len(cluster) + _OVERHEAD_BYTES
        if self._clusters and size > self._left_bytes:
            return False
        self._clusters.append([cluster])
        self._left_bytes -= size
        return True

    def add(self, one: bytes, field: Delimited) -> bool:
        """Add a node or a pod to the cluster that was begun last, if it fits."""
        size = len(one) + _OVERHEAD_BYTES
        if self._members and size > self._left_bytes:
            return False
        self._clusters[-1].append(field.all([one]))
        self._left_bytes -= size
        self._members += 1
        return True

    def written(self) -> bytes:
        """Return the part."""
        return self._frame + _CLUSTERS.all([b"".join(cluster) for cluster in self._clusters])
