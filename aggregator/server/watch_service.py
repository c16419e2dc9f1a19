"""Watches: streams of a snapshot and then changes, for HTTP and gRPC.

A watch stores only the version that it sent last. When its client has read the last event, the watch sends the changes
since that version, so the changes of a slow client merge. Watches of one kind share encoded events.
"""

import asyncio
import contextlib
import math
import time
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from aggregator.errors import NoTopologyError, TooManyWatchesError
from aggregator.lookup.results import check_cluster
from aggregator.lookup.watch import WatchOptions, WatchPlan, create_watch_plan
from aggregator.lookup.watch_events import Moment, WatchEncoder, WatchEvent
from aggregator.models.grant import Grant
from aggregator.models.topology import Topology
from aggregator.observability.logs import get_logger
from aggregator.observability.metrics import OwnMetrics
from aggregator.refresh.history import MAX_HISTORY_BYTES, VersionHistory
from aggregator.refresh.snapshot import Gap, GapKind, Snapshot
from aggregator.server.visibility import GENERIC_NO_TOPOLOGY_MESSAGE, SnapshotProvider, get_visible_snapshot
from aggregator.util.fair_executor import FairExecutor
from aggregator.util.runtime import iter_chunks
from aggregator.util.single_flight import SingleFlight

# A watch without events gets a bookmark after this time, so that proxies and clients know that it is alive.
BOOKMARK_INTERVAL_SECONDS = 30.0
# How long the history of a restricted grant is kept after its last watch, for clients that reconnect.
RESTRICTED_HISTORY_TTL_SECONDS = 60.0
# How long encoded events are kept for other watches, which wake up at the same time.
SHARED_EVENTS_TTL_SECONDS = 5.0
MAX_MIN_INTERVAL_SECONDS = 60.0
# What a client may take to read the events that lead to one version: they stay in memory until then.
MAX_READ_SECONDS = 300.0
# Their events take a few milliseconds.
WAKE_UPS_AT_ONCE = 25
# In this time, they begin to send.
WAKE_UP_SECONDS = 0.001
STOPPING_INTERVAL_SECONDS = 0.05
# For watches of different kinds. Other requests have threads of their own.
ENCODING_THREADS = 2
# More gaps are counted.
MAX_LISTED_GAPS = 100
# The share of the connections of a server that watches may use, so that there are some for other requests.
WATCH_SHARE = 0.75
# With the default of MAX_CONNECTIONS.
MAX_WATCHES = 7500

TOO_MANY_WATCHES_MESSAGE = "too many watches are open"
STOPPING_REASON = "the server is stopping"
TIMEOUT_REASON = "the timeout of the watch has passed"
SLOW_CLIENT_REASON = "the client reads too slowly"
TOKEN_EXPIRED_REASON = "the token has expired"  # noqa: S105 - a text

_Completeness = tuple[bool, tuple[str, ...]]

_log = get_logger(__name__)


def compute_max_watches(max_connections: int) -> int:
    """Return how many watches a server with this limit of connections allows."""
    return max(1, int(WATCH_SHARE * max_connections))


@dataclass(frozen=True)
class WatchRequest:
    """What to watch, how often and for how long, and what the client has. Its token expires at `expires_at`."""

    options: WatchOptions
    known_version: str = ""
    min_interval_seconds: float = 0.0
    timeout_seconds: float = math.inf
    expires_at: float = math.inf


