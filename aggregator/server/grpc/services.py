"""The methods of the gateway's own services: aggregator.v1.TopologyService and the service of the ETIM contract.

Requests and responses of TopologyService are those under /api/v1, as protobuf.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from aggregator.errors import BadRequestError, VersionMismatchError
from aggregator.lookup.candidates.request import validate_request
from aggregator.lookup.diff import DiffRequest, encode_diff_protobuf
from aggregator.lookup.instants import format_instant
from aggregator.lookup.request import LookupOptions, Resource
from aggregator.lookup.results import PROTOBUF_ENCODER
from aggregator.lookup.watch import WatchOptions
from aggregator.lookup.watch_events import MessageEncoder
from aggregator.models.grant import Grant
from aggregator.observability.metrics import OwnMetrics
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.pb.etim import server_pb2
from aggregator.refresh.past import PastSnapshot
from aggregator.refresh.snapshot import DocumentFormat, Snapshot
from aggregator.server.candidate_service import CandidateService, encode_candidates_protobuf
from aggregator.server.diff_service import DiffService
from aggregator.server.grpc.interceptors import (
    AuthorizedCallDetails,
    Continuation,
    MethodHandler,
    add_trailing_metadata,
    list_metadata_values,
)
from aggregator.server.grpc.limits import ByteSemaphore, GrpcServerOptions, UnreadBudget
from aggregator.server.instants import find_past_snapshot
from aggregator.server.lookup_service import LookupRequest, LookupService
from aggregator.server.visibility import (
    RenderedQuality,
    SnapshotProvider,
    check_quality_access,
    get_visible_snapshot,
    render_document,
)
from aggregator.server.watch_service import (
    MAX_MIN_INTERVAL_SECONDS,
    SLOW_CLIENT_REASON,
    STOPPING_REASON,
    Watch,
    WatchRequest,
    WatchService,
)
from aggregator.views import v1_protobuf
from aggregator.views.etim import ETIM

TOPOLOGY_SERVICE = pb.DESCRIPTOR.services_by_name["TopologyService"]
ETIM_SERVICE = server_pb2.DESCRIPTOR.services_by_name["Aggregator"]
GET_TOPOLOGY = "GetTopology"
FIND_CANDIDATES = "FindCandidates"
WATCH_TOPOLOGY = "WatchTopology"
DIFF_TOPOLOGY = "DiffTopology"
# Bookmarks and the like, which wait for no budget: those of all watches together take 30 MiB.
MAX_SMALL_EVENT_BYTES = 4096
_VERSION_KEY = "x-topology-version"
# In the metadata of a call, the past instant that it requests; in the trailing metadata, the time of the topology.
TIME_METADATA_KEY = "x-topology-time"

# Called with the grant of the caller, the request bytes and the context of the call; returns the response bytes.
UnaryMethod = Callable[[Grant, bytes, Any], Awaitable[bytes]]
# Writes its responses to the context.
StreamMethod = Callable[[Grant, bytes, Any], Awaitable[None]]
RequestMessage = TypeVar("RequestMessage", bound=Message)


@dataclass(frozen=True)
class MethodTable:
    """The methods of a service by their path.

    `unary_methods` read one request. `requestless_methods` ignore their request and do not wait for it.
    Methods return serialized responses, so handlers need no serializers.
    """

    unary_methods: Mapping[str, UnaryMethod] = field(default_factory=dict)
    stream_methods: Mapping[str, StreamMethod] = field(default_factory=dict)
    requestless_methods: Mapping[str, UnaryMethod] = field(default_factory=dict)

    def create_handler(self, path: str, grant: Grant) -> MethodHandler:
        """Return a handler that calls a method with a grant, None if the method does not exist."""
        if (unary_method := self.unary_methods.get(path)) is not None:
            return grpc.unary_unary_rpc_method_handler(partial(unary_method, grant))
        if (stream_method := self.stream_methods.get(path)) is not None:
            return grpc.unary_stream_rpc_method_handler(partial(stream_method, grant))
        if (requestless_method := self.requestless_methods.get(path)) is not None:
            return grpc.stream_unary_rpc_method_handler(partial(requestless_method, grant))
        return None


class MethodInterceptor(grpc.aio.ServerInterceptor):
    """The innermost interceptor: answers authorized calls of the gateway's own services.

    The services are not generic handlers of the server because grpcio does not pass the grant on to those.
    """

    def __init__(self, services: Iterable[MethodTable]) -> None:
        self._services = tuple(services)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MethodHandler:
        """Return the handler of a call; grpcio finds those of other services."""
        if not isinstance(handler_call_details, AuthorizedCallDetails):
            return await continuation(handler_call_details)
        for service in self._services:
            handler = service.create_handler(handler_call_details.method, handler_call_details.grant)
            if handler is not None:
                return handler
        return await continuation(handler_call_details.original)


class LookupMethod(NamedTuple):
    """The resource that a method returns, and the fields of its request that hold names."""

    resource: Resource
    name_fields: tuple[str, ...] = ()
    # Whether a name may be empty, for the objects of all clusters.
    is_name_optional: bool = False


LOOKUP_METHODS: Mapping[str, LookupMethod] = {
    GET_TOPOLOGY: LookupMethod(Resource.TOPOLOGY),
    "ListClusters": LookupMethod(Resource.CLUSTERS),
    "GetCluster": LookupMethod(Resource.CLUSTER, ("cluster",)),
    "ListNodes": LookupMethod(Resource.NODES, ("cluster",), is_name_optional=True),
    "GetNode": LookupMethod(Resource.NODE, ("cluster", "node")),
    "ListPods": LookupMethod(Resource.PODS, ("cluster",), is_name_optional=True),
    "GetPod": LookupMethod(Resource.POD, ("cluster", "namespace", "pod")),
    "ListContainers": LookupMethod(Resource.CONTAINERS),
}


class TopologyService:
    """The methods of aggregator.v1.TopologyService."""

    def __init__(
        self,
        snapshots: SnapshotProvider,
        unread_budget: UnreadBudget,
        own_metrics: OwnMetrics,
        options: GrpcServerOptions,
    ) -> None:
        self._snapshots = snapshots
        self._watch_service = WatchService(snapshots, MessageEncoder, own_metrics, options.max_watches)
        # gRPC copies each event for each watch, so that equal events count as often as they are sent.
        self._unread_events = ByteSemaphore(options.max_unread_watch_bytes)
        self._options = options
        own_metrics.set_gauge_function("aggregator_watches", lambda: self._watch_service.watch_count, "grpc")
        self._unread_budget = unread_budget
        self._lookup_service = LookupService(snapshots, PROTOBUF_ENCODER)
        self._candidate_service = CandidateService(snapshots, encode_candidates_protobuf)
        self._diff_service = DiffService(snapshots, encode_diff_protobuf)
        self._quality = RenderedQuality(snapshots.get_quality, v1_protobuf.render_quality_protobuf)
        self._get_document = create_document_method(snapshots, unread_budget, v1_protobuf.V1_PROTOBUF)

    def list_methods(self) -> MethodTable:
        """Return all methods by their path."""
        unary_methods: dict[str, UnaryMethod] = {
            build_method_path(name): partial(self._look_up, name) for name in LOOKUP_METHODS
        }
        unary_methods[build_method_path(GET_TOPOLOGY)] = self._get_topology
        unary_methods[build_method_path(FIND_CANDIDATES)] = self._find_candidates
        unary_methods[build_method_path(DIFF_TOPOLOGY)] = self._diff_topology
        return MethodTable(
            unary_methods,
            {
                build_method_path("StreamTopology"): self._stream_topology,
                build_method_path(WATCH_TOPOLOGY): self._watch_topology,
            },
            {build_method_path("GetQuality"): self._get_quality},
        )

    async def _look_up(self, name: str, grant: Grant, request: bytes, context: Any) -> bytes:
        message = parse_request_message(getattr(pb, f"{name}Request"), request)
        lookup_request = convert_request_message(LOOKUP_METHODS[name], message)
        past = await self._find_past(grant, context, lookup_request.validate)
        cache_key = name.encode() + b" " + request
        response = self._lookup_service.find_cached(grant, cache_key, past)
        if response is None:
            response = await self._lookup_service.look_up(grant, cache_key, lookup_request, past)
        body = response.result.body
        await self._unread_budget.reserve(body, context)
        add_topology_metadata(context, self._snapshots, response.snapshot)
        return body

    async def _find_candidates(self, grant: Grant, request: bytes, context: Any) -> bytes:
        message = parse_request_message(pb.FindCandidatesRequest, request)
        past = await self._find_past(grant, context, partial(validate_request, message))
        try:
            response = await self._candidate_service.find(grant, message, past)
        except VersionMismatchError as error:
            add_trailing_metadata(context, (_VERSION_KEY, error.version))
            raise
        await self._unread_budget.reserve(response.body, context)
        add_topology_metadata(context, self._snapshots, response.snapshot)
        return response.body

    async def _diff_topology(self, grant: Grant, request: bytes, context: Any) -> bytes:
        if list_metadata_values(context.invocation_metadata(), TIME_METADATA_KEY):
            raise BadRequestError(
                f"{TIME_METADATA_KEY} does not apply to {DIFF_TOPOLOGY}; use from_time and to_time",
                parameter=TIME_METADATA_KEY,
            )
        message = parse_request_message(pb.DiffTopologyRequest, request)
        options = WatchOptions(
            message.kind,
            message.cluster,
            message.filter,
            message.label_selector,
            tuple(message.fields.paths),
            changes=message.changes,
        )
        diff_request = DiffRequest(options, message.from_time, message.to_time, message.limit or None)
        response = await self._diff_service.compare(grant, diff_request)
        await self._unread_budget.reserve(response.body, context)
        add_topology_metadata(context, self._snapshots, response.snapshot)
        return response.body

    async def _get_topology(self, grant: Grant, request: bytes, context: Any) -> bytes:
        if request:
            message = parse_request_message(pb.GetTopologyRequest, request)
            validate = convert_request_message(LOOKUP_METHODS[GET_TOPOLOGY], message).validate
            not_modified = await self._build_not_modified(grant, message.known_version, context, validate)
            if not_modified is not None:
                return not_modified
            message.ClearField("known_version")
            request = message.SerializeToString(deterministic=True)
        # An empty request asks for the whole topology, which is rendered with the snapshot.
        if not request:
            return await self._get_document(grant, request, context)
        return await self._look_up(GET_TOPOLOGY, grant, request, context)

    async def _stream_topology(self, grant: Grant, request: bytes, context: Any) -> None:
        message = parse_request_message(pb.StreamTopologyRequest, request)
        not_modified = await self._build_not_modified(grant, message.known_version, context)
        if not_modified is not None:
            await context.write(not_modified)
            return
        snapshot = await get_visible_snapshot(self._snapshots, grant, await self._find_past(grant, context))
        _, rendered = await render_document(snapshot, DocumentFormat(v1_protobuf.V1_CHUNKS))
        add_topology_metadata(context, self._snapshots, snapshot)
        # A slow client must not keep a snapshot alive that has been replaced.
        del snapshot
        async with self._unread_budget.reserve_shared(rendered, context):
            for chunk in v1_protobuf.split_chunks(rendered):
                # Waits until the client has room for the chunk.
                await context.write(chunk)

    async def _watch_topology(self, grant: Grant, request: bytes, context: Any) -> None:
        message = parse_request_message(pb.WatchTopologyRequest, request)
        if list_metadata_values(context.invocation_metadata(), TIME_METADATA_KEY):
            raise BadRequestError(
                f"a watch begins now and cannot have {TIME_METADATA_KEY}", parameter=TIME_METADATA_KEY
            )
        # The token of the call has its own timeout.
        watch = await self._watch_service.open(grant, convert_watch_request(message))
        async with contextlib.aclosing(watch.stream()) as events:
            async for event in events:
                if event.name == "end":
                    await context.abort(grpc.StatusCode.UNAVAILABLE, event.body.decode())
                if len(event.body) <= MAX_SMALL_EVENT_BYTES:
                    await self._write_event(event.body, context)
                else:
                    await self._write_large_event(event.body, watch, context)

    async def _write_large_event(self, body: bytes, watch: Watch, context: Any) -> None:
        await self._acquire_budget(len(body), watch, context)
        try:
            await self._write_event(body, context)
        finally:
            self._unread_events.release(len(body))

    async def _acquire_budget(self, size_bytes: int, watch: Watch, context: Any) -> None:
        """Wait until other events have been read; end the watch if that takes too long, or if the server stops."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        try:
            async with asyncio.timeout(self._options.watch_budget_timeout_seconds) as waiting:
                expiring = asyncio.create_task(self._expire_when_stopping(waiting))
                try:
                    await self._unread_events.acquire(size_bytes)
                finally:
                    expiring.cancel()
        except TimeoutError:
            if self._snapshots.is_stopping:
                await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING_REASON)
            max_bytes = self._options.max_unread_watch_bytes
            message = (
                f"clients of watches have not read {max_bytes} bytes of events, which is the limit; try again later"
            )
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        # The client could not read meanwhile.
        watch.extend_read_time(loop.time() - began_at)

    async def _expire_when_stopping(self, waiting: asyncio.Timeout) -> None:
        await self._watch_service.wait_until_stopping()
        if not waiting.expired():
            waiting.reschedule(asyncio.get_running_loop().time())

    async def _write_event(self, body: bytes, context: Any) -> None:
        """Write an event when the client has room for it; end the watch if that takes too long."""
        try:
            async with asyncio.timeout(self._options.watch_write_timeout_seconds):
                await context.write(body)
        except TimeoutError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, SLOW_CLIENT_REASON)

    async def _get_quality(self, grant: Grant, _requests: Any, context: Any) -> bytes:
        check_quality_access(grant)
        past = await find_past_of_call(self._snapshots, grant, context)
        body = await self._quality.render_for(grant, None if past is None else past.quality)
        await self._unread_budget.reserve(body, context)
        return body

    async def _build_not_modified(
        self, grant: Grant, known_version: str, context: Any, validate: Callable[[], None] = lambda: None
    ) -> bytes | None:
        """Return a response with nothing but the version if the client has this version, else None."""
        if not known_version:
            return None
        past = await self._find_past(grant, context, validate)
        snapshot = await get_visible_snapshot(self._snapshots, grant, past)
        if snapshot.topology.version != known_version:
            return None
        add_topology_metadata(context, self._snapshots, snapshot)
        return pb.Topology(version=known_version).SerializeToString()

    async def _find_past(
        self, grant: Grant, context: Any, validate: Callable[[], None] = lambda: None
    ) -> Snapshot | None:
        """Return the snapshot of the instant that a call requests, None if it is the current one.

        `validate` checks the rest of the request, before the queries of the instant are sent.
        """
        if list_metadata_values(context.invocation_metadata(), TIME_METADATA_KEY):
            validate()
        past = await find_past_of_call(self._snapshots, grant, context)
        return None if past is None else past.snapshot


