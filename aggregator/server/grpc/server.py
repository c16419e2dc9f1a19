"""The gRPC server: the topology service, the service of the ETIM contract, health and reflection."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from aggregator.errors import PortInUseError
from aggregator.observability.instrumentation import Instrumentation
from aggregator.observability.metrics import OwnMetrics
from aggregator.pb.aggregator.v1 import topology_pb2
from aggregator.pb.etim import server_pb2
from aggregator.server.auth.guard import Guard
from aggregator.server.grpc import limits
from aggregator.server.grpc.credentials import build_grpc_credentials
from aggregator.server.grpc.interceptors import (
    AuthInterceptor,
    CallLimitInterceptor,
    ErrorInterceptor,
    InstrumentationInterceptor,
)
from aggregator.server.grpc.limits import GrpcServerOptions, build_channel_arguments
from aggregator.server.grpc.services import (
    ETIM_SERVICE,
    TOPOLOGY_SERVICE,
    WATCH_TOPOLOGY,
    MethodInterceptor,
    build_method_path,
    build_services,
)
from aggregator.server.grpc.supervisor import GenericRegistration, SupervisedServer
from aggregator.server.http.server import open_listener
from aggregator.server.status import Readiness
from aggregator.server.visibility import SnapshotProvider

OWN_SERVICE_NAMES = (ETIM_SERVICE.full_name, TOPOLOGY_SERVICE.full_name)
_HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]
# Anyone may check the health.
PUBLIC_METHODS = frozenset(f"/{health.SERVICE_NAME}/{method.name}" for method in _HEALTH_SERVICE.methods)
_FILES = tuple(module.DESCRIPTOR for module in (server_pb2, topology_pb2, health_pb2, reflection_pb2))

# How often the health service is updated from the readiness.
HEALTH_INTERVAL_SECONDS = 0.25


class GrpcServer:
    """The gRPC server; its health service reports the readiness of the process."""

    def __init__(
        self,
        snapshots: SnapshotProvider,
        guard: Guard | None,
        readiness: Readiness,
        grace_seconds: float,
        options: GrpcServerOptions | None = None,
        instrumentation: Instrumentation | None = None,
    ) -> None:
        self._readiness = readiness
        self._grace_seconds = grace_seconds
        self._options = options or GrpcServerOptions()
        self._health = health.aio.HealthServicer()
        instrumentation = instrumentation or Instrumentation(OwnMetrics())
        services = build_services(snapshots, instrumentation.own_metrics, self._options)
        # Outermost first.
        self._interceptors = (
            InstrumentationInterceptor(instrumentation, _FILES),
            ErrorInterceptor(instrumentation.own_metrics),
            AuthInterceptor(guard, PUBLIC_METHODS, instrumentation.own_metrics),
            CallLimitInterceptor(
                PUBLIC_METHODS,
                limits.REQUEST_MESSAGE_TIMEOUT_SECONDS,
                limits.MAX_STREAMING_CALLS,
                {build_method_path(WATCH_TOPOLOGY)},
            ),
            MethodInterceptor(services),
        )
        self._server: SupervisedServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def listen(self, host: str, port: int) -> int:
        """Listen on a port, 0 for any free one, and return it; raise PortInUseError if that is not possible."""
        # The error of gRPC does not say what is wrong with the address, so another socket tries it first.
        with open_listener("GRPC", host, port) as probe_socket:
            bound_port = int(probe_socket.getsockname()[1])
        address = f"[{host}]:{bound_port}" if ":" in host else f"{host}:{bound_port}"
        try:
            self._server = SupervisedServer(lambda: self._create_server(address))
        except RuntimeError:
            # Another process took the port meanwhile.
            raise PortInUseError(f"GRPC_PORT: cannot listen on {host}:{bound_port}: the port is in use") from None
        return bound_port

    async def start(self) -> None:
        """Start to accept calls; `listen` comes first."""
        assert self._server is not None, "listen() must be called first"  # noqa: S101
        await self._server.start()
        self._tasks.append(asyncio.create_task(self._sync_health_status(), name="grpc health"))
        if self._options.reloader is not None:
            self._tasks.append(asyncio.create_task(self._options.reloader.run(), name="grpc certificate"))

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """The tasks that run until the server is stopped."""
        return self._tasks

    async def stop(self) -> None:
        """Stop accepting calls; return when the calls in flight have ended, at the latest after the grace period."""
        for task in self._tasks:
            task.cancel()
        await self._set_health_status(is_ready=False)
        if self._server is not None:
            await self._server.stop(self._grace_seconds)

    def _create_server(self, address: str) -> grpc.aio.Server:
        """Return a server with all services that listens on an address; raise RuntimeError if that is not possible."""
        server = grpc.aio.server(
            interceptors=self._interceptors,
            options=build_channel_arguments(self._options),
            maximum_concurrent_rpcs=limits.MAX_CONCURRENT_CALLS,
        )
        registration: Any = GenericRegistration(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, registration)
        names = (*OWN_SERVICE_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        add_reflection: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        add_reflection(reflection.aio.ReflectionServicer(names), registration)
        if self._options.reloader is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, build_grpc_credentials(self._options.reloader))
        return server

    async def _sync_health_status(self) -> None:
        while True:
            await self._set_health_status(is_ready=self._readiness.get_unready_reason() is None)
            await asyncio.sleep(HEALTH_INTERVAL_SECONDS)

    async def _set_health_status(self, *, is_ready: bool) -> None:
        """Set the status of the whole server and of each service."""
        statuses = health_pb2.HealthCheckResponse
        for service in ("", *OWN_SERVICE_NAMES):
            await self._health.set(service, statuses.SERVING if is_ready else statuses.NOT_SERVING)
