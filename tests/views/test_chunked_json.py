"""Documents that are encoded in chunks equal documents that are encoded in one call."""

import json

import pytest

from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.views import json_encoding, legacy_1_2_5, legacy_2025, v1_format

LENGTHS = [
    1,
    json_encoding.MEMBERS_PER_CHUNK - 1,
    json_encoding.MEMBERS_PER_CHUNK,
    json_encoding.MEMBERS_PER_CHUNK + 1,
    3 * json_encoding.MEMBERS_PER_CHUNK,
]


def build_fleet(nodes: int, pods: int) -> Topology:
    """Return two clusters with this many nodes and pods each. Their names contain characters of the JSON layout."""
    clusters = {key: Cluster(key=key, uid=key, name=key) for key in ("a", "b")}
    all_nodes = [Node(cluster=key, key=f'n ": {at}', name=f"n<{at}") for key in clusters for at in range(nodes)]
    all_pods = [
        Pod(cluster=key, key=f"p\n,{at}", name="p", uid=f"{key}{at}", node=all_nodes[0].key, containers=CONTAINERS)
        for key in clusters
        for at in range(pods)
    ]
    return Topology(
        clusters=clusters,
        nodes={(node.cluster, node.key): node for node in all_nodes},
        pods={(pod.cluster, pod.key): pod for pod in all_pods},
    )


CONTAINERS = {"x": Container("x", 0.5), 'y"]': Container("y", memory_bytes=5)}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_chunked_objects_equal_whole_objects(length: int, depth: int) -> None:
    """An object has the same layout with and without chunks, at any depth."""
    members = {f'{at}": {{': {"of it": [at, "a b"]} for at in range(length)}
    whole: object = members
    several: object = json_encoding.chunk_object(members.items())
    for _ in range(depth):
        whole, several = {"in": whole, "then": 1}, {"in": several, "then": 1}
    assert json_encoding.encode_go_json(several) == json_encoding.encode_go_json(whole)


@pytest.mark.parametrize("nodes", [1, 2 * legacy_2025.NODES_PER_CHUNK + 1])
@pytest.mark.parametrize("pods", [0, 1, 2 * json_encoding.MEMBERS_PER_CHUNK + 1])
def test_no_member_is_lost_between_chunks(nodes: int, pods: int) -> None:
    """Every JSON view contains each node and pod."""
    topology = build_fleet(nodes, pods)
    for name, cluster in json.loads(legacy_1_2_5.render_legacy(topology, 0.0))["cluster"].items():
        assert list(cluster["node"]) == [node.key for node in topology.group_nodes_by_cluster()[name]]
        assert list(cluster.get("pod", ())) == [pod.key for pod in topology.group_pods_by_cluster()[name]]
    nested = json.loads(legacy_2025.render_legacy_2025(topology, 0.0))["cluster"]["a"]["node"]
    assert (len(nested), sum(len(node.get("pod", ())) for node in nested.values())) == (nodes, pods)
    for cluster in json.loads(v1_format.render_v1_json(topology, 0.0))["clusters"]:
        assert (len(cluster["nodes"]), len(cluster.get("pods", ()))) == (nodes, pods)


def test_several_chunked_objects_in_one_document() -> None:
    """Each placeholder is replaced by its own members, even if two of them are adjacent."""
    pairs = [(str(at), at) for at in range(json_encoding.MEMBERS_PER_CHUNK + 1)]
    document = {
        "a": json_encoding.chunk_object(pairs),
        "b": json_encoding.chunk_object(pairs[:1]),
        "c": {"d": json_encoding.chunk_object(pairs)},
    }
    whole = {"a": dict(pairs), "b": dict(pairs[:1]), "c": {"d": dict(pairs)}}
    assert json_encoding.encode_go_json(document) == json_encoding.encode_go_json(whole)


def test_values_without_json_form_are_errors() -> None:
    """A value of a type without a JSON form is an error, not a placeholder."""
    with pytest.raises(NotImplementedError):
        json_encoding.encode_skeleton(object())
