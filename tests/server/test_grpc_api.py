"""The gRPC server: the ETIM contract, health and reflection, and who may call them."""

import time

import grpc
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from aggregator import etim_client
from aggregator.errors import NoTopologyError
from aggregator.models.topology import Cluster, Node, Topology
from aggregator.models.version import versioned
from aggregator.pb.aggregator.v1 import topology_pb2 as v1_pb
from aggregator.pb.etim import server_pb2 as pb
from aggregator.views import BY_NAME, etim
from tests.server.call import CHECK, CONNECT_TO_QUERIER, SECONDS, Reply, answers, call, channel, over, unary
from tests.server.exchange import ask
from tests.server.serving import Ports
from tests.server.source import GAP, TOPOLOGY, CommandedSource, snapshot
from tests.server.tokens import Realm

GET_TOPOLOGY = "/aggregator.v1.TopologyService/GetTopology"
STREAM_TOPOLOGY = "/aggregator.v1.TopologyService/StreamTopology"
WATCH = "/grpc.health.v1.Health/Watch"
# It turns within a quarter of a second; a machine that is busy with something else may take longer.
HEALTH_WITHIN_SECONDS = 30.0
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def bearing(token: str) -> list[tuple[str, str | bytes]]:
    """Return the metadata of a caller with this token."""
    return [("authorization", f"Bearer {token}")]


def health(port: int, service: str = "") -> health_pb2.HealthCheckResponse:
    """Return what the health service says of a service."""
    reply = call(port, CHECK, request=health_pb2.HealthCheckRequest(service=service).SerializeToString())
    assert reply.code is grpc.StatusCode.OK
    return health_pb2.HealthCheckResponse.FromString(reply.body)


def reflect(port: int, *metadata: tuple[str, str | bytes]) -> reflection_pb2.ServerReflectionResponse:
    """Return the services that reflection lists; raises grpc.RpcError where it is refused."""
    request = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    with channel(port) as opened:
        ask: grpc.StreamStreamMultiCallable[bytes, bytes] = opened.stream_stream(REFLECT)
        answer = next(iter(ask(iter([request]), timeout=SECONDS, metadata=metadata)))
    return reflection_pb2.ServerReflectionResponse.FromString(answer)


def test_the_model_is_the_topology(ports: Ports) -> None:
    """ConnectToQuerier answers the nodes of the snapshot, to the byte as the view renders them."""
    reply = call(ports.grpc)
    assert (reply.code, reply.body) == (grpc.StatusCode.OK, etim.render(TOPOLOGY, 0))
    assert [node.id for node in reply.model.nodes] == ["k8s-master", "k8s-worker <1>"]
    assert reply.model.nodes[0].cpu_architecture == "x86_64"


def test_the_whole_model_is_the_v1_document(ports: Ports) -> None:
    """GetTopology answers the message whose JSON mapping HTTP answers."""
    reply = call(ports.grpc, GET_TOPOLOGY)
    message = v1_pb.Topology.FromString(reply.body)
    assert json_format.MessageToDict(message) == ask(ports.http, "/api/v1/topology").json()


def test_the_whole_model_comes_in_parts(ports: Ports) -> None:
    """StreamTopology answers the same model in parts; a small one is a single part."""
    with channel(ports.grpc) as opened:
        (part,) = answers(opened, STREAM_TOPOLOGY)
    assert part == call(ports.grpc, GET_TOPOLOGY).body


def test_a_large_model_comes_in_parts_that_any_client_takes(source: CommandedSource, ports: Ports) -> None:
    """Parts of more than 4 MiB together arrive at a client with the usual limit, in one version, with all nodes."""
    nodes = {("c", f"n{at}"): Node(cluster="c", key=f"n{at}", labels={"x": "y" * 1000}) for at in range(5000)}
    source.shown = snapshot(topology=versioned(Topology(clusters={"c": Cluster(key="c", uid="u")}, nodes=nodes)))
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}", options=[("grpc.enable_http_proxy", 0)]) as opened:
        parts = [v1_pb.Topology.FromString(part) for part in answers(opened, STREAM_TOPOLOGY)]
    assert len(parts) > 4
    assert {part.version for part in parts} == {source.shown.topology.version}
    assert [node.name for part in parts for node in part.clusters[0].nodes] == [key for _, key in nodes]


