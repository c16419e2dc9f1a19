"""The v1 format: how objects of the model become v1 messages or their proto3 JSON.

A field of a message shows the attribute of the same name; a field that ends in `_time` shows the attribute that ends in
`_seconds`. So a new field needs no code here. Exceptions are listed: fields with another name in the model, and fields
whose value depends on where the object is in the tree.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from aggregator.models.catalog.converters import TIMESTAMP_LIMIT_SECONDS
from aggregator.models.quality import Quality
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import json_encoding

# Attributes of the model that have another name than the field, by message and field.
ATTRIBUTE_NAMES: Mapping[tuple[str, str], str] = {
    ("Cluster", "id"): "uid",
    ("Cluster", "name"): "key",
    ("Node", "name"): "key",
    ("Node", "hostname"): "name",
}

# Fields whose value depends on where the object is in the tree: the caller passes them.
CONTEXT_FIELDS: Mapping[str, frozenset[str]] = {
    "Topology": frozenset({"clusters"}),
    "Cluster": frozenset({"nodes", "pods"}),
    "Pod": frozenset({"containers"}),
    "Container": frozenset({"id", "cluster", "namespace", "pod", "node"}),
}

# Enum numbers by the value in the model. Enums that are not listed use the same numbers.
ENUM_NUMBERS: Mapping[str, Mapping[int, int]] = {
    "DeviceState": {-1: pb.DEVICE_STATE_DETACHED, 0: pb.DEVICE_STATE_BUSY, 1: pb.DEVICE_STATE_AVAILABLE},
}

_TIMESTAMP = "google.protobuf.Timestamp"

_MAX_INT32_DIGITS = 9

ValueConverter = Callable[[Any], Any]

MessageEncoder = Callable[..., Any]

# Maps each selected field to the mask of its nested message; None selects all fields.
FieldMask = Mapping[str, Any] | None


V1_JSON = "v1"


class InterfaceAddress(NamedTuple):
    """An IP address of an interface."""

    ip: str
    prefix_length: int | None


class FormatConverters(NamedTuple):
    """How one format represents messages, times, 64-bit integers and enum values."""

    create_encoder: Callable[[type[Message]], MessageEncoder]
    convert_time: ValueConverter
    convert_int64: ValueConverter | None
    create_enum_converter: Callable[[FieldDescriptor], ValueConverter]


def create_message_encoder(
    message: type[Message], converters: FormatConverters, mask: FieldMask = None
) -> MessageEncoder:
    """Return a function that builds a message, in one format, from an object of the model and context fields."""
    fields = [field for field in list_model_fields(message) if is_field_selected(mask, field.name)]
    names = [field.name for field in fields]
    get_values = create_attribute_getter(message, fields)
    field_converters = [
        (position, convert)
        for position, field in enumerate(fields)
        if (convert := _create_field_converter(field, converters, mask)) is not None
    ]
    encode_message = converters.create_encoder(message)

    def encode(source: Any, **context: Any) -> Any:
        values = get_values(source)
        for position, convert in field_converters:
            if values[position] is not None:
                values[position] = convert(values[position])
        return encode_message(**dict(zip(names, values, strict=True)), **context)

    if mask is None:
        return encode
    return lambda source, **context: encode(source, **{name: context[name] for name in context if name in mask})


def is_field_selected(mask: FieldMask, name: str) -> bool:
    """Return whether a mask selects a field or a part of it."""
    return mask is None or name in mask


def get_submask(mask: FieldMask, name: str) -> FieldMask:
    """Return the mask of the messages in a selected field."""
    return None if mask is None else mask[name]


def create_attribute_getter(message: type[Message], fields: Sequence[FieldDescriptor]) -> Callable[[Any], list[Any]]:
    """Return a function that gets the values of these fields from an object of the model."""
    names = [get_attribute_name(message.DESCRIPTOR.name, field) for field in fields]
    if len(names) < 2:
        return lambda source: [getattr(source, name) for name in names]
    get_values = attrgetter(*names)
    return lambda source: list(get_values(source))


def list_model_fields(message: type[Message]) -> list[FieldDescriptor]:
    """Return the fields of a message whose values are attributes of the object of the model."""
    context_fields = CONTEXT_FIELDS.get(message.DESCRIPTOR.name, frozenset())
    return [cast("FieldDescriptor", field) for field in message.DESCRIPTOR.fields if field.name not in context_fields]


def get_attribute_name(message: str, field: FieldDescriptor) -> str:
    """Return the name of the attribute of the model that a field shows."""
    name: str = ATTRIBUTE_NAMES.get((message, field.name), field.name)
    return f"{name.removesuffix('_time')}_seconds" if is_timestamp_field(field) else name


def is_timestamp_field(field: FieldDescriptor) -> bool:
    """Return whether a field is a time."""
    return field.message_type is not None and field.message_type.full_name == _TIMESTAMP


def is_map_field(field: FieldDescriptor) -> bool:
    """Return whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _create_field_converter(
    field: FieldDescriptor, converters: FormatConverters, mask: FieldMask = None
) -> ValueConverter | None:
    """Return a function that converts values of a field from the model to the format, None if they are the same."""
    message_type = field.message_type
    if is_timestamp_field(field):
        return converters.convert_time
    if message_type is not None and is_map_field(field):
        return _create_map_converter(message_type.fields_by_name["value"], converters)
    if message_type is not None:
        message, submask = GetMessageClass(message_type), get_submask(mask, field.name)
        return (
            _create_list_converter(message, converters, submask)
            if field.is_repeated
            else create_message_encoder(message, converters, submask)
        )
    if field.enum_type is not None:
        return _create_enum_converter(field, field.enum_type, converters)
    if field.type == FieldDescriptor.TYPE_INT64:
        return converters.convert_int64
    # Empty text means unknown, in the model as in labels.
    return _convert_empty_to_none if field.type == FieldDescriptor.TYPE_STRING else None


