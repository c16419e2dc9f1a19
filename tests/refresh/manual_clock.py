"""Clocks that a test moves, and waiting for other threads."""

import asyncio
from collections.abc import Callable

from aggregator.refresh.schedule import Clock

WAIT_SECONDS = 10.0
# The first refresh is on schedule: a second after a multiple of the interval.
START_SECONDS = 1795208201.0


class ManualClock:
    """The clocks of a refresher, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    @property
    def clock(self) -> Clock:
        """The clocks in the form that the refresher expects."""
        return Clock(wall=lambda: START_SECONDS + self.seconds, monotonic=lambda: self.seconds)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Yield to other tasks until a condition is true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what it waits for happens on other threads, without events
            await asyncio.sleep(0.001)
