"""Workarounds for grpcio; docs/upstream-reports.md has the reports, and a test fails when one is no longer needed.

* A call whose path is not UTF-8 ends the loop of grpcio that accepts calls, and with it the server. Anyone who can
  connect can send one. Nothing outside grpcio can prevent it, so `SupervisedServer` starts another server.
* When that loop fails, grpcio frees the memory of the registered methods for which it waits, and its core still writes
  to it. `GenericRegistration` adds a service without registered methods.
* grpcio logs a traceback for clients that disconnect and for metadata that is not UTF-8, tokens included.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from aggregator.observability.logs import get_logger

# How often the supervisor checks whether the server still accepts calls.
SUPERVISOR_INTERVAL_SECONDS = 0.05

GRPCIO_LOGGER = "grpc._cython.cygrpc"
_CLIENT_ERROR_MESSAGES = ("ExecuteBatchError raised in core", "Invalid encoding on")
_UNRETRIEVED_MESSAGE = "Task exception was never retrieved"

_log = get_logger(__name__)


class GenericRegistration:
    """Takes the place of a server in the generated `add_...Servicer_to_server`; registers no methods.

    grpcio finds the methods of a generic handler by their path, with the same result.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Add the handlers to the server."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service_name: str, handlers: Mapping[str, Any]) -> None:
        """Add nothing: the generic handlers of the service have the same methods."""


class SupervisedServer:
    """A gRPC server that is replaced by a new one when its accept loop fails."""

    def __init__(self, create_server: Callable[[], grpc.aio.Server]) -> None:
        """`create_server` returns a server with its handlers and ports, or raises RuntimeError if a port is in use."""
        self._create_server = create_server
        self._server = create_server()
        self._is_stopping = False
        self._supervisor_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to accept calls."""
        silence_client_errors()
        await self._server.start()
        self._supervisor_task = asyncio.create_task(self._supervise(), name="grpc server")

    async def stop(self, grace_seconds: float | None) -> None:
        """Stop accepting calls; return when the calls in flight have ended, at the latest after the grace period."""
        # The supervisor is not cancelled: the process crashes if a server that has started is not stopped.
        self._is_stopping = True
        if self._supervisor_task is not None:
            await self._supervisor_task
        await self._server.stop(grace_seconds)

    async def _supervise(self) -> None:
        while not self._is_stopping:
            try:
                # Raises the error of the accept loop, but does not return early when that loop fails.
                await self._server.wait_for_termination(SUPERVISOR_INTERVAL_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever ended the accept loop
                _log.error("grpc server failed, starting another", reason=type(error).__name__)
                await _stop_failed_server(self._server)
                await self._start_replacement()

    async def _start_replacement(self) -> None:
        while not self._is_stopping:
            try:
                server = self._create_server()
            except RuntimeError:
                # The previous server still holds the port.
                await asyncio.sleep(SUPERVISOR_INTERVAL_SECONDS)
                continue
            await server.start()
            self._server = server
            return


async def _stop_failed_server(server: grpc.aio.Server) -> None:
    """Stop a server whose accept loop has failed; its port is free afterwards."""
    # The first call raises the error of the accept loop if grpcio has not begun to stop the server itself.
    with contextlib.suppress(Exception):
        await server.stop(None)
    await server.stop(None)


def silence_client_errors() -> None:
    """Keep messages about misbehaving clients out of the log."""
    logging.getLogger(GRPCIO_LOGGER).addFilter(_is_not_client_error)
    logging.getLogger("asyncio").addFilter(_is_not_undecodable_path)


def _is_not_client_error(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_CLIENT_ERROR_MESSAGES)


def _is_not_undecodable_path(record: logging.LogRecord) -> bool:
    """Return False for the error that ended an accept loop: the supervisor logs it."""
    error = record.exc_info[1] if record.exc_info else None
    return not (str(record.msg).startswith(_UNRETRIEVED_MESSAGE) and isinstance(error, UnicodeDecodeError))
