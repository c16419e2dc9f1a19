"""/api/v1/search and /api/v1/fields over HTTP."""

import gzip
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from aggregator.lookup.fields import ObjectKind, find_filter_field
from aggregator.lookup.request import LookupOptions, LookupPlan, Resource
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.server.openapi.search import SEARCH_EXAMPLE, build_fields_example
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles
from tests.integration.gateway_process import wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support.http_client import send_request

SEARCH_PATH = "/api/v1/search"
FIELDS_PATH = "/api/v1/fields"
GRAPH_FIELDS_PATH = "/api/v1/graph/api/graph/fields"
# Values of the types of fields.
VALUES_BY_TYPE = {"string": "a", "number": "1", "timestamp": "-5m", "boolean": "true"}


def build_node_topology(*names: str, cluster: str = "c", city: str | None = None) -> Topology:
    """Return a topology of some nodes."""
    nodes = {(cluster, name): Node(cluster=cluster, key=name, city=city) for name in names}
    return add_version(Topology(clusters={cluster: Cluster(key=cluster, uid=cluster)}, nodes=nodes))


def test_the_example_is_from_the_demo(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot]
) -> None:
    """The match in the response example is what a search for the name of this node returns."""
    for snapshot in demo:
        source.current_snapshot = snapshot
        found = send_request(ports.http, f"{SEARCH_PATH}?query=Athens-master").json()
        assert found["matches"][0] == SEARCH_EXAMPLE["matches"][0]
        assert found["version"] == snapshot.topology.version


