"""The graph of a topology."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from aggregator.errors import BadRequestError, NotFoundError
from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.graph import (
    EDGE_FIELDS,
    MAX_GRAPH_LIMIT,
    NOTICE_ID,
    VERTEX_FIELDS,
    GraphRequest,
    parse_level,
)
from aggregator.lookup.results import JSON_ENCODER, TopologyIndex
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from tests.server.tenant_fleets import TWO_TENANT_FLEETS, TwoTenantFleet

CLUSTERS = {name: Cluster(key=name, uid=name, type="ocm") for name in ("east", "west")}
NODES = [
    Node(cluster="east", key="a", cpu_usage_percent=12.4, city="Athens", conditions={"Ready": "true"}),
    Node(cluster="east", key="b", conditions={"Ready": "false"}, labels={"zone": "north"}),
    Node(cluster="west", key="a", host_memory_bytes=100, available_memory_bytes=36),
]
PODS = [
    Pod(cluster="east", key="web", name="web", namespace="shop", node="a", phase="Running",
        containers={"nginx": Container("nginx", state="running", image="docker.io/nginx:1", memory_bytes=2**21)}),
    Pod(cluster="east", key="job", name="job", phase="Failed"),
    Pod(cluster="west", key="db", name="db", node="elsewhere"),
]  # fmt: skip
TOPOLOGY = Topology(
    clusters=CLUSTERS,
    nodes={(node.cluster, node.key): node for node in NODES},
    pods={(pod.cluster, pod.key): pod for pod in PODS},
)


def build_graph(topology: Topology = TOPOLOGY, **parameters: Any) -> dict[str, Any]:
    """Return the graph of a topology."""
    result = GraphRequest(**parameters).execute(TopologyIndex(topology), JSON_ENCODER)
    graph: dict[str, Any] = json.loads(result.body)
    return graph


def list_ids(**parameters: Any) -> list[str]:
    """Return the IDs of the vertices of a graph."""
    return [vertex["id"] for vertex in build_graph(**parameters)["nodes"]]


def find_vertex(vertex_id: str, **parameters: Any) -> dict[str, Any]:
    """Return a vertex by its ID."""
    (vertex,) = (each for each in build_graph(**parameters)["nodes"] if each["id"] == vertex_id)
    found: dict[str, Any] = vertex
    return found


def test_levels_contain_each_other() -> None:
    """Each level has the objects of the one above, and what they contain."""
    clusters = ["cluster/east", "cluster/west"]
    nodes = ["node/east/a", "node/east/b", "node/west/a"]
    pods = ["pod/east/web", "pod/east/job", "pod/west/db"]
    assert list_ids(level=ObjectKind.CLUSTERS) == clusters
    assert list_ids() == list_ids(level=ObjectKind.NODES) == clusters + nodes
    assert list_ids(level=ObjectKind.PODS) == clusters + nodes + pods
    assert list_ids(level=ObjectKind.CONTAINERS) == [*clusters, *nodes, *pods, "container/east/web/nginx"]


def test_edges_are_containment() -> None:
    """Each object has an edge from what contains it; a pod without a known node is in its cluster."""
    edges = build_graph(level=ObjectKind.CONTAINERS, cluster="east")["edges"]
    assert [(edge["source"], edge["target"]) for edge in edges] == [
        ("cluster/east", "node/east/a"),
        ("cluster/east", "node/east/b"),
        ("node/east/a", "pod/east/web"),
        ("cluster/east", "pod/east/job"),
        ("pod/east/web", "container/east/web/nginx"),
    ]


def test_a_filter_keeps_what_contains_the_matches() -> None:
    """With a filter, the graph has the objects that match, and what contains them."""
    assert list_ids(level=ObjectKind.PODS, filter="phase=Running") == ["cluster/east", "node/east/a", "pod/east/web"]
    assert list_ids(level=ObjectKind.PODS, filter="phase=Failed") == ["cluster/east", "pod/east/job"]
    assert list_ids(level=ObjectKind.CONTAINERS, filter="state=running")[-1] == "container/east/web/nginx"
    assert list_ids(labels="zone=north") == ["cluster/east", "node/east/b"]
    assert list_ids(filter="name=a", cluster="west") == ["cluster/west", "node/west/a"]
    assert list_ids(filter="name=b", cluster="west") == []


def test_vertices_show_the_state_of_objects() -> None:
    """A vertex has names, two values, the health as shares of its circle, and problems."""
    assert find_vertex("cluster/east") == {
        "id": "cluster/east",
        "title": "east",
        "subtitle": "ocm",
        "mainstat": "2 nodes",
        "secondarystat": "2 pods",
        "arc__ok": 0.5,
        "arc__warning": 0.0,
        "arc__failed": 0.5,
        "arc__unknown": 0.0,
        "detail__kind": "cluster",
        "detail__cluster": "east",
        "detail__node": "",
        "detail__problems": "",
    }
    healthy, broken, other = (find_vertex(f"node/{path}") for path in ("east/a", "east/b", "west/a"))
    assert (healthy["subtitle"], healthy["mainstat"], healthy["arc__ok"]) == ("Athens", "cpu 12 %", 1.0)
    assert (broken["detail__problems"], broken["arc__failed"]) == ("not ready", 1.0)
    assert other["secondarystat"] == "mem 64 %"
    pods = {"level": ObjectKind.PODS}
    assert find_vertex("pod/east/web", **pods)["secondarystat"] == "1 container"
    assert find_vertex("pod/west/db", **pods)["arc__unknown"] == 1.0
    container = find_vertex("container/east/web/nginx", level=ObjectKind.CONTAINERS)
    assert (container["subtitle"], container["mainstat"], container["secondarystat"]) == ("nginx:1", "running", "2 MiB")


def test_a_limit_shows_that_objects_are_missing() -> None:
    """Beyond the limit the largest objects are left, and one more vertex says how many are missing."""
    graph = build_graph(limit=4)
    assert [vertex["id"] for vertex in graph["nodes"]] == [
        *("cluster/east", "cluster/west", "node/east/a", "node/east/b"),
        NOTICE_ID,
    ]
    assert graph["nodes"][-1]["title"] == "1 more object"
    assert graph["totalCount"] == 5
    assert NOTICE_ID not in list_ids(limit=5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": 0}, f"limit must be between 1 and {MAX_GRAPH_LIMIT}, got 0"),
        ({"limit": MAX_GRAPH_LIMIT + 1}, "limit must be between 1 and"),
        ({"level": ObjectKind.PODS, "labels": "a=b"}, "labels needs level=nodes, got level=pods"),
        ({"filter": "colour=blue"}, "filter: nodes have no field colour"),
    ],
)
def test_invalid_parameters(parameters: dict[str, Any], message: str) -> None:
    """An invalid parameter is an error that says what is expected."""
    with pytest.raises(BadRequestError, match=message):
        build_graph(**parameters)


def test_an_unknown_cluster() -> None:
    """An unknown cluster is an error that names similar ones."""
    with pytest.raises(NotFoundError) as caught:
        build_graph(cluster="eas")
    assert caught.value.nearest == ("east",)


def test_names_of_levels() -> None:
    """A level is a plural name, or empty for nodes."""
    assert [parse_level(text) for text in ("", "pods")] == [ObjectKind.NODES, ObjectKind.PODS]
    with pytest.raises(BadRequestError, match="unknown level 'pod'; allowed: clusters, nodes, pods, containers"):
        parse_level("pod")


@given(fleet=TWO_TENANT_FLEETS)
@settings(max_examples=50)
def test_every_graph_is_a_forest(fleet: TwoTenantFleet) -> None:
    """IDs are unique, every edge joins two vertices, shares add up to 1, and all members are documented fields."""
    graph = build_graph(fleet.build_full_topology(), level=ObjectKind.CONTAINERS)
    ids = [vertex["id"] for vertex in graph["nodes"]]
    targets = [edge["target"] for edge in graph["edges"]]
    assert len(set(ids)) == len(ids)
    assert len(set(targets)) == len(targets)
    assert {*targets, *(edge["source"] for edge in graph["edges"])} <= set(ids)
    for vertex in graph["nodes"]:
        assert list(vertex) == [field.name for field in VERTEX_FIELDS]
        assert sum(value for name, value in vertex.items() if name.startswith("arc__")) == pytest.approx(1, abs=1e-3)
    assert all(list(edge) == [field.name for field in EDGE_FIELDS] for edge in graph["edges"])
