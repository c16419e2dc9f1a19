"""Slots for fetches when targets hang."""

import asyncio

from aggregator.scrape.slots import FetchSlots


async def fetch(slots: FetchSlots, seconds: float, *, is_hanging: bool) -> bool:
    """Return whether a fetch gets an answer in this time."""
    try:
        async with asyncio.timeout(seconds) as limit, slots.hold(limit):
            if is_hanging:
                await asyncio.Event().wait()
            return True
    except TimeoutError:
        return False


async def test_hanging_fetches_do_not_keep_the_others_waiting() -> None:
    """Ten that hang leave two slots early enough for two that answer."""
    slots = FetchSlots(2)
    results = await asyncio.gather(*(fetch(slots, 3, is_hanging=number < 10) for number in range(12)))
    assert results == [False] * 10 + [True] * 2
