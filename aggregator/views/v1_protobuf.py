"""The v1 model and the quality as protobuf, in one message or in chunks that any gRPC client accepts.

Each object is serialized by itself, and the serialized objects are joined: protobuf encodes a nested message as a tag,
a length and its bytes, so serialized parts can be joined (https://protobuf.dev/programming-guides/encoding/). One call
of protobuf for the whole topology would hold the GIL for too long.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.models.quality import Quality
from aggregator.models.topology import Node, Pod, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_format import (
    FormatConverters,
    V1Format,
    ValueConverter,
    convert_to_milliseconds,
    create_message_encoder,
)

V1_PROTOBUF = "v1.protobuf"
V1_CHUNKS = "v1.chunks"
# A quarter of the message size that gRPC clients accept by default.
MAX_CHUNK_BYTES = 2**20

_LENGTH_DELIMITED_WIRE_TYPE = 2
# The maximum size of the tag and the length in front of a message.
_OVERHEAD_BYTES = 8
# The size of the length in front of each chunk of a rendered view.
_LENGTH_BYTES = 4


@lru_cache(maxsize=4096)
def encode_varint(number: int) -> bytes:
    """Return a non-negative integer as protobuf encodes it, seven bits in each byte."""
    remaining = number
    digits = []
    while remaining > 127:
        digits.append(remaining & 127 | 128)
        remaining >>= 7
    digits.append(remaining)
    return bytes(digits)


class LengthDelimitedField:
    """Encodes a repeated field of messages that are serialized already."""

    def __init__(self, message: type[Message], name: str) -> None:
        number = message.DESCRIPTOR.fields_by_name[name].number
        self._tag = encode_varint(number << 3 | _LENGTH_DELIMITED_WIRE_TYPE)

    def list_pieces(self, messages: Iterable[bytes]) -> list[bytes]:
        """Return the pieces that, joined, are the field with these messages."""
        return [piece for message in messages for piece in (self._tag, encode_varint(len(message)), message)]

    def encode_all(self, messages: Iterable[bytes]) -> bytes:
        """Return the field with these messages."""
        return b"".join(self.list_pieces(messages))


_CLUSTERS_FIELD = LengthDelimitedField(pb.Topology, "clusters")
_NODES_FIELD = LengthDelimitedField(pb.Cluster, "nodes")
_PODS_FIELD = LengthDelimitedField(pb.Cluster, "pods")


@lru_cache(maxsize=4096)
def _build_timestamp(seconds: float) -> Timestamp | None:
    milliseconds = convert_to_milliseconds(seconds)
    if milliseconds is None:
        return None
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def _create_enum_converter(_field: FieldDescriptor) -> ValueConverter:
    return int


MESSAGE_CONVERTERS = FormatConverters(lambda message: message, _build_timestamp, None, _create_enum_converter)
MESSAGE_FORMAT = V1Format(MESSAGE_CONVERTERS)
_build_quality_message = create_message_encoder(pb.Quality, MESSAGE_CONVERTERS)


def serialize_message(message: Message) -> bytes:
    """Return the bytes of a message; equal messages have equal bytes."""
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


def serialize_node(node: Node) -> bytes:
    """Return a serialized Node."""
    return serialize_message(MESSAGE_FORMAT.encode_node(node))


def serialize_pod(pod: Pod) -> bytes:
    """Return a serialized Pod with its containers."""
    return serialize_message(MESSAGE_FORMAT.encode_pod(pod))


def render_v1_protobuf(topology: Topology, _now_seconds: float) -> bytes:
    """Return the serialized Topology."""
    nodes, pods = topology.group_nodes_by_cluster(), topology.group_pods_by_cluster()
    pieces = [serialize_message(MESSAGE_FORMAT.encode_topology_without_clusters(topology))]
    for key, cluster in topology.clusters.items():
        members = (
            serialize_message(MESSAGE_FORMAT.encode_cluster(cluster, (), ())),
            *_NODES_FIELD.list_pieces(map(serialize_node, nodes[key])),
            *_PODS_FIELD.list_pieces(map(serialize_pod, pods[key])),
        )
        pieces += _CLUSTERS_FIELD.list_pieces([b"".join(members)])
    return b"".join(pieces)


def render_quality_protobuf(quality: Quality) -> bytes:
    """Return the serialized Quality."""
    return serialize_message(_build_quality_message(quality))


def render_v1_chunks(topology: Topology, _now_seconds: float) -> bytes:
    """Return the chunks of the topology, each after its length."""
    return b"".join(
        len(chunk).to_bytes(_LENGTH_BYTES, "big") + chunk for chunk in build_chunks(topology, MAX_CHUNK_BYTES)
    )


def split_chunks(rendered: bytes) -> Iterator[bytes]:
    """Split the output of `render_v1_chunks` into single chunks; there is at least one."""
    offset = 0
    while offset < len(rendered):
        start = offset + _LENGTH_BYTES
        offset = start + int.from_bytes(rendered[offset:start], "big")
        yield rendered[start:offset]


def build_chunks(topology: Topology, max_bytes: int) -> Iterator[bytes]:
    """Yield serialized Topology messages of at most `max_bytes` that together contain the whole topology.

    Each chunk has the version and the other fields of the topology, and the fields of the clusters in it. Each node and
    each pod is in exactly one chunk. A node or pod that exceeds the maximum by itself has its own chunk.
    """
    nodes, pods = topology.group_nodes_by_cluster(), topology.group_pods_by_cluster()
    chunk = _ChunkBuilder(topology, max_bytes)
    for key, cluster in topology.clusters.items():
        cluster_fields = serialize_message(MESSAGE_FORMAT.encode_cluster(cluster, (), ()))
        members: Iterable[tuple[bytes, LengthDelimitedField]] = chain(
            ((serialize_node(node), _NODES_FIELD) for node in nodes[key]),
            ((serialize_pod(pod), _PODS_FIELD) for pod in pods[key]),
        )
        if not chunk.start_cluster(cluster_fields):
            yield chunk.build_chunk()
            chunk = _ChunkBuilder(topology, max_bytes)
            chunk.start_cluster(cluster_fields)
        for member, field in members:
            if not chunk.add_member(member, field):
                yield chunk.build_chunk()
                chunk = _ChunkBuilder(topology, max_bytes)
                chunk.start_cluster(cluster_fields)
                chunk.add_member(member, field)
    yield chunk.build_chunk()


class _ChunkBuilder:
    """A chunk under construction. It accepts its first cluster and its first member whatever their size."""

    def __init__(self, topology: Topology, max_bytes: int) -> None:
        self._topology_fields = serialize_message(MESSAGE_FORMAT.encode_topology_without_clusters(topology))
        # For each cluster: its own fields, then its members.
        self._clusters: list[list[bytes]] = []
        self._remaining_bytes = max_bytes - len(self._topology_fields)
        self._member_count = 0

    def start_cluster(self, cluster: bytes) -> bool:
        """Add a cluster without members if it fits; return whether it does."""
        size = len(cluster) + _OVERHEAD_BYTES
        if self._clusters and size > self._remaining_bytes:
            return False
        self._clusters.append([cluster])
        self._remaining_bytes -= size
        return True

    def add_member(self, member: bytes, field: LengthDelimitedField) -> bool:
        """Add a node or a pod to the last cluster if it fits; return whether it does."""
        size = len(member) + _OVERHEAD_BYTES
        if self._member_count and size > self._remaining_bytes:
            return False
        self._clusters[-1].append(field.encode_all([member]))
        self._remaining_bytes -= size
        self._member_count += 1
        return True

    def build_chunk(self) -> bytes:
        """Return the serialized chunk."""
        return self._topology_fields + _CLUSTERS_FIELD.encode_all(b"".join(cluster) for cluster in self._clusters)
