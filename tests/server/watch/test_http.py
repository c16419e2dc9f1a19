"""GET /api/v1/watch: the stream, how it continues and ends, and what is refused."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from aggregator.errors import NoTopologyError
from aggregator.lookup.watch_events import WatchEvent
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, add_version
from aggregator.refresh.snapshot import Gap, GapKind, Snapshot
from aggregator.server.auth.jwt import LEEWAY_SECONDS
from tests.integration.gateway_process import wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.openapi.document import OPENAPI_DOCUMENT, WATCH_PATH, list_examples
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.server.watch.copies import JsonCopy
from tests.support.http_client import open_http_connection, send_request

NODE = Node(cluster="icos-south", key="n", id="u/n", cpu_cores=4, cpu_usage_percent=10)
POD = Pod(cluster="icos-south", key="p", id="p-1", name="p", namespace="d", containers={"x": Container("x", 0.5)})


def build_topology(*objects: Node | Pod) -> Topology:
    """Return a topology with one cluster and these objects."""
    return add_version(
        Topology(
            clusters={"icos-south": Cluster(key="icos-south", uid="u", name="icos-south")},
            nodes={(each.cluster, each.key): each for each in objects if isinstance(each, Node)},
            pods={(each.cluster, each.key): each for each in objects if isinstance(each, Pod)},
        )
    )


FIRST = build_topology(NODE, POD)
BUSY = build_topology(replace(NODE, cpu_usage_percent=90), POD)
CORDONED = build_topology(replace(NODE, is_unschedulable=True), POD)


class Stream:
    """An open watch."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response
        self.copy = JsonCopy()

    def read(self) -> str:
        """Read and apply one event, and return its name; "" at the end of the stream."""
        lines = []
        while (line := self.response.readline()) not in (b"\n", b""):
            lines.append(line)
        if not lines:
            return ""
        event = WatchEvent(lines[0].decode().removeprefix("event: ").strip(), b"".join((*lines, b"\n")))
        self.copy.apply(event)
        return event.name


@contextmanager
def open_watch(port: int, query: str = "", **headers: str) -> Iterator[Stream]:
    """Return an open watch."""
    connection = open_http_connection(port)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"{WATCH_PATH}{query}", headers=fields)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        yield Stream(response)
    finally:
        connection.close()


