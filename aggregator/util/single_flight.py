"""Single flight: callers that request the same at about the same time share one call."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from concurrent import futures
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

_Result = TypeVar("_Result")


@dataclass
class _Flight(Generic[_Result]):
    call: "asyncio.Future[_Result]"
    # Returns False if the call cannot be cancelled any longer.
    cancel: Callable[[], bool]
    waiters: int = 0
    ended_at: float | None = None


class SingleFlight(Generic[_Result]):
    """Runs a function once for all callers with the same key, and keeps its result for a short time.

    A caller that is cancelled does not cancel the call for the others. The last one does, unless the function has begun
    on a thread, where it cannot be stopped. An exception is shared, but not kept. Used on the event loop only.
    """

    def __init__(self, reuse_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._reuse_seconds = reuse_seconds
        self._clock = clock
        self._flights: dict[Hashable, _Flight[_Result]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return self._find(key) is not None

    def __len__(self) -> int:
        """Return the number of calls, also of those whose results are kept."""
        return len(self._flights)

    async def run(self, key: Hashable, function: Callable[[], Awaitable[_Result]]) -> _Result:
        """Return the result for a key: of the running call, of the last one if it is recent, or of a new one."""
        if key not in self:
            task = asyncio.ensure_future(_call(function))
            self._add(key, _Flight(task, task.cancel))
            # The traceback of an error refers to this frame, which must not refer to the error.
            del task
        return await self._wait(key)

    async def run_on_thread(
        self,
        key: Hashable,
        submit: "Callable[[Callable[[], _Result]], futures.Future[_Result]]",
        function: Callable[[], _Result],
        on_result: Callable[[_Result], Any] | None = None,
    ) -> _Result:
        """Do the same with a function that `submit` runs on a thread, with the context of the first caller.

        `on_result` is called on the event loop, also if all callers have been cancelled meanwhile.
        """
        if key not in self:
            work = submit(partial(copy_context().run, function))
            self._add(key, _Flight(asyncio.wrap_future(work), work.cancel), on_result)
            # As above.
            del work
        return await self._wait(key)

    def _find(self, key: Hashable) -> "_Flight[_Result] | None":
        flight = self._flights.get(key)
        if flight is None or flight.ended_at is None or self._clock() - flight.ended_at < self._reuse_seconds:
            return flight
        self._forget(key, flight)
        return None

    def _add(
        self, key: Hashable, flight: "_Flight[_Result]", on_result: Callable[[_Result], Any] | None = None
    ) -> None:
        self._flights[key] = flight
        flight.call.add_done_callback(lambda _call: self._end(key, flight, on_result))

    async def _wait(self, key: Hashable) -> _Result:
        flight = self._flights[key]
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.call)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.call.done() and flight.cancel():
                # At once, so that the next caller does not wait for a call that is being cancelled.
                self._forget(key, flight)
            # As above: an error refers to this frame, and the call to the error.
            del flight

    def _end(self, key: Hashable, flight: "_Flight[_Result]", on_result: Callable[[_Result], Any] | None) -> None:
        flight.ended_at = self._clock()
        # The exception is retrieved, so that asyncio does not log it if all callers have been cancelled.
        has_result = not flight.call.cancelled() and flight.call.exception() is None
        if has_result and self._reuse_seconds:
            asyncio.get_running_loop().call_later(self._reuse_seconds, self._forget, key, flight)
        else:
            self._forget(key, flight)
        # Last: if it raises, the event loop logs the error, and the call is forgotten nevertheless.
        if has_result and on_result is not None:
            on_result(flight.call.result())

    def _forget(self, key: Hashable, flight: "_Flight[_Result]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _call(function: Callable[[], Awaitable[_Result]]) -> _Result:
    return await function()
