"""The bytes of messages that were never made: the same that protobuf writes."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1
from aggregator.views.v1_wire import varint
from tests import cases
from tests.views.test_any_topology import node_fields, parts_of

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def serialized(topology: Topology) -> bytes:
    """Return what protobuf makes of a topology."""
    made: bytes = v1.MESSAGES.topology(topology).SerializeToString(deterministic=True)
    return made


@pytest.mark.parametrize("name", cases.NAMES)
def test_every_case_is_written_as_protobuf_writes_it(name: str) -> None:
    """The bytes of every case are those of its message."""
    topology = cases.topology(name)
    assert v1.render_protobuf(topology, 0) == serialized(topology)


@given(node=node_fields(), containers=parts_of(Container), seconds=st.none() | st.floats(-1, 1e12))
def test_any_topology_is_written_as_protobuf_writes_it(
    node: dict[str, Any], containers: dict[str, Any], seconds: float | None
) -> None:
    """Whatever texts and numbers it has, the bytes of a topology are those of its message."""
    # Of what is left of any 64 bits and any other 64 bits there may be more than 64 bits.
    node["available_memory_bytes"] = None
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u", controllers=("", "x"))},
        nodes={("c", "n"): Node(cluster="c", key="n", last_seen_seconds=seconds, **node)},
        pods={("c", "p"): Pod(cluster="c", key="p", name="p", node="n", containers=containers)},
        oldest_sample_seconds=seconds,
    )
    assert v1.render_protobuf(topology, 0) == serialized(topology)


@given(st.one_of(INT64, st.sampled_from([0, 127, 128, 16383, 16384, -1])), TEXTS, st.dictionaries(TEXTS, INT64))
def test_fields_are_written_as_protobuf_writes_them(number: int, text: str, entries: dict[str, int]) -> None:
    """Numbers of any size, texts of any length and maps in any order, empty ones too, are as protobuf has them."""
    node = Node(cluster="c", key=text, host_id=text, free_memory_bytes=number, vulnerabilities=entries)
    assert v1.WIRE.node(node) == v1.MESSAGES.node(node).SerializeToString(deterministic=True)


@given(st.integers(0, 2**64 - 1))
def test_whole_numbers_take_seven_bits_a_byte(number: int) -> None:
    """A varint read back is the number that was written."""
    read = sum((byte & 127) << 7 * at for at, byte in enumerate(varint(number)))
    assert read == number


def test_a_moment_at_the_epoch_is_there() -> None:
    """A time whose message is empty is written all the same: it is known."""
    topology = Topology(oldest_sample_seconds=0.0)
    assert pb.Topology.FromString(v1.render_protobuf(topology, 0)).oldest_sample_time == Timestamp()
    assert v1.render_protobuf(topology, 0) == serialized(topology)
