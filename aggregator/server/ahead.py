"""What is made ahead: work that a topology was asked for is done on the next one before anybody asks for it."""

import asyncio
from collections.abc import Callable

from aggregator.errors import NoTopologyError
from aggregator.logs import logger
from aggregator.server.shown import Snapshots
from aggregator.snapshot import Snapshot

_log = logger(__name__)


class Ahead:
    """Does a work on the next topology, on a thread, where it was asked for on this one; once for each time."""

    def __init__(self, snapshots: Snapshots, work: Callable[[Snapshot], Callable[[], None]]) -> None:
        """`work` returns, on the event loop, what is then done on a thread."""
        self._snapshots = snapshots
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def asked(self, version: str) -> None:
        """Do the work when a topology of another version than this is current."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._wait(version), name="ahead")

    async def _wait(self, version: str) -> None:
        while not self._snapshots.is_stopping:
            await self._snapshots.changed()
            try:
                snapshot = self._snapshots.current()
            except NoTopologyError:
                continue
            if snapshot.topology.version != version:
                try:
                    await asyncio.to_thread(self._work(snapshot))
                except Exception:  # noqa: BLE001 - it was only to save time; whoever asks is told what is wrong
                    _log.exception("writing ahead broke")
                return
