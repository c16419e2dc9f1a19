"""What a caller may see of the current snapshot, of past ones and of the quality of a refresh, for HTTP and gRPC."""

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from aggregator.errors import NoTopologyError, PermissionDeniedError
from aggregator.models.grant import Grant
from aggregator.models.quality import Quality
from aggregator.refresh.history import VersionHistory
from aggregator.refresh.past import PastSnapshot
from aggregator.refresh.snapshot import DocumentFormat, Snapshot
from aggregator.util.content_coding import MIN_COMPRESSIBLE_BYTES

# For restricted callers: the reason may name upstreams of clusters that they may not see.
GENERIC_NO_TOPOLOGY_MESSAGE = "no topology available"


class PastSnapshotProvider(Protocol):
    """Provides the snapshots of past instants. `PastSnapshots` implements it."""

    @property
    def now_seconds(self) -> float:
        """The current time at the sources, from which relative instants count back."""

    async def get(self, at_seconds: int, parameter: str) -> PastSnapshot:
        """Return the snapshot of an instant, or raise the error of `PastSnapshots.get`."""


class SnapshotProvider(Protocol):
    """Provides the current snapshot. The refresher implements it."""

    @property
    def past(self) -> PastSnapshotProvider:
        """The snapshots of past instants."""

    @property
    def is_stopping(self) -> bool:
        """Whether the process is stopping, so that requests should not wait any longer."""

    @property
    def history(self) -> VersionHistory:
        """The changes between the recent topologies."""

    def get_snapshot(self) -> Snapshot:
        """Return the current snapshot; raise NoTopologyError if there is none, or if it is too old."""

    def get_quality(self) -> Quality:
        """Return the quality of the last refresh; the same object until it changes."""

    def get_age_seconds(self, snapshot: Snapshot) -> float:
        """Return the age of the oldest response in a snapshot."""

    def compute_seconds_until_refresh(self) -> float:
        """Return the time until the next refresh, after which a retry may succeed."""

    async def wait_for_refresh(self) -> None:
        """Wait until a refresh has ended, unless the last one ended only a moment ago."""

    async def wait_for_change(self) -> None:
        """Wait until the next refresh has ended, or until the process is stopping."""


async def get_visible_snapshot(snapshots: SnapshotProvider, grant: Grant, past: Snapshot | None = None) -> Snapshot:
    """Return the part that a caller may see of a past snapshot, or of the current one without `past`.

    A part that is not cached is built on a thread. Raises NoTopologyError. Its text names upstreams only to callers who
    may see everything.
    """
    snapshot = past or _get_current_snapshot(snapshots, grant)
    cached = snapshot.find_restricted(grant)
    return cached if cached is not None else await asyncio.to_thread(snapshot.restrict, grant)


def get_cached_visible_snapshot(
    snapshots: SnapshotProvider, grant: Grant, past: Snapshot | None = None
) -> Snapshot | None:
    """Return what `get_visible_snapshot` returns, or None if that part is not cached."""
    return (past or _get_current_snapshot(snapshots, grant)).find_restricted(grant)


def _get_current_snapshot(snapshots: SnapshotProvider, grant: Grant) -> Snapshot:
    try:
        return snapshots.get_snapshot()
    except NoTopologyError:
        if grant.is_unrestricted:
            raise
        raise NoTopologyError(GENERIC_NO_TOPOLOGY_MESSAGE) from None


async def render_document(snapshot: Snapshot, document_format: DocumentFormat) -> tuple[DocumentFormat, bytes]:
    """Return a document and its format: the requested one, or without a content coding if the document is small.

    A document that is not cached is rendered on a thread.
    """
    rendered_topology = snapshot.rendered_topology
    body = rendered_topology.find_body(document_format)
    if body is None and document_format.coding:
        plain_format, plain_body = await render_document(snapshot, DocumentFormat(document_format.view))
        if len(plain_body) < MIN_COMPRESSIBLE_BYTES:
            return plain_format, plain_body
    if body is None:
        body = await asyncio.to_thread(rendered_topology.get_body, *document_format)
    rendered_topology.requested_formats.add(document_format)
    return document_format, body


def check_quality_access(grant: Grant) -> None:
    """Raise PermissionDeniedError for a caller who may not see the quality, which counts samples of all clusters."""
    if not grant.is_unrestricted:
        raise PermissionDeniedError("quality of all clusters")


class RenderedQuality:
    """The quality of the last refresh in one format, rendered once; that of a past instant for each request."""

    def __init__(self, get_quality: Callable[[], Quality], render: Callable[[Quality], bytes]) -> None:
        self._get_quality = get_quality
        self._render = render
        self._cached: tuple[Quality, bytes] | None = None
        self._lock = threading.Lock()

    async def render_for(self, grant: Grant, past: Quality | None = None) -> bytes:
        """Return the bytes; raise PermissionDeniedError for a restricted grant."""
        check_quality_access(grant)
        if past is not None:
            return await asyncio.to_thread(self._render, past)
        quality, cached = self._get_quality(), self._cached
        if cached is not None and cached[0] is quality:
            return cached[1]
        return await asyncio.to_thread(self._render_once, quality)

    def _render_once(self, quality: Quality) -> bytes:
        with self._lock:
            if self._cached is None or self._cached[0] is not quality:
                self._cached = (quality, self._render(quality))
            return self._cached[1]
