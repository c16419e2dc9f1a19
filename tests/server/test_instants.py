"""`time=` over HTTP and `x-topology-time` over gRPC: every read returns the topology of a past instant."""

import socket
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from aggregator.errors import NoTopologyError, PastSnapshotError
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.pb.etim import server_pb2
from aggregator.server.grpc.services import TOPOLOGY_SERVICE, build_method_path
from aggregator.views.renderers import RENDERERS
from tests.integration.gateway_process import wait_until
from tests.server.openapi.document import OPENAPI_DOCUMENT, assert_documented_response, fill_path
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import (
    PAST_NOW_SECONDS,
    TOPOLOGY,
    FakeSnapshotProvider,
    build_snapshot,
)
from tests.support.grpc_client import CONNECT_TO_QUERIER_METHOD, CallResult, call_method, open_channel
from tests.support.http_client import ClientResponse, send_request

TIME = "2026-11-20T19:00:00Z"
TIME_SECONDS = 1_795_201_200
PAST_TOPOLOGY = add_version(
    Topology(
        clusters={"icos-cluster-a": Cluster(key="icos-cluster-a", uid="u-1", type="ocm", name="icos-cluster-a")},
        nodes={
            ("icos-cluster-a", "gone"): Node(
                cluster="icos-cluster-a", key="gone", type="ocm", host_id="h-1", name="gone", cpu_cores=2
            )
        },
        oldest_sample_seconds=TIME_SECONDS - 3.0,
    )
)
LISTS = [
    *("topology", "clusters", "clusters/icos-cluster-a", "clusters/icos-cluster-a/nodes", "nodes", "pods"),
    *("clusters/icos-cluster-a/nodes/gone", "clusters/icos-cluster-a/pods", "containers"),
    *("graph?level=nodes", "graph/api/graph/data", "search?query=gone"),
    *("summary/clusters", "summary/nodes", "summary/pods", "summary/containers"),
]
PATHS_WITH_TIME = [
    path
    for path, methods in OPENAPI_DOCUMENT["paths"].items()
    if any(each["name"] == "time" for each in methods.get("get", {}).get("parameters", ()))
    # Those of the graph are the same at any time.
    and not path.endswith("/fields")
]


@pytest.fixture
def source(source: FakeSnapshotProvider) -> FakeSnapshotProvider:
    """The open servers, with another topology in the past."""
    source.past.snapshot = build_snapshot(topology=PAST_TOPOLOGY)
    return source


def get(ports: ServerPorts, path: str, **headers: str) -> ClientResponse:
    """Return the response to a request for the past."""
    separator = "&" if "?" in path else "?"
    return send_request(ports.http, f"{path}{separator}time={quote(TIME)}", headers=tuple(headers.items()))


