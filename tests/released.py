"""What gRPC clients of the last release were promised, a line for each promise.

`python -m tests.released` writes it anew: at a release, when what it holds has become older than what is served.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aggregator.pb.aggregator.v1 import topology_pb2
from aggregator.pb.etim import server_pb2

RELEASED = Path(__file__).parent / "data" / "released.txt"

_TYPES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(topology_pb2.Topology.DESCRIPTOR.fields[0].__class__).items()
    if name.startswith("TYPE_")
}


def promises() -> list[str]:
    """Return what the descriptors of now promise."""
    return sorted(line for module in (topology_pb2, server_pb2) for line in _of_file(module.DESCRIPTOR))


def _of_file(file: Any) -> Iterator[str]:
    for service in file.services_by_name.values():
        for method in service.methods:
            asked = f"{'stream ' if method.client_streaming else ''}{method.input_type.full_name}"
            answered = f"{'stream ' if method.server_streaming else ''}{method.output_type.full_name}"
            yield f"rpc {method.full_name} ({asked}) returns ({answered})"
    for message in file.message_types_by_name.values():
        yield from _of_message(message)
    for enum in file.enum_types_by_name.values():
        yield from _of_enum(enum)


def _of_message(message: Any) -> Iterator[str]:
    for field in message.fields:
        presence = "repeated" if field.is_repeated else "optional" if field.has_presence else "implicit"
        kind = field.message_type or field.enum_type
        yield f"field {field.full_name} = {field.number}: {presence} {kind.full_name if kind else _TYPES[field.type]}"
    for nested in message.nested_types:
        yield from _of_message(nested)
    for enum in message.enum_types:
        yield from _of_enum(enum)


def _of_enum(enum: Any) -> Iterator[str]:
    yield from (f"value {enum.full_name}.{value.name} = {value.number}" for value in enum.values)


if __name__ == "__main__":
    RELEASED.write_text("\n".join(promises()) + "\n", encoding="utf-8")
