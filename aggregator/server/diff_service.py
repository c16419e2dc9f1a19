"""Differences between two instants for HTTP and gRPC: in the topologies that the caller may see, on a thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aggregator.errors import BadRequestError
from aggregator.lookup.diff import (
    DEFAULT_FROM,
    FROM_PARAMETER,
    TO_PARAMETER,
    ComparedTopology,
    Comparison,
    DiffEncoder,
    DiffRequest,
)
from aggregator.lookup.instants import format_instant, parse_instant
from aggregator.lookup.results import check_cluster
from aggregator.lookup.watch import create_watch_plan
from aggregator.models.grant import Grant
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.instants import get_past_snapshot
from aggregator.server.visibility import SnapshotProvider, get_visible_snapshot


class DiffResponse(NamedTuple):
    """The encoded differences, and the later snapshot with the gaps of both."""

    snapshot: Snapshot
    body: bytes


class DiffService:
    """Compares topologies of two instants with one encoder."""

    def __init__(self, snapshots: SnapshotProvider, encode: DiffEncoder) -> None:
        self._snapshots = snapshots
        self._encode = encode
        # One at a time: a comparison of a large fleet needs seconds of CPU, and memory for all its changes. One whose
        # client disconnects before its turn is skipped.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="diff")

    async def compare(self, grant: Grant, request: DiffRequest) -> DiffResponse:
        """Return what changed between two instants; raise a RequestError if the request is invalid.

        Raises PastSnapshotError if there is no snapshot of an instant now, and NoTopologyError without a current one.
        """
        plan = create_watch_plan(request.options)
        request.validate_limit()
        # Both count back from the same time, however long a collection takes.
        now_seconds = self._snapshots.past.now_seconds
        from_seconds = parse_instant(request.from_text or DEFAULT_FROM, now_seconds, FROM_PARAMETER)
        to_seconds = parse_instant(request.to_text, now_seconds, TO_PARAMETER) if request.to_text else None
        if to_seconds is not None and to_seconds < from_seconds:
            raise BadRequestError(
                f"{TO_PARAMETER} must not be before {FROM_PARAMETER}: got {format_instant(from_seconds)} and "
                f"{format_instant(to_seconds)}",
                parameter=TO_PARAMETER,
            )
        # The later one first: a time in the future is refused before anything is collected.
        after = await self._find_snapshot(grant, to_seconds, TO_PARAMETER)
        before = await self._find_snapshot(grant, from_seconds, FROM_PARAMETER)
        if request.options.cluster:
            check_cluster(request.options.cluster, before.topology, after.topology)
        comparison = Comparison(plan, _describe(before), _describe(after), request.limit)
        body = await asyncio.get_running_loop().run_in_executor(self._executor, self._encode, comparison)
        return DiffResponse(after.replace_gaps((*before.gaps, *after.gaps)), body)

    async def _find_snapshot(self, grant: Grant, at_seconds: int | None, parameter: str) -> Snapshot:
        """Return the visible part of the snapshot of an instant, or of the current one without an instant."""
        if at_seconds is None:
            return await get_visible_snapshot(self._snapshots, grant)
        past = await get_past_snapshot(self._snapshots, grant, at_seconds, parameter)
        return await get_visible_snapshot(self._snapshots, grant, past.snapshot)


def _describe(snapshot: Snapshot) -> ComparedTopology:
    return ComparedTopology(snapshot.topology, int(snapshot.evaluated_at_seconds), snapshot.is_complete)