def _create_enum_converter(
    field: FieldDescriptor, enum_type: EnumDescriptor, converters: FormatConverters
) -> ValueConverter:
    convert, numbers = converters.create_enum_converter(field), ENUM_NUMBERS.get(enum_type.name)
    return convert if numbers is None else lambda value: convert(numbers.get(value, 0))


def _create_map_converter(value: FieldDescriptor, converters: FormatConverters) -> ValueConverter:
    """Return a function that converts a mapping; sorted, because its order in the model may differ between replicas."""
    convert = _create_field_converter(value, converters)
    if convert is None or convert is _convert_empty_to_none:
        return lambda entries: dict(sorted(entries.items())) or None
    return lambda entries: {key: convert(value) for key, value in sorted(entries.items())} or None


def _create_list_converter(message: type[Message], converters: FormatConverters, mask: FieldMask) -> ValueConverter:
    encode, list_items = create_message_encoder(message, converters, mask), create_item_lister(message)
    return lambda items_by_name: [encode(item) for item in list_items(items_by_name)] or None


def create_item_lister(message: type[Message]) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
    """Return a function that turns a mapping of the model into the list for a repeated field."""
    return _list_addresses if message is pb.Address else _list_sorted_items


def _list_sorted_items(items: Mapping[str, Any] | tuple[Any, ...]) -> Iterable[Any]:
    if isinstance(items, tuple):
        return items
    return items.values() if len(items) < 2 else [items[name] for name in sorted(items)]


def _list_addresses(prefix_lengths: Mapping[str, str]) -> Iterator[InterfaceAddress]:
    for ip, text in sorted(prefix_lengths.items()):
        is_valid_length = text.isascii() and text.isdecimal() and len(text) <= _MAX_INT32_DIGITS
        yield InterfaceAddress(ip, int(text) if is_valid_length else None)


def _convert_empty_to_none(value: Any) -> Any:
    return value or None