class WatchService:
    """Opens watches, and encodes their events in one format. Used on the event loop; encoding runs on threads."""

    def __init__(
        self,
        snapshots: SnapshotProvider,
        create_encoder: Callable[[WatchPlan], WatchEncoder],
        own_metrics: OwnMetrics,
        max_watches: int = MAX_WATCHES,
    ) -> None:
        self._snapshots = snapshots
        self._create_encoder = create_encoder
        self._own_metrics = own_metrics
        self._max_watches = max_watches
        self._shared: dict[tuple[Grant, WatchOptions], _SharedWatch] = {}
        self._counts_by_grant: Counter[Grant] = Counter()
        self._restricted_histories: dict[Grant, VersionHistory] = {}
        # Of the grants without watches.
        self._history_timers: dict[Grant, asyncio.TimerHandle] = {}
        # By grant: callers with many different watches delay only callers who may see the same clusters.
        self._executor = FairExecutor(ENCODING_THREADS, thread_name_prefix="watch")
        self._refresh_notifier = _RefreshNotifier(snapshots)

    @property
    def watch_count(self) -> int:
        """The number of open watches."""
        return self._counts_by_grant.total()

    async def open(self, grant: Grant, request: WatchRequest) -> "Watch":
        """Return a watch; raise an error if the request is invalid, or there is no topology, or too many watches."""
        plan = create_watch_plan(request.options)
        visible = await get_visible_snapshot(self._snapshots, grant)
        # Last, because other watches begin while this one waits for its snapshot.
        if self.watch_count >= self._max_watches:
            raise TooManyWatchesError(TOO_MANY_WATCHES_MESSAGE)
        if request.options.cluster and not request.known_version:
            check_cluster(request.options.cluster, visible.topology)
        return Watch(self, grant, plan, request)

    def join(self, grant: Grant, plan: WatchPlan) -> "_SharedWatch":
        """Count a watch that begins, and return what it shares with others."""
        key = grant, plan.options
        timer = self._history_timers.pop(grant, None)
        if timer is not None:
            timer.cancel()
        shared = self._shared.get(key)
        if shared is None:
            history = self._snapshots.history
            if not grant.is_unrestricted:
                history = self._get_restricted_history(grant)
            shared = self._shared[key] = _SharedWatch(
                self._snapshots, grant, plan, self._create_encoder(plan), history, partial(self._executor.submit, grant)
            )
        self._refresh_notifier.start()
        shared.add_watch()
        self._counts_by_grant[grant] += 1
        return shared

    def _get_restricted_history(self, grant: Grant) -> VersionHistory:
        """Return the history of a grant; the more there are, the less each new one may keep."""
        history = self._restricted_histories.get(grant)
        if history is None:
            max_bytes = MAX_HISTORY_BYTES // (len(self._restricted_histories) + 1)
            history = self._restricted_histories[grant] = VersionHistory(max_bytes=max_bytes)
        return history

    def leave(self, shared: "_SharedWatch") -> None:
        """Forget a watch that has ended."""
        shared.remove_watch()
        self._counts_by_grant -= Counter([shared.grant])
        if not self.watch_count:
            self._refresh_notifier.stop()
        loop, grant = asyncio.get_running_loop(), shared.grant
        if not shared.watch_count:
            # Clients that connect again and again need no new events.
            loop.call_later(SHARED_EVENTS_TTL_SECONDS, self._drop_unused, shared)
        if grant in self._restricted_histories and not self._counts_by_grant[grant]:
            self._history_timers[grant] = loop.call_later(
                RESTRICTED_HISTORY_TTL_SECONDS, self._drop_restricted_history, grant
            )

    def _drop_unused(self, shared: "_SharedWatch") -> None:
        key = shared.grant, shared.plan.options
        if self._shared.get(key) is shared and not shared.watch_count:
            del self._shared[key]

    def _drop_restricted_history(self, grant: Grant) -> None:
        del self._restricted_histories[grant], self._history_timers[grant]

    def count_event(self, event: WatchEvent) -> None:
        """Count an event that is sent."""
        self._own_metrics.record_watch_event(event.name)

    async def wait_for_refresh(self) -> None:
        """Wait until a refresh has ended, or until the process is stopping."""
        await self._refresh_notifier.wait()

    async def wait_until_stopping(self) -> None:
        """Wait until the process is stopping. Only while a watch is open."""
        while not self._snapshots.is_stopping:
            await self.wait_for_refresh()


