"""The v1 model: protobuf, and its proto3 JSON mapping. Both are made in one way from what the descriptors say."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.models import topology as model
from aggregator.models.topology import Topology
from aggregator.models.values import END_OF_TIME_SECONDS
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import framed
from aggregator.views.v1_fields import Convert, Converts, Mask, is_shown, json_class, maker
from aggregator.views.v1_wire import writer

JSON = "v1"
PROTOBUF = "v1.protobuf"


class Format:
    """Makes the objects of one format, the whole tree or any part of it; `masks` has what is shown by message."""

    def __init__(self, converts: Converts, masks: Mapping[str, Mask] = MappingProxyType({})) -> None:
        cluster, pod = masks.get("Cluster"), masks.get("Pod")
        self._has_nodes, self._has_pods = is_shown(cluster, "nodes"), is_shown(cluster, "pods")
        self._has_containers = is_shown(pod, "containers")
        self._has_clusters = is_shown(masks.get("Topology"), "clusters")
        self._topology = maker(pb.Topology, converts, masks.get("Topology"))
        self._cluster = maker(pb.Cluster, converts, cluster)
        self._pod = maker(pb.Pod, converts, pod)
        self._container = maker(pb.Container, converts, masks.get("Container"))
        self.node = maker(pb.Node, converts, masks.get("Node"))

    def topology(self, topology: Topology) -> Any:
        """Return the whole model."""
        if not self._has_clusters:
            return self._topology(topology)
        nodes, pods = topology.nodes_by_cluster(), topology.pods_by_cluster()
        clusters = [self.cluster(each, nodes[key], pods[key]) for key, each in topology.clusters.items()]
        return self._topology(topology, clusters=clusters or None)

    def frame(self, topology: Topology) -> Any:
        """Return what is told of the whole, without its clusters."""
        return self._topology(topology)

    def cluster(self, cluster: model.Cluster, nodes: Sequence[model.Node], pods: Sequence[model.Pod]) -> Any:
        """Return a cluster with these nodes and pods of it."""
        return self._cluster(
            cluster,
            nodes=([self.node(node) for node in nodes] or None) if self._has_nodes else None,
            pods=([self.pod(pod) for pod in pods] or None) if self._has_pods else None,
        )

    def pod(self, pod: model.Pod) -> Any:
        """Return a pod with its containers."""
        if not self._has_containers:
            return self._pod(pod)
        of_pod = [self._container(each, id=container_id(pod, each)) for each in pod.containers.values()]
        return self._pod(pod, containers=of_pod or None)

    def container(self, container: model.Container, pod: model.Pod) -> Any:
        """Return a container that stands alone: it tells where it is."""
        where = {"cluster": pod.cluster, "namespace": pod.namespace or None, "pod": pod.name, "node": pod.node}
        return self._container(container, id=container_id(pod, container), **where)


def container_id(pod: model.Pod, container: model.Container) -> str:
    """Return what identifies a container among all."""
    return f"{pod.id}/{container.name}"


def milliseconds(seconds: float) -> int | None:
    """Return a time as it is shown, None for one that no calendar has."""
    return round(1000 * seconds) if 0 <= seconds < END_OF_TIME_SECONDS else None


@lru_cache(maxsize=4096)
def _time_text(seconds: float) -> str | None:
    """Return a time as RFC 3339 writes it; None for one that no calendar has."""
    known = milliseconds(seconds)
    if known is None:
        return None
    text = datetime.fromtimestamp(known // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = known % 1000
    return f"{text}.{fraction:03}Z" if fraction else f"{text}Z"


@lru_cache(maxsize=4096)
def _time_message(seconds: float) -> Timestamp | None:
    known = milliseconds(seconds)
    return None if known is None else Timestamp(seconds=known // 1000, nanos=known % 1000 * 1_000_000)


@lru_cache(maxsize=4096)
def _time_bytes(seconds: float) -> bytes | None:
    message = _time_message(seconds)
    return None if message is None else message.SerializeToString()


def _enum_name(field: FieldDescriptor) -> Convert:
    values = field.enum_type.values if field.enum_type is not None else ()
    return {value.number: value.name for value in values if value.number}.get


def _enum_number(_field: FieldDescriptor) -> Convert:
    return int


MESSAGE_CONVERTS = Converts(lambda message: message, _time_message, None, _enum_number)
DOCUMENT_CONVERTS = Converts(json_class, _time_text, str, _enum_name)
MESSAGES = Format(MESSAGE_CONVERTS)


class Wire(Format):
    """Makes bytes, as MESSAGES would be serialized."""

    def __init__(self) -> None:
        super().__init__(MESSAGE_CONVERTS)
        self._topology = writer(pb.Topology, _time_bytes)
        self._cluster = writer(pb.Cluster, _time_bytes)
        self._pod = writer(pb.Pod, _time_bytes)
        self._container = writer(pb.Container, _time_bytes)
        self.node = writer(pb.Node, _time_bytes)


class Text(Format):
    """Makes what is encoded as JSON, a portion of a cluster's members at a time."""

    def __init__(self) -> None:
        super().__init__(DOCUMENT_CONVERTS)

    def cluster(self, cluster: model.Cluster, nodes: Sequence[model.Node], pods: Sequence[model.Pod]) -> Any:
        """Return a cluster with these nodes and pods of it."""
        return self._cluster(
            cluster,
            nodes=framed.array(map(self.node, nodes)) if nodes else None,
            pods=framed.array(map(self.pod, pods)) if pods else None,
        )


WIRE = Wire()
TEXT = Text()


def render_protobuf(topology: Topology, _now_seconds: float) -> bytes:
    """Return the serialized Topology."""
    written: bytes = WIRE.topology(topology)
    return written


def render_json(topology: Topology, _now_seconds: float) -> bytes:
    """Return the proto3 JSON mapping of the Topology."""
    text, places = framed.frame(TEXT.topology(topology))
    first, *rest = text.split(framed.PLACE)
    pieces = [first]
    for several, after in zip(places, rest, strict=True):
        for portion in several.encoded():
            pieces += (portion[1:-1], b",")
        pieces[-1] = after
    return b"".join(pieces)
