"""A gRPC server that starts again when it breaks.

grpcio takes each call's path for UTF-8 in the loop that accepts all calls: one call with other bytes there, of
whoever can connect, ends the loop and with it the server (docs/decisions/0019-fuzz.md). That loop cannot be
reached from outside; what can be done is to notice, and to put a new server in its place.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import grpc

from aggregator.logs import logger

# How often it is looked whether the server still accepts calls.
LOOK_SECONDS = 0.05

Made = TypeVar("Made")

_log = logger(__name__)


class LastingServer:
    """Stands for a `grpc.aio.server` with these options: takes the same handlers and ports, starts and stops alike."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._steps: list[Callable[[grpc.aio.Server], object]] = []
        self._inner = grpc.aio.server(**options)
        self._watching: asyncio.Task[None] | None = None

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[Any]) -> None:
        """Answer with these handlers."""
        handlers = tuple(generic_rpc_handlers)
        self._take(lambda server: server.add_generic_rpc_handlers(handlers))

    def add_insecure_port(self, address: str) -> int:
        """Listen on a port that is not 0; raise RuntimeError if it cannot be had."""
        return self._take(lambda server: server.add_insecure_port(address))

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        """Do the same with TLS."""
        return self._take(lambda server: server.add_secure_port(address, server_credentials))

    async def start(self) -> None:
        """Begin to accept calls."""
        await self._inner.start()
        self._watching = asyncio.create_task(self._watch(), name="grpc server")

    async def stop(self, grace: float | None) -> None:
        """Accept no more; return when the calls under way are answered, or the grace is over."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await self._inner.stop(grace)

    def _take(self, step: Callable[[grpc.aio.Server], Made]) -> Made:
        """Do to the server what its successors will need, too."""
        made = step(self._inner)
        self._steps.append(step)
        return made

    async def _watch(self) -> None:
        while True:
            try:
                await self._inner.wait_for_termination(LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever broke the loop of grpcio
                _log.error("grpc server broke, starting another", reason=type(error).__name__)
                await self._inner.stop(None)
                self._inner = await self._successor()

    async def _successor(self) -> grpc.aio.Server:
        while True:
            server = grpc.aio.server(**self._options)
            try:
                for step in self._steps:
                    step(server)
            except RuntimeError:
                # The port of the old one is not free yet.
                await asyncio.sleep(LOOK_SECONDS)
                continue
            await server.start()
            return server
