"""The fields of the model that are made of the proto."""

import msgspec
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools.code import KINDS, told


def described(*fields: Field) -> FileDescriptorSet:
    """Return a description of the three messages, of which nodes have these fields."""
    files = FileDescriptorSet()
    file = files.file.add(name="x.proto", package="aggregator.v1", syntax="proto3")
    for name in KINDS:
        file.message_type.add(name=name, field=fields if name == "Node" else ())
    return files


def test_what_topology_names_is_not_made() -> None:
    """A field that the model names, one that it works out and one that it calls otherwise are left to it."""
    known = [
        Field(name=name, number=number, type=Field.TYPE_DOUBLE, label=Field.LABEL_OPTIONAL)
        for number, name in enumerate(("cpu_cores", "memory_usage_percent", "hostname"), start=1)
    ]
    assert told(described(*known)) == told(described())


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Field.TYPE_DOUBLE, 1.5), (Field.TYPE_INT64, 7), (Field.TYPE_STRING, "a"), (Field.TYPE_BOOL, True)],
)
def test_a_field_has_the_type_of_its_line(kind: "Field.Type.ValueType", value: object) -> None:
    """What the proto has and the model has not becomes a field that is None until it is told, and keeps its type."""
    field = Field(name="battery", number=1, type=kind, label=Field.LABEL_OPTIONAL)
    names: dict[str, type[msgspec.Struct]] = {}
    exec(told(described(field)), names)  # noqa: S102 - what is generated is Python
    assert msgspec.convert({}, names["NodeTold"]).battery is None  # type: ignore[attr-defined]
    assert msgspec.convert({"battery": value}, names["NodeTold"]).battery == value  # type: ignore[attr-defined]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"battery": []}, names["NodeTold"])


def test_a_list_is_left_to_a_person() -> None:
    """A field whose type nothing can be made of is named, and nothing is written."""
    field = Field(name="parts", number=1, type=Field.TYPE_STRING, label=Field.LABEL_REPEATED)
    with pytest.raises(SystemExit, match=r"^Node\.parts: "):
        told(described(field))
