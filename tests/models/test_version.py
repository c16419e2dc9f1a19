"""The version of a topology: the same for the same content, another one for any other."""

import hashlib

import msgspec
import pytest

from aggregator import __version__
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.models.version import versioned

NODE = Node(cluster="c", key="n", labels={"a": "1", "b": "2"}, free_memory_bytes=5, last_seen_seconds=10.5)
WHOLE = {
    "clusters": {"c": Cluster(key="c", uid="u")},
    "nodes": {("c", "n"): NODE},
    "pods": {("c", "p"): Pod(cluster="c", key="p", name="p", containers={"x": Container("x", 0.5)})},
    "oldest_sample_seconds": 10.0,
}


def version(**changes: object) -> str:
    """Return the version of a topology with some things changed."""
    return versioned(Topology(**{**WHOLE, **changes})).version  # type: ignore[arg-type] # as the tests give them


def test_the_same_content_has_the_same_version() -> None:
    """The version depends on what is told, not on the order in which mappings were filled."""
    again = Node(cluster="c", key="n", labels={"b": "2", "a": "1"}, free_memory_bytes=5, last_seen_seconds=10.5)
    assert version() == version(nodes={("c", "n"): again})


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
def test_any_change_is_another_version(changes: dict[str, object]) -> None:
    """Whatever differs, the version does."""
    assert version(**changes) != version()


def test_it_survives_itself() -> None:
    """A version does not depend on the one that the topology had before."""
    once = versioned(Topology(**WHOLE))  # type: ignore[arg-type] # as above
    assert versioned(once) == once


@pytest.mark.parametrize("pods", [0, 1, 15, 16, 499, 500, 501, 1001])
def test_portions_do_not_show(pods: int) -> None:
    """The version is that of each mapping's values encoded in one piece, however many there are."""
    of = {("c", str(number)): Pod(cluster="c", key=str(number), name=f"pod {number}") for number in range(pods)}
    whole = hashlib.blake2b(__version__.encode(), digest_size=16)
    for part in ([], [], list(of.values()), [(), None]):
        whole.update(msgspec.msgpack.encode(part))
    assert versioned(Topology(pods=of)).version == whole.hexdigest()
