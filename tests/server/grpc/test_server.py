"""The gRPC server: the ETIM contract, health and reflection, and which calls need a token."""

import time

import grpc
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from aggregator.cli import etim_client
from aggregator.errors import NoTopologyError
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as v1_pb
from aggregator.views import etim
from aggregator.views.renderers import RENDERERS
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import COLLECTED_AT, FAILED_GAP, TOPOLOGY, FakeSnapshotProvider, build_snapshot
from tests.support.grpc_client import (
    CALL_TIMEOUT_SECONDS,
    CONNECT_TO_QUERIER_METHOD,
    HEALTH_CHECK_METHOD,
    CallResult,
    call_method,
    call_on_channel,
    get_unary_callable,
    open_channel,
    stream_responses,
)
from tests.support.http_client import send_request

GET_TOPOLOGY_METHOD = "/aggregator.v1.TopologyService/GetTopology"
STREAM_TOPOLOGY_METHOD = "/aggregator.v1.TopologyService/StreamTopology"
HEALTH_WATCH_METHOD = "/grpc.health.v1.Health/Watch"
# The status changes within a quarter of a second; a busy machine may take longer.
HEALTH_TIMEOUT_SECONDS = 30.0
REFLECTION_METHOD = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def build_metadata(token: str) -> list[tuple[str, str | bytes]]:
    """Return the call metadata with a token."""
    return [("authorization", f"Bearer {token}")]


def check_health(port: int, service: str = "") -> health_pb2.HealthCheckResponse:
    """Return the response of the health service about a service."""
    reply = call_method(
        port, HEALTH_CHECK_METHOD, request=health_pb2.HealthCheckRequest(service=service).SerializeToString()
    )
    assert reply.code is grpc.StatusCode.OK
    return health_pb2.HealthCheckResponse.FromString(reply.body)


def list_reflected_services(port: int, *metadata: tuple[str, str | bytes]) -> reflection_pb2.ServerReflectionResponse:
    """Return the services that reflection lists; raise grpc.RpcError if the call fails."""
    request = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    with open_channel(port) as opened:
        reflect: grpc.StreamStreamMultiCallable[bytes, bytes] = opened.stream_stream(REFLECTION_METHOD)
        response = next(iter(reflect(iter([request]), timeout=CALL_TIMEOUT_SECONDS, metadata=metadata)))
    return reflection_pb2.ServerReflectionResponse.FromString(response)


def test_the_model_is_the_topology(ports: ServerPorts) -> None:
    """ConnectToQuerier returns the nodes of the snapshot, exactly as the view renders them."""
    reply = call_method(ports.grpc)
    assert (reply.code, reply.body) == (grpc.StatusCode.OK, etim.render_etim(TOPOLOGY, 0))
    assert [node.id for node in reply.model.nodes] == ["k8s-master", "k8s-worker <1>"]
    assert reply.model.nodes[0].cpu_architecture == "x86_64"


def test_get_topology_returns_the_v1_document(ports: ServerPorts) -> None:
    """GetTopology returns the message whose JSON mapping HTTP returns."""
    reply = call_method(ports.grpc, GET_TOPOLOGY_METHOD)
    message = v1_pb.Topology.FromString(reply.body)
    assert json_format.MessageToDict(message) == send_request(ports.http, "/api/v1/topology").json()


def test_stream_topology_returns_chunks(ports: ServerPorts) -> None:
    """StreamTopology returns the same topology in chunks; a small one is a single chunk."""
    with open_channel(ports.grpc) as opened:
        (part,) = stream_responses(opened, STREAM_TOPOLOGY_METHOD)
    assert part == call_method(ports.grpc, GET_TOPOLOGY_METHOD).body


