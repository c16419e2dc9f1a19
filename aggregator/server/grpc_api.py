"""The gRPC server: the ETIM contract from ready bytes, health and reflection, behind the same tokens as HTTP."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from aggregator.documents import Form
from aggregator.errors import AccessError, AggregatorError, PortInUseError
from aggregator.grants import EVERYTHING, Grant
from aggregator.logs import logger
from aggregator.pb.aggregator.v1 import topology_pb2
from aggregator.pb.etim import server_pb2
from aggregator.server import grpc_metadata, grpc_v1
from aggregator.server.auth import Guard
from aggregator.server.failures import UNEXPECTED, failure_of, text_of
from aggregator.server.grpc_known import KnownVersions
from aggregator.server.grpc_lasting import LastingServer
from aggregator.server.grpc_limits import MOST_CALLS, GrpcTransport, Handler, Untaken, options
from aggregator.server.grpc_methods import Methods
from aggregator.server.grpc_patience import Behaviour
from aggregator.server.grpc_tokens import TokenCheck, granted
from aggregator.server.grpc_watch import CallWatch, methods_of
from aggregator.server.listen import listener
from aggregator.server.quality_api import QualityBytes
from aggregator.server.readiness import Readiness
from aggregator.server.shown import Snapshots, bytes_of, part_shown
from aggregator.server.tls import grpc_credentials
from aggregator.server.watch import Watch
from aggregator.snapshot import Snapshot
from aggregator.telemetry import Telemetry
from aggregator.views import quality, v1, v1_chunks

ETIM = server_pb2.DESCRIPTOR.services_by_name["Aggregator"].full_name
V1 = grpc_v1.SERVICE.full_name
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# How often the health service looks at the readiness, which HTTP tells on demand.
HEALTH_SECONDS = 0.25

_log = logger(__name__)


class GrpcServer:
    """The gRPC server; its health service says what the readiness says."""

    def __init__(
        self,
        snapshots: Snapshots,
        guard: Guard | None,
        readiness: Readiness,
        grace_seconds: float,
        transport: GrpcTransport | None = None,
        watch: Watch | None = None,
    ) -> None:
        watch = watch or Watch(Telemetry())
        self._readiness = readiness
        self._grace_seconds = grace_seconds
        self._transport = transport or GrpcTransport()
        self._health = HealthServicer()
        self._tasks: list[asyncio.Task[None]] = []
        self._server = LastingServer(options=options(self._transport), maximum_concurrent_rpcs=MOST_CALLS)
        self._server.add_generic_rpc_handlers([self._methods(snapshots, guard, watch)])

    def _methods(self, snapshots: Snapshots, guard: Guard | None, watch: Watch) -> Methods:
        """Return all methods: health is open, the others, also those that do not exist, ask the guard."""
        kinds = methods_of(*(module.DESCRIPTOR for module in (server_pb2, topology_pb2, health_pb2, reflection_pb2)))
        tokens = None if guard is None else TokenCheck(guard, watch.telemetry)
        methods = Methods(CallWatch(watch, kinds), tokens, [HEALTH])
        untaken = Untaken(self._transport.untaken_bytes)
        grant = granted if guard else _everything

        def bounded(handler: Handler) -> Handler:
            return untaken.bounded(_guarded(handler))

        # Without serializers answers stay bytes: they were serialized with the snapshot. ETIM's request, which says
        # nothing, is not waited for: for grpcio a method that takes any number of them decides when to read.
        etim: Any = grpc.stream_unary_rpc_method_handler(bounded(_document(snapshots, grant, "etim")))
        methods.add_registered_method_handlers(ETIM, {"ConnectToQuerier": etim})
        how_good: Any = grpc.stream_unary_rpc_method_handler(bounded(_quality(snapshots, grant, watch.telemetry)))
        methods.add_registered_method_handlers(V1, {"GetQuality": how_good})
        lookup, known = grpc_v1.Lookup(snapshots, grant, _tell), KnownVersions(snapshots, grant, _tell)
        whole = {grpc_v1.GET_TOPOLOGY: _document(snapshots, grant, v1.PROTOBUF)}
        for method in grpc_v1.METHODS:
            handler = lookup.handler(method, whole.get(method))
            answer = bounded(known.before(handler) if method in whole else handler)
            methods.add_registered_method_handlers(V1, {method: grpc.unary_unary_rpc_method_handler(answer)})
        stream = _guarded(known.before_stream(_stream(snapshots, grant, untaken)))
        methods.add_registered_method_handlers(V1, {"StreamTopology": grpc.unary_stream_rpc_method_handler(stream)})
        # Generated code adds to whatever has a server's functions for that, which its types do not tell.
        like_a_server: Any = methods
        health_pb2_grpc.add_HealthServicer_to_server(self._health, like_a_server)
        services = reflection.aio.ReflectionServicer([ETIM, V1, HEALTH, reflection.SERVICE_NAME])
        add_reflection: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        add_reflection(services, methods)
        return methods

    def listen(self, host: str, port: int) -> int:
        """Take the port, 0 for a free one, and return it; raise PortInUseError if it cannot be had."""
        # gRPC's own error does not say what is wrong: a socket of ours finds out first.
        with listener("GRPC", host, port) as probe:
            chosen = int(probe.getsockname()[1])
        address = f"[{host}]:{chosen}" if ":" in host else f"{host}:{chosen}"
        rotation = self._transport.rotation
        try:
            if rotation is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, grpc_credentials(rotation))
        except RuntimeError as error:
            # Somebody took it in between.
            raise PortInUseError(f"GRPC_PORT: cannot listen on {host}:{chosen}: the port is in use") from error

    async def start(self) -> None:
        """Begin to accept calls."""
        await self._server.start()
        self._tasks.append(asyncio.create_task(self._mirror_readiness(), name="grpc health"))
        if self._transport.rotation is not None:
            self._tasks.append(asyncio.create_task(self._transport.rotation.run(), name="grpc certificate"))

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What runs until it is stopped."""
        return self._tasks

    async def stop(self) -> None:
        """Accept no more; return when the calls under way are answered, or the grace is over."""
        for task in self._tasks:
            task.cancel()
        await self._tell(is_ready=False)
        await self._server.stop(self._grace_seconds)

    async def _mirror_readiness(self) -> None:
        while True:
            await self._tell(is_ready=self._readiness.why_not() is None)
            await asyncio.sleep(HEALTH_SECONDS)

    async def _tell(self, *, is_ready: bool) -> None:
        """Say the same of the whole server and of each service."""
        states = health_pb2.HealthCheckResponse
        for service in ("", ETIM, V1):
            await self._health.set(service, states.SERVING if is_ready else states.NOT_SERVING)


