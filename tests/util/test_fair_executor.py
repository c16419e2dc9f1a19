"""Groups of callers share threads fairly."""

import gc
import threading
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from aggregator.util.fair_executor import FairExecutor

TIMEOUT_SECONDS = 20.0


class Calls:
    """The calls on one thread, in their order, after the first one has been released."""

    def __init__(self) -> None:
        self.executor = FairExecutor(1, "fair")
        self.names: list[str] = []
        self.begun = threading.Event()
        self.is_released = threading.Event()
        self.executor.submit("first", self._wait)
        assert self.begun.wait(TIMEOUT_SECONDS)

    def _wait(self) -> None:
        self.begun.set()
        self.is_released.wait(TIMEOUT_SECONDS)

    def record(self, name: str) -> Callable[[], str]:
        """Return a function that records and returns a name."""

        def run() -> str:
            self.names.append(name)
            return name

        return run


def test_groups_take_turns() -> None:
    """A group with many functions delays one of another group by one of them; the order within a group stays."""
    calls = Calls()
    names = ["a1", "a2", "a3", "b1", "b2", "c1"]
    futures = [calls.executor.submit(name[0], calls.record(name)) for name in names]
    calls.is_released.set()
    assert [future.result(TIMEOUT_SECONDS) for future in futures] == names
    assert calls.names == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_cancelled_function_is_not_run() -> None:
    """A function can be cancelled until it begins, and the others run."""
    calls = Calls()
    cancelled, kept = (calls.executor.submit("a", calls.record(name)) for name in ("cancelled", "kept"))
    assert cancelled.cancel()
    calls.is_released.set()
    assert (kept.result(TIMEOUT_SECONDS), calls.names) == ("kept", ["kept"])
    assert not kept.cancel()


def test_an_error_belongs_to_its_function() -> None:
    """The future of a function that fails has its error, and the thread runs the next one."""
    calls = Calls()

    def fail() -> str:
        raise ValueError("no")

    failed, kept = calls.executor.submit("a", fail), calls.executor.submit("a", calls.record("kept"))
    calls.is_released.set()
    with pytest.raises(ValueError, match="no"):
        failed.result(TIMEOUT_SECONDS)
    assert kept.result(TIMEOUT_SECONDS) == "kept"


class Argument:
    """What a function refers to."""


def test_an_error_keeps_no_arguments() -> None:
    """What a failed function refers to is freed with its future, without the garbage collector."""
    calls = Calls()
    calls.is_released.set()

    def fail(_argument: Argument) -> None:
        raise ValueError("no")

    def fail_once() -> "weakref.ref[Argument]":
        argument = Argument()
        assert calls.executor.submit("a", partial(fail, argument)).exception(TIMEOUT_SECONDS) is not None
        return weakref.ref(argument)

    gc.disable()
    try:
        reference = fail_once()
        # The thread has nothing left of the function before.
        calls.executor.submit("a", int).result(TIMEOUT_SECONDS)
        assert reference() is None
    finally:
        gc.enable()
