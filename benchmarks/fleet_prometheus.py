"""A real Prometheus with the data of a simulated fleet, written as blocks instead of scraped.

Two thousand nodes expose 194 MB per scrape, too much to scrape during a measurement. The data is written as blocks
before Prometheus starts: every series once, and the counters that are read as rates every two minutes from before the
start until after the end. A look-back delta of hours keeps the single samples visible.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from demo import machine_series
from demo.exposition import ExpositionPage
from demo.fleet import SimulatedFleet, render_exposition
from demo.history import COUNTER_PREFIXES
from demo.inventory import SimulatedHost
from demo.prometheus import ScrapedExposition, obtain_prometheus, run_prometheus_server, write_blocks

PODS_PER_NODE = 15
CONTAINERS_PER_POD = 2
# rate(…[5m]) needs two samples within five minutes.
STEP_SECONDS = 120
HISTORY_SECONDS = 480
MAX_RUN_SECONDS = 45 * 60
PROMETHEUS_FLAGS = ("--query.lookback-delta=6h",)
UP_SAMPLE = 'up{job="fleet",instance="127.0.0.1:9100"} 1\n'


@contextlib.contextmanager
def run_fleet_prometheus(nodes: int) -> Iterator[str]:
    """Run a Prometheus with a fleet of `nodes` nodes; yield its base URL."""
    binaries = obtain_prometheus()
    with tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-") as work:
        write_blocks(binaries, Path(work) / "data", build_moments(nodes, time.time()))
        # 2,000 nodes are half a gigabyte of text; free it.
        (Path(work) / "moments.om").unlink()
        with run_prometheus_server(Path(work), binaries=binaries, flags=PROMETHEUS_FLAGS) as server:
            yield server.url


def build_moments(nodes: int, now_seconds: float) -> list[ScrapedExposition]:
    """Return the exposition text: the current fleet, and its counters over the whole run."""
    fleet = SimulatedFleet.generate(
        nodes, PODS_PER_NODE, CONTAINERS_PER_POD, since_seconds=now_seconds - HISTORY_SECONDS
    )
    written_seconds = now_seconds - 1
    # One host comes and goes; its presence must be the same in all samples.
    present_hosts = fleet.list_hosts(written_seconds)
    times = range(-HISTORY_SECONDS, MAX_RUN_SECONDS, STEP_SECONDS)
    counters = [
        ScrapedExposition(_render_counters(present_hosts, now_seconds + offset), now_seconds + offset)
        for offset in times
    ]
    everything = ScrapedExposition(render_exposition(fleet, written_seconds) + UP_SAMPLE, written_seconds)
    # promtool requires the samples of a series in time order.
    return sorted([*counters, everything], key=lambda moment: moment.at_seconds)


def _render_counters(hosts: Iterable[SimulatedHost], at_seconds: float) -> str:
    page = ExpositionPage()
    for host in hosts:
        machine_series.add_processors(page, host, at_seconds)
        machine_series.add_network(page, host, at_seconds)
    return "\n".join(line for line in page.render().splitlines() if line.startswith(COUNTER_PREFIXES))
