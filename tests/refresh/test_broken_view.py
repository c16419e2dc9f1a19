"""A refresher whose view fails."""

import asyncio

from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.refresher import Refresher
from aggregator.refresh.schedule import RefreshSchedule
from tests.refresh.manual_clock import ManualClock, wait_until
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses


async def test_refreshes_continue_while_a_view_fails() -> None:
    """A view that fails from now on prevents new snapshots, but not further refreshes."""
    broken: list[bool] = []

    def view(_topology: object, _now: float) -> bytes:
        if broken:
            raise ZeroDivisionError
        return b"fine"

    time, upstream = ManualClock(), FakeUpstream(build_cluster_responses())
    collector = SnapshotCollector(
        [PrometheusSource(upstream, 1)], CollectorConfig(CATALOG, 300.0), ViewSet({"v": view}, ("v",))
    )
    refresher = Refresher(collector, RefreshSchedule(0.01, 300.0), time.clock)
    running = asyncio.create_task(refresher.run())
    await wait_until(lambda: refresher.compute_seconds_until_refresh() > 0)
    broken.append(True)
    for host in ("b", "c"):
        upstream.responses |= build_cluster_responses(hosts=(host,))
        time.seconds += 1
        assert refresher.compute_seconds_until_refresh() == 0
        await wait_until(lambda: refresher.compute_seconds_until_refresh() > 0 or running.done())
    is_running = not running.done() and upstream.refresh_count == 3
    assert refresher.get_snapshot().get_body("v") == b"fine"
    assert not refresher.get_snapshot().is_complete
    running.cancel()
    refresher.close()
    assert is_running
