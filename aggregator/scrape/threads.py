"""Threads for pages: parsing and merging large ones would hold up the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")

# Not the threads of the event loop: those may all wait for a name server that does not answer. More than one, so that
# parsing does not wait for a merge. The threads start when they are needed.
_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="pages")


async def run_in_thread(function: Callable[[], _Result]) -> _Result:
    """Return the result of a function that takes long."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, function)
