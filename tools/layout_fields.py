"""Which fields of the model the formats of the Go service show: found by taking away one value at a time.

A topology in which every field has a value is rendered with and without each of them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from google.protobuf.message import Message

from aggregator.models.topology import Cluster, Node, Pod, Topology
from aggregator.pb.etim import server_pb2
from aggregator.views import etim, legacy_1_2_5, legacy_2025

# A field of the model: the name of its class and its own name.
ModelField = tuple[str, str]
# The values of each field of a document, by path. In a path, * replaces the keys of a mapping.
DocumentValues = Mapping[str, list[Any]]
ValueOverrides = Mapping[ModelField, Any]

NO_OVERRIDES: ValueOverrides = MappingProxyType({})
NOW_SECONDS = 1_800_000_000.0
# Values with a form of their own. All other values are made from the type and the position of the field.
SAMPLE_VALUES: ValueOverrides = {
    ("Interface", "addresses"): {"10.0.0.1": "24"},
    ("Device", "state"): 1,
    ("Device", "name"): "usb-video_1",
    ("Container", "is_init"): False,
    ("Node", "gone_since_seconds"): None,
}
_OTHER_TEXT = "other"
_GROUPING_FIELDS = frozenset({("Topology", "clusters"), ("Topology", "nodes"), ("Topology", "pods")})


class Layout(NamedTuple):
    """A format of the Go service: its name, all its fields, and how a topology becomes their values."""

    name: str
    list_paths: Callable[[], list[str]]
    read_values: Callable[[Topology], DocumentValues]


class _Changes(NamedTuple):
    """Fields of the model that change one field of a document: alone, or with all fields of its object."""

    of_field: list[ModelField]
    of_object: list[ModelField]


@cache
def find_shown_fields(layout: Layout) -> Mapping[str, list[ModelField]]:
    """Return the fields of the model that each field of a layout shows; none for a field that is constant."""
    baseline = layout.read_values(build_sample())
    changes = _find_changes(layout, baseline, NO_OVERRIDES)
    shown = {path: _select_fields(changes[path]) for path in dict.fromkeys((*layout.list_paths(), *baseline))}
    for path in baseline:
        removed = {field: _get_other_value(field) for field in shown[path]}
        if _OTHER_TEXT in removed.values():
            continue
        remaining = layout.read_values(build_sample(removed))
        if remaining.get(path):
            # Another field is shown if the first one has no value.
            shown[path] += _find_changes(layout, remaining, removed)[path].of_field
    return shown


def build_sample(overrides: ValueOverrides = NO_OVERRIDES) -> Topology:
    """Return a topology with one object of each kind, in which every field has a value, except for the overrides."""
    values = {**SAMPLE_VALUES, **overrides}
    cluster = _build_object(Cluster, values)
    node = _build_object(Node, {**values, ("Node", "cluster"): cluster.key})
    node_key = values.get(("Pod", "node"), node.key)
    pod = _build_object(Pod, {**values, ("Pod", "cluster"): cluster.key, ("Pod", "node"): node_key})
    members = {
        "clusters": {cluster.key: cluster},
        "nodes": {(node.cluster, node.key): node},
        "pods": {(pod.cluster, pod.key): pod},
    }
    topology: Topology = _build_object(
        Topology, {**values, **{("Topology", name): value for name, value in members.items()}}
    )
    return topology


def _find_changes(layout: Layout, baseline: DocumentValues, overrides: ValueOverrides) -> defaultdict[str, _Changes]:
    """Return the fields of the model whose value changes each field of the document."""
    changes: defaultdict[str, _Changes] = defaultdict(lambda: _Changes([], []))
    for field in _list_model_fields():
        if field in overrides:
            continue
        changed = layout.read_values(build_sample({**overrides, field: _get_other_value(field)}))
        objects = {path.rpartition(".")[0] for path in changed}
        for path, values in baseline.items():
            if changed.get(path) != values:
                is_whole_object = path.rpartition(".")[0] not in objects
                (changes[path].of_object if is_whole_object else changes[path].of_field).append(field)
    return changes


def _select_fields(changes: _Changes) -> list[ModelField]:
    """Return the fields that a field shows: if possible, not those without which its whole object is missing."""
    fields = changes.of_field or changes.of_object
    return [field for field in fields if not _is_child_mapping(field)] or fields


@cache
def _get_types(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(struct)


@cache
def _list_model_fields() -> list[ModelField]:
    return [
        (struct.__name__, name)
        for struct in _list_structs(Topology)
        for name in struct.__struct_fields__
        if (struct.__name__, name) not in _GROUPING_FIELDS
    ]


def _list_structs(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Yield a class of the model and those of its parts."""
    yield struct
    for field_type in _get_types(struct).values():
        for part in get_args(field_type):
            if _is_struct(part):
                yield from _list_structs(part)


@cache
def _find_struct(name: str) -> type[msgspec.Struct]:
    return next(struct for struct in _list_structs(Topology) if struct.__name__ == name)


def _is_struct(value_type: Any) -> bool:
    return isinstance(value_type, type) and issubclass(value_type, msgspec.Struct)


@cache
def _get_other_value(field: ModelField) -> Any:
    """Return what a field has without a value; another text for a field that always has one."""
    info = next(each for each in msgspec.structs.fields(_find_struct(field[0])) if each.name == field[1])
    if info.default is not msgspec.NODEFAULT:
        return info.default
    return _OTHER_TEXT if info.default_factory is msgspec.NODEFAULT else info.default_factory()


