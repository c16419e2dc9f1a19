"""The refresher: one refresh at a time, pauses that spare the upstream, and what is served meanwhile."""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
import structlog

from aggregator.errors import NotListeningError, NoTopologyError, UnreachableError, UpstreamStatusError
from aggregator.models.topology import Topology
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.refresher import Refresher
from aggregator.refresh.schedule import RefreshSchedule
from aggregator.views.renderers import RENDERERS
from tests.refresh.manual_clock import START_SECONDS, WAIT_SECONDS, ManualClock, wait_until
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses, build_uptime_response

INTERVAL_SECONDS = 10.0
MAX_STALE_SECONDS = 300.0

RefresherFactory = Callable[..., Refresher]


@pytest.fixture
def time() -> ManualClock:
    """Return clocks that the test moves."""
    return ManualClock()


@pytest.fixture
def upstream() -> FakeUpstream:
    """Return an upstream with one cluster."""
    return FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})


@pytest_asyncio.fixture
async def make(upstream: FakeUpstream, time: ManualClock) -> AsyncIterator[RefresherFactory]:
    """Return a function that creates refreshers of that upstream, and close them after the test."""
    created: list[Refresher] = []

    def make_refresher(views: ViewSet | None = None, interval_seconds: float = INTERVAL_SECONDS) -> Refresher:
        effective_views = views or ViewSet(RENDERERS, ("1.2.5", "etim"))
        # One query at a time: clocks that a query moves are then moved in turn.
        collector = SnapshotCollector(
            [PrometheusSource(upstream, 1)], CollectorConfig(CATALOG, MAX_STALE_SECONDS), effective_views
        )
        created.append(Refresher(collector, RefreshSchedule(interval_seconds, MAX_STALE_SECONDS), time.clock))
        return created[-1]

    yield make_refresher
    for refresher in created:
        refresher.close()


@pytest.fixture
def refresher(make: RefresherFactory) -> Refresher:
    """Return a refresher with the default views."""
    return make()


async def refresh_after_interval(refresher: Refresher, time: ManualClock) -> None:
    """Move the clocks to the next scheduled refresh, and wait for it."""
    time.seconds += refresher.compute_seconds_until_refresh()
    await refresher.wait_for_refresh()


def slow_down_queries(upstream: FakeUpstream, time: ManualClock, seconds: float) -> None:
    """Make each refresh take so many seconds: its first query moves the clocks."""
    upstream.on_query = lambda name: setattr(time, "seconds", time.seconds + seconds * (name == "oldest_sample"))


def test_before_the_first_refresh_there_is_no_topology(refresher: Refresher) -> None:
    """After a start, the error says that the first refresh is still running."""
    with pytest.raises(NoTopologyError, match="no topology yet: the first refresh is still running"):
        refresher.get_snapshot()


async def test_a_failed_first_refresh_reports_the_reason(refresher: Refresher, upstream: FakeUpstream) -> None:
    """Without a snapshot, the error contains the reason of the failure."""
    upstream.failure = NotListeningError("connection refused")
    await refresher.wait_for_refresh()
    with pytest.raises(NoTopologyError, match=r"^no topology yet: query oldest_sample: connection refused$"):
        refresher.get_snapshot()


