"""The changes between recent versions of a topology, so that a client that has one of them needs no snapshot.

The history is limited by the number of versions and by an estimate of the memory that replaced objects occupy. Changes
of structure are few and small, and kept separately from all changes, which contain nearly every object.
"""

import threading
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

from aggregator.models.changes import CHANGE_KINDS, ChangeKind, TopologyDelta, combine, compare_topologies
from aggregator.models.topology import Topology
from aggregator.util import runtime

# With a refresh every 15 seconds, an hour.
MAX_VERSIONS = 240
# For all changes, and again for changes of structure.
MAX_HISTORY_BYTES = 32 * 2**20
# What a replaced object occupies, measured with the simulated fleets.
_OBJECT_BYTES: Mapping[ChangeKind, int] = {"clusters": 500, "nodes": 6000, "pods": 2500}


class _Step(NamedTuple):
    """The changes from one version to the next. All changes are None if they were discarded."""

    structure: TopologyDelta
    all_changes: TopologyDelta | None


class VersionHistory:
    """The deltas between recent versions. Any thread may use it."""

    def __init__(self, max_versions: int = MAX_VERSIONS, max_bytes: int = MAX_HISTORY_BYTES) -> None:
        self._max_versions = max_versions
        self._max_bytes = max_bytes
        self._newest: Topology | None = None
        # Replaced as a whole, so that readers need no lock.
        self._steps: tuple[_Step, ...] = ()
        self._record_lock = threading.Lock()
        # Watches of all changes. While there are any, the newest delta is kept, however large it is.
        self.full_watch_count = 0

    @property
    def newest_version(self) -> str | None:
        """The version that was recorded last."""
        newest = self._newest
        return None if newest is None else newest.version

    def record(self, topology: Topology) -> None:
        """Compare a topology with the last one, unless it has the same version, and keep the changes."""
        with self._record_lock:
            discarded = self._append(topology)
        # Those of a large fleet would hold the GIL for too long if they were freed at once.
        changes = [
            change for delta in discarded for kind in CHANGE_KINDS for change in delta.get_changes(kind).values()
        ]
        discarded.clear()
        runtime.clear_in_chunks(changes)

    def clear(self) -> None:
        """Forget all versions, because comparing them failed."""
        with self._record_lock:
            self._newest, self._steps = None, ()

    def find_delta(self, known_version: str, version: str, *, is_structure: bool = False) -> TopologyDelta | None:
        """Return the changes from one version to another, None if they are not known, or not any longer."""
        steps = self._steps
        end = _find_last(version, [step.structure.version for step in steps])
        start = _find_last(known_version, [step.structure.previous_version for step in steps[: end + 1]])
        if start < 0:
            return None
        if is_structure:
            return reduce(combine, [step.structure for step in steps[start : end + 1]])
        deltas = [step.all_changes for step in steps[start : end + 1] if step.all_changes is not None]
        return reduce(combine, deltas) if len(deltas) == end + 1 - start else None

    def _append(self, topology: Topology) -> list[TopologyDelta]:
        """Add the changes to a topology, and return the deltas that are not kept any longer."""
        previous, self._newest = self._newest, topology
        if previous is None or previous.version == topology.version:
            return []
        delta = compare_topologies(previous, topology)
        steps = (*self._steps, _Step(delta.select_structure(), delta))
        self._steps = self._limit_steps(steps)
        kept = {id(each) for step in self._steps for each in step}
        return [each for step in steps for each in step if each is not None and id(each) not in kept]

    def _limit_steps(self, steps: Sequence[_Step]) -> tuple[_Step, ...]:
        """Return the newest steps that fit, the older ones of them without changes of measurements."""
        kept: list[_Step] = []
        structure_bytes = full_bytes = 0
        for step in reversed(steps[-self._max_versions :]):
            structure_bytes += _estimate_bytes(step.structure)
            if kept and structure_bytes > self._max_bytes:
                break
            full_bytes += self._max_bytes + 1 if step.all_changes is None else _estimate_bytes(step.all_changes)
            is_needed = not kept and self.full_watch_count > 0
            kept.append(step if is_needed or full_bytes <= self._max_bytes else step._replace(all_changes=None))
        return tuple(reversed(kept))


def _find_last(text: str, texts: Sequence[str]) -> int:
    """Return the last index of a text, -1 if there is none."""
    return max((index for index, each in enumerate(texts) if each == text), default=-1)


def _estimate_bytes(delta: TopologyDelta) -> int:
    return sum(size * len(delta.get_changes(kind)) for kind, size in _OBJECT_BYTES.items())