def test_the_answer_tells_its_age_and_gaps(source: CommandedSource, ports: Ports) -> None:
    """Trailing metadata says how old the answer is and whether something is missing, as HTTP does."""
    source.age = 12.7
    told = {"age": "12", "x-topology-complete": "true", "x-topology-version": TOPOLOGY.version}
    assert call(ports.grpc).trailing == told
    source.shown = snapshot(GAP)
    assert call(ports.grpc).trailing == {**told, "x-topology-complete": "false"}


def test_without_a_topology_it_is_unavailable(source: CommandedSource, ports: Ports) -> None:
    """Where there is nothing to show the call is UNAVAILABLE and says why."""
    source.failure = NoTopologyError("no topology yet: query up: connection refused")
    reply = call(ports.grpc)
    assert reply == Reply(grpc.StatusCode.UNAVAILABLE, "no topology yet: query up: connection refused")


def test_what_breaks_is_not_told(source: CommandedSource, ports: Ports) -> None:
    """A defect of ours is INTERNAL with a constant text, and the next call is served."""
    source.failure = RuntimeError("the password is swordfish")
    assert call(ports.grpc) == Reply(grpc.StatusCode.INTERNAL, "internal error")
    source.failure = None
    assert call(ports.grpc).code is grpc.StatusCode.OK


def test_a_view_that_breaks_is_not_told(source: CommandedSource, ports: Ports) -> None:
    """A model that cannot be rendered is INTERNAL, without the trailing metadata of a good answer's text."""

    def broken(_topology: object, _now: float) -> bytes:
        raise ValueError("swordfish")

    source.shown = snapshot(views={**BY_NAME, "etim": broken})
    reply = call(ports.grpc)
    assert (reply.code, reply.details) == (grpc.StatusCode.INTERNAL, "internal error")


@pytest.mark.parametrize("request_body", [b"", b"\x0a\x03abc", b"\xff\xff\xff", b"x" * 60_000], ids=len)
def test_the_request_is_not_looked_at(ports: Ports, request_body: bytes) -> None:
    """A request of a newer client, or of nonsense, is answered like an empty one."""
    assert call(ports.grpc, request=request_body).code is grpc.StatusCode.OK


def test_a_large_request_is_not_read(ports: Ports) -> None:
    """A request over 64 KiB is answered like an empty one, where health, which reads its requests, refuses it."""
    large = b"x" * (64 * 1024 + 1)
    assert call(ports.grpc, request=large).code is grpc.StatusCode.OK
    assert call(ports.grpc, CHECK, request=large).code is not grpc.StatusCode.OK
    assert call(ports.grpc).code is grpc.StatusCode.OK


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
def test_an_unknown_method_is_unauthenticated_first(ports: Ports, guarded: Ports, realm: Realm, method: str) -> None:
    """Only who holds a token learns that a method does not exist."""
    assert call(guarded.grpc, method).code is grpc.StatusCode.UNAUTHENTICATED
    assert call(guarded.grpc, method, bearing(realm.token())).code is grpc.StatusCode.UNIMPLEMENTED
    assert call(ports.grpc, method).code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "method", [f"{CHECK}/..{CONNECT_TO_QUERIER}", "/grpc.health.v1.HealthX/Check", f"/{CHECK}", CHECK.lower()]
)
def test_only_health_itself_is_open(guarded: Ports, method: str) -> None:
    """A method that merely looks like the health service's shows no topology and is not served."""
    reply = call(guarded.grpc, method)
    assert reply.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED)
    assert reply.body == b""


@pytest.mark.parametrize("service", ["", "server_proto.Aggregator"])
def test_health_is_open(guarded: Ports, service: str) -> None:
    """Health is told to everybody, of the whole and of the ETIM service."""
    assert _until_health(guarded.grpc, SERVING, service)


def test_health_follows_the_topology(source: CommandedSource, ports: Ports) -> None:
    """Health turns when there is nothing to show, and turns back when there is."""
    assert _until_health(ports.grpc, SERVING)
    source.failure = NoTopologyError("the last topology is 300 s old")
    assert _until_health(ports.grpc, NOT_SERVING)
    assert _until_health(ports.grpc, NOT_SERVING, "server_proto.Aggregator")
    source.failure = None
    assert _until_health(ports.grpc, SERVING)


def _until_health(port: int, status: int, service: str = "") -> bool:
    end = time.monotonic() + HEALTH_WITHIN_SECONDS
    while time.monotonic() < end:
        if health(port, service).status == status:
            return True
    return False


def test_health_can_be_watched_without_a_token(source: CommandedSource, guarded: Ports) -> None:
    """A watcher is told the state at once."""
    assert source.failure is None
    assert _until_health(guarded.grpc, SERVING)
    with channel(guarded.grpc) as opened:
        watching = answers(opened, WATCH)
        assert health_pb2.HealthCheckResponse.FromString(next(iter(watching))).status == SERVING
        watching.cancel()


