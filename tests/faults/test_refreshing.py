"""Refreshes again and again, without a network: they leave nothing behind, and stay off the event loop's thread."""

import gc
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

import aggregator
from aggregator.errors import RefusedError
from aggregator.models.catalog import CATALOG
from aggregator.querier.gather import Gatherer
from aggregator.refresh import Pace, Refresher
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME
from tests.upstreams import Upstream, cluster, uptime

PACKAGE = Path(aggregator.__file__).parent
# What turns bytes into a topology and back into bytes.
WORKERS = ("models", "querier", "views", "take.py")
REFRESHES = 1_000
WARM_UP = 100
# One object kept of each refresh would be 900.
MOST_GROWN_OBJECTS = 400
HOSTS = ["a", "b"]
# Enough for hosts and a value of theirs.
FEW_ROWS = tuple(row for row in CATALOG if row.name in ("orchestrators", "nodes_by_uname", "uptime"))


@pytest.fixture
def upstream() -> Upstream:
    """Return an upstream that shows a cluster."""
    return Upstream(cluster(hosts=HOSTS) | {"uptime": uptime(5, HOSTS[0])})


@pytest.fixture
def taker(upstream: Upstream) -> Iterator[Taker]:
    """Return a taker of that upstream."""
    made = Taker([Gatherer(upstream, 2, 60.0)], Plan(FEW_ROWS, 300.0), Views(BY_NAME, ("1.2.5", "etim")))
    yield made
    made.close()


def test_a_thousand_refreshes_leave_nothing_behind(taker: Taker, upstream: Upstream) -> None:
    """After a thousand refreshes, each tenth with a failed query, no more objects are there than after a hundred."""
    seconds = itertools.count(1_795_208_200)

    def refresh(times: int) -> int:
        for number in range(times):
            upstream.said["uptime"] = RefusedError(400, "x" * 100) if number % 10 == 0 else uptime(number, HOSTS[0])
            now = float(next(seconds))
            snapshot, failures = taker.take(now, now)
            assert len(snapshot.topology.nodes) == len(HOSTS)
            assert len(failures) == (number % 10 == 0)
        # The stand-in remembers the times that it was asked for.
        upstream.times.clear()
        gc.collect()
        return sys.getallocatedblocks()

    before = refresh(WARM_UP)
    assert refresh(REFRESHES - WARM_UP) - before < MOST_GROWN_OBJECTS


async def test_a_refresh_stays_off_the_thread_of_the_loop(taker: Taker) -> None:
    """While a refresh asks, decodes, builds and renders, none of that runs on the event loop's thread."""
    seen: set[str] = set()

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in path.parents:
            seen.add(path.relative_to(PACKAGE).parts[0])

    refresher = Refresher(taker, Pace(10.0, 300.0))
    sys.setprofile(watch)
    try:
        await refresher.fresh()
    finally:
        sys.setprofile(None)
    assert len(refresher.current().body("etim")) > 0
    # The watch works: the refresher itself does run there.
    assert "refresh.py" in seen
    assert seen.isdisjoint(WORKERS)
    refresher.close()
