"""Threads that groups of callers share fairly."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Work = tuple["Future[Any]", Callable[[], Any]]


class FairExecutor:
    """Runs functions on a few threads. Groups take turns, so that one with many functions delays others by one each."""

    def __init__(self, threads: int, thread_name_prefix: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=thread_name_prefix)
        self._lock = Lock()
        # What waits, by group. The group whose turn it is comes first.
        self._waiting: OrderedDict[Hashable, deque[_Work]] = OrderedDict()

    def submit(self, group: Hashable, function: Callable[[], _Result]) -> "Future[_Result]":
        """Return the future of a function, which can be cancelled until the function begins."""
        future: Future[_Result] = Future()
        with self._lock:
            self._waiting.setdefault(group, deque()).append((future, function))
        # As many calls as there are functions: each runs the one whose turn it is.
        self._executor.submit(self._run_next)
        return future

    def _run_next(self) -> None:
        with self._lock:
            group, functions = self._waiting.popitem(last=False)
            future, function = functions.popleft()
            if functions:
                self._waiting[group] = functions
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - belongs to the caller, as in the executors of the library
            future.set_exception(error)
            # The traceback of the error refers to this frame: a cycle, which would keep the arguments of the function.
            del future
        else:
            future.set_result(result)
