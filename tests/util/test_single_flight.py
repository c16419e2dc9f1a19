"""Those that ask for the same at about the same time share one answer."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from aggregator.util.single_flight import SingleFlight


class Counted:
    """A slow function that counts its calls and cancellations."""

    def __init__(self) -> None:
        self.calls = 0
        self.cancellations = 0
        self.proceed = asyncio.Event()

    async def __call__(self) -> bytes:
        """Return the number of the call."""
        self.calls += 1
        number = self.calls
        try:
            await self.proceed.wait()
        except asyncio.CancelledError:
            self.cancellations += 1
            raise
        return b"%d" % number


async def test_concurrent_callers_share_a_call() -> None:
    """All callers with one key get the same object; other keys have calls of their own."""
    flights, function = SingleFlight[bytes](0), Counted()
    tasks = [asyncio.create_task(flights.run(key, function)) for key in ("a", "a", "b")]
    await asyncio.sleep(0)
    function.proceed.set()
    first, second, third = await asyncio.gather(*tasks)
    assert first is second
    assert (first, third, function.calls) == (b"1", b"2", 2)
    assert await flights.run("a", function) == b"3"


async def test_a_result_is_used_again_for_a_time() -> None:
    """Within the time, the last result is returned; after it, there is a new call."""
    now = [0.0]
    flights, function = SingleFlight[bytes](1, lambda: now[0]), Counted()
    function.proceed.set()
    assert await flights.run("a", function) == b"1"
    now[0] = 0.9
    assert await flights.run("a", function) == b"1"
    now[0] = 1.0
    assert await flights.run("a", function) == b"2"


async def test_a_call_ends_with_its_last_caller() -> None:
    """When one of two callers leaves, the other gets the result; when all leave, the call is cancelled."""
    flights, function = SingleFlight[bytes](1), Counted()
    first, second = (asyncio.create_task(flights.run("a", function)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert function.cancellations == 0
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await asyncio.sleep(0)
    assert function.cancellations == 1
    function.proceed.set()
    assert await flights.run("a", function) == b"2"


async def test_an_error_is_shared_but_not_kept() -> None:
    """All callers get the error of a call; the next caller has another call."""
    calls = []

    async def fail() -> bytes:
        calls.append(1)
        raise ValueError("no")

    flights = SingleFlight[bytes](60)
    results = await asyncio.gather(*(flights.run("a", fail) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    with pytest.raises(ValueError, match="no"):
        await flights.run("a", fail)
    assert len(calls) == 2


class Worker:
    """Runs functions on one thread, after the ones before."""

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(1)
        self.proceed = threading.Event()
        self.begun = threading.Event()
        self.calls: list[str] = []

    def call(self, name: str) -> str:
        """Wait until the test lets all calls proceed."""
        self.calls.append(name)
        self.begun.set()
        self.proceed.wait()
        return name

    def start(self, flights: SingleFlight[str], name: str, results: list[str] | None = None) -> asyncio.Task[str]:
        """Start a caller."""
        on_result = None if results is None else results.append
        return asyncio.create_task(
            flights.run_on_thread(name, self.executor.submit, partial(self.call, name), on_result)
        )


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker whose thread ends with the test."""
    worker = Worker()
    yield worker
    worker.proceed.set()
    worker.executor.shutdown()


async def test_callers_share_a_call_on_a_thread(worker: Worker) -> None:
    """All callers with one key get one result; when one of them is cancelled, the others still get it."""
    flights = SingleFlight[str]()
    tasks = [worker.start(flights, "a") for _ in range(3)]
    await asyncio.to_thread(worker.begun.wait)
    tasks[0].cancel()
    worker.proceed.set()
    assert await asyncio.gather(*tasks[1:]) == ["a", "a"]
    assert (worker.calls, len(flights), "a" in flights) == (["a"], 0, False)


async def test_a_call_that_waits_for_a_thread_ends_with_its_last_caller(worker: Worker) -> None:
    """What nobody waits for is not begun, and what has begun is finished, with its result, for later callers."""
    flights, results = SingleFlight[str](), list[str]()
    running, waiting = worker.start(flights, "running", results), worker.start(flights, "waiting", results)
    await asyncio.to_thread(worker.begun.wait)
    for task in (running, waiting):
        task.cancel()
    await asyncio.wait((running, waiting))
    assert ("running" in flights, "waiting" in flights) == (True, False)
    again = worker.start(flights, "running")
    worker.proceed.set()
    assert await again == "running"
    assert (worker.calls, results, len(flights)) == (["running"], ["running"], 0)


async def test_an_error_on_a_thread_reaches_all(worker: Worker) -> None:
    """All callers get the error of a call on a thread, nothing is kept, and nobody gets a result."""

    def fail() -> str:
        raise ValueError("no")

    flights, got = SingleFlight[str](60), list[str]()
    calls = [flights.run_on_thread("a", worker.executor.submit, fail, got.append) for _ in range(2)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    assert (len(flights), got) == (0, [])


async def test_a_call_whose_result_cannot_be_used_is_forgotten(worker: Worker) -> None:
    """An error of `on_result` is reported to the event loop, callers get the result, and the call is not kept."""

    def refuse(_result: str) -> None:
        raise ValueError("no")

    errors = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context["exception"]))
    flights = SingleFlight[str]()
    assert await flights.run_on_thread("a", worker.executor.submit, lambda: "result", refuse) == "result"
    assert ([type(error) for error in errors], len(flights)) == ([ValueError], 0)


class Argument:
    """What a call refers to."""


async def test_an_error_keeps_no_arguments(worker: Worker) -> None:
    """What a failed call refers to is freed with its error, without the garbage collector."""

    def fail(_argument: Argument) -> str:
        raise ValueError("no")

    async def fail_once() -> "weakref.ref[Argument]":
        argument = Argument()
        try:
            await SingleFlight[str]().run_on_thread("a", worker.executor.submit, partial(fail, argument))
        except ValueError:
            return weakref.ref(argument)
        raise AssertionError

    gc.disable()
    try:
        reference = await fail_once()
        # The thread has nothing left of the call before.
        await asyncio.wrap_future(worker.executor.submit(int))
        await asyncio.sleep(0)
        assert reference() is None
    finally:
        gc.enable()
