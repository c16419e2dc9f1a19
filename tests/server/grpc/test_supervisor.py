"""The workarounds for grpcio: they work, and the defects that they work around are still there.

If a test of a defect fails after an upgrade of grpcio, then the defect is fixed or changed: remove or adapt the
workaround in `aggregator/server/grpc/supervisor.py` and the report in docs/upstream-reports.md.
"""

import asyncio
import contextlib
import gc
import logging
import re
import socket
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from aggregator.server.grpc.supervisor import (
    GRPCIO_LOGGER,
    SUPERVISOR_INTERVAL_SECONDS,
    GenericRegistration,
    SupervisedServer,
    silence_client_errors,
)
from tests.support.grpc_client import HEALTH_CHECK_METHOD
from tests.support.http2 import DATA, HEADERS, Http2Connection, encode_call, open_http2_connection

TIMEOUT_SECONDS = 10.0
UNDECODABLE_PATH = b"/\xff"
UNDECODABLE_METADATA = {b"x": b"\xff"}
PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture(autouse=True)
async def _keep_grpcio_initialized() -> None:
    """Keep grpcio initialized until the process ends.

    Otherwise the end of the last server releases what the failed call needs. The error of that call, which pytest
    keeps for its report, refers to the call, and the process crashes when it is deleted.
    """
    grpc.aio.init_grpc_aio()


def find_free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def create_health_server(port: int) -> grpc.aio.Server:
    """Return a server with the health service on a port."""
    server = grpc.aio.server()
    registration: Any = GenericRegistration(server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), registration)
    server.add_insecure_port(f"127.0.0.1:{port}")
    return server


@contextlib.contextmanager
def start_call(port: int, path: bytes, metadata: dict[bytes, bytes]) -> Iterator[Http2Connection]:
    """Send a call, and keep its connection open while the block runs."""
    with open_http2_connection(port) as connection:
        connection.send(encode_call(1, path, metadata))
        yield connection


def wait_for_response(connection: Http2Connection) -> None:
    """Wait for the headers of a response."""
    assert any(kind == HEADERS for kind, _payload in connection.iter_frames())


def is_serving(port: int) -> bool:
    """Return whether a server answers a health check.

    The client of grpcio crashes now and then in a process where servers of grpcio come and go.
    """
    with contextlib.suppress(OSError), start_call(port, HEALTH_CHECK_METHOD.encode(), {}) as connection:
        return any(kind == DATA for kind, _payload in connection.iter_frames())
    return False


async def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until a blocking check returns True."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not await asyncio.to_thread(is_true):
            pass


@contextlib.asynccontextmanager
async def run_server(server: grpc.aio.Server | SupervisedServer) -> AsyncIterator[None]:
    """Run a server while the block runs."""
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


async def poll_for_termination(server: grpc.aio.Server) -> None:
    """Wait for the end of a server as the supervisor does."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while await server.wait_for_termination(SUPERVISOR_INTERVAL_SECONDS):
            pass


# --- defects of grpcio


async def test_an_undecodable_path_ends_the_accept_loop() -> None:
    """A call whose path is not UTF-8 ends a plain server of grpcio; wait_for_termination raises the error."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    async with run_server(server):
        with start_call(port, UNDECODABLE_PATH, {}), pytest.raises(UnicodeDecodeError):
            await poll_for_termination(server)


@pytest.fixture
def unfiltered() -> Iterator[None]:
    """Log without the filters that servers of other tests may have added to this process."""
    loggers = [logging.getLogger(name) for name in (GRPCIO_LOGGER, "asyncio")]
    saved = [logger.filters for logger in loggers]
    for logger in loggers:
        logger.filters = []
    yield
    for logger, filters in zip(loggers, saved, strict=True):
        logger.filters = filters


async def list_log_messages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what is logged about a call with metadata that is not UTF-8, with the names of the loggers."""
    server = create_health_server(port := find_free_port())
    async with run_server(server):
        with start_call(port, HEALTH_CHECK_METHOD.encode(), UNDECODABLE_METADATA) as connection:
            await asyncio.to_thread(wait_for_response, connection)
    # grpcio logs in a task, after it has sent the response.
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks, timeout=TIMEOUT_SECONDS)
    return [(record.name, str(record.msg)) for record in caplog.records]


@pytest.mark.usefixtures("unfiltered")
async def test_undecodable_metadata_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The line that grpcio logs for metadata that is not UTF-8 has the logger and prefix that the filter expects."""
    ((name, message),) = await list_log_messages(caplog)
    assert (name, message[:19]) == (GRPCIO_LOGGER, "Invalid encoding on")


# --- workarounds


@pytest.mark.usefixtures("unfiltered")
async def test_client_errors_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With the filters, metadata that is not UTF-8 leaves no line in the log."""
    silence_client_errors()
    assert await list_log_messages(caplog) == []


@pytest.mark.usefixtures("unfiltered")
async def test_a_failed_server_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """After each call that ends the accept loop another server listens on the same port; asyncio logs no traceback."""
    port, created = find_free_port(), 0

    def create_server() -> grpc.aio.Server:
        nonlocal created
        server = create_health_server(port)
        created += 1
        return server

    def has_created(servers: int) -> bool:
        return created == servers

    async with run_server(SupervisedServer(create_server)):
        for servers in (2, 3):
            with start_call(port, UNDECODABLE_PATH, {}):
                # Until the supervisor notices, the failed server still accepts connections.
                await wait_until(partial(has_created, servers))
            await wait_until(partial(is_serving, port))
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


class FakeServer:
    """Stands for a server of grpcio whose accept loop has failed, and which has not begun to stop itself."""

    def __init__(self) -> None:
        self.stop_calls = 0

    async def start(self) -> None:
        """Start nothing."""

    async def wait_for_termination(self, _timeout: float) -> bool:
        """Raise the error of the accept loop."""
        await asyncio.sleep(0)
        raise UnicodeDecodeError("utf-8", UNDECODABLE_PATH, 1, 2, "invalid start byte")

    async def stop(self, _grace: float | None) -> None:
        """Raise the error of the accept loop once."""
        self.stop_calls += 1
        if self.stop_calls == 1:
            raise UnicodeDecodeError("utf-8", UNDECODABLE_PATH, 1, 2, "invalid start byte")


async def test_a_server_whose_stop_raises_is_replaced() -> None:
    """A failed server whose first stop raises the error of the accept loop is stopped again and replaced."""
    failed, port = FakeServer(), find_free_port()
    servers = iter((failed, create_health_server(port)))
    async with run_server(SupervisedServer(lambda: cast("grpc.aio.Server", next(servers)))):
        await wait_until(partial(is_serving, port))
    assert failed.stop_calls == 2


def test_grpcio_has_an_upper_version_bound() -> None:
    """The workarounds hold for the minor version of grpcio that is installed and no later one."""
    dependencies = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    major, minor, *_ = grpc.__version__.split(".")
    for package in ("grpcio", "grpcio-health-checking", "grpcio-reflection"):
        (bounds,) = (text for text in dependencies if re.match(rf"{package}\b(?!-)", text))
        assert bounds.endswith(f"<{major}.{int(minor) + 1}")
