"""The topologies that clients page through: kept for a while after they were replaced, if they are not too large."""

import time
from collections.abc import Callable

from aggregator.documents import Documents
from aggregator.grants import Grant
from aggregator.lookup.index import Index
from aggregator.snapshot import Snapshot

# From one page to the next.
KEPT_SECONDS = 60.0
# Clusters, nodes and pods with their containers, in all topologies but the one that was asked for last.
MOST_OBJECTS = 100_000

_Key = tuple[Grant, str]


class Paged:
    """Keeps topologies by who may see them and their version. A token of another caller opens none of them."""

    def __init__(self, most_objects: int = MOST_OBJECTS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_objects = most_objects
        self._clock = clock
        self._kept: dict[_Key, tuple[float, Snapshot, Index]] = {}

    def keep(self, grant: Grant, snapshot: Snapshot, index: Index) -> None:
        """Keep a topology, anew if it is kept already, and let go of what is too old or too much."""
        key = (grant, snapshot.topology.version)
        self._kept.pop(key, None)
        # Without the documents of all views, which nobody will ask it for.
        documents = Documents(snapshot.topology, snapshot.documents.at_seconds, {})
        bare = Snapshot(documents, snapshot.gaps, snapshot.taken_at, snapshot.oldest_at)
        self._kept[key] = (self._clock() + KEPT_SECONDS, bare, index)
        self.tidy()

    @property
    def keeps_any(self) -> bool:
        """Whether there is anything to let go of."""
        return bool(self._kept)

    def find(self, grant: Grant, version: str) -> tuple[Snapshot, Index] | None:
        """Return a topology that is kept."""
        self.tidy()
        kept = self._kept.get((grant, version))
        return None if kept is None else kept[1:]

    def tidy(self) -> None:
        """Let go of what is too old, and of the oldest while it is too much."""
        now = self._clock()
        for key in [key for key, (until, *_) in self._kept.items() if until <= now]:
            del self._kept[key]
        others = list(self._kept)[:-1]
        objects = sum(self._kept[key][2].size for key in others)
        for key in others:
            if objects <= self._most_objects:
                break
            objects -= self._kept.pop(key)[2].size
