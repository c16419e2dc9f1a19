"""aggregator.v1.TopologyService returns the same data and errors as HTTP."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from aggregator.lookup import request as tokens
from aggregator.lookup.request import Resource
from aggregator.models.topology import Cluster, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.grpc import services
from tests.server.http.test_routes_v1 import PODS, build_api_topology
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import COLLECTED_AT, FAILED_GAP, TOPOLOGY, FakeSnapshotProvider, build_snapshot
from tests.support import parity_cases
from tests.support.grpc_client import CallResult, call_method, call_on_channel
from tests.support.http_client import send_request

CLUSTER_NAME, NODE_NAME = "icos-cluster-a", "k8s-worker <1>"

# The same request over HTTP and over gRPC.
EQUIVALENT_REQUESTS = [
    ("topology", "GetTopology", pb.GetTopologyRequest()),
    ("topology?depth=2", "GetTopology", pb.GetTopologyRequest(depth=2)),
    (
        "topology?fields=clusters.nodes.name,version",
        "GetTopology",
        pb.GetTopologyRequest(fields=FieldMask(paths=["clusters.nodes.name", "version"])),
    ),
    ("clusters", "ListClusters", pb.ListClustersRequest()),
    ("clusters?depth=3", "ListClusters", pb.ListClustersRequest(depth=3)),
    (
        "clusters?filter=node.architecture=x86_64",
        "ListClusters",
        pb.ListClustersRequest(filter="node.architecture=x86_64"),
    ),
    ("nodes", "ListNodes", pb.ListNodesRequest()),
    ("nodes?limit=1", "ListNodes", pb.ListNodesRequest(limit=1)),
    ("nodes?labels=!a", "ListNodes", pb.ListNodesRequest(label_selector="!a")),
    ("nodes?depth=2&filter=device", "ListNodes", pb.ListNodesRequest(depth=2, filter="device")),
    (
        "nodes?fields=name,devices.name",
        "ListNodes",
        pb.ListNodesRequest(fields=FieldMask(paths=["name", "devices.name"])),
    ),
    ("pods", "ListPods", pb.ListPodsRequest()),
    ("pods?filter=phase=Running&depth=2", "ListPods", pb.ListPodsRequest(filter="phase=Running", depth=2)),
    ("containers", "ListContainers", pb.ListContainersRequest()),
    ("containers?limit=2", "ListContainers", pb.ListContainersRequest(limit=2)),
]


def build_method_path(method: str) -> str:
    """Return the path of a method."""
    return f"/{services.TOPOLOGY_SERVICE.full_name}/{method}"


def call_service(ports: ServerPorts, method: str, request: Message) -> CallResult:
    """Return the result of a call."""
    return call_method(ports.grpc, build_method_path(method), request=request.SerializeToString())


def fetch_message(ports: ServerPorts, method: str, request: Message) -> Any:
    """Return the response message of a method."""
    reply = call_service(ports, method, request)
    assert (reply.code, reply.details) == (grpc.StatusCode.OK, "")
    output = services.TOPOLOGY_SERVICE.methods_by_name[method].output_type
    kind: type[Message] = getattr(pb, output.name)
    return kind.FromString(reply.body)


def to_json(message: Message) -> Any:
    """Return the proto3 JSON mapping of a message."""
    return json.loads(json_format.MessageToJson(message))


def test_lookup_methods_match_the_proto() -> None:
    """The lookup methods are unary methods of the service, and their request fields match the parameters over HTTP."""
    single = {method.name for method in services.TOPOLOGY_SERVICE.methods if not method.server_streaming}
    assert set(services.LOOKUP_METHODS) <= single
    for name, method in services.LOOKUP_METHODS.items():
        fields = services.TOPOLOGY_SERVICE.methods_by_name[name].input_type.fields_by_name
        names = {"labels": "label_selector", "continue": "continue_token"}
        parameters = {names.get(parameter, parameter) for parameter in method.resource.parameters}
        # The only method with a known version is GetTopology.
        known = {"known_version"} if method.resource is Resource.TOPOLOGY else set()
        assert set(fields) == parameters | set(method.name_fields) | known


@pytest.mark.parametrize("name", [*parity_cases.CASE_NAMES, ""])
@pytest.mark.parametrize(
    ("at", "method", "request_message"), EQUIVALENT_REQUESTS, ids=[at for at, *_ in EQUIVALENT_REQUESTS]
)
def test_http_returns_the_json_mapping(
    source: FakeSnapshotProvider, ports: ServerPorts, name: str, at: str, method: str, request_message: Message
) -> None:
    """For each case, HTTP returns the proto3 JSON mapping of the gRPC response."""
    source.current_snapshot = build_snapshot(topology=parity_cases.build_case_topology(name) if name else TOPOLOGY)
    over_http = send_request(ports.http, f"/api/v1/{at}")
    assert over_http.status == 200
    assert over_http.json() == to_json(fetch_message(ports, method, request_message))


def test_a_node_by_name(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """GetNode finds a node by its names; trailing metadata has the same values as the HTTP headers."""
    source.snapshot_age_seconds, source.current_snapshot = 12.7, build_snapshot(FAILED_GAP)
    reply = call_service(ports, "GetNode", pb.GetNodeRequest(cluster=CLUSTER_NAME, node=NODE_NAME))
    assert pb.Node.FromString(reply.body).name == NODE_NAME
    assert reply.trailing_metadata == {
        "age": "12",
        "x-topology-complete": "false",
        "x-topology-time": COLLECTED_AT,
        "x-topology-version": TOPOLOGY.version,
    }


def test_the_nodes_of_a_cluster(ports: ServerPorts) -> None:
    """A list with a cluster name contains the objects of that cluster only."""
    assert len(fetch_message(ports, "ListNodes", pb.ListNodesRequest(cluster=CLUSTER_NAME)).nodes) == 2
    assert call_service(ports, "ListNodes", pb.ListNodesRequest(cluster="x")).code is grpc.StatusCode.NOT_FOUND
    assert call_service(ports, "ListPods", pb.ListPodsRequest(cluster="x")).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("at", "method", "request_message", "code"),
    [
        ("nodes?filter=a", "ListNodes", pb.ListNodesRequest(filter="a"), grpc.StatusCode.INVALID_ARGUMENT),
        ("nodes?filter=a%3D(", "ListNodes", pb.ListNodesRequest(filter="a=("), grpc.StatusCode.INVALID_ARGUMENT),
        ("nodes?labels=-", "ListNodes", pb.ListNodesRequest(label_selector="-"), grpc.StatusCode.INVALID_ARGUMENT),
        ("nodes?depth=7", "ListNodes", pb.ListNodesRequest(depth=7), grpc.StatusCode.INVALID_ARGUMENT),
        ("nodes?continue=7", "ListNodes", pb.ListNodesRequest(continue_token="7"), grpc.StatusCode.INVALID_ARGUMENT),
        (
            "pods?fields=nam",
            "ListPods",
            pb.ListPodsRequest(fields=FieldMask(paths=["nam"])),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        ("clusters/b", "GetCluster", pb.GetClusterRequest(cluster="b"), grpc.StatusCode.NOT_FOUND),
        (
            "clusters/icos-cluster-a/nodes/k8s-mastr",
            "GetNode",
            pb.GetNodeRequest(cluster=CLUSTER_NAME, node="k8s-mastr"),
            grpc.StatusCode.NOT_FOUND,
        ),
        (
            "clusters/icos-cluster-a/pods/-/cilium-9b4pl",
            "GetPod",
            pb.GetPodRequest(cluster=CLUSTER_NAME, pod="cilium-9b4pl"),
            grpc.StatusCode.NOT_FOUND,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_errors_are_the_same_as_over_http(
    ports: ServerPorts, at: str, method: str, request_message: Message, code: grpc.StatusCode
) -> None:
    """Invalid requests and missing objects have the same error text as over HTTP."""
    refused = call_service(ports, method, request_message)
    assert (refused.code, refused.details) == (code, send_request(ports.http, f"/api/v1/{at}").json()["detail"])


@pytest.mark.parametrize("limit", [-1, -(2**31)])
def test_a_negative_limit_is_invalid(ports: ServerPorts, limit: int) -> None:
    """A negative limit ends with INVALID_ARGUMENT."""
    assert call_service(ports, "ListPods", pb.ListPodsRequest(limit=limit)).code is grpc.StatusCode.INVALID_ARGUMENT


def test_an_undecodable_request_is_invalid(ports: ServerPorts) -> None:
    """Bytes that are not a message of the method end with INVALID_ARGUMENT."""
    reply = call_method(ports.grpc, build_method_path("GetNode"), request=b"\xff\xff")
    assert (reply.code, reply.details) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid request message")


def test_pages_of_one_version(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """All pages are of the topology version of the first one, or the call ends with ABORTED if it is no longer kept."""
    source.current_snapshot = build_snapshot(topology=build_api_topology(["c"], pods=PODS))
    found, token = [], ""
    while True:
        page = fetch_message(ports, "ListPods", pb.ListPodsRequest(limit=2, continue_token=token))
        found += [pod.name for pod in page.pods]
        source.current_snapshot = build_snapshot()
        if not page.continue_token:
            break
        token = page.continue_token
    assert found == [pod.name for pod in PODS.values()]
    gone = str(tokens.parse_continue_token(token)._replace(version="0" * 32))
    reply = call_service(ports, "ListPods", pb.ListPodsRequest(limit=2, continue_token=gone))
    assert reply.code is grpc.StatusCode.ABORTED


def test_methods_need_a_token(guarded: ServerPorts) -> None:
    """Without a token, every method ends with UNAUTHENTICATED."""
    for method in services.LOOKUP_METHODS:
        assert call_method(guarded.grpc, build_method_path(method)).code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("depth", [0, 1])
def test_get_topology_is_not_modified(source: FakeSnapshotProvider, ports: ServerPorts, depth: int) -> None:
    """GetTopology returns only the version to a client that has it, and the whole topology to others."""
    source.snapshot_age_seconds = 3.2
    known = pb.GetTopologyRequest(known_version=TOPOLOGY.version, depth=depth)
    reply = call_service(ports, "GetTopology", known)
    assert pb.Topology.FromString(reply.body) == pb.Topology(version=TOPOLOGY.version)
    assert (reply.trailing_metadata["x-topology-version"], reply.trailing_metadata["age"]) == (TOPOLOGY.version, "3")
    whole = fetch_message(ports, "GetTopology", pb.GetTopologyRequest(depth=depth))
    assert whole.clusters
    assert fetch_message(ports, "GetTopology", pb.GetTopologyRequest(known_version="another", depth=depth)) == whole
    source.current_snapshot = build_snapshot(topology=build_api_topology(["new"]))
    assert [cluster.name for cluster in fetch_message(ports, "GetTopology", known).clusters] == ["new"]


def test_stream_topology_is_not_modified(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """StreamTopology returns one message with only the version to a client that has it, and all chunks to others."""
    assert source.failure is None
    assert stream_chunks(ports, TOPOLOGY.version) == [pb.Topology(version=TOPOLOGY.version)]
    assert stream_chunks(ports, "another") == stream_chunks(ports, "")
    assert stream_chunks(ports, "")[0].clusters


def stream_chunks(ports: ServerPorts, known_version: str) -> list[pb.Topology]:
    """Return the messages of a stream for a client that has a version."""
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        stream = channel.unary_stream(
            build_method_path("StreamTopology"), pb.StreamTopologyRequest.SerializeToString, pb.Topology.FromString
        )
        return list(stream(pb.StreamTopologyRequest(known_version=known_version), timeout=10))


def test_long_names_are_truncated_in_status_texts(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Suggested names are truncated in the status text, so that every client can receive it."""
    names = ["日本語" * 400 + str(number) for number in range(3)]
    clusters = {name: Cluster(key=name, uid=name, name=name) for name in names}
    source.current_snapshot = build_snapshot(topology=add_version(Topology(clusters=clusters)))
    request = pb.GetClusterRequest(cluster="日本語" * 500).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}", options=[("grpc.enable_http_proxy", 0)]) as opened:
        replies = [call_on_channel(opened, build_method_path("GetCluster"), request=request) for _ in range(10)]
    assert {reply.code for reply in replies} == {grpc.StatusCode.NOT_FOUND}
    assert all("did you mean 日本語" in reply.details for reply in replies)