def build_services(
    snapshots: SnapshotProvider, own_metrics: OwnMetrics, options: GrpcServerOptions
) -> tuple[MethodTable, MethodTable]:
    """Return the methods of TopologyService and of the ETIM contract. All but watches share one unread budget."""
    unread_budget = UnreadBudget(options.max_unread_bytes)
    # The request of the ETIM contract has no fields.
    connect_to_querier = create_document_method(snapshots, unread_budget, ETIM)
    etim_methods = MethodTable(requestless_methods={f"/{ETIM_SERVICE.full_name}/ConnectToQuerier": connect_to_querier})
    topology_service = TopologyService(snapshots, unread_budget, own_metrics, options)
    return topology_service.list_methods(), etim_methods


def build_method_path(name: str) -> str:
    """Return the path of a method of the service."""
    return f"/{TOPOLOGY_SERVICE.full_name}/{name}"


def convert_request_message(method: LookupMethod, request: Any) -> LookupRequest:
    """Return the lookup that a request message of a method asks for."""
    names = tuple(getattr(request, name) for name in method.name_fields)
    if method.is_name_optional:
        names = tuple(name for name in names if name)
    parameters = set(method.resource.parameters)
    return LookupRequest(
        method.resource,
        names,
        LookupOptions(
            filter=request.filter if "filter" in parameters else "",
            labels=request.label_selector if "labels" in parameters else "",
            fields=tuple(request.fields.paths),
            depth=(request.depth or None) if "depth" in parameters else None,
            limit=(request.limit or None) if "limit" in parameters else None,
            continue_token=request.continue_token if "continue" in parameters else "",
        ),
    )


