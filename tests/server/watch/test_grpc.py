"""WatchTopology over gRPC: the same stream as over HTTP, as messages."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.auth.jwt import LEEWAY_SECONDS
from aggregator.server.grpc.limits import GrpcServerOptions
from tests.integration.gateway_process import wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.server.watch.copies import MessageCopy
from tests.server.watch.test_http import BUSY, CORDONED, FIRST
from tests.support.grpc_client import CALL_TIMEOUT_SECONDS, call_method, open_channel
from tests.support.http2 import HEADERS, encode_call, open_http2_connection
from tests.support.http_client import send_request

METHOD = "/aggregator.v1.TopologyService/WatchTopology"


class Stream:
    """An open watch."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.copy = MessageCopy()

    def read(self) -> str:
        """Read and apply one message, and return the name of its event."""
        message = pb.WatchEvent.FromString(next(self.call))
        self.copy.apply_message(message)
        return str(message.WhichOneof("event"))

    def read_status(self) -> tuple[grpc.StatusCode, str]:
        """Return the status with which the stream ends."""
        with pytest.raises(grpc.RpcError):
            list(self.call)
        return self.call.code(), self.call.details()


@contextmanager
def open_watch(port: int, metadata: tuple[tuple[str, str], ...] = (), **fields: Any) -> Iterator[Stream]:
    """Return an open watch."""
    with open_channel(port) as channel:
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
        request = pb.WatchTopologyRequest(**fields).SerializeToString()
        call = watch(request, timeout=CALL_TIMEOUT_SECONDS, metadata=metadata)
        yield Stream(call)
        call.cancel()