def _is_child_mapping(field: ModelField) -> bool:
    return any(_is_struct(part) for part in get_args(_get_types(_find_struct(field[0]))[field[1]]))


def _build_object(struct: type[msgspec.Struct], values: ValueOverrides) -> Any:
    name, types = struct.__name__, _get_types(struct)
    return struct(
        **{
            field: values[name, field] if (name, field) in values else _build_value(types[field], position, values)
            for position, field in enumerate(struct.__struct_fields__, start=1)
        }
    )


def _build_value(value_type: Any, position: int, values: ValueOverrides) -> Any:
    """Return a value of a type that differs from the values at other positions."""
    if value_type in (str, float, int, bool):
        return {str: f"sample {position}", float: position + 0.5, int: position, bool: True}[value_type]
    if _is_struct(value_type):
        return _build_object(value_type, values)
    arguments = get_args(value_type)
    if get_origin(value_type) is Mapping:
        value = _build_value(arguments[1], position, values)
        # The first field of a part is its key.
        key = getattr(value, value.__struct_fields__[0]) if isinstance(value, msgspec.Struct) else "key"
        return {key: value}
    if get_origin(value_type) is tuple:
        return (_build_value(arguments[0], position, values),)
    return _build_value(arguments[0], position, values)


def _create_json_layout(
    name: str, document_type: type[msgspec.Struct], render: Callable[[Topology, float], bytes]
) -> Layout:
    def read_values(topology: Topology) -> DocumentValues:
        found: defaultdict[str, list[Any]] = defaultdict(list)
        for path, value in _iter_json_values(document_type, msgspec.json.decode(render(topology, NOW_SECONDS)), ""):
            found[path].append(value)
        return found

    return Layout(name, lambda: list(_iter_json_paths(document_type, "")), read_values)


def _iter_json_paths(value_type: Any, path: str) -> Iterator[str]:
    """Yield the paths of all fields of a type, in its order."""
    origin, arguments = get_origin(value_type), get_args(value_type)
    if _is_struct(value_type) and value_type.__struct_fields__:
        types = _get_types(value_type)
        for name in value_type.__struct_fields__:
            yield from _iter_json_paths(types[name], f"{path}.{name}".lstrip("."))
    elif origin in (dict, Mapping):
        yield from _iter_json_paths(arguments[1], f"{path}.*")
    elif origin is list:
        yield from _iter_json_paths(arguments[0], f"{path}[]")
    elif arguments and arguments[-1] is msgspec.UnsetType:
        yield from _iter_json_paths(arguments[0], path)
    else:
        yield path


def _iter_json_values(value_type: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of a document with the paths of their fields."""
    origin, arguments = get_origin(value_type), get_args(value_type)
    if _is_struct(value_type):
        types = _get_types(value_type)
        for name, member in value.items():
            yield from _iter_json_values(types[name], member, f"{path}.{name}".lstrip("."))
    elif origin in (dict, Mapping):
        for member in value.values():
            yield from _iter_json_values(arguments[1], member, f"{path}.*")
    elif origin is list:
        for member in value:
            yield from _iter_json_values(arguments[0], member, f"{path}[]")
    elif arguments and arguments[-1] is msgspec.UnsetType:
        yield from _iter_json_values(arguments[0], value, path)
    else:
        yield path, value


def _read_etim_values(topology: Topology) -> DocumentValues:
    document = server_pb2.InfrastructureModel.FromString(etim.render_etim(topology, NOW_SECONDS))
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for path, value in _iter_message_values(document, ""):
        found[path].append(value)
    return found


def _iter_message_values(message: Message, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of a message with the paths of their fields. Each `key=value` has a path of its own."""
    for descriptor, value in message.ListFields():
        field_path = f"{path}.{descriptor.name}".lstrip(".") + ("[]" if descriptor.is_repeated else "")
        for member in value if descriptor.is_repeated else (value,):
            if isinstance(member, Message):
                yield from _iter_message_values(member, field_path)
            elif descriptor.is_repeated:
                key, _, text = member.partition("=")
                yield f"{field_path}.{key}", text
            else:
                yield field_path, member


def _list_etim_paths() -> list[str]:
    return list(_iter_message_paths(server_pb2.InfrastructureModel.DESCRIPTOR, ""))


def _iter_message_paths(message: Any, path: str) -> Iterator[str]:
    for descriptor in message.fields:
        field_path = f"{path}.{descriptor.name}".lstrip(".") + ("[]" if descriptor.is_repeated else "")
        if descriptor.message_type is not None:
            yield from _iter_message_paths(descriptor.message_type, field_path)
        elif not descriptor.is_repeated:
            yield field_path


LAYOUT_1_2_5 = _create_json_layout("1.2.5", legacy_1_2_5.LegacyDocument, legacy_1_2_5.render_legacy)
LAYOUT_2025 = _create_json_layout("2025", legacy_2025.LegacyDocument2025, legacy_2025.render_legacy_2025)
ETIM_LAYOUT = Layout("ETIM", _list_etim_paths, _read_etim_values)
LAYOUTS = (LAYOUT_1_2_5, LAYOUT_2025, ETIM_LAYOUT)