def test_large_topologies_are_streamed_in_small_chunks(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A topology of more than 4 MiB reaches a client with the default message limit: one version, and all nodes."""
    nodes = {("c", f"n{at}"): Node(cluster="c", key=f"n{at}", labels={"x": "y" * 1000}) for at in range(5000)}
    source.current_snapshot = build_snapshot(
        topology=add_version(Topology(clusters={"c": Cluster(key="c", uid="u")}, nodes=nodes))
    )
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}", options=[("grpc.enable_http_proxy", 0)]) as opened:
        parts = [v1_pb.Topology.FromString(part) for part in stream_responses(opened, STREAM_TOPOLOGY_METHOD)]
    assert len(parts) > 4
    assert {part.version for part in parts} == {source.current_snapshot.topology.version}
    assert [node.name for part in parts for node in part.clusters[0].nodes] == [key for _, key in nodes]


def test_trailing_metadata_has_age_and_completeness(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Trailing metadata contains the age, completeness and time of the topology, as HTTP headers do."""
    source.snapshot_age_seconds = 12.7
    expected = {
        "age": "12",
        "x-topology-complete": "true",
        "x-topology-time": COLLECTED_AT,
        "x-topology-version": TOPOLOGY.version,
    }
    assert call_method(ports.grpc).trailing_metadata == expected
    source.current_snapshot = build_snapshot(FAILED_GAP)
    assert call_method(ports.grpc).trailing_metadata == {**expected, "x-topology-complete": "false"}


def test_a_call_without_a_topology_is_unavailable(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Without a topology, a call ends with UNAVAILABLE and the reason."""
    source.failure = NoTopologyError("no topology yet", "query up: connection refused")
    reply = call_method(ports.grpc)
    assert reply == CallResult(grpc.StatusCode.UNAVAILABLE, "no topology yet: query up: connection refused")


def test_internal_errors_have_a_constant_text(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """An unexpected error ends with INTERNAL and a constant text, and the next call is answered."""
    source.failure = RuntimeError("the password is swordfish")
    assert call_method(ports.grpc) == CallResult(grpc.StatusCode.INTERNAL, "internal error")
    source.failure = None
    assert call_method(ports.grpc).code is grpc.StatusCode.OK


def test_rendering_errors_have_a_constant_text(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A topology that cannot be rendered ends with INTERNAL and a constant text."""

    def broken(_topology: object, _now: float) -> bytes:
        raise ValueError("swordfish")

    source.current_snapshot = build_snapshot(views={**RENDERERS, "etim": broken})
    reply = call_method(ports.grpc)
    assert (reply.code, reply.details) == (grpc.StatusCode.INTERNAL, "internal error")


@pytest.mark.parametrize("request_body", [b"", b"\x0a\x03abc", b"\xff\xff\xff", b"x" * 60_000], ids=len)
def test_etim_requests_are_ignored(ports: ServerPorts, request_body: bytes) -> None:
    """ConnectToQuerier answers any request like an empty one, also one of a newer client or random bytes."""
    assert call_method(ports.grpc, request=request_body).code is grpc.StatusCode.OK


def test_a_large_request_is_not_read(ports: ServerPorts) -> None:
    """A request over 64 KiB is answered like an empty one if the method ignores requests, and rejected otherwise."""
    large = b"x" * (64 * 1024 + 1)
    assert call_method(ports.grpc, request=large).code is grpc.StatusCode.OK
    assert call_method(ports.grpc, HEALTH_CHECK_METHOD, request=large).code is not grpc.StatusCode.OK
    assert call_method(ports.grpc).code is grpc.StatusCode.OK


@pytest.mark.parametrize(
    "method",
    [
        "/server_proto.Aggregator/Nothing",
        "/x.Y/Z",
        "/server_proto.Aggregator/",
        "/",
        "/server_proto.aggregator/ConnectToQuerier",
    ],
)
def test_an_unknown_method_is_unauthenticated_first(
    ports: ServerPorts, guarded: ServerPorts, realm: FakeRealm, method: str
) -> None:
    """Only callers with a token learn that a method does not exist."""
    assert call_method(guarded.grpc, method).code is grpc.StatusCode.UNAUTHENTICATED
    assert call_method(guarded.grpc, method, build_metadata(realm.issue_token())).code is grpc.StatusCode.UNIMPLEMENTED
    assert call_method(ports.grpc, method).code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "method",
    [
        f"{HEALTH_CHECK_METHOD}/..{CONNECT_TO_QUERIER_METHOD}",
        "/grpc.health.v1.HealthX/Check",
        f"/{HEALTH_CHECK_METHOD}",
        HEALTH_CHECK_METHOD.lower(),
    ],
)
def test_only_the_health_service_is_public(guarded: ServerPorts, method: str) -> None:
    """A method whose name resembles the health service's is not public."""
    reply = call_method(guarded.grpc, method)
    assert reply.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED)
    assert reply.body == b""


@pytest.mark.parametrize("service", ["", "server_proto.Aggregator"])
def test_health_needs_no_token(guarded: ServerPorts, service: str) -> None:
    """Anyone may check the health of the whole server and of the ETIM service."""
    assert _wait_for_health(guarded.grpc, SERVING, service)


