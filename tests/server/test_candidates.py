"""The search for candidates over HTTP and gRPC: same results, same errors, tokens, and only visible clusters."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from aggregator.errors import NoTopologyError
from aggregator.models.topology import Device, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.server.http.json_body import MAX_BODY_BYTES
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles
from tests.lookup.candidates.fleets import build_fleet, build_node, build_taints
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import COLLECTED_AT, FAILED_GAP, FakeSnapshotProvider, build_snapshot
from tests.support.grpc_client import CallResult, Metadata, call_method
from tests.support.http_client import ClientResponse, send_raw, send_request

CANDIDATES_PATH = "/api/v1/candidates"
CANDIDATES_METHOD = "/aggregator.v1.TopologyService/FindCandidates"
FLEET = build_fleet(
    build_node("mine", "full", requested_cpu_cores=4.0),
    build_node("mine", "free", devices={"video0": Device("video0", 1)}, latitude=46.0, longitude=14.5),
    build_node("mine", "tainted", taints=build_taints("gpu=yes:NoSchedule"), sca_score=70),
    build_node("theirs", "free", labels={"zone": "a"}),
)
REQUESTS = [
    pb.FindCandidatesRequest(),
    pb.FindCandidatesRequest(cpu_cores=1, memory_bytes=2**30, architecture="amd64", limit=1),
    pb.FindCandidatesRequest(gpu_count=1, devices=["video*"], rejected_limit=2),
    pb.FindCandidatesRequest(
        node_selector={"zone": "a"},
        label_expressions=[pb.LabelExpression(key="zone", operator="In", values=["a", "b"])],
        tolerations=[pb.Toleration(operator="Exists", toleration_seconds=300)],
    ),
    pb.FindCandidatesRequest(
        near=pb.Near(latitude=46, longitude=14, max_distance_km=100),
        clusters=["mine"],
        cluster_types=["ocm"],
        countries=["SI"],
        continents=["Europe"],
        min_security_score=50,
        max_critical_vulnerabilities=0,
        max_power_watts=200,
        max_per_cluster=1,
        ranking=pb.Ranking(free_cpu=0.5, distance=1, spread=2),
        if_version=FLEET.version,
    ),
]


@pytest.fixture
def source(source: FakeSnapshotProvider) -> FakeSnapshotProvider:
    """The open servers with the fleet."""
    source.current_snapshot = build_snapshot(topology=FLEET)
    return source


def post(ports: ServerPorts, body: Any, *headers: tuple[str, str]) -> ClientResponse:
    """Return the response to a body over HTTP; bytes are sent as they are."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return send_request(ports.http, CANDIDATES_PATH, "POST", headers, encoded)


def call(ports: ServerPorts, request: pb.FindCandidatesRequest, metadata: Metadata = ()) -> CallResult:
    """Return the result over gRPC."""
    return call_method(ports.grpc, CANDIDATES_METHOD, metadata, request=request.SerializeToString())


@pytest.mark.parametrize("request_message", REQUESTS, ids=range(len(REQUESTS)))
def test_http_and_grpc_return_the_same(
    source: FakeSnapshotProvider, ports: ServerPorts, request_message: pb.FindCandidatesRequest
) -> None:
    """The request and the response over HTTP are the proto3 JSON mapping of those over gRPC, in both spellings."""
    assert source.current_snapshot.topology is FLEET
    reply = call(ports, request_message)
    assert (reply.code, reply.details) == (grpc.StatusCode.OK, "")
    message = pb.FindCandidatesResponse.FromString(reply.body)
    assert message.totals.nodes == len(FLEET.nodes)
    for keeps_names in (False, True):
        body = json_format.MessageToDict(request_message, preserving_proto_field_name=keeps_names)
        answer = post(ports, body)
        assert (answer.status, answer.json()) == (200, json.loads(json_format.MessageToJson(message)))


