"""The protobuf keeps what clients of the last release rely on."""

from aggregator.pb.aggregator.v1 import topology_pb2
from tests.released import RELEASED, promises


def released() -> list[str]:
    """Return what was promised with the last release."""
    return RELEASED.read_text(encoding="utf-8").splitlines()


def test_what_was_released_is_still_so() -> None:
    """Each method, field and enum value of the last release is there with its number, type and presence."""
    assert set(released()) <= set(promises()), "see proto/README.md for what may change"


def test_a_change_would_be_seen() -> None:
    """A field of another number, type or presence is another promise."""
    assert "field aggregator.v1.Node.free_memory_bytes = 21: optional int64" in promises()
    assert "field aggregator.v1.Node.id = 1: implicit string" in promises()
    assert "field aggregator.v1.Cluster.nodes = 8: repeated aggregator.v1.Node" in promises()


def test_what_is_measured_has_presence() -> None:
    """Each number of the model can be absent, which is not 0."""
    fields = [field for message in topology_pb2.DESCRIPTOR.message_types_by_name.values() for field in message.fields]
    numbers = (field for field in fields if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_INT64))
    assert [field.full_name for field in numbers if not (field.has_presence or field.is_repeated)] == []
