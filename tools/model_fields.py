"""Comparison of the model (aggregator/models/topology.py) with the messages that show it (topology.proto)."""

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from aggregator.models.catalog.row import MODEL_TYPES
from aggregator.views.v1_format import CONTEXT_FIELDS, get_attribute_name, is_timestamp_field

MODEL_PATH = "aggregator/models/topology.py"
PROTO_PATH = "proto/aggregator/v1/topology.proto"
# Each kind of object has a class and a message of the same name.
STRUCTS_BY_NAME: Mapping[str, type[msgspec.Struct]] = {struct.__name__: struct for struct in MODEL_TYPES.values()}
# Fields of the model that the messages show in another way, or that only the formats of the Go service use.
FIELDS_WITHOUT_MESSAGE_FIELD: Mapping[str, frozenset[str]] = {
    "Topology": frozenset({"clusters", "nodes", "pods"}),
    "Cluster": frozenset({"name", "cluster_id"}),
    "Node": frozenset({"agent_id", "node_label", "reported_latitude", "reported_longitude"}),
    "Interface": frozenset({"reported_speed_bytes_per_second", "is_reported_up"}),
    "Pod": frozenset({"key", "uid", "containers"}),
}

_PYTHON_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: float,
    FieldDescriptor.TYPE_INT64: int,
    FieldDescriptor.TYPE_INT32: int,
    FieldDescriptor.TYPE_ENUM: int,
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BOOL: bool,
}


def find_field_differences(descriptors: FileDescriptorSet) -> list[str]:
    """Return one sentence for each field that is missing in the model or in its message, or has another type there."""
    pool = DescriptorPool()
    for file in descriptors.file:
        pool.Add(file)
    return [
        difference
        for name, struct in STRUCTS_BY_NAME.items()
        for difference in _compare(pool.FindMessageTypeByName(f"aggregator.v1.{name}"), struct)
    ]


def _compare(message: Descriptor, struct: type[msgspec.Struct]) -> Iterator[str]:
    context_fields = CONTEXT_FIELDS.get(message.name, frozenset())
    types = _get_attribute_types(struct)
    missing = set(struct.__struct_fields__) - FIELDS_WITHOUT_MESSAGE_FIELD.get(message.name, frozenset())
    for field in message.fields:
        if field.name in context_fields:
            continue
        attribute = get_attribute_name(message.name, field)
        missing.discard(attribute)
        if attribute not in types:
            yield f"{message.name}.{field.name} is in {PROTO_PATH}, but {attribute} is not in {MODEL_PATH}"
        elif not _is_compatible(field, types[attribute]):
            yield (
                f"{message.name}.{field.name} in {PROTO_PATH} has another type than {attribute} in {MODEL_PATH}:"
                f" {types[attribute]}"
            )
    for attribute in sorted(missing):
        yield f"{message.name}.{attribute} is in {MODEL_PATH}, but not in {PROTO_PATH}"


def _get_attribute_types(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the types of the fields and properties of a class of the model."""
    properties = {name: value.fget for name, value in vars(struct).items() if isinstance(value, property)}
    return get_type_hints(struct) | {name: get_type_hints(getter)["return"] for name, getter in properties.items()}


def _is_compatible(field: FieldDescriptor, attribute_type: Any) -> bool:
    if field.is_repeated:
        return get_origin(attribute_type) in (Mapping, tuple)
    types = set(get_args(attribute_type)) or {attribute_type}
    expected = float if is_timestamp_field(field) else _PYTHON_TYPES.get(field.type)
    return types - {NoneType} == {expected}
