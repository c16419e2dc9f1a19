"""The protobuf messages keep the contract of the last release."""

from aggregator.pb.aggregator.v1 import topology_pb2
from tests.repository.proto_contract import CONTRACT_FILE, describe_contract


def read_released_contract() -> list[str]:
    """Return the contract of the last release."""
    return CONTRACT_FILE.read_text(encoding="utf-8").splitlines()


def test_the_released_contract_holds() -> None:
    """Each method, field and enum value of the last release exists with the same number, type and presence."""
    assert set(read_released_contract()) <= set(describe_contract()), "see proto/README.md for what may change"


def test_the_contract_has_number_type_and_presence() -> None:
    """A line of the contract changes with the number, type or presence of its field."""
    assert "field aggregator.v1.Node.free_memory_bytes = 21: optional int64" in describe_contract()
    assert "field aggregator.v1.Node.id = 1: implicit string" in describe_contract()
    assert "field aggregator.v1.Cluster.nodes = 8: repeated aggregator.v1.Node" in describe_contract()


def test_measured_fields_have_presence() -> None:
    """Each numeric field of the model can be absent, which differs from 0."""
    fields = [field for message in topology_pb2.DESCRIPTOR.message_types_by_name.values() for field in message.fields]
    numbers = (field for field in fields if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_INT64))
    assert [field.full_name for field in numbers if not (field.has_presence or field.is_repeated)] == []
