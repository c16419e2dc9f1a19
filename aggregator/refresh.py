"""Keeps the current snapshot current: one refresh at a time, with pauses that spare the upstream."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from aggregator.errors import NoTopologyError, QueryError, RefusedError
from aggregator.logs import logger
from aggregator.own_metrics import DROPPED
from aggregator.snapshot import Gap, GapKind, Snapshot
from aggregator.take import RefreshFailedError, Taker
from aggregator.telemetry import Refreshed, Telemetry

# The upstream is never kept busy more than a quarter of the time.
PAUSE_PER_DURATION = 3.0
# However fast the upstream is, requests for fresh data start at most one refresh in this time.
SHORTEST_PAUSE_SECONDS = 1.0

_log = logger(__name__)


@dataclass(frozen=True)
class Clock:
    """The two clocks: seconds since the epoch, and seconds that only ever grow."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Pace:
    """How often to refresh, and how long a snapshot may be served."""

    interval_seconds: float
    max_stale_seconds: float


class Refresher:
    """Owns the current snapshot; servers ask it for that, and may ask for a newer one."""

    def __init__(
        self, taker: Taker, pace: Pace, clock: Clock | None = None, telemetry: Telemetry | None = None
    ) -> None:
        self._telemetry = telemetry or Telemetry()
        self._taker = taker
        self._pace = pace
        self._clock = clock or Clock()
        self._snapshot: Snapshot | None = None
        self._failure = "the first refresh is not finished"
        self._under_way: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="refresh")
        self._is_closed = False
        # On the monotonic clock: when a refresh may start on demand, and when the next is due.
        self._allowed_at = 0.0
        self._due_at = 0.0

    def current(self) -> Snapshot:
        """Return the current snapshot; raise NoTopologyError where there is none that may still be shown."""
        snapshot = self._snapshot
        if snapshot is None:
            raise NoTopologyError(f"no topology yet: {self._failure}")
        if self._is_too_old(snapshot):
            raise NoTopologyError(f"the last topology is too old: {self._failure}")
        return snapshot

    def age_seconds(self, snapshot: Snapshot) -> float:
        """Return how long ago the oldest answer of a snapshot was asked for."""
        return max(0.0, self._clock.monotonic() - snapshot.oldest_at)

    def _is_too_old(self, snapshot: Snapshot) -> bool:
        return self._clock.monotonic() - snapshot.taken_at >= self._pace.max_stale_seconds

    def seconds_to_next(self) -> float:
        """Return how long it is until the next refresh is due."""
        return max(0.0, self._due_at - self._clock.monotonic())

    async def fresh(self) -> None:
        """Wait for a refresh: the one under way, or a new one if the last ended long enough ago; else not at all."""
        if self._under_way is not None or self._clock.monotonic() >= self._allowed_at:
            await self._join()

    async def run(self) -> None:
        """Refresh for ever, in the pace that was set."""
        while True:
            await self._join()
            # A refresh on demand moves the next one away, so this may take several naps.
            while (pause := self.seconds_to_next()) > 0:  # noqa: ASYNC110 - it waits for a time, not for an event
                await asyncio.sleep(pause)

    def close(self) -> None:
        """Let go of the threads and connections; a refresh that this breaks off is not told of."""
        self._is_closed = True
        self._taker.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def ended(self, within_seconds: float) -> None:
        """Wait until the refresh that is under way has ended, but not for longer."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way], timeout=within_seconds)

    async def _join(self) -> None:
        joins = self._under_way is not None
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._refresh(), name="refresh")
        # Shielded: a client that goes away must not take the refresh of all others with it.
        await asyncio.shield(self._under_way)
        if joins:
            self._telemetry.joined()

    async def _refresh(self) -> None:
        started = self._clock.monotonic()
        try:
            # In a copy of the context: spans and log lines of the refresh belong to whoever asked for it.
            attempt = asyncio.get_running_loop().run_in_executor(self._thread, copy_context().run, self._attempt)
            self._snapshot, failures = await attempt
        finally:
            self._under_way = None
            took = self._clock.monotonic() - started
            self._plan(took, 0.0)
        # Never so patient that the last topology grows too old to be shown meanwhile.
        self._plan(took, min(_patience(failures), self._pace.max_stale_seconds / 2))

    def _plan(self, took_seconds: float, patience_seconds: float) -> None:
        ended = self._clock.monotonic()
        # As with patience: what is shown must not grow too old before the next refresh is over.
        rest = min(
            PAUSE_PER_DURATION * took_seconds, max(took_seconds, self._pace.max_stale_seconds / 2 - took_seconds)
        )
        pause = max(rest, patience_seconds)
        self._allowed_at = ended + max(pause, SHORTEST_PAUSE_SECONDS)
        self._due_at = ended + max(pause, self._pace.interval_seconds - took_seconds)

    def _attempt(self) -> tuple[Snapshot | None, Iterable[QueryError]]:
        """Take a snapshot; if that fails, keep the last one and mark it. Runs on the refresh thread."""
        with self._telemetry.refreshing():
            snapshot, failures, is_new = self._take_or_keep()
        gaps = snapshot.gaps if snapshot is not None else ()
        if is_new and snapshot is not None:
            self._telemetry.refreshed(_counted(snapshot), self._clock.wall())
        else:
            self._telemetry.refresh_failed(_by_kind(gaps))
        return snapshot, failures

    def _take_or_keep(self) -> tuple[Snapshot | None, Iterable[QueryError], bool]:
        started = self._clock.monotonic()
        try:
            snapshot, failures = self._taker.take(self._clock.wall(), started)
        except RefreshFailedError as failed:
            self._failure = str(failed)
            self._report_failure(started)
            return self._kept_snapshot(), failed.failures, False
        except Exception:  # noqa: BLE001 - whatever broke, the process lives
            # A defect of ours in building or rendering: the last good topology is still good.
            self._failure = "an internal error; the log has it"
            if not self._is_closed:
                _log.exception("refresh broke")
            return self._kept_snapshot(), (), False
        self._failure = "the refreshes since then are not finished"
        self._report(snapshot, started)
        return snapshot, failures, True

    def _report_failure(self, started: float) -> None:
        if not self._is_closed:
            _log.warning(
                "refresh failed",
                reason=self._failure,
                took_ms=self._milliseconds_since(started),
                serving=self._what_is_served(),
            )

    def _what_is_served(self) -> str:
        if self._snapshot is None or self._is_too_old(self._snapshot):
            return "nothing"
        return f"the last topology until it is {self._pace.max_stale_seconds:g} s old"

    def _kept_snapshot(self) -> Snapshot | None:
        if self._snapshot is None or self._is_too_old(self._snapshot):
            return self._snapshot
        kept = self._snapshot.kept([Gap(GapKind.FAILED, "refresh", self._failure)], self._clock.wall())
        try:
            self._taker.render(kept)
        except Exception:  # noqa: BLE001 - a view that breaks now may have worked before
            _log.exception("rendering broke")
            # The bytes of before, marked all the same.
            return self._snapshot.marked(kept.gaps)
        return kept

    def _report(self, snapshot: Snapshot, started: float) -> None:
        if self._is_closed:
            return
        missing = [str(gap) for gap in snapshot.gaps if gap.kind.is_missing_data]
        failed = (GapKind.FAILED, GapKind.STALE)
        log = _log.warning if any(gap.kind in failed for gap in snapshot.gaps) else _log.info
        log(
            "refreshed",
            took_ms=self._milliseconds_since(started),
            clusters=len(snapshot.topology.clusters),
            nodes=len(snapshot.topology.nodes),
            pods=len(snapshot.topology.pods),
            complete=snapshot.is_complete,
            **_doubts(snapshot),
            **({"gaps": missing} if missing else {}),
        )

    def _milliseconds_since(self, started: float) -> int:
        return round(1000 * (self._clock.monotonic() - started))


def _by_kind(gaps: Iterable[Gap]) -> dict[str, int]:
    numbers = {kind.name.lower(): 0 for kind in GapKind}
    for gap in gaps:
        numbers[gap.kind.name.lower()] += 1
    return numbers


def _counted(snapshot: Snapshot) -> Refreshed:
    """Return the numbers of a snapshot that metrics show."""
    topology = snapshot.topology
    dropped = dict.fromkeys(DROPPED, 0)
    for gap in snapshot.gaps:
        if gap.kind.name.lower() in dropped:
            dropped[gap.kind.name.lower()] += gap.count
    objects = {
        "cluster": len(topology.clusters),
        "node": len(topology.nodes),
        "pod": len(topology.pods),
        "container": sum(len(pod.containers) for pod in topology.pods.values()),
    }
    return Refreshed(objects, _by_kind(snapshot.gaps), dropped)


def _doubts(snapshot: Snapshot) -> dict[str, int]:
    """Return how much of what is there is doubtful, by kind, where there is any."""
    counts = {kind.name.lower(): 0 for kind in GapKind if not kind.is_missing_data}
    for gap in snapshot.gaps:
        if not gap.kind.is_missing_data:
            counts[gap.kind.name.lower()] += gap.count
    return {kind: count for kind, count in counts.items() if count}


def _patience(failures: Iterable[QueryError]) -> float:
    """Return how many seconds the upstream asked us to leave it alone for."""
    asked = [
        failure.retry_after_seconds
        for failure in failures
        if isinstance(failure, RefusedError) and failure.retry_after_seconds is not None
    ]
    return max(asked, default=0.0)
