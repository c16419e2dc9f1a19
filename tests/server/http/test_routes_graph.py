"""/api/v1/graph over HTTP, and what Grafana's Node Graph API data source requests below it."""

import gzip
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from aggregator.errors import NoTopologyError
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles
from tests.integration.gateway_process import wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support.http_client import send_request

GRAPH_PATH = "/api/v1/graph"
# What the data source appends to its URL.
DATA_PATH, FIELDS_PATH, HEALTH_PATH = (f"{GRAPH_PATH}/api/{end}" for end in ("graph/data", "graph/fields", "health"))


def build_node_topology(cpu_usage_percent: float, last_seen_seconds: float = 0.0) -> Topology:
    """Return a topology of one node."""
    node = Node(cluster="c", key="n", cpu_usage_percent=cpu_usage_percent, last_seen_seconds=last_seen_seconds)
    return add_version(Topology(clusters={"c": Cluster(key="c", uid="c")}, nodes={("c", "n"): node}))


def test_the_data_source_gets_the_graph(ports: ServerPorts) -> None:
    """The path that the data source appends to its URL returns the same graph, with the same parameters."""
    for query in ("", "?level=pods", "?level=&cluster=&filter=&labels=&limit=3"):
        graph = send_request(ports.http, GRAPH_PATH + query)
        assert graph.status == 200
        assert send_request(ports.http, DATA_PATH + query).body == graph.body


def test_the_fields_are_those_of_the_graph(ports: ServerPorts) -> None:
    """The data source gets the names and types of all members of the vertices and edges."""
    fields = send_request(ports.http, f"{FIELDS_PATH}?level=pods").json()
    graph = send_request(ports.http, f"{GRAPH_PATH}?level=pods").json()
    types = {"string": str, "number": float}
    for members, described in ((graph["nodes"], "nodes_fields"), (graph["edges"], "edges_fields")):
        assert members
        for member in members:
            assert list(member) == [field["field_name"] for field in fields[described]]
            assert all(isinstance(member[each["field_name"]], types[each["type"]]) for each in fields[described])


def test_the_health_is_that_of_the_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The health of the data source is 200 with a topology and 503 without."""
    assert send_request(ports.http, HEALTH_PATH).status == 200
    source.failure = NoTopologyError("no topology yet")
    assert send_request(ports.http, HEALTH_PATH).status == 503


def test_the_tag_is_of_the_graph(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A graph is 304 while it is the same, whatever else of the topology changes."""
    source.current_snapshot = build_snapshot(topology=build_node_topology(5.0, last_seen_seconds=1.0))
    tag = send_request(ports.http, GRAPH_PATH).headers["ETag"]
    assert tag is not None
    assert not tag.startswith("W/")
    known = [("If-None-Match", tag)]
    source.current_snapshot = build_snapshot(topology=build_node_topology(5.0, last_seen_seconds=2.0))
    assert send_request(ports.http, GRAPH_PATH, headers=known).status == 304
    assert send_request(ports.http, f"{GRAPH_PATH}?level=clusters", headers=known).status == 200
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send_request, ports.http, f"{GRAPH_PATH}?wait=30s", headers=known)
        wait_until(lambda: source.waiters, "the request waits")
        source.publish(build_snapshot(topology=build_node_topology(90.0)))
        assert waiting.result(30).json()["nodes"][1]["mainstat"] == "cpu 90 %"


@pytest.mark.parametrize(
    ("query", "parameter", "says"),
    [
        ("level=racks", "level", "unknown level 'racks'; allowed: clusters, nodes, pods, containers"),
        ("limit=0", "limit", "limit must be between 1 and 10000, got 0"),
        ("limit=", "limit", "limit must be a valid integer, got ''"),
        ("level=pods&labels=a", "labels", "labels needs level=nodes"),
        ("filter=colour", "filter", "filter: nodes have no field colour"),
        ("depth=2", "depth", "unknown parameter 'depth'"),
        ("level=pods&level=nodes", "level", "level must be given only once"),
    ],
)
@pytest.mark.parametrize("path", [GRAPH_PATH, FIELDS_PATH])
def test_invalid_requests(ports: ServerPorts, path: str, query: str, parameter: str, says: str) -> None:
    """The problem contains the invalid parameter and what is expected."""
    answer = send_request(ports.http, f"{path}?{query}")
    assert (answer.status, answer.json()["parameter"]) == (400, parameter)
    assert says in answer.json()["detail"]


def test_an_unknown_cluster(ports: ServerPorts) -> None:
    """An unknown cluster gets 404."""
    assert send_request(ports.http, f"{GRAPH_PATH}?cluster=nowhere").status == 404


def test_other_paths_below_the_graph(ports: ServerPorts) -> None:
    """Other paths get 404, not the topology."""
    assert send_request(ports.http, f"{GRAPH_PATH}/api/graph").status == 404


def test_a_graph_of_the_demo_is_complete(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot]
) -> None:
    """The graph of a fleet has all its objects."""
    for snapshot in demo:
        source.current_snapshot = snapshot
        topology = snapshot.topology
        graph = send_request(ports.http, f"{GRAPH_PATH}?level=pods&limit=10000").json()
        expected = len(topology.clusters) + len(topology.nodes) + len(topology.pods)
        assert graph["totalCount"] == len(graph["nodes"]) == expected


def test_a_complete_graph_is_compressed(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot]
) -> None:
    """A graph without filters is compressed if the client accepts it, a filtered one is not."""
    source.current_snapshot = demo[0]
    headers = [("Accept-Encoding", "gzip")]
    plain = send_request(ports.http, f"{GRAPH_PATH}?level=pods")
    coded = send_request(ports.http, f"{GRAPH_PATH}?level=pods", headers=headers)
    assert coded.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(coded.body) == plain.body
    assert coded.headers["ETag"] != plain.headers["ETag"]
    filtered = send_request(ports.http, f"{GRAPH_PATH}?level=pods&filter=phase", headers=headers)
    assert filtered.headers["Content-Encoding"] is None


@pytest.mark.parametrize("path", [GRAPH_PATH, DATA_PATH, FIELDS_PATH, HEALTH_PATH])
def test_a_token_is_required(guarded: ServerPorts, path: str) -> None:
    """Where tokens are required, no path of the graph is public."""
    assert send_request(guarded.http, path).status == 401


def test_a_restricted_caller_gets_the_graph_of_its_clusters(public_key: str, realm: FakeRealm) -> None:
    """With CLUSTER_ROLES, the graph is that of a system of the caller's clusters, and no other cluster is found."""
    policy = AccessPolicy(cluster_roles=dict(parse_cluster_roles("tenant=mine")))
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), policy)
    nodes = [Node(cluster=cluster, key="n") for cluster in ("mine", "theirs")]
    topology = Topology(
        clusters={name: Cluster(key=name, uid=name) for name in ("mine", "theirs")},
        nodes={(node.cluster, node.key): node for node in nodes},
    )
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=add_version(topology)))
    headers = [("Authorization", f"Bearer {realm.issue_token(realm_access={'roles': ['tenant']})}")]
    with run_servers(source, guard) as ports:
        for path in (GRAPH_PATH, DATA_PATH):
            graph = send_request(ports.http, path, headers=headers).json()
            assert [vertex["id"] for vertex in graph["nodes"]] == ["cluster/mine", "node/mine/n"]
            assert graph["totalCount"] == 2
            assert send_request(ports.http, f"{path}?cluster=theirs", headers=headers).status == 404