class _RefreshNotifier:
    """Wakes up watches after each refresh, a few at a time: all at once, they would delay other requests.

    After each few, it waits for as long as the event loop has worked for them, so that other requests get as much.
    """

    def __init__(self, snapshots: SnapshotProvider) -> None:
        self._snapshots = snapshots
        self._waiters: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to wait for refreshes."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="watches")

    def stop(self) -> None:
        """Stop waiting, because there are no watches."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def wait(self) -> None:
        """Wait for the next refresh."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def _run(self) -> None:
        latest = peek_snapshot(self._snapshots)
        while True:
            # A refresh that ended while others were woken up is not missed.
            if peek_snapshot(self._snapshots)() is latest() and not self._snapshots.is_stopping:
                await self._snapshots.wait_for_change()
            latest = peek_snapshot(self._snapshots)
            for waiters in iter_chunks(list(self._waiters), WAKE_UPS_AT_ONCE):
                began = time.thread_time()
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(None)
                await asyncio.sleep(WAKE_UP_SECONDS)
                await asyncio.sleep(time.thread_time() - began)
            if self._snapshots.is_stopping:
                # Until this task is cancelled, watches that begin to wait now are woken up, too.
                await asyncio.sleep(STOPPING_INTERVAL_SECONDS)


def peek_snapshot(snapshots: SnapshotProvider) -> Callable[[], Snapshot | None]:
    """Return a weak reference to the current snapshot, or a function that returns None without one.

    Two peeks refer to the same object, or to none, unless a refresh has ended in between. The references are weak,
    because a watch that waits must not keep a snapshot that has been replaced.
    """
    try:
        return weakref.ref(snapshots.get_snapshot())
    except NoTopologyError:
        return _refer_to_nothing


def _refer_to_nothing() -> None:
    return None


