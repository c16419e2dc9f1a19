"""The v1 protobuf, joined from objects that are serialized one by one."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_protobuf
from aggregator.views.v1_protobuf import encode_varint
from tests.support import parity_cases
from tests.views.test_arbitrary_topologies import child_objects, node_fields


def serialize_topology(topology: Topology) -> bytes:
    """Return the bytes of one message that contains the whole topology."""
    message: bytes = v1_protobuf.MESSAGE_FORMAT.encode_topology(topology).SerializeToString(deterministic=True)
    return message


@pytest.mark.parametrize("name", parity_cases.CASE_NAMES)
def test_every_case_equals_one_serialized_message(name: str) -> None:
    """The joined bytes of every case equal its serialized message."""
    topology = parity_cases.build_case_topology(name)
    assert v1_protobuf.render_v1_protobuf(topology, 0) == serialize_topology(topology)


@given(node=node_fields(), containers=child_objects(Container), seconds=st.none() | st.floats(-1, 1e12))
def test_any_topology_equals_one_serialized_message(
    node: dict[str, Any], containers: dict[str, Any], seconds: float | None
) -> None:
    """With any text and any numbers, the joined bytes of a topology equal its serialized message."""
    # The difference of two 64-bit integers, the used memory, may not fit into 64 bits.
    node["available_memory_bytes"] = None
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u", controllers=("", "x"))},
        nodes={("c", "n"): Node(cluster="c", key="n", last_seen_seconds=seconds, **node)},
        pods={("c", "p"): Pod(cluster="c", key="p", name="p", node="n", containers=containers)},
        oldest_sample_seconds=seconds,
    )
    assert v1_protobuf.render_v1_protobuf(topology, 0) == serialize_topology(topology)


@given(st.integers(0, 2**64 - 1))
def test_a_varint_has_seven_bits_in_each_byte(number: int) -> None:
    """Decoding a varint returns the encoded number."""
    decoded = sum((byte & 127) << 7 * at for at, byte in enumerate(encode_varint(number)))
    assert decoded == number


def test_the_epoch_is_a_known_time() -> None:
    """The Unix time 0 is present, although its message is empty."""
    topology = Topology(oldest_sample_seconds=0.0)
    assert pb.Topology.FromString(v1_protobuf.render_v1_protobuf(topology, 0)).oldest_sample_time == Timestamp()
    assert v1_protobuf.render_v1_protobuf(topology, 0) == serialize_topology(topology)
