"""How long gRPC calls wait for their requests."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc
import pytest

from aggregator.server.grpc_patience import Behaviour, Patience

SOON_SECONDS = 0.02
LONG_SECONDS = 60.0
# Longer than anything here takes on a busy machine.
DEADLINE_SECONDS = 20.0

Played = TypeVar("Played")


class AbortedError(Exception):
    """What a context raises for a call that is aborted."""


class Context:
    """Stands for a call's context: its request comes when it is told to."""

    def __init__(self) -> None:
        self.request: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.code: grpc.StatusCode | None = None

    async def read(self) -> Any:
        """Return the request once it is there."""
        return await self.request

    async def abort(self, code: grpc.StatusCode, _text: str) -> None:
        """End the call."""
        self.code = code
        raise AbortedError


async def _echo(request: bytes, _context: Any) -> bytes:
    return request


def _run(scene: Coroutine[Any, Any, Played]) -> Played:
    return asyncio.run(asyncio.wait_for(scene, DEADLINE_SECONDS))


def _patient(seconds: float) -> Behaviour:
    return Patience(request_seconds=seconds).around(grpc.unary_unary_rpc_method_handler(_echo))


def test_a_request_that_comes_is_answered() -> None:
    """A call whose request comes in time is answered, also after others gave up."""

    async def scene() -> bytes:
        answer = _patient(SOON_SECONDS)
        with pytest.raises(AbortedError):
            await answer(None, Context())
        context = Context()
        context.request.set_result(b"asked")
        answered: bytes = await answer(None, context)
        return answered

    assert _run(scene()) == b"asked"


def test_who_waits_too_long_is_sent_away() -> None:
    """Calls without requests end with DEADLINE_EXCEEDED when their time is over, those that began later, too."""

    async def scene() -> list[grpc.StatusCode | None]:
        answer, contexts = _patient(SOON_SECONDS), [Context(), Context()]
        first = asyncio.ensure_future(answer(None, contexts[0]))
        await asyncio.wait([first], timeout=SOON_SECONDS / 2)
        second = asyncio.ensure_future(answer(None, contexts[1]))
        await asyncio.gather(first, second, return_exceptions=True)
        return [context.code for context in contexts]

    assert _run(scene()) == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2


def test_who_goes_away_is_no_late_request() -> None:
    """A call that another ends while its request is awaited is cancelled, not told that it was too slow."""

    async def scene() -> grpc.StatusCode | None:
        context = Context()
        call = asyncio.ensure_future(_patient(LONG_SECONDS)(None, context))
        await asyncio.wait([call], timeout=SOON_SECONDS)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return context.code

    assert _run(scene()) is None


@pytest.mark.parametrize("broken", [ValueError("no protobuf"), None])
def test_what_is_no_request_is_refused(broken: Exception | None) -> None:
    """What the method cannot read, and no request at all, are refused with INVALID_ARGUMENT."""

    async def scene() -> grpc.StatusCode | None:
        context = Context()
        if broken is None:
            context.request.set_result(grpc.aio.EOF)
        else:
            context.request.set_exception(broken)
        with pytest.raises(AbortedError):
            await _patient(LONG_SECONDS)(None, context)
        return context.code

    assert _run(scene()) is grpc.StatusCode.INVALID_ARGUMENT
