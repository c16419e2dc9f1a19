"""Slots: how many targets are fetched at the same time, shared fairly when some of them hang."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_CHECK_INTERVAL_SECONDS = 0.1


@dataclass(eq=False)
class _Fetch:
    limit: asyncio.Timeout
    started_at: float
    deadline: float


class FetchSlots:
    """Limits the number of fetches at the same time.

    While others wait, a fetch keeps its slot only for its share of the time that is left: a third of it if there are
    three times as many fetches as slots. Otherwise targets that hang would keep the slots until it is too late for all
    others.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._semaphore = asyncio.Semaphore(count)
        self._running: set[_Fetch] = set()
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def hold(self, limit: asyncio.Timeout) -> AsyncIterator[None]:
        """Hold a slot while the block runs; `limit` surrounds it, and ends it early if others need the slot."""
        self._waiting += 1
        self._start_timer()
        try:
            await self._semaphore.acquire()
        finally:
            self._waiting -= 1
        now = asyncio.get_running_loop().time()
        fetch = _Fetch(limit, now, limit.when() or now)
        self._running.add(fetch)
        try:
            yield
        finally:
            self._running.discard(fetch)
            self._semaphore.release()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_CHECK_INTERVAL_SECONDS, self._end_hanging)

    def _end_hanging(self) -> None:
        """End the fetches that have had their share, if others wait."""
        self._timer = None
        if not self._waiting:
            return
        now = asyncio.get_running_loop().time()
        rounds = math.ceil((self._waiting + len(self._running)) / self._count)
        for fetch in self._running:
            share_seconds = (fetch.deadline - fetch.started_at) / rounds
            if now - fetch.started_at >= share_seconds and not fetch.limit.expired():
                fetch.limit.reschedule(now)
        self._start_timer()
