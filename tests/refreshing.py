"""What tests of refreshing need: clocks that a test moves, and a way to wait for other threads."""

import asyncio
from collections.abc import Callable

from aggregator.refresh import Clock

WAIT_SECONDS = 10.0
START_SECONDS = 1795208200.0


class Time:
    """Both clocks of a refresher, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    @property
    def clock(self) -> Clock:
        """The clocks as the refresher wants them."""
        return Clock(wall=lambda: START_SECONDS + self.seconds, monotonic=lambda: self.seconds)


async def until(happened: Callable[[], bool]) -> None:
    """Give way to other tasks until it has happened."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not happened():  # noqa: ASYNC110 - what it waits for happens on other threads, without events
            await asyncio.sleep(0.001)