async def test_a_refresh_after_a_failure_is_served(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """The first successful refresh is served, whatever failed before it."""
    upstream.failure = NotListeningError("connection refused")
    await refresher.wait_for_refresh()
    upstream.failure = None
    await refresh_after_interval(refresher, time)
    assert list(refresher.get_snapshot().topology.nodes) == [("u", "n")]
    assert refresher.get_snapshot().is_complete


async def test_concurrent_requests_share_one_refresh(refresher: Refresher, upstream: FakeUpstream) -> None:
    """A thousand requests for fresh data cause one refresh, and all of them get its snapshot."""
    all_wait = threading.Event()
    upstream.on_query = lambda _name: discard(all_wait.wait(WAIT_SECONDS))
    asking = [asyncio.create_task(refresher.wait_for_refresh()) for _ in range(1000)]
    await wait_until(lambda: upstream.refresh_count == 1)
    all_wait.set()
    await asyncio.gather(*asking)
    assert upstream.query_counts == {row.name: 1 for row in CATALOG}
    assert len(refresher.get_snapshot().topology.nodes) == 1


async def test_refreshes_on_demand_are_a_second_apart(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """Requests for fresh data start at most one refresh a second, however fast the upstream is."""
    await refresher.wait_for_refresh()
    time.seconds += 0.9
    await refresher.wait_for_refresh()
    assert upstream.refresh_count == 1
    time.seconds += 0.1
    await refresher.wait_for_refresh()
    assert upstream.refresh_count == 2


async def test_the_interval_includes_the_duration(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """The next refresh starts one interval after the start of the last one."""
    slow_down_queries(upstream, time, 2.0)
    await refresher.wait_for_refresh()
    assert refresher.compute_seconds_until_refresh() == INTERVAL_SECONDS - 2.0


async def test_the_pause_is_three_times_the_duration(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """After a refresh of 4 s, the next on demand starts 12 s later, and the scheduled one after two intervals."""
    slow_down_queries(upstream, time, 4.0)
    await refresher.wait_for_refresh()
    assert refresher.compute_seconds_until_refresh() == 2 * INTERVAL_SECONDS - 4.0
    time.seconds += 11.9
    await refresher.wait_for_refresh()
    assert upstream.refresh_count == 1
    time.seconds += 0.1
    await refresher.wait_for_refresh()
    assert upstream.refresh_count == 2


@pytest.mark.parametrize(("duration_seconds", "expected"), [(37.0, 111.0), (50.0, 100.0), (90.0, 90.0)])
async def test_the_pause_leaves_time_before_the_topology_expires(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock, duration_seconds: float, expected: float
) -> None:
    """The pause after a slow refresh leaves time for another one before the topology is too old."""
    slow_down_queries(upstream, time, duration_seconds)
    await refresher.wait_for_refresh()
    assert refresher.compute_seconds_until_refresh() == expected
    # The next refresh takes as long.
    assert duration_seconds + expected + duration_seconds < MAX_STALE_SECONDS


async def test_a_slow_failure_is_followed_by_a_pause(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """An upstream that fails slowly is not queried more often than one that answers slowly."""
    slow_down_queries(upstream, time, 4.0)
    upstream.failure = UnreachableError("x")
    await refresher.wait_for_refresh()
    assert refresher.compute_seconds_until_refresh() == 12.0


@pytest.mark.parametrize(
    ("asked_seconds", "expected"), [(60.0, 60.0), (5.0, INTERVAL_SECONDS), (1e9, 150.0), (float("inf"), 150.0)]
)
async def test_retry_after_delays_the_next_refresh(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock, asked_seconds: float, expected: float
) -> None:
    """The Retry-After of one query delays all refreshes, by at most half of MAX_STALE."""
    upstream.responses["uptime"] = UpstreamStatusError(429, "too many requests", asked_seconds)
    await refresher.wait_for_refresh()
    assert refresher.compute_seconds_until_refresh() == expected
    time.seconds += min(asked_seconds, expected) - 0.1
    await refresher.wait_for_refresh()
    assert upstream.refresh_count == 1


async def test_failures_without_a_topology_are_retried_soon(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """While there is nothing to serve, the pauses start at a second and double up to the interval."""
    upstream.failure = NotListeningError("connection refused")
    pauses = []
    for _ in range(6):
        await refresh_after_interval(refresher, time)
        pauses.append(refresher.compute_seconds_until_refresh())
    assert pauses == [1.0, 2.0, 4.0, 8.0, INTERVAL_SECONDS, INTERVAL_SECONDS]


async def test_a_success_resets_the_retry_pause(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """After a success the schedule applies, also to failures, until the topology is too old to serve.

    The success comes 7 s after a scheduled time, so two shorter pauses lead back to the schedule.
    """
    upstream.failure = NotListeningError("connection refused")
    for _ in range(3):
        await refresh_after_interval(refresher, time)
    upstream.failure = None
    await refresh_after_interval(refresher, time)
    assert refresher.compute_seconds_until_refresh() == 6.5
    upstream.failure = NotListeningError("connection refused")
    await refresh_after_interval(refresher, time)
    assert refresher.compute_seconds_until_refresh() == 6.5
    await refresh_after_interval(refresher, time)
    assert refresher.compute_seconds_until_refresh() == INTERVAL_SECONDS
    time.seconds += MAX_STALE_SECONDS
    await refresh_after_interval(refresher, time)
    assert refresher.compute_seconds_until_refresh() == 1.0


async def test_the_retry_pause_is_at_most_the_interval(make: RefresherFactory, upstream: FakeUpstream) -> None:
    """An interval of less than a second applies to the first retry as well."""
    refresher = make(interval_seconds=0.25)
    upstream.failure = NotListeningError("connection refused")
    await refresher.wait_for_refresh()
    assert refresher.compute_seconds_until_refresh() == 0.25


def test_the_retry_pause_never_overflows() -> None:
    """After days of failures the pause is still the interval."""
    assert RefreshSchedule(INTERVAL_SECONDS, MAX_STALE_SECONDS).compute_retry_pause(10**6) == INTERVAL_SECONDS


async def test_retry_after_of_a_failed_refresh(refresher: Refresher, upstream: FakeUpstream) -> None:
    """Retry-After also delays the next refresh if all queries failed."""
    upstream.failure = UpstreamStatusError(503, "busy", 60.0)
    await refresher.wait_for_refresh()
    assert refresher.compute_seconds_until_refresh() == 60.0


async def test_the_last_snapshot_is_served_while_the_upstream_fails(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """The last topology is served as incomplete, with its age and the reason."""
    await refresher.wait_for_refresh()
    good = refresher.get_snapshot()
    upstream.failure = UnreachableError("reset")
    await refresh_after_interval(refresher, time)
    current = refresher.get_snapshot()
    assert current.topology is good.topology
    assert not current.is_complete
    assert [str(gap) for gap in current.gaps] == ["refresh: query failed: query oldest_sample: reset"]
    assert refresher.get_age_seconds(current) == INTERVAL_SECONDS


async def test_after_max_stale_nothing_is_served(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """A snapshot is served until it is MAX_STALE old, then the error contains the reason of the failure."""
    await refresher.wait_for_refresh()
    taken_at = time.seconds
    upstream.failure = UnreachableError("reset")
    await refresh_after_interval(refresher, time)
    time.seconds = taken_at + MAX_STALE_SECONDS - 0.1
    assert len(refresher.get_snapshot().topology.nodes) == 1
    time.seconds = taken_at + MAX_STALE_SECONDS
    with pytest.raises(NoTopologyError, match=r"^the last topology is too old: query oldest_sample: reset$"):
        refresher.get_snapshot()


async def test_failures_after_max_stale_do_not_bring_it_back(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """An expired snapshot is not served again, however often the refresh fails."""
    await refresher.wait_for_refresh()
    upstream.failure = UnreachableError("reset")
    time.seconds += MAX_STALE_SECONDS
    await refresher.wait_for_refresh()
    with pytest.raises(NoTopologyError, match="too old"):
        refresher.get_snapshot()


async def test_recovery_after_a_failure(refresher: Refresher, upstream: FakeUpstream, time: ManualClock) -> None:
    """A successful refresh after a failure is complete and has no age."""
    await refresher.wait_for_refresh()
    upstream.failure = UnreachableError("reset")
    time.seconds += MAX_STALE_SECONDS
    await refresher.wait_for_refresh()
    upstream.failure = None
    upstream.responses["uptime"] = build_uptime_response(99)
    await refresh_after_interval(refresher, time)
    current = refresher.get_snapshot()
    assert [node.uptime_seconds for node in current.topology.nodes.values()] == [99]
    assert (current.is_complete, refresher.get_age_seconds(current)) == (True, 0.0)


async def test_the_age_is_that_of_the_oldest_answer(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """A stale response makes the whole snapshot as old as that answer."""
    await refresher.wait_for_refresh()
    upstream.responses["uptime"] = UpstreamStatusError(503, "busy")
    await refresh_after_interval(refresher, time)
    assert refresher.get_age_seconds(refresher.get_snapshot()) == INTERVAL_SECONDS


async def test_a_failing_view_keeps_the_last_snapshot(
    make: RefresherFactory, upstream: FakeUpstream, time: ManualClock
) -> None:
    """A defect in a view is reported without its text, and the last topology stays in use."""

    def only_one_node(topology: Topology, _now_seconds: float) -> bytes:
        if len(topology.nodes) != 1:
            raise ZeroDivisionError("secret detail")
        return b"one"

    refresher = make(ViewSet({"v": only_one_node}, ("v",)))
    await refresher.wait_for_refresh()
    upstream.responses |= build_cluster_responses(hosts=("a", "b"))
    await refresh_after_interval(refresher, time)
    current = refresher.get_snapshot()
    assert current.get_body("v") == b"one"
    assert [gap.detail for gap in current.gaps] == ["internal error, see the log"]
    upstream.responses |= build_cluster_responses(hosts=("c",))
    await refresh_after_interval(refresher, time)
    assert list(refresher.get_snapshot().topology.nodes) == [("u", "c")]


async def test_a_disconnected_client_does_not_cancel_the_refresh(refresher: Refresher, upstream: FakeUpstream) -> None:
    """A refresh continues for others when the request that started it is cancelled."""
    released = threading.Event()
    upstream.on_query = lambda _name: discard(released.wait(WAIT_SECONDS))
    leaving = asyncio.create_task(refresher.wait_for_refresh())
    await wait_until(lambda: upstream.refresh_count == 1)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    released.set()
    await refresher.wait_for_refresh()
    assert len(refresher.get_snapshot().topology.nodes) == 1
    assert upstream.refresh_count == 1


async def test_scheduled_refreshes(make: RefresherFactory, upstream: FakeUpstream, time: ManualClock) -> None:
    """Scheduled refreshes start at once and after each interval, also after a failure."""
    refresher = make(interval_seconds=0.01)
    running = asyncio.create_task(refresher.run())
    await wait_until(lambda: upstream.query_counts["container_memory"] == 1)
    upstream.failure = UnreachableError("reset")
    for count in (2, 3):
        await wait_until(lambda: refresher.compute_seconds_until_refresh() > 0)
        time.seconds += refresher.compute_seconds_until_refresh()
        await wait_until(lambda count=count: upstream.query_counts["container_memory"] == count)  # type: ignore[misc] # bound now
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_refreshes_on_demand_ask_for_whole_seconds(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """A refresh that a request starts is evaluated at the last whole second, and the schedule goes on after it."""
    await refresher.wait_for_refresh()
    time.seconds += 2.5
    await refresher.wait_for_refresh()
    assert upstream.query_times == {START_SECONDS + 1000, START_SECONDS + 1002}
    assert refresher.get_snapshot().evaluated_at_seconds == START_SECONDS + 1002
    assert refresher.compute_seconds_until_refresh() == INTERVAL_SECONDS - 2.5


def test_closing_aborts_queries(refresher: Refresher, upstream: FakeUpstream) -> None:
    """Closing the refresher aborts running queries."""
    refresher.close()
    assert upstream.aborted.is_set()


@pytest.mark.parametrize("succeeds", [True, False], ids=["succeeds", "aborted"])
async def test_a_refresh_aborted_by_closing_is_not_logged(
    refresher: Refresher, upstream: FakeUpstream, *, succeeds: bool
) -> None:
    """A refresh that is running while the refresher closes is awaited but not logged."""
    upstream.failure = None if succeeds else UnreachableError("aborted")
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin(_name: str) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert upstream.aborted.wait(WAIT_SECONDS)

    upstream.on_query = begin
    with structlog.testing.capture_logs() as logged:
        waiting = asyncio.create_task(refresher.wait_for_refresh())
        await begun.wait()
        refresher.close()
        await refresher.wait_for_refresh_end(WAIT_SECONDS)
        await waiting
    assert {line["log_level"] for line in logged} <= {"debug"}


def discard(_value: object) -> None:
    """Drop a value."""


async def test_one_failing_query_does_not_expire_the_topology(
    refresher: Refresher, upstream: FakeUpstream, time: ManualClock
) -> None:
    """The topology stays available however long one query fails while others succeed."""
    upstream.responses["uptime"] = build_uptime_response(5)
    await refresher.wait_for_refresh()
    upstream.responses["uptime"] = UnreachableError("x")
    for _ in range(40):
        time.seconds += INTERVAL_SECONDS
        await refresher.wait_for_refresh()
        assert not refresher.get_snapshot().is_complete


async def test_replaced_snapshots_are_freed_on_the_refresh_thread(refresher: Refresher, time: ManualClock) -> None:
    """The event loop does not spend time on freeing a replaced snapshot."""
    threads: list[str] = []
    await refresh_after_interval(refresher, time)
    reference = weakref.ref(refresher.get_snapshot(), lambda _: threads.append(threading.current_thread().name))
    await refresh_after_interval(refresher, time)
    await wait_until(lambda: bool(threads))
    assert reference() is None
    assert threads[0].startswith("refresh")


async def test_the_quality_of_the_last_refresh(refresher: Refresher, upstream: FakeUpstream, time: ManualClock) -> None:
    """Quality before the first refresh, after a success, after a failure, and after the topology has expired."""
    assert (refresher.get_quality().failure, refresher.get_quality().rows) == ("the first refresh is still running", ())
    await refresher.wait_for_refresh()
    good = refresher.get_quality()
    assert (good.failure, good.complete, good.unavailable) == (None, True, None)
    assert (good.topology_version, good.refresh_seconds) == (
        refresher.get_snapshot().topology.version,
        START_SECONDS + 1000,
    )
    assert refresher.get_quality() is good
    upstream.failure = UnreachableError("reset")
    await refresh_after_interval(refresher, time)
    failed = refresher.get_quality()
    assert (failed.failure, failed.complete) == ("query oldest_sample: reset", False)
    assert (failed.topology_version, failed.rows[0].sources[0].error) == (good.topology_version, "reset")
    time.seconds += MAX_STALE_SECONDS
    old = refresher.get_quality()
    assert (old.unavailable, old.topology_version) == ("the last topology is too old: query oldest_sample: reset", None)
    assert refresher.get_quality() is old
