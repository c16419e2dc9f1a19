"""The kinds of objects, and the fields of each that filters can name.

The fields come from the descriptors of the v1 messages, so a new field of the model and the .proto needs no line here.
This module lists only aliases, and fields whose value comes from the enclosing object.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from aggregator.models import topology as model
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_format
from aggregator.views.v1_format import (
    ENUM_NUMBERS,
    create_item_lister,
    get_attribute_name,
    is_map_field,
    is_timestamp_field,
)

MAX_SUGGESTIONS = 3
# Comparing two names takes a few microseconds.
MAX_COMPARED_NAMES = 500
MAX_COMPARED_CHARACTERS = 80
_MIN_SIMILARITY_RATIO = 0.6

FieldGetter = Callable[[Any], Any]


class ClusterWithMembers(NamedTuple):
    """A cluster with its nodes and pods."""

    cluster: model.Cluster
    nodes: Sequence[model.Node]
    pods: Sequence[model.Pod]


class ContainerRef(NamedTuple):
    """A container with its pod."""

    container: model.Container
    pod: model.Pod


class ObjectKind(Enum):
    """The type of the objects in a list; the value is the plural name."""

    CLUSTERS = "clusters"
    NODES = "nodes"
    PODS = "pods"
    CONTAINERS = "containers"

    @property
    def singular_name(self) -> str:
        """The singular name."""
        return self.value.removesuffix("s")

    @property
    def message_type(self) -> type[Message]:
        """The v1 message of one object."""
        message_type: type[Message] = getattr(pb, self.singular_name.capitalize())
        return message_type

    @property
    def list_response_type(self) -> type[Message]:
        """The v1 message of a list of objects."""
        message_type: type[Message] = getattr(pb, f"List{self.value.capitalize()}Response")
        return message_type


class FieldType(Enum):
    """The type of the values of a field; the value is its name in error messages."""

    STRING = "text"
    NUMBER = "a number"
    TIMESTAMP = "a timestamp"
    BOOLEAN = "true or false"
    ENUM = "an enum value"


@dataclass(frozen=True)
class FilterField:
    """A field that a filter can name.

    `get_value` returns the value of an object or None, for a repeated field a list of values. `known_values` are the
    names of an enum, or all values of a text field if they are known. `ignores_case` is for text fields.
    """

    name: str
    field_type: FieldType
    get_value: FieldGetter
    is_repeated: bool = False
    known_values: tuple[str, ...] = ()
    ignores_case: bool = False


# Short names of fields, by the name of the message.
FIELD_ALIASES: Mapping[tuple[str, str], str] = {
    ("Node", "ip"): "interfaces.addresses.ip",
    ("Pod", "image"): "containers.image",
    ("Pod", "app"): "workloads.app",
}

# Text fields whose values are words of a small vocabulary, not names: filters ignore the case.
_CASE_INSENSITIVE_FIELDS = frozenset(
    {
        ("Cluster", "type"),
        ("Node", "type"),
        ("Node", "architecture"),
        ("Node", "city"),
        ("Node", "country"),
        ("Node", "country_name"),
        ("Node", "continent"),
        ("Interface", "duplex"),
        ("Filesystem", "fstype"),
        ("Pod", "phase"),
    }
)

# Maps with keys of a small vocabulary, such as severities.
_CASE_INSENSITIVE_MAPS = frozenset({("Node", "vulnerabilities")})

# The values of text fields with a fixed vocabulary. The phases are those of Kubernetes.
_KNOWN_VALUES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Pod", "phase"): ("Pending", "Running", "Succeeded", "Failed", "Unknown"),
}

# How to get the object of the model from an item of a list, where the item is not the object itself.
_MODEL_OBJECT_GETTERS: Mapping[str, FieldGetter] = {
    "Cluster": attrgetter("cluster"),
    "Container": attrgetter("container"),
}

# Fields that the message has and the object of the model has not.
_CONTEXT_FIELD_GETTERS: Mapping[tuple[str, str], FieldGetter] = {
    ("Cluster", "nodes"): attrgetter("nodes"),
    ("Cluster", "pods"): attrgetter("pods"),
    ("Pod", "containers"): lambda pod: [ContainerRef(each, pod) for each in pod.containers.values()],
    ("Container", "id"): lambda reference: v1_format.build_container_id(reference.pod, reference.container),
    ("Container", "cluster"): attrgetter("pod.cluster"),
    ("Container", "namespace"): attrgetter("pod.namespace"),
    ("Container", "pod"): attrgetter("pod.name"),
    ("Container", "node"): attrgetter("pod.node"),
}

# Fields that a message contains only at the top level: within another message, that message has them.
_TOP_LEVEL_ONLY_FIELDS = frozenset(
    {("Container", "cluster"), ("Container", "namespace"), ("Container", "pod"), ("Container", "node")}
)

_NUMERIC_FIELD_TYPES = frozenset(
    {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}
)


def get_descriptor(message: type[Message]) -> Descriptor:
    """Return the descriptor of a message, whichever protobuf implementation made it."""
    return cast("Descriptor", message.DESCRIPTOR)


def list_descriptor_fields(message: Descriptor) -> list[FieldDescriptor]:
    """Return the fields of a message as a typed list."""
    return list(message.fields)


def singularize(name: str) -> str:
    """Return the singular of the name of a repeated field."""
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name.removesuffix("es") if name.endswith("sses") else name.removesuffix("s")


def get_name_field(message: Descriptor) -> str:
    """Return the name of the field that identifies a message in a list: `name`, else the first field."""
    return "name" if "name" in message.fields_by_name else list_descriptor_fields(message)[0].name


def find_filter_field(kind: ObjectKind, key: str) -> FilterField | None:
    """Return the field that a key of a filter names, None if the kind of object has no such field."""
    message = get_descriptor(kind.message_type)
    return _resolve_filter_field(message, FIELD_ALIASES.get((message.name, key), key))


def list_filter_field_names(kind: ObjectKind) -> Iterator[str]:
    """Yield the names of all fields of a kind; `KEY` is a placeholder for a key of a map."""
    message = get_descriptor(kind.message_type)
    yield from (alias for message_name, alias in FIELD_ALIASES if message_name == message.name)
    yield from _list_message_field_names(message)


def _list_message_field_names(
    message: Descriptor, is_visible: Callable[[FieldDescriptor], bool] = bool
) -> Iterator[str]:
    for each in filter(is_visible, list_descriptor_fields(message)):
        name = singularize(each.name) if each.is_repeated else each.name
        if is_map_field(each):
            yield f"{name}.KEY"
            continue
        yield name
        if each.message_type is not None and not is_timestamp_field(each):
            yield from (
                f"{name}.{inner}" for inner in _list_message_field_names(each.message_type, _is_visible_when_nested)
            )


def _is_visible_when_nested(field: FieldDescriptor) -> bool:
    return field.containing_type is None or (field.containing_type.name, field.name) not in _TOP_LEVEL_ONLY_FIELDS


def _resolve_filter_field(
    message: Descriptor, path: str, is_visible: Callable[[FieldDescriptor], bool] = bool
) -> FilterField | None:
    name, _, rest = path.partition(".")
    field = find_descriptor_field(message, name)
    if field is None or not is_visible(field):
        return None
    get_value = _build_field_getter(message, field)
    if is_map_field(field):
        return _build_map_field(message, field, get_value, rest)
    if field.message_type is None or is_timestamp_field(field):
        return None if rest else _build_scalar_field(message, field, get_value)
    inner_field = _resolve_filter_field(
        field.message_type, rest or get_name_field(field.message_type), _is_visible_when_nested
    )
    return None if inner_field is None else _build_nested_field(field, get_value, inner_field)


def find_descriptor_field(message: Descriptor, name: str) -> FieldDescriptor | None:
    """Return the field with a name in .proto or JSON spelling, or with the singular of its name."""
    return next((each for each in list_descriptor_fields(message) if name in _list_accepted_names(each)), None)


@cache
def _list_accepted_names(field: FieldDescriptor) -> frozenset[str]:
    return frozenset({field.name, field.json_name, *([singularize(field.name)] if field.is_repeated else ())})


def _build_field_getter(message: Descriptor, field: FieldDescriptor) -> FieldGetter:
    """Return the function that gets the value of a field from an item of a list or from the object around it."""
    context_getter = _CONTEXT_FIELD_GETTERS.get((message.name, field.name))
    if context_getter is not None:
        return context_getter
    get_object, name = _MODEL_OBJECT_GETTERS.get(message.name), get_attribute_name(message.name, field)
    get_value = attrgetter(name)
    return get_value if get_object is None else lambda item: get_value(get_object(item))


def _build_scalar_field(message: Descriptor, field: FieldDescriptor, get_value: FieldGetter) -> FilterField:
    """Return a field with one value or a list of values."""
    field_type = _detect_field_type(field)
    if field_type is FieldType.TIMESTAMP:
        return FilterField(field.name, field_type, lambda item: _to_milliseconds(get_value(item)))
    if field_type is FieldType.ENUM:
        assert field.enum_type is not None  # noqa: S101 - an enum field has an enum type
        names_by_number = {value.number: value.name for value in field.enum_type.values if value.number}
        enum_names = {
            model_value: names_by_number[number] for model_value, number in ENUM_NUMBERS[field.enum_type.name].items()
        }
        return FilterField(
            field.name,
            field_type,
            lambda item: enum_names.get(get_value(item)),
            known_values=tuple(names_by_number.values()),
        )
    if field_type is FieldType.STRING and not field.is_repeated:
        identity = (message.name, field.name)
        return FilterField(
            field.name,
            field_type,
            lambda item: get_value(item) or None,
            known_values=_KNOWN_VALUES.get(identity, ()),
            ignores_case=identity in _CASE_INSENSITIVE_FIELDS,
        )
    return FilterField(field.name, field_type, get_value, is_repeated=field.is_repeated)


def _build_map_field(message: Descriptor, field: FieldDescriptor, get_value: FieldGetter, key: str) -> FilterField:
    """Return the field of one key of a map, or, without a key, the repeated field of all keys."""
    assert field.message_type is not None  # noqa: S101 - a map field has a message type
    ignores_case = (message.name, field.name) in _CASE_INSENSITIVE_MAPS
    if not key:
        return FilterField(field.name, FieldType.STRING, get_value, is_repeated=True, ignores_case=ignores_case)
    value_type = _detect_field_type(field.message_type.fields_by_name["value"])
    find_value = _find_ignoring_case if ignores_case else _find_value
    return FilterField(f"{field.name}.{key}", value_type, lambda item: find_value(get_value(item), key))


def _find_value(entries: Mapping[str, Any], key: str) -> Any:
    return entries.get(key)


def _find_ignoring_case(entries: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key; of several keys that differ only in case, the same spelling is preferred."""
    if key in entries:
        return entries[key]
    spellings = (each for each in sorted(entries) if each.casefold() == key.casefold())
    return entries.get(next(spellings, key))


