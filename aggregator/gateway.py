"""The running program: its parts put together, its signals, and the order in which it starts and stops."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import grpc
import uvicorn
import uvloop
from grpc_health.v1._async import HealthServicer

from aggregator import __version__
from aggregator.errors import PortInUseError
from aggregator.logs import logger
from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Client, Limits
from aggregator.querier.gather import Gatherer
from aggregator.refresh import Pace, Refresher
from aggregator.server import grpc_api, http_api
from aggregator.server.auth import Guard, RealmKeyGuard
from aggregator.server.http_front import Front
from aggregator.server.readiness import Readiness
from aggregator.settings import Settings
from aggregator.take import Taker, Views
from aggregator.views import BY_NAME

# How often the gRPC health service looks at the readiness that HTTP tells on demand.
HEALTH_SECONDS = 0.25
# Between turning not ready and closing the doors: so that whoever asks in between learns of it.
NOTICE_SECONDS = 0.5
BACKLOG = 1024

_log = logger(__name__)


class Gateway:
    """The whole program."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._refresher = _refresher(settings)
        self._readiness = Readiness(self._refresher.current)
        self._guard = _guard(settings)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; raise PortInUseError where a server cannot listen."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        stop = _stop_signal()
        async with contextlib.AsyncExitStack() as running:
            running.callback(self._refresher.close)
            if self._settings.http_port is not None:
                await running.enter_async_context(self._http())
            if self._settings.GRPC_PORT is not None:
                await running.enter_async_context(self._grpc())
            await running.enter_async_context(_background(self._refresher.run()))
            await stop.wait()
            _log.info("stopping", grace_seconds=self._settings.GRACE)
            self._readiness.stop()
            await asyncio.sleep(min(NOTICE_SECONDS, self._settings.GRACE / 2))
        _log.info("stopped")

    @contextlib.asynccontextmanager
    async def _http(self) -> AsyncIterator[None]:
        settings = self._settings
        app = Front(self._refresher, self._guard, settings.LAYOUT, http_api.create(self._readiness))
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Whoever wants the client's address from a header must be trusted first; nobody is.
            proxy_headers=False,
            timeout_graceful_shutdown=round(settings.GRACE),
        )
        server = _Server(config)
        with _listening("HTTP_PORT", settings.HTTP_HOST, settings.http_port or 0) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
            _log.info(
                "listening", server="http", host=settings.HTTP_HOST, port=listener.getsockname()[1], version=__version__
            )
            try:
                yield
            finally:
                server.should_exit = True
                await serving

    @contextlib.asynccontextmanager
    async def _grpc(self) -> AsyncIterator[None]:
        settings = self._settings
        guard = self._guard if settings.GRPC_AUTH == "on" else None
        if self._guard is not None and guard is None:
            _log.warning("gRPC is open to callers without tokens, as GRPC_AUTH=off says")
        server, health = grpc_api.create(self._refresher, guard)
        port = _bind(server, settings.GRPC_HOST, settings.GRPC_PORT or 0)
        await server.start()
        _log.info("listening", server="grpc", host=settings.GRPC_HOST, port=port, version=__version__)
        try:
            async with _background(self._mirror_readiness(health)):
                yield
        finally:
            await grpc_api.tell_health(health, is_ready=False)
            await server.stop(settings.GRACE)

    async def _mirror_readiness(self, health: HealthServicer) -> None:
        while True:
            await grpc_api.tell_health(health, is_ready=self._readiness.why_not() is None)
            await asyncio.sleep(HEALTH_SECONDS)


class _Server(uvicorn.Server):
    """A uvicorn that leaves the signals alone: it would stop first and end the process before gRPC could."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _refresher(settings: Settings) -> Refresher:
    limits = Limits(settings.QUERY_TIMEOUT, settings.MAX_ANSWER_BYTES, settings.QUERY_CONCURRENCY)
    gatherer = Gatherer(Client(settings.upstream, limits), settings.QUERY_CONCURRENCY, settings.REFRESH_TIMEOUT)
    eager: list[str] = [settings.LAYOUT] if settings.http_port is not None else []
    eager += ["etim"] if settings.GRPC_PORT is not None else []
    taker = Taker(gatherer, CATALOG, Views(BY_NAME, tuple(eager)), settings.MAX_STALE)
    return Refresher(taker, Pace(settings.REFRESH_INTERVAL, settings.MAX_STALE))


def _guard(settings: Settings) -> Guard | None:
    return RealmKeyGuard(settings.KEY.get_secret_value()) if settings.KEY is not None else None


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def _listening(setting: str, host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise _cannot_listen(setting, host, port, error) from error
    with listener:
        yield listener


def _cannot_listen(setting: str, host: str, port: int, error: OSError) -> PortInUseError:
    reason = "the port is in use" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
    return PortInUseError(f"{setting}: cannot listen on {host}:{port}: {reason}")


def _bind(server: grpc.aio.Server, host: str, port: int) -> int:
    shown = f"[{host}]" if ":" in host else host
    # gRPC's own error does not say what was wrong: a socket of ours finds out first.
    with _listening("GRPC_PORT", host, port) as probe:
        chosen = int(probe.getsockname()[1])
    try:
        return server.add_insecure_port(f"{shown}:{chosen}")
    except RuntimeError as error:
        # Somebody took the port in between.
        raise PortInUseError(f"GRPC_PORT: cannot listen on {host}:{chosen}: the port is in use") from error
