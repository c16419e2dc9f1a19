"""WatchTopology over gRPC: the same stream as over HTTP, as messages."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from aggregator.models.topology import Pod
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.auth.guard import AccessPolicy, Guard, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.server.auth.jwt import LEEWAY_SECONDS
from aggregator.server.grpc.limits import GrpcServerOptions
from aggregator.settings.auth import RSA_ALGORITHMS
from tests.integration.gateway_process import wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.server.watch.copies import MessageCopy
from tests.server.watch.test_http import BUSY, CORDONED, FIRST, build_topology
from tests.support.grpc_client import CALL_TIMEOUT_SECONDS, call_method, open_channel
from tests.support.http2 import DATA, encode_call, open_http2_connection
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


# The snapshot with these is an event that waits for the budget.
MANY_PODS = [Pod(cluster="icos-south", key=f"p{number}", id=f"p-{number}", name="p" * 100) for number in range(100)]
# One event of a watch may be unread at a time.
SMALL_BUDGET = GrpcServerOptions(max_unread_bytes=1, max_unread_watch_bytes=1)
# Room for the first event, and for the beginning of the snapshot.
WINDOW_BYTES = 1000


@contextmanager
def open_unread_watch(port: int, metadata: Mapping[bytes, bytes] = MappingProxyType({})) -> Iterator[None]:
    """Open a watch whose client does not read the snapshot, and wait until the snapshot waits for the client."""
    with open_http2_connection(port, WINDOW_BYTES) as connection:
        connection.send(encode_call(1, METHOD.encode(), metadata))
        received_bytes = 0
        while received_bytes < WINDOW_BYTES:
            kind, payload = connection.receive_frame() or (DATA, b"")
            assert kind != DATA or payload
            received_bytes += len(payload) if kind == DATA else 0
        yield


@contextmanager
def run_small_budget(
    options: GrpcServerOptions = SMALL_BUDGET, guard: Guard | None = None
) -> Iterator[tuple[FakeSnapshotProvider, ServerPorts]]:
    """Run servers with a snapshot that is too large for an unread one next to it."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_topology(*MANY_PODS)))
    with run_servers(source, guard, options=ServerOptions(grpc=options)) as ports:
        yield source, ports


def test_unread_events_delay_only_large_events_of_watches() -> None:
    """While a large event is unread, those of other watches wait; small ones are sent, and other calls answered."""
    with run_small_budget() as (_, ports), open_unread_watch(ports.grpc), contextlib.ExitStack() as stack:
        stream = stack.enter_context(open_watch(ports.grpc))
        assert stream.read() == "completeness"
        assert call_method(ports.grpc).code is grpc.StatusCode.OK
        # Also behind a large event that waits.
        structure = stack.enter_context(open_watch(ports.grpc, kind="clusters"))
        assert [structure.read(), structure.read()] == ["completeness", "snapshot"]
        assert stream.call.is_active()


def test_large_events_are_sent_when_others_have_been_read() -> None:
    """A large event that waited is sent when the client that did not read another one has disconnected."""
    with run_small_budget() as (_, ports), contextlib.ExitStack() as stack:
        with open_unread_watch(ports.grpc):
            stream = stack.enter_context(open_watch(ports.grpc))
            assert stream.read() == "completeness"
        assert stream.read() == "snapshot"


def test_the_wait_of_large_events_is_limited() -> None:
    """A watch whose event has waited for too long ends with a status that says what is full."""
    options = replace(SMALL_BUDGET, watch_budget_timeout_seconds=0.2)
    with (
        run_small_budget(options) as (_, ports),
        open_unread_watch(ports.grpc),
        open_watch(ports.grpc) as stream,
    ):
        message = "clients of watches have not read 1 bytes of events, which is the limit; try again later"
        assert stream.read_status() == (grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def test_a_stop_does_not_wait_for_unread_events() -> None:
    """A watch whose event waits ends when the server stops."""
    with (
        run_small_budget() as (source, ports),
        open_unread_watch(ports.grpc),
        open_watch(ports.grpc) as stream,
    ):
        assert stream.read() == "completeness"
        source.is_stopping = True
        source.publish(source.current_snapshot)
        assert stream.read_status() == (grpc.StatusCode.UNAVAILABLE, "the server is stopping")


def test_an_expired_token_does_not_wait_for_unread_events(public_key: str, realm: FakeRealm) -> None:
    """A watch whose event waits ends with its token."""
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), AccessPolicy())
    unread = {b"authorization": f"Bearer {realm.issue_token()}".encode()}
    with run_small_budget(guard=guard) as (_, ports), open_unread_watch(ports.grpc, unread):
        token = realm.issue_token(exp=int(time.time()) - LEEWAY_SECONDS + 3)
        with open_watch(ports.grpc, (("authorization", f"Bearer {token}"),)) as stream:
            assert stream.read_status() == (grpc.StatusCode.UNAUTHENTICATED, "the token expired during the call")


def test_a_watch_whose_client_does_not_read_ends() -> None:
    """A client that does not read an event in time is disconnected, and uses no budget any longer."""
    options = replace(SMALL_BUDGET, watch_write_timeout_seconds=0.2)
    with run_small_budget(options) as (_, ports), open_unread_watch(ports.grpc):
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
