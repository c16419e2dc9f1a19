"""Snapshots of past instants: collected apart from refreshes, shared, kept, bounded."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from aggregator.errors import (
    BadRequestError,
    NotFoundError,
    NotListeningError,
    PastSnapshotError,
    QueryTimeoutError,
    UpstreamStatusError,
)
from aggregator.observability.metrics import OwnMetrics
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.past import (
    SETTLING_SECONDS,
    UNSETTLED_TTL_SECONDS,
    PastSnapshotLimits,
    PastSnapshots,
    PastSources,
)
from aggregator.refresh.refresher import Refresher
from aggregator.refresh.schedule import RefreshSchedule
from aggregator.refresh.snapshot import GapKind
from aggregator.views.renderers import RENDERERS
from aggregator.views.v1_format import V1_JSON
from tests.refresh.manual_clock import START_SECONDS, WAIT_SECONDS, ManualClock, wait_until
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses, build_uptime_response
from tests.support.samples import encode_response

NOW_SECONDS = int(START_SECONDS) + 1000
HOUR_SECONDS = 3600


class ReplayedClock:
    """The clock of sources whose current time is fixed."""

    def begin_refresh(self, _wall_seconds: float) -> float:
        """Return that time."""
        return float(NOW_SECONDS)

    def now(self, _wall_seconds: float) -> float:
        """Return that time."""
        return float(NOW_SECONDS)


@dataclass
class PastFixture:
    """Past snapshots of a fake upstream, their clock and metrics."""

    past: PastSnapshots
    upstream: FakeUpstream
    time: ManualClock
    own_metrics: OwnMetrics

    def count_requests(self, result: str) -> float:
        """Return how many requests had this result."""
        value = self.own_metrics.registry.get_sample_value("aggregator_past_requests_total", {"result": result})
        assert value is not None
        return value

    @property
    def collection_count(self) -> int:
        """How many snapshots were collected."""
        return self.upstream.refresh_count


PastFactory = Callable[..., PastFixture]


@pytest.fixture
def make() -> Iterator[PastFactory]:
    """Return a function that creates past snapshots of a new fake upstream, and close them after the test."""
    created: list[PastSnapshots] = []

    def make_past(
        limits: PastSnapshotLimits | None = None,
        recorded_instants: tuple[float, ...] = (),
        *,
        requires_complete: bool = False,
    ) -> PastFixture:
        upstream = FakeUpstream(build_cluster_responses() | {"uptime": build_uptime_response(5)})
        config = CollectorConfig(
            CATALOG, 300.0, requires_complete=requires_complete, disappearance_notice_seconds=300.0
        )
        time, own_metrics = ManualClock(), OwnMetrics()
        sources = PastSources([PrometheusSource(upstream, 2)], config, RENDERERS, recorded_instants=recorded_instants)
        if recorded_instants:
            sources = PastSources(sources.sources, config, RENDERERS, ReplayedClock(), recorded_instants)
        created.append(PastSnapshots(sources, limits, time.clock, own_metrics))
        return PastFixture(created[-1], upstream, time, own_metrics)

    yield make_past
    for past in created:
        past.close()


async def test_all_queries_are_evaluated_at_the_instant(make: PastFactory) -> None:
    """The snapshot is that of the instant, with its age, and its quality names the instant."""
    it = make()
    at_seconds = NOW_SECONDS - HOUR_SECONDS
    snapshot, quality = await it.past.get(at_seconds)
    assert it.upstream.query_times == {at_seconds}
    assert it.upstream.query_counts == {row.name: 1 for row in CATALOG}
    assert list(snapshot.topology.nodes) == [("u", "n")]
    assert (snapshot.evaluated_at_seconds, snapshot.is_complete) == (at_seconds, True)
    assert it.time.seconds - snapshot.oldest_response_at == HOUR_SECONDS
    assert (quality.refresh_seconds, quality.topology_version) == (at_seconds, snapshot.topology.version)
    assert quality.complete


async def test_an_instant_is_collected_once(make: PastFactory) -> None:
    """Later requests for the same second get the same snapshot, however old it is."""
    it = make()
    first = await it.past.get(NOW_SECONDS - HOUR_SECONDS)
    it.time.seconds += 10 * HOUR_SECONDS
    assert await it.past.get(NOW_SECONDS - HOUR_SECONDS) is first
    assert await it.past.get(NOW_SECONDS - HOUR_SECONDS + 1) is not first
    assert (it.collection_count, it.count_requests("ok")) == (2, 3)
    durations = it.own_metrics.registry.get_sample_value("aggregator_past_collection_duration_seconds_count")
    assert durations == 2


async def test_concurrent_requests_share_a_collection(make: PastFactory) -> None:
    """A hundred requests for one instant cause one collection."""
    it = make()
    all_wait = threading.Event()
    it.upstream.on_query = lambda _name: _discard(all_wait.wait(WAIT_SECONDS))
    asking = [asyncio.create_task(it.past.get(NOW_SECONDS - 60)) for _ in range(100)]
    await wait_until(lambda: it.collection_count == 1)
    all_wait.set()
    assert len({id(past) for past in await asyncio.gather(*asking)}) == 1
    assert it.collection_count == 1


async def test_documents_of_instants_have_versions_of_their_own(make: PastFactory) -> None:
    """Two instants with equal topologies have different ages in the legacy documents, so their versions differ."""
    it = make()
    now = NOW_SECONDS
    it.upstream.responses["oldest_sample"] = encode_response([({}, f"{now - 500}")])
    first, second = [(await it.past.get(now - seconds)).snapshot for seconds in (300, 200)]
    assert first.topology.version == second.topology.version
    assert first.get_body("1.2.5") != second.get_body("1.2.5")
    versions = {each.rendered_topology.get_version("1.2.5") for each in (first, second)}
    assert len(versions) == 2
    assert first.rendered_topology.get_version(V1_JSON) == second.rendered_topology.get_version(V1_JSON)


@pytest.mark.parametrize("ahead_seconds", [1, 86_400])
async def test_the_future_is_refused(make: PastFactory, ahead_seconds: int) -> None:
    """The error names the parameter, the current time and the one that is requested."""
    it = make()
    with pytest.raises(
        BadRequestError, match=r"^to must not be in the future: it is now 2026-\S+Z, got 2026-\S+Z$"
    ) as refused:
        await it.past.get(NOW_SECONDS + ahead_seconds, "to")
    assert (refused.value.parameter, it.collection_count) == ("to", 0)


async def test_before_the_data_there_is_nothing(make: PastFactory) -> None:
    """An instant without any cluster is not found; that is kept, too."""
    it = make()
    it.upstream.responses.clear()
    for _ in range(2):
        with pytest.raises(NotFoundError, match=r"^no topology at 1970-01-01T00:00:00Z: the sources have no data"):
            await it.past.get(0)
    assert (it.collection_count, it.count_requests("no_data")) == (1, 2)


async def test_a_failed_collection_is_an_error_and_tried_again(make: PastFactory) -> None:
    """If all queries fail, the error says when to retry; the next request collects again."""
    it = make()
    it.upstream.failure = NotListeningError("connection refused")
    with pytest.raises(PastSnapshotError, match=r"no topology at 2026-\S+: query \w+: connection refused"):
        await it.past.get(NOW_SECONDS - 60)
    it.upstream.failure = None
    assert (await it.past.get(NOW_SECONDS - 60)).snapshot.is_complete
    assert (it.count_requests("failed"), it.count_requests("ok")) == (1, 1)


async def test_cached_responses_of_other_instants_are_not_used(make: PastFactory) -> None:
    """A query that fails at one instant is a gap there, although it succeeded at another one."""
    it = make()
    await it.past.get(NOW_SECONDS - 60)
    it.upstream.responses["uptime"] = QueryTimeoutError("too slow")
    snapshot = (await it.past.get(NOW_SECONDS - 600)).snapshot
    assert [gap.kind for gap in snapshot.gaps] == [GapKind.FAILED]
    assert [node.uptime_seconds for node in snapshot.topology.nodes.values()] == [None]


async def test_nothing_disappears_between_instants(make: PastFactory) -> None:
    """A node of one instant that another one does not have is neither a gap nor a gone node there."""
    it = make()
    it.upstream.responses.update(build_cluster_responses(hosts=("n", "m")))
    assert len((await it.past.get(NOW_SECONDS - 60)).snapshot.topology.nodes) == 2
    it.upstream.responses.update(build_cluster_responses(hosts=("n",)))
    snapshot = (await it.past.get(NOW_SECONDS - 30)).snapshot
    assert (list(snapshot.topology.nodes), snapshot.gaps) == ([("u", "n")], ())


async def test_incomplete_snapshots_are_refused_where_completeness_is_required(make: PastFactory) -> None:
    """With PARTIAL_RESPONSE=abort, an instant with a missing response is an error."""
    it = make(requires_complete=True)
    it.upstream.responses["uptime"] = QueryTimeoutError("too slow")
    with pytest.raises(PastSnapshotError, match="too slow"):
        await it.past.get(NOW_SECONDS - 60)


@pytest.mark.parametrize(("age_seconds", "fails"), [(SETTLING_SECONDS - 1, False), (HOUR_SECONDS, True)])
async def test_unsettled_snapshots_are_kept_for_a_short_time(
    make: PastFactory, age_seconds: float, *, fails: bool
) -> None:
    """A young instant, and one that lacks a response, is collected again after a while: data may have arrived."""
    it = make()
    if fails:
        it.upstream.responses["uptime"] = QueryTimeoutError("too slow")
    at_seconds = NOW_SECONDS - int(age_seconds)
    first = await it.past.get(at_seconds)
    it.time.seconds += UNSETTLED_TTL_SECONDS - 0.1
    assert await it.past.get(at_seconds) is first
    it.time.seconds += 0.1
    assert await it.past.get(at_seconds) is not first


async def test_many_instants_at_once_are_refused(make: PastFactory) -> None:
    """One collection runs, a few wait, and the others are refused with a time to retry; nobody waits for them."""
    it = make(PastSnapshotLimits(max_waiting=2))
    all_wait = threading.Event()
    it.upstream.on_query = lambda _name: _discard(all_wait.wait(WAIT_SECONDS))
    asking = [asyncio.create_task(it.past.get(NOW_SECONDS - 60 - number)) for number in range(10)]
    done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    await wait_until(lambda: sum(task.done() for task in asking) == 7)
    errors = [task.exception() for task in asking if task.done()]
    assert all(isinstance(error, PastSnapshotError) for error in errors)
    assert {str(error) for error in errors} == {"too many past instants are requested at the same time"}
    assert all(isinstance(error, PastSnapshotError) and error.retry_after_seconds > 0 for error in errors)
    assert done | waiting == set(asking)
    all_wait.set()
    await asyncio.wait(asking)
    assert (it.count_requests("refused"), it.count_requests("ok"), it.collection_count) == (7, 3, 3)
    assert it.upstream.query_times == {NOW_SECONDS - 60, NOW_SECONDS - 61, NOW_SECONDS - 62}


async def test_abandoned_requests_are_not_collected(make: PastFactory) -> None:
    """A collection that waits is dropped if its clients disconnect; one that runs is finished and kept."""
    it = make()
    all_wait = threading.Event()
    it.upstream.on_query = lambda _name: _discard(all_wait.wait(WAIT_SECONDS))
    running, waiting, wanted = [asyncio.create_task(it.past.get(NOW_SECONDS - seconds)) for seconds in (60, 61, 62)]
    await wait_until(lambda: it.collection_count == 1)
    for task in (running, waiting):
        task.cancel()
    await asyncio.wait([running, waiting])
    # Abandoned and requested again at once.
    for _ in range(2):
        again = asyncio.create_task(it.past.get(NOW_SECONDS - 63))
        await asyncio.sleep(0)
        again.cancel()
        await asyncio.wait([again])
    again = asyncio.create_task(it.past.get(NOW_SECONDS - 63))
    all_wait.set()
    await wanted
    assert (await again).snapshot.evaluated_at_seconds == NOW_SECONDS - 63
    await it.past.get(NOW_SECONDS - 60)
    assert it.upstream.query_times == {NOW_SECONDS - 60, NOW_SECONDS - 62, NOW_SECONDS - 63}
    assert it.collection_count == 3


async def test_a_retry_after_pauses_collections(make: PastFactory) -> None:
    """After an upstream sent Retry-After, instants that are not kept are refused for that time."""
    it = make()
    await it.past.get(NOW_SECONDS - HOUR_SECONDS)
    it.upstream.failure = UpstreamStatusError(503, "busy", retry_after_seconds=40.0)
    with pytest.raises(PastSnapshotError) as failed:
        await it.past.get(NOW_SECONDS - 60)
    assert failed.value.retry_after_seconds == 40.0
    it.upstream.failure = None
    it.time.seconds += 39.0
    with pytest.raises(PastSnapshotError, match="sent Retry-After") as refused:
        await it.past.get(NOW_SECONDS - 60)
    assert refused.value.retry_after_seconds == pytest.approx(1.0)
    await it.past.get(NOW_SECONDS - HOUR_SECONDS)
    it.time.seconds += 1.0
    await it.past.get(NOW_SECONDS - 60)


@pytest.mark.parametrize(
    "limits", [PastSnapshotLimits(max_snapshots=2), PastSnapshotLimits(max_objects=5)], ids=["snapshots", "objects"]
)
async def test_the_least_recently_used_instants_are_dropped(make: PastFactory, limits: PastSnapshotLimits) -> None:
    """Snapshots are kept up to a number and a sum of objects (here two each), by their last use."""
    it = make(limits)
    for seconds in (60, 61, 60, 62, 60, 62, 61):
        await it.past.get(NOW_SECONDS - HOUR_SECONDS - seconds)
    # 60, 61 and 62 were collected, then 61 again: it was used least when 62 was added.
    assert it.collection_count == 4


async def test_a_snapshot_larger_than_the_limit_is_kept_until_the_next(make: PastFactory) -> None:
    """The snapshot that was used last is kept, whatever its size."""
    it = make(PastSnapshotLimits(max_objects=1))
    first = await it.past.get(NOW_SECONDS - HOUR_SECONDS)
    assert await it.past.get(NOW_SECONDS - HOUR_SECONDS) is first


@pytest.mark.parametrize(
    ("at_seconds", "expected"),
    [(100, 100.5), (110, 100.5), (119, 100.5), (120, 120.25), (139, 120.25), (140, 140.75)],
)
async def test_a_recording_has_its_instants_only(make: PastFactory, at_seconds: int, expected: float) -> None:
    """The topology of an instant is the last recorded one until then."""
    it = make(recorded_instants=(100.5, 120.25, 140.75))
    assert (await it.past.get(at_seconds)).snapshot.evaluated_at_seconds == expected
    assert it.upstream.query_times == {expected}


@pytest.mark.parametrize(
    ("at_seconds", "kind", "detail"),
    [
        (99, NotFoundError, "no topology at 1970-01-01T00:01:39Z: the recording begins at 1970-01-01T00:01:40Z"),
        (141, BadRequestError, "the recording ends at 1970-01-01T00:02:20Z, got 1970-01-01T00:02:21Z"),
    ],
)
async def test_a_recording_begins_and_ends(
    make: PastFactory, at_seconds: int, kind: type[Exception], detail: str
) -> None:
    """An instant before the first or after the last refresh of a recording is an error that names its bounds."""
    it = make(recorded_instants=(100.5, 120.25, 140.75))
    with pytest.raises(kind, match=detail):
        await it.past.get(at_seconds)


async def test_a_hanging_past_does_not_delay_a_refresh(make: PastFactory) -> None:
    """While an upstream hangs in the collection of a past instant, refreshes run and are served."""
    it = make()
    hangs = threading.Event()
    it.upstream.on_query = lambda _name: _discard(hangs.wait(WAIT_SECONDS))
    asking = asyncio.create_task(it.past.get(NOW_SECONDS - 60))
    await wait_until(lambda: it.collection_count == 1)
    current = FakeUpstream(build_cluster_responses())
    collector = SnapshotCollector(
        [PrometheusSource(current, 2)], CollectorConfig(CATALOG, 300.0), ViewSet(RENDERERS, ("1.2.5",))
    )
    refresher = Refresher(collector, RefreshSchedule(10.0, 300.0), it.time.clock, past=it.past)
    for number in range(1, 4):
        it.time.seconds += 100
        await refresher.wait_for_refresh()
        assert current.refresh_count == number
        assert refresher.get_snapshot().is_complete
    assert not asking.done()
    hangs.set()
    await asking
    refresher.close()
    assert it.upstream.aborted.is_set(), "the refresher closes the sources of the past"


def _discard(_value: object) -> None:
    """Return nothing."""
