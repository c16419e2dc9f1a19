"""The v1 model in parts: each stands alone, all together are the whole."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Cluster, Node, Pod, Topology
from aggregator.models.version import versioned
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1, v1_chunks
from tests import cases

SIZES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=4)


def fleet(sizes: list[tuple[int, int]], name: str = "x") -> Topology:
    """Return a topology of clusters with so many nodes and pods each, all with names of one length."""
    nodes = [Node(cluster=f"c{at}", key=f"{name}{of}") for at, (many, _) in enumerate(sizes) for of in range(many)]
    pods = [
        Pod(cluster=f"c{at}", key=f"{name}{of}", name=f"{name}{of}")
        for at, (_, many) in enumerate(sizes)
        for of in range(many)
    ]
    return versioned(
        Topology(
            clusters={f"c{at}": Cluster(key=f"c{at}", uid=f"u{at}") for at in range(len(sizes))},
            nodes={(node.cluster, node.key): node for node in nodes},
            pods={(pod.cluster, pod.key): pod for pod in pods},
            controllers=("one",),
        )
    )


def read(parts: Iterable[bytes]) -> list[pb.Topology]:
    """Return the messages that parts are."""
    return [pb.Topology.FromString(part) for part in parts]


def together(parts: list[pb.Topology]) -> pb.Topology:
    """Return the whole that parts make, put together as the proto says."""
    whole = pb.Topology()
    whole.CopyFrom(parts[0])
    del whole.clusters[:]
    for part in parts:
        for cluster in part.clusters:
            known = next((each for each in whole.clusters if each.id == cluster.id), None)
            if known is None:
                whole.clusters.append(cluster)
            else:
                known.nodes.extend(cluster.nodes)
                known.pods.extend(cluster.pods)
    return whole


@given(sizes=SIZES, most_bytes=st.integers(1, 400))
def test_the_parts_are_the_whole(sizes: list[tuple[int, int]], most_bytes: int) -> None:
    """However small parts have to be, put together they are the whole, and each has its version and controllers."""
    topology = fleet(sizes)
    parts = read(v1_chunks.parts(topology, most_bytes))
    assert together(parts) == v1.MESSAGES.topology(topology)
    assert {(part.version, tuple(part.controllers)) for part in parts} == {(topology.version, ("one",))}


@given(sizes=SIZES, most_bytes=st.integers(200, 400))
def test_no_part_is_larger_than_it_may_be(sizes: list[tuple[int, int]], most_bytes: int) -> None:
    """A part is at most as large as asked for, where each object is much smaller than that."""
    assert all(len(part) <= most_bytes for part in v1_chunks.parts(fleet(sizes), most_bytes))


def test_parts_are_as_few_as_can_be() -> None:
    """A fleet of some megabytes comes in about as many parts as it has MiB."""
    rendered = v1_chunks.render(fleet([(3000, 3000)], "n" * 500), 0)
    sizes = [len(chunk) for chunk in v1_chunks.chunks(rendered)]
    assert len(sizes) == -(-sum(sizes) // v1_chunks.MOST_BYTES)
    assert max(sizes) <= v1_chunks.MOST_BYTES


def test_an_object_that_is_too_large_has_a_part_of_its_own() -> None:
    """What is larger than a part alone is not left out."""
    topology = fleet([(3, 0)], "n" * 300)
    parts = read(v1_chunks.parts(topology, 100))
    assert [len(part.clusters[0].nodes) for part in parts] == [1, 1, 1]


@pytest.mark.parametrize("name", cases.NAMES)
def test_small_topologies_are_one_part(name: str) -> None:
    """Each case is one part, and it is the whole; also the empty one."""
    topology = cases.topology(name)
    (chunk,) = v1_chunks.chunks(v1_chunks.render(topology, 0))
    assert pb.Topology.FromString(chunk) == v1.MESSAGES.topology(topology)
