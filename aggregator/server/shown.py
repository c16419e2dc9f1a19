"""What a caller is shown of the current snapshot, over HTTP and gRPC alike."""

import asyncio
from typing import Protocol

from aggregator.grants import Grant
from aggregator.server.asgi import JSON, NO_SNIFFING, Send, answer
from aggregator.snapshot import Snapshot

# Every answer is as fresh as it gets; what lies between must not keep it.
NO_CACHE = (b"cache-control", b"no-cache")


class Snapshots(Protocol):
    """Where the current snapshot comes from: `refresh.Refresher`, or a stand-in in a test."""

    def current(self) -> Snapshot:
        """Return the snapshot; raise NoTopologyError if there is none to show."""

    def age_seconds(self, snapshot: Snapshot) -> float:
        """Return how old a snapshot is."""

    def seconds_to_next(self) -> float:
        """Return when it is worth asking again."""

    async def fresh(self) -> None:
        """Wait for a newer snapshot, if one may be made."""


async def answer_shown(send: Send, snapshots: Snapshots, snapshot: Snapshot, body: bytes) -> None:
    """Answer over HTTP with JSON that is made of a snapshot: the one place where that is sent."""
    headers = [
        JSON,
        (b"content-length", b"%d" % len(body)),
        (b"age", b"%d" % snapshots.age_seconds(snapshot)),
        (b"x-topology-complete", b"true" if snapshot.is_complete else b"false"),
        (b"x-topology-version", snapshot.topology.version.encode()),
        NO_CACHE,
        NO_SNIFFING,
    ]
    await answer(send, 200, headers, body)


async def seen(snapshot: Snapshot, grant: Grant, view: str) -> tuple[Snapshot, bytes]:
    """Return what a caller sees of a snapshot, and its bytes; what has to be made first is made on a thread."""
    part = snapshot.known_part(grant)
    if part is not None and part.is_rendered(view):
        return part, part.body(view)
    return await asyncio.to_thread(_rendered, snapshot, grant, view)


def _rendered(snapshot: Snapshot, grant: Grant, view: str) -> tuple[Snapshot, bytes]:
    part = snapshot.part(grant)
    return part, part.body(view)
