"""A snapshot: the topology at one moment with its documents, and what is known to be missing from it."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from aggregator import portions
from aggregator.documents import MOST_PARTS, Documents
from aggregator.grants import Grant
from aggregator.models.part import part_of
from aggregator.models.tally import Tally
from aggregator.models.topology import Topology

# Less than a millisecond of freeing, where these are pods with their containers.
FREED_AT_ONCE = 500


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

    @property
    def is_of_samples(self) -> bool:
        """Whether it is about particular samples, rather than about all that a query or the upstream answered."""
        return self in (GapKind.UNPLACED, GapKind.DROPPED, GapKind.CONFLICT)


@dataclass(frozen=True)
class Gap:
    """One thing that is missing or doubtful: the row of the catalog, what about it, how many times.

    `cluster` is the uid of the cluster that it is about, None where it is not about one; `cluster_name` is what that
    one was called when it was there.
    """

    kind: GapKind
    row: str
    detail: str
    count: int = 1
    cluster: str | None = None
    cluster_name: str | None = None

    def __str__(self) -> str:
        return f"{self.row}: {self.kind.value}: {self.detail}" + (f" ({self.count})" if self.count > 1 else "")


@dataclass(frozen=True)
class Snapshot:
    """The documents of a topology, with the moments it stands for.

    On the monotonic clock: `taken_at`, when a refresh made it, and `oldest_at`, when the oldest answer in it
    was asked for, which is earlier if that had to stand in for one that did not come.
    """

    documents: Documents
    gaps: tuple[Gap, ...]
    taken_at: float
    oldest_at: float
    # What the HTTP server keeps ready with it: answers by form, and parts of answers.
    prepared: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _parts: dict[Grant, "Snapshot"] = field(default_factory=dict, repr=False, compare=False)

    @property
    def topology(self) -> Topology:
        """What it shows."""
        return self.documents.topology

    @property
    def is_complete(self) -> bool:
        """Whether all that was measured is here."""
        return not any(gap.kind.is_missing_data for gap in self.gaps)

    def body(self, view: str) -> bytes:
        """Return the bytes of a view, made at first need and only once."""
        return self.documents.body(view)

    def known_part(self, grant: Grant) -> "Snapshot | None":
        """Return what `part` would if it costs nothing, else None."""
        return self if grant.is_for_everything else self._parts.get(grant)

    def part(self, grant: Grant) -> "Snapshot":
        """Return what a caller may see of this snapshot, made at first need; nothing in it tells of the rest."""
        known = self.known_part(grant)
        if known is not None:
            return known
        with self._lock:
            if grant not in self._parts:
                while len(self._parts) >= MOST_PARTS:
                    del self._parts[next(iter(self._parts))]
                self._parts[grant] = self._made_part(grant)
            return self._parts[grant]

    def _made_part(self, grant: Grant) -> "Snapshot":
        clusters = self.topology.clusters.values()
        mine = {cluster.uid for cluster in clusters if grant.shows(cluster.name, cluster.uid)}
        others = {cluster.uid for cluster in clusters} - mine
        documents = self.documents.part(grant, lambda whole: part_of(whole, mine))
        told = (gap for gap in self.gaps if gap.cluster not in others and (gap.cluster in mine or _is_told(gap, grant)))
        return self._anew(documents=documents, gaps=tuple(told))

    def kept(self, reasons: Iterable[Gap], now_seconds: float) -> "Snapshot":
        """Return this snapshot as it stands when a refresh failed: the same topology, older, and marked."""
        return self._anew(documents=self.documents.again(now_seconds), gaps=tuple(reasons))

    def marked(self, gaps: tuple[Gap, ...]) -> "Snapshot":
        """Return this snapshot with other gaps and the bytes that it has."""
        return self._anew(gaps=gaps)

    def _anew(self, **changes: Any) -> "Snapshot":
        return replace(self, **{"prepared": {}, "_lock": threading.Lock(), "_parts": {}, **changes})


def _is_told(gap: Gap, grant: Grant) -> bool:
    """Return whether a caller may learn of a gap that is about no cluster, or about one that is gone.

    What concerns the upstream concerns everybody. Samples of nobody in particular may be another's.
    """
    if gap.cluster is None:
        return not gap.kind.is_of_samples
    return grant.shows(gap.cluster_name, gap.cluster)


def let_go(retired: list[Snapshot]) -> None:
    """Free the snapshots in the list, which holds the last references to them, a little at a time.

    All at once would hold the interpreter, and with it whoever is waiting to answer, for as long as it takes. It only
    ever drops references: for who still looks at one of them, it stays as it is.
    """
    held = [things for snapshot in retired for things in snapshot.documents.contents()]
    retired.clear()
    for things in held:
        portions.let_go(things, FREED_AT_ONCE)


def gaps_of(tally: Tally) -> list[Gap]:
    """Return what the builder left out or found contradicted."""
    counted = (
        (GapKind.UNPLACED, tally.unplaced),
        (GapKind.DROPPED, tally.dropped),
        (GapKind.CONFLICT, tally.conflicts),
    )
    return [Gap(kind, row, reason, count) for kind, counts in counted for (row, reason), count in counts.items()]
