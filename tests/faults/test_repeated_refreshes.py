"""Many refreshes without a network: they leak no objects and do not run on the thread of the event loop."""

import gc
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

import aggregator
from aggregator.errors import UpstreamStatusError
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.refresher import Refresher
from aggregator.refresh.schedule import RefreshSchedule
from aggregator.views.renderers import RENDERERS
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses, build_uptime_response

PACKAGE = Path(aggregator.__file__).parent
# The packages that decode responses, build topologies and render documents.
WORKER_MODULES = ("models", "querier", "views")
REFRESH_COUNT = 1_000
WARM_UP_COUNT = 100
# One leaked object per refresh would be 900.
MAX_OBJECT_GROWTH = 400
HOSTS = ["a", "b"]
# Enough for hosts with one value.
SELECTED_ROWS = tuple(row for row in CATALOG if row.name in ("orchestrators", "nodes_by_uname", "uptime"))


@pytest.fixture
def upstream() -> FakeUpstream:
    """Return an upstream with one cluster."""
    return FakeUpstream(build_cluster_responses(hosts=HOSTS) | {"uptime": build_uptime_response(5, HOSTS[0])})


@pytest.fixture
def collector(upstream: FakeUpstream) -> Iterator[SnapshotCollector]:
    """Return a snapshot collector of that upstream."""
    snapshot_collector = SnapshotCollector(
        [PrometheusSource(upstream, 2)], CollectorConfig(SELECTED_ROWS, 300.0), ViewSet(RENDERERS, ("1.2.5", "etim"))
    )
    yield snapshot_collector
    snapshot_collector.close()


def test_refreshes_do_not_leak_objects(collector: SnapshotCollector, upstream: FakeUpstream) -> None:
    """A thousand refreshes, every tenth with a failed query, leave no more objects than a hundred refreshes."""
    seconds = itertools.count(1_795_208_200)

    def refresh(times: int) -> int:
        for number in range(times):
            upstream.responses["uptime"] = (
                UpstreamStatusError(400, "x" * 100) if number % 10 == 0 else build_uptime_response(number, HOSTS[0])
            )
            now = float(next(seconds))
            snapshot, failures = collector.collect(now, now)
            assert len(snapshot.topology.nodes) == len(HOSTS)
            assert len(failures) == (number % 10 == 0)
        # The fake upstream records the times of its queries.
        upstream.query_times.clear()
        gc.collect()
        return sys.getallocatedblocks()

    before = refresh(WARM_UP_COUNT)
    assert refresh(REFRESH_COUNT - WARM_UP_COUNT) - before < MAX_OBJECT_GROWTH


async def test_a_refresh_does_not_run_on_the_event_loop_thread(collector: SnapshotCollector) -> None:
    """Querying, decoding, building and rendering do not run on the thread of the event loop."""
    called_packages: set[str] = set()

    def record_call(frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in path.parents:
            called_packages.add(path.relative_to(PACKAGE).parts[0])

    refresher = Refresher(collector, RefreshSchedule(10.0, 300.0))
    sys.setprofile(record_call)
    try:
        await refresher.wait_for_refresh()
    finally:
        sys.setprofile(None)
    assert len(refresher.get_snapshot().get_body("etim")) > 0
    # The profiler works: the refresher itself runs on this thread.
    assert "refresh" in called_packages
    assert called_packages.isdisjoint(WORKER_MODULES)
    refresher.close()