def count_unanswered(ports: ServerPorts) -> float:
    """Return how many requests have ended without a response."""
    lines = send_request(ports.http, "/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('http_requests_total{code="none"'))


@pytest.mark.parametrize("path", [f"/api/v1/{path}" for path in LISTS])
def test_every_read_returns_the_past(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """With `time=`, the response has the version and time of that topology, and what a current one would contain."""
    answer = get(ports, path)
    assert (answer.status, answer.headers["X-Topology-Time"]) == (200, TIME)
    assert answer.headers["X-Topology-Version"] == PAST_TOPOLOGY.version
    assert answer.headers["X-Topology-Complete"] == "true"
    assert source.past.requested == [TIME_SECONDS]
    source.current_snapshot = source.past.snapshot or source.current_snapshot
    assert send_request(ports.http, path).body == answer.body


@pytest.mark.parametrize("layout", ["1.2.5", "2025"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_legacy_documents_of_the_past(
    source: FakeSnapshotProvider, ports: ServerPorts, layout: str, method: str
) -> None:
    """The legacy layouts are rendered for the instant: ages are those of that time."""
    answer = send_request(ports.http, f"/any/path?layout={layout}&time={TIME}", method)
    assert (answer.status, answer.headers["X-Topology-Time"]) == (200, TIME)
    assert answer.body == RENDERERS[layout](PAST_TOPOLOGY, float(TIME_SECONDS))
    assert answer.json()["timestamp"]["timeSinceOldest"] == 3
    assert source.past.requested == [TIME_SECONDS]


@pytest.mark.parametrize("path", ["/", "/api/v1/nodes", "/api/v1/topology"])
def test_without_time_nothing_changes(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """Without `time=`, or with an empty one, the response is the current one."""
    current = send_request(ports.http, path)
    empty = send_request(ports.http, f"{path}?time=")
    assert current.headers["X-Topology-Version"] == empty.headers["X-Topology-Version"] == TOPOLOGY.version
    assert current.body == empty.body
    assert source.past.requested == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795201200", TIME_SECONDS),
        ("1795201200.75", TIME_SECONDS),
        ("2026-11-20T21:00:00%2B02:00", TIME_SECONDS),
        ("-1h30m", int(PAST_NOW_SECONDS) - 5400),
    ],
)
def test_the_forms_of_time(source: FakeSnapshotProvider, ports: ServerPorts, text: str, expected: int) -> None:
    """RFC 3339, Unix seconds and durations before now name an instant in whole seconds."""
    assert send_request(ports.http, f"/api/v1/nodes?time={text}").status == 200
    assert send_request(ports.http, f"/?time={text}").status == 200
    assert source.past.requested == [expected, expected]


HOSTILE_TIMES = [
    *("NaN", "inf", "1e400", "-5", "yesterday", "9" * 5000, "%00", "%ff", "2026-11-20T21:00:00+02:00", "{}", "-1h;-2h"),
    *("%ED%A0%80", "1795201200000", "253402300800", "-99999y", "0001-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("text", HOSTILE_TIMES)
@pytest.mark.parametrize("path", ["/", "/api/v1/nodes", "/api/v1/topology", "/api/v1/quality", "/api/v1/summary/nodes"])
def test_hostile_times_are_refused(source: FakeSnapshotProvider, ports: ServerPorts, path: str, text: str) -> None:
    """An invalid time is a bad request that says what is expected, and collects nothing."""
    answer = send_request(ports.http, f"{path}?time={text}")
    assert answer.status == 400
    assert_documented_response(answer, path, "get")
    assert source.past.requested == []


INVALID_QUERIES = [
    *("nodes?filter=cpu_cores>>1", "nodes?labels=!", "nodes?fields=cores", "nodes?limit=0", "nodes?continue=x"),
    *("topology?fields=cores", "clusters?depth=4", "graph?filter=x=", "graph?limit=0", "graph?level=pods&labels=a"),
    *("search?limit=0", f"search?query={'x' * 101}", "summary/nodes?filter=cores=1", "summary/nodes?labels=!"),
    *(f"diff?from={TIME}&limit=0", f"diff?from={TIME}&kind=nodes&filter=cores=1"),
    f"diff?from={TIME}&to=2096-11-20T19:00:00Z",
]


@pytest.mark.parametrize("path", INVALID_QUERIES)
def test_invalid_requests_collect_nothing(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """A request whose other parameters are invalid is refused before the past topology is collected."""
    time = "" if path.startswith("diff") else f"&time={TIME}"
    answer = send_request(ports.http, f"/api/v1/{path.replace('>', '%3E')}{time}")
    assert answer.status == 400
    assert source.past.requested == []


def test_invalid_candidate_requests_collect_nothing(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A workload that is invalid is refused before the past topology is collected."""
    answer = send_request(ports.http, f"/api/v1/candidates?time={TIME}", "POST", body=b'{"cpuCores":-1}')
    assert (answer.status, source.past.requested) == (400, [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/?time={TIME}"),
        *(("GET", f"/api/v1/{path}?time={TIME}") for path in ("nodes", "topology", "quality")),
        ("GET", f"/api/v1/diff?from={TIME}"),
        ("POST", f"/api/v1/candidates?time={TIME}"),
    ],
)
def test_a_client_that_disconnects_gives_up_its_place(
    source: FakeSnapshotProvider, ports: ServerPorts, method: str, path: str
) -> None:
    """Once its client has disconnected, a request waits for no collection any longer, and is counted as unanswered."""
    source.past.is_blocked = True
    unanswered_count = count_unanswered(ports)
    with socket.create_connection(("127.0.0.1", ports.http)) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        wait_until(lambda: source.past.waiting_count == 1, "the request to wait")
    wait_until(lambda: source.past.waiting_count == 0, "the request to end")
    wait_until(lambda: count_unanswered(ports) == unanswered_count + 1, "the request to be counted")


def test_repeated_times(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Under /api/v1, a repeated parameter is refused; the legacy topology uses the last one, as of all parameters."""
    query = f"?time=-5h&time={TIME}"
    refused = send_request(ports.http, f"/api/v1/nodes{query}")
    assert (refused.status, refused.json()["detail"]) == (400, "time must be given only once")
    assert send_request(ports.http, f"/{query}").headers["X-Topology-Time"] == TIME
    assert source.past.requested == [TIME_SECONDS]


@pytest.mark.parametrize("path", ["/", "/api/v1/nodes", "/api/v1/topology", "/api/v1/search", "/api/v1/graph"])
def test_a_past_topology_cannot_be_waited_for(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """`wait` and `time` together are an error."""
    answer = send_request(ports.http, f"{path}?time={TIME}&wait=1s")
    assert answer.status == 400
    assert b"wait cannot be combined with time" in answer.body
    assert source.past.requested == []


@pytest.mark.parametrize("path", ["/", "/api/v1/nodes", "/api/v1/topology"])
def test_past_responses_have_entity_tags(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """A client that has the response gets 304, also with `no-cache`, which causes no refresh."""
    tag = get(ports, path).headers["ETag"]
    headers = {"If-None-Match": tag, "Cache-Control": "no-cache"}
    answer = get(ports, path, **headers)
    assert (answer.status, answer.headers["X-Topology-Time"]) == (304, TIME)
    assert source.fresh_wait_count == 0


def test_pages_of_the_past(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The next page of a past list is from the same topology, with and without `time`."""
    nodes = {("c", f"n{number}"): Node(cluster="c", key=f"n{number}", name=f"n{number}") for number in range(5)}
    topology = Topology(clusters={"c": Cluster(key="c", uid="c", name="c")}, nodes=nodes)
    source.past.snapshot = build_snapshot(topology=add_version(topology))
    first = get(ports, "/api/v1/nodes?limit=2").json()
    for time in ("", f"&time={TIME}"):
        page = send_request(ports.http, f"/api/v1/nodes?limit=2&continue={first['continueToken']}{time}")
        assert [node["name"] for node in page.json()["nodes"]] == ["n2", "n3"]
        assert page.headers["X-Topology-Time"] == TIME


def test_candidates_of_the_past(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A workload is placed on the nodes of that time."""
    answer = send_request(ports.http, f"/api/v1/candidates?time={TIME}", "POST", body=b"{}")
    assert (answer.status, answer.headers["X-Topology-Time"]) == (200, TIME)
    assert [each["node"] for each in answer.json()["candidates"]] == ["gone"]
    assert source.past.requested == [TIME_SECONDS]


def test_the_quality_of_the_past(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The quality of an instant is that of its collection."""
    answer = get(ports, "/api/v1/quality")
    assert (answer.status, source.past.requested) == (200, [TIME_SECONDS])
    assert answer.json()["topologyVersion"] == source.current_quality.topology_version


@pytest.mark.parametrize("path", PATHS_WITH_TIME)
def test_unavailable_instants_say_when_to_retry(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """If there is no snapshot of an instant now, every path returns 503 with Retry-After."""
    source.past.failure = PastSnapshotError("too many past instants", retry_after_seconds=6.2)
    answer = get(ports, fill_path(path, "get"))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert b"too many past instants" in answer.body
    assert_documented_response(answer, path, "get")


@pytest.mark.parametrize("path", PATHS_WITH_TIME)
def test_instants_before_the_data_are_not_found(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """At a time without data, every path returns 404 and says so."""
    answer = send_request(ports.http, f"{fill_path(path, 'get')}?time=0")
    assert answer.status == 404
    assert b"no topology at 1970-01-01T00:00:00Z" in answer.body
    assert_documented_response(answer, path, "get")
    assert source.past.requested == [0]


def test_the_past_needs_no_current_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Without a current topology, past instants are served."""
    source.failure = NoTopologyError("no topology yet")
    assert send_request(ports.http, "/api/v1/nodes").status == 503
    assert [get(ports, path).status for path in ("/", "/api/v1/nodes", "/api/v1/topology")] == [200, 200, 200]


# --- gRPC

REQUESTS: list[tuple[str, Message]] = [
    ("GetTopology", pb.GetTopologyRequest()),
    ("ListClusters", pb.ListClustersRequest()),
    ("GetCluster", pb.GetClusterRequest(cluster="icos-cluster-a")),
    ("ListNodes", pb.ListNodesRequest()),
    ("GetNode", pb.GetNodeRequest(cluster="icos-cluster-a", node="gone")),
    ("ListPods", pb.ListPodsRequest()),
    ("ListContainers", pb.ListContainersRequest()),
    ("FindCandidates", pb.FindCandidatesRequest()),
]


def call(ports: ServerPorts, method: str, request: bytes = b"", *times: str) -> CallResult:
    """Call a method for an instant."""
    metadata = [("x-topology-time", time) for time in times or (TIME,)]
    return call_method(ports.grpc, method, metadata, request)


@pytest.mark.parametrize(
    ("name", "request_message"), REQUESTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_method_returns_the_past(
    source: FakeSnapshotProvider, ports: ServerPorts, name: str, request_message: Message
) -> None:
    """With `x-topology-time` in its metadata, a method returns what it would have returned at that time."""
    request = request_message.SerializeToString()
    reply = call(ports, build_method_path(name), request)
    assert (reply.code, reply.details) == (grpc.StatusCode.OK, "")
    assert reply.trailing_metadata["x-topology-time"] == TIME
    assert reply.trailing_metadata["x-topology-version"] == PAST_TOPOLOGY.version
    source.current_snapshot = source.past.snapshot or source.current_snapshot
    assert call_method(ports.grpc, build_method_path(name), request=request).body == reply.body


def test_etim_clients_read_the_past(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The request of the ETIM contract has no fields; the metadata selects the instant there, too."""
    reply = call(ports, CONNECT_TO_QUERIER_METHOD)
    assert [node.id for node in server_pb2.InfrastructureModel.FromString(reply.body).nodes] == ["gone"]
    assert (reply.trailing_metadata["x-topology-time"], source.past.requested) == (TIME, [TIME_SECONDS])


def test_the_stream_and_the_quality_of_the_past(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """StreamTopology and GetQuality read the instant, too, and a known version is that of the instant."""
    assert call(ports, build_method_path("GetQuality")).code is grpc.StatusCode.OK
    known = pb.GetTopologyRequest(known_version=PAST_TOPOLOGY.version).SerializeToString()
    assert pb.Topology.FromString(call(ports, build_method_path("GetTopology"), known).body).clusters == []
    with open_channel(ports.grpc) as channel:
        stream: Any = channel.unary_stream(build_method_path("StreamTopology"))
        chunks = list(stream(b"", timeout=10, metadata=(("x-topology-time", TIME),)))
    assert {pb.Topology.FromString(chunk).version for chunk in chunks} == {PAST_TOPOLOGY.version}
    assert source.past.requested == [TIME_SECONDS] * 3


@pytest.mark.parametrize("times", [("soon",), ("NaN",), ("-1h", "-1h"), ("9" * 5000,)])
def test_invalid_metadata(source: FakeSnapshotProvider, ports: ServerPorts, times: tuple[str, ...]) -> None:
    """An invalid or repeated time is INVALID_ARGUMENT; the text names the key."""
    for method in (CONNECT_TO_QUERIER_METHOD, build_method_path("ListNodes")):
        reply = call(ports, method, b"", *times)
        assert reply.code is grpc.StatusCode.INVALID_ARGUMENT
        assert reply.details.startswith("x-topology-time must be ")
    assert source.past.requested == []


@pytest.mark.parametrize(
    ("name", "request_message"),
    [
        ("ListNodes", pb.ListNodesRequest(filter="cores=1")),
        ("ListNodes", pb.ListNodesRequest(label_selector="!")),
        ("ListNodes", pb.ListNodesRequest(limit=-1)),
        ("ListPods", pb.ListPodsRequest(continue_token="x")),
        ("GetNode", pb.GetNodeRequest(cluster="icos-cluster-a", node="gone", depth=1)),
        ("GetTopology", pb.GetTopologyRequest(known_version="v", fields=FieldMask(paths=["cores"]))),
        ("FindCandidates", pb.FindCandidatesRequest(cpu_cores=-1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_messages_collect_nothing(
    source: FakeSnapshotProvider, ports: ServerPorts, name: str, request_message: Message
) -> None:
    """A request message that is invalid is refused before the past topology is collected."""
    reply = call(ports, build_method_path(name), request_message.SerializeToString())
    assert (reply.code, source.past.requested) == (grpc.StatusCode.INVALID_ARGUMENT, [])


def test_errors_over_grpc(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Before the data NOT_FOUND, and UNAVAILABLE if there is no snapshot now."""
    method = build_method_path("ListNodes")
    assert call(ports, method, b"", "0").code is grpc.StatusCode.NOT_FOUND
    source.past.failure = PastSnapshotError("too many past instants")
    reply = call(ports, method)
    assert (reply.code, reply.details) == (grpc.StatusCode.UNAVAILABLE, "too many past instants")


def test_every_method_is_tested() -> None:
    """The tests above call each method of the service."""
    tested = {name for name, _ in REQUESTS} | {"StreamTopology", "GetQuality", "GetPod", "DiffTopology"}
    assert {method.name for method in TOPOLOGY_SERVICE.methods} - {"WatchTopology"} == tested
