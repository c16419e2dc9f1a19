"""A snapshot: one topology with its rendered documents, and the gaps that are known."""

import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from aggregator.models.builder.merge import BuildStats, Contradiction
from aggregator.models.grant import Grant, restrict_topology
from aggregator.models.topology import Topology
from aggregator.util import runtime
from aggregator.util.content_coding import CONTENT_CODINGS, IDENTITY
from aggregator.views.renderers import VIEWS_WITHOUT_AGES, ViewRenderer

# Freeing this many pods with their containers takes less than a millisecond.
OBJECTS_FREED_PER_CHUNK = 500

# Limit for the restricted copies of one topology with their bodies. The most recently used copy is always kept.
MAX_RESTRICTED_BYTES = 128 * 2**20
# What a node or pod costs in a restricted copy: its key and dictionary entry. The object itself is shared.
_RESTRICTED_OBJECT_BYTES = 200

# The public text; the log contains the exception.
INTERNAL_ERROR_REASON = "internal error, see the log"

# Limit for the grants of a snapshot whose visible part is cached.
MAX_CACHED_GRANTS = 4096


class DocumentFormat(NamedTuple):
    """The view and the content coding of a document."""

    view: str
    coding: str = IDENTITY


class RenderedTopology:
    """A topology with its documents, each rendered on first use, and its restricted copies.

    Ages in the documents are computed for `reference_seconds`, on the wall clock. With `has_own_ages`, they differ from
    those in other documents of the same topology version.
    """

    def __init__(
        self,
        topology: Topology,
        reference_seconds: float,
        views: Mapping[str, ViewRenderer],
        *,
        has_own_ages: bool = False,
        max_restricted_bytes: int = MAX_RESTRICTED_BYTES,
    ) -> None:
        self.topology = topology
        self.reference_seconds = reference_seconds
        self.has_own_ages = has_own_ages
        self.requested_formats: set[DocumentFormat] = set()
        self._views = views
        self._bodies: dict[DocumentFormat, bytes] = {}
        self._render_locks: dict[DocumentFormat, threading.Lock] = {}
        # Restricted copies by the UIDs of the visible clusters.
        self._restricted: dict[frozenset[str], RenderedTopology] = {}
        self._max_restricted_bytes = max_restricted_bytes
        # Weak, because the original owns its restricted copies.
        self._original: weakref.ref[RenderedTopology] | None = None
        self.last_used_ns = 0
        self._lock = threading.Lock()

    def find_body(self, document_format: DocumentFormat) -> bytes | None:
        """Return the bytes of a document if they are rendered."""
        return self._bodies.get(document_format)

    def get_body(self, view: str, coding: str = IDENTITY) -> bytes:
        """Return the bytes of a document."""
        document_format = DocumentFormat(view, coding)
        cached = self._bodies.get(document_format)
        if cached is not None:
            return cached
        with self._lock:
            lock = self._render_locks.setdefault(document_format, threading.Lock())
        with lock:
            body = self._bodies.get(document_format)
            if body is None:
                body = self._bodies[document_format] = self._render(document_format)
        if self._original is not None and (original := self._original()) is not None:
            original.evict_restricted()
        return body

    def get_version(self, view: str) -> str:
        """Return a version of a view; replicas with equal bytes have equal versions."""
        if self.has_own_ages and view not in VIEWS_WITHOUT_AGES:
            return f"{self.topology.version}@{self.reference_seconds:.3f}"
        return self.topology.version

    def find_restricted(self, cluster_uids: frozenset[str]) -> "RenderedTopology | None":
        """Return the restricted copy with these clusters if it is cached."""
        restricted = self._restricted.get(cluster_uids)
        if restricted is not None:
            restricted.last_used_ns = time.monotonic_ns()
        return restricted

    def restrict(self, cluster_uids: frozenset[str]) -> "RenderedTopology":
        """Return the restricted copy with these clusters, built on first use."""
        with self._lock:
            restricted = self.find_restricted(cluster_uids)
            if restricted is None:
                restricted = RenderedTopology(
                    restrict_topology(self.topology, cluster_uids),
                    self.reference_seconds,
                    self._views,
                    has_own_ages=self.has_own_ages,
                )
                restricted._original = weakref.ref(self)
                restricted.last_used_ns = time.monotonic_ns()
                self._restricted[cluster_uids] = restricted
        self.evict_restricted()
        return restricted

    def evict_restricted(self) -> None:
        """Discard the least recently used restricted copies while all of them are larger than the limit."""
        with self._lock:
            sizes_bytes = {uids: restricted.estimate_bytes() for uids, restricted in self._restricted.items()}
            total_bytes = sum(sizes_bytes.values())
            if total_bytes <= self._max_restricted_bytes:
                return
            by_last_use = sorted(self._restricted, key=lambda uids: self._restricted[uids].last_used_ns)
            for uids in by_last_use[:-1]:
                total_bytes -= sizes_bytes[uids]
                del self._restricted[uids]
                if total_bytes <= self._max_restricted_bytes:
                    return

    def estimate_bytes(self) -> int:
        """Return the memory that a restricted copy occupies: its bodies, and its entries for nodes and pods."""
        object_count = len(self.topology.nodes) + len(self.topology.pods)
        return _RESTRICTED_OBJECT_BYTES * object_count + sum(len(body) for body in list(self._bodies.values()))

    def estimate_all_bytes(self) -> int:
        """Return the memory of the bodies, and of the restricted copies with theirs."""
        restricted = list(self._restricted.values())
        return sum(map(len, list(self._bodies.values()))) + sum(each.estimate_bytes() for each in restricted)

    def copy_with_ages(self, reference_seconds: float) -> "RenderedTopology":
        """Return a copy for the same topology, with ages computed for another time."""
        copied = RenderedTopology(
            self.topology,
            reference_seconds,
            self._views,
            has_own_ages=True,
            max_restricted_bytes=self._max_restricted_bytes,
        )
        copied._bodies.update(
            {
                document_format: body
                for document_format, body in self._bodies.copy().items()
                if document_format.view in VIEWS_WITHOUT_AGES
            }
        )
        return copied

    def list_objects_to_free(self) -> list[list[object]]:
        """Return lists with the last references to bodies and to the objects of the topology, for `free_snapshots`."""
        topology = self.topology
        mappings: tuple[Mapping[Any, object], ...] = (topology.pods, topology.nodes, topology.clusters)
        object_lists: list[list[object]] = [
            list(objects) for mapping in mappings for objects in (mapping, mapping.values())
        ]
        object_lists += [[body] for body in list(self._bodies.values())]
        return object_lists + [
            objects for restricted in list(self._restricted.values()) for objects in restricted.list_objects_to_free()
        ]

    def _render(self, document_format: DocumentFormat) -> bytes:
        if document_format.coding:
            return CONTENT_CODINGS[document_format.coding](self.get_body(document_format.view))
        return self._views[document_format.view](self.topology, self.reference_seconds)


