"""The gRPC server: the ETIM contract from ready bytes, health and reflection, behind the same tokens as HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2

from aggregator.errors import AccessError, AggregatorError, PortInUseError
from aggregator.logs import logger
from aggregator.pb.etim import server_pb2
from aggregator.server.auth import Guard
from aggregator.server.failures import UNEXPECTED, failure_of, text_of
from aggregator.server.grpc_watch import WatchInterceptor, methods_of
from aggregator.server.http_front import Source
from aggregator.server.listen import listener
from aggregator.server.readiness import Readiness
from aggregator.server.watch import Watch
from aggregator.telemetry import Telemetry

ETIM = server_pb2.DESCRIPTOR.services_by_name["Aggregator"].full_name
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

MOST_CALLS_AT_ONCE = 1000

OPTIONS: Sequence[tuple[str, int]] = (
    # Requests of this server are empty: nothing large may come in.
    ("grpc.max_receive_message_length", 64 * 1024),
    # Without these two, metadata between 8.5 and 16 KiB (a token with many roles) is refused at random.
    ("grpc.max_metadata_size", 32 * 1024),
    ("grpc.absolute_max_metadata_size", 64 * 1024),
    # Otherwise a second process could listen on the same port, and each would get half of the calls.
    ("grpc.so_reuseport", 0),
    # No fewer than calls: a client that asks for more at once on one connection is not told to wait but refused.
    ("grpc.max_concurrent_streams", MOST_CALLS_AT_ONCE),
)
# How often the health service looks at the readiness, which HTTP tells on demand.
HEALTH_SECONDS = 0.25

Handler = Callable[[bytes, Any], Awaitable[bytes]]

_log = logger(__name__)


class GrpcServer:
    """The gRPC server; its health service says what the readiness says."""

    def __init__(
        self,
        source: Source,
        guard: Guard | None,
        readiness: Readiness,
        grace_seconds: float,
        watch: Watch | None = None,
    ) -> None:
        watch = watch or Watch(Telemetry())
        self._readiness = readiness
        self._grace_seconds = grace_seconds
        self._health = HealthServicer()
        self._mirroring: asyncio.Task[None] | None = None
        self._server = grpc.aio.server(
            options=OPTIONS,
            maximum_concurrent_rpcs=MOST_CALLS_AT_ONCE,
            interceptors=[
                WatchInterceptor(
                    watch, methods_of(server_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
                ),
                *([] if guard is None else [TokenInterceptor(guard, watch.telemetry)]),
            ],
        )
        self._server.add_generic_rpc_handlers([_etim_handlers(source)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([ETIM, HEALTH, reflection.SERVICE_NAME], self._server)

    def listen(self, host: str, port: int) -> int:
        """Take the port, 0 for a free one, and return it; raise PortInUseError if it cannot be had."""
        # gRPC's own error does not say what is wrong: a socket of ours finds out first.
        with listener("GRPC", host, port) as probe:
            chosen = int(probe.getsockname()[1])
        try:
            return self._server.add_insecure_port(f"[{host}]:{chosen}" if ":" in host else f"{host}:{chosen}")
        except RuntimeError as error:
            # Somebody took it in between.
            raise PortInUseError(f"GRPC_PORT: cannot listen on {host}:{chosen}: the port is in use") from error

    async def start(self) -> None:
        """Begin to accept calls."""
        await self._server.start()
        self._mirroring = asyncio.create_task(self._mirror_readiness(), name="grpc health")

    @property
    def tasks(self) -> "Sequence[asyncio.Task[None]]":
        """What runs until it is stopped."""
        return [self._mirroring] if self._mirroring is not None else []

    async def stop(self) -> None:
        """Accept no more; return when the calls under way are answered, or the grace is over."""
        if self._mirroring is not None:
            self._mirroring.cancel()
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


def _etim_handlers(source: Source) -> grpc.GenericRpcHandler:
    async def connect_to_querier(_request: bytes, context: Any) -> bytes:
        snapshot = source.current()
        age = str(int(source.age_seconds(snapshot)))
        complete = "true" if snapshot.is_complete else "false"
        context.set_trailing_metadata((("age", age), ("x-topology-complete", complete)))
        return snapshot.body("etim")

    # Without serializers requests and answers stay bytes: the answer was serialized with the snapshot.
    handlers: dict[str, Any] = {"ConnectToQuerier": grpc.unary_unary_rpc_method_handler(_guarded(connect_to_querier))}
    return grpc.method_handlers_generic_handler(ETIM, handlers)


def _guarded(handler: Handler) -> Handler:
    """Return the handler, its errors told as the table of failures has them: gRPC would send their text out."""

    async def guarded(request: bytes, context: Any) -> bytes:
        try:
            return await handler(request, context)
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
                self._guard.check([_as_bytes(value) for key, value in metadata if key == "authorization"])
            except AggregatorError as error:
                _log.debug("call refused", reason=str(error))
                if isinstance(error, AccessError):
                    self._telemetry.refused(error.reason)
                return _refusal(error)
        return await continuation(details)


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _refusal(error: AggregatorError) -> Any:
    async def refuse(_request: Any, context: Any) -> None:
        await context.abort(failure_of(error).code, text_of(error))

    return grpc.unary_unary_rpc_method_handler(refuse)
