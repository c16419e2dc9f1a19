"""Those that ask for the same at about the same time share one answer."""

import asyncio

import pytest

from aggregator.scrape.single_flight import SingleFlight


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
