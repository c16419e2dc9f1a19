"""What can be asked for: the kinds of objects, and the fields of each as they are read for filters.

Found out from the descriptors of the v1 messages: a field that is added to the model and to the .proto can be
filtered by without a line here. Listed are only names that are short, and what depends on where an object stands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from aggregator.models import topology as model
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1
from aggregator.views.v1_fields import NUMBERS, attribute, is_map, is_time, parts_of

Read = Callable[[Any], Any]


class Whole(NamedTuple):
    """A cluster with what is in it."""

    cluster: model.Cluster
    nodes: Sequence[model.Node]
    pods: Sequence[model.Pod]


class Standing(NamedTuple):
    """A container with the pod that it is of."""

    container: model.Container
    pod: model.Pod


class Kind(Enum):
    """A kind of objects that are looked up and listed; the value is the name of many."""

    CLUSTERS = "clusters"
    NODES = "nodes"
    PODS = "pods"
    CONTAINERS = "containers"

    @property
    def one(self) -> str:
        """The name of one of them."""
        return self.value.removesuffix("s")

    @property
    def message(self) -> type[Message]:
        """The v1 message of one of them."""
        found: type[Message] = getattr(pb, self.one.capitalize())
        return found

    @property
    def page(self) -> type[Message]:
        """The v1 message of a list of them."""
        found: type[Message] = getattr(pb, f"List{self.value.capitalize()}Response")
        return found


class Form(Enum):
    """What kind of values a field has; the value is what it is called."""

    TEXT = "text"
    NUMBER = "a number"
    MOMENT = "a time"
    TRUTH = "true or false"
    STATE = "a state"


@dataclass(frozen=True)
class Field:
    """A field as a filter reads it: `read` returns None where nothing is known, or, where `is_many`, all values."""

    name: str
    form: Form
    read: Read
    is_many: bool = False
    # Of an enum.
    states: tuple[str, ...] = ()


# Names that a person would use, of what has a longer one.
SHORT: Mapping[tuple[str, str], str] = {
    ("Node", "ip"): "interfaces.addresses.ip",
    ("Pod", "image"): "containers.image",
    ("Pod", "app"): "workloads.app",
}
# How the model's object is read from what a list holds, where that is not the object itself.
_OWN: Mapping[str, Read] = {"Cluster": attrgetter("cluster"), "Container": attrgetter("container")}
# What depends on where an object stands.
_GIVEN: Mapping[tuple[str, str], Read] = {
    ("Cluster", "nodes"): attrgetter("nodes"),
    ("Cluster", "pods"): attrgetter("pods"),
    ("Pod", "containers"): lambda pod: [Standing(each, pod) for each in pod.containers.values()],
    ("Container", "id"): lambda standing: v1.container_id(standing.pod, standing.container),
    ("Container", "cluster"): attrgetter("pod.cluster"),
    ("Container", "namespace"): attrgetter("pod.namespace"),
    ("Container", "pod"): attrgetter("pod.name"),
    ("Container", "node"): attrgetter("pod.node"),
}
# What is told only where it stands alone: within another object, that tells it.
_ALONE = frozenset({("Container", "cluster"), ("Container", "namespace"), ("Container", "pod"), ("Container", "node")})
_NUMBERS = frozenset(
    {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}
)


def descriptor(message: type[Message]) -> Descriptor:
    """Return the descriptor of a message, as whatever runs protobuf calls it."""
    return cast("Descriptor", message.DESCRIPTOR)


def fields_of(message: Descriptor) -> list[FieldDescriptor]:
    """Return the fields of a message, with a type."""
    return list(message.fields)


def singular(name: str) -> str:
    """Return the name of one of what a repeated field is named for."""
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name.removesuffix("es") if name.endswith("sses") else name.removesuffix("s")


def own_name(message: Descriptor) -> str:
    """Return the field that names a message of a list: `name`, or else its first."""
    return "name" if "name" in message.fields_by_name else fields_of(message)[0].name


def field(kind: Kind, key: str) -> Field | None:
    """Return the field of a kind that a key of a filter names, None if there is none."""
    message = descriptor(kind.message)
    return _field(message, SHORT.get((message.name, key), key))


def names(kind: Kind) -> Iterator[str]:
    """Yield how the fields of a kind are written in filters; KEY stands for any key of a mapping."""
    message = descriptor(kind.message)
    yield from (short for of, short in SHORT if of == message.name)
    yield from _names(message)


def _names(message: Descriptor, is_told: Callable[[FieldDescriptor], bool] = bool) -> Iterator[str]:
    for each in filter(is_told, fields_of(message)):
        name = singular(each.name) if each.is_repeated else each.name
        if is_map(each):
            yield f"{name}.KEY"
            continue
        yield name
        if each.message_type is not None and not is_time(each):
            yield from (f"{name}.{inner}" for inner in _names(each.message_type, _is_told_within))


def _is_told_within(own: FieldDescriptor) -> bool:
    return own.containing_type is None or (own.containing_type.name, own.name) not in _ALONE


def _field(message: Descriptor, path: str, is_told: Callable[[FieldDescriptor], bool] = bool) -> Field | None:
    name, _, rest = path.partition(".")
    own = named(message, name)
    if own is None or not is_told(own):
        return None
    read = _reader(message, own)
    if is_map(own):
        assert own.message_type is not None  # noqa: S101 - what a map is
        return _entry(own, own.message_type.fields_by_name["value"], read, rest)
    if own.message_type is None or is_time(own):
        return None if rest else _scalar(own, read)
    inner = _field(own.message_type, rest or own_name(own.message_type), _is_told_within)
    return None if inner is None else _of_parts(own, read, inner)


def named(message: Descriptor, name: str) -> FieldDescriptor | None:
    """Return the field of a name as the .proto or JSON has it, or of one of many."""
    return next((each for each in fields_of(message) if name in _spellings(each)), None)


@cache
def _spellings(own: FieldDescriptor) -> frozenset[str]:
    return frozenset({own.name, own.json_name, *([singular(own.name)] if own.is_repeated else ())})


def _reader(message: Descriptor, own: FieldDescriptor) -> Read:
    """Return what reads a field from what a list, or the message around it, holds."""
    given = _GIVEN.get((message.name, own.name))
    if given is not None:
        return given
    of, name = _OWN.get(message.name), attribute(message.name, own)
    read = attrgetter(name)
    return read if of is None else lambda item: read(of(item))


def _scalar(own: FieldDescriptor, read: Read) -> Field:
    """Return a field of one value, or of a list of them."""
    form = _form(own)
    if form is Form.MOMENT:
        return Field(own.name, form, lambda item: _moment(read(item)))
    if form is Form.STATE:
        assert own.enum_type is not None  # noqa: S101 - what a state is
        by_number = {value.number: value.name for value in own.enum_type.values if value.number}
        called = {ours: by_number[number] for ours, number in NUMBERS[own.enum_type.name].items()}
        return Field(own.name, form, lambda item: called.get(read(item)), states=tuple(by_number.values()))
    if form is Form.TEXT and not own.is_repeated:
        return Field(own.name, form, lambda item: read(item) or None)
    return Field(own.name, form, read, is_many=own.is_repeated)


def _entry(own: FieldDescriptor, value: FieldDescriptor, read: Read, key: str) -> Field:
    """Return the field of one key of a mapping; without a key, that of all keys."""
    if not key:
        return Field(own.name, Form.TEXT, read, is_many=True)
    return Field(f"{own.name}.{key}", _form(value), lambda item: read(item).get(key))


def _of_parts(own: FieldDescriptor, read: Read, inner: Field) -> Field:
    """Return the field of all parts, whose values are all of theirs."""
    of_part, parts = inner.read, _parts(own)

    def values(item: Any) -> Iterable[Any]:
        return [value for part in parts(read(item)) if (value := of_part(part)) is not None]

    def values_of_many(item: Any) -> Iterable[Any]:
        return [value for part in parts(read(item)) for value in of_part(part)]

    many = values_of_many if inner.is_many else values
    return Field(f"{own.name}.{inner.name}", inner.form, many, is_many=True, states=inner.states)


def _parts(own: FieldDescriptor) -> Callable[[Any], Iterable[Any]]:
    assert own.message_type is not None  # noqa: S101 - what has parts
    message: type[Message] = getattr(pb, own.message_type.name)
    # What is given is a list already; the model holds the others in mappings, addresses as texts.
    is_given = own.containing_type is not None and (own.containing_type.name, own.name) in _GIVEN
    if is_given:
        return iter
    return parts_of(message) if message is pb.Address else _in_any_order


def _in_any_order(named: Mapping[str, Any] | tuple[Any, ...]) -> Iterable[Any]:
    """Return the parts of an object; a filter asks whether there is one, not which comes first."""
    return named if isinstance(named, tuple) else named.values()


def _form(own: FieldDescriptor) -> Form:
    if is_time(own):
        return Form.MOMENT
    if own.enum_type is not None:
        return Form.STATE
    if own.type == FieldDescriptor.TYPE_BOOL:
        return Form.TRUTH
    return Form.NUMBER if own.type in _NUMBERS else Form.TEXT


def _moment(seconds: float | None) -> int | None:
    return None if seconds is None else v1.milliseconds(seconds)