class _SharedWatch:
    """What all watches with the same options and grant share: their plan, their history, and encoded events."""

    def __init__(
        self,
        snapshots: SnapshotProvider,
        grant: Grant,
        plan: WatchPlan,
        encoder: WatchEncoder,
        history: VersionHistory,
        submit: Callable[[Callable[[], Any]], Future[Any]],
    ) -> None:
        self._snapshots = snapshots
        self.grant = grant
        self.plan = plan
        self.encoder = encoder
        self._history = history
        # Runs a function on one of the threads for encoding.
        self._submit = submit
        self.watch_count = 0
        # What is described: the whole snapshot, from which the visible part was made.
        self._described: tuple[Callable[[], Snapshot | None], _Completeness] | None = None
        # Events that lead to the current version, by the version before, "" for the snapshot.
        self._version = ""
        self._encodings: SingleFlight[list[WatchEvent] | None] = SingleFlight()

    def add_watch(self) -> None:
        """Count a watch that begins."""
        self.watch_count += 1
        self._history.full_watch_count += not self.plan.needs_only_structure

    def remove_watch(self) -> None:
        """Count a watch that has ended."""
        self.watch_count -= 1
        self._history.full_watch_count -= not self.plan.needs_only_structure

    @property
    def is_stopping(self) -> bool:
        """Whether the process is stopping."""
        return self._snapshots.is_stopping

    def peek(self) -> Callable[[], Snapshot | None]:
        """Return a reference to the current snapshot with all clusters: another object after each refresh."""
        return peek_snapshot(self._snapshots)

    async def read_current(self) -> tuple[Snapshot | None, _Completeness]:
        """Return the part of the current snapshot that the watch may show, and whether it is complete."""
        whole = self.peek()
        try:
            visible = await get_visible_snapshot(self._snapshots, self.grant)
        except NoTopologyError as error:
            return None, self._describe_absence(error)
        if not self.grant.is_unrestricted and visible.topology.version != self._history.newest_version:
            # The refresher records only whole topologies.
            await asyncio.wrap_future(self._submit(partial(self._record, visible.topology)))
        if self._described is None or self._described[0]() is not whole():
            self._described = whole, self._describe_completeness(visible)
        return visible, self._described[1]

    def _record(self, topology: Topology) -> None:
        """Record a restricted topology; without it, watches get a snapshot. Runs on a thread."""
        if topology.version == self._history.newest_version:
            return
        try:
            self._history.record(topology)
        except Exception:  # noqa: BLE001 - a defect in comparing: the snapshot is still usable
            _log.exception("comparing with the last topology failed")
            self._history.clear()

    async def encode_snapshot(self, snapshot: Snapshot) -> list[WatchEvent]:
        """Return the events with all objects."""
        seconds = snapshot.evaluated_at_seconds
        encode = partial(self.encoder.encode_snapshot, snapshot.topology, seconds)
        return await self._encode_once("", snapshot.topology.version, encode) or []

    async def encode_changes(self, known_version: str, snapshot: Snapshot) -> list[WatchEvent] | None:
        """Return the events with the changes since a version, None if they are not known, or not any longer."""
        version, seconds = snapshot.topology.version, snapshot.evaluated_at_seconds
        if known_version == version:
            return [self.encoder.encode_bookmark(Moment(version, seconds))]
        encode = partial(self._encode_delta, known_version, version, seconds)
        return await self._encode_once(known_version, version, encode)

    def _encode_delta(self, known_version: str, version: str, seconds: float) -> list[WatchEvent] | None:
        is_structure = self.plan.needs_only_structure
        delta = self._history.find_delta(known_version, version, is_structure=is_structure)
        return None if delta is None else self.encoder.encode_delta(delta, seconds)

    async def _encode_once(
        self, known_version: str, version: str, encode: Callable[[], list[WatchEvent] | None]
    ) -> list[WatchEvent] | None:
        """Return events that lead to a version, encoded once for all watches."""
        if version != self._version:
            # Those who wait for events of the version before get them.
            self._version, self._encodings = version, SingleFlight(SHARED_EVENTS_TTL_SECONDS)

        def encode_unless_stopping() -> list[WatchEvent] | None:
            # No thread is busy with events that are not sent any longer.
            return [] if self.is_stopping else encode()

        return await self._encodings.run_on_thread(known_version, self._submit, encode_unless_stopping)

    def _describe_completeness(self, snapshot: Snapshot) -> _Completeness:
        """Return whether a snapshot is complete, and what is missing. Counts and ages change often and are left out.

        The texts of gaps that are about no cluster may name upstreams of clusters that a restricted caller may not see.
        """
        texts = [
            f"{gap.subject}: {gap.kind.value}: {gap.lasting_detail}"
            for gap in snapshot.gaps
            if gap.kind.is_missing_data and (self.grant.is_unrestricted or gap.cluster is not None)
        ]
        unique_texts = list(dict.fromkeys(texts))
        hidden_count = len(unique_texts) - MAX_LISTED_GAPS
        more = [f"and {hidden_count} more"] if hidden_count > 0 else []
        return snapshot.is_complete, (*unique_texts[:MAX_LISTED_GAPS], *more)

    def _describe_absence(self, error: NoTopologyError) -> _Completeness:
        """Return the completeness while there is no topology to serve."""
        gap = Gap(GapKind.FAILED, "refresh", str(error) if self.grant.is_unrestricted else GENERIC_NO_TOPOLOGY_MESSAGE)
        return False, (f"{gap.subject}: {gap.kind.value}: {gap.detail}",)


class _Update(NamedTuple):
    """The current version, and the events that lead to it, None if the client has it or must not get it yet."""

    moment: Moment
    events: Sequence[WatchEvent] | None = None


