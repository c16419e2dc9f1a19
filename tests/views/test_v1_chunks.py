"""The v1 model in chunks: each is a complete message, and together they are the whole topology."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Cluster, Node, Pod, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_protobuf
from tests.support import parity_cases

SIZES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=4)


def build_sized_fleet(sizes: list[tuple[int, int]], name: str = "x") -> Topology:
    """Return a topology of clusters with these numbers of nodes and pods. All names have the same length."""
    nodes = [Node(cluster=f"c{at}", key=f"{name}{of}") for at, (many, _) in enumerate(sizes) for of in range(many)]
    pods = [
        Pod(cluster=f"c{at}", key=f"{name}{of}", name=f"{name}{of}")
        for at, (_, many) in enumerate(sizes)
        for of in range(many)
    ]
    return add_version(
        Topology(
            clusters={f"c{at}": Cluster(key=f"c{at}", uid=f"u{at}") for at in range(len(sizes))},
            nodes={(node.cluster, node.key): node for node in nodes},
            pods={(pod.cluster, pod.key): pod for pod in pods},
            controllers=("one",),
        )
    )


def parse_chunks(chunks: Iterable[bytes]) -> list[pb.Topology]:
    """Return the messages of the chunks."""
    return [pb.Topology.FromString(chunk) for chunk in chunks]


def merge_chunks(chunks: list[pb.Topology]) -> pb.Topology:
    """Return the merged chunks, as the proto describes it."""
    whole = pb.Topology()
    whole.CopyFrom(chunks[0])
    del whole.clusters[:]
    for chunk in chunks:
        for cluster in chunk.clusters:
            known = next((each for each in whole.clusters if each.id == cluster.id), None)
            if known is None:
                whole.clusters.append(cluster)
            else:
                known.nodes.extend(cluster.nodes)
                known.pods.extend(cluster.pods)
    return whole


@given(sizes=SIZES, max_bytes=st.integers(1, 400))
def test_chunks_together_are_the_topology(sizes: list[tuple[int, int]], max_bytes: int) -> None:
    """Chunks of any size merge to the whole topology, and each has the version and the controllers."""
    topology = build_sized_fleet(sizes)
    chunks = parse_chunks(v1_protobuf.build_chunks(topology, max_bytes))
    assert merge_chunks(chunks) == v1_protobuf.MESSAGE_FORMAT.encode_topology(topology)
    assert {(chunk.version, tuple(chunk.controllers)) for chunk in chunks} == {(topology.version, ("one",))}


@given(sizes=SIZES, max_bytes=st.integers(200, 400))
def test_chunks_do_not_exceed_the_maximum(sizes: list[tuple[int, int]], max_bytes: int) -> None:
    """A chunk has at most the maximum size if each object is much smaller."""
    assert all(len(chunk) <= max_bytes for chunk in v1_protobuf.build_chunks(build_sized_fleet(sizes), max_bytes))


def test_there_are_as_few_chunks_as_possible() -> None:
    """A topology of several megabytes has about as many chunks as mebibytes."""
    rendered = v1_protobuf.render_v1_chunks(build_sized_fleet([(3000, 3000)], "n" * 500), 0)
    sizes = [len(chunk) for chunk in v1_protobuf.split_chunks(rendered)]
    assert len(sizes) == -(-sum(sizes) // v1_protobuf.MAX_CHUNK_BYTES)
    assert max(sizes) <= v1_protobuf.MAX_CHUNK_BYTES


def test_an_object_beyond_the_maximum_has_its_own_chunk() -> None:
    """An object that exceeds the maximum by itself is not left out."""
    topology = build_sized_fleet([(3, 0)], "n" * 300)
    chunks = parse_chunks(v1_protobuf.build_chunks(topology, 100))
    assert [len(chunk.clusters[0].nodes) for chunk in chunks] == [1, 1, 1]


@pytest.mark.parametrize("name", parity_cases.CASE_NAMES)
def test_small_topologies_are_one_chunk(name: str) -> None:
    """Each case, even the empty one, is one chunk that contains the whole topology."""
    topology = parity_cases.build_case_topology(name)
    (chunk,) = v1_protobuf.split_chunks(v1_protobuf.render_v1_chunks(topology, 0))
    assert pb.Topology.FromString(chunk) == v1_protobuf.MESSAGE_FORMAT.encode_topology(topology)
