"""The topology version: equal for equal content, different for different content."""

import hashlib

import msgspec
import pytest

from aggregator import __version__
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, add_version

NODE = Node(cluster="c", key="n", labels={"a": "1", "b": "2"}, free_memory_bytes=5, last_seen_seconds=10.5)
TOPOLOGY_FIELDS = {
    "clusters": {"c": Cluster(key="c", uid="u")},
    "nodes": {("c", "n"): NODE},
    "pods": {("c", "p"): Pod(cluster="c", key="p", name="p", containers={"x": Container("x", 0.5)})},
    "oldest_sample_seconds": 10.0,
}


def compute_version(**changes: object) -> str:
    """Return the version of a topology with some fields changed."""
    return add_version(Topology(**{**TOPOLOGY_FIELDS, **changes})).version  # type: ignore[arg-type]


def test_the_order_of_mappings_does_not_matter() -> None:
    """The version does not depend on the order of mappings."""
    again = Node(cluster="c", key="n", labels={"b": "2", "a": "1"}, free_memory_bytes=5, last_seen_seconds=10.5)
    assert compute_version() == compute_version(nodes={("c", "n"): again})


@pytest.mark.parametrize(
    "changes",
    [
        {"clusters": {"c": Cluster(key="c", uid="other")}},
        {"nodes": {}},
        {"nodes": {("c", "n"): Node(cluster="c", key="n", free_memory_bytes=0)}},
        {"pods": {("c", "p"): Pod(cluster="c", key="p", name="p", containers={"x": Container("x", 0.6)})}},
        {"controllers": ("x",)},
        {"oldest_sample_seconds": 10.1},
        {"oldest_sample_seconds": None},
    ],
    ids=str,
)
def test_every_change_changes_the_version(changes: dict[str, object]) -> None:
    """Different content has a different version."""
    assert compute_version(**changes) != compute_version()


def test_the_previous_version_does_not_matter() -> None:
    """The version does not depend on the version that the topology had before."""
    once = add_version(Topology(**TOPOLOGY_FIELDS))  # type: ignore[arg-type] # as above
    assert add_version(once) == once


class NodeWithNewField(Node, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A node of a later version of the model."""

    battery_percent: float | None = None


def test_a_new_field_without_value_does_not_change_the_version() -> None:
    """A field that is added to the model changes the version only of topologies that have a value for it."""
    fields = {name: getattr(NODE, name) for name in NODE.__struct_fields__}
    assert compute_version(nodes={("c", "n"): NodeWithNewField(**fields)}) == compute_version()
    assert compute_version(nodes={("c", "n"): NodeWithNewField(**fields, battery_percent=0.0)}) != compute_version()


@pytest.mark.parametrize("pods", [0, 1, 15, 16, 499, 500, 501, 1001])
def test_chunks_do_not_change_the_version(pods: int) -> None:
    """The version equals the digest of each section encoded in one piece."""
    all_pods = {("c", str(number)): Pod(cluster="c", key=str(number), name=f"pod {number}") for number in range(pods)}
    whole = hashlib.blake2b(__version__.encode(), digest_size=16)
    for part in ([], [], list(all_pods.values()), [(), None]):
        whole.update(msgspec.msgpack.encode(part))
    assert add_version(Topology(pods=all_pods)).version == whole.hexdigest()