def _build_nested_field(field: FieldDescriptor, get_value: FieldGetter, inner_field: FilterField) -> FilterField:
    """Return the field of all children, whose values are the values of each child."""
    get_child_value, iterate_children = inner_field.get_value, _select_child_iterator(field)

    def collect_values(item: Any) -> Iterable[Any]:
        return [value for child in iterate_children(get_value(item)) if (value := get_child_value(child)) is not None]

    def collect_repeated_values(item: Any) -> Iterable[Any]:
        return [value for child in iterate_children(get_value(item)) for value in get_child_value(child)]

    collect = collect_repeated_values if inner_field.is_repeated else collect_values
    return replace(inner_field, name=f"{field.name}.{inner_field.name}", get_value=collect, is_repeated=True)


def _select_child_iterator(field: FieldDescriptor) -> Callable[[Any], Iterable[Any]]:
    assert field.message_type is not None  # noqa: S101 - a field with children has a message type
    message_type: type[Message] = getattr(pb, field.message_type.name)
    # Context getters return lists. The model holds other children in mappings, and addresses as strings.
    has_context_getter = (
        field.containing_type is not None and (field.containing_type.name, field.name) in _CONTEXT_FIELD_GETTERS
    )
    if has_context_getter:
        return iter
    return create_item_lister(message_type) if message_type is pb.Address else _iterate_children


