"""The protobuf contract of the last release, one line for each promise.

At a release, `python -m tests.repository.proto_contract` writes tests/data/released.txt again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aggregator.pb.aggregator.v1 import topology_pb2
from aggregator.pb.etim import server_pb2

CONTRACT_FILE = Path(__file__).parents[1] / "data" / "released.txt"

_FIELD_TYPES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(topology_pb2.Topology.DESCRIPTOR.fields[0].__class__).items()
    if name.startswith("TYPE_")
}


def describe_contract() -> list[str]:
    """Return the contract of the current descriptors."""
    return sorted(line for module in (topology_pb2, server_pb2) for line in _describe_file(module.DESCRIPTOR))


def _describe_file(file: Any) -> Iterator[str]:
    for service in file.services_by_name.values():
        for method in service.methods:
            request_type = f"{'stream ' if method.client_streaming else ''}{method.input_type.full_name}"
            response_type = f"{'stream ' if method.server_streaming else ''}{method.output_type.full_name}"
            yield f"rpc {method.full_name} ({request_type}) returns ({response_type})"
    for message in file.message_types_by_name.values():
        yield from _describe_message(message)
    for enum in file.enum_types_by_name.values():
        yield from _describe_enum(enum)


def _describe_message(message: Any) -> Iterator[str]:
    for field in message.fields:
        presence = "repeated" if field.is_repeated else "optional" if field.has_presence else "implicit"
        message_or_enum = field.message_type or field.enum_type
        type_name = message_or_enum.full_name if message_or_enum else _FIELD_TYPES[field.type]
        yield f"field {field.full_name} = {field.number}: {presence} {type_name}"
    for nested in message.nested_types:
        yield from _describe_message(nested)
    for enum in message.enum_types:
        yield from _describe_enum(enum)


def _describe_enum(enum: Any) -> Iterator[str]:
    yield from (f"value {enum.full_name}.{value.name} = {value.number}" for value in enum.values)


if __name__ == "__main__":
    CONTRACT_FILE.write_text("\n".join(describe_contract()) + "\n", encoding="utf-8")
