"""What the counters of a fleet showed before Prometheus was started on it.

Without it rates would be wrong for as long as their window: rate() divides by the whole window, however
little of it has samples, so that a CPU would look busy for its first minutes.
"""

from demo import machine_series
from demo.fleet import Fleet
from demo.page import Page
from demo.prometheus import Moment

WINDOW_SECONDS = 330
STEP_SECONDS = 15
# The counters that are read as rates. Their labels are all their own, so that scraped samples continue the same series.
COUNTERS = ("node_cpu_seconds_total{", "node_network_receive_bytes_total{", "node_network_transmit_bytes_total{")


def past(fleet: Fleet, until_seconds: float) -> list[Moment]:
    """Return the last minutes of the counters of those hosts that are there now."""
    times = range(WINDOW_SECONDS, 0, -STEP_SECONDS)
    return [Moment(_counters(fleet, until_seconds, age_seconds), until_seconds - age_seconds) for age_seconds in times]


def _counters(fleet: Fleet, until_seconds: float, age_seconds: int) -> str:
    page = Page()
    for host in fleet.hosts_at(until_seconds):
        machine_series.processors(page, host, until_seconds - age_seconds)
        machine_series.network(page, host, until_seconds - age_seconds)
    return "\n".join(line for line in page.text().splitlines() if line.startswith(COUNTERS))
