"""Snapshots of past instants: the same queries, evaluated at another time.

They have sources, threads and limits of their own, so that they never delay a refresh: one collection runs at a time,
a few wait for it, and others are refused. Cached responses and disappearances belong to refreshes alone.
"""

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from aggregator.errors import BadRequestError, NotFoundError, PastSnapshotError, RefreshFailedError
from aggregator.lookup.instants import TIME_PARAMETER, format_instant
from aggregator.models.quality import Quality
from aggregator.observability.logs import get_logger
from aggregator.observability.metrics import OwnMetrics
from aggregator.querier.source import WALL_CLOCK, Source, SourceClock
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.schedule import Clock, find_max_retry_after_seconds
from aggregator.refresh.snapshot import INTERNAL_ERROR_REASON, GapKind, Snapshot, free_snapshots
from aggregator.util.single_flight import SingleFlight
from aggregator.views.renderers import ViewRenderer

# Samples may arrive late: from slow scrapes, remote write, and the sidecars of Thanos. The snapshot of a younger
# instant is therefore kept for a short time only, as is one that lacks responses.
SETTLING_SECONDS = 120.0
UNSETTLED_TTL_SECONDS = 30.0

# A Retry-After of more seconds than this is cut to it.
MAX_PAUSE_SECONDS = 150.0

_log = get_logger(__name__)


class PastSnapshot(NamedTuple):
    """The snapshot of a past instant, and the quality of its collection."""

    snapshot: Snapshot
    quality: Quality


@dataclass(frozen=True)
class PastSnapshotLimits:
    """How many collections wait for the running one, and how much is kept: snapshots, their objects and documents.

    The snapshot that was used last is always kept.
    """

    max_waiting: int = 4
    max_snapshots: int = 64
    max_objects: int = 40_000
    max_document_bytes: int = 64 * 2**20


@dataclass(frozen=True)
class PastSources:
    """The sources of past snapshots, which nothing else uses, and how to collect from them.

    `recorded_instants` are the only instants that the sources know, in ascending order; empty for live sources.
    """

    sources: Sequence[Source]
    config: CollectorConfig
    views: Mapping[str, ViewRenderer]
    source_clock: SourceClock = WALL_CLOCK
    recorded_instants: Sequence[float] = ()

    def create_collector(self) -> SnapshotCollector:
        """Return a new collector: cached responses, entities and disappearances are those of one instant."""
        config = replace(self.config, disappearance_notice_seconds=0.0)
        return SnapshotCollector(self.sources, config, ViewSet(self.views, ()))


class _CachedSnapshot(NamedTuple):
    past: PastSnapshot
    expires_at: float  # on the monotonic clock


