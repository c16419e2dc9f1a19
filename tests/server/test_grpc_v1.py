"""aggregator.v1.TopologyService: the same questions as over HTTP, and the same answers and refusals."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from aggregator.lookup import tokens
from aggregator.lookup.plan import Resource
from aggregator.models.topology import Cluster, Topology
from aggregator.models.version import versioned
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server import grpc_v1
from tests import cases
from tests.server.call import Reply, call, over
from tests.server.exchange import ask
from tests.server.serving import Ports
from tests.server.source import GAP, TOPOLOGY, CommandedSource, snapshot
from tests.server.test_api_v1 import PODS, topology_of

CLUSTER, NODE = "icos-cluster-a", "k8s-worker <1>"

# The same question over HTTP, and over gRPC.
QUESTIONS = [
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


def path(method: str) -> str:
    """Return the path of a method."""
    return f"/{grpc_v1.SERVICE.full_name}/{method}"


def asked(ports: Ports, method: str, request: Message) -> Reply:
    """Return how a call ended."""
    return call(ports.grpc, path(method), request=request.SerializeToString())


def answered(ports: Ports, method: str, request: Message) -> Any:
    """Return the message that a method answers with."""
    reply = asked(ports, method, request)
    assert (reply.code, reply.details) == (grpc.StatusCode.OK, "")
    output = grpc_v1.SERVICE.methods_by_name[method].output_type
    kind: type[Message] = getattr(pb, output.name)
    return kind.FromString(reply.body)


def as_json(message: Message) -> Any:
    """Return the proto3 JSON mapping of a message."""
    return json.loads(json_format.MessageToJson(message))


def test_every_method_is_there() -> None:
    """Each method of the service that answers once and is no list of something else is looked up by this."""
    single = {method.name for method in grpc_v1.SERVICE.methods if not method.server_streaming}
    assert set(grpc_v1.METHODS) <= single
    for name, method in grpc_v1.METHODS.items():
        fields = grpc_v1.SERVICE.methods_by_name[name].input_type.fields_by_name
        names = {"labels": "label_selector", "continue": "continue_token"}
        said = {names.get(parameter, parameter) for parameter in method.resource.parameters}
        # That one is asked of the whole model only, before anything is looked up.
        known = {"known_version"} if method.resource is Resource.TOPOLOGY else set()
        assert set(fields) == said | set(method.names) | known


@pytest.mark.parametrize("name", [*cases.NAMES, ""])
@pytest.mark.parametrize(("at", "method", "request_message"), QUESTIONS, ids=[at for at, *_ in QUESTIONS])
def test_http_is_the_mapping_of_grpc(
    source: CommandedSource, ports: Ports, name: str, at: str, method: str, request_message: Message
) -> None:
    """What HTTP answers is the proto3 JSON mapping of what gRPC answers, of every case."""
    source.shown = snapshot(topology=cases.topology(name) if name else TOPOLOGY)
    over_http = ask(ports.http, f"/api/v1/{at}")
    assert over_http.status == 200
    assert over_http.json() == as_json(answered(ports, method, request_message))


def test_a_node_by_name(source: CommandedSource, ports: Ports) -> None:
    """A node is looked up by its names, and the trailing metadata says what the headers of HTTP say."""
    source.age, source.shown = 12.7, snapshot(GAP)
    reply = asked(ports, "GetNode", pb.GetNodeRequest(cluster=CLUSTER, node=NODE))
    assert pb.Node.FromString(reply.body).name == NODE
    assert reply.trailing == {"age": "12", "x-topology-complete": "false", "x-topology-version": TOPOLOGY.version}


def test_the_nodes_of_a_cluster(ports: Ports) -> None:
    """A list is of one cluster where its name is given."""
    assert len(answered(ports, "ListNodes", pb.ListNodesRequest(cluster=CLUSTER)).nodes) == 2
    assert asked(ports, "ListNodes", pb.ListNodesRequest(cluster="x")).code is grpc.StatusCode.NOT_FOUND
    assert asked(ports, "ListPods", pb.ListPodsRequest(cluster="x")).code is grpc.StatusCode.NOT_FOUND


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
            pb.GetNodeRequest(cluster=CLUSTER, node="k8s-mastr"),
            grpc.StatusCode.NOT_FOUND,
        ),
        (
            "clusters/icos-cluster-a/pods/-/cilium-9b4pl",
            "GetPod",
            pb.GetPodRequest(cluster=CLUSTER, pod="cilium-9b4pl"),
            grpc.StatusCode.NOT_FOUND,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_same_is_said_of_what_is_wrong(
    ports: Ports, at: str, method: str, request_message: Message, code: grpc.StatusCode
) -> None:
    """What cannot be answered is told in the same words as over HTTP."""
    refused = asked(ports, method, request_message)
    assert (refused.code, refused.details) == (code, ask(ports.http, f"/api/v1/{at}").json()["detail"])


@pytest.mark.parametrize("limit", [-1, -(2**31)])
def test_a_limit_below_zero(ports: Ports, limit: int) -> None:
    """A list has no fewer than no objects."""
    assert asked(ports, "ListPods", pb.ListPodsRequest(limit=limit)).code is grpc.StatusCode.INVALID_ARGUMENT


def test_what_is_no_request(ports: Ports) -> None:
    """Bytes that are no message of the method are refused."""
    reply = call(ports.grpc, path("GetNode"), request=b"\xff\xff")
    assert (reply.code, reply.details) == (grpc.StatusCode.INVALID_ARGUMENT, "not a request of this method")


def test_pages_of_one_version(source: CommandedSource, ports: Ports) -> None:
    """Pages are of the topology of the first one, or ABORTED where that is not kept."""
    source.shown = snapshot(topology=topology_of(["c"], pods=PODS))
    found, token = [], ""
    while True:
        page = answered(ports, "ListPods", pb.ListPodsRequest(limit=2, continue_token=token))
        found += [pod.name for pod in page.pods]
        source.shown = snapshot()
        if not page.continue_token:
            break
        token = page.continue_token
    assert found == [pod.name for pod in PODS.values()]
    gone = str(tokens.read(token)._replace(version="0" * 32))
    reply = asked(ports, "ListPods", pb.ListPodsRequest(limit=2, continue_token=gone))
    assert reply.code is grpc.StatusCode.ABORTED


def test_without_a_token(guarded: Ports) -> None:
    """Without a token no method answers."""
    for method in grpc_v1.METHODS:
        assert call(guarded.grpc, path(method)).code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("depth", [0, 1])
def test_a_version_that_is_known_is_not_sent_again(source: CommandedSource, ports: Ports, depth: int) -> None:
    """GetTopology answers who has the version with that alone, and who has another one as if none were known."""
    source.age = 3.2
    known = pb.GetTopologyRequest(known_version=TOPOLOGY.version, depth=depth)
    reply = asked(ports, "GetTopology", known)
    assert pb.Topology.FromString(reply.body) == pb.Topology(version=TOPOLOGY.version)
    assert (reply.trailing["x-topology-version"], reply.trailing["age"]) == (TOPOLOGY.version, "3")
    whole = answered(ports, "GetTopology", pb.GetTopologyRequest(depth=depth))
    assert whole.clusters
    assert answered(ports, "GetTopology", pb.GetTopologyRequest(known_version="another", depth=depth)) == whole
    source.shown = snapshot(topology=topology_of(["new"]))
    assert [cluster.name for cluster in answered(ports, "GetTopology", known).clusters] == ["new"]


def test_a_version_that_is_known_is_not_streamed_again(source: CommandedSource, ports: Ports) -> None:
    """StreamTopology sends who has the version one part, which is that alone, and who has another one all parts."""
    assert source.failure is None
    assert streamed(ports, TOPOLOGY.version) == [pb.Topology(version=TOPOLOGY.version)]
    assert streamed(ports, "another") == streamed(ports, "")
    assert streamed(ports, "")[0].clusters


def streamed(ports: Ports, known: str) -> list[pb.Topology]:
    """Return the parts that are sent to who knows a version."""
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        stream = channel.unary_stream(
            path("StreamTopology"), pb.StreamTopologyRequest.SerializeToString, pb.Topology.FromString
        )
        return list(stream(pb.StreamTopologyRequest(known_version=known), timeout=10))


def test_long_names_leave_the_status_readable(source: CommandedSource, ports: Ports) -> None:
    """However long the names are that are nearest, any client takes the status: it holds their beginnings."""
    names = ["日本語" * 400 + str(number) for number in range(3)]
    clusters = {name: Cluster(key=name, uid=name, name=name) for name in names}
    source.shown = snapshot(topology=versioned(Topology(clusters=clusters)))
    request = pb.GetClusterRequest(cluster="日本語" * 500).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}", options=[("grpc.enable_http_proxy", 0)]) as opened:
        replies = [over(opened, path("GetCluster"), request=request) for _ in range(10)]
    assert {reply.code for reply in replies} == {grpc.StatusCode.NOT_FOUND}
    assert all("nearest: 日本語" in reply.details for reply in replies)