def test_the_headers(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The response has the age, completeness and version of the topology, also over gRPC, and must not be stored."""
    source.snapshot_age_seconds, source.current_snapshot = 3.2, build_snapshot(FAILED_GAP, topology=FLEET)
    answer = post(ports, {})
    expected = {
        "age": "3",
        "x-topology-complete": "false",
        "x-topology-time": COLLECTED_AT,
        "x-topology-version": FLEET.version,
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert (answer.headers["Cache-Control"], answer.headers["Content-Type"]) == ("no-store", "application/json")
    assert call(ports, pb.FindCandidatesRequest()).trailing_metadata == expected


def test_an_empty_body_requires_nothing(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Without a body, the response is the one to an empty object."""
    assert source.current_snapshot.topology is FLEET
    assert post(ports, b"").json() == post(ports, {}).json()


@pytest.mark.parametrize(
    ("body", "parameter", "detail"),
    [
        (b"{", "", "the body must be JSON: "),
        (b"\xff", "", "the body must be JSON: "),
        (b"[1]", "", "the body must be an object, got [1]"),
        (b"null", "", "the body must be an object, got null"),
        pytest.param(b"[" * 60_000, "", "the body is nested too deeply", id="nested too deeply"),
        (b'{"cpuCores": NaN}', "", "the body must be JSON: NaN is not a JSON number"),
        (b'{"cpuCores": 1, "cpuCores": 2}', "cpuCores", "cpuCores must be given only once"),
        ({"cpuCores": 1, "cpu_cores": 2}, "cpu_cores", "cpu_cores must be given only once"),
        (b'{"cpuCores": 1e999}', "cpu_cores", "cpu_cores must be between 0 and 1000000, got inf"),
        pytest.param(
            b'{"cpuCores": 1%s}' % (b"0" * 400),
            "cpu_cores",
            "cpu_cores must be a smaller number, got 1000",
            id="a very large number",
        ),
        ({"cpuCores": "1"}, "cpu_cores", 'cpu_cores must be a number, got "1"'),
        ({"cpuCores": True}, "cpu_cores", "cpu_cores must be a number, got true"),
        ({"cpuCores": None}, "cpu_cores", "cpu_cores must be a number, got null"),
        ({"memoryBytes": 1.5}, "memory_bytes", "memory_bytes must be an integer, or its digits in quotes, got 1.5"),
        ({"memoryBytes": "4Gi"}, "memory_bytes", 'memory_bytes must be an integer, or its digits in quotes, got "4Gi"'),
        ({"memoryBytes": 2**63}, "memory_bytes", "memory_bytes must be an integer"),
        ({"limit": "1"}, "limit", 'limit must be an integer, got "1"'),
        ({"limit": 2**31}, "limit", "limit must be an integer, got 2147483648"),
        ({"cpu": 1}, "cpu", "unknown field 'cpu'"),
        ({"near": {"lat": 1}}, "near.lat", "unknown field 'near.lat'; did you mean near.latitude"),
        ({"near": []}, "near", "near must be an object, got []"),
        ({"devices": "a"}, "devices", 'devices must be an array, got "a"'),
        ({"devices": ["a", 1]}, "devices[1]", "devices[1] must be text, got 1"),
        (b'{"devices": ["\\ud800"]}', "devices[0]", "devices[0] must be valid Unicode"),
        ({"nodeSelector": []}, "node_selector", "node_selector must be an object, got []"),
        ({"nodeSelector": {"a": 1}}, "node_selector[a]", "node_selector[a] must be text, got 1"),
        ({"tolerations": [{}, 1]}, "tolerations[1]", "tolerations[1] must be an object, got 1"),
        ({"tolerations": [{"keys": ""}]}, "tolerations[0].keys", "unknown field 'tolerations[0].keys'"),
    ],
)
def test_an_invalid_body_is_refused(
    source: FakeSnapshotProvider, ports: ServerPorts, body: Any, parameter: str, detail: str
) -> None:
    """The problem names the field that is wrong, and what is expected."""
    assert source.current_snapshot.topology is FLEET
    answer = post(ports, body)
    problem = answer.json()
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert problem.get("parameter", "") == parameter
    assert problem["detail"].startswith(detail)


def test_grpc_refuses_the_same_values(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """An invalid value has the same error text over both transports."""
    assert source.current_snapshot.topology is FLEET
    reply = call(ports, pb.FindCandidatesRequest(near=pb.Near(latitude=91, longitude=0)))
    answer = post(ports, {"near": {"latitude": 91, "longitude": 0}})
    assert reply.code is grpc.StatusCode.INVALID_ARGUMENT
    assert reply.details == answer.json()["detail"] == "near.latitude must be between -90 and 90, got 91"
    invalid = call_method(ports.grpc, CANDIDATES_METHOD, request=b"\xff")
    assert invalid.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_body_has_a_size_limit(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A body of 64 KiB is read, a longer one refused, also without a Content-Length; gRPC has the same limit."""
    assert source.current_snapshot.topology is FLEET
    assert post(ports, b"{}".ljust(MAX_BODY_BYTES)).status == 200
    too_large = post(ports, b"{}".ljust(MAX_BODY_BYTES + 1))
    assert (too_large.status, too_large.json()["type"]) == (413, "/docs#body-too-large")
    head = f"POST {CANDIDATES_PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    assert send_raw(ports.http, head.encode() + 3 * chunk + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    names = ["a" * 300] * 250
    assert call(ports, pb.FindCandidatesRequest(devices=names)).code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_version_must_be_current(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A request for another version is refused with the current version, over both transports."""
    assert source.current_snapshot.topology is FLEET
    answer = post(ports, {"ifVersion": "0" * 32})
    assert (answer.status, answer.json()["version"]) == (412, FLEET.version)
    assert (answer.json()["parameter"], answer.headers["X-Topology-Version"]) == ("if_version", FLEET.version)
    reply = call(ports, pb.FindCandidatesRequest(if_version="0" * 32))
    assert reply.code is grpc.StatusCode.FAILED_PRECONDITION
    assert reply.details == answer.json()["detail"]
    assert reply.trailing_metadata["x-topology-version"] == FLEET.version


def test_only_post_is_allowed(ports: ServerPorts) -> None:
    """Other methods get 405 with POST in Allow, and the paths of lookups do not accept POST."""
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = send_request(ports.http, CANDIDATES_PATH, method)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    nodes = send_request(ports.http, "/api/v1/nodes", "POST", body=b"{}")
    assert (nodes.status, nodes.headers["Allow"]) == (405, "GET, HEAD")


def test_query_parameters_are_refused(ports: ServerPorts) -> None:
    """Requirements belong into the body; a query parameter is an error."""
    answer = send_request(ports.http, f"{CANDIDATES_PATH}?cpuCores=1", "POST")
    assert (answer.status, answer.json()["parameter"]) == (400, "cpuCores")


def test_no_cache_waits_for_a_refresh(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Cache-Control: no-cache searches in the topology of the next refresh."""
    source.next_snapshot = build_snapshot(topology=build_fleet(build_node("fresh", "n")))
    answer = post(ports, {}, ("Cache-Control", "no-cache"))
    assert [candidate["cluster"] for candidate in answer.json()["candidates"]] == ["fresh"]


def test_without_a_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Without a topology, both transports say that they are unavailable."""
    source.failure = NoTopologyError("no topology yet")
    assert post(ports, {}).status == 503
    assert call(ports, pb.FindCandidatesRequest()).code is grpc.StatusCode.UNAVAILABLE


def test_a_token_is_required(guarded: ServerPorts, realm: FakeRealm) -> None:
    """With KEY, both transports require a token, whatever the body is."""
    for body in (b"{}", b"{", b" " * (MAX_BODY_BYTES + 1)):
        assert post(guarded, body).status == 401
    assert call(guarded, pb.FindCandidatesRequest()).code is grpc.StatusCode.UNAUTHENTICATED
    bearer = f"Bearer {realm.issue_token()}"
    assert post(guarded, {}, ("Authorization", bearer)).status == 200
    assert call(guarded, pb.FindCandidatesRequest(), [("authorization", bearer)]).code is grpc.StatusCode.OK


def search_as(ports: ServerPorts, realm: FakeRealm, role: str, body: Any) -> Any:
    """Return what a caller with a role gets, equal over both transports."""
    bearer = f"Bearer {realm.issue_token(realm_access={'roles': [role]})}"
    answer = post(ports, body, ("Authorization", bearer))
    request = json_format.ParseDict(body, pb.FindCandidatesRequest())
    reply = call(ports, request, [("authorization", bearer)])
    assert answer.json() == json.loads(json_format.MessageToJson(pb.FindCandidatesResponse.FromString(reply.body)))
    return answer.json()


def test_restricted_callers_see_their_clusters_only(public_key: str, realm: FakeRealm) -> None:
    """With CLUSTER_ROLES, candidates, rejected nodes, totals and version are those of a system of these clusters."""
    policy = AccessPolicy(cluster_roles=dict(parse_cluster_roles("tenant=mine; admin=*")))
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), policy)
    own = Topology(
        clusters={"mine": FLEET.clusters["mine"]},
        nodes={identity: node for identity, node in FLEET.nodes.items() if node.cluster == "mine"},
    )
    alone = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=own))
    beside = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=FLEET))
    bodies: tuple[Any, ...] = ({}, {"cpuCores": 9}, {"clusters": ["theirs"]}, {"nodeSelector": {"zone": "a"}})
    with run_servers(alone, guard) as alone_ports, run_servers(beside, guard) as ports:
        for body in bodies:
            restricted = search_as(ports, realm, "tenant", body)
            assert "theirs" not in json.dumps(restricted)
            assert restricted["totals"]["nodes"] == "3"
            assert restricted == {**search_as(alone_ports, realm, "tenant", body), "version": restricted["version"]}
        assert restricted["version"] != FLEET.version
        assert search_as(ports, realm, "admin", {})["totals"]["nodes"] == "4"
        bearer = f"Bearer {realm.issue_token(realm_access={'roles': ['tenant']})}"
        # The version of the whole topology is not that of the caller.
        assert post(ports, {"ifVersion": FLEET.version}, ("Authorization", bearer)).status == 412
        assert post(ports, {"ifVersion": restricted["version"]}, ("Authorization", bearer)).status == 200
