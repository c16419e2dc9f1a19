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
        self._request_seconds = request_seconds
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
        async def call(requests: Requests, context: Any) -> Any:
            return await handler.unary_unary(await self._request(requests, context), context)

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
            answers = handler.unary_stream(await self._request(requests, context), context)
        # grpcio takes both: what yields its answers, and what writes them to the context.
        if isinstance(answers, AsyncIterator):
            async for answer in answers:
                await context.write(answer)
        else:
            await answers

    async def _request(self, requests: Requests, context: Any) -> Any:
        """Return the one request of a call; what grpcio has against it is not told."""
        try:
            async with asyncio.timeout(self._request_seconds):
                return await anext(requests)
        except TimeoutError:
            code, text = grpc.StatusCode.DEADLINE_EXCEEDED, "no request"
        except Exception:  # noqa: BLE001 - whatever a deserializer raises
            code, text = grpc.StatusCode.INVALID_ARGUMENT, "not a request of this method"
        await context.abort(code, text)
        raise AssertionError("abort raises")
