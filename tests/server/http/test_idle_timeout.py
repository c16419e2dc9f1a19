"""The timeouts of an idle connection, and of one whose client does not read a small response."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from aggregator.server.http.protocol import LimitedProtocol, RequestLimits

LIMITS = RequestLimits(write_timeout_seconds=0.05, idle_timeout_seconds=1)
# What is below the mark at which a transport pauses writing.
SMALL_WRITE_BYTES = 100
WAIT_TIMEOUT_SECONDS = 5.0


class FakeTransport(asyncio.Transport):
    """A connection whose client reads on command. Its buffer is too small to pause writing."""

    def __init__(self) -> None:
        super().__init__()
        self.buffered_bytes = SMALL_WRITE_BYTES
        self.is_aborted = asyncio.Event()
        self.is_closed = False

    def get_write_buffer_size(self) -> int:
        """Return the number of unread bytes."""
        return self.buffered_bytes

    def is_closing(self) -> bool:
        """Return whether it is closed."""
        return self.is_closed

    def close(self) -> None:
        """Close the connection."""
        self.is_closed = True

    def abort(self) -> None:
        """Abort the connection."""
        self.is_aborted.set()


async def ignore_request(_scope: Any, _receive: Any, _send: Any) -> None:
    """Do nothing: the request does not matter here."""


@pytest.fixture
def line() -> FakeTransport:
    """A connection."""
    return FakeTransport()


@pytest.fixture
async def protocol(line: FakeTransport) -> AsyncIterator[LimitedProtocol]:
    """The protocol of the connection."""
    config = Config(
        ignore_request, http=LimitedProtocol, log_config=None, timeout_keep_alive=LIMITS.idle_timeout_seconds
    )
    config.load()
    limited_protocol = LimitedProtocol(config, ServerState(), LIMITS, lambda: None)
    limited_protocol.connection_made(line)
    yield limited_protocol
    limited_protocol.connection_lost(None)


async def test_a_client_that_does_not_read_is_aborted(protocol: LimitedProtocol, line: FakeTransport) -> None:
    """An idle connection with unread bytes is not closed immediately, but aborted after the write timeout."""
    protocol.timeout_keep_alive_handler()
    assert not line.is_closed
    assert not line.is_aborted.is_set()
    await asyncio.wait_for(line.is_aborted.wait(), WAIT_TIMEOUT_SECONDS)


async def test_an_idle_connection_without_unread_bytes_is_closed(
    protocol: LimitedProtocol, line: FakeTransport
) -> None:
    """When all bytes are read, an idle connection is closed."""
    protocol.timeout_keep_alive_handler()
    line.buffered_bytes = 0
    protocol.timeout_keep_alive_handler()
    assert line.is_closed


async def test_the_write_timeout_ends_with_the_response(protocol: LimitedProtocol, line: FakeTransport) -> None:
    """The write timeout of a response does not cut off the next request."""
    protocol.timeout_keep_alive_handler()
    line.buffered_bytes = 0
    protocol.data_received(b"GET / HT")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.is_aborted.wait(), 4 * LIMITS.write_timeout_seconds)


async def test_more_requests_do_not_extend_the_write_timeout(protocol: LimitedProtocol, line: FakeTransport) -> None:
    """More requests do not extend the timeout of an unread response."""
    protocol.timeout_keep_alive_handler()
    protocol.data_received(b"GET / HT")
    await asyncio.wait_for(line.is_aborted.wait(), WAIT_TIMEOUT_SECONDS)
