"""The counters of a fleet in the minutes before Prometheus starts.

Without them, rates would be too low for the length of their window, because rate() divides by the whole window: a CPU
would look busy for the first minutes.
"""

from collections.abc import Sequence

from demo import machine_series
from demo.exposition import ExpositionPage
from demo.fleet import SimulatedFleet
from demo.plain.workloads import MOVING_POD
from demo.prometheus import ScrapedExposition
from demo.targets import ScrapeTarget, remove_timestamps

HISTORY_SECONDS = 330
HISTORY_STEP_SECONDS = 15
_AGES_SECONDS = range(HISTORY_SECONDS, 0, -HISTORY_STEP_SECONDS)
# The counters whose rates are queried. Scraping adds no labels, so scraped samples continue the same series.
COUNTER_PREFIXES = (
    "node_cpu_seconds_total{",
    "node_network_receive_bytes_total{",
    "node_network_transmit_bytes_total{",
    "container_cpu_usage_seconds_total{",
    "container_network_receive_bytes_total{",
    "container_network_transmit_bytes_total{",
)


def generate_history(fleet: SimulatedFleet, until_seconds: float) -> list[ScrapedExposition]:
    """Return the last minutes of the counters of the hosts that are present at the end."""
    return [
        ScrapedExposition(_render_counters(fleet, until_seconds, age_seconds), until_seconds - age_seconds)
        for age_seconds in _AGES_SECONDS
    ]


def generate_target_history(targets: Sequence[ScrapeTarget], until_seconds: float) -> list[ScrapedExposition]:
    """Return the last minutes of the counters of scrape targets, and of a pod that has moved to another node.

    Prometheus returns the series of its first node until five minutes after their last sample.
    """
    return [
        ScrapedExposition(_render_target_counters(targets, until_seconds - age_seconds), until_seconds - age_seconds)
        for age_seconds in _AGES_SECONDS
    ]


def _render_target_counters(targets: Sequence[ScrapeTarget], at_seconds: float) -> str:
    lines = [line for target in targets for line in target.list_stored_lines(at_seconds, _belongs_to_history)]
    return remove_timestamps("\n".join(lines))


def _belongs_to_history(line: str) -> bool:
    return line.startswith(COUNTER_PREFIXES) or f'pod="{MOVING_POD}"' in line


def _render_counters(fleet: SimulatedFleet, until_seconds: float, age_seconds: int) -> str:
    page = ExpositionPage()
    for host in fleet.list_hosts(until_seconds):
        machine_series.add_processors(page, host, until_seconds - age_seconds)
        machine_series.add_network(page, host, until_seconds - age_seconds)
    return "\n".join(line for line in page.render().splitlines() if line.startswith(COUNTER_PREFIXES))