def test_a_snapshot_and_then_changes(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A watch sends whether data is missing, all objects, and after each refresh the fields that changed."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.http) as stream:
        headers = stream.response.headers
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        assert (stream.copy.version, stream.copy.is_complete) == (FIRST.version, True)
        source.publish(build_snapshot(topology=BUSY))
        assert stream.read() == "changes"
        assert b'"cpuUsagePercent":90' in stream.copy.list_objects()["nodes", "icos-south", "u/n"]
        assert stream.copy.version == BUSY.version


def test_a_watch_of_structure_has_no_measurements(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """With changes=structure, measurements are in no event, and a change of them is a bookmark."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.http, "?changes=structure") as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        assert b"cpuUsage" not in b"".join(stream.copy.list_objects().values())
        source.publish(build_snapshot(topology=BUSY))
        assert stream.read() == "bookmark"
        source.publish(build_snapshot(topology=CORDONED))
        assert stream.read() == "changes"
        assert b'"isUnschedulable":true' in stream.copy.list_objects()["nodes", "icos-south", "u/n"]


@pytest.mark.parametrize("way", ["Last_Event_ID", "known_version"])
def test_a_watch_continues_after_a_known_version(source: FakeSnapshotProvider, ports: ServerPorts, way: str) -> None:
    """A client that has a recent version gets the changes since then, without a snapshot."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    source.publish(build_snapshot(topology=BUSY))
    source.publish(build_snapshot(topology=CORDONED))
    headers = {way: FIRST.version} if way == "Last_Event_ID" else {}
    with open_watch(ports.http, "" if headers else f"?known_version={FIRST.version}", **headers) as stream:
        assert stream.read() == "completeness"
        line = stream.response.readline() + stream.response.readline() + stream.response.readline()
        assert line.startswith(f"event: changes\nid: {CORDONED.version}\n".encode())
        assert f'"previousVersion":"{FIRST.version}"'.encode() in line


def test_a_known_version_that_is_current_is_confirmed(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A client that has the current version gets a bookmark."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.http, Last_Event_ID=FIRST.version) as stream:
        assert [stream.read(), stream.read()] == ["completeness", "bookmark"]


def test_an_unknown_version_starts_again(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A client whose version is not known is told to forget its objects, and gets a snapshot."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.http, Last_Event_ID="0123") as stream:
        assert [stream.read(), stream.read(), stream.read()] == ["completeness", "restart", "snapshot"]
        assert stream.copy.version == FIRST.version


def test_missing_data_is_reported(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A watch learns what is missing, also when there is no topology any longer, and when there is one again."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.http) as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        source.publish(build_snapshot(Gap(GapKind.FAILED, "memory", "HTTP 503"), topology=FIRST))
        assert stream.read() == "completeness"
        assert (stream.copy.is_complete, stream.copy.gaps) == (False, ["memory: query failed: HTTP 503"])
        source.failure = NoTopologyError("the last topology is too old")
        source.publish(source.current_snapshot)
        assert stream.read() == "completeness"
        assert stream.copy.gaps == ["refresh: query failed: the last topology is too old"]
        source.failure = None
        source.publish(build_snapshot(topology=BUSY))
        assert [stream.read(), stream.read()] == ["completeness", "changes"]
        assert (stream.copy.is_complete, stream.copy.version) == (True, BUSY.version)


def test_a_gap_that_grows_older_is_reported_once(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The age of a stale response, or of a disappearance, changes with each refresh and is not in the text of a gap."""

    def build_stale(age_seconds: int, topology: Topology) -> Snapshot:
        old = Gap(GapKind.STALE, "up", f"{age_seconds} s old, because refused", detail_without_age="refused")
        return build_snapshot(old, topology=topology)

    source.current_snapshot = build_stale(10, FIRST)
    with open_watch(ports.http) as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        assert stream.copy.gaps == ["up: stale response: refused"]
        source.publish(build_stale(20, BUSY))
        assert stream.read() == "changes"


def test_a_watch_ends_when_the_process_stops(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The last event says that the server is stopping, and the response is complete."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.http) as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        source.is_stopping = True
        source.publish(source.current_snapshot)
        assert [stream.read(), stream.read()] == ["end", ""]
        assert stream.copy.end_reason == "the server is stopping"


@pytest.mark.parametrize(
    ("known_version", "names"),
    [
        ("", ["completeness", "snapshot", "end"]),
        (FIRST.version, ["completeness", "changes", "end"]),
        (BUSY.version, ["completeness", "bookmark", "end"]),
        ("0123", ["completeness", "restart", "snapshot", "end"]),
    ],
)
def test_a_watch_without_time_ends_when_the_client_is_up_to_date(
    source: FakeSnapshotProvider, ports: ServerPorts, known_version: str, names: list[str]
) -> None:
    """With timeout=0, as with wait=0, a client gets what there is, and the response ends."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    source.publish(build_snapshot(topology=BUSY))
    for timeout in ("0", "0s", "0ms"):
        answer = send_request(ports.http, f"{WATCH_PATH}?timeout={timeout}&known_version={known_version}")
        events = answer.body.decode().removesuffix("\n\n").split("\n\n")
        assert [event.partition("\n")[0].removeprefix("event: ") for event in events] == names


def test_a_watch_ends_after_its_timeout(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A watch with a timeout is a response with an end."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    answer = send_request(ports.http, f"{WATCH_PATH}?timeout=200ms")
    assert answer.status == 200
    assert answer.body.endswith(b'event: end\ndata: {"reason":"the timeout of the watch has passed"}\n\n')


def test_a_watch_ends_with_its_token(
    guarded_source: FakeSnapshotProvider, guarded: ServerPorts, realm: FakeRealm
) -> None:
    """A watch does not outlive its token; the last event says so."""
    guarded_source.current_snapshot = build_snapshot(topology=FIRST)
    # Valid for a few more seconds, with the leeway for clocks.
    token = realm.issue_token(exp=int(time.time()) - LEEWAY_SECONDS + 5)
    with open_watch(guarded.http, Authorization=f"Bearer {token}") as stream:
        names = []
        while name := stream.read():
            names.append(name)
        assert names == ["completeness", "snapshot", "end"]
        assert stream.copy.end_reason == "the token has expired"
    assert send_request(guarded.http, WATCH_PATH).status == 401


def test_a_watch_that_is_closed_is_forgotten(ports: ServerPorts, source: FakeSnapshotProvider) -> None:
    """The number of open watches is a metric, which falls when a client disconnects."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    gauge = b'aggregator_watches{server="http"} '
    with open_watch(ports.http) as stream:
        assert stream.read() == "completeness"
        assert gauge + b"1.0" in send_request(ports.http, "/metrics").body
    wait_until(lambda: gauge + b"0.0" in send_request(ports.http, "/metrics").body, "the watch to be forgotten")


def test_the_duration_of_a_watch_is_not_counted(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Watches are not among the durations of requests, which say how fast the gateway answers."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    assert send_request(ports.http, f"{WATCH_PATH}?timeout=1ms").status == 200
    assert b'http_request_duration_seconds_count{handler="api",route="watch"}' not in (
        send_request(ports.http, "/metrics").body
    )


def test_the_number_of_watches_is_limited(source: FakeSnapshotProvider) -> None:
    """A watch over the limit is refused, with the time after which to try again."""
    source.next_refresh_seconds = 7
    with run_servers(source, None, options=ServerOptions(max_watches=1)) as ports, open_watch(ports.http) as stream:
        assert stream.read() == "completeness"
        answer = send_request(ports.http, WATCH_PATH)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert answer.json()["detail"] == "too many watches are open"


def test_head_has_headers_alone(ports: ServerPorts) -> None:
    """HEAD returns the headers of a watch and ends."""
    answer = send_request(ports.http, WATCH_PATH, "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        ("kind=containers", "kind", "kind: containers are parts of pods"),
        ("kind=hosts", "kind", "kind: unknown kind 'hosts'"),
        ("filter=name=x", "kind", "filter requires a kind of objects"),
        ("depth=2", "kind", "depth requires a kind of objects"),
        ("kind=pods&labels=a", "labels", "labels applies only to kind=nodes"),
        ("kind=nodes&filter=last_seen_time%3E-5m", "filter", "filter: relative times are not possible for changes"),
        ("kind=nodes&filter=colour=red", "filter", "filter: nodes have no field colour"),
        (
            "kind=clusters&filter=node.architecture=x",
            "filter",
            "filter: changes of clusters cannot be selected by node.",
        ),
        ("kind=clusters&fields=pods.name", "fields", "fields: changes of clusters have no pods"),
        ("kind=clusters&depth=2", "fields", "fields: changes of clusters have no nodes"),
        ("changes=some", "changes", "changes must be all or structure, got 'some'"),
        ("min_interval=9h", "min_interval", "min_interval must be a duration of at most 60s"),
        ("timeout=-1s", "timeout", "timeout must be a duration of at most 60s"),
        ("colour=red", "colour", "unknown parameter 'colour'"),
    ],
)
def test_invalid_watches_are_refused(ports: ServerPorts, query: str, parameter: str, detail: str) -> None:
    """An invalid parameter is an error that names it, before anything is streamed."""
    answer = send_request(ports.http, f"{WATCH_PATH}?{query}")
    problem = answer.json()
    assert (answer.status, problem["parameter"]) == (400, parameter)
    assert problem["detail"].startswith(detail)


def test_an_unknown_cluster_is_refused(ports: ServerPorts, source: FakeSnapshotProvider) -> None:
    """The watch of a cluster that does not exist is an error, unless the client has seen it."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    assert send_request(ports.http, f"{WATCH_PATH}?cluster=north").status == 404
    with open_watch(ports.http, "?cluster=north&known_version=0123") as stream:
        assert [stream.read(), stream.read(), stream.read()] == ["completeness", "restart", "snapshot"]


def test_without_a_topology_a_watch_is_refused(ports: ServerPorts, source: FakeSnapshotProvider) -> None:
    """A watch cannot begin without a topology."""
    source.failure = NoTopologyError("no topology yet")
    assert send_request(ports.http, WATCH_PATH).status == 503


def list_example_queries() -> list[tuple[str, str]]:
    """Return each example of each query parameter in the OpenAPI document."""
    parameters = OPENAPI_DOCUMENT["paths"][WATCH_PATH]["get"]["parameters"]
    return [(each["name"], str(value)) for each in parameters if each["in"] == "query" for value in list_examples(each)]


@pytest.mark.parametrize(("name", "value"), list_example_queries())
def test_every_example_of_a_parameter_works(
    source: FakeSnapshotProvider, ports: ServerPorts, name: str, value: str
) -> None:
    """Each documented example of a parameter opens a stream."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    kind = "kind=nodes&" if name == "depth" else ""
    with open_watch(ports.http, f"?{kind}{name}={value}") as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]


def test_the_documented_stream_is_valid() -> None:
    """The examples of events in the OpenAPI document can be read by a client."""
    operation = OPENAPI_DOCUMENT["paths"][WATCH_PATH]["get"]
    copy = JsonCopy()
    for event in list_examples(operation["responses"]["200"]["content"]["text/event-stream"]):
        text = "".join(f"{name}: {event[name]}\n" for name in ("event", "id", "data") if name in event)
        copy.apply(WatchEvent(event["event"], f"{text}\n".encode()))
    assert copy.version == "0d52"
    assert b'"isUnschedulable":true' in copy.list_objects()["nodes", "icos-south", "u1/m1"]
