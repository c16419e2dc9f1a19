"""What a server does for an HTTP client ends when the client disconnects."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

_Result = TypeVar("_Result")


async def run_while_connected(receive: Receive, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Return the result of a coroutine; cancel it and raise ClientDisconnect when the client disconnects."""
    task = asyncio.ensure_future(coroutine)
    disconnect = asyncio.ensure_future(wait_for_disconnect(receive))
    try:
        await asyncio.wait((task, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        for each in (task, disconnect):
            each.cancel()
        await asyncio.gather(task, disconnect, return_exceptions=True)


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client disconnects; what it sends is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass
