"""From the v1 document back to the model: what a gateway says can then be drawn like what was built here."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from aggregator.models import topology as model
from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_fields import NUMBERS, attribute

_STATES = {pb.DeviceState.Name(number): state for state, number in NUMBERS["DeviceState"].items()}

Json = Mapping[str, Any]

_NUMBERS = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_DOUBLE})
# What whoever stands in a gateway's place can make of a document.
_NOT_OURS = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class NoDocumentError(ValueError):
    """What was read is not the v1 document of a topology."""


def topology_of(document: bytes) -> Topology:
    """Return the topology that a v1 document shows; raise NoDocumentError for anything else.

    What the document does not tell, such as the key of a pod, is made up so that nothing falls together.
    """
    try:
        read = msgspec.json.decode(document, type=dict[str, Any])
        return _topology(read)
    except _NOT_OURS as error:
        raise NoDocumentError("it is no v1 document of a topology") from error


def _topology(read: Json) -> Topology:
    told = read.get("clusters", ())
    clusters = [_object(pb.Cluster, model.Cluster, cluster) for cluster in told]
    nodes = [_object(pb.Node, model.Node, node) for cluster in told for node in cluster.get("nodes", ())]
    pods = [_pod(pod) for cluster in told for pod in cluster.get("pods", ())]
    whole: Topology = _object(pb.Topology, model.Topology, read)
    return msgspec.structs.replace(
        whole,
        clusters={cluster.key: cluster for cluster in clusters},
        nodes={(node.cluster, node.key): node for node in nodes},
        pods={(pod.cluster, pod.key): pod for pod in pods},
    )


def _pod(read: Json) -> model.Pod:
    key = f"{read.get('namespace', '')}/{read['name']}"
    containers = [_object(pb.Container, model.Container, each) for each in read.get("containers", ())]
    pod: model.Pod = _object(pb.Pod, model.Pod, read, key=key)
    return msgspec.structs.replace(pod, containers={each.name: each for each in containers})


def _object(message: type[Message], becomes: Any, read: Json, **given: Any) -> Any:
    """Return the model's object of what a message's JSON tells; fields that are worked out are not read."""
    kept = set(becomes.__struct_fields__)
    values: dict[str, Any] = dict(given)
    for field in (cast("FieldDescriptor", each) for each in message.DESCRIPTOR.fields):
        name = attribute(message.DESCRIPTOR.name, field)
        if name in kept and field.json_name in read and not _is_apart(field):
            values[name] = _value(field, read[field.json_name])
    # Numbers of 64 bits are texts in JSON: they are read as numbers all the same.
    return msgspec.convert(values, becomes, strict=False)


def _is_apart(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.name in ("Cluster", "Node", "Pod", "Container")


def _value(field: FieldDescriptor, read: Any) -> Any:
    kind = field.message_type
    if field.enum_type is not None:
        return _STATES.get(read)
    if kind is not None and kind.GetOptions().map_entry:
        return {key: _scalar(kind.fields_by_name["value"], value) for key, value in read.items()}
    if kind is None:
        return _scalar(field, read)
    if kind.full_name == "google.protobuf.Timestamp":
        return datetime.fromisoformat(read).timestamp()
    if kind.name == "Address":
        return {each["ip"]: str(each.get("prefixLength", "")) for each in read}
    return _parts(kind.name, read)


def _parts(kind: str, read: Iterable[Json]) -> dict[str, Any]:
    parts = [_object(getattr(pb, kind), getattr(model, kind), each) for each in read]
    return {part.instance if kind == "Workload" else part.name: part for part in parts}


def _scalar(field: FieldDescriptor, read: Any) -> Any:
    """Return a value as it is; raise ValueError for a number that no gateway tells: NaN, or one without bounds."""
    if field.cpp_type in _NUMBERS and not math.isfinite(float(read)):
        raise ValueError("no number")
    return read