class GapKind(Enum):
    """Why something is missing or doubtful. The values appear in logs and responses, the names in metrics."""

    FAILED = "query failed"
    STALE = "stale response"
    WARNING = "upstream warning"
    VANISHED = "vanished"
    UNPLACED = "unplaced"
    DROPPED = "dropped"
    CONFLICT = "conflict"
    CONTRADICTION = "contradiction"
    REMARK = "upstream remark"

    @property
    def is_missing_data(self) -> bool:
        """Whether measured data is missing from the topology, or is old."""
        return self not in (GapKind.CONFLICT, GapKind.REMARK)

    @property
    def is_about_samples(self) -> bool:
        """Whether the gap is about particular samples, not about a whole query or upstream."""
        return self in (GapKind.UNPLACED, GapKind.DROPPED, GapKind.CONFLICT)


@dataclass(frozen=True)
class Gap:
    """Something missing or doubtful in a snapshot: what it is about, a detail, and a count.

    `subject` is the name of a row, a kind of object such as "pods", or "refresh". `cluster` is the UID of the cluster
    that the gap is about, None for other gaps; `cluster_name` is the name it last had. A detail with an age differs in
    each refresh and has a `detail_without_age`, too.
    """

    kind: GapKind
    subject: str
    detail: str
    count: int = 1
    cluster: str | None = None
    cluster_name: str | None = None
    detail_without_age: str = ""

    @property
    def lasting_detail(self) -> str:
        """The detail without what differs in each refresh."""
        return self.detail_without_age or self.detail

    def __str__(self) -> str:
        return f"{self.subject}: {self.kind.value}: {self.detail}" + (f" ({self.count})" if self.count > 1 else "")