def test_the_tag_is_of_the_matches(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A result is 304 while the matches are the same; a long poll returns the next one."""
    source.current_snapshot = build_snapshot(topology=build_node_topology("web"))
    path = f"{SEARCH_PATH}?query=web"
    known = [("If-None-Match", send_request(ports.http, path).headers["ETag"])]
    source.current_snapshot = build_snapshot(topology=build_node_topology("web", "other"))
    assert send_request(ports.http, path, headers=known).status == 304
    assert send_request(ports.http, f"{path}&limit=1", headers=known).status == 200
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send_request, ports.http, f"{path}&wait=30s", headers=known)
        wait_until(lambda: source.waiters, "the request waits")
        source.publish(build_snapshot(topology=build_node_topology("web", "web-2")))
        assert waiting.result(30).json()["totalCount"] == 2


@pytest.mark.parametrize(
    ("query", "parameter", "says"),
    [
        ("limit=0", "limit", "limit must be between 1 and 100, got 0"),
        ("limit=", "limit", "limit must be a valid integer, got ''"),
        ("q=web", "q", "unknown parameter 'q'; did you mean query?"),
        ("query=a&query=b", "query", "query must be given only once"),
        (f"query={quote('ß' * 101)}", "query", "query must have at most 100 characters, got 101"),
    ],
)
def test_invalid_requests(ports: ServerPorts, query: str, parameter: str, says: str) -> None:
    """The problem contains the invalid parameter and what is expected."""
    answer = send_request(ports.http, f"{SEARCH_PATH}?{query}")
    assert (answer.status, answer.json()["parameter"]) == (400, parameter)
    assert says in answer.json()["detail"]


def test_a_restricted_caller_finds_objects_of_its_clusters(public_key: str, realm: FakeRealm) -> None:
    """With CLUSTER_ROLES, a search neither finds nor counts objects of other clusters."""
    policy = AccessPolicy(cluster_roles=dict(parse_cluster_roles("tenant=mine")))
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), policy)
    mine = build_node_topology("web", cluster="mine", city="Athens")
    theirs = build_node_topology("web", "web-2", cluster="theirs", city="Secret City")
    both = Topology(clusters={**mine.clusters, **theirs.clusters}, nodes={**mine.nodes, **theirs.nodes})
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=add_version(both)))
    headers = [("Authorization", f"Bearer {realm.issue_token(realm_access={'roles': ['tenant']})}")]
    with run_servers(source, guard) as ports:
        totals = {
            query: send_request(ports.http, f"{SEARCH_PATH}?query={query}", headers=headers).json()["totalCount"]
            for query in ("web", "web-2", "athens", "secret", "theirs")
        }
    assert totals == {"web": 1, "web-2": 0, "athens": 1, "secret": 0, "theirs": 0}


@pytest.mark.parametrize("kind", ObjectKind)
def test_fields_are_those_of_filters(ports: ServerPorts, kind: ObjectKind) -> None:
    """Every listed field and operator is valid in a filter, and all operators occur."""
    described = send_request(ports.http, f"{FIELDS_PATH}/{kind.value}").json()
    assert described["kind"] == kind.value
    assert described["fields"][:3] == build_fields_example(kind)["fields"]
    operators = {each for field in described["fields"] for each in field["operators"]}
    assert operators == {"!", "=", "!=", "<", "<=", ">", ">=", "~", "!~", "in", "notin"}
    for field in described["fields"]:
        name = f"{field['name']}.a" if field["isMap"] else field["name"]
        value = field["values"][0] if field["values"] else VALUES_BY_TYPE[field["type"]]
        forms = {
            each: f"!{name}"
            if each == "!"
            else f"{name} {each} ({value})"
            if each.isalpha()
            else f"{name}{each}{value}"
            for each in field["operators"]
        }
        for form in forms.values():
            LookupPlan(Resource[kind.name], LookupOptions(filter=form))
        found = find_filter_field(kind, name)
        assert found is not None
        assert found.is_repeated == field["isRepeated"]


def test_fields_are_compressed(ports: ServerPorts) -> None:
    """Fields are compressed if the client accepts it, and each content coding has a tag of its own."""
    path = f"{FIELDS_PATH}/nodes"
    plain = send_request(ports.http, path)
    coded = send_request(ports.http, path, headers=[("Accept-Encoding", "gzip")])
    assert coded.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(coded.body) == plain.body
    assert coded.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Vary"] == coded.headers["Vary"] == "accept-encoding"


@pytest.mark.parametrize("path", [f"{FIELDS_PATH}/nodes", GRAPH_FIELDS_PATH])
def test_fields_that_the_client_has(ports: ServerPorts, path: str) -> None:
    """Fields are 304 with a tag of theirs in any content coding, and 200 with one of other fields."""
    tag = send_request(ports.http, path, headers=[("Accept-Encoding", "zstd")]).headers["ETag"] or ""
    assert send_request(ports.http, path, headers=[("If-None-Match", tag)]).status == 304
    assert send_request(ports.http, f"{FIELDS_PATH}/pods", headers=[("If-None-Match", tag)]).status == 200


@pytest.mark.parametrize("path", [f"{FIELDS_PATH}/nodes", GRAPH_FIELDS_PATH])
def test_caches_know_that_fields_need_a_token(guarded: ServerPorts, realm: FakeRealm, path: str) -> None:
    """Where tokens are required, a cache keeps the fields for each of them."""
    answer = send_request(guarded.http, path, headers=[("Authorization", f"Bearer {realm.issue_token()}")])
    assert (answer.status, answer.headers["Vary"]) == (200, "accept-encoding, authorization")


@pytest.mark.parametrize(
    ("path", "status"), [("nodes?colour=blue", 400), ("nodes?filter=", 400), ("racks", 404), ("", 404)]
)
def test_invalid_requests_for_fields(ports: ServerPorts, path: str, status: int) -> None:
    """The fields have no parameters, and other kinds do not exist."""
    assert send_request(ports.http, f"{FIELDS_PATH}/{path}").status == status


@pytest.mark.parametrize("path", [SEARCH_PATH, *(f"{FIELDS_PATH}/{kind.value}" for kind in ObjectKind)])
def test_a_token_is_required(guarded: ServerPorts, path: str) -> None:
    """Where tokens are required, neither searches nor fields are public."""
    assert send_request(guarded.http, path).status == 401
