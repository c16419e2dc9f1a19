"""The clock of an idle connection, and of one whose client does not take the little that it was sent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from aggregator.server.http_limits import LimitedProtocol, Limits

LIMITS = Limits(taking_seconds=0.05, idle_seconds=1)
# What is below the mark at which a transport pauses writing.
LITTLE_BYTES = 100
SECONDS = 5.0


class Line(asyncio.Transport):
    """A connection to a client that takes what it is told to; so little waits that writing never pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting_bytes = LITTLE_BYTES
        self.is_aborted = asyncio.Event()
        self.is_closed = False

    def get_write_buffer_size(self) -> int:
        """Return what was not taken yet."""
        return self.waiting_bytes

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.is_closed

    def close(self) -> None:
        """Close it when all is taken, which may be never."""
        self.is_closed = True

    def abort(self) -> None:
        """Close it at once."""
        self.is_aborted.set()


async def app(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answer nothing: what is asked does not matter here."""


@pytest.fixture
def line() -> Line:
    """A connection."""
    return Line()


@pytest.fixture
async def protocol(line: Line) -> AsyncIterator[LimitedProtocol]:
    """What serves the connection."""
    config = Config(app, http=LimitedProtocol, log_config=None, timeout_keep_alive=LIMITS.idle_seconds)
    config.load()
    made = LimitedProtocol(config, ServerState(), LIMITS, lambda: None)
    made.connection_made(line)
    yield made
    made.connection_lost(None)


async def test_who_does_not_take_a_little_is_closed_in_the_end(protocol: LimitedProtocol, line: Line) -> None:
    """An idle connection with a rest that is not taken is not closed at once, but when the time to take it is over."""
    protocol.timeout_keep_alive_handler()
    assert not line.is_closed
    assert not line.is_aborted.is_set()
    await asyncio.wait_for(line.is_aborted.wait(), SECONDS)


async def test_who_took_all_is_closed_when_idle(protocol: LimitedProtocol, line: Line) -> None:
    """Once the rest is taken, an idle connection is closed in good order."""
    protocol.timeout_keep_alive_handler()
    line.waiting_bytes = 0
    protocol.timeout_keep_alive_handler()
    assert line.is_closed


async def test_who_took_all_and_asks_again_has_no_clock_left(protocol: LimitedProtocol, line: Line) -> None:
    """The time to take an answer ends with the answer: the next request is not cut off by it."""
    protocol.timeout_keep_alive_handler()
    line.waiting_bytes = 0
    protocol.data_received(b"GET / HT")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.is_aborted.wait(), 4 * LIMITS.taking_seconds)


async def test_who_asks_again_and_takes_nothing_has_the_same_clock(protocol: LimitedProtocol, line: Line) -> None:
    """More requests do not wind up the clock of an answer that is not taken."""
    protocol.timeout_keep_alive_handler()
    protocol.data_received(b"GET / HT")
    await asyncio.wait_for(line.is_aborted.wait(), SECONDS)
