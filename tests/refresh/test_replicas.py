"""Replicas: processes that start at any time publish equal versions, so that a watch continues at another one."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from msgspec.structs import replace

from aggregator.querier.prometheus.decode import CompressedBody
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.refresher import Refresher
from aggregator.refresh.schedule import RefreshSchedule
from aggregator.views.renderers import RENDERERS
from tests.refresh.manual_clock import ManualClock, wait_until
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses, build_uptime_response

# Short, because the scheduled refreshes wait for the real clock, too.
INTERVAL_SECONDS = 0.1
REFRESH_COUNT = 6


class ChangingUpstream(FakeUpstream):
    """An upstream with other values at each instant."""

    def query(self, promql: str, at_seconds: float) -> CompressedBody:
        """Return the response for an instant."""
        self.responses["uptime"] = build_uptime_response(at_seconds)
        return super().query(promql, at_seconds)


class Replica:
    """A refresher with its own clock and upstream, which started some time after a scheduled one."""

    def __init__(self, start_seconds: float) -> None:
        self.time = ManualClock()
        self.time.seconds += start_seconds
        self.upstream = ChangingUpstream(build_cluster_responses())
        # One query at a time: the response depends on the query.
        collector = SnapshotCollector(
            [PrometheusSource(self.upstream, 1)], CollectorConfig(CATALOG, 300.0), ViewSet(RENDERERS, ())
        )
        self.refresher = Refresher(collector, RefreshSchedule(INTERVAL_SECONDS, 300.0), self.time.clock)
        # The version of each evaluation time, in the order of the refreshes.
        self.versions: dict[float, str] = {}

    async def run(self) -> None:
        """Run the scheduled refreshes, each a little late, and remember their versions."""
        running = asyncio.create_task(self.refresher.run())
        for number in range(1, REFRESH_COUNT + 1):
            await wait_until(lambda number=number: self.upstream.refresh_count == number)  # type: ignore[misc] # bound now
            await wait_until(lambda: self.refresher.compute_seconds_until_refresh() > 0)
            snapshot = self.refresher.get_snapshot()
            self.versions[snapshot.evaluated_at_seconds] = snapshot.topology.version
            if number < REFRESH_COUNT:
                self.time.seconds += self.refresher.compute_seconds_until_refresh() + 0.002
        running.cancel()
        await asyncio.wait([running])


@pytest_asyncio.fixture
async def replicas() -> AsyncIterator[tuple[Replica, Replica]]:
    """Two replicas that started at different times and refreshed a few times."""
    replicas = Replica(0.03), Replica(0.085)
    for replica in replicas:
        await replica.run()
    yield replicas
    for replica in replicas:
        replica.refresher.close()


async def test_scheduled_refreshes_ask_for_the_same_instants(replicas: tuple[Replica, Replica]) -> None:
    """After two refreshes at most, the evaluation times are multiples of the interval, and the versions are equal."""
    first, second = replicas
    common = sorted(first.versions.keys() & second.versions.keys())
    assert len(common) >= REFRESH_COUNT - 3
    assert common == [round(round(each / INTERVAL_SECONDS) * INTERVAL_SECONDS, 3) for each in common]
    assert [first.versions[each] for each in common] == [second.versions[each] for each in common]
    assert len({first.versions[each] for each in common}) == len(common)
    assert all(replica.upstream.query_times == set(replica.versions) for replica in replicas)


async def test_a_replica_knows_the_changes_since_a_version_of_the_other(replicas: tuple[Replica, Replica]) -> None:
    """The history of one replica has the changes since a version that the other one published, and no others."""
    first, second = replicas
    *_, common = sorted(first.versions.keys() & second.versions.keys())[:-1]
    newest = second.refresher.get_snapshot().topology.version
    delta = second.refresher.history.find_delta(first.versions[common], newest)
    assert delta is not None
    (change,) = delta.nodes.values()
    assert change.before != change.after
    assert replace(change.before, uptime_seconds=change.after.uptime_seconds) == change.after
