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


def test_a_watch_that_is_cancelled_is_forgotten(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The number of open watches is a metric, which falls when a client cancels the call."""
    gauge = b'aggregator_watches{server="grpc"} '
    source.current_snapshot = build_snapshot(topology=FIRST)
    with open_watch(ports.grpc) as stream:
        assert stream.read() == "completeness"
        assert gauge + b"1.0" in send_request(ports.http, "/metrics").body
    wait_until(lambda: gauge + b"0.0" in send_request(ports.http, "/metrics").body, "the watch to be forgotten")


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


def test_unread_watches_leave_other_calls_their_budget() -> None:
    """Watches whose clients do not read have a budget of their own: it refuses watches, and no other call."""
    options = ServerOptions(grpc=GrpcServerOptions(max_unread_bytes=1, max_unread_watch_bytes=1))
    refused = (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many unread responses")
    with (
        run_servers(FakeSnapshotProvider(), None, options=options) as ports,
        open_http2_connection(ports.grpc, window=0) as connection,
    ):
        connection.send(encode_call(1, METHOD.encode()))
        assert any(kind == HEADERS for kind, _payload in connection.iter_frames())
        with open_watch(ports.grpc) as stream:
            assert stream.read_status() == refused
        assert call_method(ports.grpc).code is grpc.StatusCode.OK


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