def test_health_of_an_unknown_service_is_not_found(guarded: Ports) -> None:
    """A service that does not exist has no health."""
    request = health_pb2.HealthCheckRequest(service="x").SerializeToString()
    assert call(guarded.grpc, CHECK, request=request).code is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_services(ports: Ports) -> None:
    """Without KEY everybody may ask which services there are."""
    names = {service.name for service in reflect(ports.grpc).list_services_response.service}
    assert {"server_proto.Aggregator", "grpc.health.v1.Health"} <= names


def test_reflection_needs_the_token(guarded: Ports, realm: Realm) -> None:
    """With KEY reflection is refused without a token and works with one."""
    with pytest.raises(grpc.RpcError) as refused:
        reflect(guarded.grpc)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reflect(guarded.grpc, *bearing(realm.token())).list_services_response.service


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
def test_a_refusal_fits_every_kind_of_call(guarded: Ports, kind: str) -> None:
    """Whether client or server stream, who has no token is UNAUTHENTICATED."""
    with channel(guarded.grpc) as opened:
        start = getattr(opened, kind)("/x.Y/Z")
        request = iter([b""]) if kind.startswith("stream") else b""
        with pytest.raises(grpc.RpcError) as refused:  # noqa: PT012 - a stream fails when it is read
            ended = start(request, timeout=SECONDS)
            list(ended)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(("size", "pad"), [(12_000, 8_300), (16_300, 11_500)])
def test_long_tokens_are_taken_each_time(guarded: Ports, realm: Realm, size: int, pad: int) -> None:
    """Metadata of 12 kB and more, as a token with many roles makes it, is taken fifty times of fifty."""
    metadata = bearing(realm.token(pad="x" * pad))
    assert size - 400 < len(metadata[0][1]) < size + 400
    with channel(guarded.grpc) as opened:
        codes = {over(opened, metadata=metadata).code for _ in range(50)}
    assert codes == {grpc.StatusCode.OK}


@pytest.mark.parametrize("size", [40_000, 200_000])
def test_huge_metadata_is_refused(guarded: Ports, size: int) -> None:
    """Metadata far beyond any token is refused, and the next call is served."""
    reply = call(guarded.grpc, metadata=[("x", "y" * size)])
    assert reply.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert call(guarded.grpc, CHECK).code is grpc.StatusCode.OK


def test_binary_metadata_is_no_token(guarded: Ports, realm: Realm) -> None:
    """A token under the binary name authorization-bin is ignored."""
    reply = call(guarded.grpc, metadata=[("authorization-bin", f"Bearer {realm.token()}".encode())])
    assert reply.code is grpc.StatusCode.UNAUTHENTICATED


def test_many_calls_on_one_connection(ports: Ports) -> None:
    """Three hundred calls at once on one connection, more than it has streams, are all answered."""
    with channel(ports.grpc) as opened:
        ask = unary(opened)
        calls = [ask.future(b"", timeout=SECONDS) for _ in range(300)]
        assert {pending.result() for pending in calls} == {etim.render(TOPOLOGY, 0)}


def test_the_client_of_ours_understands_it(source: CommandedSource, guarded: Ports, realm: Realm) -> None:
    """The small ETIM client gets the nodes, with a token where one is needed."""
    assert source.failure is None
    model, said = etim_client.ask(f"127.0.0.1:{guarded.grpc}", realm.token())
    assert [node.id for node in model.nodes] == ["k8s-master", "k8s-worker <1>"]
    assert said["x-topology-complete"] == "true"
    with pytest.raises(grpc.RpcError) as refused:
        etim_client.ask(f"127.0.0.1:{guarded.grpc}", None)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_client_prints_a_table() -> None:
    """The table has a line a node, with dashes where nothing is known."""
    nodes = [
        pb.Node(id="a", cpu_architecture="x86_64", resources=pb.ComputeResources(milliCPU=4000, memoryInBytes=2**30)),
        pb.Node(id="longer", labels=["cluster=x", "gpu=1"]),
    ]
    assert etim_client.table(nodes).split("\n") == [
        "ID      ARCHITECTURE  CPU  CPU FREE  MEMORY   MEMORY FREE  LABELS",
        "a       x86_64        4    -         1.0 GiB  -            -",
        "longer  -             -    -         -        -            cluster=x, gpu=1",
    ]
