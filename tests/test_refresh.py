"""The refresher: one refresh at a time, pauses that spare the upstream, and what is served meanwhile."""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from aggregator.errors import NotListeningError, NoTopologyError, RefusedError, UnreachableError
from aggregator.models.catalog import CATALOG
from aggregator.models.topology import Topology
from aggregator.querier.gather import Gatherer
from aggregator.refresh import Clock, Pace, Refresher
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME
from tests.upstreams import Upstream, cluster, uptime

WAIT_SECONDS = 10.0
INTERVAL_SECONDS = 10.0
MAX_STALE_SECONDS = 300.0
START_SECONDS = 1795208200.0

Make = Callable[..., Refresher]


class Time:
    """Both clocks of a refresher, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    @property
    def clock(self) -> Clock:
        """The clocks as the refresher wants them."""
        return Clock(wall=lambda: START_SECONDS + self.seconds, monotonic=lambda: self.seconds)


@pytest.fixture
def time() -> Time:
    """Return clocks that stand still."""
    return Time()


@pytest.fixture
def upstream() -> Upstream:
    """Return an upstream that shows one cluster."""
    return Upstream(cluster() | {"uptime": uptime(5)})


@pytest_asyncio.fixture
async def make(upstream: Upstream, time: Time) -> AsyncIterator[Make]:
    """Return a function that makes a refresher of that upstream, and close what it made."""
    made: list[Refresher] = []

    def make_refresher(views: Views | None = None, interval_seconds: float = INTERVAL_SECONDS) -> Refresher:
        shown = views or Views(BY_NAME, ("1.2.5", "etim"))
        # One query at a time: clocks that a query moves are then moved in turn.
        taker = Taker([Gatherer(upstream, 1, 60.0)], Plan(CATALOG, MAX_STALE_SECONDS), shown)
        made.append(Refresher(taker, Pace(interval_seconds, MAX_STALE_SECONDS), time.clock))
        return made[-1]

    yield make_refresher
    for refresher in made:
        refresher.close()


@pytest.fixture
def refresher(make: Make) -> Refresher:
    """Return a refresher with the usual views."""
    return make()


async def refreshed(refresher: Refresher, time: Time) -> None:
    """Let so much time pass that a refresh is allowed, and wait for it."""
    time.seconds += refresher.seconds_to_next()
    await refresher.fresh()


async def until(happened: Callable[[], bool]) -> None:
    """Give way to other tasks until it has happened."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not happened():  # noqa: ASYNC110 - what it waits for happens on other threads, without events
            await asyncio.sleep(0.001)


def takes(upstream: Upstream, time: Time, seconds: float) -> None:
    """Let each refresh take so long: its first query moves the clocks."""
    upstream.before = lambda name: setattr(time, "seconds", time.seconds + seconds * (name == "oldest_sample"))


def test_before_the_first_refresh_there_is_nothing(refresher: Refresher) -> None:
    """A process that has just started says so."""
    with pytest.raises(NoTopologyError, match="no topology yet: the first refresh is not finished"):
        refresher.current()


async def test_a_first_refresh_that_fails_tells_why(refresher: Refresher, upstream: Upstream) -> None:
    """Without any snapshot the reason of the failure is what clients get."""
    upstream.everything = NotListeningError("connection refused")
    await refresher.fresh()
    with pytest.raises(NoTopologyError, match=r"^no topology yet: query oldest_sample: connection refused$"):
        refresher.current()


async def test_an_upstream_that_appears_is_served(refresher: Refresher, upstream: Upstream, time: Time) -> None:
    """The refresh after a failed one serves what it got."""
    upstream.everything = NotListeningError("connection refused")
    await refresher.fresh()
    upstream.everything = None
    await refreshed(refresher, time)
    assert list(refresher.current().topology.nodes) == [("u", "n")]
    assert refresher.current().is_complete


async def test_a_thousand_on_a_cold_start_are_one_refresh(refresher: Refresher, upstream: Upstream) -> None:
    """However many ask for fresh data at once, every query is asked once, and all get the snapshot."""
    all_wait = threading.Event()
    upstream.before = lambda _name: void(all_wait.wait(WAIT_SECONDS))
    asking = [asyncio.create_task(refresher.fresh()) for _ in range(1000)]
    await until(lambda: upstream.refreshes == 1)
    all_wait.set()
    await asyncio.gather(*asking)
    assert upstream.asked == {row.name: 1 for row in CATALOG}
    assert len(refresher.current().topology.nodes) == 1


async def test_fresh_data_is_not_made_twice_a_second(refresher: Refresher, upstream: Upstream, time: Time) -> None:
    """However fast the upstream is, a second passes between refreshes on demand; then the next is made."""
    await refresher.fresh()
    time.seconds += 0.9
    await refresher.fresh()
    assert upstream.refreshes == 1
    time.seconds += 0.1
    await refresher.fresh()
    assert upstream.refreshes == 2