def test_a_snapshot_and_then_changes(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A watch sends all objects, and then only the fields that changed, with their names."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.grpc) as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        source.publish(build_snapshot(topology=BUSY))
        changes = pb.WatchEvent.FromString(next(stream.call)).changes
        assert (changes.previous_version, changes.version) == (FIRST.version, BUSY.version)
        (change,) = changes.changes
        assert (change.type, change.kind, change.id, change.name) == ("MODIFIED", "nodes", "u/n", "n")
        assert list(change.changed_fields) == ["available_cpu_cores", "cpu_usage_percent"]
        assert change.object.node == pb.Node(cpu_usage_percent=90, available_cpu_cores=0.3999999999999999)


def test_a_watch_of_structure_continues(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A watch of structure with fields of one kind continues after a known version."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    source.publish(build_snapshot(topology=BUSY))
    fields = FieldMask(paths=["name", "is_unschedulable"])
    with open_watch(
        ports.grpc, kind="nodes", changes="structure", fields=fields, known_version=FIRST.version
    ) as stream:
        stream.copy.version = FIRST.version
        assert [stream.read(), stream.read()] == ["completeness", "bookmark"]
        source.publish(build_snapshot(topology=CORDONED))
        changes = pb.WatchEvent.FromString(next(stream.call)).changes
        assert changes.changes[0].object.node == pb.Node(is_unschedulable=True)


def test_a_watch_ends_when_the_process_stops(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The status says that the server is stopping, so that the client tries another replica."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.grpc) as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        source.is_stopping = True
        source.publish(source.current_snapshot)
        assert stream.read_status() == (grpc.StatusCode.UNAVAILABLE, "the server is stopping")


def test_a_watch_ends_with_its_token(
    guarded_source: FakeSnapshotProvider, guarded: ServerPorts, realm: FakeRealm
) -> None:
    """A watch does not outlive its token."""
    guarded_source.current_snapshot = build_snapshot(topology=FIRST)
    # Valid for a few more seconds, with the leeway for clocks.
    token = realm.issue_token(exp=int(time.time()) - LEEWAY_SECONDS + 5)
    with open_watch(guarded.grpc, (("authorization", f"Bearer {token}"),)) as stream:
        assert [stream.read(), stream.read()] == ["completeness", "snapshot"]
        code, details = stream.read_status()
        assert (code, details) == (grpc.StatusCode.UNAUTHENTICATED, "the token expired during the call")


def count_watches(ports: ServerPorts) -> int:
    """Return the number of open watches over gRPC, from the metric."""
    body = send_request(ports.http, "/metrics").body
    return int(float(body.partition(b'aggregator_watches{server="grpc"} ')[2].partition(b"\n")[0]))


def test_a_watch_that_is_cancelled_is_forgotten(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The number of open watches is a metric, which falls when a client cancels the call."""
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.grpc) as stream:
        assert stream.read() == "completeness"
        assert count_watches(ports) == 1
    wait_until(lambda: count_watches(ports) == 0, "the watch to be forgotten")


def test_the_number_of_watches_is_limited() -> None:
    """A watch over the limit is refused."""
    options = ServerOptions(grpc=GrpcServerOptions(max_watches=1))
    with run_servers(FakeSnapshotProvider(), None, options=options) as ports, open_watch(ports.grpc) as stream:
        assert stream.read() == "completeness"
        with open_watch(ports.grpc) as refused:
            assert refused.read_status() == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watches are open")


def test_more_watches_than_other_streams() -> None:
    """Watches are not counted as other streaming calls, of which there may be 100."""
    with run_servers(FakeSnapshotProvider(), None) as ports, open_channel(ports.grpc) as channel:
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
        calls = [watch(b"", timeout=CALL_TIMEOUT_SECONDS) for _ in range(150)]
        for call in calls:
            assert pb.WatchEvent.FromString(next(call)).completeness.complete
        for call in calls:
            call.cancel()


@contextmanager
def open_unread_watch(port: int) -> Iterator[None]:
    """Open a watch whose client reads nothing, and wait until its first event waits for the client."""
    with open_http2_connection(port, window=0) as connection:
        connection.send(encode_call(1, METHOD.encode()))
        assert any(kind == HEADERS for kind, _payload in connection.iter_frames())
        yield


def test_unread_watches_delay_only_watches() -> None:
    """While the events of other watches are unread, a watch waits for room, and other calls are answered."""
    options = ServerOptions(grpc=GrpcServerOptions(max_unread_bytes=1, max_unread_watch_bytes=1))
    with run_servers(FakeSnapshotProvider(), None, options=options) as ports, open_channel(ports.grpc) as channel:
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
        with open_unread_watch(ports.grpc):
            call: Any = watch(b"", timeout=CALL_TIMEOUT_SECONDS)
            wait_until(lambda: count_watches(ports) == 2, "the second watch to begin")
            assert call_method(ports.grpc).code is grpc.StatusCode.OK
            assert call.is_active()
        assert [pb.WatchEvent.FromString(next(call)).WhichOneof("event") for _ in range(2)] == [
            "completeness",
            "snapshot",
        ]
        call.cancel()


def test_a_watch_whose_client_does_not_read_ends() -> None:
    """A client that does not read an event in time is disconnected, and holds nothing any longer."""
    options = ServerOptions(grpc=GrpcServerOptions(watch_write_timeout_seconds=0.2, max_unread_watch_bytes=1))
    with run_servers(FakeSnapshotProvider(), None, options=options) as ports, open_unread_watch(ports.grpc):
        wait_until(lambda: count_watches(ports) == 0, "the unread watch to end")
        with open_watch(ports.grpc) as stream:
            assert [stream.read(), stream.read()] == ["completeness", "snapshot"]


def test_the_watch_of_a_past_instant_is_refused(ports: ServerPorts) -> None:
    """A watch is about the present."""
    with open_watch(ports.grpc, (("x-topology-time", "-1h"),)) as stream:
        expected = "a watch begins now and cannot have x-topology-time"
        assert stream.read_status() == (grpc.StatusCode.INVALID_ARGUMENT, expected)


@pytest.mark.parametrize(
    ("fields", "details"),
    [
        ({"kind": "containers"}, "kind: containers are parts of pods"),
        ({"filter": "name=x"}, "filter requires a kind of objects"),
        ({"min_interval": Duration(seconds=61)}, "min_interval must be between 0 and 60 seconds, got 61"),
        ({"min_interval": Duration(seconds=-1)}, "min_interval must be between 0 and 60 seconds, got -1"),
    ],
)
def test_invalid_watches_are_refused(ports: ServerPorts, fields: dict[str, Any], details: str) -> None:
    """An invalid field is an error that names it."""
    with open_watch(ports.grpc, **fields) as stream:
        code, text = stream.read_status()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert text.startswith(details)
