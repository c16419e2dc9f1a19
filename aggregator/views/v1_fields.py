"""How each field of a v1 message is read from the model's object of its kind: found out from the descriptors.

A field shows the attribute of its name, and one that ends in `_time` the attribute that ends in `_seconds`; so a new
field needs no line here. What is called otherwise in the model, or depends on where an object stands, is listed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, cast

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from aggregator.pb.aggregator.v1 import topology_pb2 as pb

# What the model calls otherwise, by message and field.
CALLED: Mapping[tuple[str, str], str] = {
    ("Cluster", "id"): "uid",
    ("Cluster", "name"): "key",
    ("Node", "name"): "key",
    ("Node", "hostname"): "name",
}
# What depends on where an object stands: whoever makes the message gives it.
GIVEN: Mapping[str, frozenset[str]] = {
    "Topology": frozenset({"clusters"}),
    "Cluster": frozenset({"nodes", "pods"}),
    "Pod": frozenset({"containers"}),
    "Container": frozenset({"id", "cluster", "namespace", "pod", "node"}),
}
# Of the model's -1, 0 and 1.
DEVICE_STATES = {-1: pb.DEVICE_STATE_DETACHED, 0: pb.DEVICE_STATE_BUSY, 1: pb.DEVICE_STATE_AVAILABLE}

_TIMESTAMP = "google.protobuf.Timestamp"
_LONGEST_INT32 = 9

Convert = Callable[[Any], Any]
Make = Callable[..., Any]


class Address(NamedTuple):
    """An address of an interface."""

    ip: str
    prefix_length: int | None


class Converts(NamedTuple):
    """How one format writes values that not all formats write alike."""

    make: Callable[[type[Message]], Make]
    time: Convert
    int64: Convert | None
    enum: Callable[[FieldDescriptor], Convert]


def maker(message: type[Message], converts: Converts) -> Make:
    """Return what makes a message's counterpart in one format of the model's object, and of what is given by name."""
    own = own_fields(message)
    names = [field.name for field in own]
    read = reader(message)
    changes = [(at, change) for at, field in enumerate(own) if (change := _change(field, converts)) is not None]
    make = converts.make(message)

    def made(of: Any, **given: Any) -> Any:
        values = read(of)
        for at, change in changes:
            if values[at] is not None:
                values[at] = change(values[at])
        return make(**dict(zip(names, values, strict=True)), **given)

    return made


def reader(message: type[Message]) -> Callable[[Any], list[Any]]:
    """Return what reads all values of a message that are not given from the model's object."""
    read = attrgetter(*(attribute(message.DESCRIPTOR.name, field) for field in own_fields(message)))
    return lambda of: list(read(of))


def own_fields(message: type[Message]) -> list[FieldDescriptor]:
    """Return the fields of a message that the model's object of its kind tells by itself."""
    given = GIVEN.get(message.DESCRIPTOR.name, frozenset())
    return [cast("FieldDescriptor", field) for field in message.DESCRIPTOR.fields if field.name not in given]


def attribute(message: str, field: FieldDescriptor) -> str:
    """Return the attribute of the model's object that a field shows."""
    name: str = CALLED.get((message, field.name), field.name)
    return f"{name.removesuffix('_time')}_seconds" if _is_time(field) else name


def _is_time(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == _TIMESTAMP


def _change(field: FieldDescriptor, converts: Converts) -> Convert | None:
    """Return what makes the format's value of the model's, None for what stays as it is."""
    kind = field.message_type
    if _is_time(field):
        return converts.time
    if kind is not None and kind.GetOptions().map_entry:
        return _of_map(kind.fields_by_name["value"], converts)
    if kind is not None:
        return _of_list(getattr(pb, kind.name), converts)
    if field.enum_type is not None:
        enum = converts.enum(field)
        return lambda state: enum(DEVICE_STATES.get(state, pb.DEVICE_STATE_UNSPECIFIED))
    if field.type == FieldDescriptor.TYPE_INT64:
        return converts.int64
    # Where text is empty, in the model as in labels, nothing is known.
    return _unless_empty if field.type == FieldDescriptor.TYPE_STRING else None


def _of_map(value: FieldDescriptor, converts: Converts) -> Convert:
    change = _change(value, converts)
    if change is None or change is _unless_empty:
        return lambda entries: dict(entries) or None
    return lambda entries: {key: change(each) for key, each in entries.items()} or None


def _of_list(message: type[Message], converts: Converts) -> Convert:
    make, parts = maker(message, converts), parts_of(message)
    return lambda named: [make(part) for part in parts(named)] or None


def parts_of(message: type[Message]) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
    """Return what gives the model's objects of a repeated message from the mapping that holds them, in their order."""
    return _addresses if message is pb.Address else _in_order


def _in_order(named: Mapping[str, Any]) -> Iterable[Any]:
    return named.values() if len(named) < 2 else [named[name] for name in sorted(named)]


def _addresses(prefix_lengths: Mapping[str, str]) -> Iterator[Address]:
    for ip, text in sorted(prefix_lengths.items()):
        is_length = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_INT32
        yield Address(ip, int(text) if is_length else None)


def _unless_empty(value: Any) -> Any:
    return value or None


def json_class(message: type[Message]) -> type[msgspec.Struct]:
    """Return a type whose encoding is the message's proto3 JSON mapping; absent is None."""
    descriptor = message.DESCRIPTOR
    fields = [(field.name, Any, msgspec.field(name=field.json_name, default=None)) for field in descriptor.fields]
    return msgspec.defstruct(descriptor.name, fields, kw_only=True, omit_defaults=True, frozen=True, gc=False)