async def test_the_next_refresh_is_an_interval_after_the_start(
    refresher: Refresher, upstream: Upstream, time: Time
) -> None:
    """The time that a refresh took is part of the interval."""
    takes(upstream, time, 2.0)
    await refresher.fresh()
    assert refresher.seconds_to_next() == INTERVAL_SECONDS - 2.0


async def test_a_slow_upstream_is_left_alone_for_three_times_as_long(
    refresher: Refresher, upstream: Upstream, time: Time
) -> None:
    """A refresh of 4 s is followed by 12 s of rest, for refreshes on demand, too."""
    takes(upstream, time, 4.0)
    await refresher.fresh()
    assert refresher.seconds_to_next() == 12.0
    time.seconds += 11.9
    await refresher.fresh()
    assert upstream.refreshes == 1
    time.seconds += 0.1
    await refresher.fresh()
    assert upstream.refreshes == 2


@pytest.mark.parametrize(("took_seconds", "expected"), [(37.0, 111.0), (50.0, 100.0), (90.0, 90.0)])
async def test_a_rest_lets_nothing_grow_too_old(
    refresher: Refresher, upstream: Upstream, time: Time, took_seconds: float, expected: float
) -> None:
    """However slow refreshes are, the rest leaves time for another one before the topology is too old to be shown."""
    takes(upstream, time, took_seconds)
    await refresher.fresh()
    assert refresher.seconds_to_next() == expected
    # The next refresh takes as long.
    assert took_seconds + expected + took_seconds < MAX_STALE_SECONDS


async def test_a_slow_failure_is_rested_from_as_well(refresher: Refresher, upstream: Upstream, time: Time) -> None:
    """An upstream that fails slowly is not asked more often than one that answers."""
    takes(upstream, time, 4.0)
    upstream.everything = UnreachableError("x")
    await refresher.fresh()
    assert refresher.seconds_to_next() == 12.0


@pytest.mark.parametrize(
    ("asked_seconds", "expected"), [(60.0, 60.0), (5.0, INTERVAL_SECONDS), (1e9, 150.0), (float("inf"), 150.0)]
)
async def test_retry_after_is_honoured(
    refresher: Refresher, upstream: Upstream, time: Time, asked_seconds: float, expected: float
) -> None:
    """One row that asks for patience delays the next refresh, on demand too, but for half of MAX_STALE at most."""
    upstream.said["uptime"] = RefusedError(429, "too many requests", asked_seconds)
    await refresher.fresh()
    assert refresher.seconds_to_next() == expected
    time.seconds += min(asked_seconds, expected) - 0.1
    await refresher.fresh()
    assert upstream.refreshes == 1


async def test_retry_after_counts_where_everything_failed(refresher: Refresher, upstream: Upstream) -> None:
    """The patience that is asked for counts without any answer, too."""
    upstream.everything = RefusedError(503, "busy", 60.0)
    await refresher.fresh()
    assert refresher.seconds_to_next() == 60.0


async def test_the_last_snapshot_is_served_marked_while_the_upstream_fails(
    refresher: Refresher, upstream: Upstream, time: Time
) -> None:
    """The same topology, incomplete, with its age and the reason."""
    await refresher.fresh()
    good = refresher.current()
    upstream.everything = UnreachableError("reset")
    await refreshed(refresher, time)
    kept = refresher.current()
    assert kept.topology is good.topology
    assert not kept.is_complete
    assert [str(gap) for gap in kept.gaps] == ["refresh: query failed: query oldest_sample: reset"]
    assert refresher.age_seconds(kept) == INTERVAL_SECONDS


async def test_after_max_stale_nothing_is_served(refresher: Refresher, upstream: Upstream, time: Time) -> None:
    """A snapshot is shown until just before the limit, then the reason of the failure is."""
    await refresher.fresh()
    taken_at = time.seconds
    upstream.everything = UnreachableError("reset")
    await refreshed(refresher, time)
    time.seconds = taken_at + MAX_STALE_SECONDS - 0.1
    assert len(refresher.current().topology.nodes) == 1
    time.seconds = taken_at + MAX_STALE_SECONDS
    with pytest.raises(NoTopologyError, match=r"^the last topology is too old: query oldest_sample: reset$"):
        refresher.current()


async def test_failures_after_max_stale_do_not_bring_it_back(
    refresher: Refresher, upstream: Upstream, time: Time
) -> None:
    """A snapshot that is too old stays hidden however often the refresh fails."""
    await refresher.fresh()
    upstream.everything = UnreachableError("reset")
    time.seconds += MAX_STALE_SECONDS
    await refresher.fresh()
    with pytest.raises(NoTopologyError, match="too old"):
        refresher.current()


async def test_it_recovers(refresher: Refresher, upstream: Upstream, time: Time) -> None:
    """A good refresh after any failure is complete and new."""
    await refresher.fresh()
    upstream.everything = UnreachableError("reset")
    time.seconds += MAX_STALE_SECONDS
    await refresher.fresh()
    upstream.everything = None
    upstream.said["uptime"] = uptime(99)
    await refreshed(refresher, time)
    current = refresher.current()
    assert [node.uptime_seconds for node in current.topology.nodes.values()] == [99]
    assert (current.is_complete, refresher.age_seconds(current)) == (True, 0.0)


