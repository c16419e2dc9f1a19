"""How long a gRPC call may take up a place: grpcio by itself waits for its request for ever.

A call takes one of the server's places from its header on. Without these bounds one connection of whoever can
connect could take all of them, by headers without requests behind them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

# From the header of a call to its request, which follows at once.
SLOWEST_REQUEST_SECONDS = 5.0
# Calls that last as long as the client likes: those that watch the health, and reflection.
MOST_LASTING_CALLS = 100

Requests = AsyncIterator[Any]
# What answers a call: it reads its requests itself, and returns its one answer or writes several to the context.
Behaviour = Callable[[Any, Any], Awaitable[Any]]


class Patience:
    """Ends calls whose request does not come, and refuses lasting calls where there are many."""

    def __init__(
        self, request_seconds: float = SLOWEST_REQUEST_SECONDS, lasting_calls: int = MOST_LASTING_CALLS
    ) -> None:
        self._awaited = _Awaited(request_seconds)
        self._lasting_calls = lasting_calls
        self._lasting = 0

    def around(self, handler: Any) -> Behaviour:
        """Return what a method does, with its bounds around it; a single answer to many requests needs none."""
        if handler.response_streaming:
            return self._lasting_call(handler)
        if not handler.request_streaming:
            return self._short_call(handler)
        behaviour: Behaviour = handler.stream_unary
        return behaviour

    def _short_call(self, handler: Any) -> Behaviour:
        async def call(_requests: Requests, context: Any) -> Any:
            return await handler.unary_unary(await self._request(context), context)

        return call

    def _lasting_call(self, handler: Any) -> Behaviour:
        async def call(requests: Requests, context: Any) -> None:
            if self._lasting >= self._lasting_calls:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many lasting calls")
            self._lasting += 1
            try:
                await self._answered(handler, requests, context)
            finally:
                self._lasting -= 1

        return call

    async def _answered(self, handler: Any, requests: Requests, context: Any) -> None:
        if handler.request_streaming:
            answers = handler.stream_stream(requests, context)
        else:
            answers = handler.unary_stream(await self._request(context), context)
        # grpcio takes both: what yields its answers, and what writes them to the context.
        if isinstance(answers, AsyncIterator):
            async for answer in answers:
                await context.write(answer)
        else:
            await answers

    async def _request(self, context: Any) -> Any:
        """Return the one request of a call; what grpcio has against it is not told."""
        request, code, text = None, grpc.StatusCode.INVALID_ARGUMENT, "not a request of this method"
        try:
            request = await self._awaited.request_of(context)
        except TimeoutError:
            code, text = grpc.StatusCode.DEADLINE_EXCEEDED, "no request"
        except Exception:  # noqa: BLE001 - whatever a deserializer raises
            request = None
        if request is not None and request is not grpc.aio.EOF:
            return request
        await context.abort(code, text)
        raise AssertionError("abort raises")


class _Awaited:
    """The requests that are awaited, with one timer for all: one for each call would cost a tenth of the call."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Until when each call waits. All wait equally long, so the first is the next to give up.
        self._until: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def request_of(self, context: Any) -> Any:
        """Return the next request of a call, EOF where none follows; raise TimeoutError if that takes too long."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._until[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)
        try:
            return await context.read()
        except asyncio.CancelledError:
            # Still among them: it was another who ended the call.
            if task in self._until or task.uncancel():
                raise
            raise TimeoutError from None
        finally:
            self._until.pop(task, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task in [task for task, until in self._until.items() if until <= now]:
            del self._until[task]
            task.cancel()
        until = next(iter(self._until.values()), None)
        self._timer = None if until is None else loop.call_at(until, self._look)
