"""Messages of the v1 model as bytes, straight from the model's objects: no messages are made first.

For each kind of message a function is written out in Python, once, from its descriptor: a line or two for each field,
in the order of their numbers. What it writes is what protobuf's own deterministic serialization writes, which a test
compares; the encoding: https://protobuf.dev/programming-guides/encoding/. A message inside of another is its bytes
behind their length, so the bytes of a whole are put together from those of its parts.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_fields import GIVEN, NUMBERS, attribute, parts_of

Write = Callable[..., bytes]
Time = Callable[[float], bytes | None]

_VARINT, _EIGHT_BYTES, _DELIMITED = 0, 1, 2
_DOUBLE = struct.Struct("<d").pack
_UINT64 = 2**64
_TIMESTAMP = "google.protobuf.Timestamp"
# What stands before most texts and messages is ready: they are short.
_SHORT_LENGTH = 256


def varint(number: int) -> bytes:
    """Return a whole number as protobuf writes it, seven bits a byte; negative ones in 64 bits."""
    left = number % _UINT64
    digits = []
    while left > 127:
        digits.append(left & 127 | 128)
        left >>= 7
    digits.append(left)
    return bytes(digits)


class Heads(dict[int, bytes]):
    """What stands before a value of a field of texts or messages, by the length of the value."""

    def __init__(self, field: FieldDescriptor) -> None:
        self._tag = varint(field.number << 3 | _DELIMITED)
        super().__init__((length, self[length]) for length in range(_SHORT_LENGTH))

    def __missing__(self, length: int) -> bytes:
        return self._tag + varint(length)


class Delimited:
    """Writes one field of texts or messages: its number, how long the value is, and the value."""

    def __init__(self, field: FieldDescriptor) -> None:
        self.heads = Heads(field)

    def all(self, values: Iterable[bytes]) -> bytes:
        """Return the field with each of the values."""
        heads = self.heads
        return b"".join([piece for value in values for piece in (heads[len(value)], value)])


def member(message: type[Message], name: str) -> Delimited:
    """Return what writes a field of a message that is a message itself."""
    return Delimited(cast("FieldDescriptor", message.DESCRIPTOR.fields_by_name[name]))


def writer(message: type[Message], time: Time) -> Write:
    """Return what writes a message of the model's object of its kind, and of what is given by name.

    Messages that are given are bytes already; `time` writes moments.
    """
    source = _Source(message, time)
    exec(compile(source.text(), f"<{message.DESCRIPTOR.full_name}>", "exec"), source.names)  # noqa: S102 - of our own descriptors
    return cast("Write", source.names["write"])


class _Source:
    """The text of the function that writes a message, and what its names stand for."""

    def __init__(self, message: type[Message], time: Time) -> None:
        self._message = message.DESCRIPTOR
        self._time = time
        self.names: dict[str, Any] = {"join": b"".join, "varint": varint, "double": _DOUBLE}

    def text(self) -> str:
        """Return the source of the function."""
        given = sorted(GIVEN.get(self._message.name, ()))
        described = (cast("FieldDescriptor", field) for field in self._message.fields)
        fields = sorted(described, key=lambda field: field.number)
        lines = [
            f"def write(of, {''.join(f'{name}=None, ' for name in given)}):",
            "out = []",
            "add = out.append",
            *(line for each in fields for line in self._field(each, each.name in given)),
            "return join(out)",
        ]
        return "\n    ".join(lines)

    def _field(self, field: FieldDescriptor, is_given: bool) -> list[str]:
        """Return the lines that write one field."""
        kind = field.message_type
        read = f"value = {field.name if is_given else f'of.{attribute(self._message.name, field)}'}"
        if kind is not None and kind.full_name == _TIMESTAMP:
            at, heads = self._known(field, "time", self._time), self._delimited(field)
            # A moment that no calendar has is left out.
            return [read, f"if value is not None and (value := {at}(value)) is not None:", _of_bytes(heads, "value")]
        if field.is_repeated:
            return [read, f"if value: add({self._known(field, 'all', self._several(field, is_given))}(value))"]
        if field.type == FieldDescriptor.TYPE_STRING:
            return [read, "if value:", "    value = value.encode()", _of_bytes(self._delimited(field), "value")]
        if field.enum_type is not None:
            return [
                read,
                f"value = {self._known(field, 'numbers', NUMBERS[field.enum_type.name])}.get(value)",
                *self._scalar(field),
            ]
        return [read, *self._scalar(field)]

    def _scalar(self, field: FieldDescriptor) -> list[str]:
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            tag = varint(field.number << 3 | _EIGHT_BYTES)
            return [f"if value is not None: add({tag!r} + double(value))"]
        tag = varint(field.number << 3 | _VARINT)
        return [f"if value is not None: add({tag!r} + varint(value))"]

    def _several(self, field: FieldDescriptor, is_given: bool) -> Callable[[Any], bytes]:
        """Return what writes a field that there may be more than one of."""
        delimited = Delimited(field)
        kind = field.message_type
        if kind is None:
            return lambda texts: delimited.all(text.encode() for text in texts)
        if kind.GetOptions().map_entry:
            return _of_map(delimited, kind.fields_by_name)
        if is_given:
            return delimited.all
        message = getattr(pb, kind.name)
        write, parts = writer(message, self._time), parts_of(message)
        return lambda named: delimited.all(map(write, parts(named)))

    def _delimited(self, field: FieldDescriptor) -> str:
        return self._known(field, "heads", Heads(field))

    def _known(self, field: FieldDescriptor, what: str, value: object) -> str:
        """Return the name by which the text knows a value."""
        name = f"{what}_{field.number}"
        self.names[name] = value
        return name


def _of_bytes(heads: str, value: str) -> str:
    return f"    add({heads}[len({value})]); add({value})"


def _of_map(entry: Delimited, fields: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bytes]:
    """Return what writes a map in the order of its keys; key and value are written even where they are empty."""
    key_of, value_of = Delimited(fields["key"]), Delimited(fields["value"])
    tag = varint(fields["value"].number << 3 | _VARINT)
    is_text = fields["value"].type == FieldDescriptor.TYPE_STRING

    def write(entries: Mapping[str, Any]) -> bytes:
        values = (
            key_of.all([key.encode()])
            + (value_of.all([entries[key].encode()]) if is_text else tag + varint(entries[key]))
            for key in sorted(entries, key=_in_order)
        )
        return entry.all(values)

    return write


def _in_order(key: str) -> bytes:
    """Return what puts keys in protobuf's order: by their bytes, and of two that begin alike the longer one first."""
    return key.encode() + b"\xff"