def test_health_follows_the_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The health status changes when there is no topology to serve, and changes back."""
    assert _wait_for_health(ports.grpc, SERVING)
    source.failure = NoTopologyError("the last topology is 300 s old")
    assert _wait_for_health(ports.grpc, NOT_SERVING)
    assert _wait_for_health(ports.grpc, NOT_SERVING, "server_proto.Aggregator")
    source.failure = None
    assert _wait_for_health(ports.grpc, SERVING)


def _wait_for_health(port: int, status: int, service: str = "") -> bool:
    end = time.monotonic() + HEALTH_TIMEOUT_SECONDS
    while time.monotonic() < end:
        if check_health(port, service).status == status:
            return True
    return False


def test_health_can_be_watched_without_a_token(source: FakeSnapshotProvider, guarded: ServerPorts) -> None:
    """A watch receives the current status at once."""
    assert source.failure is None
    assert _wait_for_health(guarded.grpc, SERVING)
    with open_channel(guarded.grpc) as opened:
        watching = stream_responses(opened, HEALTH_WATCH_METHOD)
        assert health_pb2.HealthCheckResponse.FromString(next(iter(watching))).status == SERVING
        watching.cancel()


def test_health_of_an_unknown_service_is_not_found(guarded: ServerPorts) -> None:
    """A health check of an unknown service ends with NOT_FOUND."""
    request = health_pb2.HealthCheckRequest(service="x").SerializeToString()
    assert call_method(guarded.grpc, HEALTH_CHECK_METHOD, request=request).code is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_services(ports: ServerPorts) -> None:
    """Without KEY, anyone may list the services by reflection."""
    names = {service.name for service in list_reflected_services(ports.grpc).list_services_response.service}
    assert {"server_proto.Aggregator", "grpc.health.v1.Health"} <= names


def test_reflection_needs_a_token(guarded: ServerPorts, realm: FakeRealm) -> None:
    """With KEY, reflection requires a token."""
    with pytest.raises(grpc.RpcError) as refused:
        list_reflected_services(guarded.grpc)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert list_reflected_services(guarded.grpc, *build_metadata(realm.issue_token())).list_services_response.service


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
def test_every_type_of_call_is_rejected(guarded: ServerPorts, kind: str) -> None:
    """Calls without a token end with UNAUTHENTICATED, whether they stream or not."""
    with open_channel(guarded.grpc) as opened:
        start = getattr(opened, kind)("/x.Y/Z")
        request = iter([b""]) if kind.startswith("stream") else b""
        with pytest.raises(grpc.RpcError) as refused:  # noqa: PT012 - a stream fails when it is read
            ended = start(request, timeout=CALL_TIMEOUT_SECONDS)
            list(ended)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(("size", "pad"), [(12_000, 8_300), (16_300, 11_500)])
def test_long_tokens_are_always_accepted(guarded: ServerPorts, realm: FakeRealm, size: int, pad: int) -> None:
    """Metadata of 12 kB and more, for example a token with many roles, is accepted in all of 50 calls."""
    metadata = build_metadata(realm.issue_token(pad="x" * pad))
    assert size - 400 < len(metadata[0][1]) < size + 400
    with open_channel(guarded.grpc) as opened:
        codes = {call_on_channel(opened, metadata=metadata).code for _ in range(50)}
    assert codes == {grpc.StatusCode.OK}


@pytest.mark.parametrize("size", [40_000, 200_000])
def test_oversized_metadata_is_rejected(guarded: ServerPorts, size: int) -> None:
    """Metadata far beyond the size of any token is rejected, and the next call is answered."""
    reply = call_method(guarded.grpc, metadata=[("x", "y" * size)])
    assert reply.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert call_method(guarded.grpc, HEALTH_CHECK_METHOD).code is grpc.StatusCode.OK


def test_binary_metadata_is_ignored(guarded: ServerPorts, realm: FakeRealm) -> None:
    """A token in the binary entry authorization-bin is ignored."""
    reply = call_method(guarded.grpc, metadata=[("authorization-bin", f"Bearer {realm.issue_token()}".encode())])
    assert reply.code is grpc.StatusCode.UNAUTHENTICATED


def test_many_calls_on_one_connection(ports: ServerPorts) -> None:
    """Three hundred concurrent calls on one connection are all answered."""
    with open_channel(ports.grpc) as opened:
        call = get_unary_callable(opened)
        calls = [call.future(b"", timeout=CALL_TIMEOUT_SECONDS) for _ in range(300)]
        assert {pending.result() for pending in calls} == {etim.render_etim(TOPOLOGY, 0)}


def test_the_etim_client_fetches_nodes(source: FakeSnapshotProvider, guarded: ServerPorts, realm: FakeRealm) -> None:
    """The ETIM client fetches the nodes, with a token if one is required."""
    assert source.failure is None
    model, metadata = etim_client.fetch_infrastructure(f"127.0.0.1:{guarded.grpc}", realm.issue_token())
    assert [node.id for node in model.nodes] == ["k8s-master", "k8s-worker <1>"]
    assert metadata["x-topology-complete"] == "true"
    with pytest.raises(grpc.RpcError) as refused:
        etim_client.fetch_infrastructure(f"127.0.0.1:{guarded.grpc}", None)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
