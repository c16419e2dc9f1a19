"""Documents written in portions: nobody can tell that they were."""

import json

import pytest

from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.views import framed, gojson, legacy, legacy_2025, v1

LENGTHS = [1, framed.AT_ONCE - 1, framed.AT_ONCE, framed.AT_ONCE + 1, 3 * framed.AT_ONCE]


def fleet(nodes: int, pods: int) -> Topology:
    """Return two clusters with so many nodes and pods each; their names hold what a layout could trip over."""
    clusters = {key: Cluster(key=key, uid=key, name=key) for key in ("a", "b")}
    of_nodes = [Node(cluster=key, key=f'n ": {at}', name=f"n<{at}") for key in clusters for at in range(nodes)]
    of_pods = [
        Pod(cluster=key, key=f"p\n,{at}", name="p", uid=f"{key}{at}", node=of_nodes[0].key, containers=CONTAINERS)
        for key in clusters
        for at in range(pods)
    ]
    return Topology(
        clusters=clusters,
        nodes={(node.cluster, node.key): node for node in of_nodes},
        pods={(pod.cluster, pod.key): pod for pod in of_pods},
    )


CONTAINERS = {"x": Container("x", 0.5), 'y"]': Container("y", memory_bytes=5)}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_members_are_laid_out_as_if_encoded_whole(length: int, depth: int) -> None:
    """An object of many members looks the same whether or not it is written in portions, however deep it is."""
    members = {f'{at}": {{': {"of it": [at, "a b"]} for at in range(length)}
    whole: object = members
    several: object = framed.named(members.items())
    for _ in range(depth):
        whole, several = {"in": whole, "then": 1}, {"in": several, "then": 1}
    assert gojson.encode(several) == gojson.encode(whole)


@pytest.mark.parametrize("nodes", [1, 2 * legacy_2025.NODES_AT_ONCE + 1])
@pytest.mark.parametrize("pods", [0, 1, 2 * framed.AT_ONCE + 1])
def test_every_member_is_in_every_json(nodes: int, pods: int) -> None:
    """No node or pod is lost between portions, in any of the JSON views."""
    topology = fleet(nodes, pods)
    for name, cluster in json.loads(legacy.render(topology, 0.0))["cluster"].items():
        assert list(cluster["node"]) == [node.key for node in topology.nodes_by_cluster()[name]]
        assert list(cluster.get("pod", ())) == [pod.key for pod in topology.pods_by_cluster()[name]]
    nested = json.loads(legacy_2025.render(topology, 0.0))["cluster"]["a"]["node"]
    assert (len(nested), sum(len(node.get("pod", ())) for node in nested.values())) == (nodes, pods)
    for cluster in json.loads(v1.render_json(topology, 0.0))["clusters"]:
        assert (len(cluster["nodes"]), len(cluster.get("pods", ()))) == (nodes, pods)


def test_two_places_in_one_document() -> None:
    """Each place gets its own members, also where one follows right on the other."""
    pairs = [(str(at), at) for at in range(framed.AT_ONCE + 1)]
    document = {"a": framed.named(pairs), "b": framed.named(pairs[:1]), "c": {"d": framed.named(pairs)}}
    whole = {"a": dict(pairs), "b": dict(pairs[:1]), "c": {"d": dict(pairs)}}
    assert gojson.encode(document) == gojson.encode(whole)


def test_what_cannot_be_encoded_is_refused() -> None:
    """A value of a type that JSON has no form for is an error, not a place."""
    with pytest.raises(NotImplementedError):
        framed.frame(object())
