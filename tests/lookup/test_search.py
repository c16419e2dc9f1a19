"""Searches for objects by any text."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from aggregator.errors import BadRequestError
from aggregator.lookup.results import JSON_ENCODER, TopologyIndex
from aggregator.lookup.search import MAX_QUERY_CHARACTERS, MAX_SEARCH_LIMIT, SearchRequest
from aggregator.models.topology import Cluster, Container, Device, Interface, Node, Pod, Topology, Workload
from tests.server.tenant_fleets import TWO_TENANT_FLEETS, TwoTenantFleet

CLUSTERS = [Cluster(key="web", uid="uid-1", controllers=("c-1",)), Cluster(key="east", uid="uid-2")]
NODES = [
    Node(
        cluster="east",
        key="Worker-1",
        id="uid-2/abc",
        host_id="abc",
        name="worker-1.lan",
        city="Athens",
        labels={"region": "South"},
        interfaces={"eth0": Interface("eth0", addresses={"192.0.2.7": "24"})},
        devices={"video0": Device("video0")},
    ),
    Node(cluster="east", key="web-host", conditions={"Ready": "false"}),
]
PODS = [
    Pod(cluster="east", key="shop/web-1", name="web-1", namespace="shop", id="p-1", phase="Running", ip="10.0.0.1",
        node="Worker-1", controller_name="front", containers={"nginx": Container("nginx", image="docker.io/web:1")},
        workloads={"shop-1": Workload("shop-1", app="Shop")}),
    Pod(cluster="east", key="shop/web-2", name="web-2", namespace="shop", phase="Failed"),
    Pod(cluster="east", key="shop/web-3", name="web-3", namespace="shop", phase="Pending"),
    Pod(cluster="east", key="the-web", name="the-web", labels={"tier": "back\nend"}),
    Pod(cluster="east", key="db", name="db", phase="Running", controller_name="web"),
]  # fmt: skip
TOPOLOGY = Topology(
    clusters={cluster.key: cluster for cluster in CLUSTERS},
    nodes={(node.cluster, node.key): node for node in NODES},
    pods={(pod.cluster, pod.key): pod for pod in PODS},
    version="v",
)


def search(query: str, topology: Topology = TOPOLOGY, **parameters: int) -> dict[str, Any]:
    """Return the result of a search."""
    found: dict[str, Any] = json.loads(
        SearchRequest(query, **parameters).execute(TopologyIndex(topology), JSON_ENCODER).body
    )
    return found


def list_names(query: str, **parameters: int) -> list[str]:
    """Return the names of the matches."""
    return [match["name"] for match in search(query, TOPOLOGY, **parameters)["matches"]]


def test_best_matches_come_first() -> None:
    """Exact names precede prefixes, these other parts of names, these other fields; failed objects precede equals."""
    assert list_names("WEB") == ["web", "web-host", "web-2", "web-3", "web-1", "the-web", "db"]


def test_a_match_says_where_it_is() -> None:
    """A match has the kind, the path of names, the health, and the first field that matches."""
    assert search("docker.io") == {
        "version": "v",
        "totalCount": 1,
        "matches": [
            {
                "kind": "pod",
                "cluster": "east",
                "namespace": "shop",
                "name": "web-1",
                "field": "image",
                "value": "docker.io/web:1",
                "health": "ok",
            }
        ],
    }
    (cluster,) = search("uid-1")["matches"]
    assert (cluster["kind"], cluster["cluster"], cluster["name"], cluster["namespace"]) == ("cluster", "web", "web", "")


@pytest.mark.parametrize(
    ("query", "name", "field", "value"),
    [
        ("worker-1", "Worker-1", "name", "Worker-1"),
        ("worker-1.", "Worker-1", "hostname", "worker-1.lan"),
        ("uid-2/", "Worker-1", "id", "uid-2/abc"),
        ("192.0.2.7", "Worker-1", "ip", "192.0.2.7"),
        ("athens", "Worker-1", "city", "Athens"),
        ("video", "Worker-1", "device", "video0"),
        ("region=south", "Worker-1", "label.region", "South"),
        ("not ready", "web-host", "problems", "not ready"),
        ("c-1", "web", "controller", "c-1"),
        ("10.0.0.", "web-1", "ip", "10.0.0.1"),
        ("front", "web-1", "controller_name", "front"),
        ("nginx", "web-1", "container", "nginx"),
        ("shop-1", "web-1", "workload", "shop-1"),
        ("  Front ", "web-1", "controller_name", "front"),
    ],
)
def test_searched_fields(query: str, name: str, field: str, value: str) -> None:
    """Names, identifiers, addresses, images, labels, workloads, cities and problems are searched."""
    (match,) = search(query)["matches"]
    assert (match["name"], match["field"], match["value"]) == (name, field, value)


def test_a_match_is_within_one_field() -> None:
    """No match extends over two fields or begins in a line break, and an empty text finds nothing."""
    for query in ("back\nend", "uid-2/abc\nabc", "p-1\n10.0.0.1", "", " \n"):
        assert search(query)["totalCount"] == 0


def test_a_limit_keeps_the_best() -> None:
    """The response has at most `limit` matches; `totalCount` counts all."""
    assert list_names("web", limit=3) == ["web", "web-host", "web-2"]
    assert search("web", limit=3)["totalCount"] == 7


@pytest.mark.parametrize(
    ("query", "limit", "message"),
    [
        ("a", 0, f"limit must be between 1 and {MAX_SEARCH_LIMIT}, got 0"),
        ("a", MAX_SEARCH_LIMIT + 1, "limit must be between 1 and"),
        ("a" * (MAX_QUERY_CHARACTERS + 1), 1, f"query must have at most {MAX_QUERY_CHARACTERS} characters, got"),
    ],
)
def test_invalid_parameters(query: str, limit: int, message: str) -> None:
    """An invalid parameter is an error that says what is expected."""
    with pytest.raises(BadRequestError, match=message):
        search(query, limit=limit)


@given(fleet=TWO_TENANT_FLEETS)
@settings(max_examples=50)
def test_every_object_is_found_by_its_name(fleet: TwoTenantFleet) -> None:
    """A search for the name of a node or a pod finds it as an exact match, unless the name is blank."""
    topology = fleet.build_full_topology()
    nodes = [(node.cluster, node.key) for node in topology.nodes.values()]
    for cluster, name in [*nodes, *((pod.cluster, pod.name) for pod in topology.pods.values())]:
        if name != " ".join(name.split()) or not name or len(name) > MAX_QUERY_CHARACTERS:
            continue
        found = search(name, topology, limit=MAX_SEARCH_LIMIT)
        matches = [(each["cluster"], each["name"], each["field"]) for each in found["matches"]]
        assert (cluster, name, "name") in matches
