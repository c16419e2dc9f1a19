"""The gRPC server: the ETIM contract from ready bytes, health and reflection, behind the same tokens as HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2

from aggregator.errors import AccessError, AggregatorError, PortInUseError
from aggregator.grants import EVERYTHING, Grant
from aggregator.logs import logger
from aggregator.pb.etim import server_pb2
from aggregator.server.auth import Guard
from aggregator.server.failures import UNEXPECTED, failure_of, text_of
from aggregator.server.grpc_lasting import LastingServer
from aggregator.server.grpc_limits import MOST_CALLS, GrpcTransport, Handler, Untaken, options
from aggregator.server.grpc_patience import PatienceInterceptor
from aggregator.server.grpc_watch import WatchInterceptor, methods_of
from aggregator.server.http_front import Source, seen
from aggregator.server.listen import listener
from aggregator.server.readiness import Readiness
from aggregator.server.tls import grpc_credentials
from aggregator.server.watch import Watch
from aggregator.telemetry import Telemetry

ETIM = server_pb2.DESCRIPTOR.services_by_name["Aggregator"].full_name
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# How often the health service looks at the readiness, which HTTP tells on demand.
HEALTH_SECONDS = 0.25

# What the caller of this call may see: the interceptor tells the handler, which runs in the same context.
_granted: ContextVar[Grant] = ContextVar("granted")

_log = logger(__name__)


class GrpcServer:
    """The gRPC server; its health service says what the readiness says."""

    def __init__(
        self,
        source: Source,
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
        methods = methods_of(server_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
        self._server = LastingServer(
            options=options(self._transport),
            maximum_concurrent_rpcs=MOST_CALLS,
            interceptors=[
                WatchInterceptor(watch, methods),
                PatienceInterceptor(),
                *([] if guard is None else [TokenInterceptor(guard, watch.telemetry)]),
            ],
        )
        untaken, granted = Untaken(self._transport.untaken_bytes), _granted.get if guard else _everything
        self._server.add_generic_rpc_handlers([_etim_handlers(source, granted, untaken)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([ETIM, HEALTH, reflection.SERVICE_NAME], self._server)

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
        for service in ("", ETIM):
            await self._health.set(service, states.SERVING if is_ready else states.NOT_SERVING)


def _everything() -> Grant:
    return EVERYTHING


def _etim_handlers(source: Source, granted: Callable[[], Grant], untaken: Untaken) -> grpc.GenericRpcHandler:
    async def connect_to_querier(_requests: Any, context: Any) -> bytes:
        snapshot, body = await seen(source, granted(), "etim")
        age = str(int(source.age_seconds(snapshot)))
        complete = "true" if snapshot.is_complete else "false"
        context.set_trailing_metadata((("age", age), ("x-topology-complete", complete)))
        return body

    # Without serializers answers stay bytes: the answer was serialized with the snapshot. The request, which is
    # empty, is not waited for: for grpcio a method that takes any number of them decides when to read.
    handler = untaken.bounded(_guarded(connect_to_querier))
    handlers: dict[str, Any] = {"ConnectToQuerier": grpc.stream_unary_rpc_method_handler(handler)}
    return grpc.method_handlers_generic_handler(ETIM, handlers)


def _guarded(handler: Handler) -> Handler:
    """Return the handler, its errors told as the table of failures has them: gRPC would send their text out."""

    async def guarded(requests: Any, context: Any) -> bytes:
        try:
            return await handler(requests, context)
        except AggregatorError as error:
            failure, text = failure_of(error), text_of(error)
        except Exception:  # noqa: BLE001 - whatever broke, the client must not read it
            _log.exception("call broke")
            failure, text = UNEXPECTED, text_of(RuntimeError())
        await context.abort(failure.code, text)
        raise AssertionError("abort raises")

    return guarded


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Lets calls pass that bear a good token, and health checks; also a method that does not exist needs one."""

    def __init__(self, guard: Guard, telemetry: Telemetry) -> None:
        self._guard = guard
        self._telemetry = telemetry

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the method's own handler, or one that refuses."""
        if not details.method.startswith(f"/{HEALTH}/"):
            metadata = details.invocation_metadata or ()
            try:
                values = [_as_bytes(value) for key, value in metadata if key == "authorization"]
                _granted.set(await self._guard.admit(values))
            except AggregatorError as error:
                _log.debug("call refused", reason=str(error))
                if isinstance(error, AccessError):
                    self._telemetry.refused(error.reason)
                return _refusal(error)
        return await continuation(details)


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _refusal(error: AggregatorError) -> Any:
    async def refuse(_requests: Any, context: Any) -> None:
        await context.abort(failure_of(error).code, text_of(error))

    # Refused at once, before any request has come.
    return grpc.stream_unary_rpc_method_handler(refuse)