def _everything() -> Grant:
    return EVERYTHING


def _document(snapshots: Snapshots, grant: Callable[[], Grant], view: str) -> Handler:
    async def document(_requests: Any, context: Any) -> bytes:
        snapshot = await part_shown(snapshots, grant())
        _, body = await bytes_of(snapshot, Form(view))
        _tell(context, snapshots, snapshot)
        return body

    return document


def _quality(snapshots: Snapshots, grant: Callable[[], Grant], telemetry: Telemetry) -> Handler:
    made = QualityBytes(snapshots.quality, quality.render_protobuf)

    async def answer(_requests: Any, _context: Any) -> bytes:
        try:
            return await made.shown_to(grant())
        except AccessError as error:
            telemetry.refused(error.reason)
            raise

    return answer


def _stream(snapshots: Snapshots, grant: Callable[[], Grant], untaken: Untaken) -> Behaviour:
    """Return what writes the parts of the topology; the next is written when the client has room for it."""

    async def stream(_request: Any, context: Any) -> None:
        snapshot = await part_shown(snapshots, grant())
        _, rendered = await bytes_of(snapshot, Form(v1_chunks.CHUNKS))
        _tell(context, snapshots, snapshot)
        # The client may take long; a topology that is replaced meanwhile is not to be held by it.
        del snapshot
        async with untaken.shared(rendered, context):
            for chunk in v1_chunks.chunks(rendered):
                await context.write(chunk)

    return stream


def _tell(context: Any, snapshots: Snapshots, snapshot: Snapshot) -> None:
    """Tell in trailing metadata how an answer is to be taken."""
    told = (
        ("age", str(int(snapshots.age_seconds(snapshot)))),
        ("x-topology-complete", "true" if snapshot.is_complete else "false"),
        ("x-topology-version", snapshot.topology.version),
    )
    grpc_metadata.tell(context, told)


def _guarded(handler: Behaviour) -> Behaviour:
    """Return the handler, its errors told as the table of failures has them: gRPC would send their text out."""

    async def guarded(requests: Any, context: Any) -> Any:
        try:
            return await handler(requests, context)
        except AggregatorError as error:
            failure, text = failure_of(error), text_of(error)
        except grpc.aio.InternalError:
            # What grpcio raises for a part that is written to a client that has just gone.
            raise asyncio.CancelledError from None
        except Exception:  # noqa: BLE001 - whatever broke, the client must not read it
            _log.exception("call broke")
            failure, text = UNEXPECTED, text_of(RuntimeError())
        await context.abort(failure.code, text)
        raise AssertionError("abort raises")

    return guarded