def convert_watch_request(message: pb.WatchTopologyRequest) -> WatchRequest:
    """Return the watch that a request message asks for."""
    min_interval = message.min_interval
    min_interval_seconds = min_interval.seconds + min_interval.nanos / 1e9
    if not 0 <= min_interval_seconds <= MAX_MIN_INTERVAL_SECONDS:
        raise BadRequestError(
            f"min_interval must be between 0 and {MAX_MIN_INTERVAL_SECONDS:g} seconds, got {min_interval_seconds:g}",
            parameter="min_interval",
        )
    options = WatchOptions(
        message.kind,
        message.cluster,
        message.filter,
        message.label_selector,
        tuple(message.fields.paths),
        message.depth or None,
        message.changes,
    )
    return WatchRequest(options, message.known_version, min_interval_seconds)


def parse_request_message(message_type: type[RequestMessage], request: bytes) -> RequestMessage:
    """Return the request message in these bytes; raise BadRequestError if they are not one."""
    try:
        return message_type.FromString(request)
    except DecodeError:
        raise BadRequestError("invalid request message") from None


def create_document_method(snapshots: SnapshotProvider, unread_budget: UnreadBudget, view: str) -> UnaryMethod:
    """Return a method whose response is the document of a view."""

    async def get_document(grant: Grant, _request: Any, context: Any) -> bytes:
        past = await find_past_of_call(snapshots, grant, context)
        snapshot = await get_visible_snapshot(snapshots, grant, None if past is None else past.snapshot)
        _, body = await render_document(snapshot, DocumentFormat(view))
        await unread_budget.reserve(body, context)
        add_topology_metadata(context, snapshots, snapshot)
        return body

    return get_document


async def find_past_of_call(snapshots: SnapshotProvider, grant: Grant, context: Any) -> PastSnapshot | None:
    """Return the whole snapshot of the instant in the metadata of a call, None if there is none.

    Metadata, because the requests of the legacy contract have no fields: docs/decisions/0051-past-instants.md.
    """
    values = list_metadata_values(context.invocation_metadata(), TIME_METADATA_KEY)
    if len(values) > 1:
        raise BadRequestError(f"{TIME_METADATA_KEY} must be given only once", parameter=TIME_METADATA_KEY)
    text = values[0].decode("utf-8", "replace") if values else ""
    return await find_past_snapshot(snapshots, grant, text, TIME_METADATA_KEY)


def add_topology_metadata(context: Any, snapshots: SnapshotProvider, snapshot: Snapshot) -> None:
    """Add the age, completeness, time and version of a snapshot to the trailing metadata of a call."""
    add_trailing_metadata(
        context,
        ("age", str(int(snapshots.get_age_seconds(snapshot)))),
        ("x-topology-complete", "true" if snapshot.is_complete else "false"),
        (TIME_METADATA_KEY, format_instant(snapshot.evaluated_at_seconds)),
        (_VERSION_KEY, snapshot.topology.version),
    )
