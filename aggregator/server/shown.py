"""What a caller is shown of the current snapshot, over HTTP and gRPC alike."""

import asyncio
from typing import Protocol

from aggregator.grants import Grant
from aggregator.quality import Quality
from aggregator.snapshot import Snapshot


class Snapshots(Protocol):
    """Where the current snapshot comes from: `refresh.Refresher`, or a stand-in in a test."""

    def current(self) -> Snapshot:
        """Return the snapshot; raise NoTopologyError if there is none to show."""

    def quality(self) -> Quality:
        """Return how good the last refresh was; the same object until that changes."""

    def age_seconds(self, snapshot: Snapshot) -> float:
        """Return how old a snapshot is."""

    def seconds_to_next(self) -> float:
        """Return when it is worth asking again."""

    async def fresh(self) -> None:
        """Wait for a newer snapshot, if one may be made."""


async def seen(snapshot: Snapshot, grant: Grant, view: str) -> tuple[Snapshot, bytes]:
    """Return what a caller sees of a snapshot, and its bytes; what has to be made first is made on a thread."""
    part = snapshot.known_part(grant)
    if part is not None and part.is_rendered(view):
        return part, part.body(view)
    return await asyncio.to_thread(_rendered, snapshot, grant, view)


def _rendered(snapshot: Snapshot, grant: Grant, view: str) -> tuple[Snapshot, bytes]:
    part = snapshot.part(grant)
    return part, part.body(view)
