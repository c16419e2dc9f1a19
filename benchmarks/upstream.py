"""A real Prometheus that holds a simulated fleet for the length of a run, without being scraped into.

Two thousand nodes expose 194 MB at a time: too much to scrape while something is measured. So the data is written
as blocks before Prometheus starts: everything once, and the counters that are read as rates every two minutes from
before the start until after the end, ahead of the clock. A look-back of hours keeps what was written once visible.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from demo import machine_series
from demo.fleet import Fleet, exposition
from demo.history import COUNTERS
from demo.inventory import Host
from demo.page import Page
from demo.prometheus import Moment, blocks, obtain, started

PODS_PER_NODE = 15
CONTAINERS_PER_POD = 2
# rate(…[5m]) needs two samples in any five minutes.
STEP_SECONDS = 120
BEFORE_SECONDS = 480
LONGEST_RUN_SECONDS = 45 * 60
FLAGS = ("--query.lookback-delta=6h",)
UP = 'up{job="fleet",instance="127.0.0.1:9100"} 1\n'


@contextlib.contextmanager
def holding(nodes: int) -> Iterator[str]:
    """Run a Prometheus that holds a fleet of that many nodes; give its base URL."""
    binaries = obtain()
    with tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-") as work:
        blocks(binaries, Path(work) / "data", moments(nodes, time.time()))
        # 2,000 nodes are half a gigabyte of text, which nobody needs any more.
        (Path(work) / "moments.om").unlink()
        with started(Path(work), binaries=binaries, flags=FLAGS) as server:
            yield server.url


def moments(nodes: int, now_seconds: float) -> list[Moment]:
    """Return all that is written: the fleet of now, and its counters from before until long after."""
    fleet = Fleet.of(nodes, PODS_PER_NODE, CONTAINERS_PER_POD, since_seconds=now_seconds - BEFORE_SECONDS)
    written_at = now_seconds - 1
    # One host comes and goes; whether it is there must be the same for all that is written.
    there = fleet.hosts_at(written_at)
    times = range(-BEFORE_SECONDS, LONGEST_RUN_SECONDS, STEP_SECONDS)
    counters = [Moment(_counters(there, now_seconds + offset), now_seconds + offset) for offset in times]
    everything = Moment(exposition(fleet, written_at) + UP, written_at)
    # promtool wants the samples of a series in the order of time.
    return sorted([*counters, everything], key=lambda moment: moment.at_seconds)


def _counters(hosts: Iterable[Host], at_seconds: float) -> str:
    page = Page()
    for host in hosts:
        machine_series.processors(page, host, at_seconds)
        machine_series.network(page, host, at_seconds)
    return "\n".join(line for line in page.text().splitlines() if line.startswith(COUNTERS))
