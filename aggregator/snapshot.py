"""A snapshot: the topology at one moment, what is known to be missing from it, and its bytes in each view."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from aggregator.models.tally import Tally
from aggregator.models.topology import Topology

View = Callable[[Topology, float], bytes]


class GapKind(Enum):
    """Why something is missing or doubtful; the value is the word for it in logs and answers."""

    FAILED = "query failed"
    STALE = "answer of an earlier refresh"
    WARNING = "upstream warning"
    VANISHED = "vanished"
    UNPLACED = "samples without a place"
    DROPPED = "values that cannot be kept"
    CONFLICT = "samples that contradict each other"
    REMARK = "upstream remark"

    @property
    def is_missing_data(self) -> bool:
        """Whether something that was measured is not, or not in time, in the topology."""
        return self not in (GapKind.CONFLICT, GapKind.REMARK)


@dataclass(frozen=True)
class Gap:
    """One thing that is missing or doubtful: the row of the catalog, what about it, and how many samples.

    `cluster` is the key of the cluster that it is about, None where it is about the whole.
    """

    kind: GapKind
    row: str
    detail: str
    count: int = 1
    cluster: str | None = None

    def __str__(self) -> str:
        return f"{self.row}: {self.kind.value}: {self.detail}" + (f" ({self.count})" if self.count > 1 else "")


@dataclass(frozen=True)
class Snapshot:
    """A topology with the moments it stands for.

    On the monotonic clock: `taken_at`, when a refresh made it, and `oldest_at`, when the oldest answer in it
    was asked for, which is earlier if that had to stand in for one that did not come.
    `rendered_at_seconds` is on the wall clock: ages inside documents are counted to it.
    """

    topology: Topology
    gaps: tuple[Gap, ...]
    taken_at: float
    oldest_at: float
    rendered_at_seconds: float
    views: Mapping[str, View]
    _bytes: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def is_complete(self) -> bool:
        """Whether all that was measured is here."""
        return not any(gap.kind.is_missing_data for gap in self.gaps)

    def is_rendered(self, view: str) -> bool:
        """Return whether `body` of this view costs nothing."""
        return view in self._bytes

    def body(self, view: str) -> bytes:
        """Return the bytes of a view, made at first need and only once."""
        if view not in self._bytes:
            with self._lock:
                if view not in self._bytes:
                    self._bytes[view] = self.views[view](self.topology, self.rendered_at_seconds)
        return self._bytes[view]

    def kept(self, reasons: Iterable[Gap], now_seconds: float) -> "Snapshot":
        """Return this snapshot as it stands when a refresh failed: the same topology, older, and marked."""
        return replace(self, gaps=tuple(reasons), rendered_at_seconds=now_seconds, _bytes={}, _lock=threading.Lock())


def gaps_of(tally: Tally) -> list[Gap]:
    """Return what the builder left out or found contradicted."""
    counted = (
        (GapKind.UNPLACED, tally.unplaced),
        (GapKind.DROPPED, tally.dropped),
        (GapKind.CONFLICT, tally.conflicts),
    )
    return [Gap(kind, row, reason, count) for kind, counts in counted for (row, reason), count in counts.items()]