def _iterate_children(children: Mapping[str, Any] | tuple[Any, ...]) -> Iterable[Any]:
    """Return the children of an object in any order: a filter only tests whether one of them matches."""
    return children if isinstance(children, tuple) else children.values()


def _detect_field_type(field: FieldDescriptor) -> FieldType:
    if is_timestamp_field(field):
        return FieldType.TIMESTAMP
    if field.enum_type is not None:
        return FieldType.ENUM
    if field.type == FieldDescriptor.TYPE_BOOL:
        return FieldType.BOOLEAN
    return FieldType.NUMBER if field.type in _NUMERIC_FIELD_TYPES else FieldType.STRING


def _to_milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else v1_format.convert_to_milliseconds(seconds)


def suggest_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that are most similar to a name, else those that begin with it, at most MAX_SUGGESTIONS.

    Of more than MAX_COMPARED_NAMES names, only those with the same first two characters are compared.
    """
    candidates = list(names)
    if len(candidates) > MAX_COMPARED_NAMES:
        candidates = list(islice(_filter_by_prefix(name, candidates), MAX_COMPARED_NAMES))
    names_by_casefold = {each[:MAX_COMPARED_CHARACTERS].casefold(): each for each in reversed(candidates)}
    folded = name[:MAX_COMPARED_CHARACTERS].casefold()
    matches = get_close_matches(folded, names_by_casefold, MAX_SUGGESTIONS, _MIN_SIMILARITY_RATIO)
    if not matches and folded:
        matches = sorted((each for each in names_by_casefold if each.startswith(folded)), key=len)[:MAX_SUGGESTIONS]
    return tuple(names_by_casefold[match] for match in matches)


def _filter_by_prefix(name: str, names: list[str]) -> Iterable[str]:
    prefix = name[:2].casefold()
    return (each for each in names if each[:2].casefold() == prefix)