class _VisiblePart(NamedTuple):
    """What a grant shows of a snapshot: the UIDs of clusters, and gaps."""

    cluster_uids: frozenset[str]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The result of a refresh, or the topology of a past instant. Times are on the monotonic clock.

    `created_at` is the time of the refresh. `oldest_response_at` is the time of the oldest query whose response is in
    the topology; it is earlier than the refresh if a stale response was used.

    `evaluated_at_seconds` is the evaluation time of its queries, on the wall clock.
    """

    rendered_topology: RenderedTopology
    gaps: tuple[Gap, ...]
    created_at: float
    oldest_response_at: float
    evaluated_at_seconds: float
    _visible_parts: dict[Grant, _VisiblePart] = field(default_factory=dict, repr=False)

    @property
    def topology(self) -> Topology:
        """The topology without its documents."""
        return self.rendered_topology.topology

    @property
    def is_complete(self) -> bool:
        """Whether no measured data is known to be missing or old."""
        return not any(gap.kind.is_missing_data for gap in self.gaps)

    def get_body(self, view: str) -> bytes:
        """Return the bytes of a view, rendered on first use."""
        return self.rendered_topology.get_body(view)

    def find_restricted(self, grant: Grant) -> "Snapshot | None":
        """Return what `restrict` would return if that needs no new copy of the topology, else None."""
        if grant.is_unrestricted:
            return self
        visible = self._get_visible_part(grant)
        restricted = self.rendered_topology.find_restricted(visible.cluster_uids)
        return None if restricted is None else self._copy_with(rendered_topology=restricted, gaps=visible.gaps)

    def restrict(self, grant: Grant) -> "Snapshot":
        """Return the part of this snapshot that a grant allows, as if nothing else existed."""
        if grant.is_unrestricted:
            return self
        visible = self._get_visible_part(grant)
        restricted = self.rendered_topology.restrict(visible.cluster_uids)
        return self._copy_with(rendered_topology=restricted, gaps=visible.gaps)

    def _get_visible_part(self, grant: Grant) -> _VisiblePart:
        visible = self._visible_parts.get(grant)
        if visible is None:
            if len(self._visible_parts) >= MAX_CACHED_GRANTS:
                self._visible_parts.clear()
            visible = self._visible_parts[grant] = self._select_visible_part(grant)
        return visible

    def _select_visible_part(self, grant: Grant) -> _VisiblePart:
        clusters = self.topology.clusters.values()
        visible_uids = frozenset(cluster.uid for cluster in clusters if grant.allows(cluster.name, cluster.uid))
        hidden_uids = {cluster.uid for cluster in clusters} - visible_uids
        visible_gaps = (
            gap
            for gap in self.gaps
            if gap.cluster not in hidden_uids and (gap.cluster in visible_uids or _is_gap_visible(gap, grant))
        )
        return _VisiblePart(visible_uids, tuple(visible_gaps))

    def copy_as_stale(self, reasons: Iterable[Gap], now_seconds: float) -> "Snapshot":
        """Return the snapshot to serve after a failed refresh: the same topology, older, with the reasons as gaps."""
        return self._copy_with(
            rendered_topology=self.rendered_topology.copy_with_ages(now_seconds), gaps=tuple(reasons)
        )

    def copy_as_past(self) -> "Snapshot":
        """Return this snapshot as the one of a past instant: its documents have ages of their own."""
        return self.copy_with_documents(self.rendered_topology.copy_with_ages(self.evaluated_at_seconds))

    def copy_with_documents(self, rendered_topology: RenderedTopology) -> "Snapshot":
        """Return this snapshot with other documents of the same topology."""
        return self._copy_with(rendered_topology=rendered_topology)

    def replace_gaps(self, gaps: tuple[Gap, ...]) -> "Snapshot":
        """Return this snapshot with other gaps and the same documents."""
        return self._copy_with(gaps=gaps)

    def _copy_with(self, **changes: Any) -> "Snapshot":
        return replace(self, **{"_visible_parts": {}, **changes})


def _is_gap_visible(gap: Gap, grant: Grant) -> bool:
    """Return whether a caller may see a gap that is about no cluster, or about a cluster that is missing.

    Gaps of an upstream concern every caller. Samples without a cluster may belong to a cluster that is hidden.
    """
    if gap.cluster is None:
        return not gap.kind.is_about_samples
    return grant.allows(gap.cluster_name, gap.cluster)


def free_snapshots(retired: list[Snapshot]) -> None:
    """Free the snapshots in the list, which holds the last references to them, in chunks.

    Freed at once, they would hold the GIL for as long as that takes. Snapshots that are still referenced stay intact.
    """
    object_lists = [objects for snapshot in retired for objects in snapshot.rendered_topology.list_objects_to_free()]
    retired.clear()
    for objects in object_lists:
        runtime.clear_in_chunks(objects, OBJECTS_FREED_PER_CHUNK)


def list_build_gaps(stats: BuildStats) -> list[Gap]:
    """Return a gap for each reason for which the builder left out samples, or found them in conflict."""
    counters = (
        (GapKind.UNPLACED, stats.unplaced),
        (GapKind.DROPPED, stats.dropped),
        (GapKind.CONFLICT, stats.conflicts),
    )
    gaps = [Gap(kind, row, reason, count) for kind, counts in counters for (row, reason), count in counts.items()]
    return [*gaps, *map(_build_contradiction_gap, stats.contradictions)]


def _build_contradiction_gap(contradiction: Contradiction) -> Gap:
    return Gap(GapKind.CONTRADICTION, contradiction.row, str(contradiction), cluster=contradiction.cluster)