class Watch:
    """One stream of events. Iterate over `stream` once, and close it."""

    def __init__(self, service: WatchService, grant: Grant, plan: WatchPlan, request: WatchRequest) -> None:
        self._service = service
        self._grant = grant
        self._plan = plan
        self._request = request
        self._loop = asyncio.get_running_loop()
        # The version that the client has, "" before the first snapshot.
        self._version = request.known_version
        self._is_confirmed = not request.known_version
        self._seconds = 0.0
        self._completeness: _Completeness | None = None
        self._sent_at = self._loop.time()
        self._times_out_at = self._sent_at + request.timeout_seconds
        # When the next changes may be sent, and until when the client must have read those that are being sent.
        self._due_at = -math.inf
        self._must_read_until = math.inf

    def extend_read_time(self, seconds: float) -> None:
        """Give the client more time to read, because the server did not write for some seconds."""
        self._must_read_until += seconds

    async def stream(self) -> AsyncGenerator[WatchEvent]:
        """Yield events until the token expires or the process stops."""
        shared = self._service.join(self._grant, self._plan)
        try:
            async for event in self._produce(shared):
                self._service.count_event(event)
                self._sent_at = self._loop.time()
                yield event
        finally:
            self._service.leave(shared)

    async def _produce(self, shared: "_SharedWatch") -> AsyncGenerator[WatchEvent]:
        while (end_reason := self._find_end_reason(shared)) is None:
            # Read first, so that no refresh between reading and waiting is missed.
            latest = shared.peek()
            snapshot, completeness = await shared.read_current()
            if completeness != self._completeness:
                self._completeness = completeness
                # Read again afterwards: a slow client must not keep a snapshot that has been replaced.
                del snapshot
                yield shared.encoder.encode_completeness(*completeness)
                continue
            update = None if snapshot is None else await self._build_update(shared, snapshot)
            del snapshot
            if update is not None and update.events is not None:
                async for event in self._send(shared, update.moment, update.events):
                    yield event
            elif self._loop.time() >= self._sent_at + BOOKMARK_INTERVAL_SECONDS:
                if self._version and self._is_confirmed:
                    yield shared.encoder.encode_bookmark(Moment(self._version, self._seconds))
                else:
                    # The client has no version yet, or one that nobody has confirmed.
                    yield shared.encoder.encode_completeness(*completeness)
            # Not before the client has what there is: with a timeout of 0, a watch is a list with a version.
            if self._loop.time() >= self._times_out_at:
                end_reason = self._find_end_reason(shared) or TIMEOUT_REASON
                break
            if shared.peek()() is latest():
                await self._wait(is_behind=update is not None and update.moment.version != self._version)
        yield shared.encoder.encode_end(end_reason)

    async def _build_update(self, shared: "_SharedWatch", snapshot: Snapshot) -> _Update:
        """Return the version of a snapshot, and the events to send now."""
        moment = Moment(snapshot.topology.version, snapshot.evaluated_at_seconds)
        is_new = moment.version != self._version or not self._is_confirmed
        # When the timeout has passed, there is no later event for these changes to merge into.
        if not is_new or self._loop.time() < min(self._due_at, self._times_out_at):
            return _Update(moment)
        events = await shared.encode_changes(self._version, snapshot) if self._version else None
        if events is None:
            events = await shared.encode_snapshot(snapshot)
            if self._version:
                reason = f"the changes since version {self._version[:80]} are not known"
                events = [shared.encoder.encode_restart(reason), *events]
        return _Update(moment, events)

    async def _send(
        self, shared: "_SharedWatch", moment: Moment, events: Sequence[WatchEvent]
    ) -> AsyncGenerator[WatchEvent]:
        self._must_read_until = self._loop.time() + MAX_READ_SECONDS
        for event in events:
            if self._find_end_reason(shared) is not None:
                return
            yield event
        self._must_read_until = math.inf
        self._version, self._seconds = moment
        self._is_confirmed = True
        self._due_at = self._loop.time() + self._request.min_interval_seconds

    def _find_end_reason(self, shared: "_SharedWatch") -> str | None:
        """Return why the watch must end now, whatever its client has, None if it need not."""
        if shared.is_stopping:
            return STOPPING_REASON
        now = self._loop.time()
        if now >= self._must_read_until:
            return SLOW_CLIENT_REASON
        return TOKEN_EXPIRED_REASON if now >= self._request.expires_at else None

    async def _wait(self, *, is_behind: bool) -> None:
        """Wait for the next refresh, or until there is something else to do."""
        deadline = min(self._sent_at + BOOKMARK_INTERVAL_SECONDS, self._request.expires_at, self._times_out_at)
        if is_behind:
            deadline = min(deadline, self._due_at)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._service.wait_for_refresh()