class V1Format:
    """Builds the objects of one format: the whole tree or parts of it. `masks` selects the fields of each message."""

    def __init__(self, converters: FormatConverters, masks: Mapping[str, FieldMask] = MappingProxyType({})) -> None:
        cluster, pod = masks.get("Cluster"), masks.get("Pod")
        self._has_nodes, self._has_pods = is_field_selected(cluster, "nodes"), is_field_selected(cluster, "pods")
        self._has_containers = is_field_selected(pod, "containers")
        self._has_clusters = is_field_selected(masks.get("Topology"), "clusters")
        self._encode_topology = create_message_encoder(pb.Topology, converters, masks.get("Topology"))
        self._encode_cluster = create_message_encoder(pb.Cluster, converters, cluster)
        self._encode_pod = create_message_encoder(pb.Pod, converters, pod)
        self._encode_container = create_message_encoder(pb.Container, converters, masks.get("Container"))
        self.encode_node = create_message_encoder(pb.Node, converters, masks.get("Node"))

    def encode_topology(self, topology: Topology) -> Any:
        """Return the topology with all its clusters."""
        if not self._has_clusters:
            return self._encode_topology(topology)
        nodes, pods = topology.group_nodes_by_cluster(), topology.group_pods_by_cluster()
        clusters = [self.encode_cluster(each, nodes[key], pods[key]) for key, each in topology.clusters.items()]
        return self._encode_topology(topology, clusters=clusters or None)

    def encode_topology_without_clusters(self, topology: Topology) -> Any:
        """Return the topology without its clusters."""
        return self._encode_topology(topology)

    def encode_cluster(self, cluster: Cluster, nodes: Sequence[Node], pods: Sequence[Pod]) -> Any:
        """Return a cluster with these nodes and pods."""
        return self._encode_cluster(
            cluster,
            nodes=([self.encode_node(node) for node in nodes] or None) if self._has_nodes else None,
            pods=([self.encode_pod(pod) for pod in pods] or None) if self._has_pods else None,
        )

    def encode_pod(self, pod: Pod) -> Any:
        """Return a pod with its containers."""
        if not self._has_containers:
            return self._encode_pod(pod)
        containers = [
            self._encode_container(each, id=build_container_id(pod, each)) for each in pod.containers.values()
        ]
        return self._encode_pod(pod, containers=containers or None)

    def encode_container(self, container: Container, pod: Pod) -> Any:
        """Return a container outside its pod, with the names of its cluster, namespace, pod and node."""
        location = {"cluster": pod.cluster, "namespace": pod.namespace or None, "pod": pod.name, "node": pod.node}
        return self._encode_container(container, id=build_container_id(pod, container), **location)


def build_container_id(pod: Pod, container: Container) -> str:
    """Return the ID of a container, unique among all containers."""
    return f"{pod.id}/{container.name}"


def convert_to_milliseconds(seconds: float) -> int | None:
    """Return a Unix time in milliseconds, None if protobuf's Timestamp cannot hold it."""
    return round(1000 * seconds) if 0 <= seconds < TIMESTAMP_LIMIT_SECONDS else None


def create_json_class(message: type[Message]) -> type[msgspec.Struct]:
    """Return a struct that msgspec encodes as the JSON of the message; fields that are None are left out."""
    return _create_descriptor_class(message.DESCRIPTOR)


@cache
def _create_descriptor_class(descriptor: Descriptor) -> type[msgspec.Struct]:
    fields = [(field.name, Any, msgspec.field(name=field.json_name, default=None)) for field in descriptor.fields]
    return msgspec.defstruct(descriptor.name, fields, kw_only=True, omit_defaults=True, frozen=True, gc=False)


@lru_cache(maxsize=4096)
def _format_time(seconds: float) -> str | None:
    """Return a Unix time in the format of RFC 3339, None if it is out of range."""
    milliseconds = convert_to_milliseconds(seconds)
    if milliseconds is None:
        return None
    text = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = milliseconds % 1000
    return f"{text}.{fraction:03}Z" if fraction else f"{text}Z"


def _create_enum_name_converter(field: FieldDescriptor) -> ValueConverter:
    values = field.enum_type.values if field.enum_type is not None else ()
    return {value.number: value.name for value in values if value.number}.get


JSON_CONVERTERS = FormatConverters(create_json_class, _format_time, str, _create_enum_name_converter)

_build_quality_object = create_message_encoder(pb.Quality, JSON_CONVERTERS)


class JsonFormat(V1Format):
    """Builds objects for the JSON encoder; nodes and pods of a cluster are built and encoded in chunks."""

    def __init__(self) -> None:
        super().__init__(JSON_CONVERTERS)

    def encode_cluster(self, cluster: Cluster, nodes: Sequence[Node], pods: Sequence[Pod]) -> Any:
        """Return a cluster with these nodes and pods."""
        return self._encode_cluster(
            cluster,
            nodes=json_encoding.chunk_array(map(self.encode_node, nodes)) if nodes else None,
            pods=json_encoding.chunk_array(map(self.encode_pod, pods)) if pods else None,
        )


JSON_FORMAT = JsonFormat()


def render_v1_json(topology: Topology, _now_seconds: float) -> bytes:
    """Return the JSON of the topology."""
    text, chunked_members = json_encoding.encode_skeleton(JSON_FORMAT.encode_topology(topology))
    first, *rest = text.split(json_encoding.PLACEHOLDER)
    pieces = [first]
    for members, next_piece in zip(chunked_members, rest, strict=True):
        for chunk in members.encode_chunks():
            pieces += (chunk[1:-1], b",")
        pieces[-1] = next_piece
    return b"".join(pieces)


def render_quality_json(quality: Quality) -> bytes:
    """Return the JSON of the quality."""
    return msgspec.json.encode(_build_quality_object(quality))
