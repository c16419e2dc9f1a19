"""The comparison of the model with the protobuf messages, which `make check` runs."""

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from tools.model_fields import FIELDS_WITHOUT_MESSAGE_FIELD, STRUCTS_BY_NAME, find_field_differences


@pytest.fixture
def descriptors() -> FileDescriptorSet:
    """Return the descriptors of the committed protobuf code."""
    files = FileDescriptorSet()
    for file in (*pb.DESCRIPTOR.dependencies, pb.DESCRIPTOR):
        file.CopyToProto(files.file.add())
    return files


def get_message(descriptors: FileDescriptorSet, name: str) -> DescriptorProto:
    """Return the description of a message, to change it."""
    return next(message for message in descriptors.file[-1].message_type if message.name == name)


def test_the_model_has_the_fields_of_the_messages(descriptors: FileDescriptorSet) -> None:
    """Every field of a message is in the model with the same type, and every field of the model is in a message."""
    assert find_field_differences(descriptors) == []


@pytest.mark.parametrize("kind", STRUCTS_BY_NAME)
def test_a_field_that_the_model_lacks_is_reported(descriptors: FileDescriptorSet, kind: str) -> None:
    """A field that is only in the proto is reported for every kind of object."""
    get_message(descriptors, kind).field.add(
        name="invented_field", number=99, type=Field.TYPE_DOUBLE, label=Field.LABEL_OPTIONAL
    )
    assert find_field_differences(descriptors) == [
        (
            f"{kind}.invented_field is in proto/aggregator/v1/topology.proto,"
            " but invented_field is not in aggregator/models/topology.py"
        )
    ]


@pytest.mark.parametrize("kind", STRUCTS_BY_NAME)
def test_a_field_that_a_message_lacks_is_reported(descriptors: FileDescriptorSet, kind: str) -> None:
    """A field that is only in the model is reported for every kind of object."""
    attribute = STRUCTS_BY_NAME[kind].__struct_fields__[-1]
    fields = get_message(descriptors, kind).field
    next(field for field in fields if field.name == attribute.replace("_seconds", "_time")).name = "renamed"
    assert find_field_differences(descriptors)[-1] == (
        f"{kind}.{attribute} is in aggregator/models/topology.py, but not in proto/aggregator/v1/topology.proto"
    )


def test_another_type_is_reported(descriptors: FileDescriptorSet) -> None:
    """A field with a whole number in the proto and a fraction in the model is reported."""
    message = get_message(descriptors, "Node")
    next(field for field in message.field if field.name == "cpu_cores").type = Field.TYPE_INT64
    (difference,) = find_field_differences(descriptors)
    assert difference.startswith("Node.cpu_cores in proto/aggregator/v1/topology.proto has another type than cpu_cores")


@pytest.mark.parametrize("kind", FIELDS_WITHOUT_MESSAGE_FIELD)
def test_exceptions_exist(kind: str) -> None:
    """Every exception names a field that the model has."""
    assert set(STRUCTS_BY_NAME[kind].__struct_fields__) >= FIELDS_WITHOUT_MESSAGE_FIELD[kind]
