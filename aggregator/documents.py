"""The documents of one topology: its bytes in each view, made at first need and only once."""

import threading
from collections.abc import Callable, Mapping

from aggregator.grants import Grant
from aggregator.models.topology import Topology

View = Callable[[Topology, float], bytes]

# Parts of a topology that are kept: as many different sets of clusters as callers are restricted to, or so.
MOST_PARTS = 64


class Documents:
    """A topology in every view.

    Ages inside documents are counted to `at_seconds`, on the wall clock. `edition` tells apart what the views show:
    it is the topology's version, with that moment where the topology is shown again, older, after a refresh failed.
    """

    def __init__(
        self, topology: Topology, at_seconds: float, views: Mapping[str, View], *, again: bool = False
    ) -> None:
        self.topology = topology
        self.at_seconds = at_seconds
        self.edition = f"{topology.version}-{at_seconds:.3f}" if again else topology.version
        self._views = views
        self._again = again
        self._bytes: dict[str, bytes] = {}
        self._parts: dict[Grant, Documents] = {}
        self._lock = threading.Lock()

    def are_ready(self, view: str) -> bool:
        """Return whether `body` of this view costs nothing."""
        return view in self._bytes

    def body(self, view: str) -> bytes:
        """Return the bytes of a view."""
        if view not in self._bytes:
            with self._lock:
                if view not in self._bytes:
                    self._bytes[view] = self._views[view](self.topology, self.at_seconds)
        return self._bytes[view]

    def part(self, grant: Grant, take: Callable[[Topology], Topology]) -> "Documents":
        """Return the documents of the part of the topology that a grant shows, taken at first need."""
        with self._lock:
            if grant not in self._parts:
                while len(self._parts) >= MOST_PARTS:
                    del self._parts[next(iter(self._parts))]
                self._parts[grant] = Documents(take(self.topology), self.at_seconds, self._views, again=self._again)
            return self._parts[grant]

    def again(self, at_seconds: float) -> "Documents":
        """Return the documents of the same topology with its ages counted to a later moment."""
        return Documents(self.topology, at_seconds, self._views, again=True)
