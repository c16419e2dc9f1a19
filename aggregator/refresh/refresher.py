"""The refresher owns the current snapshot. It runs one refresh at a time, with pauses that limit the upstream load."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import NamedTuple

from aggregator.errors import NoTopologyError, QueryError, RefreshFailedError
from aggregator.models.quality import Quality
from aggregator.observability.logs import get_logger
from aggregator.observability.metrics import DROP_REASONS, OwnMetrics, RefreshOutcome
from aggregator.refresh.collector import SnapshotCollector
from aggregator.refresh.history import VersionHistory
from aggregator.refresh.past import PastSnapshots
from aggregator.refresh.schedule import (
    MIN_ON_DEMAND_PAUSE_SECONDS,
    Clock,
    RefreshSchedule,
    find_max_retry_after_seconds,
)
from aggregator.refresh.snapshot import INTERNAL_ERROR_REASON, Gap, GapKind, Snapshot, free_snapshots

_log = get_logger(__name__)


@dataclass(frozen=True)
class _RefreshAttempt:
    """The result of one refresh: the snapshot to serve from now on, its quality, and the failed queries."""

    snapshot: Snapshot | None
    quality: Quality
    failures: Iterable[QueryError] = ()
    is_new: bool = False


class _RefreshStart(NamedTuple):
    """When a refresh started, on both clocks, and its planned evaluation time, None for one on demand."""

    monotonic: float
    wall: float
    planned_seconds: float | None


class Refresher:
    """Owns the current snapshot, runs refreshes on schedule or on demand, and lets requests wait for one."""

    def __init__(
        self,
        collector: SnapshotCollector,
        schedule: RefreshSchedule,
        clock: Clock | None = None,
        own_metrics: OwnMetrics | None = None,
        past: PastSnapshots | None = None,
    ) -> None:
        """`past` is needed by servers only."""
        self._past = past
        self._own_metrics = own_metrics or OwnMetrics()
        self._collector = collector
        self._schedule = schedule
        self._clock = clock or Clock()
        self._snapshot: Snapshot | None = None
        self._history = VersionHistory()
        self._failure_reason = "the first refresh is still running"
        self._quality = Quality(self._failure_reason)
        self._refresh_task: asyncio.Task[None] | None = None
        # Set and replaced whenever a refresh ends.
        self._refresh_ended = asyncio.Event()
        self._is_stopping = False
        self._refresh_executor = ThreadPoolExecutor(1, thread_name_prefix="refresh")
        self._is_closed = False
        # On the monotonic clock: when a refresh may start on demand, and when the next scheduled one starts.
        self._on_demand_allowed_at = 0.0
        self._next_refresh_at = 0.0
        # The planned evaluation time of the next scheduled refresh, on the wall clock.
        self._next_evaluation_seconds: float | None = None
        # Failed refreshes in a row that left no topology to serve.
        self._failures_without_snapshot = 0

    @property
    def history(self) -> VersionHistory:
        """The changes between the recent topologies."""
        return self._history

    @property
    def past(self) -> PastSnapshots:
        """The snapshots of past instants."""
        assert self._past is not None, "servers need past snapshots"  # noqa: S101
        return self._past

    def get_snapshot(self) -> Snapshot:
        """Return the current snapshot; raise NoTopologyError if there is none, or if it is too old."""
        snapshot = self._snapshot
        if snapshot is None:
            raise NoTopologyError("no topology yet", self._failure_reason)
        if self._is_expired(snapshot):
            raise NoTopologyError("the last topology is too old", self._failure_reason)
        return snapshot

    def get_quality(self) -> Quality:
        """Return the quality of the last refresh and the version that is served; the same object until they change."""
        version: str | None = None
        unavailable: str | None = None
        try:
            version = self.get_snapshot().topology.version
        except NoTopologyError as error:
            unavailable = str(error)
        last_quality = self._quality
        if (last_quality.topology_version, last_quality.unavailable) != (version, unavailable):
            self._quality = replace(last_quality, topology_version=version, unavailable=unavailable)
        return self._quality

    def get_age_seconds(self, snapshot: Snapshot) -> float:
        """Return how long ago the query with the oldest response in a snapshot was sent."""
        return max(0.0, self._clock.monotonic() - snapshot.oldest_response_at)

    def _is_expired(self, snapshot: Snapshot) -> bool:
        return self._clock.monotonic() - snapshot.created_at >= self._schedule.max_stale_seconds

    def compute_seconds_until_refresh(self) -> float:
        """Return the time until the next scheduled refresh."""
        return max(0.0, self._next_refresh_at - self._clock.monotonic())

    async def wait_for_refresh(self) -> None:
        """Wait for the running refresh, or start one; return at once if the last one ended only a moment ago."""
        if self._refresh_task is not None or self._clock.monotonic() >= self._on_demand_allowed_at:
            await self._join_refresh(is_scheduled=False)

    async def run(self) -> None:
        """Refresh on schedule until cancelled."""
        while True:
            await self._join_refresh(is_scheduled=True)
            # In a loop, because a refresh on demand postpones the next scheduled one.
            while (pause_seconds := self.compute_seconds_until_refresh()) > 0:  # noqa: ASYNC110 - waits for a time, no event
                await asyncio.sleep(pause_seconds)

    async def wait_for_change(self) -> None:
        """Wait until the next refresh has ended, successful or not, or until the process is stopping."""
        await self._refresh_ended.wait()

    @property
    def is_stopping(self) -> bool:
        """Whether the process is stopping, so that requests should not wait any longer."""
        return self._is_stopping

    def release_waiters(self) -> None:
        """Wake up all requests that wait for a change, because the process is stopping."""
        self._is_stopping = True
        self._refresh_ended.set()

    def close(self) -> None:
        """Close threads and connections. A refresh that this aborts is not logged."""
        self._is_closed = True
        self._collector.close()
        if self._past is not None:
            self._past.close()
        self._refresh_executor.shutdown(wait=False, cancel_futures=True)

    async def wait_for_refresh_end(self, timeout_seconds: float) -> None:
        """Wait until the running refresh has ended, but not longer than the timeout."""
        if self._refresh_task is not None:
            await asyncio.wait([self._refresh_task], timeout=timeout_seconds)

    async def _join_refresh(self, *, is_scheduled: bool) -> None:
        is_joining = self._refresh_task is not None
        if self._refresh_task is None:
            self._refresh_task = asyncio.create_task(self._run_refresh(is_scheduled=is_scheduled), name="refresh")
        # Shielded: a client that disconnects must not cancel the refresh for the others.
        await asyncio.shield(self._refresh_task)
        if is_joining:
            self._own_metrics.record_refresh_join()

    async def _run_refresh(self, *, is_scheduled: bool) -> None:
        start = _RefreshStart(
            self._clock.monotonic(), self._clock.wall(), self._next_evaluation_seconds if is_scheduled else None
        )
        retry_after_seconds = 0.0
        try:
            # With a copy of the context: spans and log lines of the refresh belong to the request that started it.
            attempt = await asyncio.get_running_loop().run_in_executor(
                self._refresh_executor, copy_context().run, self._attempt_refresh, start
            )
            self._replace_snapshot(attempt.snapshot)
            self._quality = attempt.quality
            retry_after_seconds = find_max_retry_after_seconds(attempt.failures)
        finally:
            self._refresh_task = None
            if not self._is_stopping:
                self._refresh_ended.set()
                self._refresh_ended = asyncio.Event()
            self._schedule_next(start, retry_after_seconds)

    def _replace_snapshot(self, snapshot: Snapshot | None) -> None:
        retired = [] if self._snapshot is None or self._snapshot is snapshot else [self._snapshot]
        self._snapshot = snapshot
        # Freed on the refresh thread, which accepts no more work once the refresher is closed.
        with contextlib.suppress(RuntimeError):
            self._refresh_executor.submit(free_snapshots, retired)

    def _schedule_next(self, start: _RefreshStart, retry_after_seconds: float) -> None:
        ended_at = self._clock.monotonic()
        duration_seconds = ended_at - start.monotonic
        cooldown_seconds = self._schedule.compute_cooldown(duration_seconds, retry_after_seconds)
        self._on_demand_allowed_at = ended_at + max(cooldown_seconds, MIN_ON_DEMAND_PAUSE_SECONDS)
        if self._snapshot is None or self._is_expired(self._snapshot):
            self._failures_without_snapshot += 1
            retry_pause_seconds = self._schedule.compute_retry_pause(self._failures_without_snapshot)
            self._next_refresh_at = ended_at + max(cooldown_seconds, retry_pause_seconds)
            self._next_evaluation_seconds = None
        else:
            self._failures_without_snapshot = 0
            planned = self._schedule.plan_next(start.wall, duration_seconds, cooldown_seconds)
            self._next_refresh_at = start.monotonic + planned.distance_seconds
            self._next_evaluation_seconds = planned.at_seconds

    def _attempt_refresh(self, start: _RefreshStart) -> _RefreshAttempt:
        """Collect a snapshot; if that fails, keep the last one and mark it as stale. Runs on the refresh thread."""
        with self._own_metrics.measure_refresh():
            attempt = self._collect_or_keep(start)
        if attempt.snapshot is not None and attempt.is_new:
            self._record_changes(attempt.snapshot)
            self._own_metrics.record_refresh(_summarize_refresh(attempt.snapshot), self._clock.wall())
        else:
            self._own_metrics.record_refresh_failure(
                _count_gaps_by_kind(attempt.snapshot.gaps if attempt.snapshot is not None else ())
            )
        return attempt

    def _record_changes(self, snapshot: Snapshot) -> None:
        try:
            self._history.record(snapshot.topology)
        except Exception:  # noqa: BLE001 - a defect in comparing: the topology is usable, and watches start again
            _log.exception("comparing with the last topology failed")
            self._history.clear()

    def _collect_or_keep(self, start: _RefreshStart) -> _RefreshAttempt:
        started_at, wall_seconds = start.monotonic, start.wall
        at_seconds = self._schedule.select_evaluation_time(wall_seconds, start.planned_seconds)
        try:
            snapshot, failures = self._collector.collect(at_seconds, started_at)
        except RefreshFailedError as failed:
            self._failure_reason = str(failed)
            self._log_failure(_log.warning, started_at)
            return _RefreshAttempt(
                self._copy_last_snapshot_as_stale(),
                self._complete_quality(wall_seconds, started_at, self._failure_reason),
                failed.failures,
            )
        except Exception:  # noqa: BLE001 - a defect in building or rendering: the last topology is still usable
            self._failure_reason = INTERNAL_ERROR_REASON
            self._log_failure(_log.exception, started_at)
            return _RefreshAttempt(
                self._copy_last_snapshot_as_stale(),
                self._complete_quality(wall_seconds, started_at, self._failure_reason),
            )
        self._failure_reason = "no newer refresh has finished"
        attempt = _RefreshAttempt(snapshot, self._complete_quality(wall_seconds, started_at), failures, is_new=True)
        # Logged last, because the snapshot is served from now on.
        if not self._is_closed:
            _log_refresh(snapshot, self._elapsed_ms(started_at))
        return attempt

    def _log_failure(self, log_event: Callable[..., object], started_at: float) -> None:
        if not self._is_closed:
            duration_ms, serving = self._elapsed_ms(started_at), self._describe_served_snapshot()
            log_event("refresh failed", reason=self._failure_reason, duration_ms=duration_ms, serving=serving)

    def _complete_quality(self, wall_seconds: float, started_at: float, failure: str | None = None) -> Quality:
        """Return the quality of the refresh that started at these times and has just ended."""
        quality = self._collector.quality or Quality()
        return replace(
            quality,
            failure=failure,
            complete=quality.complete if failure is None else False,
            refresh_seconds=wall_seconds,
            refresh_duration_seconds=self._clock.monotonic() - started_at,
        )

    def _describe_served_snapshot(self) -> str:
        if self._snapshot is None or self._is_expired(self._snapshot):
            return "nothing"
        return f"the last topology, until it is {self._schedule.max_stale_seconds:g} s old"

    def _copy_last_snapshot_as_stale(self) -> Snapshot | None:
        if self._snapshot is None or self._is_expired(self._snapshot):
            return self._snapshot
        marked = self._snapshot.copy_as_stale(
            [Gap(GapKind.FAILED, "refresh", self._failure_reason)], self._source_time()
        )
        try:
            self._collector.render_views(marked)
        except Exception:  # noqa: BLE001 - the last documents are still usable
            _log.exception("rendering failed")
            return self._snapshot.replace_gaps(marked.gaps)
        return marked

    def _source_time(self) -> float:
        return self._collector.source_clock.now(self._clock.wall())

    def _elapsed_ms(self, started_at: float) -> int:
        return round(1000 * (self._clock.monotonic() - started_at))


def _log_refresh(snapshot: Snapshot, duration_ms: int) -> None:
    """Log a successful refresh; as a warning if queries failed."""
    missing_data = [str(gap) for gap in snapshot.gaps if gap.kind.is_missing_data]
    failure_kinds = (GapKind.FAILED, GapKind.STALE)
    log_event = _log.warning if any(gap.kind in failure_kinds for gap in snapshot.gaps) else _log.info
    log_event(
        "refresh succeeded",
        duration_ms=duration_ms,
        clusters=len(snapshot.topology.clusters),
        nodes=len(snapshot.topology.nodes) - snapshot.topology.gone_node_count,
        pods=len(snapshot.topology.pods),
        complete=snapshot.is_complete,
        **_count_other_gaps_by_kind(snapshot),
        **({"gaps": missing_data} if missing_data else {}),
    )


def _count_gaps_by_kind(gaps: Iterable[Gap]) -> dict[str, int]:
    """Return the number of gaps of each kind."""
    counts = {kind.name.lower(): 0 for kind in GapKind}
    for gap in gaps:
        counts[gap.kind.name.lower()] += 1
    return counts


def _summarize_refresh(snapshot: Snapshot) -> RefreshOutcome:
    """Return the numbers of a snapshot for metrics."""
    topology = snapshot.topology
    dropped_counts = dict.fromkeys(DROP_REASONS, 0)
    for gap in snapshot.gaps:
        if gap.kind.name.lower() in dropped_counts:
            dropped_counts[gap.kind.name.lower()] += gap.count
    object_counts = {
        "cluster": len(topology.clusters),
        "node": len(topology.nodes) - topology.gone_node_count,
        "pod": len(topology.pods),
        "container": sum(len(pod.containers) for pod in topology.pods.values()),
    }
    return RefreshOutcome(object_counts, _count_gaps_by_kind(snapshot.gaps), dropped_counts)


def _count_other_gaps_by_kind(snapshot: Snapshot) -> dict[str, int]:
    """Return the sum of the counts of all gaps that are not missing data, by kind, without zeros."""
    counts = {kind.name.lower(): 0 for kind in GapKind if not kind.is_missing_data}
    for gap in snapshot.gaps:
        if not gap.kind.is_missing_data:
            counts[gap.kind.name.lower()] += gap.count
    return {kind: count for kind, count in counts.items() if count}
