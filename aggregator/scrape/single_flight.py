"""Single flight: those that ask for the same at about the same time share one answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


@dataclass
class _Flight(Generic[_Result]):
    task: "asyncio.Task[_Result]"
    waiters: int = 0
    ended_at: float | None = None


class SingleFlight(Generic[_Result]):
    """Runs a function once for all callers with the same key, and keeps its result for a short time.

    It is cancelled when all callers have been cancelled. An exception is shared, but not kept.
    """

    def __init__(self, reuse_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._reuse_seconds = reuse_seconds
        self._clock = clock
        self._flights: dict[Hashable, _Flight[_Result]] = {}

    async def run(self, key: Hashable, function: Callable[[], Awaitable[_Result]]) -> _Result:
        """Return the result for a key: of the running call, of the last one if it is recent, or of a new one."""
        self._drop_old()
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(_call(function)))
            flight.task.add_done_callback(lambda _task: self._end(key, flight))
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                flight.task.cancel()
                self._forget(key, flight)

    def _end(self, key: Hashable, flight: "_Flight[_Result]") -> None:
        flight.ended_at = self._clock()
        if flight.task.cancelled() or flight.task.exception() is not None or not self._reuse_seconds:
            self._forget(key, flight)
        else:
            asyncio.get_running_loop().call_later(self._reuse_seconds, self._forget, key, flight)

    def _forget(self, key: Hashable, flight: "_Flight[_Result]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _drop_old(self) -> None:
        now = self._clock()
        for key, flight in list(self._flights.items()):
            if flight.ended_at is not None and now - flight.ended_at >= self._reuse_seconds:
                self._forget(key, flight)


async def _call(function: Callable[[], Awaitable[_Result]]) -> _Result:
    return await function()
