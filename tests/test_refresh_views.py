"""Refreshing where a view is broken."""

import asyncio

from aggregator.models.catalog import CATALOG
from aggregator.querier.gather import Gatherer
from aggregator.refresh import Pace, Refresher
from aggregator.take import Plan, Taker, Views
from tests.refreshing import Time, until
from tests.upstreams import Upstream, cluster


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