async def test_the_age_is_that_of_the_oldest_answer(refresher: Refresher, upstream: Upstream, time: Time) -> None:
    """A row that an old answer stands in for makes the whole snapshot as old as that answer."""
    await refresher.fresh()
    upstream.said["uptime"] = RefusedError(503, "busy")
    await refreshed(refresher, time)
    assert refresher.age_seconds(refresher.current()) == INTERVAL_SECONDS


async def test_a_view_that_breaks_on_new_data_keeps_the_last_snapshot(
    make: Make, upstream: Upstream, time: Time
) -> None:
    """A defect of ours is told as one, without its text, and the last good topology is served."""

    def only_one_node(topology: Topology, _now_seconds: float) -> bytes:
        if len(topology.nodes) != 1:
            raise ZeroDivisionError("secret detail")
        return b"one"

    refresher = make(Views({"v": only_one_node}, ("v",)))
    await refresher.fresh()
    upstream.said |= cluster(hosts=("a", "b"))
    await refreshed(refresher, time)
    kept = refresher.current()
    assert kept.body("v") == b"one"
    assert [gap.detail for gap in kept.gaps] == ["an internal error; the log has it"]
    upstream.said |= cluster(hosts=("c",))
    await refreshed(refresher, time)
    assert list(refresher.current().topology.nodes) == [("u", "c")]


async def test_a_client_that_leaves_does_not_end_the_refresh(refresher: Refresher, upstream: Upstream) -> None:
    """Whoever waited alone for a refresh and was cancelled leaves it to the next."""
    released = threading.Event()
    upstream.before = lambda _name: void(released.wait(WAIT_SECONDS))
    leaving = asyncio.create_task(refresher.fresh())
    await until(lambda: upstream.refreshes == 1)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    released.set()
    await refresher.fresh()
    assert len(refresher.current().topology.nodes) == 1
    assert upstream.refreshes == 1


async def test_it_runs_in_its_pace(make: Make, upstream: Upstream, time: Time) -> None:
    """It refreshes at once, then whenever the interval is over, and goes on after a failure."""
    refresher = make(interval_seconds=0.01)
    running = asyncio.create_task(refresher.run())
    await until(lambda: upstream.asked["container_memory"] == 1)
    upstream.everything = UnreachableError("reset")
    for count in (2, 3):
        await until(lambda: refresher.seconds_to_next() > 0)
        time.seconds += 0.01
        await until(lambda count=count: upstream.asked["container_memory"] == count)  # type: ignore[misc] # bound now
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_closing_breaks_off_what_is_under_way(refresher: Refresher, upstream: Upstream) -> None:
    """When the program ends, nothing is waited for."""
    refresher.close()
    assert upstream.aborted.is_set()


def void(_value: object) -> None:
    """Drop a value."""


async def test_a_view_that_is_broken_for_good() -> None:
    """A view that always breaks from now on costs new data, not the refreshing itself."""
    broken: list[bool] = []

    def view(_topology: object, _now: float) -> bytes:
        if broken:
            raise ZeroDivisionError
        return b"fine"

    time, upstream = Time(), Upstream(cluster())
    taker = Taker([Gatherer(upstream, 1, 60.0)], Plan(CATALOG, 300.0), Views({"v": view}, ("v",)))
    refresher = Refresher(taker, Pace(0.01, 300.0), time.clock)
    running = asyncio.create_task(refresher.run())
    await until(lambda: refresher.seconds_to_next() > 0)
    broken.append(True)
    for host in ("b", "c"):
        upstream.said |= cluster(hosts=(host,))
        time.seconds += 1
        assert refresher.seconds_to_next() == 0
        await until(lambda: refresher.seconds_to_next() > 0 or running.done())
    is_running = not running.done() and upstream.refreshes == 3
    assert refresher.current().body("v") == b"fine"
    assert not refresher.current().is_complete
    running.cancel()
    refresher.close()
    assert is_running


async def test_one_lasting_failure_makes_nothing_too_old(refresher: Refresher, upstream: Upstream, time: Time) -> None:
    """While the other rows are answered, the topology is shown however long one of them is not."""
    upstream.said["uptime"] = uptime(5)
    await refresher.fresh()
    upstream.said["uptime"] = UnreachableError("x")
    for _ in range(40):
        time.seconds += INTERVAL_SECONDS
        await refresher.fresh()
        assert not refresher.current().is_complete


async def test_what_is_replaced_is_freed_on_the_refresh_thread(refresher: Refresher, time: Time) -> None:
    """The event loop's thread does not free a snapshot, which takes as long as it is large."""
    threads: list[str] = []
    await refreshed(refresher, time)
    ended = weakref.ref(refresher.current(), lambda _: threads.append(threading.current_thread().name))
    await refreshed(refresher, time)
    await until(lambda: bool(threads))
    assert ended() is None
    assert threads[0].startswith("refresh")