class PastSnapshots:
    """Collects snapshots of past instants, and keeps the last ones. Used on the event loop only."""

    def __init__(
        self,
        sources: PastSources,
        limits: PastSnapshotLimits | None = None,
        clock: Clock | None = None,
        own_metrics: OwnMetrics | None = None,
    ) -> None:
        self._sources = sources
        self._limits = limits or PastSnapshotLimits()
        self._clock = clock or Clock()
        self._own_metrics = own_metrics or OwnMetrics()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="past")
        self._cached: OrderedDict[int, _CachedSnapshot] = OrderedDict()
        # Those that run or wait for their turn.
        self._collections: SingleFlight[PastSnapshot] = SingleFlight()
        # Both on the monotonic clock: the duration of the last collection, and the end of a Retry-After.
        self._last_duration_seconds = 1.0
        self._paused_until = 0.0

    @property
    def now_seconds(self) -> float:
        """The current time at the sources, from which relative instants count back."""
        return self._sources.source_clock.now(self._clock.wall())

    async def get(self, at_seconds: int, parameter: str = TIME_PARAMETER) -> PastSnapshot:
        """Return the snapshot of an instant in whole seconds; collect it if it is not cached.

        `parameter` is the parameter that names the instant, for errors. Raises BadRequestError for an instant in the
        future, NotFoundError for one without data, PastSnapshotError if there is no snapshot now.
        """
        evaluation_time = self._select_evaluation_time(at_seconds, parameter)
        key = int(evaluation_time)
        try:
            past = self._find_cached(key) or await self._share_collection(key, evaluation_time)
        except PastSnapshotError as error:
            self._own_metrics.record_past_request("refused" if error.is_refused else "failed")
            raise
        if not past.snapshot.topology.clusters:
            self._own_metrics.record_past_request("no_data")
            raise build_no_data_error(key, parameter)
        self._own_metrics.record_past_request("ok")
        return past

    def close(self) -> None:
        """Abort a running collection, and release threads and connections."""
        for source in self._sources.sources:
            source.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _select_evaluation_time(self, at_seconds: int, parameter: str) -> float:
        """Return the time at which to evaluate the queries: in a recording, that of the last refresh until then."""
        recorded = self._sources.recorded_instants
        latest_seconds = recorded[-1] if recorded else self.now_seconds
        if at_seconds > latest_seconds:
            latest = f"{'the recording ends at' if recorded else 'it is now'} {format_instant(latest_seconds)}"
            raise BadRequestError(
                f"{parameter} must not be in the future: {latest}, got {format_instant(at_seconds)}",
                parameter=parameter,
            )
        if not recorded:
            return float(at_seconds)
        index = bisect_right(recorded, at_seconds, key=int) - 1
        if index < 0:
            raise NotFoundError(
                f"no topology at {format_instant(at_seconds)}: the recording begins at {format_instant(recorded[0])}",
                parameter=parameter,
            )
        return recorded[index]

    def _find_cached(self, key: int) -> PastSnapshot | None:
        cached = self._cached.get(key)
        if cached is None or self._clock.monotonic() >= cached.expires_at:
            return None
        self._cached.move_to_end(key)
        return cached.past

    async def _share_collection(self, key: int, evaluation_time: float) -> PastSnapshot:
        """Wait for the collection of an instant, a new one unless one runs or waits for its turn.

        One that runs is finished and kept, also if nobody waits for it any longer: its queries have been sent.
        """
        if key not in self._collections:
            self._check_budget()
        return await self._collections.run_on_thread(
            key, self._executor.submit, partial(self._collect, evaluation_time), partial(self._add, key)
        )

    def _check_budget(self) -> None:
        """Raise PastSnapshotError unless another collection may run or wait."""
        pause_seconds = self._paused_until - self._clock.monotonic()
        if pause_seconds > 0:
            raise PastSnapshotError(
                "past instants are not available: an upstream sent Retry-After", retry_after_seconds=pause_seconds
            )
        if len(self._collections) > self._limits.max_waiting:
            retry_after_seconds = self._last_duration_seconds * len(self._collections)
            raise PastSnapshotError(
                "too many past instants are requested at the same time", retry_after_seconds=retry_after_seconds
            )

    def _collect(self, evaluation_time: float) -> PastSnapshot:
        """Collect the snapshot of an instant; raise PastSnapshotError if that fails. Runs on the thread for it."""
        started_at = self._clock.monotonic()
        # The instant on the monotonic clock, so that the age of the snapshot is that of the instant.
        instant = started_at - max(0.0, self.now_seconds - evaluation_time)
        collector = self._sources.create_collector()
        try:
            with self._own_metrics.measure_past_collection():
                snapshot, failures = collector.collect(evaluation_time, instant)
            self._pause(find_max_retry_after_seconds(failures))
        except RefreshFailedError as failed:
            retry_after_seconds = find_max_retry_after_seconds(failed.failures)
            self._pause(retry_after_seconds)
            raise PastSnapshotError(
                f"no topology at {format_instant(evaluation_time)}", str(failed), retry_after_seconds, is_refused=False
            ) from None
        except Exception:  # noqa: BLE001 - a defect in building: other instants may still be available
            _log.exception("past snapshot failed", instant=format_instant(evaluation_time))
            raise PastSnapshotError(
                f"no topology at {format_instant(evaluation_time)}", INTERNAL_ERROR_REASON, is_refused=False
            ) from None
        self._last_duration_seconds = self._clock.monotonic() - started_at
        quality = replace(
            collector.quality or Quality(),
            refresh_seconds=evaluation_time,
            refresh_duration_seconds=self._last_duration_seconds,
            topology_version=snapshot.topology.version,
        )
        return PastSnapshot(snapshot.copy_as_past(), quality)

    def _pause(self, retry_after_seconds: float) -> None:
        """Start no other collection until the Retry-After of an upstream has passed."""
        paused_until = self._clock.monotonic() + min(retry_after_seconds, MAX_PAUSE_SECONDS)
        self._paused_until = max(self._paused_until, paused_until)

    def _add(self, key: int, past: PastSnapshot) -> None:
        """Keep a snapshot, and free those that were not used for longest while there are too many."""
        now = self._clock.monotonic()
        lacks_responses = any(gap.kind in (GapKind.FAILED, GapKind.WARNING) for gap in past.snapshot.gaps)
        is_settled = self.now_seconds - key >= SETTLING_SECONDS and not lacks_responses
        replaced = self._cached.pop(key, None)
        self._cached[key] = _CachedSnapshot(past, math.inf if is_settled else now + UNSETTLED_TTL_SECONDS)
        retired = [] if replaced is None else [replaced.past.snapshot]
        retired += [self._cached.popitem(last=False)[1].past.snapshot for _ in range(self._count_excess())]
        # Freed on the thread for collections, which accepts no more work once this is closed.
        with suppress(RuntimeError):
            self._executor.submit(free_snapshots, retired)

    def _count_excess(self) -> int:
        """Return how many snapshots to free, without the one that was used last."""
        kept_count = kept_objects = kept_bytes = 0
        for cached in reversed(self._cached.values()):
            documents = cached.past.snapshot.rendered_topology
            kept_objects += (
                len(documents.topology.clusters) + len(documents.topology.nodes) + len(documents.topology.pods)
            )
            kept_bytes += documents.estimate_all_bytes()
            is_over_limit = kept_objects > self._limits.max_objects or kept_bytes > self._limits.max_document_bytes
            if kept_count and (is_over_limit or kept_count >= self._limits.max_snapshots):
                break
            kept_count += 1
        return len(self._cached) - kept_count


def build_no_data_error(at_seconds: int, parameter: str) -> NotFoundError:
    """Return the error of a request for an instant at which there was no cluster."""
    detail = f"no topology at {format_instant(at_seconds)}: the sources have no data of any cluster at that time"
    return NotFoundError(detail, parameter=parameter)
